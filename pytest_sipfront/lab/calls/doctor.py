"""The self-check: whether this machine can place calls, and if not, why."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_sipfront.lab.calls.calls_executor import CallsExecutor
from pytest_sipfront.lab.calls.sip_stack import unavailable
from pytest_sipfront.lab.diagnosis import Check, Diagnosis
from pytest_sipfront.lab.file.call_conditions import Conditions
from pytest_sipfront.lab.file.calls_section import CallPlan, Phone, PromptSpec
from pytest_sipfront.lab.file.lab_file import TestSpec
from pytest_sipfront.lab.file.steps import CallAction, ExpectDtmfAction, PlayAction, SendDtmfAction, Steps, WaitAction
from pytest_sipfront.lab.platform.executor import ScriptedExecutor

if TYPE_CHECKING:
    from pytest_sipfront.lab.platform.executor import LabRunResult

_MAX_SECONDS = 20.0
_PORTS_NEEDED = 4
_LOOPBACK = "127.0.0.1"


def run() -> Diagnosis:
    """Return the results of all checks. It takes about two seconds.

    The call is placed only if the checks before it succeed. No exception is raised.
    """
    checks = [_checked("loopback", _loopback), _checked("ports", _ports), _checked("wheel", _wheel)]
    if all(check.ok for check in checks):
        checks += _check_call()
    return Diagnosis(tuple(checks))


def _checked(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, ok=True, detail=check())
    except OSError as error:
        return Check(name, ok=False, detail=str(error))


def _loopback() -> str:
    """Send a UDP datagram to this process."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind((_LOOPBACK, 0))
        end.settimeout(1)
        end.sendto(b"lab", end.getsockname())
        end.recv(16)
    return f"{_LOOPBACK} carries UDP"


def _ports() -> str:
    """Open as many UDP ports as a call needs, for SIP and RTP at each end."""
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
    from importlib.metadata import version  # noqa: PLC0415 - the packages may be missing

    return f"baresip-python {version('baresip-python')}, numpy {version('numpy')}"


def _check_call() -> list[Check]:
    """Place a call with audio in both directions and one digit."""
    steps: Steps = (
        (WaitAction(), ExpectDtmfAction(digits="1")),
        (CallAction(dial_destination="doctor"), PlayAction(prompt="tone"), SendDtmfAction(digits="1")),
    )
    try:
        result = asyncio.run(asyncio.wait_for(_run(steps), _MAX_SECONDS))
    except Exception as error:  # noqa: BLE001 - any error is the result of the check
        return [Check("call", ok=False, detail=f"{type(error).__name__}: {error}")]
    return _checks_of(result)


async def _run(steps: Steps) -> LabRunResult:
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


def _checks_of(result: LabRunResult) -> list[Check]:
    values = {name: measure.value for name, measure in result.measures.items()}
    answered = values.get("calls_answered") == 1
    digit = values.get("dtmf_received")
    violations = "; ".join(part for part in result.description.split("; ") if part and not part.startswith("DTMF"))
    packets = f"{values.get('rtp_packets_caller')} and {values.get('rtp_packets_callee')} packets"
    return [
        Check(
            "call", ok=answered, detail=f"answered after {values['answer_time']} s" if answered else result.description
        ),
        Check("audio both ways", ok=answered and not violations, detail=violations or packets),
        Check("DTMF", ok=digit == "1", detail=f"1 sent, {digit or 'nothing'} received"),
    ]
