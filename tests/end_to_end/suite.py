"""A user's suite, as the end-to-end tests write and run it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from pytest_sipfront.lab.process import LabProcess


class Suite:
    """A user's suite in a directory of its own, and the platform it runs against."""

    def __init__(self, pytester: pytest.Pytester, lab: LabProcess) -> None:
        self.pytester = pytester
        self.lab = lab
        self.junit = pytester.path / "junit.xml"

    def platform(self, lab_yaml: str) -> None:
        """Describe the platform."""
        self.lab.configure(lab_yaml)

    def write(self, test_py: str, name: str = "test_it") -> Path:
        """Write a test module; `pytest` and `sipfront = pytest.mark.sipfront` are there already."""
        head = "import pytest\nmarked = pytest.mark.sipfront\n"
        return self.pytester.makepyfile(**{name: head + test_py})

    def run(self, *args: str) -> pytest.RunResult:
        """Run the suite, asking the platform often."""
        return self.pytester.runpytest_inprocess(*self._arguments(args))

    def run_in_subprocess(self, *args: str) -> pytest.RunResult:
        """Run the suite in a process of its own."""
        return self.pytester.runpytest_subprocess(*self._arguments(args), timeout=60)

    def _arguments(self, args: tuple[str, ...]) -> tuple[str, ...]:
        return (
            f"--sipfront-base-url={self.lab.url}",
            "--sipfront-poll-interval=0.02",
            "--sipfront-retry-for=1",
            f"--junitxml={self.junit}",
            "-Wdefault",  # this project's own sessions make errors of warnings; a user's need not
            *(() if "-prandomly" in args else ("-pno:randomly",)),  # whoever runs this may have it installed
            *args,
        )

    def case(self, name: str) -> ET.Element:
        """Return the one JUnit test case of that name."""
        cases = [case for case in ET.parse(self.junit).iter("testcase") if case.get("name") == name]
        assert len(cases) == 1, f"{len(cases)} test cases named {name}"
        return cases[0]

    def properties(self, name: str) -> dict[str, str]:
        """Return the properties of a JUnit test case."""
        return {p.attrib["name"]: p.attrib["value"] for p in self.case(name).iter("property")}
