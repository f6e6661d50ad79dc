"""What is shown of an error is the suite's own line, never a frame of ours."""

from __future__ import annotations

import signal

import pytest

from tests.end_to_end.suite import Suite
from tests.support import assert_no_frame_of_ours

PLATFORM = (
    "tests:\n"
    "  Busy: {takes: 0.02, verdict: failed, description: 486 Busy Here}\n"
    "  Odd: {takes: 0.02, verdict: stopped}\n"
    "  Slow: {takes: 60}\n"
    "  Lost: {faults: [{on: launch, drop: after}]}\n"
    "  Empty: {faults: [{on: launch, body: []}]}\n"
    "  Away: {faults: [{on: launch, set: {status_url: 'http://127.0.0.1:1/x'}}]}\n"
    "  Mute: {takes: 0.02, faults: [{on: status, status: 500}]}\n"
    "  Refused: {faults: [{on: launch, status: 401}]}\n"
)
WORDS = {
    "failed": "test='Busy'",
    "unexpectedly failed": "test='Busy', expect='failed', match='404'",
    "no verdict": "test='Odd'",
    "timeout": "test='Slow', timeout=0.1",
    "uncertain": "test='Lost'",
    "unreadable": "test='Empty'",
    "foreign": "test='Away'",
    "status unknown": "test='Mute'",
    "credentials refused": "test='Refused'",
    "unknown test": "test='Nobody'",
}
WAYS = {
    "mark": "@marked({words})\ndef test_call(): pass\n",
    "mark with fixture": "@marked({words})\ndef test_call(sipfront_run): pass\n",
    "body": "def test_call(sipfront):\n    sipfront.run({words})\n",
    "launch and wait": "def test_call(sipfront):\n    sipfront.launch({words}).wait()\n",
    "fixture": (
        "@pytest.fixture\ndef call(sipfront):\n    return sipfront.run({words})\ndef test_call(call):\n    pass\n"
    ),
}


def shows_none_of_our_frames(suite: Suite, *options: str) -> None:
    """Run the suite and look for our files in its output; the suite's own file must be there."""
    result = suite.run("--sipfront-retry-for=0", "--tb=long", *options)
    assert sum(result.parseoutcomes().get(name, 0) for name in ("failed", "errors")) == 1
    assert_no_frame_of_ours(result.stdout.str())


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_an_outcome_shows_none_of_our_frames(suite: Suite, words: str, way: str) -> None:
    """However a run is started and however it ends."""
    suite.platform(PLATFORM)
    suite.write(way.replace("{words}", words))
    shows_none_of_our_frames(suite)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    ("name", "value"),
    [("SIPFRONT_SECRET_KEY", ""), ("HTTP_PROXY", "ftp://127.0.0.1:9"), ("SSL_CERT_FILE", "/nowhere/ca.pem")],
)
def test_a_wrong_environment_shows_none_of_our_frames(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, name: str, value: str, way: str
) -> None:
    """What is missing or wrong is said in words."""
    monkeypatch.setenv(name, value)
    suite.write(way.replace("{words}", "test='Basic call'"))
    shows_none_of_our_frames(suite)


@pytest.mark.parametrize("call", ["run(tset='x')", "tests()", "projects()", "request('GET', '/nothing')"])
def test_other_questions_show_none_of_our_frames(suite: Suite, call: str) -> None:
    """Wrong words, and an account that cannot be asked."""
    suite.platform("tests: {A: {}}\nfaults: [{on: tests, status: 500}, {on: projects, status: 500}]\n")
    suite.write(f"def test_call(sipfront):\n    sipfront.{call}\n")
    shows_none_of_our_frames(suite)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such timer here")
def test_a_time_limit_of_the_suites_own_shows_none_of_our_frames(suite: Suite) -> None:
    """pytest-timeout fails a test from a signal's handler, wherever the wait is just then."""
    suite.platform(PLATFORM)
    suite.pytester.makeconftest(
        "import signal, pytest\n"
        "def give_up(*_): pytest.fail('Timeout (>0.3s)')\n"
        "@pytest.fixture(autouse=True)\n"
        "def limited():\n"
        "    before = signal.signal(signal.SIGALRM, give_up)\n"
        "    signal.setitimer(signal.ITIMER_REAL, 0.3)\n"
        "    yield\n"
        "    signal.setitimer(signal.ITIMER_REAL, 0)\n"
        "    signal.signal(signal.SIGALRM, before)\n"
    )
    suite.write("@marked(test='Slow')\ndef test_call(): pass\n")
    shows_none_of_our_frames(suite)
    error = suite.case("test_call").find("error")
    assert error is not None
    assert "Timeout (>0.3s)" in (error.get("message") or "")
    assert "concurrent" not in (error.text or "")
    assert suite.properties("test_call")["sipfront.report_url"]
