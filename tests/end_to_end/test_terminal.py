"""The header, the progress messages, the closing section and the properties of a session."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

SLOW = "tests: {Slow: {takes: 0.6}}\n"
ONE_SLOW = "@marked(test='Slow')\ndef test_call(): pass\n"
LONG = (
    "tests:\n  Long:\n    takes: 0.02\n    faults:\n"
    "      - on: status\n        during: finished\n"
    "        set: {started_at: '2024-02-09 08:20:18', stopped_at: '2024-02-09 08:22:13'}\n"
)
LONG_SECONDS = 115


def test_the_header_has_the_base_url_and_the_sources_of_the_settings(suite: Suite) -> None:
    """Base URL, the variables that have the keys, and the concurrency. It has no key."""
    suite.write("def test_plain(): pass\n")
    url = f"{suite.lab.url} (command line)"
    keys = "credentials from SIPFRONT_PUBLIC_KEY and SIPFRONT_SECRET_KEY"
    suite.run().stdout.fnmatch_lines([f"sipfront: {url}, {keys}, concurrency 1"])


def test_the_header_names_the_variables_that_are_set_or_missing(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key can be in one of several variables."""
    monkeypatch.delenv("SIPFRONT_PUBLIC_KEY")
    suite.run().stdout.fnmatch_lines(["sipfront: *, no credentials: SIPFRONT_PUBLIC_KEY is not set, *"])
    monkeypatch.setenv("SF_API_KEY", "x")
    suite.run().stdout.fnmatch_lines(["*credentials from SF_API_KEY and SIPFRONT_SECRET_KEY*"])


# ---- progress messages


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("-s",), ("-p", "no:terminal"), ("-n1",)], ids=" ".join)
def test_a_long_wait_prints_progress_messages(suite: Suite, options: tuple[str, ...]) -> None:
    """They have the status, the duration and the report, and are printed despite pytest's capture and by workers."""
    suite.configure(SLOW)
    suite.write(ONE_SLOW)
    result = suite.run_in_subprocess("--sipfront-heartbeat=0.05", *options)
    assert result.ret == 0
    output = result.stdout.str() + result.stderr.str()
    assert "sipfront: Slow: running, 0:00 min, http" in output


def test_a_heartbeat_of_zero_prints_no_progress_messages(suite: Suite) -> None:
    """The log has none either."""
    suite.configure(SLOW)
    suite.write(ONE_SLOW)
    result = suite.run("--sipfront-heartbeat=0", "--log-cli-level=INFO")
    result.assert_outcomes(passed=1)
    assert "sipfront: Slow" not in result.stdout.str() + result.stderr.str()


def test_progress_messages_are_logged(suite: Suite) -> None:
    """The logger is `pytest_sipfront` and the level INFO."""
    suite.configure(SLOW)
    suite.write(ONE_SLOW)
    log = suite.pytester.path / "session.log"
    suite.run("--sipfront-heartbeat=0.05", f"--log-file={log}", "--log-file-level=INFO").assert_outcomes(passed=1)
    assert "sipfront: Slow: running" in log.read_text()


# ---- reports


def test_the_closing_section_has_a_row_for_each_test_that_did_not_pass(suite: Suite) -> None:
    """The row has outcome, test, reason and report. Passed tests are only counted."""
    suite.configure(
        "tests:\n  Good: {takes: 0.02}\n  Busy: {takes: 0.02, verdict: failed, description: 486 Busy Here}\n"
    )
    suite.write(
        "@marked(test='Good')\ndef test_good(): pass\n"
        "@marked(test='Busy')\ndef test_busy(): pass\n"
        "@marked(test='Busx')\ndef test_typo(): pass\n"
    )
    result = suite.run()
    url = suite.report("test_busy").properties["sipfront.report_url"]
    result.stdout.fnmatch_lines(
        [
            "*= sipfront =*",
            "2 runs: 1 passed, 1 failed, 0 without verdict; 1 not launched",
            f"FAILED test_it.py::test_busy - 486 Busy Here - {url}",
            "ERROR test_it.py::test_typo - Sipfront refused: Test 'Busx' not found (404 *); did you mean 'Busy'?*",
        ]
    )


def test_a_session_without_runs_has_no_closing_section(suite: Suite) -> None:
    """Such a session may not use the plugin at all."""
    suite.write("def test_plain(): pass\n")
    suite.run().stdout.no_fnmatch_line("*= sipfront =*")


def test_the_properties_describe_the_run_and_its_verdict(suite: Suite) -> None:
    """This is the complete list. Overrides have their API keys."""
    suite.configure("tests: {Busy: {takes: 0.02, verdict: failed, description: 486 Busy Here}}\n")
    suite.write("@marked(test='Busy', step_1_0_dial_destination='431')\ndef test_busy(): pass\n")
    suite.run()
    properties = dict(suite.report("test_busy").properties)
    run = suite.lab.runs[0]
    assert properties.pop("sipfront.started_at").endswith("+00:00")
    assert properties.pop("sipfront.stopped_at").endswith("+00:00")
    assert properties.pop("sipfront.session_id")
    assert properties.pop("sipfront.artifacts").endswith("test_it-test_busy")
    assert properties.pop("sipfront.report_url").startswith(suite.lab.url)
    assert properties == {
        "sipfront.test": "Busy",
        "sipfront.override.step.1.0.dial_destination": run["overrides"]["step.1.0.dial_destination"],
        "sipfront.verdict": "failed",
        "sipfront.kind": "busy",
        "sipfront.result_description": "486 Busy Here",
        "sipfront.agentpool": "lab (scripted verdict)",
    }


def test_the_duration_of_a_test_case_is_that_of_its_run(suite: Suite) -> None:
    """Fixtures and body add theirs."""
    suite.configure(LONG)
    suite.write("@marked(test='Long')\ndef test_call(): pass\n")
    suite.run("--durations=3").stdout.re_match_lines([r"1\d\d\.\d*s call     test_it.py::test_call"])
    assert LONG_SECONDS <= suite.report().duration < 2 * LONG_SECONDS


@pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="subtests came with pytest 9.0")
def test_subtests_do_not_add_the_duration_of_the_run_again(suite: Suite) -> None:
    """A test case lasts as long as its run, however many reports its body makes."""
    suite.configure(LONG)
    suite.write(
        "@marked(test='Long')\ndef test_call(subtests):\n"
        "    for n in range(3):\n        with subtests.test(n=n): assert n == 1\n"
    )
    suite.run().assert_outcomes(failed=3)
    assert LONG_SECONDS <= suite.report().duration < 2 * LONG_SECONDS
