"""The traceback of an error shows the user's own lines and no frame of the plugin."""

from __future__ import annotations

import signal

import pytest

from tests.end_to_end.suite import CaseReport, Suite
from tests.support import assert_only_user_frames

LAB = (
    "tests:\n"
    "  Busy: {takes: 0.02, verdict: failed, description: 486 Busy Here}\n"
    "  Odd: {takes: 0.02, verdict: stopped}\n"
    "  Slow: {takes: 60}\n"
    "  Lost: {faults: [{on: launch, drop: after}]}\n"
    "  Empty: {faults: [{on: launch, body: []}]}\n"
    "  Away: {faults: [{on: launch, set: {status_url: 'http://127.0.0.1:1/x'}}]}\n"
    "  Mute: {takes: 0.02, faults: [{on: status, status: 500}]}\n"
)
# The possible ends of a run: the arguments of the marker, and a part of the message.
# A run with an answer stands between two without one, because three of those in a row stop the session's launches.
ENDS = {
    "failed": ("test='Busy'", "486 Busy Here"),
    "response lost": ("test='Lost'", "may have been started"),
    "unexpectedly failed": ("test='Busy', expect='failed', match='404'", "does not match"),
    "unreadable response": ("test='Empty'", "no status_url"),
    "no verdict": ("test='Odd'", "no verdict"),
    "status unknown": ("test='Mute'", "500 Internal Server Error"),
    "timeout": ("test='Slow', timeout=0.1", "not finished"),
    "other origin": ("test='Away'", "outside"),
    "unknown test": ("test='Nobody'", "not found"),
}
WAYS = {
    "marker": "@marked({words})\ndef test_{n}(): pass\n",
    "marker and fixture": "@marked({words})\ndef test_{n}(sipfront_run): pass\n",
    "body": "def test_{n}(sipfront):\n    sipfront.run({words})\n",
    "launch and wait": "def test_{n}(sipfront):\n    sipfront.launch({words}).wait()\n",
    "fixture": (
        "@pytest.fixture\ndef call_{n}(sipfront):\n    return sipfront.run({words})\n"
        "def test_{n}(call_{n}):\n    pass\n"
    ),
}


def run_cases(suite: Suite, tests: list[str], *options: str) -> list[CaseReport]:
    """Run these tests in one session and check that no output shows a frame of the plugin."""
    suite.write("".join(test.replace("{n}", str(n)) for n, test in enumerate(tests)))
    result = suite.run("--sipfront-retry-for=0", "--tb=long", *options)
    assert_only_user_frames(result.stdout.str())
    reports = [suite.report(f"test_{n}") for n in range(len(tests))]
    for report in reports:
        assert_only_user_frames(report.details)
    return reports


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_end_of_a_run_shows_only_frames_of_the_user(suite: Suite, way: str) -> None:
    """This holds for each way to start a run."""
    suite.configure(LAB)
    reports = run_cases(suite, [way.replace("{words}", words) for words, _ in ENDS.values()])
    messages = dict(zip(ENDS, (report.message for report in reports), strict=True))
    assert not {end: messages[end] for end, (_, part) in ENDS.items() if part not in messages[end]}


def test_refused_credentials_show_only_frames_of_the_user(suite: Suite) -> None:
    """The first refusal and the launches that are skipped after it."""
    suite.configure("tests: {Basic call: {}}\nfaults: [{on: launch, status: 401}]\n")
    reports = run_cases(suite, [way.replace("{words}", "test='Basic call'") for way in WAYS.values()])
    assert all("refused the credentials" in report.message for report in reports)


@pytest.mark.parametrize(
    ("name", "value"),
    [("SIPFRONT_SECRET_KEY", ""), ("HTTPS_PROXY", "ftp://127.0.0.1:9"), ("SSL_CERT_FILE", "/nowhere/ca.pem")],
)
def test_an_invalid_environment_shows_only_frames_of_the_user(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The error names the variable, and nothing is sent to the platform."""
    monkeypatch.setenv(name, value)
    tests = [way.replace("{words}", "test='Basic call'") for way in WAYS.values()]
    reports = run_cases(suite, tests, "--sipfront-base-url=https://sipfront.example")
    assert all(name in report.details + report.message for report in reports)


def test_other_requests_show_only_frames_of_the_user(suite: Suite) -> None:
    """An unknown argument, and lists that the platform does not return."""
    suite.configure("tests: {A: {}}\nfaults: [{on: tests, status: 500}, {on: projects, status: 500}]\n")
    calls = ("run(tset='x')", "tests()", "projects()", "request('GET', '/nothing')")
    run_cases(suite, [f"def test_{{n}}(sipfront):\n    sipfront.{call}\n" for call in calls])


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this platform has no interval timers")
def test_a_time_limit_from_a_signal_shows_only_frames_of_the_user(suite: Suite) -> None:
    """pytest-timeout fails a test in the handler of a signal, at any point of the wait.

    A progress message with the report URL shows that the test waits for its run.
    """
    suite.configure(LAB)
    suite.pytester.makeconftest(
        "import logging, signal, pytest\n"
        "def give_up(*_): pytest.fail('Timeout (>0.05s)')\n"
        "class Alarm(logging.Handler):\n"
        "    def emit(self, record):\n"
        "        if 'http' in record.getMessage(): signal.setitimer(signal.ITIMER_REAL, 0.05)\n"
        "@pytest.fixture(autouse=True)\n"
        "def limited():\n"
        "    logger, alarm = logging.getLogger('pytest_sipfront'), Alarm()\n"
        "    logger.setLevel('INFO')\n"
        "    logger.addHandler(alarm)\n"
        "    before = signal.signal(signal.SIGALRM, give_up)\n"
        "    yield\n"
        "    signal.setitimer(signal.ITIMER_REAL, 0)\n"
        "    signal.signal(signal.SIGALRM, before)\n"
        "    logger.removeHandler(alarm)\n"
    )
    [report] = run_cases(suite, ["@marked(test='Slow')\ndef test_{n}(): pass\n"], "--sipfront-heartbeat=0.05")
    assert "Timeout (>0.05s)" in report.message
    assert "concurrent" not in report.details
    assert report.properties["sipfront.report_url"]
