"""Sessions that are recorded, and their replay offline."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.lab import run_lab_command
from tests.end_to_end.suite import Suite
from tests.support import SECRET_KEY

LAB_FILE = """
tests:
  Basic call:
    takes: 0.05
    when: [{step.1.0.dial_destination: "486*", verdict: failed, description: 486 Busy Here at +43123101234}]
  Stopped: {takes: 0.05, verdict: stopped}
  Long: {takes: 1.5}
  Of a project: {takes: 0.05, project: Nightly}
projects:
  Nightly: {tests: [Of a project]}
"""
HEADER = json.dumps(
    {"format": "pytest-sipfront recording", "version": 1, "service": "s", "base_url": "b", "recorded_at": ""}
)
TESTS = """
@marked(test="Basic call", step_1_0_dial_destination="{n}")
@pytest.mark.parametrize("n", ["+4312310100", "4312310200", "486100"], ids=["graz", "linz", "engaged"])
def test_destination(n, sipfront_run): assert sipfront_run.duration >= 0
@marked(test="Basic call", step_1_0_dial_destination="486200", expect="failed", match="486 Busy")
def test_busy(): ...
@marked(test="Stopped")
def test_stopped(): ...
@marked(test="Missing")
def test_missing(): ...
@marked(project="Nightly")
def test_project(): ...
@marked(test="Long")
def test_long(): ...
def test_imperative(sipfront):
    result = sipfront.run(test="Basic call", step_1_0_dial_destination="0043")
    assert result.passed
    sipfront.stats(result)
def test_without_run(): ...
"""
REPLAY = ("--sipfront-replay=recorded", "--sipfront-base-url=http://127.0.0.1:9")


@pytest.fixture
def recorded(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A suite whose session was recorded. Credentials are gone afterwards."""
    suite.configure(LAB_FILE)
    suite.write(TESTS)
    suite.run("--sipfront-record=recorded", "--sipfront-concurrency=4").assert_outcomes(passed=7, failed=1, errors=2)
    for name in ("SIPFRONT_PUBLIC_KEY", "SIPFRONT_SECRET_KEY"):
        monkeypatch.delenv(name)
    return suite


def lines(suite: Suite) -> list[dict[str, Any]]:
    """Return the lines of the only recording."""
    (path,) = (suite.pytester.path / "recorded").iterdir()
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_a_recording_has_all_exchanges_without_secrets_and_numbers(recorded: Suite) -> None:
    """Equal numbers stay equal. Ids and URLs stay, so that launches and polls belong together."""
    header, *exchanges = lines(recorded)
    assert (header["version"], header["base_url"]) == (1, recorded.lab.url)
    launches = [line for line in exchanges if line["method"] == "POST"]
    assert len(launches) == 9
    assert sum(line["path"].endswith("/status") for line in exchanges) == recorded.lab.polls
    text = json.dumps(exchanges)
    for secret in (SECRET_KEY, "4312310100", "4312310200", "43123101234", "486100", "Authorization"):
        assert secret not in text
    numbers = {line["request"].get("step.1.0.dial_destination") for line in launches}
    assert len(numbers) == 6  # five numbers, and none


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--sipfront-concurrency=4",), ("-n2",)], ids=["1", "4", "xdist"])
def test_a_replay_has_the_recorded_outcomes_and_no_pass(recorded: Suite, options: tuple[str, ...]) -> None:
    """No request is sent, and the outcomes are those of the recording, except that no replayed test passes."""
    before = recorded.lab.counts["requests"]
    durations = recorded.pytester.path / ".pytest_cache/d/sipfront/durations.json"
    learned = durations.read_text()
    result = recorded.run(*REPLAY, *options, "-v")
    outcomes = result.parseoutcomes()
    assert {name: outcomes.get(name, 0) for name in ("passed", "replayed", "failed", "errors")} == {
        "passed": 1,  # the test without a run
        "replayed": 6,
        "failed": 1,
        "errors": 2,
    }
    assert recorded.lab.counts["requests"] == before
    assert durations.read_text() == learned
    text = result.stdout.str()
    assert f"sipfront: replay of {recorded.pytester.path / 'recorded'}, recorded from {recorded.lab.url} at " in text
    assert "8 replayed runs: 5 passed, 2 failed (1 as expected), 1 without verdict; 1 not launched" in text
    assert ": no run was launched, and no test counts as passed" in text
    assert "FAILED (replayed) test_it.py::test_destination[engaged]" in text
    assert "PASSED" not in text.replace("test_without_run PASSED", "").replace(
        "PASSED test_it.py::test_without_run", ""
    )


@pytest.mark.slow
def test_junit_shows_a_replay(recorded: Suite) -> None:
    """A dashboard that reads only JUnit's elements sees no pass."""
    recorded.run(*REPLAY)
    for name, outcome in (
        ("test_destination[graz]", "skipped"),
        ("test_busy", "skipped"),
        ("test_destination[engaged]", "failure"),
        ("test_stopped", "error"),
        ("test_missing", "error"),
    ):
        report = recorded.report(name)
        assert (report.outcome, report.properties["sipfront.replayed"]) == (outcome, "recorded")
    assert recorded.report("test_without_run").outcome == "passed"


@pytest.mark.slow
def test_a_replay_leaves_journal_and_history_alone(recorded: Suite) -> None:
    """Neither resume nor the closing section nor the history of a later session finds a replayed launch."""
    journal = recorded.pytester.path / ".pytest_cache/d/sipfront/ledger.jsonl"
    before = journal.read_text()
    recorded.run(*REPLAY, f"--sipfront-ledger={journal}", "--sipfront-history=history.json")
    assert journal.read_text() == before
    assert not (recorded.pytester.path / "history.json").exists()


@pytest.mark.slow
def test_a_launch_that_was_not_recorded_is_an_error(recorded: Suite) -> None:
    """Other overrides are another launch, and a second launch needs a second recording."""
    recorded.write(
        "@marked(test='Basic call', step_1_0_dial_destination='999')\ndef test_other(): ...\n"
        "@marked(project='Nightly')\n@pytest.mark.parametrize('n', [1, 2])\ndef test_twice(n): ...\n"
    )
    result = recorded.run(*REPLAY)
    assert result.parseoutcomes() == {"errors": 2, "replayed": 1}
    message = recorded.report("test_other").message
    assert "not in the recording: POST /api/v2/tests/run test.name=Basic call, step.1.0.dial_destination=999" in message
    assert "the recording has no further launch" in result.stdout.str()


@pytest.mark.slow
def test_a_recording_of_an_interrupted_run_ends_with_an_error(recorded: Suite) -> None:
    """The last status is not repeated for ever."""
    (path,) = (recorded.pytester.path / "recorded").iterdir()
    kept = [line for line in path.read_text().splitlines(keepends=True) if '"is_finished": 1' not in line]
    path.write_text("".join(kept) + '{"method": "GE')
    recorded.write("@marked(test='Long')\ndef test_long(): ...\n")
    recorded.run(*REPLAY)
    assert "the recording ends before the run of /api/v2/runs/" in recorded.report("test_long").message


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (None, ["--sipfront-replay=missing"], "a replay needs a directory with recordings, got "),
        ("", ["--sipfront-replay=r"], "r.jsonl:1: not a recording of this plugin"),
        ('{"a": 1}\n[]\n', ["--sipfront-replay=r"], "r.jsonl:2: the recording is damaged: not a JSON object"),
        (
            '{"format": "pytest-sipfront recording", "version": 9}\n',
            ["--sipfront-replay=r"],
            "the recording has version 9, and this plugin reads version 1",
        ),
        (f"{HEADER}\n" + '{"nonsense": 1}\n', ["--sipfront-replay=r"], "r.jsonl: the recording is damaged: "),
        ("", ["--sipfront-replay=r", "--sipfront-lab"], "a replay and --sipfront-lab are mutually exclusive"),
        ("", ["--sipfront-replay=r", "--sipfront-resume"], "a replay and --sipfront-resume are mutually exclusive"),
        ("", ["--sipfront-replay=r", "--sipfront-record=r"], "a replay and a recording (command line) are mutually"),
    ],
)
def test_mistakes_end_the_session_before_the_first_test(
    pytester: pytest.Pytester, content: str | None, options: list[str], message: str
) -> None:
    """One line and exit code 4."""
    if content is not None:
        directory = pytester.mkdir("r")
        Path(directory, "r.jsonl").write_text(content)
    pytester.makepyfile("def test_it(): ...")
    result = pytester.runpytest_inprocess(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()


def test_an_empty_directory_has_no_recording(pytester: pytest.Pytester) -> None:
    """The message names the option that writes one."""
    pytester.mkdir("r")
    result = pytester.runpytest_inprocess("--sipfront-replay=r")
    assert "no recording in " in result.stderr.str()
    assert "--sipfront-record=DIR" in result.stderr.str()


@pytest.mark.slow
def test_a_call_with_sift_is_not_replayed(recorded: Suite) -> None:
    """Its callbacks are not recorded. The test is an ERROR."""
    recorded.write("def test_call(sift_call): sift_call('+15550100200')")
    recorded.run(*REPLAY).assert_outcomes(errors=1)
    assert "cannot be replayed" in recorded.report().message


def test_a_directory_that_cannot_be_written_is_an_error(suite: Suite) -> None:
    """No launch is sent without its record."""
    (suite.pytester.path / "recorded").touch()
    suite.write("@marked(test='Basic call')\ndef test_call(): ...")
    suite.run("--sipfront-record=recorded")
    assert suite.report().outcome == "error"
    assert "cannot write the recording" in suite.report().message
    assert suite.lab.launches == 0


@pytest.fixture
def check(recorded: Suite, capsys: pytest.CaptureFixture[str]) -> Callable[[], tuple[int, str]]:
    """Compare the lab with the recording, and return the exit code and the output."""

    def run() -> tuple[int, str]:
        capsys.readouterr()
        code = run_lab_command(["--check", str(recorded.pytester.path / "recorded")], "lab")
        return code, capsys.readouterr().out

    return run


@pytest.mark.slow
def test_the_lab_does_not_differ_from_a_recording_of_itself(check: Callable[[], tuple[int, str]]) -> None:
    """Each endpoint and situation of the recording is compared."""
    code, output = check()
    lines = set(output.splitlines())
    assert code == 0, output
    assert lines >= {
        "GET /api/v2/runs/:id/status, ended: 0 differences",
        "GET /api/v2/runs/:id/status, running: 0 differences",
        "GET /api/v2/projectruns/:id/status, ended: 0 differences",
        "POST /api/v2/tests/run: 0 differences",
        "POST /api/v2/tests/run, refused with 404: 0 differences",
        "GET /api/v2/runs/:id/stats: 0 differences",
    }


@pytest.mark.slow
def test_each_difference_names_field_and_types(
    recorded: Suite, check: Callable[[], tuple[int, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A field that one of them lacks, another type, another form of a text, another HTTP status."""
    (path,) = (recorded.pytester.path / "recorded").iterdir()
    text = path.read_text()
    for old, new in (
        ('"has_passed": 1', '"has_passed": true, "voice_score": 4.1'),
        ('"has_passed": 0', '"has_passed": false, "voice_score": 4.1'),
        ('"tags": "[]"', '"tags": []'),
        ('"started_at": "20', '"started_at": "at 20'),
        ('"agentpool_name": ', '"pool": '),
        ('"status": 404, "reason"', '"status": 422, "reason"'),
    ):
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    code, output = check()
    assert code == 1
    for line in (
        "  run.agentpool_name: missing in the recording, text in the lab",
        "  run.pool: text in the recording, missing in the lab",
        "  run.has_passed: bool in the recording, number in the lab",
        "  run.voice_score: number in the recording, missing in the lab",
        "  run.tags: list in the recording, text (JSON) in the lab",
        "POST /api/v2/tests/run, refused with 422: 1 difference",
        "  HTTP status: 422 in the recording, 404 in the lab",
    ):
        assert line in output.splitlines()
    run_lab_command(["--check", str(path.parent), "--announce"], "lab")
    differences = json.loads(capsys.readouterr().out)["POST /api/v2/tests/run, refused with 422"]
    assert differences == ["HTTP status: 422 in the recording, 404 in the lab"]


def test_a_check_needs_a_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message has the path."""
    assert run_lab_command(["--check", str(tmp_path)], "lab") == 2
    (tmp_path / "r.jsonl").write_text("nonsense\n")
    assert run_lab_command(["--check", str(tmp_path)], "lab") == 2
    errors = capsys.readouterr().err
    assert "lab: no recording in " in errors
    assert "lab: cannot read the recording " in errors
