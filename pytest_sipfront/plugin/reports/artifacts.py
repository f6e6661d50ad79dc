"""The files that an attempt at a test leaves: report page, run document, recordings, SIP messages and capture.

Each session has a directory, and each kept attempt a directory in it. The lab writes the files of a run while its calls
run, into a directory of its own in that of the session. They move into the directory of their attempt once its verdict
is known, so a killed session keeps what it had.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytest_sipfront.masking import mask_data
from pytest_sipfront.plugin.reports.run_document import EVIDENCE, PAGE, SIFT

ALL, FAILED, OFF = "all", "failed", "off"
KEEP = (ALL, FAILED, OFF)
DOCUMENT, STATUS, TIMELINE = "run.json", "status.json", "timeline.txt"
EVIDENCE_FILE = "evidence.json"
"""What the lab has measured."""
CALLS = "calls"
"""The directory within that of a session in which the lab writes the files of each run."""
MOST_SESSIONS, MOST_ATTEMPTS = 10, 2_000
LARGEST_SESSION, LARGEST_ROOT = 1 << 30, 4 << 30
"""Bytes. Beyond them, further attempts leave no recordings, and the oldest sessions are removed."""
_SESSION = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_\w+", re.ASCII)
_LONGEST_NAME = 100
_LARGE = {".wav", ".pcap", ".html"}
_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A run document with the last status as the service sent it; None if there is none."""

    document: dict[str, Any]
    raw: Mapping[str, Any] | None = None


class Artifacts:
    """The artifacts of one session.

    Args:
        directory: The directory of the session; it is created with the first file.
        base: Paths in reports are relative to this directory.
        calls: Where the lab writes the files of its runs; None without a lab.
        keeps: One of `KEEP`.
        masks: Whether phone numbers are masked.
    """

    def __init__(
        self, directory: Path | None, *, base: Path, calls: Path | None = None, keeps: str = FAILED, masks: bool = False
    ) -> None:
        self._directory, self._base, self._calls = directory, base, calls
        self._keeps = OFF if directory is None else keeps
        self._masks = masks
        self._lab_pages: set[Path] = set()
        self._attempts = 0
        self._bytes = 0

    def keeps(self, *, failed: bool) -> bool:
        """Return whether the artifacts of an attempt are kept."""
        return self._keeps == ALL or (self._keeps == FAILED and failed)

    def evidence(self, run_id: str) -> dict[str, Any]:
        """Return what the lab has measured in a run so far; empty without a lab."""
        if self._calls is None or not run_id:
            return {}
        try:
            data = json.loads((self._calls / Path(run_id).name / EVIDENCE_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {name: data.get(name, []) for name in EVIDENCE} if isinstance(data, dict) else {}

    def keep(
        self,
        nodeid: str,
        attempt: int,
        evidence: Sequence[Evidence],
        *,
        failure: str = "",
        known: Path | None = None,
    ) -> Path | None:
        """Write and collect the files of an attempt.

        Args:
            nodeid: The id of the test.
            attempt: The number of the attempt.
            evidence: Its runs and calls. Their documents get the list of their files.
            failure: How the test failed, in one line, for the page; "" if it did not.
            known: The directory of an earlier call for the same attempt, which is brought up to date.

        Returns:
            The directory; None if it cannot be written.
        """
        try:
            directory = known or self._reserve(nodeid, attempt)
            for number, each in enumerate(evidence):
                place = directory if number == 0 else directory / _place(each.document)
                self._collect(place, each, failure)
        except OSError:
            return known
        return directory

    def discard(self, evidence: Sequence[Evidence]) -> None:
        """Remove the lab's files of runs that are not kept."""
        for each in evidence:
            if (source := self._source(each.document)) is not None:
                shutil.rmtree(source, ignore_errors=True)

    def relative(self, path: Path) -> str:
        """Return a path as reports show it: relative to the current directory if it is in that."""
        with contextlib.suppress(ValueError):
            path = path.relative_to(self._base)
        return path.as_posix()

    def _reserve(self, nodeid: str, attempt: int) -> Path:
        if self._directory is None:
            raise FileNotFoundError("the session has no directory")
        self._attempts += 1
        if self._attempts > MOST_ATTEMPTS:
            raise OSError("too many attempts")
        name = _name(nodeid if not self._masks else str(mask_data(nodeid)))
        name += f"-attempt{attempt}" if attempt > 1 else ""
        for number in range(1, MOST_ATTEMPTS):
            directory = self._directory / (name if number == 1 else f"{name}-{number}")
            with contextlib.suppress(FileExistsError):
                directory.mkdir(parents=True)
                return directory
        raise OSError("too many tests of one name")

    def _collect(self, place: Path, evidence: Evidence, failure: str) -> None:
        place.mkdir(exist_ok=True)
        document = evidence.document
        if (source := self._source(document)) is not None:
            self._move(source, place)
        if evidence.raw is not None:
            self._write(place / STATUS, self._json(dict(evidence.raw)))
        if timeline := document["timeline"]:
            self._write(place / TIMELINE, _timeline(mask_data(timeline) if self._masks else timeline))
        if place not in self._lab_pages:
            self._write_page(place, document, failure)
        document["artifacts"] = {"directory": self.relative(place), "files": []}
        document["artifacts"]["files"] = sorted({DOCUMENT, *(_files(place))})
        self._write(place / DOCUMENT, self._json(document))

    def _source(self, document: Mapping[str, Any]) -> Path | None:
        """Return the directory in which the lab has written the files of a run."""
        if self._calls is None or not document["run_id"]:
            return None
        source = self._calls / Path(document["run_id"]).name
        return source if source.is_dir() else None

    def _move(self, source: Path, place: Path) -> None:
        """Move the lab's files of a run. While the run lasts, copy them: the lab still writes them."""
        has_ended = any(source.rglob(PAGE))
        for path in source.rglob("*"):
            if not path.is_file():
                continue
            self._bytes += path.stat().st_size
            if path.name == EVIDENCE_FILE or (self._bytes > LARGEST_SESSION and path.suffix in _LARGE):
                continue  # the document contains the evidence
            if path.name == PAGE:
                self._lab_pages.add(place)
            target = place / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.move if has_ended else shutil.copy)(path, target)
        if has_ended:
            shutil.rmtree(source, ignore_errors=True)

    def _write_page(self, place: Path, document: dict[str, Any], failure: str) -> None:
        if find_spec("jinja2") is None:
            return
        from pytest_sipfront.pages.rendering import render  # noqa: PLC0415 - only for kept artifacts

        shown, failure = mask_data([document, failure]) if self._masks else (document, failure)
        self._write(place / PAGE, render(_TEMPLATES, "run_report.html", run=shown, failure=failure))

    def _json(self, data: Any) -> str:
        return json.dumps(mask_data(data) if self._masks else data, indent=1, ensure_ascii=False, default=str) + "\n"

    @staticmethod
    def _write(path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def prune(root: Path, current: Path) -> None:
    """Remove the oldest sessions from a directory: all but the latest ten, and more if they are large.

    Args:
        root: The directory of all sessions. Directories whose names are not those of sessions stay.
        current: The directory of this session, which stays.
    """
    with contextlib.suppress(OSError):
        sessions = sorted(path for path in root.iterdir() if path.is_dir() and _SESSION.fullmatch(path.name))
        total = 0
        for number, path in enumerate(reversed(sessions), start=1):
            total += sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            if path != current and (number > MOST_SESSIONS or total > LARGEST_ROOT):
                shutil.rmtree(path, ignore_errors=True)


def remove_empty(directory: Path) -> None:
    """Remove the directory of a session that kept nothing."""
    for path in (directory / CALLS, directory):
        with contextlib.suppress(OSError):
            path.rmdir()


def _name(nodeid: str) -> str:
    """Return a file name for a test: letters, digits and a few marks of its id."""
    test = nodeid.rpartition("/")[2].replace(".py::", "-", 1)
    name = re.sub(r"[^\w.+=*-]+", "_", test).replace("*", "x").strip("_.")
    return name[:_LONGEST_NAME] or "test"


def _place(document: Mapping[str, Any]) -> str:
    return f"{'call' if document['service']['name'] == SIFT else 'run'}-{document['number']}"


def _files(place: Path) -> Iterator[str]:
    for path in place.rglob("*"):
        if path.is_file():
            yield path.relative_to(place).as_posix()


def _timeline(entries: Sequence[Mapping[str, Any]]) -> str:
    lines = (f"{each['seconds']:9.3f} s  {each['direction']} {each['event']}  {each['details']}" for each in entries)
    return "".join(f"{line.rstrip()}\n" for line in lines)
