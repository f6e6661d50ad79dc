"""The data of the pages: runs, calls, callbacks and measurements as the templates show them."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pytest_sipfront.lab.platform.account import Account, LabProjectRun, LabRun
from pytest_sipfront.lab.platform.executor import Measure
from pytest_sipfront.lab.sift.callback_sender import SentCallback
from pytest_sipfront.lab.sift.connections import LabConnection
from pytest_sipfront.pages.messages import Message, with_gaps

_TONES = {"passed": "good", "finished": "good", "failed": "bad"}
_RANKS = {"bad": 0, "unclear": 0, "open": 1, "good": 2}
_OK = range(200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A run, a project run or a call at Sift, as a row of a table and as the head of its report.

    `tone` selects the colour: "good", "bad", "unclear" (ended without a verdict) or "open" (has not ended).
    """

    number: int
    url: str
    name: str
    destination: str = ""
    state: str
    tone: str
    started: str
    duration: str
    reason: str = ""
    scripted: bool = False

    @property
    def title(self) -> str:
        """Name and destination."""
        return f"{self.name} to {self.destination}" if self.destination else self.name


def failed_first(rows: Iterable[Row]) -> list[Row]:
    """Return the rows with failures at the top, then open runs, then the rest, each group newest first."""
    return sorted(rows, key=lambda row: (_RANKS[row.tone], -row.number))


def run_row(account: Account, run: LabRun) -> Row:
    """Return the row of a run."""
    state, result = account.state(run), run.result
    return Row(
        number=run.id,
        url=run.report_path,
        name=run.test.name,
        destination=_destination(run),
        state=state,
        tone=_TONES.get(state, "unclear") if result else "open",
        started=utc_text(run.started_at),
        duration=_duration((run.stopped or account.clock()) - run.started),
        reason=result.description if result else "",
        scripted=result is not None and result.scripted,
    )


def _destination(run: LabRun) -> str:
    """Return the number that a run dials: from its parameters, or else from the steps of its test."""
    numbers = [value for key, value in run.parameters.items() if key.endswith(".dial_destination")]
    actions = [action for step in run.test.steps or () for action in step]
    numbers += [action.dial_destination for action in actions if hasattr(action, "dial_destination")]
    return numbers[0] if numbers else ""


def project_row(account: Account, run: LabProjectRun) -> Row:
    """Return the row of a project run."""
    state = account.project_state(run)
    passed = sum(each.result is not None and each.result.state == "passed" for each in run.runs)
    return Row(
        number=run.id,
        url=run.report_path,
        name=run.project.name,
        state=state,
        tone=_TONES.get(state, "unclear") if run.state else "open",
        started=utc_text(run.started_at),
        duration=_duration((run.stopped or account.clock()) - run.started),
        reason=f"{passed} of {len(run.runs)} tests passed",
    )


def sift_row(number: int, connection: LabConnection) -> Row:
    """Return the row of a call at Sift."""
    start, end = connection.start, connection.end
    return Row(
        number=number,
        url=f"/sift/{connection.id}",
        name=f"Call from {connection.from_}",
        destination=connection.to,
        state=connection.status,
        tone=_TONES.get(connection.status, "open"),
        started=utc_text(start) or "not connected",
        duration=_duration((end - start).total_seconds()) if start and end else "",
        reason="; ".join(connection.remote.complaints),
    )


def utc_text(moment: datetime | None) -> str:
    """Return a UTC time for a reader, "" for None."""
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else ""


def sift_table_row(number: int, connection: LabConnection) -> Row:
    """Return the row of a call at Sift for a table, which has the names of its commands unless there are complaints."""
    row = sift_row(number, connection)
    return replace(row, reason=row.reason or ", ".join(command["name"] for command in connection.commands))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:.0f} min {rest:.0f} s" if minutes else f"{seconds:.2f} s"


# ---- callbacks ----------------------------------------------------------------------------------------------------


def callback_messages(callbacks: Sequence[SentCallback]) -> list[Message]:
    """Return the callbacks of a call, from Sift at the left to the receiver at the right."""
    return with_gaps(
        Message(
            callback.time - callbacks[0].time,
            to_right=True,
            text=f"{callback.kind} {_callback_text(callback.body)}, reply {callback.outcome}",
            tone="" if callback.outcome in _OK else "bad",
        )
        for callback in callbacks
    )


def _callback_text(body: Mapping[str, Any]) -> str:
    connection = body.get("connection")
    return connection["status"] if isinstance(connection, Mapping) else arguments(body)


def arguments(values: Mapping[str, Any]) -> str:
    """Return the values of a command or callback on one line, without its name and ids."""
    hidden = ("name", "account_id", "connection_id")
    return ", ".join(f"{key}: {_text(value)}" for key, value in values.items() if key not in hidden)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


# ---- measurements -----------------------------------------------------------------------------------------------


def run_values(measures: Mapping[str, Measure]) -> list[tuple[str, Measure]]:
    """Return the measures of the whole run."""
    return [(name, measure) for name, measure in measures.items() if not name.endswith(("_caller", "_callee"))]


def audio_values(measures: Mapping[str, Measure]) -> list[tuple[str, Measure | None, Measure | None]]:
    """Return the measures of what each end heard: name, the caller's, the callee's."""
    names = dict.fromkeys(name[:-7] for name in measures if name.endswith(("_caller", "_callee")))
    return [(name, measures.get(f"{name}_caller"), measures.get(f"{name}_callee")) for name in names]


@dataclass(frozen=True, slots=True)
class Recording:
    """The audio that one end heard, as a WAV file at `url`; `source` is what a player loads."""

    name: str
    url: str
    source: str


def recordings(directory: str, audio: Mapping[str, bytes]) -> list[Recording]:
    """Return the recordings of a call.

    Args:
        directory: The path at which they are served; "" if they lie beside the page, which then contains them.
        audio: WAV files by name.
    """
    return [
        Recording(
            name,
            url := f"{directory}/{name}.wav" if directory else f"{name}.wav",
            url if directory else f"data:audio/wav;base64,{b64encode(file).decode()}",
        )
        for name, file in audio.items()
    ]
