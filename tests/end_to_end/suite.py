"""A user's test suite, as the end-to-end tests write and run it."""

from __future__ import annotations

import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.lab.process import LabProcess
from tests.support import TIMEOUT

HEAD = "import pytest\nmarked = pytest.mark.sipfront\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReport:
    """One test case of a JUnit file.

    Attributes:
        outcome: "passed", "failure", "error" or "skipped": the name of the JUnit element.
        message: The message of that element.
        details: The text of that element.
        properties: The properties of the test case.
        duration: Seconds.
    """

    outcome: str
    message: str
    details: str
    properties: Mapping[str, str]
    duration: float


def case_report(case: ET.Element) -> CaseReport:
    """Read a <testcase> element."""
    results = [child for child in case if child.tag in {"failure", "error", "skipped"}]
    properties = {p.attrib["name"]: p.attrib["value"] for p in case.iter("property")}
    return CaseReport(
        outcome=results[0].tag if results else "passed",
        message=results[0].get("message", "") if results else "",
        details=(results[0].text or "") if results else "",
        properties=properties,
        duration=float(case.attrib["time"]),
    )


def wait_until(
    condition: Callable[[], bool], process: subprocess.Popen[Any] | None = None, interval: float = 0.01
) -> None:
    """Return once `condition` is true, which other processes make true.

    Args:
        condition: Checked every `interval` seconds.
        process: A process that must not end before.
        interval: Seconds.

    Raises:
        AssertionError: The process ended, or `TIMEOUT` seconds passed.
    """
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert process is None or process.poll() is None, "the process ended early"
        assert time.monotonic() < deadline
        time.sleep(interval)


def lab_tests(definitions: Mapping[str, str]) -> str:
    """Return a lab file with these tests.

    Args:
        definitions: The keys of each test as YAML, by the name of the test, such as "takes: 0.02, verdict: failed".
    """
    return "tests:\n" + "".join(f"  {name!r}: {{{definition}}}\n" for name, definition in definitions.items())


class Suite:
    """A user's test suite in a temporary directory, and the lab that it runs against."""

    def __init__(self, pytester: pytest.Pytester, lab: LabProcess) -> None:
        self.pytester = pytester
        self.lab = lab
        self.junit = pytester.path / "junit.xml"

    def configure(self, lab_yaml: str) -> None:
        """Replace the lab file, which also resets the counts of the lab."""
        self.lab.configure(lab_yaml)

    def write(self, test_py: str, name: str = "test_it") -> Path:
        """Write a test module. It can use `pytest` and `marked`, which is `pytest.mark.sipfront`."""
        return self.pytester.makepyfile(**{name: HEAD + test_py})

    def run(self, *args: str) -> pytest.RunResult:
        """Run the suite in this process, with short poll intervals."""
        return self.pytester.runpytest_inprocess(*self._arguments(args))

    def run_in_subprocess(self, *args: str) -> pytest.RunResult:
        """Run the suite in a process, with short poll intervals."""
        return self.pytester.runpytest_subprocess(*self._arguments(args), timeout=TIMEOUT)

    def run_tests(self, definitions: Mapping[str, str], *args: str) -> dict[str, CaseReport]:
        """Configure the lab with these tests and run one marked test for each of them, in one session.

        Args:
            definitions: See `lab_tests`.
            args: Options for pytest.

        Returns:
            The report of each test, by its name.
        """
        self.configure(lab_tests(definitions))
        literals = {name: name.replace("{", "{{").replace("}", "}}") for name in definitions}
        return self.run_marked({name: f"test={literal!r}" for name, literal in literals.items()}, *args)

    def run_marked(self, markers: Mapping[str, str], *args: str, body: str = "pass") -> dict[str, CaseReport]:
        """Run one test for each marker, in one session.

        Args:
            markers: The arguments of the marker, by any name.
            args: Options for pytest.
            body: The body of every test, on one line; it can use `sipfront_run` and `record_property`.

        Returns:
            The report of each test, by that name.
        """
        fixtures = ", ".join(name for name in ("sipfront_run", "record_property") if name in body)
        tests = (f"@marked({words})\ndef test_{n}({fixtures}): {body}\n" for n, words in enumerate(markers.values()))
        self.write("".join(tests))
        self.run(*args)
        return self.named_reports(markers)

    def named_reports(self, names: Iterable[str]) -> dict[str, CaseReport]:
        """Return the reports of `test_0`, `test_1`, ... by these names."""
        return {name: self.report(f"test_{n}") for n, name in enumerate(names)}

    def case(self, name: str) -> ET.Element:
        """Return the <testcase> element of that name; there must be exactly one."""
        cases = [case for case in ET.parse(self.junit).iter("testcase") if case.get("name") == name]
        assert len(cases) == 1, f"{len(cases)} test cases named {name}"
        return cases[0]

    def report(self, name: str = "test_call") -> CaseReport:
        """Return the report of the test case of that name; there must be exactly one."""
        return case_report(self.case(name))

    def _arguments(self, args: tuple[str, ...]) -> tuple[str, ...]:
        return (
            f"--sipfront-base-url={self.lab.url}",
            "--sipfront-poll-interval=0.02",
            "--sipfront-retry-for=1",
            f"--junitxml={self.junit}",
            "-Wdefault",  # a user's session does not turn warnings into errors, as this project's sessions do
            *(() if "-prandomly" in args else ("-pno:randomly",)),
            *args,
        )
