"""README, docs and example suite agree with the code, and their examples run."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import tomllib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_sipfront import lab
from pytest_sipfront.clients.sipfront.models import RunStatus
from pytest_sipfront.lab import process
from pytest_sipfront.plugin.credentials import PUBLIC_KEY_NAMES, SECRET_KEY_FILE, SECRET_KEY_NAMES
from pytest_sipfront.plugin.options import OPTIONS
from pytest_sipfront.plugin.reports import properties
from pytest_sipfront.plugin.run_spec import ARGUMENTS
from tests.end_to_end.suite import Suite
from tests.lab.calls.placing import needs_stack
from tests.support import TIMEOUT

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PACKAGE = Path(lab.__file__).parents[1]
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
LAB_FILES = {"lab.md", "calls.md", "sift.md"}  # their YAML blocks are lab files, which tests/lab and tests/sift read
BUILT_IN_LAB = Path(lab.__file__).with_name("default.yaml").read_text(encoding="utf-8")


def blocks(language: str, *, title: str = "", skip: Collection[str] = ()) -> list[Any]:
    """Every fenced block of a language, with its page and line."""
    fence = re.escape(f'{language} title="{title}"' if title else language)
    selected = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.finditer(rf"^( *)```{fence}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
            line = text[: block.start()].count("\n") + 2
            if page.name not in skip:
                marks = pytest.mark.slow if page != README and language == "python" else ()
                selected.append(pytest.param(block[2], id=f"{page.name}:{line}", marks=marks))
    return selected


def ini_texts() -> list[Any]:
    """Every ini block of README and docs for pytest, and the ini file of the example suite."""
    example = (ROOT / "example_suite" / "pytest.ini").read_text(encoding="utf-8")
    return [*(block for block in blocks("ini") if "[pytest]" in block.values[0]), pytest.param(example, id="example")]


@pytest.mark.parametrize("text", ini_texts())
def test_every_ini_requires_the_plugin_and_strict_markers(text: str) -> None:
    """Without the plugin, or with a misspelt marker, a test would pass without a call."""
    settings = configparser.ConfigParser()
    settings.read_string(text)
    assert "pytest-sipfront" in settings["pytest"]["required_plugins"]
    assert "--strict-markers" in settings["pytest"]["addopts"]


class SharedLab(process.LabHandle):
    """A running lab that outlives the sessions which use it."""

    def __init__(self, running: process.LabProcess) -> None:
        super().__init__(running.url)
        self.public_key, self.secret_key = running.public_key, running.secret_key

    def close(self) -> None:
        """Leave the lab running."""


@pytest.fixture
def reader(
    pytester: pytest.Pytester, lab_process: process.LabProcess, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], pytest.RunResult]:
    """Run `pytest --sipfront-lab` in a fresh folder, as a reader of the docs does."""
    for name in list(os.environ):
        if name.startswith(("SIPFRONT_", "SIFT_", "SF_", "PYTEST_ADDOPTS")):
            monkeypatch.delenv(name)
    lab_process.configure(BUILT_IN_LAB)
    start_another = process.start_lab

    def start_lab(file: Path | None = None, **arguments: Any) -> process.LabHandle:
        return start_another(file, **arguments) if file or arguments else SharedLab(lab_process)

    monkeypatch.setattr(process, "start_lab", start_lab)
    return lambda: pytester.runpytest_inprocess("--sipfront-lab", "--strict-markers", "-Werror", "-pno:randomly")


@pytest.mark.parametrize("code", blocks("python"))
def test_a_python_block_runs_on_the_built_in_lab(
    pytester: pytest.Pytester, reader: Callable[[], pytest.RunResult], code: str
) -> None:
    """Pasted into a file, the tests of a block have the outcome that the block shows."""
    pytester.makepyfile(test_x=code)
    outcomes = reader().parseoutcomes()
    assert outcomes.keys() == {"xfailed" if "mark.xfail" in code else "passed"}


@pytest.mark.parametrize("code", blocks("python", title="conftest.py"))
def test_a_conftest_block_is_loaded(
    pytester: pytest.Pytester, reader: Callable[[], pytest.RunResult], code: str
) -> None:
    """Its hooks are known to pytest, and a test that they let through passes."""
    pytester.makeconftest(code)
    pytester.makepyfile(test_x="import pytest\n@pytest.mark.sipfront(test='Basic call')\ndef test_call(): ...")
    assert reader().parseoutcomes() == {"passed": 1}


@pytest.mark.slow
def test_the_first_block_of_the_readme_runs_in_a_process(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a lab and a process for itself, as on a reader's machine."""
    monkeypatch.delenv("SIPFRONT_LAB", raising=False)
    pytester.makepyfile(test_x=blocks("python")[0].values[0])
    pytester.runpytest_subprocess("--sipfront-lab", timeout=TIMEOUT).assert_outcomes(passed=3)


@pytest.mark.parametrize("text", blocks("yaml", skip=LAB_FILES))
def test_a_pipeline_is_valid_yaml(text: str) -> None:
    """The pipelines of the docs are valid YAML."""
    assert isinstance(yaml.safe_load(text), dict)


@pytest.mark.parametrize("text", blocks("groovy"))
def test_a_jenkins_pipeline_publishes_the_report_of_pytest(text: str) -> None:
    """Both name the same file, the properties are kept, and every brace is closed."""
    assert text.count("{") == text.count("}")
    report = re.search(r"--junitxml=(\S+?)'", text)
    assert report is not None
    assert f"junit testResults: '{report[1]}', keepProperties: true" in text


def test_every_link_within_the_project_has_a_target() -> None:
    """No link breaks if a page is moved or renamed."""
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("example_suite/*.md")):
        links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
        missing = [link for link in links if not (page.parent / link).exists()]
        assert not missing, page


def test_every_file_that_the_docs_name_exists() -> None:
    """Relative to the project or to the package. A `*` stands for any name. The packages have no hidden folders."""
    for page in (ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md"):
        names = re.findall(r"`(\w(?:[\w.*]*/)+[\w.*]*)`", page.read_text(encoding="utf-8"))
        missing = [name for name in names if not (any(ROOT.glob(name)) or any(PACKAGE.glob(name)))]
        assert names
        assert not missing, page


def test_the_readme_lists_every_option() -> None:
    """One row has the option, its environment variable and its ini key."""
    rows = {row.split("`")[1]: row for row in README.read_text().splitlines() if row.startswith("| `--sipfront-")}
    flags = {re.split(r"[=\[]", flag)[0] for flag in rows}
    assert flags >= {option.flag for option in OPTIONS} | {"--sipfront-lab"}
    for option in OPTIONS:
        row = next(row for flag, row in rows.items() if re.split(r"[=\[]", flag)[0] == option.flag)
        assert f"`{option.environment}`" in row
        assert f"`{option.ini}`" in row


def test_every_option_of_the_docs_exists(suite: Suite) -> None:
    """Also in prose and in commands."""
    known = set(re.findall(r"--(?:sipfront|sift)-[a-z-]+", suite.run("--help").stdout.str()))
    for page in PAGES:
        named = set(re.findall(r"--(?:sipfront|sift)-[a-z]+(?:-[a-z]+)*", page.read_text(encoding="utf-8")))
        assert named <= known, page


def test_the_readme_lists_all_credentials_and_arguments() -> None:
    """The variables of the key pair, and the arguments of the marker."""
    text = README.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in (*PUBLIC_KEY_NAMES, *SECRET_KEY_NAMES, SECRET_KEY_FILE))
    assert all(re.search(rf"`{name}\b", text) for name in ARGUMENTS)


def test_the_outcomes_page_lists_every_junit_property() -> None:
    """A reader of a JUnit file can look up each of them."""
    text = (ROOT / "docs" / "outcomes.md").read_text(encoding="utf-8")
    status = {name for name, _ in properties.of_status(RunStatus(states={}))}
    names = {properties.TEST, properties.VERDICT, properties.REPORT_URL, "session_id", "override.<key>"} | status
    assert all(f"`sipfront.{name}`" in text for name in names)


def _comparable(line: str) -> str:
    """Replace the parts of a line of output that differ from run to run."""
    line = re.sub(r"([-=_])\1{3,}", r"\1\1\1\1", line.strip())
    line = re.sub(r"127\.0\.0\.1:\d+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "X", line)
    line = re.sub(r"\d+-\d+-\d+T[0-9:]+|\d+-\d+-\d+_\d+-\d+-\d+_\w+|\d+\.\d+ ?s\b| +\[ *\d+%\]", "X", line)
    return re.sub(r"\(/\S+/lab.yaml\)", "(X/lab.yaml)", line)


@pytest.mark.slow
@needs_stack
def test_the_session_of_the_readme_looks_like_a_real_one(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The README's lines appear in this order if the phone in Graz rejects the call."""
    for name in ("SIPFRONT_LAB", "CI", "BUILD_NUMBER"):  # in CI, pytest does not shorten lines
        monkeypatch.delenv(name, raising=False)
    shutil.copytree(ROOT / "example_suite", pytester.path / "example_suite")
    file = pytester.path / "example_suite" / "lab.yaml"
    text, count = re.subn(r'(graz: {number: "43123102"), [^}]*', r"\1, reject: 486", file.read_text("utf-8"))
    assert count == 1
    file.write_text(text, "utf-8")
    block = re.search(
        r"^<!-- session -->\n```text\n\$ pytest (\S+)\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert block is not None
    result = pytester.runpytest_subprocess("-pno:randomly", block[1], timeout=TIMEOUT)
    remaining = iter([_comparable(line) for line in result.outlines])
    for line in block[2].splitlines():
        assert _comparable(line) in remaining


def test_the_readme_has_the_two_commands_that_set_everything_up() -> None:
    """`.ci/run` and a workflow extract each of them by the comment above its block."""
    text = README.read_text(encoding="utf-8")
    for comment, ending in (("example suite", "pytest example_suite"), ("tests", "pytest -n 2")):
        command = re.search(rf"^<!-- {comment} -->\n```bash\n(.*)\n```$", text, re.MULTILINE)
        assert command is not None
        assert command[1].startswith("python3 -m venv .venv && ")
        assert command[1].endswith(ending)


@pytest.mark.parametrize("text", [*blocks("ini"), (ROOT / "example_suite" / "pytest.ini").read_text("utf-8")])
def test_an_ini_file_requires_the_plugin(text: str) -> None:
    """Without the plugin, pytest would ignore the markers, and every test would pass without a call."""
    assert "required_plugins = pytest-sipfront" in text
    assert "--strict-markers" in text


def test_all_links_to_the_project_start_with_its_urls() -> None:
    """The maintainers replace one placeholder, and every page follows."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
    known = (urls["Source"], urls["Documentation"])
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("example_suite/*.md"), ROOT / "mkdocs.yml"]
    for page in files:
        links = re.findall(r"https://[\w.]*(?:github\.\w+/)?\w*/?pytest-sipfront\S*", page.read_text("utf-8"))
        assert all(link.startswith(known) for link in links), page
