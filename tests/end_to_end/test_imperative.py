"""The `sipfront` fixture."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

PLATFORM = (
    "tests:\n"
    "  Good: {takes: 0.02}\n"
    "  Busy: {takes: 0.02, verdict: failed, description: 486 Busy Here}\n"
    "  Odd: {takes: 0.02, verdict: stopped}\n"
    "projects:\n  Nightly: {id: 7, tests: [Good]}\n"
)


@pytest.fixture
def three(suite: Suite) -> Suite:
    """A platform with a test that passes, one that fails and one that is stopped."""
    suite.configure(PLATFORM)
    return suite


def test_a_failed_run_in_the_body_fails_the_test_at_the_line_that_started_it(three: Suite) -> None:
    """The user's own line is shown, none of ours, with message and details as for a mark."""
    three.write("def test_call(sipfront):\n    sipfront.run(test='Busy')\n")
    result = three.run()
    result.assert_outcomes(failed=1)
    failure = three.case("test_call").find("failure")
    assert failure is not None
    assert failure.get("message") == "486 Busy Here"
    assert "run/details" in (failure.text or "")
    result.stdout.fnmatch_lines(
        [">       sipfront.run(test='Busy')", "E *RunFailed: 486 Busy Here", "test_it.py:4: RunFailed"]
    )
    assert "imperative.py" not in result.stdout.str()


def test_an_infrastructure_error_in_the_body_is_an_error_not_a_failure(three: Suite) -> None:
    """ERROR and <error>, as in setup; one test case in JUnit."""
    three.write("def test_call(sipfront):\n    sipfront.run(test='Odd')\n")
    result = three.run()
    result.assert_outcomes(errors=1)
    assert three.case("test_call").find("error") is not None
    result.stdout.no_fnmatch_line("*imperative.py*")


def test_expect_none_returns_either_verdict(three: Suite) -> None:
    """For tests that decide themselves."""
    three.write(
        "def test_call(sipfront):\n"
        "    assert not sipfront.run(test='Busy', expect=None).passed\n"
        "    assert sipfront.run(test='Busy', expect='failed', match='486').verdict == 'failed'\n"
        "    assert sipfront.run(test='Good').passed\n"
    )
    three.run().assert_outcomes(passed=1)
    properties = three.properties("test_call")
    assert [properties[f"sipfront.{n}test"] for n in ("", "2.", "3.")] == ["Busy", "Busy", "Good"]


def test_launched_runs_go_on_side_by_side(three: Suite) -> None:
    """launch() returns once the platform has accepted; wait() gives the verdict, again and again."""
    three.configure("tests: {Slow: {takes: 0.3}}\n")
    three.write(
        "def test_calls(sipfront):\n"
        "    runs = [sipfront.launch(test='Slow') for _ in range(3)]\n"
        "    assert all(run.report_url and run.session_id for run in runs)\n"
        "    assert all(run.wait().passed for run in runs)\n"
        "    assert runs[0].wait() is runs[0].wait()\n"
    )
    three.run().assert_outcomes(passed=1)
    assert three.lab.peak_in_flight == 3


def test_the_account_can_be_asked(three: Suite) -> None:
    """tests(), projects() and request() give what the platform lists, as it lists it."""
    three.write(
        "def test_lists(sipfront):\n"
        "    assert set(sipfront.tests().names()) >= {'Good', 'Busy', 'Odd'}\n"
        "    assert 'Nightly' in sipfront.projects().names()\n"
        "    assert sipfront.request('GET', '/appimages').data['status'] == 200\n"
        "    assert sipfront.run(project='Nightly').tests[0].test_name == 'Good'\n"
    )
    three.run().assert_outcomes(passed=1)


def test_wrong_words_are_an_error_before_anything_is_launched(three: Suite) -> None:
    """The words are the marker's, and so are the texts."""
    three.write("def test_call(sipfront):\n    sipfront.run(tset='Good')\n")
    result = three.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*sipfront.run: unknown argument 'tset'; did you mean 'test'?*"])
    assert three.lab.counts["requests"] == 0


def test_a_run_in_a_fixture_is_recorded_with_the_test_that_needs_it(three: Suite) -> None:
    """A module's fixture that runs something shows up in the first test that asks for it."""
    three.write(
        "@pytest.fixture(scope='module')\ndef warm(sipfront): return sipfront.run(test='Good')\n"
        "def test_call(warm): assert warm.passed\n"
    )
    three.run().assert_outcomes(passed=1)
    assert three.properties("test_call")["sipfront.test"] == "Good"


def test_an_interrupted_wait_ends_at_once_with_the_report_written(three: Suite) -> None:
    """Ctrl-C while a run goes on: teardown, JUnit, exit code 2; the run is not waited for."""
    three.configure("tests: {Slow: {takes: 60}}\n")
    three.pytester.makeconftest(
        "import _thread, pytest_sipfront.plugin.reports.heartbeat as heartbeat\n"
        "def pytest_configure(config):\n"
        "    heartbeat.speaker(config)\n"
        "    heartbeat._log.addFilter(lambda record: _thread.interrupt_main() or True)\n"
        "    heartbeat._log.setLevel('INFO')\n"
    )
    three.write("@marked(test='Slow')\ndef test_call(): pass\n")
    result = three.run_in_subprocess("--sipfront-heartbeat=0.1")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert three.junit.exists()
    result.stdout.fnmatch_lines(["*KeyboardInterrupt*"])
