"""Compare what the lab measures of impaired RTP with the truth, for each source of measurements.

SIPp plays streams from pcap files, for which it needs root, and sends no RTCP. PJSUA2 loses packets at random and sends
RTCP. The line profiles of the lab impair calls between its own phones; there the media relay is a source, too.

The truth is: for SIPp, the file that it plays; for PJSUA2, the packets that it sent and those that the SIP stack
received; for a line profile, what the relay did to each packet. Each call is a process of its own.

    .venv/bin/python -m tests.benchmarks.call_measurement
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import Any
from unittest.mock import patch

from pytest_sipfront.lab.calls import call_measurement, media_relay, rtp
from pytest_sipfront.lab.calls.call_record import BUFFER, RTCP, Reception
from pytest_sipfront.lab.calls.rtp import parse_packet
from pytest_sipfront.lab.calls.rtp_capture import RtpCapture
from tests.lab.calls.pjsua_peer import pjsua
from tests.lab.calls.placing import find
from tests.lab.calls.rtp_streams import Figures, Impairment, figures_of, impaired_stream, pcap
from tests.lab.calls.sipp_peer import sipp

SECONDS = 12
PARALLEL = 3
PACKETS, DUE = "packets", "packets due"
SOURCES = (PACKETS, BUFFER, RTCP)
HEAD = (
    "| peer | stream | loss %: true | by packets | by jitter buffer | by RTCP | at most, by packets due "
    "| jitter ms: true | by packets | by RTCP | duplicates (true) |"
)
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
STEPS = """
tests:
  call:
    steps:
      - []
      - [{{action: call, dial_destination: "100"}}, {{action: hold, seconds: {seconds}}}]
    conditions: {{answered: true, media: none}}
"""
LINE = "phones: {{desk: {{number: '100', line: {{{line}}}}}}}\nprompts: {{}}\n"


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one call: the truth, and the reception by each source."""

    peer: str
    impairment: str
    truth: Figures
    receptions: Mapping[str, Reception] = field(default_factory=dict)

    def difference(self, source: str, name: str) -> float | None:
        """Return how far a source is from the truth, or None if it has no value."""
        reception = self.receptions.get(source)
        value = getattr(reception, name, None)
        true = getattr(self.truth, name)
        return None if value is None or true is None else abs(value - true)


def measured(file: str, *, may_capture: bool) -> dict[str, Reception]:
    """Place the call of a lab file, and return the reception of the caller by each source.

    The SIP stack measures each call, too, though the lab prefers captured packets. Its jitter buffer is on only if the
    process may not capture them.
    """
    receptions: dict[str, Reception] = {}
    by_stack, by_best = call_measurement._from_stack, rtp.measure  # noqa: SLF001

    def from_stack(*arguments: Any, **keywords: Any) -> Reception:
        reception = by_stack(*arguments, **keywords)
        receptions.setdefault(DUE, reception)
        if reception.source:
            receptions.setdefault(reception.source, reception)
        return reception

    def measure(*arguments: Any, **keywords: Any) -> Any:
        figures = by_best(*arguments, **keywords)
        reception = Reception(
            packets=figures.packets, lost=figures.lost, duplicates=figures.duplicates, reordered=figures.reordered,
            jitter_ms=figures.jitter_ms,
        )  # fmt: skip
        receptions.setdefault(PACKETS, reception)
        return figures

    with (
        patch.object(call_measurement, "_from_stack", from_stack),
        patch.object(call_measurement, "measure", measure),
        nullcontext() if may_capture else patch.object(RtpCapture, "open", lambda: None),
    ):
        result = find(file)
    assert result.state == "passed", result.description
    return receptions


def called(port: int, *, may_capture: bool) -> dict[str, Reception]:
    """Call a peer."""
    return measured(f"target: sip:127.0.0.1:{port}" + STEPS.format(seconds=SECONDS), may_capture=may_capture)


def sipp_row(name: str, *, may_capture: bool) -> Row:
    """Call SIPp, which plays an impaired stream."""
    stream = impaired_stream(SECONDS * 50 - 25, IMPAIRMENTS[name])
    with sipp("plays", files={"stream.pcap": pcap(stream.packets)}) as peer:
        return Row("SIPp", name, stream.figures, called(peer.port, may_capture=may_capture))


def pjsua_row(name: str, *, may_capture: bool) -> Row:
    """Call PJSUA2, which does not send some of its packets. Its own jitter is unknown."""
    loss = round(IMPAIRMENTS[name].loss)
    with pjsua(loss=max(loss - 1, 1) if loss else 0) as peer:  # it drops one percent more than its setting
        receptions = called(peer.port, may_capture=may_capture)
        sent = peer.report()["sent"]
    truth = Figures(loss_percent=max(0.0, 100 * (1 - receptions[DUE].packets / sent)), duplicates=0, jitter_ms=None)
    return Row("PJSUA2", name, truth, receptions)


def line_row(name: str, *, may_capture: bool) -> Row:
    """Call a phone of the lab over an impaired line."""
    impairment, delays = IMPAIRMENTS[name], media_relay._delays  # noqa: SLF001
    arrivals: list[tuple[float, int]] = []
    sequences: list[int] = []
    to_caller = random.Random(1).getstate()
    draws: set[int] = set()

    def recorded(line: Any, draw: random.Random, data: bytes) -> list[float]:
        if draw.getstate() == to_caller:
            draws.add(id(draw))
        copies = delays(line, draw, data)
        packet = parse_packet(data, 0.0)
        if id(draw) in draws and packet is not None:
            now = time.monotonic()
            sequences.append(packet.sequence)
            number = (packet.sequence - sequences[0]) % 65_536
            arrivals.extend((now + delay, number) for delay in copies)
        return copies

    line = {
        "loss": impairment.loss, "duplicate": impairment.duplicates, "reorder": impairment.reordered,
        "jitter": impairment.jitter_ms, "delay": 0 if impairment.jitter_ms else 1,
    }  # fmt: skip
    keys = ", ".join(f"{key}: {value:g}" for key, value in line.items())
    with patch.object(media_relay, "_delays", recorded):
        receptions = measured(LINE.format(line=keys) + STEPS.format(seconds=SECONDS), may_capture=may_capture)
    return Row(
        "line profile" + ("" if may_capture else ", media relay"),
        name,
        figures_of(arrivals, len(sequences)),
        receptions,
    )


def cell(holder: Reception | Figures | None, name: str) -> str:
    """Return a value of the truth or of a source."""
    value = getattr(holder, name, None)
    return "" if value is None else f"{value:.1f}"


def print_row(row: Row) -> None:
    """Print a row of the Markdown table."""
    most = row.receptions[DUE].max_loss_percent
    cells = [row.peer, row.impairment, f"{row.truth.loss_percent:.1f}"]
    cells += [
        *(cell(row.receptions.get(source), "loss_percent") for source in SOURCES),
        f"{most:.1f}" if most is not None else "",
    ]
    cells += [cell(row.truth, "jitter_ms"), cell(row.receptions.get(PACKETS), "jitter_ms")]
    cells += [cell(row.receptions.get(RTCP), "jitter_ms")]
    duplicates = cell(row.receptions.get(PACKETS), "duplicates")
    cells += [f"{duplicates} ({row.truth.duplicates})".removeprefix(" ").replace(".0 ", " ")]
    print("|", " | ".join(cells), "|", flush=True)


def main() -> None:
    """Print a table, and the largest differences."""
    jobs = {
        peer + ("" if may_capture else "-without-capture"): [
            partial(row, name, may_capture=may_capture) for name in list(IMPAIRMENTS)[:rows]
        ]
        for peer, row, rows in (("sipp", sipp_row, 9), ("pjsua", pjsua_row, 5), ("line", line_row, 9))
        for may_capture in (True, False)
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peers", nargs="*", help=f"{', '.join(jobs)} (default: all)")
    peers = parser.parse_args().peers or jobs
    print(HEAD)
    print("|---" * HEAD.count(" |") + "|")
    with ProcessPoolExecutor(PARALLEL, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        rows = []
        for future in [pool.submit(job) for peer in peers for job in jobs[peer]]:
            rows.append(future.result())
            print_row(rows[-1])
    for source in SOURCES:
        for name in ("loss_percent", "jitter_ms"):
            differences = [value for row in rows if (value := row.difference(source, name)) is not None]
            print(f"largest difference of {name} by {source}: {max(differences, default=0.0):.2f}")


if __name__ == "__main__":
    main()
