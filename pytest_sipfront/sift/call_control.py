"""The mechanics of one call: dial, send routines, and wait for their callbacks."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pytest_sipfront.clients.sift.call_inbox import DONE, EVENT, NOTED, SENT, STATUS, CallInbox
from pytest_sipfront.clients.sift.models import CONNECTED, FAILED, FINISHED, Connection
from pytest_sipfront.clients.sift.routine import Conversing, Reporting, Step, as_json, check_routine
from pytest_sipfront.errors import (
    AuthenticationFailed,
    CallbackMissing,
    CallFailed,
    DetailedError,
    InvalidResponse,
    PlatformUnavailable,
    RequestRefused,
    SipfrontError,
)
from pytest_sipfront.sift.runtime import SiftRuntime
from pytest_sipfront.sift.wait_policy import CallTimeouts, NextStep, WaitPolicy

T = TypeVar("T")
E = TypeVar("E", bound=DetailedError)
STATUS_TIMEOUT, ID_TIMEOUT = 5.0, 5.0
HANG_UP_SECONDS = 2.0
"""A call that ends in this time after an empty response may have been hung up for the missing routine."""
SHOWN_UNMATCHED = 5


@dataclass(frozen=True, slots=True)
class SentCommand:
    """A command that was sent.

    Attributes:
        step: The command with its callback URL.
        number: The number in the callback URL; None if the command has no callback.
    """

    step: Step
    number: int | None


class CallControl:
    """One call as a client of Sift sees it.

    Attributes:
        party: The other side, for messages.
        started: When the call was prepared or came in, UTC.
        inbox: The state of the call.
    """

    def __init__(self, runtime: SiftRuntime, party: str, timeouts: CallTimeouts | None = None) -> None:
        """Prepare a call; no request is sent.

        Args:
            runtime: The open connection to Sift.
            party: The other side, for messages.
            timeouts: Time limits; those of the runtime by default.
        """
        self.party = party
        self.started = runtime.log.utcnow()
        self.timeouts = timeouts or runtime.timeouts
        self._runtime = runtime
        self._key = secrets.token_urlsafe(12)
        self.inbox: CallInbox = runtime.open_inbox(self._key)
        self.timeline = self.inbox.timeline
        self._last_number = 0
        self._placed = False
        self._is_dialled = False
        self._may_send_first = False

    @property
    def connection(self) -> Connection:
        """The connection as far as it is known."""
        return self.inbox.connection

    def accept(self, connection: Connection) -> None:
        """Use the connection of an incoming call."""
        self._placed = True
        self.inbox.report(connection, "incoming call")

    def dial(self, endpoint: dict[str, str]) -> None:
        """Place the call. The request is sent once.

        Raises:
            SipfrontError: The call was not placed, or it is unknown whether it was.
        """
        __tracebackhide__ = True
        self.timeline.add(SENT, "dial", self.party)
        self._is_dialled, self._may_send_first = True, self._runtime.responds_with_routine
        url = self._runtime.address(self._key, STATUS)
        try:
            created = self._runtime.call("create_connection", status_url=url, **endpoint)
        except (PlatformUnavailable, InvalidResponse) as error:
            if not getattr(error, "arrived", True):
                raise self.explain(error) from None
            if not self._wait_for_id():
                raise self.explain(error, "The call may have been placed; it is not placed again.") from None
            self._placed = True
            self.timeline.add(NOTED, "dialled despite an error", str(error))
            return
        except SipfrontError as error:
            raise self.explain(error) from None
        self._placed = True
        if created is None:
            self.timeline.add(NOTED, "dialled", "the response names no connection; the first status callback will")
        else:
            self.inbox.report(created, "dialled")

    def send(self, routine: list[Step]) -> list[SentCommand]:
        """Start `routine` on the connection and return its commands with the numbers of their callbacks.

        Raises:
            CallFailed: The call is over.
            SipfrontError: Sift rejected the routine, or cannot be reached.
        """
        __tracebackhide__ = True
        commands = [self._with_callback(step) for step in check_routine(routine)]
        connection_id = self._connection_id()
        names = ", ".join(as_json(command.step)["name"] for command in commands) or "an empty routine"
        if self.connection.is_over:
            raise self.failure(f"the call is over ({self.connection.status}), so {names} cannot be sent")
        for command in commands:
            fields = as_json(command.step)
            self.timeline.add(SENT, fields["name"], fields)
        try:
            self._start(connection_id, [as_json(command.step) for command in commands])
        except RequestRefused as error:
            self.poll()
            if self.connection.is_over:
                raise self.failure(f"{self._end()} before {names}") from None
            raise self.explain(error) from None
        except SipfrontError as error:
            raise self.explain(error) from None
        return commands

    def await_other_side(self) -> None:
        """Note that the call sends no command for now, so that no response waits for one."""
        __tracebackhide__ = True
        if self._may_send_first:
            self._runtime.send_first(self._key, [])

    def wait(
        self,
        read: Callable[[CallInbox], T | None],
        within: float,
        activity: str,
        on_timeout: Callable[[], DetailedError],
    ) -> T:
        """Wait until `read` returns a value, and return it.

        Args:
            read: Reads the value from the inbox; None if it has not arrived.
            within: Seconds.
            activity: The activity for error messages, as in "the call was finished while ...".
            on_timeout: Creates the error for a timeout.

        Raises:
            CallFailed: The call ended.
        """
        __tracebackhide__ = True
        now = self._runtime.log.now
        started = now()
        policy = WaitPolicy(started, started + within, self.timeouts)
        while True:
            self._runtime.receive()
            with self.inbox.lock:
                value = read(self.inbox)
                if value is not None:
                    return value
                step, seconds = policy.next(now(), is_over=self.connection.is_over)
            if step is NextStep.WAIT:
                self._runtime.receive(seconds)
            elif step is NextStep.POLL:
                self.poll()
            elif step is NextStep.ENDED:
                raise self.failure(f"{self._end()} while {activity}")
            elif step is NextStep.TIMED_OUT:
                raise on_timeout()

    def poll(self) -> None:
        """Request the connection's status, since a callback may be lost. A failed request is noted in the timeline.

        Raises:
            AuthenticationFailed: The credentials are wrong.
        """
        __tracebackhide__ = True
        connection_id = self.connection.connection_id
        if not connection_id:
            return
        try:
            connection = self._runtime.call("connection", connection_id, within=STATUS_TIMEOUT)
        except AuthenticationFailed as error:
            raise self.explain(error) from None
        except SipfrontError as error:
            self.timeline.add(NOTED, "status request failed", str(error))
        else:
            self.inbox.report(connection, "status by request")

    def failure(self, message: str, hint: str = "") -> CallFailed:
        """Return the failure of this call with its timeline."""
        return self.explain(CallFailed(f"{self.party}: {message}", hint=hint or self._routine_hint()))

    def callback_missing(self, message: str) -> CallbackMissing:
        """Return the error for a callback that did not arrive."""
        hint = (
            "The call is still active, so the result is unknown. Check that Sift can reach the receiver "
            "(--sift-callback-url). For slow lines, raise --sift-callback-timeout."
        )
        return self.explain(CallbackMissing(f"{self.party}: {message}", hint=hint))

    def explain(self, error: E, hint: str = "") -> E:
        """Add the call's timeline to `error` and return it."""
        evidence: dict[str, object] = {
            "call": self.party,
            "connection": self.connection.connection_id or "unknown",
            "status": self.connection.status or "unknown",
            **getattr(error, "evidence", {}),
            "timeline": f"\n{self.timeline}",
        }
        if unmatched := self._runtime.log.unmatched:
            evidence["unmatched callbacks"] = "\n" + "\n".join(map(str, unmatched[-SHOWN_UNMATCHED:]))
        error.explain(evidence, " ".join(filter(None, [getattr(error, "hint", ""), hint])))
        return error

    def is_active(self) -> bool:
        """Return whether the call may have to be hung up.

        Raises:
            CallbackMissing: The call was placed, and Sift never named its connection.
        """
        if not self._placed and not self.connection.connection_id:
            return False
        if not self._wait_for_id():
            raise self.callback_missing("it cannot be hung up, since Sift never named its connection")
        return not self.connection.is_over

    def _start(self, connection_id: str, routine: list[dict[str, Any]]) -> None:
        """Start a routine: the first one in the response to `connected` if it waits, others by request."""
        __tracebackhide__ = True
        if self._may_send_first and routine:
            self._may_send_first = False
            if self._runtime.send_first(self._key, routine):
                return
        self._runtime.call("send_commands", connection_id, routine)

    def _routine_hint(self) -> str:
        """Return a hint if the call may have ended because Sift received no routine."""
        times = self.inbox.times
        connected, finished = times.get(CONNECTED), times.get(FINISHED)
        if not self._is_dialled or self._runtime.responds_with_routine or connected is None or finished is None:
            return ""
        if not 0 <= (seconds := finished - connected) <= HANG_UP_SECONDS:
            return ""
        return (
            f"The call ended {seconds:.1f} s after an empty response to the status callback 'connected'. If Sift hangs "
            "up without a routine, use --sift-callback-response=routine (SIFT_CALLBACK_RESPONSE, ini "
            "sift_callback_response)."
        )

    def _end(self) -> str:
        return "the call failed" if self.connection.status == FAILED else f"the call was {self.connection.status}"

    def _wait_for_id(self) -> bool:
        """Return whether the connection's id is known, after a wait of a few seconds."""
        seconds = min(self.timeouts.callback, ID_TIMEOUT)
        return self._runtime.wait_for(lambda: bool(self.connection.connection_id), seconds)

    def _connection_id(self) -> str:
        __tracebackhide__ = True
        return self.wait(
            lambda inbox: inbox.connection.connection_id or None,
            self.timeouts.callback,
            "waiting for its id",
            lambda: self.callback_missing("Sift did not name the connection in its response or a status callback"),
        )

    def _with_callback(self, step: Step) -> SentCommand:
        """Add a callback URL to a command that reports and has no URL."""
        if isinstance(step, Reporting) and step.on_done is None:
            number = self._next_number(step)
            url = self._runtime.address(self._key, DONE, number)
            return SentCommand(replace(step, on_done=url), number)
        if isinstance(step, Conversing) and step.event_callback is None:
            number = self._next_number(step)
            url = self._runtime.address(self._key, EVENT, number)
            return SentCommand(replace(step, event_callback=url), number)
        return SentCommand(step, None)

    def _next_number(self, step: Step) -> int:
        self._last_number += 1
        with self.inbox.lock:
            self.inbox.commands[self._last_number] = type(step).__name__
        return self._last_number
