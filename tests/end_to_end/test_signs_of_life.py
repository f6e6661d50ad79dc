"""Header, heartbeat and closing section."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

SLOW = "tests: {Slow: {takes: 0.8}}\n"
ONE_SLOW = "@marked(test='Slow')\ndef test_call(): pass\n"


def test_the_header_says_where_runs_go_and_with_whose_credentials(suite: Suite) -> None:
    """Base URL and its source, the variables that hold the keys, concurrency; no key."""
    suite.write("def test_plain(): pass\n")
    where = f"{suite.lab.url} (command line)"
    keys = "credentials from SIPFRONT_PUBLIC_KEY and SIPFRONT_SECRET_KEY"
    suite.run().stdout.fnmatch_lines([f"sipfront: {where}, {keys}, concurrency 1"])


def test_the_header_names_aliases_and_what_is_missing(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pair under another of its names is named as found; a missing half is named as missing."""
    monkeypatch.delenv("SIPFRONT_PUBLIC_KEY")
    suite.run().stdout.fnmatch_lines(["sipfront: *, no credentials: SIPFRONT_PUBLIC_KEY is not set, *"])
    monkeypatch.setenv("SF_API_KEY", "x")
    suite.run().stdout.fnmatch_lines(["*credentials from SF_API_KEY and SIPFRONT_SECRET_KEY*"])


@pytest.mark.parametrize("options", [(), ("-s",), ("-p", "no:terminal"), ("-n1",)], ids=" ".join)
def test_a_long_wait_shows_signs_of_life(suite: Suite, options: tuple[str, ...]) -> None:
    """Where a run stands, since when, and where to look; past pytest's capture, and from workers too."""
    suite.configure(SLOW)
    suite.write(ONE_SLOW)
    result = suite.run_in_subprocess("--sipfront-heartbeat=0.1", *options)
    assert result.ret == 0
    output = result.stdout.str() + result.stderr.str()
    assert "sipfront: Slow: running, 0:00 min, http" in output


def test_signs_of_life_can_be_switched_off(suite: Suite) -> None:
    """0 is never."""
    suite.configure(SLOW)
    suite.write(ONE_SLOW)
    result = suite.run_in_subprocess("--sipfront-heartbeat=0")
    assert "sipfront: Slow" not in result.stdout.str() + result.stderr.str()


def test_signs_of_life_are_logged(suite: Suite) -> None:
    """Whoever collects logs has them there."""
    suite.configure(SLOW)
    suite.write(ONE_SLOW)
    log = suite.pytester.path / "it.log"
    suite.run("--sipfront-heartbeat=0.1", f"--log-file={log}", "--log-file-level=INFO").assert_outcomes(passed=1)
    assert "sipfront: Slow: running" in log.read_text()


def test_the_closing_section_has_a_row_for_each_test_that_did_not_pass(suite: Suite) -> None:
    """Outcome, test, reason and report URL; passed tests are counted only."""
    suite.configure(
        "tests:\n  Good: {takes: 0.02}\n  Busy: {takes: 0.02, verdict: failed, description: 486 Busy Here}\n"
    )
    suite.write(
        "@marked(test='Good')\ndef test_good(): pass\n"
        "@marked(test='Busy')\ndef test_busy(): pass\n"
        "@marked(test='Busx')\ndef test_typo(): pass\n"
    )
    result = suite.run()
    url = suite.properties("test_busy")["sipfront.report_url"]
    result.stdout.fnmatch_lines(
        [
            "*= sipfront =*",
            "3 runs: 1 passed, 1 failed, 1 without verdict",
            f"FAILED test_it.py::test_busy - 486 Busy Here - {url}",
            "ERROR test_it.py::test_typo - Sipfront refused: Test 'Busx' not found (404 Not Found)",
        ]
    )


def test_a_session_without_runs_has_no_closing_section(suite: Suite) -> None:
    """Nothing to say is said in no line."""
    suite.write("def test_plain(): pass\n")
    suite.run().stdout.no_fnmatch_line("*= sipfront =*")


def test_properties_say_what_ran_and_how_it_ended(suite: Suite) -> None:
    """All of them, in JUnit's default family, with overrides under their API keys."""
    suite.configure("tests: {Busy: {takes: 0.02, verdict: failed, description: 486 Busy Here}}\n")
    suite.write("@marked(test='Busy', step_1_0_dial_destination='431')\ndef test_busy(): pass\n")
    suite.run()
    properties = dict(suite.properties("test_busy"))
    run = suite.lab.runs[0]
    assert properties.pop("sipfront.started_at").endswith("+00:00")
    assert properties.pop("sipfront.stopped_at").endswith("+00:00")
    assert properties.pop("sipfront.session_id")
    assert properties.pop("sipfront.report_url").startswith(suite.lab.url)
    assert properties == {
        "sipfront.test": "Busy",
        "sipfront.override.step.1.0.dial_destination": run["overrides"]["step.1.0.dial_destination"],
        "sipfront.verdict": "failed",
        "sipfront.result_description": "486 Busy Here",
        "sipfront.agentpool": "lab (scripted verdict)",
    }


def test_the_reported_duration_is_the_runs(suite: Suite) -> None:
    """What waited is the run; fixtures and body add their own little."""
    suite.configure(
        "tests:\n  Long:\n    takes: 0.02\n    faults:\n"
        "      - {on: status, during: finished, set: {started_at: '2024-02-09 08:20:18', "
        "stopped_at: '2024-02-09 08:22:13'}}\n"
    )
    suite.write("@marked(test='Long')\ndef test_call(): pass\n")
    suite.run("--durations=3").stdout.fnmatch_lines(["115.*s call     test_it.py::test_call"])
    assert 115 <= float(suite.case("test_call").attrib["time"]) < 120


@pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="subtests came with pytest 9.0")
def test_subtests_do_not_count_the_run_again(suite: Suite) -> None:
    """A test case lasts as long as its run, however many reports its body makes."""
    suite.configure(
        "tests:\n  Long:\n    takes: 0.02\n    faults:\n"
        "      - {on: status, during: finished, set: {started_at: '2024-02-09 08:20:18', "
        "stopped_at: '2024-02-09 08:22:13'}}\n"
    )
    suite.write(
        "@marked(test='Long')\ndef test_call(subtests):\n"
        "    for n in range(3):\n        with subtests.test(n=n): assert n == 1\n"
    )
    suite.run().assert_outcomes(failed=3)
    assert 115 <= float(suite.case("test_call").attrib["time"]) < 120
