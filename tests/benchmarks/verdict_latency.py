"""Print the longest delay between the end of a run and its verdict, in poll intervals.

python -m tests.benchmarks.verdict_latency
"""

from __future__ import annotations

import anyio

from pytest_sipfront.clients.http import Basic, HttpClient
from pytest_sipfront.clients.sipfront.client import SipfrontClient
from pytest_sipfront.clients.sipfront.models import RunRequest
from pytest_sipfront.engine.run import Run
from pytest_sipfront.engine.runner import Runner
from pytest_sipfront.lab.process import LabProcess, start_lab
from pytest_sipfront.secret import Secret

INTERVAL = 0.2
LAB = "tests: {Basic call: {takes: [0.3, 1.0]}}\n"
RUNS = 20


async def latencies(lab: LabProcess) -> list[float]:
    """Return the seconds from the end of each run, by the clock of the lab, to its verdict."""
    http = HttpClient(lab.url, Basic(Secret(lab.public_key), Secret(lab.secret_key)), trust_env=False)
    late = []
    async with SipfrontClient(http) as client:
        engine = Runner(client, poll_interval=INTERVAL)
        for _ in range(RUNS):
            run = Run(request=RunRequest(test="Basic call"), timeout=30)
            await engine.launch(run)
            await engine.wait(run)
            asked = [request for request in lab.requests if request["path"].endswith("/status")]
            late.append(asked[-1]["time"] - lab.runs[-1]["stopped"])
    return late


def main() -> None:
    """Print the ratio."""
    with start_lab(text=LAB) as lab:
        late = anyio.run(latencies, lab)
    print(f"from a run's end to its verdict, worst of {RUNS}: {max(late) / INTERVAL:.2f} poll intervals (bound 1)")


if __name__ == "__main__":
    main()
