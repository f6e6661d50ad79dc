"""The `sipfront` fixture."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

LAB = (
    "tests:\n"
    "  Good: {takes: 0.02}\n"
    "  Busy: {takes: 0.02, verdict: failed, description: 486 Busy Here}\n"
    "  Odd: {takes: 0.02, verdict: stopped}\n"
    "projects:\n  Nightly: {id: 7, tests: [Good]}\n"
)


@pytest.fixture
def three(suite: Suite) -> Suite:
    """A suite whose platform has a test that passes, one that fails and one that is stopped."""
    suite.configure(LAB)
    return suite


def test_a_failed_run_in_the_body_fails_the_test_at_its_line(three: Suite) -> None:
    """The traceback has the line of the user and no frame of the plugin. Message and details are as for a marker."""
    three.write("def test_call(sipfront):\n    sipfront.run(test='Busy')\n")
    result = three.run()
    result.assert_outcomes(failed=1)
    report = three.report()
    assert (report.outcome, report.message) == ("failure", "486 Busy Here")
    assert "run/details" in report.details
    result.stdout.fnmatch_lines(
        [">       sipfront.run(test='Busy')", "E *RunFailed: 486 Busy Here", "test_it.py:4: RunFailed"]
    )
    assert "imperative.py" not in result.stdout.str()


def test_a_missing_verdict_in_the_body_is_an_error(three: Suite) -> None:
    """As in the setup, it is not a failure. JUnit has one test case."""
    three.write("def test_call(sipfront):\n    sipfront.run(test='Odd')\n")
    result = three.run()
    result.assert_outcomes(errors=1)
    assert three.report().outcome == "error"
    result.stdout.no_fnmatch_line("*imperative.py*")


def test_expect_none_returns_either_verdict(three: Suite) -> None:
    """The test decides."""
    three.write(
        "def test_call(sipfront):\n"
        "    assert not sipfront.run(test='Busy', expect=None).passed\n"
        "    assert sipfront.run(test='Busy', expect='failed', match='486').verdict == 'failed'\n"
        "    assert sipfront.run(test='Good').passed\n"
    )
    three.run().assert_outcomes(passed=1)
    properties = three.report().properties
    assert [properties[f"sipfront.{n}test"] for n in ("", "2.", "3.")] == ["Busy", "Busy", "Good"]


def test_launched_runs_are_concurrent(three: Suite) -> None:
    """launch() returns once the platform accepted the launch. wait() returns the same result each time."""
    three.configure("tests: {Slow: {takes: 1}}\n")
    three.write(
        "def test_calls(sipfront):\n"
        "    runs = [sipfront.launch(test='Slow') for _ in range(3)]\n"
        "    assert all(run.report_url and run.session_id for run in runs)\n"
        "    assert all(run.wait().passed for run in runs)\n"
        "    assert runs[0].wait() is runs[0].wait()\n"
    )
    three.run().assert_outcomes(passed=1)
    assert three.lab.peak_in_flight == 3


def test_the_fixture_lists_tests_and_projects(three: Suite) -> None:
    """request() returns the response of any endpoint."""
    three.write(
        "def test_lists(sipfront):\n"
        "    assert set(sipfront.tests().names()) >= {'Good', 'Busy', 'Odd'}\n"
        "    assert 'Nightly' in sipfront.projects().names()\n"
        "    assert sipfront.request('GET', '/appimages').data['status'] == 200\n"
        "    assert sipfront.run(project='Nightly').tests[0].test_name == 'Good'\n"
    )
    three.run().assert_outcomes(passed=1)


def test_the_fixture_queries_runs_and_endpoints(three: Suite) -> None:
    """All documented queries of the API have a method."""
    three.configure("tests: {Busy: {id: 7, takes: 0.02, verdict: failed, description: 486 Busy Here}}\n")
    three.write(
        "def test_queries(sipfront):\n"
        "    run = sipfront.run(test='Busy', expect=None)\n"
        "    last = sipfront.last_run(7)\n"
        "    assert (last.state, last.result_description) == ('failed', '486 Busy Here')\n"
        "    assert run.report_url.rsplit('/', 1)[1] in str(sipfront.runs().data)\n"
        "    assert any(endpoint.url.endswith('/runs') for endpoint in sipfront.endpoints())\n"
    )
    three.run().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("options", "content_type"),
    [((), "application/json"), (("--sipfront-body=form",), "application/x-www-form-urlencoded")],
    ids=["json", "form"],
)
def test_launches_are_sent_as_json_or_as_a_form(three: Suite, options: tuple[str, ...], content_type: str) -> None:
    """The API documents both."""
    three.write("@marked(test='Good', step_1_0_dial_destination='0043')\ndef test_call(): pass\n")
    three.run(*options).assert_outcomes(passed=1)
    (launch,) = [request for request in three.lab.requests if request["method"] == "POST"]
    assert launch["content_type"] == content_type
    assert launch["body"] == {"test.name": "Good", "step.1.0.dial_destination": "0043"}


def test_an_unknown_argument_is_an_error_before_the_launch(three: Suite) -> None:
    """The arguments and error messages are those of the marker."""
    three.write("def test_call(sipfront):\n    sipfront.run(tset='Good')\n")
    result = three.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*sipfront.run: unknown argument 'tset'; did you mean 'test'?*"])
    assert three.lab.counts["requests"] == 0


def test_a_run_in_a_fixture_belongs_to_the_test_that_sets_it_up(three: Suite) -> None:
    """The fixture has the scope of the module, and its first test has the properties."""
    three.write(
        "@pytest.fixture(scope='module')\ndef warm(sipfront): return sipfront.run(test='Good')\n"
        "def test_call(warm): assert warm.passed\n"
    )
    three.run().assert_outcomes(passed=1)
    assert three.report().properties["sipfront.test"] == "Good"


def test_an_interrupted_wait_ends_the_session_with_its_reports(three: Suite) -> None:
    """SIGINT while a test waits: the JUnit file is written, and the exit code is 2."""
    three.configure("tests: {Slow: {takes: 60}}\n")
    three.pytester.makeconftest(
        "import _thread, logging\n"
        "class Interrupt(logging.Handler):\n"
        "    def emit(self, record): _thread.interrupt_main()\n"
        "def pytest_configure(config):\n"
        "    logger = logging.getLogger('pytest_sipfront')\n"
        "    logger.setLevel('INFO')\n"
        "    logger.addHandler(Interrupt())\n"
    )
    three.write("@marked(test='Slow')\ndef test_call(): pass\n")
    result = three.run_in_subprocess("--sipfront-heartbeat=0.1")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert three.junit.exists()
    result.stdout.fnmatch_lines(["*KeyboardInterrupt*"])
