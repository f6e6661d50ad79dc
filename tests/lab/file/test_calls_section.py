"""The lab file's keys about calls: what is refused, where, and with which words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_sipfront.lab.calls import engine as engine_module
from pytest_sipfront.lab.file.calls_section import Target
from pytest_sipfront.lab.file.schema import LabFileError
from pytest_sipfront.lab.platform.executor import ScriptedExecutor
from tests.lab.calls.placing import lab_file

CALL = """
tests:
  call:
    steps:
      - []
      - - {action: call, dial_destination: "100"}
"""


def refused(text: str) -> str:
    with pytest.raises(LabFileError) as raised:
        engine_module().executor(lab_file(text))
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("phones: {desk: {rejects: 486}}", "Did you mean 'reject'?"),
        ("phones: {desk: {reject: 603}}", "allowed is one of 404, 486, 488: the SIP stack can refuse with no other"),
        ("phones: {a: {number: 1}, b: {number: 1}}", "phones 'a' and 'b' both have the number 1"),
        ("phones: {desk: {menu: {main: {1: sales}}}}", "digit 1 of menu state 'main' leads to 'sales', which is no"),
        (
            "phones: {desk: {play: helo}}\nprompts: {hello: {say: hi}}",
            "there is no prompt 'helo'. Did you mean 'hello'",
        ),
        ("prompts: {hello: {say: hi, tone: 440}}", "a prompt is exactly one of wav, say and tone"),
        ("prompts: {hello: {wav: nowhere.wav}}", "prompt 'hello' cannot be read from"),
        ("target: http://x", "allowed is sip:host:port, with ;transport=udp or ;transport=tcp behind it"),
        ("target: sip:192.0.2.1:5060", "says 'allow_remote: true'"),
        ("target: sip:pbx.example.com", "says 'allow_remote: true'"),
        ("limits: {concurrent_calls: 0}", "a whole number from 1 to 200"),
        (CALL.replace("action: call", "action: cal"), "unknown action 'cal'. Did you mean 'call'?"),
        (CALL.replace("dial_destination", "dial_destinaton"), "Did you mean 'dial_destination'?"),
        (CALL.replace("- []", "- [{action: wait, phone: desk}]"), "there is no phone 'desk'"),
        (CALL + "    conditions: {prompt_heard: hello}", "there is no prompt 'hello'"),
        (CALL + "    conditions: {sip_code: 486}", "add 'media: none' to say so"),
        (CALL + "    conditions: {duration: [5, 1]}", "allowed is [least, most] in seconds"),
        (CALL + "    parameters: {step.1.5.seconds: 1}", "the test has no action 5 in a step 1"),
        ("tests: {call: {conditions: {answered: true}}}", "conditions but no steps: nothing would be measured"),
        (CALL.replace('"100"', '"100", concurrent_calls: 21'), "limits.concurrent_calls is 20"),
        (CALL.replace('"100"', '"100", max_total_calls: 1001'), "limits.calls_per_run is 1000"),
        (CALL.replace('"100"', '"x@192.0.2.1"'), "'x@192.0.2.1' cannot be dialled"),
        (CALL.replace("- []", "- [{action: register, registrar: 'a@b'}]"), "'a@b' is no registrar"),
        (CALL.replace("- []", "- [{action: register, registrar: '192.0.2.1:5060'}]"), "which is not on this machine"),
        ("phones: {front desk: {}}", "phone 'front desk': 'front desk' cannot be dialled; give it a number"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_what_is_allowed(text: str, told: str) -> None:
    """A file that cannot mean what its author wants is refused before anything is called."""
    whole = text if "tests:" in text else text + "\n" + CALL
    assert told in refused(whole)


def test_a_mistake_is_told_with_its_line() -> None:
    """The line of a wrong value stands in front of what is wrong with it."""
    assert ":3: " in refused("phones:\n  desk:\n    reject: 603\n" + CALL)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sip:127.0.0.1:5070;transport=tcp", Target(host="127.0.0.1", port=5070, transport="tcp")),
        ("sip:localhost", Target(host="localhost", port=5060, transport="udp")),
        ("{uri: 'sip:192.0.2.7:5062', allow_remote: true}", Target(host="192.0.2.7", port=5062, allow_remote=True)),
    ],
)
def test_a_target_is_read_from_its_uri(text: str, expected: Target) -> None:
    """Host, port and transport come from the URI; another machine only where the file allows it."""
    assert lab_file(f"target: {text}\n{CALL}").extras["target"] == expected


def test_without_the_wheel_the_file_is_read_and_verdicts_are_scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no call can be placed the lab says what is missing in one sentence and scripts its verdicts."""
    monkeypatch.setattr("pytest_sipfront.lab.calls.optional_imports.find_spec", lambda _: None)
    engine = engine_module()
    assert "baresip-python" in engine.unavailable
    assert "\n" not in engine.unavailable
    assert isinstance(engine.executor(lab_file("phones: {desk: {}}\n" + CALL)), ScriptedExecutor)


def test_reading_a_lab_file_needs_neither_the_stack_nor_numpy() -> None:
    """A lab starts, and reads any file, with nothing of what only a call needs."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pytest_sipfront.lab.calls import available, engine\n"
        "from pytest_sipfront.lab.file.loading import load\n"
        "load('tests: {call: {}}', engine(), directory=Path('.'))\n"
        "available()\n"
        "assert not {'numpy', 'baresip', 'pytest'} & set(sys.modules), set(sys.modules)\n"
    )
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, timeout=60)
