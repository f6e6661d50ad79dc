"""Start a lab in a separate process, and read from a running lab what has happened.

This module needs only the standard library, so that importing it stays cheap.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from pytest_sipfront.extras import missing_extra
from pytest_sipfront.lab.diagnosis import Check, Diagnosis

REQUEST_TIMEOUT = 10.0
STOP_TIMEOUT = 5.0
TOKEN_VARIABLE = "SIPFRONT_LAB_TOKEN"  # noqa: S105 - a variable's name, not its value
SIP_CREDENTIALS = ("SIPFRONT_LAB_SIP_USER", "SIPFRONT_LAB_SIP_PASSWORD")
_SERVICE_PREFIXES = ("SIPFRONT_", "SF_API_", "SIFT_")
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:SECRET|TOKEN|PASSWORD|PASSWD|PASS|CREDENTIALS?|API_?KEY|KEY)(?:_|$)", re.IGNORECASE
)
_PASSWORD_IN_URL = re.compile(r"://[^/\s@]*:[^/\s@]+@")
# -P: a module in the current directory, for example the suite's own yaml.py, must not replace a module of the lab
_COMMAND = (sys.executable, "-P", "-m", "pytest_sipfront.lab")


class LabError(Exception):
    """The lab did not start, does not answer, or rejects a lab file. The text contains the lab's own message."""


def require_lab_extra() -> None:
    """Check that the packages of the extra `lab` are installed.

    Raises:
        LabError: A package is missing; the text names the extra.
    """
    if reason := missing_extra("lab", "the lab"):
        raise LabError(reason)


class LabHandle:
    """A running lab at a URL. Any process of the machine that knows its token can use it.

    Every property sends a request to the lab and raises `LabError` if it does not answer.

    Args:
        url: The URL of the lab.
        token: Its token (default: the environment variable `SIPFRONT_LAB_TOKEN`).
    """

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url.rstrip("/")
        self.token = token or os.environ.get(TOKEN_VARIABLE, "")

    @property
    def counts(self) -> dict[str, Any]:
        """All counts: launches, launch_requests, polls, in_flight, peak_in_flight, requests, by_path."""
        counts: dict[str, Any] = self._request("counts")
        return counts

    @property
    def launches(self) -> int:
        """Number of accepted launches of tests and projects."""
        return int(self.counts["launches"])

    @property
    def polls(self) -> int:
        """Number of status requests."""
        return int(self.counts["polls"])

    @property
    def in_flight(self) -> int:
        """Number of launched runs and project runs that have not ended."""
        return int(self.counts["in_flight"])

    @property
    def peak_in_flight(self) -> int:
        """Highest number of launches that were in flight at the same time."""
        return int(self.counts["peak_in_flight"])

    @property
    def now(self) -> float:
        """Seconds since the lab's start, the clock of `runs` and `requests`."""
        return float(self.counts["now"])

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The requests to both services in the order of their arrival; `docs/lab.md` describes the keys."""
        requests: list[dict[str, Any]] = self._request("requests")
        return requests

    @property
    def runs(self) -> list[dict[str, Any]]:
        """Every run with test, overrides and state, and with start and stop in seconds since the lab's start."""
        runs: list[dict[str, Any]] = self._request("runs")
        return runs

    @property
    def connections(self) -> list[dict[str, Any]]:
        """Every connection at Sift, oldest first, as its API shows it, with the `commands` that it executed."""
        connections: list[dict[str, Any]] = self._request("sift")["connections"]
        return connections

    @property
    def callbacks(self) -> list[dict[str, Any]]:
        """Every callback that Sift sent: time, kind, connection_id, body, and the HTTP status or error as outcome."""
        callbacks: list[dict[str, Any]] = self._request("sift")["callbacks"]
        return callbacks

    def configure(self, yaml_text: str) -> None:
        """Replace the lab file by `yaml_text`, end open runs and reset all counts.

        Raises:
            LabError: The text is not a valid lab file; nothing changes.
        """
        self._request("config", method="PUT", data=yaml_text.encode("utf-8"))

    def _request(self, path: str, method: str = "GET", data: bytes | None = None) -> Any:
        # a request to this machine must not go to a proxy that the environment names
        opener = build_opener(ProxyHandler({}))
        headers = {"Authorization": f"Bearer {self.token}"}
        request = Request(f"{self.url}/lab/{path}", data, headers, method=method)  # noqa: S310 - http to the lab
        try:
            with opener.open(request, timeout=REQUEST_TIMEOUT) as response:
                return json.load(response)
        except HTTPError as error:
            with error:
                raise LabError(error.read().decode("utf-8", "replace")) from None
        except (URLError, OSError, ValueError) as error:
            raise LabError(f"the lab at {self.url} does not answer: {error}") from None


class LabProcess(LabHandle):
    """A lab that this process has started. As a context manager it stops the lab at its exit."""

    def __init__(self, process: subprocess.Popen[str], announcement: Mapping[str, Any], resources: ExitStack) -> None:
        super().__init__(announcement["url"], announcement["token"])
        self.public_key: str = announcement["public_key"]
        self.secret_key: str = announcement["secret_key"]
        self.pid: int = announcement["pid"]
        self.backend: str = announcement["backend"]
        self._process = process
        self._resources = resources

    def close(self) -> None:
        """Stop the lab and wait for its end. A second call returns at once."""
        _stop(self._process)
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def start_lab(
    file: Path | None = None,
    *,
    text: str | None = None,
    timeout: float = 15,
    records: Path | None = None,
    has_sound: bool = True,
    masks: bool = False,
    calls: str = "auto",
) -> LabProcess:
    """Start a lab on a free port of 127.0.0.1 and return once it listens.

    The lab stops with `close()`, and when this process ends for any reason. Secrets in the environment of this
    process are not passed on to it, unless the lab file names their variables.

    Args:
        file: The lab file (default: the built-in one).
        text: The text of a lab file, used instead of `file`.
        timeout: Seconds to wait for the start.
        records: A directory in which each run with calls leaves its files, in a directory named by the run's id.
        has_sound: Whether these files contain audio and RTP.
        masks: Whether phone numbers in these files are masked.
        calls: How runs with steps get their verdicts: "auto", "required" or "scripted", see `calls` of the lab file.

    Raises:
        LabError: The lab did not start within `timeout` seconds, or stopped; the text is its standard error.
    """
    require_lab_extra()
    with ExitStack() as stack:
        if text is not None:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="sipfront-lab-"))
            file = Path(directory, "lab.yaml")
            file.write_text(text, encoding="utf-8")
        errors = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))
        options = [f"--calls={calls}", *([] if records is None else ["--records", str(records)])]
        options += [*(["--mask-numbers"] if masks else []), *([] if has_sound else ["--no-sound"])]
        process = _spawn(file, errors, options)
        stack.callback(_stop, process)
        line = _first_line(process, timeout)
        if line is None:
            raise LabError(f"the lab did not start within {timeout:g} seconds")
        try:
            announcement = json.loads(line)
        except ValueError:
            _stop(process)
            errors.seek(0)
            raise LabError(f"the lab did not start: {errors.read().strip()}") from None
        return LabProcess(process, announcement, stack.pop_all())


def examine(timeout: float = 60) -> Diagnosis:
    """Check in a separate process whether this machine can place calls. It takes about two seconds.

    Raises:
        LabError: The self-check failed, or did not end within `timeout` seconds.
    """
    require_lab_extra()
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter and this package
            [*_COMMAND, "--doctor", "--announce"],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env=lab_environment(os.environ),
        )
        return Diagnosis(tuple(Check(*check) for check in json.loads(done.stdout)))
    except subprocess.TimeoutExpired:
        raise LabError(f"the self-check did not end within {timeout:g} seconds") from None
    except ValueError:
        raise LabError(f"the self-check failed: {done.stderr.strip()}") from None


def lab_environment(environment: Mapping[str, str], lab_file: str = "") -> dict[str, str]:
    """Return the environment of a lab process: `environment` without secrets.

    The variables of the real services are removed, and all others whose names or values look like secrets. Those that
    the text of the lab file contains are kept, because it may name variables with the credentials of a PBX.
    """
    return {
        name: value
        for name, value in environment.items()
        if name in SIP_CREDENTIALS
        or not (name.upper().startswith(_SERVICE_PREFIXES) or (_is_secret(name, value) and name not in lab_file))
    }


def _is_secret(name: str, value: str) -> bool:
    return bool(_SECRET_NAME.search(name) or _PASSWORD_IN_URL.search(value))


def _spawn(file: Path | None, errors: IO[str], options: list[str]) -> subprocess.Popen[str]:
    command = [*_COMMAND, "--announce", "--with-parent", *options]
    return subprocess.Popen(  # noqa: S603 - this interpreter and this package
        [*command, str(file)] if file else command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env=lab_environment(os.environ, _text(file)),
        # Ctrl-C must reach only the starting process, which still reads from the lab
        start_new_session=True,
    )


def _text(file: Path | None) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace") if file is not None else ""
    except OSError:  # the lab reports it
        return ""


def _first_line(process: subprocess.Popen[str], timeout: float) -> str | None:
    lines: list[str] = []
    assert process.stdout is not None  # noqa: S101 - it is a PIPE
    reader = threading.Thread(target=lambda out=process.stdout: lines.append(out.readline()), daemon=True)
    reader.start()
    reader.join(timeout)
    return lines[0] if lines else None


def _stop(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None  # noqa: S101 - it is a PIPE
    assert process.stdout is not None  # noqa: S101 - it is a PIPE
    process.stdin.close()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
