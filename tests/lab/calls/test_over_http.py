"""Real calls as a client of the lab sees them over HTTP."""

from __future__ import annotations

import os
import signal
import wave
from io import BytesIO
from urllib.request import urlopen

import pytest

from pytest_sipfront.lab.process import start_lab
from tests.lab.calls.placing import needs_stack
from tests.lab.calls.sipp_peer import free_port, needs_sipp, sipp
from tests.lab.platform_client import Platform

pytestmark = needs_stack

LAB = """
prompts: {tone: {tone: 440, seconds: 0.3}}
phones: {desk: {number: "100", play: tone, repeat: true}}
tests:
  Call:
    steps:
      - [{action: wait}]
      - [{action: call, dial_destination: "100"}, {action: play, prompt: tone}]
    conditions: {not_silent: both}
"""


@pytest.fixture
def called(lab: Platform) -> tuple[Platform, dict[str, str]]:
    """A lab that has placed one call, and the response to its launch."""
    lab.configure(LAB)
    launched: dict[str, str] = lab.launch("Call").json["data"]
    assert lab.finished(launched["status_url"])["status"] == "passed"
    return lab, launched


def test_measures_are_served_with_their_units(called: tuple[Platform, dict[str, str]]) -> None:
    """All measures of a run at once, or one by its name."""
    lab, launched = called
    stats = lab.get(f"/api/v2/runs/{launched['session_id']}/stats").json["stats"]
    assert stats["sip_code"] == {"value": 200, "unit": ""}
    assert {stats[name]["unit"] for name in ("answer_time", "call_duration", "post_dial_delay")} == {"s"}
    assert (stats["mos_cqe_caller"]["unit"], stats["jitter_callee"]["unit"]) == ("MOS-CQE (E-model)", "ms")
    one = lab.get(f"/api/v2/runs/{launched['session_id']}/stats/packet_loss_caller").json["stats"]
    assert one == {"packet_loss_caller": stats["packet_loss_caller"]}
    assert one["packet_loss_caller"]["unit"] == "%"


def test_the_report_shows_messages_and_waveforms_and_offers_the_recordings(
    called: tuple[Platform, dict[str, str]],
) -> None:
    """The report URL leads to messages, waveforms, measures and recordings."""
    lab, launched = called
    page = lab.get(launched["report_url"]).text
    for text in ("INVITE sip:100@127.0.0.1", "SIP/2.0 200", "BYE sip:100@127.0.0.1", "<svg", "mos_cqe"):
        assert text in page
    assert "no call was placed" not in page
    uuid = launched["report_url"].rsplit("/", 1)[1]
    for end in ("caller", "callee"):
        link = f"/recordings/{uuid}/{end}.wav"
        assert link in page
        with urlopen(lab.url + link) as answer, wave.open(BytesIO(answer.read())) as file:
            assert answer.headers["Content-Type"] == "audio/wav"
            assert (file.getnchannels(), file.getframerate()) == (1, 8000)
            assert file.getnframes() > 0.3 * 8000


def test_a_run_that_placed_a_call_is_not_marked_as_scripted(called: tuple[Platform, dict[str, str]]) -> None:
    """The status of a run and the control routes say so."""
    lab, launched = called
    assert lab.get(launched["status_url"]).json["run"]["agentpool_name"] == "lab"
    assert [run["scripted"] for run in lab.handle.runs] == [False]


def test_a_missing_target_is_reported_as_no_response(lab: Platform) -> None:
    """The target sends no code and no ringing."""
    lab.configure(
        f"""
        target: sip:127.0.0.1:{free_port()}
        tests:
          Call:
            steps:
              - []
              - [{{action: call, dial_destination: "100", answer_timeout: 0.5}}]
        """
    )
    assert lab.run("Call")["result_description"].startswith("no response within 0.5")


@needs_sipp
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_terminated_lab_ends_its_calls(number: signal.Signals) -> None:
    """It sends BYE for every call; the scenario of SIPp requires it."""
    with sipp("answers") as peer:
        text = (
            f"target: sip:127.0.0.1:{peer.port}\n"
            "tests:\n  Call:\n    steps:\n      - []\n"
            '      - [{action: call, dial_destination: "100"}, {action: hold, seconds: 50}]\n'
        )
        with start_lab(text=text) as lab:
            Platform(lab).launch("Call")
            peer.await_call()
            os.kill(lab.pid, number)
            assert peer.exit_code() == 0
