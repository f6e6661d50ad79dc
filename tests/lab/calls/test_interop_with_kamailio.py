"""Calls through Kamailio, a SIP proxy that keeps the Call-ID and the headers of the lab."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.calls.placing import find, needs_stack
from tests.lab.calls.sipp_peer import free_port

KAMAILIO = shutil.which("kamailio")
MODULES = Path("/usr/lib") / str(sysconfig.get_config_var("MULTIARCH")) / "kamailio/modules"
pytestmark = [
    needs_stack,
    pytest.mark.skipif(KAMAILIO is None, reason="Kamailio is not installed (Debian's package kamailio)"),
]
CONFIG = """#!KAMAILIO
debug=0
log_stderror=yes
fork=no
children=2
disable_tcp=yes
listen=udp:127.0.0.1:{port}
mpath="{modules}/"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
request_route {{
    if (is_method("REGISTER")) {{ save("location"); exit; }}
    if (has_totag()) {{
        if (loose_route() || (is_method("ACK") && t_check_trans())) {{ t_relay(); }}
        exit;
    }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) {{ t_relay(); }} exit; }}
    record_route();
    if (!lookup("location")) {{ sl_send_reply("404", "Not Found"); exit; }}
    t_relay();
}}
"""
LAB = """
target: sip:127.0.0.1:{port}
prompts: {{hello: {{say: hello you}}}}
phones: {{desk: {{number: "100", play: hello, repeat: true}}}}
tests:
  call:
    steps:
      - - {{action: register, user: "100"}}
        - {{action: wait, phone: desk}}
        - {{action: expect_dtmf, digits: "42"}}
      - - {{action: call, dial_destination: "{number}"}}
        - {{action: send_dtmf, digits: "42"}}
        - {{action: hold, seconds: 2}}
    conditions: {{bye_confirmed: true, prompt_heard: hello}}
"""


@pytest.fixture
def kamailio(tmp_path: Path) -> Iterator[int]:
    """The port of a running Kamailio."""
    assert KAMAILIO is not None
    port = free_port()
    config = tmp_path / "kamailio.cfg"
    config.write_text(CONFIG.format(port=port, modules=MODULES))
    command = [KAMAILIO, "-f", str(config), "-Y", str(tmp_path), "-m", "16", "-M", "4"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await_answer(port)
            yield port
        finally:
            process.terminate()


def _await_answer(port: int) -> None:
    request = (
        "OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{own};rport;branch=z9hG4bK1\r\n"
        "Max-Forwards: 1\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:x@b>\r\nCall-ID: probe\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        probe.settimeout(0.2)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                probe.sendto(request.format(own=probe.getsockname()[1]).encode(), ("127.0.0.1", port))
                probe.recv(2048)
            except OSError:
                continue
            return
    pytest.fail("Kamailio does not answer")


@pytest.mark.slow
def test_a_call_through_a_proxy_passes_and_shows_both_hops(kamailio: int) -> None:
    """Each message is listed once per hop, with the addresses of that hop."""
    result = find(LAB.format(port=kamailio, number="100"))
    assert (result.state, result.description) == ("passed", "")
    invites = [message.line for message in result.ladder if message.line.startswith("INVITE ")]
    assert len(invites) == len(set(invites))
    assert len(invites) >= 2
    hops = [line.partition(" [")[2] for line in invites]
    assert any(hop.endswith(f"-> 127.0.0.1:{kamailio}]") for hop in hops)
    assert any(hop.startswith(f"127.0.0.1:{kamailio} ->") for hop in hops)
    assert not any(message.retransmission for message in result.ladder)


def test_an_unknown_number_is_refused_by_the_proxy(kamailio: int) -> None:
    """The final code of the proxy is reported."""
    result = find(LAB.format(port=kamailio, number="999"))
    assert result.state == "failed"
    assert result.description.startswith("404 Not Found")
