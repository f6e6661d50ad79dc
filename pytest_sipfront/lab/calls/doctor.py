"""The self-check: whether this machine can place calls, and if not, what stands in the way."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_sipfront.lab.calls.optional_imports import unavailable
from pytest_sipfront.lab.diagnosis import Check, Diagnosis
from pytest_sipfront.lab.file.call_conditions import Conditions
from pytest_sipfront.lab.file.calls_section import CallPlan, Phone, PromptSpec
from pytest_sipfront.lab.file.lab_file import TestSpec
from pytest_sipfront.lab.file.steps import CallAction, ExpectDtmfAction, PlayAction, SendDtmfAction, Steps, WaitAction
from pytest_sipfront.lab.platform.executor import ScriptedExecutor

if TYPE_CHECKING:
    from pytest_sipfront.lab.platform.executor import LabRunResult

_BOUND_SECONDS = 20.0
_PORTS_NEEDED = 4
_LOOPBACK = "127.0.0.1"


def run() -> Diagnosis:
    """Look at everything and return what was seen, in order. Takes about two seconds and raises nothing.

    Calls are tried only where what they need is there.
    """
    checks = [_looked_at("loopback", _loopback), _looked_at("ports", _ports), _looked_at("wheel", _wheel)]
    if all(check.ok for check in checks):
        checks += _call()
    return Diagnosis(tuple(checks))


def _looked_at(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, ok=True, detail=look())
    except OSError as error:
        return Check(name, ok=False, detail=str(error))


def _loopback() -> str:
    """A datagram to ourselves comes back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind((_LOOPBACK, 0))
        end.settimeout(1)
        end.sendto(b"lab", end.getsockname())
        end.recv(16)
    return f"{_LOOPBACK} carries UDP"


def _ports() -> str:
    """A call takes a port for SIP, and one for RTP at each end."""
    ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(_PORTS_NEEDED)]
    try:
        for end in ends:
            end.bind((_LOOPBACK, 0))
    finally:
        for end in ends:
            end.close()
    return f"{_PORTS_NEEDED} UDP ports could be opened at once"


def _wheel() -> str:
    missing = unavailable()
    if missing:
        raise OSError(missing)
    from importlib.metadata import version  # noqa: PLC0415 - asked for only where it is there

    return f"baresip-python {version('baresip-python')}, numpy {version('numpy')}"


def _call() -> list[Check]:
    """One call with audio both ways and one digit."""
    steps: Steps = (
        (WaitAction(), ExpectDtmfAction(digits="1")),
        (CallAction(dial_destination="doctor"), PlayAction(prompt="tone"), SendDtmfAction(digits="1")),
    )
    try:
        finding = asyncio.run(asyncio.wait_for(_placed(steps), _BOUND_SECONDS))
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is what the check is for
        return [Check("call", ok=False, detail=f"{type(error).__name__}: {error}")]
    return _seen(finding)


async def _placed(steps: Steps) -> LabRunResult:
    from pytest_sipfront.lab.calls.calls_executor import CallsExecutor  # noqa: PLC0415 - needs what may be missing

    plan = CallPlan(
        prompts={"tone": PromptSpec(tone=440)},
        phones={"doctor": Phone(number="doctor", play="tone", repeat=True)},
    )
    executor = CallsExecutor(plan, ScriptedExecutor())
    test = TestSpec(name="doctor", id=1, project="", steps=steps, conditions=Conditions(not_silent="both"))
    try:
        return await executor.execute(test, {})
    finally:
        await executor.close()


def _seen(finding: LabRunResult) -> list[Check]:
    values = {name: measure.value for name, measure in finding.measures.items()}
    calls = values.get("calls_answered") == 1
    digit = values.get("dtmf_received")
    heard = "; ".join(part for part in finding.description.split("; ") if part and not part.startswith("DTMF"))
    both = f"{values.get('rtp_packets_caller')} and {values.get('rtp_packets_callee')} packets"
    return [
        Check("call", ok=calls, detail=f"answered after {values['answer_time']} s" if calls else finding.description),
        Check("audio both ways", ok=calls and not heard, detail=heard or both),
        Check("DTMF", ok=digit == "1", detail=f"1 sent, {digit or 'nothing'} received"),
    ]
