"""What a scripted scenario costs a step over the callee's own time. `python tests/benchmarks/sift_scenario.py`."""

from __future__ import annotations

import statistics
import time

from pytest_sipfront.sift.call import Call
from pytest_sipfront.sift.contact import Contact
from tests.sift.conftest import BANK, Stand, bank, open_line

STEPS, ROUNDS, LIMIT_MS = 20, 10, 15.0


def main() -> None:
    """Print the milliseconds that a step of a scenario adds, against a stand-in in the same process."""
    stand = Stand()
    added = []
    try:
        with open_line(stand) as line:
            for _ in range(ROUNDS):
                stand.configure(bank(*["says: hello"] * STEPS))
                call = Call(Contact(line, BANK), {"phone_number": BANK})
                call.dial()
                call.expect_connected()
                began = time.perf_counter()
                for _ in range(STEPS // 2):
                    call.say("hello")
                    call.listen()
                added.append((time.perf_counter() - began) * 1000 / STEPS)
                call.hang_up()
    finally:
        stand.close()
    shown = f"median {statistics.median(added):.1f}, worst {max(added):.1f} of {ROUNDS} scenarios of {STEPS} steps"
    print(f"{shown}: milliseconds a step, at most {LIMIT_MS:g} wanted")


if __name__ == "__main__":
    main()
