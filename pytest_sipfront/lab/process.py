"""Starts a lab as a process of its own, and asks a running one what happened. Standard library only."""

from __future__ import annotations

import json
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

ASK_TIMEOUT = 10.0
END_TIMEOUT = 5.0
# -P: a module of the suite in the current directory must not stand in for one of ours
_COMMAND = (sys.executable, "-P", "-m", "pytest_sipfront.lab")


class LabError(Exception):
    """The lab did not start, cannot be reached or refuses a lab file; the text holds what it said."""


def require_lab_extra() -> None:
    """Return if the packages of the extra `lab` are installed.

    Raises:
        LabError: They are not; the text names the extra.
    """
    if reason := missing_extra("lab", "the lab"):
        raise LabError(reason)


class LabHandle:
    """A running lab, known by its URL; works in any process of the machine.

    Every property asks the lab at once and raises `LabError` when it does not answer.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    @property
    def counts(self) -> dict[str, Any]:
        """All counts: launches, launch_requests, polls, in_flight, peak_in_flight, requests, by_path."""
        counts: dict[str, Any] = self._ask("counts")
        return counts

    @property
    def launches(self) -> int:
        """How many launches were accepted, of tests and projects."""
        return int(self.counts["launches"])

    @property
    def polls(self) -> int:
        """How often the status of a run was asked for."""
        return int(self.counts["polls"])

    @property
    def in_flight(self) -> int:
        """How many launches have not ended yet."""
        return int(self.counts["in_flight"])

    @property
    def peak_in_flight(self) -> int:
        """The most launches that were in flight at one moment."""
        return int(self.counts["peak_in_flight"])

    @property
    def now(self) -> float:
        """Seconds since the lab's start: the clock of `runs` and `requests`."""
        return float(self.counts["now"])

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The requests to the platform in the order of their arrival, each as `docs/lab.md` describes."""
        requests: list[dict[str, Any]] = self._ask("requests")
        return requests

    @property
    def runs(self) -> list[dict[str, Any]]:
        """Every run: test, overrides, state, start and stop in seconds since the lab's start, and more."""
        runs: list[dict[str, Any]] = self._ask("runs")
        return runs

    @property
    def connections(self) -> list[dict[str, Any]]:
        """Every connection at Sift, oldest first, as its API shows it, and the `commands` that it carried out."""
        connections: list[dict[str, Any]] = self._ask("sift")["connections"]
        return connections

    @property
    def callbacks(self) -> list[dict[str, Any]]:
        """Every callback that Sift posted: time, kind, connection_id, body, and the outcome: a status or an error."""
        callbacks: list[dict[str, Any]] = self._ask("sift")["callbacks"]
        return callbacks

    def configure(self, yaml_text: str) -> None:
        """Replace the lab file by `yaml_text`, end open runs and count anew.

        Raises:
            LabError: The text is no valid lab file; the lab stays as it was.
        """
        self._ask("config", method="PUT", data=yaml_text.encode("utf-8"))

    def _ask(self, what: str, method: str = "GET", data: bytes | None = None) -> Any:
        # a proxy from the environment must not see what is meant for this machine
        opener = build_opener(ProxyHandler({}))
        request = Request(f"{self.url}/lab/{what}", data=data, method=method)  # noqa: S310 - http to the lab
        try:
            with opener.open(request, timeout=ASK_TIMEOUT) as answer:
                return json.load(answer)
        except HTTPError as error:
            with error:
                raise LabError(error.read().decode("utf-8", "replace")) from None
        except (URLError, OSError, ValueError) as error:
            raise LabError(f"the lab at {self.url} does not answer: {error}") from None


class LabProcess(LabHandle):
    """A lab that this process started; as a context manager it ends the lab on the way out."""

    def __init__(self, process: subprocess.Popen[str], about: Mapping[str, Any], resources: ExitStack) -> None:
        super().__init__(about["url"])
        self.public_key: str = about["public_key"]
        self.secret_key: str = about["secret_key"]
        self.pid: int = about["pid"]
        self.engine: str = about["engine"]
        self._process = process
        self._resources = resources

    def close(self) -> None:
        """End the lab and wait for its end; a second call does nothing."""
        _end(self._process)
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def start_lab(file: Path | None = None, *, text: str | None = None, timeout: float = 15) -> LabProcess:
    """Start a lab on a free port of 127.0.0.1 and return when it listens.

    It reads `file`, or `text`, or the built-in lab file. It ends with `close()`, and by itself when this process is
    gone, however that happened.

    Raises:
        LabError: It did not start within `timeout` seconds; the text is what it wrote to its standard error.
    """
    require_lab_extra()
    with ExitStack() as stack:
        if text is not None:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="sipfront-lab-"))
            file = Path(directory, "lab.yaml")
            file.write_text(text, encoding="utf-8")
        errors = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))
        process = _spawn(file, errors)
        stack.callback(_end, process)
        line = _first_line(process, timeout)
        if line is None:
            raise LabError(f"the lab did not start within {timeout:g} seconds")
        try:
            about = json.loads(line)
        except ValueError:
            _end(process)
            errors.seek(0)
            raise LabError(f"the lab did not start: {errors.read().strip()}") from None
        return LabProcess(process, about, stack.pop_all())


def examine(timeout: float = 60) -> Diagnosis:
    """Return whether this machine can place calls, tried in a process of its own; takes about two seconds.

    Raises:
        LabError: The self-check did not come to its end within `timeout` seconds.
    """
    require_lab_extra()
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            [*_COMMAND, "--doctor", "--announce"], capture_output=True, text=True, check=False, timeout=timeout
        )
        return Diagnosis(tuple(Check(*check) for check in json.loads(done.stdout)))
    except subprocess.TimeoutExpired:
        raise LabError(f"the self-check did not end within {timeout:g} seconds") from None
    except ValueError:
        raise LabError(f"the self-check failed: {done.stderr.strip()}") from None


def _spawn(file: Path | None, errors: IO[str]) -> subprocess.Popen[str]:
    command = [*_COMMAND, "--announce", "--with-parent"]
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [*command, str(file)] if file else command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        # Ctrl-C is for the starter, which still wants to read the lab's last words
        start_new_session=True,
    )


def _first_line(process: subprocess.Popen[str], timeout: float) -> str | None:
    lines: list[str] = []
    assert process.stdout is not None  # noqa: S101 - given as PIPE
    reader = threading.Thread(target=lambda out=process.stdout: lines.append(out.readline()), daemon=True)
    reader.start()
    reader.join(timeout)
    return lines[0] if lines else None


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None  # noqa: S101 - given as PIPE
    assert process.stdout is not None  # noqa: S101 - given as PIPE
    process.stdin.close()
    try:
        process.wait(END_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
