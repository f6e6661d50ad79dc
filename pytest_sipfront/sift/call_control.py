"""The mechanics of one call: dialling, sending routines, waiting for what they owe. Says nothing of verbs."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from pytest_sipfront.clients.sift.call_progress import Progress
from pytest_sipfront.clients.sift.callback_log import DONE, EVENT, STATUS, CallInbox
from pytest_sipfront.clients.sift.models import FAILED, Connection
from pytest_sipfront.clients.sift.routine import Conversing, Reporting, Step, as_json, check_routine
from pytest_sipfront.clients.sift.timeline import NOTED, SENT
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
from pytest_sipfront.sift.wait_policy import Next, Patience, WaitPolicy

T = TypeVar("T")
E = TypeVar("E", bound=DetailedError)
ASK_TIMEOUT, NAMED_WITHIN = 5.0, 5.0
STRAYS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class SentRoutine:
    """A command that was sent; `number` is its callback's, None if it has none."""

    step: Step
    number: int | None


class CallControl:
    """One call as far as Sift's API and callbacks are concerned. It `began` when it was prepared or came in, UTC."""

    def __init__(self, line: SiftRuntime, whom: str, patience: Patience | None = None) -> None:
        """Prepare a call with `whom`; nothing is sent.

        Args:
            line: The open line.
            whom: The other side, as a person names it.
            patience: Instead of the line's.
        """
        self.whom = whom
        self.began = line.record.now()
        self.patience = patience or line.patience
        self._line = line
        self._key = secrets.token_urlsafe(12)
        self.inbox: CallInbox = line.record.open(self._key)
        self.timeline = self.inbox.timeline
        self._commands = 0
        self._placed = False

    @property
    def connection(self) -> Connection:
        """What is known of the connection."""
        return self.inbox.progress.connection

    def take(self, connection: Connection) -> None:
        """Take over a call that came in."""
        self._placed = True
        self.inbox.report(connection, "incoming call")

    def dial(self, endpoint: dict[str, str]) -> None:
        """Place the call, once.

        Raises:
            SipfrontError: It was not placed, or nobody knows whether it was.
        """
        __tracebackhide__ = True
        self.timeline.add(SENT, "dial", self.whom)
        url = self._line.receiver.address(self._key, STATUS)
        try:
            created = self._line.ask(self._line.client.create_connection, status_url=url, **endpoint)
        except (PlatformUnavailable, InvalidResponse) as error:
            if not getattr(error, "arrived", True):
                raise self.explained(error) from None
            if self._is_known():
                self.timeline.add(NOTED, "dialled all the same", str(error))
                return
            raise self.explained(error, "The call may have been placed; it is not placed again.") from None
        except SipfrontError as error:
            raise self.explained(error) from None
        self._placed = True
        if created is None:
            self.timeline.add(NOTED, "dialled", "the answer names no connection: the first status callback will")
        else:
            self.inbox.report(created, "dialled")

    def send(self, routine: list[Step]) -> list[SentRoutine]:
        """Let the connection do `routine` now, and return the commands with the numbers of their callbacks.

        Raises:
            CallFailed: The call is over.
            SipfrontError: Sift rejected the routine, or cannot be reached.
        """
        __tracebackhide__ = True
        sent = [self._addressed(step) for step in check_routine(routine)]
        connection_id = self._connection_id()
        if self.inbox.progress.is_over:
            raise self.failed(f"the call is over ({self.connection.status}): {_names(sent)} cannot be done any more")
        for one in sent:
            fields = as_json(one.step)
            self.timeline.add(SENT, fields["name"], fields)
        try:
            self._line.ask(self._line.client.set_routine, connection_id, [one.step for one in sent])
        except RequestRefused as error:
            self.ask()
            if self.inbox.progress.is_over:
                raise self.failed(f"{self._end()} before {_names(sent)}") from None
            raise self.explained(error) from None
        except SipfrontError as error:
            raise self.explained(error) from None
        return sent

    def wait(
        self, ready: Callable[[Progress], T | None], within: float, what: str, late: Callable[[], DetailedError]
    ) -> T:
        """Wait until `ready` returns something, and return that.

        Args:
            ready: Looks at what is known; None if what is waited for is not there.
            within: Seconds.
            what: What is waited for, as in "the call was finished while ...".
            late: Makes the error for when the time is up.

        Raises:
            CallFailed: The call ended.
        """
        __tracebackhide__ = True
        clock = self._line.record.clock
        began = clock()
        watch = WaitPolicy(began, began + within, self.patience)
        while True:
            with self.inbox.changed:
                found = ready(self.inbox.progress)
                if found is not None:
                    return found
                step, seconds = watch.next(clock(), is_over=self.inbox.progress.is_over)
                if step is Next.WAIT:
                    self.inbox.changed.wait(seconds)
            if step is Next.ASK:
                self.ask()
            elif step is Next.ENDED:
                raise self.failed(f"{self._end()} while {what}")
            elif step is Next.LATE:
                raise late()

    def ask(self) -> None:
        """Ask Sift for the connection: a callback may be lost. That it cannot be asked is noted and no error."""
        __tracebackhide__ = True
        connection_id = self.connection.connection_id
        if not connection_id:
            return
        deadline = self._line.record.clock() + ASK_TIMEOUT
        try:
            connection = self._line.ask(self._line.client.connection, connection_id, deadline=deadline)
        except AuthenticationFailed as error:
            raise self.explained(error) from None
        except SipfrontError as error:
            self.timeline.add(NOTED, "asked for the status", str(error))
        else:
            self.inbox.report(connection, "status when asked")

    def failed(self, message: str, hint: str = "") -> CallFailed:
        """Return the failure of this call, with everything that is known of it."""
        return self.explained(CallFailed(f"{self.whom}: {message}", hint=hint))

    def missing(self, what: str) -> CallbackMissing:
        """Return the error for a callback that Sift owes."""
        hint = (
            "The call goes on, so nobody knows how this ended. See whether Sift can reach the receiver "
            "(--sift-callback-url); for slow lines, raise --sift-callback-timeout."
        )
        return self.explained(CallbackMissing(f"{self.whom}: {what}", hint=hint))

    def explained(self, error: E, hint: str = "") -> E:
        """Return `error` with the call's timeline."""
        progress = self.inbox.progress
        shown: dict[str, object] = {
            "call": self.whom,
            "connection": progress.connection.connection_id or "not known",
            "status": progress.status or "not known",
            **getattr(error, "evidence", {}),
            "timeline": f"\n{self.timeline}",
        }
        if strays := self._line.record.strays:
            shown["for nobody"] = "\n" + "\n".join(map(str, strays[-STRAYS_SHOWN:]))
        error.explain(shown, " ".join(filter(None, [getattr(error, "hint", ""), hint])))
        return error

    def may_go_on(self) -> bool:
        """Whether there is something to hang up, as far as anybody knows.

        Raises:
            CallbackMissing: The call was placed, and Sift never named its connection.
        """
        if not self._placed and not self.connection.connection_id:
            return False
        if not self._is_known():
            raise self.missing("it cannot be hung up, since Sift never named its connection")
        return not self.connection.is_over

    def _end(self) -> str:
        return "the call failed" if self.connection.status == FAILED else f"the call was {self.connection.status}"

    def _is_known(self) -> bool:
        """Whether the connection's id is known, or becomes known within a few seconds."""
        patience = min(self.patience.callback, NAMED_WITHIN)
        with self.inbox.changed:
            progress = self.inbox.progress
            return self.inbox.changed.wait_for(lambda: bool(progress.connection.connection_id), patience)

    def _connection_id(self) -> str:
        __tracebackhide__ = True
        return self.wait(
            lambda progress: progress.connection.connection_id or None,
            self.patience.callback,
            "waiting for its id",
            lambda: self.missing("Sift never named the connection, neither in its answer nor by a status callback"),
        )

    def _addressed(self, step: Step) -> SentRoutine:
        """Give a command an address of its own for its callback, unless it has one, or takes none."""
        if isinstance(step, Reporting) and step.on_done is None:
            number = self._number(step)
            return SentRoutine(replace(step, on_done=self._line.receiver.address(self._key, DONE, number)), number)
        if isinstance(step, Conversing) and step.event_callback is None:
            number = self._number(step)
            return SentRoutine(
                replace(step, event_callback=self._line.receiver.address(self._key, EVENT, number)), number
            )
        return SentRoutine(step, None)

    def _number(self, step: Step) -> int:
        self._commands += 1
        with self.inbox.changed:
            self.inbox.names[self._commands] = type(step).__name__
        return self._commands


def _names(sent: list[SentRoutine]) -> str:
    return ", ".join(as_json(one.step)["name"] for one in sent) or "an empty routine"
