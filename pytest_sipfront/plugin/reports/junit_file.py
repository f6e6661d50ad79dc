"""Corrections of pytest's JUnit file: earlier attempts, consistent counts, and properties for stricter schemas."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from pytest_sipfront.plugin.reports.properties import ARTIFACTS, ATTEMPT, PREFIX
from pytest_sipfront.plugin.reports.run_document import PAGE

TESTCASE, SYSTEM_OUT = "testcase", "system-out"
PLACES = (TESTCASE, SYSTEM_OUT)
"""Where the properties of a test case can be."""
_ATTEMPT = re.compile(rf"{re.escape(PREFIX + ATTEMPT)}(\d+)")
_ARTIFACTS = re.compile(rf"{re.escape(PREFIX + ARTIFACTS)}(\.\d+)?")
_ELEMENTS = {"failed": "Failure", "error": "Error"}


def correct(path: Path, properties: str, base: Path) -> None:
    """Correct a JUnit file that pytest has written.

    pytest writes a test case without a result for each earlier attempt at a test. It is replaced by an element of the
    last attempt, as Maven Surefire writes it: `rerunFailure` or `rerunError` if the test failed at last, `flakyFailure`
    or `flakyError` if it passed. The counts of a suite are those of its test cases.

    Args:
        path: The file. A missing or unreadable file is left alone.
        properties: One of `PLACES`.
        base: The directory that paths of artifacts are relative to.
    """
    try:
        if PREFIX not in path.read_text("utf-8") and properties == TESTCASE:
            return
        tree = ET.parse(path)  # noqa: S314 - pytest wrote it
    except (OSError, UnicodeDecodeError, ET.ParseError):
        return
    for suite in tree.iter("testsuite"):
        _drop_earlier_attempts(suite)
    for case in tree.iter("testcase"):
        _add_attempts(case)
        _add_attachments(case, base)
        if properties == SYSTEM_OUT:
            _move_properties(case)
    for suite in tree.iter("testsuite"):
        _count(suite)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    tree.write(draft, encoding="utf-8", xml_declaration=True)
    draft.replace(path)


def written_to(option: str, directory: Path) -> Path:
    """Return the path at which pytest writes the file.

    Args:
        option: The value of `--junitxml`.
        directory: The directory in which pytest was started.
    """
    return directory / os.path.expandvars(Path(option).expanduser())


def _properties(case: ET.Element) -> Iterator[tuple[str, str]]:
    for element in case.iterfind("properties/property"):
        yield element.get("name", ""), element.get("value", "")


def _drop_earlier_attempts(suite: ET.Element) -> None:
    """Remove the test cases of attempts that the last attempt at the same test lists."""
    attempts: dict[tuple[str | None, str | None], list[tuple[int, ET.Element]]] = {}
    for case in suite.findall("testcase"):
        earlier = sum(_ATTEMPT.fullmatch(name) is not None for name, _ in _properties(case))
        attempts.setdefault((case.get("classname"), case.get("name")), []).append((earlier, case))
    for cases in attempts.values():
        last = max(earlier for earlier, _ in cases)
        for earlier, case in cases:
            if earlier < last:
                suite.remove(case)


def _add_attempts(case: ET.Element) -> None:
    is_failed = any(case.find(tag) is not None for tag in ("failure", "error"))
    for name, value in _properties(case):
        if _ATTEMPT.fullmatch(name):
            outcome, _, message = value.partition(": ")
            tag = ("rerun" if is_failed else "flaky") + _ELEMENTS.get(outcome, "Failure")
            element = ET.SubElement(case, tag, message=message, type=outcome)
            element.text = message


def _add_attachments(case: ET.Element, base: Path) -> None:
    """Name the artifacts of a test case in its output, in the form that Jenkins and GitLab read.

    GitLab shows the first one only, which is the report page of the last attempt.
    """
    kept = sorted((name, value) for name, value in _properties(case) if _ARTIFACTS.fullmatch(name))
    directories = [value for _, value in kept]
    paths = [f"{directory}/{name}" for directory in directories for name in _files(base / directory)]
    if paths:
        output = case.find(SYSTEM_OUT)
        if output is None:
            output = ET.SubElement(case, SYSTEM_OUT)
        lines = "".join(f"[[ATTACHMENT|{path}]]\n" for path in paths)
        output.text = f"{output.text.rstrip()}\n{lines}" if output.text else lines


def _files(directory: Path) -> list[str]:
    """Return the files in a directory, the report page first."""
    names = [path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()]
    return sorted(names, key=lambda name: (name != PAGE, name))


def _move_properties(case: ET.Element) -> None:
    """Move the properties of a test case to the head of its output. Some readers know the first output only."""
    lines = "".join(f"{name}: {value}\n" for name, value in _properties(case))
    for properties in case.findall("properties"):
        case.remove(properties)
    if lines:
        output = case.find("system-out")
        if output is None:
            output = ET.SubElement(case, "system-out")
        output.text = lines + (output.text or "")


def _count(suite: ET.Element) -> None:
    """Correct the counts. pytest counts a test twice if both its setup and its teardown fail."""
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for attribute, tag in (("errors", "error"), ("failures", "failure"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
