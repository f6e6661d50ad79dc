"""A call as tests drive it: each method that speaks or listens is one Sift command and waits until it is done."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from types import TracebackType
from typing import Any, Self, TypeVar

from pytest_sipfront.clients.json_fields import text as text_of
from pytest_sipfront.clients.sift.call_inbox import NOTED, CallInbox, Timeline
from pytest_sipfront.clients.sift.models import CONNECTED, FAILED, Connection, Event
from pytest_sipfront.clients.sift.routine import (
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
    HangUp,
    JoinConference,
    Listening,
    Play,
    Reporting,
    Say,
    Step,
    check_endpoint,
    check_routine,
)
from pytest_sipfront.engine.run import RunResult
from pytest_sipfront.errors import CallFailed, ConfigurationError, DetailedError, InvalidResponse
from pytest_sipfront.sift.answers import NoAnswer, Transcript, read_choice, read_text, read_transcript, read_yes_or_no
from pytest_sipfront.sift.call_control import CallControl, SentCommand
from pytest_sipfront.sift.matching import Pairing, pair
from pytest_sipfront.suggestions import did_you_mean

T = TypeVar("T")
C = TypeVar("C", bound=Conversing)
CONNECT_WITHIN, HANG_UP_WITHIN, FINISH_WITHIN = 20.0, 10.0, 60.0
_SECONDS_PER_LETTER = 0.15
_LONGEST_SOUND = 120.0


class Call:
    """One call. As a context manager it hangs up at the end, unless the call is over.

    Methods raise `CallFailed` if the call ended or did not behave as expected, and `SipfrontError` if Sift failed. Both
    errors show the call's timeline.

    Attributes:
        error: The `error` of the last answer, such as "timeout" or "invalid"; "" if it had none.
    """

    def __init__(self, control: CallControl, endpoint: dict[str, str] | None = None) -> None:
        """Drive a call.

        Args:
            control: The mechanics of the call.
            endpoint: The endpoint that `dial()` calls; None for a call that is already placed.
        """
        self.error = ""
        self._control = control
        self._endpoint = endpoint

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        if error is None:
            self.close()
            return
        with suppress(DetailedError):  # the test's error is more important
            self.close()

    def __repr__(self) -> str:
        return f"<Call {self._control.party}: {self.status or 'not dialled'}>"

    # ---- state

    @property
    def status(self) -> str:
        """The latest status: connecting, connected, failed or finished; "" before the first report."""
        return self.connection.status

    @property
    def connection(self) -> Connection:
        """The connection as reported by Sift."""
        return self._control.connection

    @property
    def timeline(self) -> Timeline:
        """The commands and callbacks, in order."""
        return self._control.timeline

    @property
    def duration(self) -> float:
        """Seconds from connected to the end, or until now; 0 if the call was never connected.

        Measured here, since Sift reports whole seconds. Sift's duration is used if it differs by more than a second.
        """
        times, reported = self._control.inbox.times, self.connection.seconds
        connected = times.get(CONNECTED)
        if connected is None:
            return reported or 0.0
        end = times.get(self.status, 0.0) if self.connection.is_over else self.timeline.since_start()
        measured = max(end - connected, 0.0)
        return measured if reported is None or abs(reported - measured) <= 1 else reported

    def matches(self, run: RunResult, *, dialled: str | None = None) -> Pairing:
        """Return whether a Sipfront run placed this call: by its number, and during the run.

        Args:
            run: The finished run.
            dialled: The number that the run dialled, if it is set on the platform instead of in an override.
        """
        return pair(run, self.connection, dialled=dialled, first_seen=self._control.started)

    def failure(self, message: str) -> CallFailed:
        """Return an error with the call's timeline, to raise if the call does not behave as expected."""
        return self._control.failure(message)

    # ---- life cycle

    def dial(self) -> None:
        """Place the call, after `sift_call(..., connect=False)`.

        Raises:
            SipfrontError: The call was not placed, or it is unknown whether it was.
        """
        __tracebackhide__ = True
        if self._endpoint is None:
            raise ConfigurationError(f"{self._control.party} is already dialled; dial() can be called once")
        endpoint, self._endpoint = self._endpoint, None
        self._control.dial(endpoint)

    def expect_connected(self, within: float = CONNECT_WITHIN) -> None:
        """Wait until the other side answers the call.

        Raises:
            CallFailed: The call failed, or was not answered within so many seconds.
        """
        __tracebackhide__ = True
        self.expect_status(CONNECTED, within=within)

    def expect_status(self, *statuses: str, within: float = CONNECT_WITHIN) -> str:
        """Wait until the call has reached one of `statuses`, and return it.

        Raises:
            CallFailed: The call ended without it, or did not reach it within so many seconds.
        """
        __tracebackhide__ = True
        self._check_dialled()
        expected = " or ".join(statuses)
        return self._control.wait(
            lambda inbox: next((status for status in inbox.reached if status in statuses), None),
            within,
            f"waiting for {expected}",
            lambda: self._control.failure(
                f"not {expected} within {within:g} s; the status is {self.status or 'unknown'}"
            ),
        )

    def wait_finished(self, within: float = FINISH_WITHIN) -> None:
        """Wait until the other side hangs up.

        Raises:
            CallFailed: The call failed, or did not end within so many seconds.
        """
        __tracebackhide__ = True
        self._check_dialled()
        self._control.await_other_side()
        self._wait_over(
            within,
            lambda: self._control.failure(
                f"not finished within {within:g} s; the status is {self.status or 'unknown'}"
            ),
        )
        if self.status == FAILED:
            raise self._control.failure("the call failed")

    def hang_up(self, within: float = HANG_UP_WITHIN) -> None:
        """Hang up and wait until the call is over. Do nothing if it is over already.

        Raises:
            SipfrontError: Sift did not end the call within so many seconds.
        """
        __tracebackhide__ = True
        self._check_dialled()
        if self.connection.is_over:
            return
        try:
            self._control.send([HangUp()])
        except CallFailed:  # the other side hung up first
            return
        self._wait_over(
            within, lambda: self._control.callback_missing(f"the call is still active {within:g} s after HangUp")
        )

    def close(self) -> None:
        """Hang up unless the call is over. Every call is closed at the end of its test."""
        __tracebackhide__ = True
        if self._endpoint is None and self._control.is_active():
            self.timeline.add(NOTED, "end of the test", "hanging up")
            self.hang_up()

    # ---- speak

    def say(self, text: str) -> None:
        """Speak `text` and wait until it is spoken."""
        __tracebackhide__ = True
        self._do(Say(text=text))

    def play(self, url: str) -> None:
        """Play a .wav or .mp3 file and wait until it is played. Sift must be able to download `url`."""
        __tracebackhide__ = True
        self._do(Play(sound_url=url))

    # ---- listen: each method returns the answer, or NO_ANSWER

    def listen(self, timeout: float = 10, *, prompt_url: str | None = None) -> Transcript | NoAnswer:
        """Transcribe what the other side says, up to a pause."""
        __tracebackhide__ = True
        command = GetFreeResponse(timeout_seconds=_whole(timeout), prompt_url=prompt_url)
        return self._answer(command, read_transcript)

    def digits(self, count: int | None = None, timeout: float = 10, *, prompt_url: str | None = None) -> str | NoAnswer:
        """Collect keys that the other side presses: 0-9, * and #. Fewer than `count` are no answer."""
        __tracebackhide__ = True
        command = GetDigits(count=count, timeout_seconds=_whole(timeout), prompt_url=prompt_url)
        return self._answer(command, lambda body: read_text(body, "digits"))

    def choose(self, choices: Sequence[str], timeout: float = 10, *, prompt_url: str | None = None) -> str | NoAnswer:
        """Recognise which of `choices` the other side says."""
        __tracebackhide__ = True
        command = GetMultipleChoice(choices=choices, timeout_seconds=_whole(timeout), prompt_url=prompt_url)
        return self._answer(command, lambda body: read_choice(body, command.choices))

    def yes_or_no(self, timeout: float = 10, *, prompt_url: str | None = None) -> bool | NoAnswer:
        """Recognise yes (True) or no (False)."""
        __tracebackhide__ = True
        command = GetYesOrNo(timeout_seconds=_whole(timeout), prompt_url=prompt_url)
        return self._answer(command, read_yes_or_no)

    def number(self, timeout: float = 10, *, prompt_url: str | None = None) -> str | NoAnswer:
        """Recognise a number, as digits; leading zeros are kept."""
        __tracebackhide__ = True
        command = GetNumber(timeout_seconds=_whole(timeout), prompt_url=prompt_url)
        return self._answer(command, read_text)

    def date(self, timeout: float = 10, *, prompt_url: str | None = None) -> str | NoAnswer:
        """Recognise a date, in ISO 8601; without the year if it was not spoken."""
        __tracebackhide__ = True
        command = GetDate(timeout_seconds=_whole(timeout), prompt_url=prompt_url)
        return self._answer(command, read_text)

    def name(self, timeout: float = 10, *, prompt_url: str | None = None) -> str | NoAnswer:
        """Recognise a person's name."""
        __tracebackhide__ = True
        command = GetName(timeout_seconds=_whole(timeout), prompt_url=prompt_url)
        return self._answer(command, read_text)

    # ---- conversations and routines

    def bridge(
        self, phone_number: str | None = None, *, client_name: str | None = None, **options: Any
    ) -> LiveConversation:
        """Dial a second leg and bridge it to this call. `options` are the fields of `CallPhone` or `CallClient`."""
        __tracebackhide__ = True
        check_endpoint(phone_number, client_name)
        if phone_number is not None:
            return self._converse(_command(CallPhone, phone_number=phone_number, **options))
        return self._converse(_command(CallClient, client_name=client_name, **options))

    def join_conference(self, name: str, **options: Any) -> LiveConversation:
        """Put this call into the conference room `name`. `options` are the fields of `JoinConference`."""
        __tracebackhide__ = True
        return self._converse(_command(JoinConference, conference_name=name, **options))

    def run(self, routine: Sequence[Step]) -> tuple[Mapping[str, Any], ...]:
        """Run several commands and wait until all commands that report are done.

        Returns:
            The body of each command's done callback, in the order of the commands. It is empty for a command that does
            not report.
        """
        __tracebackhide__ = True
        steps = check_routine(routine)
        self._check_dialled()
        within = sum(map(_longest_duration, steps))
        commands = self._control.send(steps)
        return tuple(
            self._wait_done(command, within) if isinstance(command.step, Reporting) else {} for command in commands
        )

    def _do(self, command: Reporting) -> Mapping[str, Any]:
        __tracebackhide__ = True
        self._ensure_connected()
        return self._wait_done(self._control.send([command])[0], _longest_duration(command))

    def _answer(self, command: Listening, read: Callable[[Mapping[str, Any]], T]) -> T:
        __tracebackhide__ = True
        body = self._do(command)
        self.error = text_of(body.get("error"))
        try:
            return read(body)
        except InvalidResponse as error:
            raise self._control.explain(error) from None

    def _converse(self, command: Conversing) -> LiveConversation:
        __tracebackhide__ = True
        self._ensure_connected()
        return LiveConversation(self._control, self._control.send([command])[0])

    def _wait_done(self, command: SentCommand, within: float) -> Mapping[str, Any]:
        __tracebackhide__ = True
        name, number = type(command.step).__name__, command.number
        if number is None:
            return {}
        return self._control.wait(
            lambda inbox: inbox.answers.get(number),
            within + self._control.timeouts.callback,
            f"{name} was in progress",
            lambda: self._control.callback_missing(f"Sift did not report the end of {name}"),
        )

    def _wait_over(self, within: float, on_timeout: Callable[[], DetailedError]) -> None:
        __tracebackhide__ = True
        self._control.wait(lambda inbox: inbox.connection.is_over or None, within, "waiting for its end", on_timeout)

    def _ensure_connected(self) -> None:
        __tracebackhide__ = True
        self._check_dialled()
        if CONNECTED not in self._control.inbox.reached:
            self.expect_connected()

    def _check_dialled(self) -> None:
        __tracebackhide__ = True
        if self._endpoint is not None:
            raise ConfigurationError(f"{self._control.party} is not dialled yet; call dial() first")


class LiveConversation:
    """A conversation that a call takes part in: a bridge to a second leg, or a conference."""

    def __init__(self, control: CallControl, command: SentCommand) -> None:
        self._control, self._number = control, command.number

    @property
    def events(self) -> tuple[Event, ...]:
        """The events so far, in the order of arrival."""
        with self._control.inbox.lock:
            return self._events(self._control.inbox)

    @property
    def transcripts(self) -> tuple[Event, ...]:
        """The transcript events so far. They require `live_transcripts=True`."""
        return tuple(event for event in self.events if event.type == "transcript")

    def expect_event(self, type_: str, within: float = 20.0) -> Event:
        """Wait for the first event of a type, and return it.

        Raises:
            CallFailed: The event did not arrive within so many seconds.
        """
        __tracebackhide__ = True
        return self._control.wait(
            lambda inbox: next((event for event in self._events(inbox) if event.type == type_), None),
            within,
            f"waiting for the event {type_!r}",
            lambda: self._control.failure(f"no event {type_!r} within {within:g} s"),
        )

    def wait_ended(self, within: float = FINISH_WITHIN) -> Event:
        """Wait until the conversation is over, and return its `ended` event.

        Raises:
            CallFailed: The conversation did not end within so many seconds.
        """
        __tracebackhide__ = True
        return self.expect_event("ended", within)

    def _events(self, inbox: CallInbox) -> tuple[Event, ...]:
        return tuple(inbox.events.get(self._number or 0, ()))


def _whole(timeout: float) -> int:
    """Return `timeout` in whole seconds, as Sift requires."""
    if isinstance(timeout, bool) or not 0 < timeout < math.inf:
        raise ConfigurationError(f"timeout must be a number of seconds > 0, got {timeout!r}")
    return math.ceil(timeout)


def _longest_duration(step: Step) -> float:
    """Return how long a command may take, in seconds."""
    if isinstance(step, Say):
        return _SECONDS_PER_LETTER * len(step.text)
    if isinstance(step, Listening):
        return (step.timeout_seconds or 0) + (_LONGEST_SOUND if step.prompt_url else 0)
    return _LONGEST_SOUND if isinstance(step, Play) else 0.0


def _command(command: type[C], **options: Any) -> C:
    known = [field.name for field in fields(command)]
    for name in options:
        if name not in known:
            raise ConfigurationError(
                f"{command.__name__}: unknown option {name!r}{did_you_mean(name, known)} (allowed: {', '.join(known)})"
            )
    return command(**options)
