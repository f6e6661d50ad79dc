"""A call leg without a SIP stack."""

from __future__ import annotations

import asyncio

import pytest

from pytest_sipfront.lab.calls.call_leg import CallLeg


@pytest.mark.parametrize("turns", range(4))
def test_a_cancellation_at_the_end_of_the_call_is_not_lost(turns: int) -> None:
    """A lost cancellation would keep the lab from closing."""

    async def both_at_once() -> bool:
        leg = CallLeg(call=None, errors=None, hangup_lock=asyncio.Lock())
        waiting = asyncio.create_task(leg.wait_for_end(60))
        for _ in range(3):
            await asyncio.sleep(0)
        leg.on_event("CALL_CLOSED", "", 0.0)
        for _ in range(turns):
            await asyncio.sleep(0)
        wanted = waiting.cancel()
        await asyncio.wait([waiting])
        return waiting.cancelled() is wanted

    assert asyncio.run(both_at_once())
