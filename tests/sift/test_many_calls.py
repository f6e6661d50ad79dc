"""Many concurrent calls with one receiver."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_sipfront.sift.call import Call
from pytest_sipfront.sift.call_control import CallControl
from pytest_sipfront.sift.wait_policy import CallTimeouts
from tests.sift.conftest import SiftLab
from tests.sift_runtime import open_runtime

CALLS = 100
PATIENT = CallTimeouts(callback=60.0, poll_interval=30.0)  # long, so that polling does not replace a lost callback


@pytest.mark.slow
def test_a_hundred_calls_in_parallel_lose_no_callback(sift_lab: SiftLab) -> None:
    """Every call receives its answers, and every callback is logged exactly once."""
    numbers = [f"+1555010{1000 + n}" for n in range(CALLS)]
    callees = "\n".join(f'  "{number}": {{script: [{{says: this is {number}}}]}}' for number in numbers)
    sift_lab.configure(f"callees:\n{callees}")
    with open_runtime(sift_lab.url, PATIENT) as runtime:

        def scenario(number: str) -> str:
            with Call(CallControl(runtime, number), {"phone_number": number}) as call:
                call.dial()
                call.expect_connected(within=60)
                call.say("who is this")
                heard = call.listen(timeout=30).text
                call.hang_up(within=60)
            assert call.status == "finished"
            return heard

        with ThreadPoolExecutor(CALLS) as pool:
            heard = list(pool.map(scenario, numbers))
        received = runtime.log.callbacks
    assert heard == [f"this is {number}" for number in numbers]
    posted = sift_lab.service.calls.callbacks.sent
    assert len(posted) == len(received) == CALLS * 5  # connecting, connected, finished, and two commands
    assert {callback.outcome for callback in posted} == {200}
    assert not [callback for callback in received if callback.unmatched]
    assert sorted(callback.number for callback in received) == list(range(1, len(received) + 1))
