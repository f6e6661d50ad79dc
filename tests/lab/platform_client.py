"""A plain HTTP client of the lab, which shares no code with the clients of the package."""

from __future__ import annotations

import base64
import json
import textwrap
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from typing import Any
from urllib.parse import urlencode, urlsplit

from pytest_sipfront.lab.process import LabHandle, LabProcess
from tests.support import TIMEOUT

POLLS = 2000
BOUNDARY = "a-boundary"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: HTTPMessage
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def multipart(fields: Mapping[str, str]) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    parts = [f'{head}"{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()]
    return "".join([*parts, f"--{BOUNDARY}--\r\n"]).encode()


class Platform:
    """The lab as a client sees it. Each request opens a connection."""

    def __init__(self, process: LabProcess) -> None:
        self.url = process.url
        self.handle: LabHandle = process
        self.authorization: str | None = basic(process.public_key, process.secret_key)

    def configure(self, text: str) -> None:
        self.handle.configure(textwrap.dedent(text))

    def send(self, method: str, url: str, body: bytes | str | None = None, content_type: str | None = None) -> Reply:
        parts = urlsplit(url if url.startswith("http") else self.url + url)
        headers = {"Authorization": self.authorization} if self.authorization is not None else {}
        if parts.path.startswith("/lab/"):
            headers["Authorization"] = f"Bearer {self.handle.token}"
        if content_type is not None:
            headers["Content-Type"] = content_type
        connection = HTTPConnection(str(parts.hostname), parts.port, timeout=TIMEOUT)
        try:
            connection.request(method, parts.path, body, headers)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def get(self, url: str) -> Reply:
        return self.send("GET", url)

    def post(self, path: str, fields: Any) -> Reply:
        return self.send("POST", path, json.dumps(fields), "application/json")

    def post_form(self, path: str, fields: Mapping[str, str]) -> Reply:
        return self.send("POST", path, urlencode(fields), "application/x-www-form-urlencoded")

    def post_multipart(self, path: str, fields: Mapping[str, str]) -> Reply:
        return self.send("POST", path, multipart(fields), f"multipart/form-data; boundary={BOUNDARY}")

    def launch(self, test: str = "Quick", **fields: Any) -> Reply:
        return self.post("/api/v2/tests/run", {"test.name": test, **fields})

    def status_url(self, test: str = "Quick", **fields: Any) -> str:
        return str(self.launch(test, **fields).json["data"]["status_url"])

    def finished(self, status_url: str, key: str = "status") -> dict[str, Any]:
        """Poll until the run has ended and return its status."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            run: dict[str, Any] = self.get(status_url).json["run"]
            if run[key] != "running":
                return run
        raise AssertionError(f"{status_url} is still running after {TIMEOUT} s")

    def run(self, test: str = "Quick", **fields: Any) -> dict[str, Any]:
        return self.finished(self.status_url(test, **fields))
