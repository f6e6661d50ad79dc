"""What can be said and asked in a call: each verb is one command of Sift's, and waits for what it reports."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from pytest_sipfront.clients.sift.json_fields import text
from pytest_sipfront.clients.sift.models import CONNECTED
from pytest_sipfront.clients.sift.routine import (
    Asking,
    CallClient,
    CallPhone,
    Conversing,
    GetDate,
    GetDigits,
    GetFreeResponse,
    GetMultipleChoice,
    GetName,
    GetNumber,
    GetYesOrNo,
    JoinConference,
    Play,
    Reporting,
    Say,
    Step,
    check_endpoint,
    check_routine,
)
from pytest_sipfront.errors import ConfigurationError, InvalidResponse
from pytest_sipfront.sift.answers import choice_in, heard_in, text_in, truth_in
from pytest_sipfront.sift.call_control import CallControl, SentRoutine
from pytest_sipfront.sift.live_conversation import LiveConversation
from pytest_sipfront.sift.transcript import NoAnswer, Transcript

T = TypeVar("T")
C = TypeVar("C", bound=Conversing)
CONNECT_WITHIN = 20.0
_SECONDS_A_LETTER = 0.15
_LONGEST_SOUND = 120.0


class Verbs:
    """The verbs of a call. One that speaks or asks waits first until the other side has picked up.

    Attributes:
        error: The `error` of the last answer, such as "timeout" or "invalid"; "" if it had none.
    """

    def __init__(self, contact: CallControl) -> None:
        self.error = ""
        self._contact = contact

    # ---- waiting

    def expect_connected(self, within: float = CONNECT_WITHIN) -> None:
        """Wait until the other side has picked up.

        Raises:
            CallFailed: It did not within so many seconds, or the call failed.
        """
        __tracebackhide__ = True
        self.expect_status(CONNECTED, within=within)

    def expect_status(self, *statuses: str, within: float = CONNECT_WITHIN) -> str:
        """Wait until the call has reached one of `statuses`, and return which.

        Raises:
            CallFailed: It did not within so many seconds, or ended otherwise.
        """
        __tracebackhide__ = True
        self._check_dialled()
        wanted = " or ".join(statuses)
        return self._contact.wait(
            lambda progress: next((status for status in progress.reached if status in statuses), None),
            within,
            f"waiting for {wanted}",
            lambda: self._contact.failed(
                f"not {wanted} within {within:g} s, but {self._contact.connection.status or 'without any status'}"
            ),
        )

    # ---- speaking

    def say(self, text: str) -> None:
        """Speak `text` and wait until it is spoken."""
        __tracebackhide__ = True
        self._do(Say(text=text), within=_SECONDS_A_LETTER * len(text))

    def play(self, url: str) -> None:
        """Play the .wav or .mp3 file at `url`, which Sift must be able to fetch, and wait until it has been played."""
        __tracebackhide__ = True
        self._do(Play(sound_url=url), within=_LONGEST_SOUND)

    # ---- asking: each returns what was heard, or NO_ANSWER

    def listen(self, timeout: float = 10, *, prompt_url: str | None = None) -> Transcript | NoAnswer:
        """Hear what the other side says, up to a pause."""
        __tracebackhide__ = True
        command = GetFreeResponse(timeout_seconds=_whole(timeout), prompt_url=prompt_url)
        return self._read(command, heard_in)

    def digits(self, count: int | None = None, timeout: float = 10, *, prompt_url: str | None = None) -> str | NoAnswer:
        """Collect the keys that the other side presses: `0-9 * #`. Fewer than `count` are no answer."""
        __tracebackhide__ = True
        command = GetDigits(count=count, timeout_seconds=_whole(timeout), prompt_url=prompt_url)
        return self._read(command, lambda body: text_in(body, "digits"))

    def choose(self, choices: Sequence[str], timeout: float = 10, *, prompt_url: str | None = None) -> str | NoAnswer:
        """Hear which of `choices` the other side says."""
        __tracebackhide__ = True
        command = GetMultipleChoice(choices=choices, timeout_seconds=_whole(timeout), prompt_url=prompt_url)
        return self._read(command, lambda body: choice_in(body, command.choices))

    def yes_or_no(self, timeout: float = 10, *, prompt_url: str | None = None) -> bool | NoAnswer:
        """Hear yes (True) or no (False, which is an answer)."""
        __tracebackhide__ = True
        command = GetYesOrNo(timeout_seconds=_whole(timeout), prompt_url=prompt_url)
        return self._read(command, truth_in)

    def number(self, timeout: float = 10, *, prompt_url: str | None = None) -> str | NoAnswer:
        """Hear a number, as digits; leading zeros stay."""
        __tracebackhide__ = True
        command = GetNumber(timeout_seconds=_whole(timeout), prompt_url=prompt_url)
        return self._read(command, text_in)

    def date(self, timeout: float = 10, *, prompt_url: str | None = None) -> str | NoAnswer:
        """Hear a date, in ISO 8601; without its year if none was spoken."""
        __tracebackhide__ = True
        command = GetDate(timeout_seconds=_whole(timeout), prompt_url=prompt_url)
        return self._read(command, text_in)

    def name(self, timeout: float = 10, *, prompt_url: str | None = None) -> str | NoAnswer:
        """Hear a person's name."""
        __tracebackhide__ = True
        command = GetName(timeout_seconds=_whole(timeout), prompt_url=prompt_url)
        return self._read(command, text_in)

    # ---- conversations

    def bridge(
        self, phone_number: str | None = None, *, client_name: str | None = None, **options: Any
    ) -> LiveConversation:
        """Dial a second leg and bridge it to this call; `options` are those of `CallPhone` and `CallClient`."""
        __tracebackhide__ = True
        check_endpoint(phone_number, client_name)
        if phone_number is not None:
            return self._converse(_made(CallPhone, phone_number=phone_number, **options))
        return self._converse(_made(CallClient, client_name=client_name, **options))

    def join_conference(self, name: str, **options: Any) -> LiveConversation:
        """Put this call into the conference room `name`; `options` are those of `JoinConference`."""
        __tracebackhide__ = True
        return self._converse(_made(JoinConference, conference_name=name, **options))

    # ---- anything

    def run(self, routine: Sequence[Step]) -> tuple[Mapping[str, Any], ...]:
        """Let the call do a routine of several commands, and wait for all of them that report when they are done.

        Returns:
            The body of each command's done callback in the order of the commands; an empty one for a command that has
            none, which is not waited for.
        """
        __tracebackhide__ = True
        steps = check_routine(routine)
        self._check_dialled()
        within = sum(map(_seconds, steps))
        sent = self._contact.send(steps)
        return tuple({} if not isinstance(one.step, Reporting) else self._answer(one, within) for one in sent)

    def _check_dialled(self) -> None:
        """Raise where a call is yet to be dialled."""

    def _ensure_connected(self) -> None:
        __tracebackhide__ = True
        self._check_dialled()
        if CONNECTED not in self._contact.inbox.progress.reached:
            self.expect_connected()

    def _do(self, command: Reporting, within: float) -> Mapping[str, Any]:
        __tracebackhide__ = True
        self._ensure_connected()
        return self._answer(self._contact.send([command])[0], within)

    def _answer(self, sent: SentRoutine, within: float) -> Mapping[str, Any]:
        __tracebackhide__ = True
        name = type(sent.step).__name__
        number = sent.number
        if number is None:
            return {}
        return self._contact.wait(
            lambda progress: progress.answers.get(number),
            within + self._contact.patience.callback,
            f"{name} was under way",
            lambda: self._contact.missing(f"Sift never reported that {name} is done"),
        )

    def _read(self, command: Asking, reader: Callable[[Mapping[str, Any]], T]) -> T:
        __tracebackhide__ = True
        body = self._do(command, within=_seconds(command))
        self.error = text(body.get("error"))
        try:
            return reader(body)
        except InvalidResponse as error:
            raise self._contact.explained(error) from None

    def _converse(self, command: Conversing) -> LiveConversation:
        __tracebackhide__ = True
        self._ensure_connected()
        return LiveConversation(self._contact, self._contact.send([command])[0])


def _whole(timeout: float) -> int:
    if isinstance(timeout, bool) or not 0 < timeout < math.inf:
        raise ConfigurationError(f"timeout={timeout!r} is not a number of seconds above 0")
    return math.ceil(timeout)  # Sift takes whole seconds only


def _seconds(step: Step) -> float:
    """How long a command may take by itself."""
    if isinstance(step, Say):
        return _SECONDS_A_LETTER * len(step.text)
    if isinstance(step, Asking):
        return (step.timeout_seconds or 0) + (_LONGEST_SOUND if step.prompt_url else 0)
    return _LONGEST_SOUND if isinstance(step, Play) else 0.0


def _made(command: type[C], **options: Any) -> C:
    known = [field.name for field in fields(command)]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise ConfigurationError(f"{command.__name__}: unknown option {name!r}{hint} It has {', '.join(known)}.")
    return command(**options)
