"""Print what the lab measures of RTP streams with known loss, duplicates, reordering and jitter.

SIPp plays the streams from pcap files, for which it needs root. Each cell has the measured and, in brackets, the true
value.

    .venv/bin/python -m tests.benchmarks.call_measurement
"""

from __future__ import annotations

from pytest_sipfront.lab.platform.executor import Measure
from tests.lab.calls.placing import find
from tests.lab.calls.rtp_streams import Impairment, impaired_stream, pcap
from tests.lab.calls.sipp_peer import sipp

SECONDS = 8
IMPAIRMENTS = {
    "clean": Impairment(),
    "1 % loss": Impairment(loss=1),
    "5 % loss": Impairment(loss=5),
    "10 % loss": Impairment(loss=10),
    "30 % loss": Impairment(loss=30),
    "5 % duplicates": Impairment(duplicates=5),
    "5 % reordered": Impairment(reordered=5),
    "60 ms jitter": Impairment(jitter_ms=60),
    "5 % loss, 60 ms jitter": Impairment(loss=5, jitter_ms=60),
}
FILE = """
target: sip:127.0.0.1:{port}
tests:
  call:
    steps:
      - []
      - [{{action: call, dial_destination: "100"}}, {{action: hold, seconds: {seconds}}}]
    conditions: {{rtp: from_callee}}
"""


def measured(impairment: Impairment) -> tuple[dict[str, float], dict[str, Measure]]:
    """Return the true figures of a stream, and those that the lab measured."""
    stream = impaired_stream(SECONDS * 50 - 25, impairment)
    with sipp("plays", files={"stream.pcap": pcap(stream.packets)}) as peer:
        result = find(FILE.format(port=peer.port, seconds=SECONDS))
    truth = {"packet_loss": stream.loss_percent, "duplicates": float(stream.duplicates), "jitter": stream.jitter_ms}
    names = ("packet_loss", "duplicates", "reordered", "jitter")
    return truth, {name: result.measures[f"{name}_caller"] for name in names}


def main() -> None:
    """Print one row per stream."""
    print(f"{'stream':24} {'loss %':>14} {'duplicates':>14} {'jitter ms':>14} {'reordered':>10}  source")
    for name, impairment in IMPAIRMENTS.items():
        truth, measures = measured(impairment)
        cells = [f"{measures[key].value:.1f} ({truth[key]:.1f})" for key in ("packet_loss", "duplicates", "jitter")]
        reordered, source = measures["reordered"].value, measures["packet_loss"].source
        print(f"{name:24}", *(f"{cell:>14}" for cell in cells), f"{reordered!s:>10}  {source}", flush=True)


if __name__ == "__main__":
    main()
