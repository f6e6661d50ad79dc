"""The sections of a lab file about calls: mistakes, and what reading them needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_sipfront.lab.calls import engine as engine_module
from pytest_sipfront.yaml_models import YamlFileError
from tests.lab.calls.placing import lab_file
from tests.support import TIMEOUT

CALL = """
tests:
  call:
    steps:
      - []
      - - {action: call, dial_destination: "100"}
"""


def mistakes(text: str) -> list[str]:
    """Return the mistakes of a file, without its name."""
    with pytest.raises(YamlFileError) as raised:
        lab_file(text if "tests:" in text else text + "\n" + CALL)
    return [line.removeprefix("lab.yaml:") for line in str(raised.value).splitlines()]


MISTAKES = [
    ("phones: {desk: {rejects: 486}}", "1: phones.desk.rejects: unknown key 'rejects'; did you mean 'reject'?"),
    ("phones:\n  desk:\n    reject: 603", "3: phones.desk.reject must be one of 404, 486, 488, got 603"),
    ("phones: {a: {number: 1}, b: {number: 1}}", "1: phones.b.number: duplicate number 1"),
    ("phones: {a: {number: b}, b: {}}", "1: phones.b: duplicate number b"),
    (
        "phones: {front desk: {}}",
        "1: phones.front desk: 'front desk' cannot be dialled; set 'number' to one without spaces",
    ),
    (
        "phones: {desk: {menu: {main: {1: sales}}}}",
        "1: phones.desk.menu.main.1 must be one of main, hang_up, got 'sales'",
    ),
    (
        "phones: {desk: {menu: {main: {10: main}}}}",
        "1: phones.desk.menu.main.10: unknown key '10'; valid: play, hang_up",
    ),
    ("phones: {desk: {play: a, menu: {main: {}}}}", "1: phones.desk: play and menu are mutually exclusive"),
    (
        "phones: {desk: {play: helo}}\nprompts: {hello: {say: hi}}",
        "1: phones.desk.play: unknown prompt 'helo'; did you mean 'hello'?",
    ),
    (
        "phones: {desk: {wrong_prompt: {hello: bye}}}\nprompts: {hello: {say: hi}}",
        "1: phones.desk.wrong_prompt.hello: unknown prompt 'bye'; valid: hello",
    ),
    ("prompts: {hello: {say: hi, tone: 440}}", "1: prompts.hello: a prompt needs exactly one of wav, say and tone"),
    (
        "target: http://x",
        "1: target must be sip:<host>:<port>, optionally with ;transport=udp or ;transport=tcp, got 'http://x'",
    ),
    (
        "target: sip:127.0.0.1:70000",
        (
            "1: target must be sip:<host>:<port>, optionally with ;transport=udp or ;transport=tcp, "
            "got 'sip:127.0.0.1:70000'"
        ),
    ),
    ("target: [x]", "1: target must be text or a mapping, got ['x']"),
    ("target: {}", "1: target: missing required key 'uri'"),
    (
        "target:\n  uri: sip:localhost\n  prot: 1",
        ("3: target.prot: unknown key 'prot'; valid: uri, allow_remote, user_variable, password_variable"),
    ),
    ("target: sip:192.0.2.1:5060", "1: target: 192.0.2.1 is another machine; calls to it need 'allow_remote: true'"),
    (
        "target: sip:pbx.example.com",
        "1: target: pbx.example.com is another machine; calls to it need 'allow_remote: true'",
    ),
    ("limits: {concurrent_calls: 0}", "1: limits.concurrent_calls must be an integer from 1 to 200, got 0"),
    (
        CALL.replace("action: call", "action: cal"),
        "6: tests.call.steps[1][0].action: unknown action 'cal'; did you mean 'call'?",
    ),
    (CALL.replace("action: call, ", ""), "6: tests.call.steps[1][0]: missing required key 'action'"),
    (CALL.replace("- []", "- [wait]"), "5: tests.call.steps[0][0] must be a mapping, got 'wait'"),
    (CALL.replace("- []", "- [3]"), "5: tests.call.steps[0][0] must be a mapping, got 3"),
    (CALL.replace("- []", "- wait"), "5: tests.call.steps[0] must be a list of mappings, got 'wait'"),
    (
        CALL.replace("dial_destination", "dial_destinaton"),
        "6: tests.call.steps[1][0].dial_destinaton: unknown key 'dial_destinaton'; did you mean 'dial_destination'?",
    ),
    (CALL.replace("dial_destination", "caller"), "6: tests.call.steps[1][0]: missing required key 'dial_destination'"),
    (
        CALL.replace("- []", "- [{action: wait, phone: desk}]"),
        "5: tests.call.steps[0][0].phone: unknown phone 'desk'; valid: none",
    ),
    (
        CALL.replace("- []", "- [{action: hold, seconds: 1}]"),
        "5: tests.call.steps[0][0]: 'hold' is not allowed in step 0; valid: register, wait, expect_dtmf",
    ),
    (
        CALL + "      - [{action: hold, seconds: 1}]",
        "7: tests.call.steps[2]: the first action of step 2 must be 'call'",
    ),
    (
        CALL + "    conditions: {prompt_heard: hello}",
        "7: tests.call.conditions.prompt_heard: unknown prompt 'hello'; valid: none",
    ),
    (
        CALL + "    conditions: {prompt_heard: [hello]}",
        "7: tests.call.conditions.prompt_heard[0]: unknown prompt 'hello'; valid: none",
    ),
    (
        CALL + "    conditions: {sip_code: 486}",
        "7: tests.call.conditions: a call that must not be answered has no media to prove it; add 'media: none'",
    ),
    (
        CALL + "    conditions: {duration: [5, 1]}",
        "7: tests.call.conditions.duration must be [least, most], got [5, 1]",
    ),
    (
        CALL + "    conditions: {duration: 5}",
        "7: tests.call.conditions.duration must be a list of 2 numbers >= 0, got 5",
    ),
    (
        CALL + "    conditions: {media: no}",
        "7: tests.call.conditions.media must be 'none', got no; did you mean 'none'?",
    ),
    (
        CALL + "    parameters: {step.1.5.seconds: 1}",
        (
            "3: tests.call: step.1.5.seconds: the test has no action 5 in step 1; "
            "its actions: step 0 has 0, step 1 has 1"
        ),
    ),
    (
        "tests: {call: {conditions: {answered: true}}}",
        ("1: tests.call.conditions: conditions need steps: without a call there is nothing to measure"),
    ),
    (
        CALL.replace('"100"', '"x@192.0.2.1"'),
        (
            "6: tests.call.steps[1][0].dial_destination must be the part of a SIP address "
            "before the @, got 'x@192.0.2.1'"
        ),
    ),
    (
        CALL.replace("- []", "- [{action: register, registrar: 'a@b'}]"),
        ("5: tests.call.steps[0][0].registrar must be a host or host:port, got 'a@b'"),
    ),
    (
        "sift: {callees: {'100': {phone: dask}}}\nphones: {desk: {}}",
        ("1: sift.callees.100.phone: unknown phone 'dask'; did you mean 'desk'?"),
    ),
]


@pytest.mark.parametrize(("text", "mistake"), MISTAKES)
def test_a_mistake_is_refused_with_what_is_allowed(text: str, mistake: str) -> None:
    """A file that cannot work is refused before anything is called."""
    assert mistake in mistakes(text)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("prompts: {hello: {wav: nowhere.wav}}", "1: prompts.hello.wav: prompt 'hello' cannot be read from"),
        (CALL.replace('"100"', '"100", concurrent_calls: 21'), "limits.concurrent_calls is 20"),
        (CALL.replace('"100"', '"100", max_total_calls: 1001'), "limits.calls_per_run is 1000"),
        (CALL.replace("- []", "- [{action: register, registrar: '192.0.2.1:5060'}]"), "which is another machine"),
        (
            CALL.replace("- []", "- [{action: wait}]") + "    parameters: {step.0.0.phone: desk}",
            "tests.call.parameters: unknown phone 'desk'; valid: none",
        ),
    ],
)
def test_what_the_backend_refuses_has_a_line_and_a_key_path(text: str, mistake: str) -> None:
    """WAV files, limits and overridden parameters are checked while the file is read."""
    assert any(mistake in line and line[0].isdigit() for line in mistakes(text)), mistakes(text)


@pytest.mark.parametrize(
    ("text", "address", "transport"),
    [
        ("sip:127.0.0.1:5070;transport=tcp", "127.0.0.1:5070", "tcp"),
        ("sip:localhost", "localhost:5060", "udp"),
        ("{uri: 'sip:192.0.2.7:5062', allow_remote: true}", "192.0.2.7:5062", "udp"),
    ],
)
def test_a_target_is_a_uri(text: str, address: str, transport: str) -> None:
    """Host, port and transport come from the URI; another machine needs `allow_remote`."""
    target = lab_file(f"target: {text}\n{CALL}").target
    assert target is not None
    assert (target.address, target.transport) == (address, transport)


def test_on_a_platform_without_the_wheel_verdicts_are_scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backend names what is missing. With the wheel, a file or an option can request scripted verdicts."""
    file = lab_file("phones: {desk: {}}\n" + CALL)
    assert engine_module().scripted_reason(file) == ""
    assert engine_module("scripted").scripted_reason(file) == "as `calls: scripted` or an option requests"
    scripted = file.model_copy(update={"calls": "scripted"})
    assert engine_module().scripted_reason(scripted) == engine_module("scripted").scripted_reason(file)
    assert engine_module("required").scripted_reason(scripted) == ""
    monkeypatch.setattr("pytest_sipfront.lab.calls.sip_stack.find_spec", lambda _: None)
    engine = engine_module()
    assert "baresip-python" in engine.unavailable
    assert "\n" not in engine.unavailable
    assert engine.scripted_reason(file) == f"this machine cannot place calls: {engine.unavailable}"
    assert len(list(engine.mistakes(file))) == 1
    monkeypatch.setattr("pytest_sipfront.lab.calls.calls_backend._WITH_WHEELS", ())
    assert list(engine.mistakes(file)) == []
    assert len(list(engine_module("required").mistakes(file))) == 1


def test_reading_a_lab_file_needs_neither_the_stack_nor_numpy() -> None:
    """Only the first call imports them."""
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
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, timeout=TIMEOUT)
