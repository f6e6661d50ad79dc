"""The suites of the docs, the README and the example suite run on the lab."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.test_docs import reader

__all__ = ["reader"]
ROOT = Path(__file__).parents[2]
TABLE = "name,number\nVienna,43123101\nGraz,43123102\nLinz,43123103\n"


def blocks(page: str) -> list[str]:
    """Return the suites of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    every = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    return [block for block in every if re.search("^ *- name:", block, re.MULTILINE)]


@pytest.mark.slow
def test_the_suites_of_the_docs_have_the_outcomes_that_they_show(
    pytester: pytest.Pytester, reader: Callable[[], pytest.RunResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are run in one session on the built-in lab."""
    monkeypatch.setenv("SITE_NUMBER", "43123101")
    for number, text in enumerate([*blocks("README.md"), *blocks("docs/suites.md")]):
        (pytester.path / f"part{number}.sipfront.yaml").write_text(text, encoding="utf-8")
    for name in ("numbers.csv", "destinations.csv"):
        (pytester.path / name).write_text(TABLE, encoding="utf-8")
    outcomes = reader().parseoutcomes()
    assert outcomes == {"passed": 23, "skipped": 1, "xfailed": 1}


def test_the_example_suite_shows_rows_failures_and_a_call() -> None:
    """In the file that the README names."""
    text = (ROOT / "example_suite/regression.sipfront.yaml").read_text(encoding="utf-8")
    assert all(part in text for part in ("rows: destinations.csv", "matrix:", "expect: failed", "calls:", "listen:"))
