"""What README and docs show works as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_sipfront.clients.sipfront.models import RunStatus
from pytest_sipfront.plugin.credentials import PUBLIC_KEY_NAMES, SECRET_KEY_FILE, SECRET_KEY_NAMES
from pytest_sipfront.plugin.options import OPTIONS
from pytest_sipfront.plugin.reports import properties
from pytest_sipfront.plugin.run_spec import WORDS
from tests.end_to_end.suite import Suite

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
OWN_TESTS = {"lab.md", "calls.md", "sift.md"}
PAGES = [README, *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name not in OWN_TESTS)]
PLATFORM = """
tests:
  Basic call:
    takes: 0.05
    tags: [media]
    when: [{step.1.0.dial_destination: "486*", verdict: failed, description: 486 Busy Here, takes: 0.05}]
  Busy destination: {takes: 0.05, verdict: failed, description: 486 Busy Here}
projects:
  Nightly: {tests: [Basic call]}
"""


def blocks(language: str) -> list[Any]:
    """Every fenced block of a language, with its page and line."""
    return list(_blocks(language))


def _blocks(language: str) -> Iterator[Any]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in re.finditer(rf"^( *)```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
            line = text[: found.start()].count("\n") + 2
            yield pytest.param(found[2], id=f"{page.name}:{line}")


@pytest.mark.parametrize("code", blocks("python"))
def test_a_python_example_runs(suite: Suite, code: str) -> None:
    """Copied as it stands, each is a module whose tests pass."""
    suite.platform(PLATFORM)
    suite.pytester.makepyfile(test_example=code)
    result = suite.run("--strict-markers", "-Werror")
    counts = result.parseoutcomes()
    assert result.ret == 0
    assert counts.keys() <= {"passed", "xfailed"}
    assert suite.lab.counts["requests"]


@pytest.mark.parametrize("text", blocks("yaml"))
def test_a_yaml_example_can_be_read(text: str) -> None:
    """A pipeline that cannot be parsed helps nobody."""
    assert isinstance(yaml.safe_load(text), dict)


@pytest.mark.parametrize("text", blocks("groovy"))
def test_a_jenkins_example_publishes_what_it_writes(text: str) -> None:
    """The report that pytest writes is the one that Jenkins reads, properties kept; every brace is closed."""
    assert text.count("{") == text.count("}")
    written = re.search(r"--junitxml=(\S+?)'", text)
    assert written is not None
    assert f"junit testResults: '{written[1]}', keepProperties: true" in text


def test_every_link_within_the_project_leads_somewhere() -> None:
    """A page that was moved or renamed takes its links along."""
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("example_suite/*.md")):
        links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
        missing = [link for link in links if not (page.parent / link).exists()]
        assert not missing, page


def test_the_readme_shows_every_option_and_no_other() -> None:
    """Flag, variable and ini key of each, in one row."""
    rows = {row.split("`")[1]: row for row in README.read_text().splitlines() if row.startswith("| `--sipfront-")}
    flags = {re.split(r"[=\[]", flag)[0] for flag in rows}
    assert flags >= {option.flag for option in OPTIONS} | {"--sipfront-lab"}
    for option in OPTIONS:
        row = next(row for flag, row in rows.items() if re.split(r"[=\[]", flag)[0] == option.flag)
        assert f"`{option.environment}`" in row
        assert f"`{option.ini}`" in row


def test_the_readme_names_no_option_that_does_not_exist(suite: Suite) -> None:
    """Whatever looks like an option of ours is one."""
    known = set(re.findall(r"--(?:sipfront|sift)-[a-z-]+", suite.run("--help").stdout.str()))
    for page in PAGES:
        shown = set(re.findall(r"--(?:sipfront|sift)-[a-z]+(?:-[a-z]+)*", page.read_text(encoding="utf-8")))
        assert shown <= known, page


def test_the_readme_names_all_credentials_and_words() -> None:
    """Where keys may come from, and what a mark may say."""
    text = README.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in (*PUBLIC_KEY_NAMES, *SECRET_KEY_NAMES, SECRET_KEY_FILE))
    assert all(re.search(rf"`{word}\b", text) for word in WORDS)


def test_the_outcomes_page_names_every_property() -> None:
    """What a JUnit file holds is written down."""
    text = (ROOT / "docs" / "outcomes.md").read_text(encoding="utf-8")
    status = {name for name, _ in properties.of_status(RunStatus(states={}))}
    names = {properties.TEST, properties.VERDICT, properties.REPORT_URL, "session_id", "override.<key>"} | status
    assert all(f"`sipfront.{name}`" in text for name in names)


def test_the_readme_has_the_two_commands_that_set_everything_up() -> None:
    """Each is one line between its mark and the end of its block."""
    text = README.read_text(encoding="utf-8")
    for mark, ending in (("example suite", "pytest example_suite"), ("tests", "pytest -n 2")):
        found = re.search(rf"^<!-- {mark} -->\n```bash\n(.*)\n```$", text, re.MULTILINE)
        assert found is not None
        assert found[1].startswith("python3 -m venv .venv && ")
        assert found[1].endswith(ending)
