"""One end of a call, without a stack."""

from __future__ import annotations

import asyncio

import pytest

from pytest_sipfront.lab.calls.call_leg import CallLeg


@pytest.mark.parametrize("turns", range(4))
def test_a_run_that_is_cancelled_as_its_call_ends_is_cancelled(turns: int) -> None:
    """However close the two come together: a cancellation that got lost would keep the lab from ending."""

    async def both_at_once() -> bool:
        leg = CallLeg(call=None, errors=None, ending=asyncio.Lock())
        waiting = asyncio.create_task(leg.closed(60))
        for _ in range(3):
            await asyncio.sleep(0)
        leg.on_event("CALL_CLOSED", "", 0.0)
        for _ in range(turns):
            await asyncio.sleep(0)
        wanted = waiting.cancel()
        await asyncio.wait([waiting])
        return waiting.cancelled() is wanted

    assert asyncio.run(both_at_once())
