"""Services that send hostile text, huge bodies and extreme values: each ends in a readable outcome."""

from __future__ import annotations

import base64
import gzip
import json
import socketserver
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tests.end_to_end.conftest import PUBLIC_KEY, SECRET_KEY
from tests.support import HANG, Reply, Server

PAIR = base64.b64encode(f"{PUBLIC_KEY}:{SECRET_KEY}".encode()).decode()
FAILED = {"status": "failed", "is_failed": 1, "has_passed": 0, "is_finished": 1}
LAUNCHED = Reply(body={"data": {"status_url": "/api/v2/runs/abc/status", "session_id": "abc"}})
HOSTILE = f"bad \x1b[31m\ud800 {SECRET_KEY} {PAIR}\n::error title=x::boom ##[error]boom"
SUITE = """
import pytest
@pytest.mark.sipfront(test="Basic call")
def test_call(): pass
"""


def raw(body: str) -> Reply:
    return Reply(body=body, content_type="application/json")


def run_status(**fields: Any) -> Reply:
    return raw(json.dumps({"run": {**FAILED, **fields}}))


STATUSES: dict[str, tuple[Reply, str, str]] = {
    "description": (
        run_status(result_description=HOSTILE),
        "failed",
        r"bad \x1b[31m\ud800 [secret] [secret] \x3a:error",
    ),
    "long description": (run_status(result_description="x" * 100_000), "failed", "xxx…"),
    "hostile fields": (
        run_status(test_name="Basic call", testcase_name=HOSTILE, agentpool_name=HOSTILE, tags=json.dumps([HOSTILE])),
        "failed",
        "the run failed; the platform gives no description",
    ),
    "hostile state": (run_status(status=HOSTILE), "errors", "unknown state"),
    "extreme dates": (
        run_status(started_at="0001-01-01T00:00:00+23:59", stopped_at="9999-12-31T23:59:59-23:59"),
        "failed",
        "gives no description",
    ),
    "6,000 digits": (
        raw(json.dumps({"run": {**FAILED, "id": "digits"}}).replace('"digits"', "7" * 6000)),
        "failed",
        "gives no description",
    ),
    "duplicate flags": (
        raw('{"run": {"status": "passed", "has_passed": 1, "has_passed": 0, "is_finished": 1}}'),
        "errors",
        "the key 'has_passed' occurs twice with different values",
    ),
    "bomb": (
        Reply(body=gzip.compress(bytes(100 * 1024**2), 1), headers={"Content-Encoding": "gzip"}),
        "errors",
        "its body is larger than 8 MB",
    ),
    "tags": (Reply(status=422, body="<" * 300_000), "errors", "422"),
    "charset": (Reply(status=422, body="no", content_type="text/plain; charset=hex"), "errors", "no (422"),
    "retry after": (Reply(status=429, headers={"Retry-After": "1e400"}), "errors", "busy"),
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "SIPFRONT_BASE_URL",
        "SIPFRONT_LAB",
        "HTTP_PROXY",
        "http_proxy",
        "NO_PROXY",
        "no_proxy",
        "PYTEST_ADDOPTS",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SIPFRONT_PUBLIC_KEY", PUBLIC_KEY)
    monkeypatch.setenv("SIPFRONT_SECRET_KEY", SECRET_KEY)


def run(pytester: pytest.Pytester, server: Server, *args: str) -> pytest.RunResult:
    options = (f"--sipfront-base-url={server.url}", "--sipfront-poll-interval=0.02", "--sipfront-retry-for=0")
    command = (*options, "--junitxml=junit.xml", "-vv", "-rA", "-pno:randomly", "-Wdefault", *args)
    if any(arg.startswith("-n") for arg in args):
        return pytester.runpytest_subprocess(*command, timeout=120)
    return pytester.runpytest_inprocess(*command)


def check(pytester: pytest.Pytester, result: pytest.RunResult, outcome: str, message: str) -> None:
    result.assert_outcomes(**{outcome: 1})
    output = result.stdout.str() + result.stderr.str()
    junit = (pytester.path / "junit.xml").read_text(encoding="utf-8")
    (case,) = ET.fromstring(junit).iter("testcase")
    assert message in " ".join(case[-1].get("message", "").split()) + output
    for text in (output, junit):
        assert SECRET_KEY not in text
        assert PAIR not in text
        assert "\x1b[31mboom" not in text
        assert "INTERNALERROR" not in text
        assert "internal error" not in text
        assert "##[" not in text
        assert not any(line.strip().startswith("::") for line in text.splitlines())
    assert len(output) < 200_000


@pytest.mark.parametrize("name", STATUSES)
def test_a_hostile_status_has_a_readable_outcome(pytester: pytest.Pytester, name: str) -> None:
    """The session ends with the outcome in its report, without the secret and without control characters."""
    status, outcome, message = STATUSES[name]
    pytester.makepyfile(SUITE)
    with Server(LAUNCHED, status) as server:
        result = run(pytester, server, "--sipfront-timeout=2")
    check(pytester, result, outcome, message)
    assert [request.method for request in server.requests].count("POST") == 1


def test_a_hostile_status_does_not_end_a_session_with_workers(pytester: pytest.Pytester) -> None:
    """A lone surrogate cannot be sent from a worker to the controller."""
    pytester.makepyfile(SUITE)
    status, outcome, message = STATUSES["description"]
    with Server(LAUNCHED, status) as server:
        result = run(pytester, server, "-n1")
    check(pytester, result, outcome, message)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(status=422, body={"error": HOSTILE}), r"Sipfront refused: bad \x1b[31m\ud800 [secret]"),
        (Reply(body={"data": {"status_url": f"http://evil.invalid/{SECRET_KEY}"}}), "is outside http://127.0.0.1"),
        (Reply(body={"data": {"status_url": "/x" * 100_000}}), "is outside http://127.0.0.1"),
        (Reply(body={"data": {"status_url": "/s\n\x1b\ud800"}}), "is outside http://127.0.0.1"),
        (raw('{"data": {"status_url": "/a", "status_url": "/b"}}'), "the run may have been started"),
        (raw("[" * 50_000), "the run may have been started"),
        (
            Reply(status=302, headers={"Location": f"http://x.invalid/{PAIR}"}),
            "redirects (302) to http://x.invalid/[sec",
        ),
    ],
    ids=["refusal", "foreign URL", "long URL", "broken URL", "two URLs", "nested", "redirect"],
)
def test_a_hostile_launch_response_is_an_error(pytester: pytest.Pytester, reply: Reply, message: str) -> None:
    """The launch is sent once."""
    pytester.makepyfile(SUITE)
    with Server(reply) as server:
        result = run(pytester, server)
    check(pytester, result, "errors", message)
    assert [request.method for request in server.requests].count("POST") == 1


def test_a_dripping_launch_response_is_an_error_in_time(pytester: pytest.Pytester) -> None:
    """Each byte arrives within the read timeout, but the response never ends."""
    pytester.makepyfile(SUITE)
    with dripping_server() as (url, requests):
        result = pytester.runpytest_inprocess(
            f"--sipfront-base-url={url}", "--sipfront-connect-timeout=0.2", "--sipfront-read-timeout=0.2"
        )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the run may have been started: *no complete response within 0.6 s*"])
    assert sum("POST" in request for request in requests) == 1


def test_a_refused_launch_does_not_wait_long_for_the_names(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform's names only improve the message, so the retries and timeouts of other requests are too long."""
    monkeypatch.setattr("pytest_sipfront.plugin.run_session._NAMES_SECONDS", 0.2)
    pytester.makepyfile(SUITE)
    with Server(Reply(status=422, body={"error": "No quota left"}), HANG) as server:
        result = run(pytester, server, "--sipfront-read-timeout=600", "--sipfront-retry-for=600")
    check(pytester, result, "errors", "Sipfront refused: No quota left")


@pytest.mark.parametrize(
    "code",
    [SUITE, "import pytest\ndef test_body(sipfront):\n    sipfront.run(test='Basic call')\n"],
    ids=["marker", "body"],
)
def test_a_warning_about_a_status_names_the_place_of_the_test(pytester: pytest.Pytester, code: str) -> None:
    """It does not name a file of the plugin."""
    pytester.makepyfile(test_it=code)
    passed = raw(json.dumps({"run": {"status": "passed", "has_passed": 1, "is_failed": 0, "is_finished": 1}}))
    queued = raw(json.dumps({"run": {"status": "queued"}}))
    with Server(LAUNCHED, queued, queued, passed) as server:  # one response is for the list of tests
        result = run(pytester, server)
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*test_it.py:2: SipfrontWarning: *'queued'*"])


@contextmanager
def dripping_server() -> Iterator[tuple[str, list[str]]]:
    """A server that sends a header line byte by byte until the block ends."""
    done, requests = threading.Event(), list[str]()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            requests.append(self.rfile.readline().decode())
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            with suppress(OSError):
                while not done.wait(0.05):
                    self.wfile.write(b"x")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", requests
        done.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("no_proxy", ["", "fd00::/64,[::1],10.0.0.0/8", "[::1"])
def test_the_proxy_of_the_environment_is_not_used_for_localhost(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, no_proxy: str
) -> None:
    """It would receive the key pair."""
    pytester.makepyfile(SUITE)
    status = raw(json.dumps({"run": {"status": "passed", "has_passed": 1, "is_failed": 0, "is_finished": 1}}))
    with Server() as proxy, Server(LAUNCHED, status) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", no_proxy)
        run(pytester, server).assert_outcomes(passed=1)
    assert proxy.connections == 0


@pytest.mark.parametrize("argument", ["test='half \\ud800'", "test='A', step_1_0_dial_destination='half \\ud800'"])
def test_a_lone_surrogate_in_a_marker_is_a_collection_error(pytester: pytest.Pytester, argument: str) -> None:
    """It cannot be encoded, so it could not be sent."""
    pytester.makepyfile(f"import pytest\n@pytest.mark.sipfront({argument})\ndef test_call(): pass\n")
    with Server() as server:
        result = run(pytester, server)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*must not contain surrogates, which cannot be encoded, got 'half ?ud800'*"])
    assert server.requests == []


@pytest.mark.parametrize("name", ["SIPFRONT_PUBLIC_KEY", "SIPFRONT_SECRET_KEY"])
@pytest.mark.parametrize(
    "value", ["sentinel-line\nbreak", "sentinel-line\rbreak", "sentinel-umläut", "sentinel-\x00nul"]
)
def test_an_invalid_credential_is_refused_without_its_value(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The HTTP library would print the header that it cannot send."""
    if "\x00" in value:
        name, value = "SIPFRONT_SECRET_KEY_FILE", str(pytester.makefile(".key", "sentinel-\x00nul"))
        monkeypatch.delenv("SIPFRONT_SECRET_KEY")
    monkeypatch.setenv(name, value)
    pytester.makepyfile(SUITE)
    with Server(LAUNCHED) as server:
        result = run(pytester, server)
    result.assert_outcomes(errors=1)
    assert server.requests == []
    result.stdout.fnmatch_lines([f"*{name} must contain printable ASCII characters only (its value is not shown)*"])
    assert "sentinel-" not in result.stdout.str()
