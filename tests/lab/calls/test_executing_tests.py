"""Executing the tests of a lab file: overrides, limits, and the end of every call."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import wave
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_sipfront.lab.calls import doctor
from pytest_sipfront.lab.calls.calls_executor import CallsExecutor
from pytest_sipfront.lab.file.lab_file import LabFile
from pytest_sipfront.lab.platform.executor import LabRunResult
from tests.lab.calls.placing import find, find_all, needs_stack, until_traced, with_lab
from tests.lab.calls.sipp_peer import needs_sipp, sipp
from tests.lab.calls.speech_prompts import SOUNDS, needs_recordings
from tests.support import TIMEOUT

pytestmark = needs_stack

LAB = """
limits: {concurrent_calls: 4, call_seconds: 1}
prompts:
  hello: {say: hello you}
phones:
  desk: {number: "100", play: hello}
  dialler: {number: "200", send_dtmf: "7#"}
  private: {number: "300", play: hello, record: false}
tests:
  call:
    steps:
      - [{action: register}, {action: wait}]
      - [{action: call, dial_destination: "100", answer_timeout: 2}, {action: hold, seconds: 0.4}]
  long:
    steps:
      - [{action: wait}]
      - [{action: call, dial_destination: "100"}, {action: hold, seconds: 30}]
  digits back:
    steps:
      - [{action: wait}]
      - [{action: call, dial_destination: "200"}, {action: expect_dtmf, digits: "7#", within: 0.9}]
  scripted:
    takes: 0
    verdict: failed
    description: as the file says
"""
OUTSIDE = """
target: sip:127.0.0.1:{port}
phones: {{desk: {{number: "100"}}}}
tests:
  call:
    steps:
      - [{{action: register, regexpire: 3600}}, {{action: wait, phone: desk}}]
      - [{{action: call, dial_destination: "100", max_total_calls: 0}}]
  stay:
    steps:
      - []
      - [{{action: call, dial_destination: "100"}}, {{action: hold, seconds: 30}}]
"""


@pytest.mark.slow
def test_an_override_of_the_number_of_calls_places_that_many() -> None:
    """`max_total_calls` calls are placed, even if that exceeds the number of concurrent calls."""
    result = find(LAB, overrides={"step.1.0.max_total_calls": "10"})
    assert (result.state, result.description) == ("passed", "")
    assert result.measures["calls_answered"].value == 10


def test_a_call_to_a_phone_of_the_lab_is_set_up_once() -> None:
    """There is one INVITE and an answered BYE, without the renegotiation that loses packets."""
    messages = [message.line.split(" sip:")[0] for message in find(LAB).ladder]
    assert [line for line in messages if not line.startswith("SIP/2.0")] == ["INVITE", "ACK", "BYE"]


def test_an_override_of_the_destination_calls_there() -> None:
    """A call to an unknown number ends with 404."""
    result = find(LAB, overrides={"step.1.0.dial_destination": "999"})
    assert result.state == "failed"
    text = r"404 Not Found after \d\.\d\d s \(no phone has the number 999; nearest: 100, 200, 300\)"
    assert re.fullmatch(text, result.description)


@pytest.mark.slow
@needs_stack
def test_a_call_that_ends_during_a_prompt_fails() -> None:
    """The caller could not play it to its end. A call that the callee ends afterwards passes."""
    file = """
prompts: {{hum: {{tone: 440, seconds: 1}}}}
phones: {{desk: {{number: "100", hang_up_after: {seconds}}}}}
tests:
  call:
    steps: [[{{action: wait}}], [{{action: call, dial_destination: "100"}}, {{action: play, prompt: hum}}{more}]]
"""
    cut = find(file.format(seconds=0.4, more=""))
    assert cut.state == "failed"
    assert re.fullmatch(r"call ended by the callee after 0\.\d\d s, during 'play'", cut.description)
    heard = find(file.format(seconds=2.5, more=", {action: hold, seconds: 9}"))
    assert (heard.state, heard.description) == ("passed", "")


USERS = ("49#12", "49%2313", "100;isub=7", "100?x", "a/b", "*21*43#", "user.name+x", "e!t~$&()',=", "44%20x")


@needs_stack
def test_every_user_part_of_a_sip_uri_reaches_its_phone() -> None:
    """Special characters are escaped in the URI; a phone has both spellings as its number."""
    phones = "".join(f'  p{index}: {{number: "{user}"}}\n' for index, user in enumerate(USERS))
    call = "{action: call, dial_destination: '1'}, {action: hold, seconds: 0.5}"
    dialled = [*USERS, "49%2312", "49#13", "100%3Bisub%3d7"]
    results = find_all(
        f"phones:\n{phones}tests: {{call: {{steps: [[{{action: wait}}], [{call}]]}}}}\n",
        [("call", {"step.1.0.dial_destination": user}) for user in dialled],
    )
    assert {user: result.description for user, result in zip(dialled, results, strict=True)} == dict.fromkeys(
        dialled, ""
    )
    assert re.match(r"INVITE sip:49%2312@127\.0\.0\.1", results[0].ladder[0].line)


@needs_sipp
@pytest.mark.parametrize(("user", "sent"), [("49#1", "49%231"), ("49%231", "49%231"), ("100;isub=7", "100;isub=7")])
def test_a_target_receives_the_user_part_as_it_is_written(user: str, sent: str) -> None:
    """It may read parameters of the user part. Only `#` must be escaped."""
    with sipp("answers", "-rtp_echo") as peer:
        result = find(
            f"target: sip:127.0.0.1:{peer.port}\ntests:\n  call:\n    steps:\n      - []\n"
            f"      - [{{action: call, dial_destination: '{user}'}}, {{action: hold, seconds: 0.5}}]\n"
        )
    assert (result.state, result.description) == ("passed", "")
    assert result.ladder[0].line.startswith(f"INVITE sip:{sent}@")


def test_an_unknown_number_names_the_nearest_phones() -> None:
    """A typo in a number is found from the message."""
    result = find(LAB, overrides={"step.1.0.dial_destination": "1001"})
    assert "no phone has the number 1001; nearest: 100 (desk)" in result.description


def test_a_phone_answers_all_numbers_of_its_pattern() -> None:
    """The dialled number stays in the INVITE, an exact number takes precedence, and other numbers are unknown."""
    file = """
prompts: {hello: {say: hello you}}
phones: {exact: {number: "4930", reject: 486}, germany: {number: "49*", play: hello}}
tests:
  call:
    steps: [[{action: wait}], [{action: call, dial_destination: "493012345"}, {action: hold, seconds: 0.5}]]
"""
    key = "step.1.0.dial_destination"
    first, second, exact, other = find_all(
        file, [("call", {key: number}) for number in ("493012345", "49711", "4930", "43123")]
    )
    assert (first.state, second.state) == ("passed", "passed")
    assert first.ladder[0].line.startswith("INVITE sip:493012345@")
    assert exact.description.startswith("486 Busy Here")
    assert "no phone has the number 43123; nearest: 4930 (exact)" in other.description


def test_zero_calls_fail() -> None:
    """A run without a call fails."""
    assert find(LAB, overrides={"step.1.0.max_total_calls": "0"}).description == "no call was placed"


def test_an_override_that_cannot_be_applied_leaves_no_verdict() -> None:
    """A typo in an override ends in "errored", not in "failed"."""
    result = find(LAB, overrides={"step.1.0.dial_destinaton": "1"})
    assert result.state == "errored"
    assert "did you mean 'dial_destination'?" in result.description


def test_more_calls_at_a_time_than_the_limit_leave_no_verdict() -> None:
    """The description contains the override and the limit."""
    result = find(LAB, overrides={"step.1.0.concurrent_calls": "5"})
    assert result.state == "errored"
    assert result.description == ("step.1.0.concurrent_calls is 5, but limits.concurrent_calls is 4")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ({"step.1.0.max_total_calls": "1001"}, "step.1.0.max_total_calls is 1001, but limits.calls_per_run is"),
        ({"step.1.0.dial_destination": "x@192.0.2.1;a"}, "before the @, got 'x@192.0.2.1;a'"),
        ({"step.1.0.dial_destination": "100:99"}, "before the @, got '100:99'"),
        ({"step.0.0.registrar": "192.0.2.1"}, "step.0.0.registrar is 192.0.2.1, which is another machine"),
    ],
)
def test_a_launch_keeps_to_the_limits_of_the_file(override: dict[str, str], expected: str) -> None:
    """Overrides obey the limits of the file, and no call is placed."""
    result = find(LAB, overrides=override)
    assert result.state == "errored"
    assert expected in result.description
    assert not result.measures


def test_a_call_longer_than_the_limit_is_hung_up_and_fails() -> None:
    """No call exceeds `call_seconds`."""
    result = find(LAB, "long")
    assert result.state == "failed"
    assert result.description == "call hung up by the lab after 1 s: limits.call_seconds is 1"


def test_digits_from_the_called_side_are_expected() -> None:
    """A missing digit is reported with the digits that arrived."""
    passed, failed = find_all(LAB, [("digits back", {}), ("digits back", {"step.1.1.digits": "8"})])
    assert passed.state == "passed"
    assert failed.description == "DTMF 8 expected from the callee within 0.9 s, 7# received"


def test_a_test_without_steps_has_the_scripted_verdict() -> None:
    """The result is marked as scripted."""
    result = find(LAB, "scripted")
    assert result == LabRunResult(state="failed", description="as the file says", scripted=True)


def test_both_ends_are_recorded_unless_the_phone_does_not() -> None:
    """Recordings are WAV files; `record: false` keeps none for a phone."""
    both, one = find_all(LAB, [("call", {}), ("call", {"step.1.0.dial_destination": "300"})])
    assert set(both.recordings) == {"caller", "callee"}
    assert set(one.recordings) == {"caller"}
    with wave.open(BytesIO(both.recordings["caller"])) as file:
        assert file.getnframes() > 1000


def test_a_second_stack_in_one_process_is_rejected() -> None:
    """A process has one SIP stack. A second lab in it reports that and reaches no verdict."""

    async def twice(executor: CallsExecutor, file: LabFile) -> LabRunResult:
        await executor.switchboard.open()
        other = CallsExecutor(executor.switchboard.plan, executor)
        return await other.execute(file.tests["call"], {})

    result = with_lab(LAB, twice)
    assert result.state == "errored"
    assert result.description.startswith("the SIP stack does not start: another Runtime is active")


def test_a_stack_that_dies_leaves_no_verdict() -> None:
    """A failure of the lab ends in "errored", however many calls the run places."""

    async def die(executor: CallsExecutor, file: LabFile) -> LabRunResult:
        stack = await executor.switchboard.open()

        async def dial(*_: object) -> None:
            raise stack.errors.RuntimeDead("its thread is gone")

        agent = await executor.switchboard.caller("caller")
        agent._ua = SimpleNamespace(dial=dial)  # noqa: SLF001 - the one place where the stack can be made to fail
        return await executor.execute(file.tests["call"], {"step.1.0.max_total_calls": "3"})

    result = with_lab(LAB, die)
    assert result == LabRunResult(state="errored", description="the SIP stack does not work: its thread is gone")


@needs_sipp
def test_registration_takes_its_expiry_from_the_launch_and_is_removed() -> None:
    """The registrar sees `step.0.0.regexpire`, and the run removes its registration."""
    with sipp("registers") as registrar:
        result = find(OUTSIDE.format(port=registrar.port), overrides={"step.0.0.regexpire": "60"})
        assert registrar.exit_code() == 0
    assert result.description == "no call was placed"


@needs_sipp
@pytest.mark.parametrize(("password", "registered"), [("sentinel-9d41-word", True), ("sentinel-7c20-typo", False)])
def test_registration_takes_its_credentials_from_the_environment(
    password: str, registered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong password fails the run, and no report contains a password."""
    monkeypatch.setenv("SIPFRONT_LAB_SIP_USER", "alice")
    monkeypatch.setenv("SIPFRONT_LAB_SIP_PASSWORD", password)
    with sipp("registers_with_password") as registrar:
        result = find(OUTSIDE.format(port=registrar.port))
        assert (registrar.exit_code() == 0) is registered
    if registered:
        assert result.description == "no call was placed"
    else:
        assert re.match(r"alice could not register at 127\.0\.0\.1:\d+: .*403 Forbidden", result.description)
    assert "sentinel" not in repr(result)


@needs_sipp
@pytest.mark.parametrize(("scenario", "sign"), [("answers", "ACK "), ("never_answers", "SIP/2.0 180")])
def test_cancelling_a_run_ends_its_call(scenario: str, sign: str) -> None:
    """An answered call ends with BYE, a ringing one with CANCEL."""

    async def cancel(executor: CallsExecutor, file: LabFile) -> None:
        run = asyncio.create_task(executor.execute(file.tests["stay"], {}))
        await until_traced(executor, sign)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    with sipp(scenario) as peer:
        with_lab(OUTSIDE.format(port=peer.port), cancel)
        assert peer.exit_code() == 0


@needs_sipp
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_every_call_with_bye(number: signal.Signals) -> None:
    """A terminated process sends BYE first; the scenario of SIPp waits for it."""
    code = (
        "import asyncio, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored where the tests run in the background
        "from tests.lab.calls.placing import until_traced, with_lab\n"
        "async def stay(executor, file):\n"
        "    run = asyncio.create_task(executor.execute(file.tests['stay'], {}))\n"
        "    await until_traced(executor, 'ACK ')\n"
        "    print('up', flush=True)\n"
        "    await run\n"
        "with_lab(sys.argv[1], stay)\n"
    )
    with sipp("answers") as peer:
        command = [sys.executable, "-c", code, OUTSIDE.format(port=peer.port)]
        root = Path(__file__).parents[3]
        with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as lab:
            assert lab.stdout is not None
            try:
                assert lab.stdout.readline() == b"up\n"
                lab.send_signal(number)
                lab.wait(TIMEOUT)
            finally:
                lab.kill()
        assert peer.exit_code() == 0


def test_the_doctor_passes_on_a_machine_that_can_call() -> None:
    """The self-check places one call with audio in both directions and one digit."""
    diagnosis = doctor.run()
    names = [check.name for check in diagnosis.checks]
    assert names == ["loopback", "ports", "wheel", "call", "audio both ways", "DTMF"]
    assert diagnosis.sound, diagnosis


def test_the_doctor_names_a_missing_package_and_places_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the SIP stack the self-check ends with the reason."""
    monkeypatch.setattr("pytest_sipfront.lab.calls.doctor.unavailable", lambda: "it needs baresip-python")
    assert doctor.run().checks[-1] == ("wheel", False, "it needs baresip-python")


@pytest.mark.slow
@needs_recordings
def test_a_number_within_another_is_not_heard() -> None:
    """A phone that says "nineteen" has not said "two", and "sixty" is not "eight"; each number itself is heard."""
    numbers = ("19", "2", "60", "8")
    file = "prompts:\n"
    file += "".join(f"  n{number}: {{wav: {SOUNDS}/digits/{number}.wav, allow_outside: true}}\n" for number in numbers)
    file += "phones:\n" + "".join(f"  p{number}: {{number: '{number}', play: n{number}}}\n" for number in numbers)
    file += "tests:\n"
    pairs = [*((number, number) for number in numbers), ("19", "2"), ("60", "8")]
    for played, wanted in pairs:
        file += (
            f"  {played}-{wanted}:\n    steps:\n      - [{{action: wait}}]\n      - - {{action: call, dial_destination:"
            f" '{played}'}}\n        - {{action: hold, seconds: 1.5}}\n    conditions: {{prompt_heard: n{wanted}}}\n"
        )
    results = find_all(file, [(f"{played}-{wanted}", {}) for played, wanted in pairs])
    states = {pair: result.state for pair, result in zip(pairs, results, strict=True)}
    assert states == {pair: "passed" if pair[0] == pair[1] else "failed" for pair in pairs}
    assert results[-1].description.startswith("prompt 'n8' expected, 'n60' heard")
