"""The files that tests leave: where they are, what they contain, and which reports name them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.end_to_end.conftest import PUBLIC_KEY, SECRET_KEY
from tests.end_to_end.suite import Suite, case_report, wait_until
from tests.lab.calls.placing import needs_stack
from tests.plugin.reports.test_run_document import valid
from tests.support import TIMEOUT

NUMBER = "4315880137"
LAB = """
tests:
  Good: {takes: 0.02}
  Bad: {takes: 0.02, verdict: failed, description: 486 Busy Here}
sift:
  callees:
    "+15550100200": {answer: busy}
"""
SUITE = """
import pytest
@pytest.mark.sipfront(test="Good")
def test_good(): ...
@pytest.mark.flaky(reruns=1)
@pytest.mark.sipfront(test="Bad", step_1_0_dial_destination="100")
def test_bad(): ...
@pytest.mark.sipfront(test="Unknown")
def test_unknown(): ...
def test_two(sipfront):
    sipfront.run(test="Good")
    sipfront.run(test="Bad")
@pytest.mark.sift(phone_number="+15550100200")
def test_sift(sift_connection): ...
@pytest.mark.sipfront(test="Good")
def test_body(sipfront_run):
    assert not sipfront_run.passed
"""
FAILED = {"test_bad", "test_bad-attempt2", "test_unknown", "test_two", "test_sift", "test_body"}
CALLS = f"""
phones:
  Vienna: {{number: "{NUMBER}", play: beep, repeat: true}}
prompts: {{beep: {{tone: 600}}}}
tests:
  Call:
    steps:
      - []
      - [{{action: call, dial_destination: "{NUMBER}"}}, {{action: hold, seconds: 1}}]
    conditions: {{duration: [5, 9]}}
  Long call:
    steps:
      - []
      - [{{action: call, dial_destination: "{NUMBER}"}}, {{action: hold, seconds: 50}}]
"""


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove credentials and settings of the developer."""
    for name in list(os.environ):
        if name.startswith(("SIPFRONT_", "SF_", "SIFT_", "PYTEST_ADDOPTS")):
            monkeypatch.delenv(name)


def attempts(root: Path) -> dict[str, Path]:
    """Return the directories of the attempts in the only session, by the names of their tests."""
    (session,) = root.iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_\w+", session.name)
    return {path.name.removeprefix("test_it-"): path for path in session.iterdir()}


def document(directory: Path) -> dict[str, Any]:
    """Return the run document in a directory, after a check with the schema."""
    return valid(json.loads((directory / "run.json").read_text(encoding="utf-8")))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["one process", "xdist"])
def test_failed_attempts_leave_files_that_all_reports_name(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """Each attempt has a directory. JUnit names it by a property and in the form that Jenkins and GitLab read."""
    pytester.makefile(".yaml", lab=LAB)
    pytester.makepyfile(test_it=SUITE)
    result = pytester.runpytest_subprocess(
        "--sipfront-lab", "--sipfront-artifacts=art/voice", "--junitxml=junit.xml", *workers, timeout=TIMEOUT
    )
    found = attempts(pytester.path / "art/voice")
    assert found.keys() == FAILED
    for directory in found.values():
        run = document(directory)
        assert run["artifacts"]["directory"] == directory.relative_to(pytester.path).as_posix()
        assert {path.name for path in directory.iterdir() if path.is_file()} <= set(run["artifacts"]["files"])
        assert "<h1>" in (directory / "report.html").read_text(encoding="utf-8")
    bad = document(found["test_bad-attempt2"])
    assert (bad["attempt"], bad["verdict"], bad["kind"]) == (2, "failed", "busy")
    assert json.loads((found["test_bad"] / "status.json").read_text())["result_description"] == "486 Busy Here"
    assert document(found["test_two"] / "run-2")["verdict"] == "failed"
    assert "dial" in (found["test_sift"] / "timeline.txt").read_text()
    cases = {case.get("name"): case for case in ET.parse(pytester.path / "junit.xml").iter("testcase")}
    for name in ("test_bad", "test_unknown", "test_two", "test_sift", "test_body"):
        case, report = cases[name], case_report(cases[name])
        directory = found["test_bad-attempt2" if name == "test_bad" else name]
        path = directory.relative_to(pytester.path).as_posix()
        assert report.properties["sipfront.artifacts"] == path
        assert f"files   {path}/report.html" in report.details
        attached = re.findall(r"\[\[ATTACHMENT\|(.*)\]\]", case.findtext("system-out", ""))
        assert attached[0] == f"{path}/report.html"
        assert all((pytester.path / each).is_file() for each in attached)
    assert case_report(cases["test_bad"]).properties["sipfront.report_url"].endswith("test_bad-attempt2/report.html")
    earlier = found["test_bad"].relative_to(pytester.path).as_posix()
    assert case_report(cases["test_bad"]).properties["sipfront.artifacts.1"] == earlier
    assert "sipfront.artifacts" not in case_report(cases["test_good"]).properties
    result.stdout.fnmatch_lines(["FAILED test_it.py::test_body - *art/voice/*/test_it-test_body/report.html"])


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (["--sipfront-keep-artifacts=all"], {"test_good", "test_bad"}),
        (["--sipfront-keep-artifacts=off"], set()),
        ([], {"test_bad"}),
    ],
    ids=["all", "off", "default"],
)
def test_tests_against_another_server_leave_files_in_the_cache(
    suite: Suite, options: list[str], kept: set[str]
) -> None:
    """By default those of failed tests, in pytest's cache directory. The report URL stays that of the platform."""
    suite.configure(LAB)
    suite.write("@marked(test='Good')\ndef test_good(): ...\n@marked(test='Bad')\ndef test_bad(): ...\n")
    suite.run(*options)
    root = suite.pytester.path / ".pytest_cache/d/sipfront/artifacts"
    found = attempts(root) if root.exists() else {}
    assert found.keys() == kept
    if "test_bad" in kept:
        assert document(found["test_bad"])["service"]["lab"] is False
        report = suite.report("test_bad")
        assert report.properties["sipfront.report_url"].startswith(suite.lab.url)
        assert report.properties["sipfront.report_url"] in (found["test_bad"] / "report.html").read_text()


def test_only_the_latest_sessions_are_kept(suite: Suite) -> None:
    """Other directories beside them stay, and so does the current session."""
    suite.configure(LAB)
    suite.write("@marked(test='Bad')\ndef test_bad(): ...\n")
    root = suite.pytester.path / "art"
    for number in range(12):
        (root / f"2026-01-{number + 10}_12-00-00_abc" / "old").mkdir(parents=True)
    (root / "mine").mkdir()
    suite.run("--sipfront-artifacts=art")
    names = sorted(path.name for path in root.iterdir())
    assert "mine" in names
    assert len(names) == 11
    assert (root / names[-2] / "test_it-test_bad" / "run.json").exists()
    assert "2026-01-13_12-00-00_abc" in names
    assert "2026-01-12_12-00-00_abc" not in names


def test_a_directory_that_cannot_be_written_changes_no_result(suite: Suite) -> None:
    """The test fails with its own reason."""
    suite.configure(LAB)
    suite.write("@marked(test='Bad')\ndef test_bad(): ...\n")
    (suite.pytester.path / "art").write_text("")
    suite.run("--sipfront-artifacts=art").assert_outcomes(failed=1)
    assert suite.report("test_bad").message == "486 Busy Here"


@needs_stack
@pytest.mark.parametrize("sound", ["on", "off"])
def test_a_failed_call_leaves_recordings_and_a_capture_unless_they_are_switched_off(
    pytester: pytest.Pytester, sound: str
) -> None:
    """And the lab's measures with their bounds. The page contains the recordings."""
    pytester.makefile(".yaml", lab=CALLS)
    pytester.makepyfile(test_it="import pytest\n@pytest.mark.sipfront(test='Call')\ndef test_call(): ...\n")
    pytester.runpytest_subprocess(
        "--sipfront-lab", "--sipfront-artifacts=art", f"--sipfront-recordings={sound}", timeout=TIMEOUT
    )
    directory = attempts(pytester.path / "art")["test_call"]
    files = {"run.json", "report.html", "status.json", "sip.txt", "call.pcap"}
    assert {path.name for path in directory.iterdir()} == files | (
        {"caller.wav", "callee.wav"} if sound == "on" else set()
    )
    (measure,) = (each for each in document(directory)["measures"] if each["name"] == "call_duration")
    assert (measure["bound"], measure["violated"]) == ("5 to 9 s", True)
    assert ("data:audio/wav" in (directory / "report.html").read_text()) is (sound == "on")
    assert list(pytester.path.glob("art/*/calls")) == []


@pytest.mark.slow
@needs_stack
def test_a_killed_session_keeps_what_its_calls_had(pytester: pytest.Pytester) -> None:
    """Recordings and capture were written while the call ran."""
    pytester.makefile(".yaml", lab=CALLS)
    pytester.makepyfile("import pytest\n@pytest.mark.sipfront(test='Long call')\ndef test_call(): ...\n")
    command = [sys.executable, "-m", "pytest", "--sipfront-lab", "--sipfront-artifacts=art"]
    with subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.DEVNULL) as session:
        try:
            wait_until(lambda: any(_size(path) > 20_000 for path in pytester.path.glob("art/*/calls/*/caller.wav")))
            session.send_signal(signal.SIGKILL)
            session.wait(TIMEOUT)
        finally:
            session.kill()
    wait_until(lambda: bool(list(pytester.path.glob("art/*/calls/*/report.html"))))
    (directory,) = pytester.path.glob("art/*/calls/*")
    sizes = {path.name: _size(path) for path in directory.iterdir()}
    assert sizes["caller.wav"] > 20_000
    assert sizes["call.pcap"] > 20_000
    assert json.loads((directory / "evidence.json").read_text())["test"] == "Long call"


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["one process", "xdist"])
def test_an_interrupted_session_leaves_the_files_of_the_tests_that_were_waiting(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    """JUnit names them, also those of tests that workers were running."""
    pytester.makefile(".yaml", lab="tests:\n  Slow: {takes: 300}\n")
    pytester.makepyfile(test_it="import pytest\n@pytest.mark.sipfront(test='Slow')\ndef test_call(): ...\n")
    options = ["--sipfront-lab", "--sipfront-artifacts=art", "--junitxml=junit.xml", *workers]
    code = (
        f"import signal, sys, pytest\nsignal.signal(signal.SIGINT, signal.default_int_handler)\npytest.main({options})"
    )
    journal = pytester.path / ".pytest_cache/d/sipfront/ledger.jsonl"
    with subprocess.Popen([sys.executable, "-c", code], cwd=pytester.path, stdout=subprocess.DEVNULL) as session:
        try:
            wait_until(lambda: journal.exists() and '"launched"' in journal.read_text(), session)
            session.send_signal(signal.SIGINT)
            session.wait(TIMEOUT)
        finally:
            session.kill()
    directory = attempts(pytester.path / "art")["test_call"]
    assert document(directory)["kind"] == "no-verdict"
    (case,) = ET.parse(pytester.path / "junit.xml").iter("testcase")
    report = case_report(case)
    assert report.properties["sipfront.artifacts"] == directory.relative_to(pytester.path).as_posix()
    assert "test_it-test_call/report.html" in report.details
    assert "[[ATTACHMENT|" in case.findtext("system-out", "")


def _size(path: Path) -> int:
    return path.stat().st_size


SECRETIVE = """
import logging, pytest
@pytest.mark.parametrize("number", ["NUMBER", "+NUMBER"])
@pytest.mark.sipfront(test="Call", step_1_0_dial_destination="{number}", params={"step.1.0.caller": "NUMBER"})
def test_call(number): ...
def test_body(sipfront, record_property):
    record_property("dialled", "NUMBER")
    print("calling NUMBER")
    logging.warning("calling NUMBER")
    number = "NUMBER"
    assert number == "tel:NUMBER"
@pytest.mark.sift(phone_number="+NUMBER")
def test_sift(sift_connection): ...
""".replace("NUMBER", NUMBER)


@needs_stack
def test_no_file_of_a_session_contains_a_masked_number_or_the_secret(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terminal, JUnit, JSON, artifacts with page, capture and SIP messages, journal and cache show two digits only."""
    monkeypatch.setenv("SIPFRONT_PUBLIC_KEY", PUBLIC_KEY)
    monkeypatch.setenv("SIPFRONT_SECRET_KEY", SECRET_KEY)
    pytester.makefile(".yaml", lab=CALLS + f'sift:\n  callees:\n    "+{NUMBER}": {{answer: busy}}\n')
    module = pytester.makepyfile(test_it=SECRETIVE)
    result = pytester.runpytest_subprocess(
        *("--sipfront-lab", "--sipfront-mask-numbers=on", "--sipfront-keep-artifacts=all", "-vv", "-l", "-rA"),
        *("--sipfront-artifacts=art", "--junitxml=junit.xml", "--sipfront-json=session.json", "-p", "no:cacheprovider"),
        timeout=TIMEOUT,
    )
    outputs = {"terminal": result.stdout.str().encode() + result.stderr.str().encode()}
    sources = {module, pytester.path / "lab.yaml"}
    for path in pytester.path.rglob("*"):
        if path.is_file() and path not in sources and "__pycache__" not in path.parts:
            outputs[str(path.relative_to(pytester.path))] = path.read_bytes()
    assert {Path(name).suffix for name in outputs} >= {".xml", ".json", ".pcap", ".txt", ".html", ".wav"}
    leaking = {name for name, content in outputs.items() for text in (NUMBER, SECRET_KEY) if text.encode() in content}
    assert leaking == set()
    assert b"********37" in outputs["junit.xml"]
    assert any(b"INVITE sip:********37@" in content for name, content in outputs.items() if name.endswith(".pcap"))


@pytest.mark.slow
@needs_stack
def test_the_lab_can_be_kept_after_a_session(pytester: pytest.Pytester) -> None:
    """Its URL is printed, and its pages can be read until Ctrl-C."""
    pytester.makefile(".yaml", lab=LAB)
    pytester.makepyfile("import pytest\n@pytest.mark.sipfront(test='Good')\ndef test_call(): ...\n")
    code = "import signal, sys, pytest\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    command = [sys.executable, "-c", f"{code}sys.exit(pytest.main(['--sipfront-lab', '--sipfront-lab-keep']))"]
    with subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.PIPE, text=True) as session:
        try:
            assert session.stdout is not None
            line = next(line for line in session.stdout if "still running" in line)
            url = line.split()[6]
            with urlopen(url, timeout=TIMEOUT) as page:
                assert b"Good" in page.read()
            session.send_signal(signal.SIGINT)
            assert session.wait(TIMEOUT) == 0
        finally:
            session.kill()


def test_only_a_lab_can_be_kept(pytester: pytest.Pytester) -> None:
    """The message names the option that is missing."""
    result = pytester.runpytest_subprocess("--sipfront-lab-keep", timeout=TIMEOUT)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --sipfront-lab-keep needs a lab: add --sipfront-lab*"])
