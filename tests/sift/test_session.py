"""Sift sessions with tunnels, interrupts, reruns and service failures."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.sift.conftest import BANK, SiftLab, bank, by_request
from tests.support import TIMEOUT, Reply, Server, refusing_port

pytestmark = pytest.mark.usefixtures("account")

CALL = f"""
def test_it(sift_call):
    with sift_call("{BANK}") as call:
        assert call.listen().says("hello")
"""


def run(pytester: pytest.Pytester, text: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(text)
    return pytester.runpytest_inprocess(*arguments)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def tunnel(port: int, *, path: str, keeps_path: bool) -> Iterator[tuple[str, list[str]]]:
    """Run a reverse proxy in front of `port`; yield its public URL and the requested paths."""
    paths: list[str] = []

    class Forward(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Suppress the log."""

        def do_GET(self) -> None:
            self._forward()

        def do_POST(self) -> None:
            self._forward()

        def _forward(self) -> None:
            paths.append(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            inner = self.path if keeps_path else self.path.removeprefix(path)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
            connection.request(self.command, inner, body, {"Content-Type": self.headers.get("Content-Type", "")})
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Forward)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{path}", paths
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("keeps_path", [False, True])
def test_callbacks_arrive_through_a_tunnel(sift_lab: SiftLab, pytester: pytest.Pytester, keeps_path: bool) -> None:
    """Sift posts to --sift-callback-url, and the receiver listens on --sift-listen. The tunnel may prefix the path."""
    sift_lab.configure(bank("says: hello"))
    port = free_port()
    with tunnel(port, path="/hook", keeps_path=keeps_path) as (url, paths):
        result = run(pytester, CALL, f"--sift-callback-url={url}", f"--sift-listen=127.0.0.1:{port}")
    result.assert_outcomes(passed=1)
    assert len(paths) == 1 + 4  # the check, three statuses, one answer
    assert all(path.startswith("/hook/") for path in paths)


def test_a_callback_token_makes_the_urls_permanent(
    sift_lab: SiftLab, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An application at Sift needs to be set up only once. The token is not shown."""
    token = "a-token-of-thirty-two-characters"
    monkeypatch.setenv("SIFT_CALLBACK_TOKEN", token)
    sift_lab.configure(bank("says: hello"))
    result = run(pytester, CALL.replace("hello", "bye"), "-l", "--full-trace", "--junitxml=junit.xml")
    result.assert_outcomes(failed=1)
    created = next(entry for entry in sift_lab.service.recorder.entries if entry.path == "/v0/connections")
    assert f"/{token}/" in created.body["status_url"]
    output = result.stdout.str() + result.stderr.str() + (pytester.path / "junit.xml").read_text(encoding="utf-8")
    assert token not in output
    assert "lab-secret" not in output


def test_the_time_limits_of_the_session_apply_to_sift(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unreachable Sift is an error without a delay."""
    with refusing_port() as port:
        monkeypatch.setenv("SIFT_BASE_URL", f"http://127.0.0.1:{port}/v0")
        result = run(pytester, CALL, "--sipfront-retry-for=0")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Sift * cannot be reached*"])
    assert "the call may have been placed" not in result.stdout.str().lower()


def test_an_interrupt_hangs_up(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """Ctrl-C during a call ends the call."""
    sift_lab.configure(bank())
    text = f"""
        def test_it(sift_call):
            sift_call("{BANK}").expect_connected()
            raise KeyboardInterrupt
    """
    pytester.makepyfile(text)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert [leg.status for leg in sift_lab.service.calls.connections] == ["finished"]


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM there")
def test_sigterm_hangs_up(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """CI servers abort builds with it."""
    sift_lab.configure(bank())
    pytester.makepyfile(f"def test_it(sift_call):\n    sift_call('{BANK}').wait_finished(within=60)\n")
    with (pytester.path / "output.txt").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"], cwd=pytester.path, stdout=output, stderr=output
        )
    deadline = time.monotonic() + TIMEOUT
    while [leg.status for leg in sift_lab.service.calls.connections] != ["connected"]:
        assert time.monotonic() < deadline, "no call was placed"
        time.sleep(0.01)
    process.terminate()
    assert process.wait(TIMEOUT) == pytest.ExitCode.INTERRUPTED
    assert [leg.status for leg in sift_lab.service.calls.connections] == ["finished"]


def test_a_rerun_has_a_new_call_and_new_properties(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """The report of the second attempt does not mention the first."""
    sift_lab.configure(bank())
    text = f"""
        import pytest

        tries = []

        @pytest.mark.sift(phone_number="{BANK}")
        def test_it(sift_connection, sift_call):
            tries.append(sift_connection)
            if len(tries) == 1:
                sift_call("{BANK}")
                assert False
    """
    result = run(pytester, text, "--reruns=1", "--junitxml=junit.xml")
    result.assert_outcomes(passed=1)
    case = ET.parse(pytester.path / "junit.xml").getroot().findall(".//testcase")[-1]
    ids = [entry.get("value") for entry in case.iter("property") if "connection_id" in (entry.get("name") or "")]
    assert ids == [[leg.id for leg in sift_lab.service.calls.connections][-1]]


def test_xfail_does_not_hide_a_failure_of_sift(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """xfail is for failed calls; an error of Sift causes a warning."""
    sift_lab.configure(bank(faults="[{on: routine, status: 500, error: oops, times: 1}]"))
    text = f"""
        import pytest

        @pytest.mark.xfail(strict=True)
        def test_it(sift_call):
            with sift_call("{BANK}") as call:
                call.say("hi")
    """
    result = run(pytester, text, "-Wdefault")
    result.stdout.fnmatch_lines(["*xfail hides a missing verdict*"])


@by_request
def test_a_refused_hang_up_is_an_error_next_to_the_outcome(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """The call may still be active."""
    sift_lab.configure(bank(faults="[{on: routine, status: 500, error: oops}]"))
    result = run(pytester, f"def test_it(sift_call):\n    sift_call('{BANK}').expect_connected()\n")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*oops*", "*hanging up*"])


def test_the_account_is_available_as_a_fixture(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """`sift` has lists, single objects, uploads and any other request."""
    sift_lab.configure(bank(page_size=2, numbers=f"['{BANK}']"))
    text = f"""
        import pytest
        from pytest_sipfront import NotFound

        def test_it(sift, sift_call):
            for _ in range(5):
                with sift_call("{BANK}"):
                    pass
            listed = [connection.connection_id for connection in sift.connections()]
            assert len(listed) == 5
            assert sift.connection(listed[0]).status in ("finished", "failed")
            assert list(sift.conversations()) == []
            assert len(sift.upload_media(b"RIFF")) == 16
            assert sift.request("GET", "/phonenumbers")["results"] == [{{"phone_number": "{BANK}"}}]
            assert {{callback.kind for callback in sift.received}} == {{"status"}}
            with pytest.raises(NotFound):
                sift.conversation("none")
    """
    run(pytester, text).assert_outcomes(passed=1)


def test_no_request_is_sent_if_fixtures_are_only_shown(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """--setup-plan places no call."""
    text = f"import pytest\n@pytest.mark.sift(phone_number='{BANK}')\ndef test_it(sift_connection): pass\n"
    result = run(pytester, text, "--setup-plan")
    result.stdout.fnmatch_lines(["*SETUP*sift_connection*"])
    assert not sift_lab.service.recorder.entries


def test_help_names_every_option_with_its_variable_and_key(pytester: pytest.Pytester) -> None:
    """So do --markers and --fixtures."""
    text = " ".join(pytester.runpytest_inprocess("--help").stdout.str().split())
    for name in ("base", "callback", "listen"):
        assert f"--sift-{name}" in text
    assert "[env: SIFT_CALLBACK_URL, ini: sift_callback_url]" in text
    assert "@pytest.mark.sift(phone_number=None, client_name=None, connect_within=20)" in (
        pytester.runpytest_inprocess("--markers").stdout.str()
    )
    fixtures = pytester.runpytest_inprocess("--fixtures").stdout.str()
    for fixture in ("sift ", "sift_call", "sift_connection", "sift_incoming"):
        assert fixture in fixtures


def test_settings_are_read_from_the_ini_file(pytester: pytest.Pytester) -> None:
    """An invalid value is reported with the name of the file."""
    pytester.makeini("[pytest]\nsift_callback_timeout = soon\n")
    result = run(pytester, "def test_it(): pass\n")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*sift_callback_timeout in *tox.ini*number of seconds*"])


def test_another_page_at_the_callback_url_is_an_error(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """A tunnel's greeting page has status 200."""
    with Server(Reply(body="<html>Hello from the tunnel</html>", headers={"Connection": "close"})) as server:
        result = run(pytester, CALL, f"--sift-callback-url={server.url}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*another server answers with 200 OK; no call was placed*"])
    assert not sift_lab.service.recorder.entries


def test_a_rerun_forgets_the_failure_of_the_first_attempt(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """A call that is connected the second time passes."""
    lost = "[{on: status, status: connected, lost: true, times: 1}]"
    sift_lab.configure(bank(callbacks=lost, faults="[{on: retrieve, status: 500, times: 1}]"))
    text = f"""
        import pytest

        @pytest.mark.sift(phone_number="{BANK}", connect_within=0.5)
        def test_it(sift_connection):
            assert sift_connection.status == "connected"
    """
    result = run(pytester, text, "--reruns=1", "--sipfront-retry-for=0")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*1 rerun*"])


def test_an_incoming_call_before_the_test_is_ignored(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """A test takes calls that arrive while it runs."""
    sift_lab.configure('callers: [{from: "+15550100999", to: "+15550100300"}]')
    text = """
        def test_first(sift_incoming, sift):
            sift_incoming.register("+15550100300")
            while not sift.received:
                pass

        def test_second(sift_incoming):
            sift_incoming(to="+15550100300", within=0.2)
    """
    result = run(pytester, text)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*no incoming call to +15550100300 within 0.2 s*"])


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
def test_a_wildcard_address_requires_a_callback_url(sift_lab: SiftLab, pytester: pytest.Pytester, host: str) -> None:
    """The public address cannot be guessed."""
    result = run(pytester, CALL, f"--sift-listen={host}:0")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*is not an address that Sift can post to*", "*--sift-callback-url*"])
    assert not sift_lab.service.recorder.entries


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_the_receiver_may_listen_on_ipv6(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """The callback URL has brackets."""
    sift_lab.configure(bank("says: hello"))
    run(pytester, CALL, "--sift-listen=[::1]:0").assert_outcomes(passed=1)
    created = next(entry for entry in sift_lab.service.recorder.entries if entry.path == "/v0/connections")
    assert created.body["status_url"].startswith("http://[::1]:")
