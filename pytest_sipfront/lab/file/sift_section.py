"""What the `sift:` section of a lab file says, as frozen values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from pytest_sipfront.lab.file.lab_file import FaultSpec

CONNECTS, BUSY, NO_ANSWER = "connects", "busy", "no_answer"
APPLICATION, RUN = "application", "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One entry of a script; exactly one of its first five keys is given.

    Attributes:
        says: What the callee says, in answer to the next command that listens.
        presses: The keys it presses, in answer to the next GetDigits.
        hears: What it waits to be told (`*` and `?` are wildcards): the text of a Say or the URL of a Play.
        silence: How many questions it leaves unanswered.
        hangs_up: It hangs up, after so many seconds.
        means: What a typed question understands of `says`, where that is not to be guessed from the words.
        takes: How many seconds saying or pressing takes.
    """

    says: str | None = None
    presses: str | None = None
    hears: str | None = None
    silence: int | None = None
    hangs_up: float | None = None
    means: Any = None
    takes: float = 0.0

    def __post_init__(self) -> None:
        kinds = (self.says, self.presses, self.hears, self.silence, self.hangs_up)
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("a turn is one of says, presses, hears, silence and hangs_up")


@dataclass(frozen=True, slots=True, kw_only=True)
class Callee:
    """Who answers a number: whether, after how many seconds, and what it says and does then.

    Attributes:
        phone: The real phone that answers instead, where calls can be placed.
        words: What that phone's prompts say, where the catalogue does not know.
    """

    answer: str = CONNECTS
    rings: float = 0.0
    script: tuple[Turn, ...] = ()
    phone: str | None = None
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls the number `to`, `after` so many seconds: once an application answers it, or whenever a run dials it.

    `on` is "application" or "run".
    """

    from_: str
    to: str
    on: str = APPLICATION
    after: float = 0.0
    client_data: Any = None
    script: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackFault:
    """What goes wrong with which callbacks.

    Attributes:
        on: "status", "done", "incoming", "event" or "any".
        status: Only status callbacks with this status.
        to: Only connections to a number that matches.
        after, times: How many callbacks it lets pass first, and how many it hits then; None for all.
        late: Seconds by which the callback is late; later ones overtake it.
        swap: The callback is sent after the one that follows it.
        repeat: How many times more it is sent.
        lost: It is never sent.
        early: A status callback is sent before creating the connection is answered.
        content_type: Instead of application/json.
        add: Fields laid over the body.
        omit: Fields left out of the body.
    """

    on: str = "any"
    status: str | None = None
    to: str = "*"
    after: int = 0
    times: int | None = None
    late: float = 0.0
    swap: bool = False
    repeat: int = 0
    lost: bool = False
    early: bool = False
    content_type: str | None = None
    add: Mapping[str, Any] = field(default_factory=dict)
    omit: tuple[str, ...] = ()

    def concerns(self, kind: str, status: str, to: str) -> bool:
        """Whether this fault is about such a callback at all."""
        return self.on in ("any", kind) and self.status in (None, status) and fnmatchcase(to, self.to)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiftSpec:
    """The `sift:` section.

    Attributes:
        callees: By the number, or "webrtc:<name>", that they answer; wildcards are allowed and the first match wins.
        page_size: Connections a page.
        takes: Seconds that each command takes beside the callee's own time.
        timeout_scale: What `timeout_seconds` is multiplied by, so that silence need not be waited for.
        no_answer: How a question without an answer is reported: "documented" (as each page's table has it), "empty",
            "null" or "absent".
        created: What creating a connection answers: "bare", "wrapped", "id" or "empty".
        done_on_hangup: Whether a command that a hang-up cuts short still posts to its `on_done`.
        faults: Of the API; `on` is create, routine, retrieve, list or any.
        callbacks: Faults of callbacks.
    """

    callees: Mapping[str, Callee] = field(default_factory=dict)
    callers: tuple[Caller, ...] = ()
    page_size: int = 20
    takes: float = 0.0
    timeout_scale: float = 1.0
    no_answer: str = "documented"
    created: str = "bare"
    done_on_hangup: bool = False
    numbers: tuple[str, ...] = ()
    faults: tuple[FaultSpec, ...] = ()
    callbacks: tuple[CallbackFault, ...] = ()

    def callee(self, to: str) -> Callee | None:
        """Return who answers `to`; None if nobody does."""
        return first_match(self.callees.items(), to)


def first_match(entries: Iterable[tuple[str, Callee]], to: str) -> Callee | None:
    """Return the first callee whose pattern matches."""
    return next((callee for pattern, callee in entries if fnmatchcase(to, pattern)), None)
