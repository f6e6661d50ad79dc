"""A call as a test drives it: its life from dialling to its end. What can be said and asked in it is in `verbs`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from pytest_sipfront.clients.sift.models import CONNECTED, FAILED, Connection
from pytest_sipfront.clients.sift.routine import HangUp
from pytest_sipfront.clients.sift.timeline import NOTED, Timeline
from pytest_sipfront.engine.run import RunResult
from pytest_sipfront.errors import CallFailed, ConfigurationError, DetailedError
from pytest_sipfront.sift.call_control import CallControl
from pytest_sipfront.sift.matching import Pairing, pair
from pytest_sipfront.sift.verbs import Verbs

HANG_UP_WITHIN, FINISH_WITHIN = 10.0, 60.0


class Call(Verbs):
    """One call. As a context manager it hangs up on the way out, unless the call is over.

    Every verb raises `CallFailed` as soon as the call is over and cannot do what is asked, and `SipfrontError` for
    what is Sift's own failure; both show the whole timeline.
    """

    def __init__(self, contact: CallControl, endpoint: dict[str, str] | None = None) -> None:
        """Take over a call. With an `endpoint` it is yet to be dialled."""
        super().__init__(contact)
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
        with suppress(DetailedError):  # the first error is the one to show
            self.close()

    def __repr__(self) -> str:
        return f"<Call {self._contact.whom}: {self.status or 'not dialled'}>"

    # ---- what is known

    @property
    def status(self) -> str:
        """The farthest that was ever seen: connecting, connected, failed or finished; "" before the first word."""
        return self._contact.inbox.progress.status

    @property
    def connection(self) -> Connection:
        """What Sift said of the connection."""
        return self._contact.connection

    @property
    def timeline(self) -> Timeline:
        """What was sent and what came back, in order."""
        return self._contact.timeline

    @property
    def duration(self) -> float:
        """Seconds from connected to the end, or until now; 0 if it was never connected.

        Measured here, since Sift's times are whole seconds, unless Sift's own differ by more than these can.
        """
        times, own = self._contact.inbox.times, self.connection.seconds
        began = times.get(CONNECTED)
        if began is None:
            return own or 0.0
        measured = times.get(self.status, 0.0) if self.connection.is_over else self.timeline.elapsed
        lasted = max(measured - began, 0.0)
        return lasted if own is None or abs(own - lasted) <= 1 else own

    def matches(self, run: RunResult, *, dialled: str | None = None) -> Pairing:
        """Return whether this is the call that a Sipfront run placed: by its number, and while the run lasted.

        Args:
            run: The finished run.
            dialled: What it dialled, where that is set on the platform and in none of the run's overrides.
        """
        return pair(run, self.connection, dialled=dialled, seen=self._contact.began)

    # ---- the life of a call

    def dial(self) -> None:
        """Place the call, if `sift_call(..., connect=False)` did not.

        Raises:
            SipfrontError: It was not placed, or nobody knows whether it was.
        """
        __tracebackhide__ = True
        if self._endpoint is None:
            raise ConfigurationError(f"{self._contact.whom} is already dialled: a call is placed once")
        endpoint, self._endpoint = self._endpoint, None
        self._contact.dial(endpoint)

    def wait_finished(self, within: float = FINISH_WITHIN) -> None:
        """Wait until the call is over, without hanging up.

        Raises:
            CallFailed: It is not within so many seconds, or it failed.
        """
        __tracebackhide__ = True
        self._check_dialled()
        self._wait_over(within, lambda: self._contact.failed(f"not finished within {within:g} s, but {self.status}"))
        if self.status == FAILED:
            raise self._contact.failed("the call failed")

    def hang_up(self, within: float = HANG_UP_WITHIN) -> None:
        """Hang up and wait until the call is over; nothing if it already is.

        Raises:
            SipfrontError: Sift did not end it within so many seconds.
        """
        __tracebackhide__ = True
        self._check_dialled()
        if self.connection.is_over:
            return
        try:
            self._contact.send([HangUp()])
        except CallFailed:  # the other side was quicker
            return
        self._wait_over(
            within, lambda: self._contact.missing(f"HangUp was sent, and after {within:g} s the call goes on")
        )

    def close(self) -> None:
        """End the call if it is not over. Teardown does this for every call."""
        __tracebackhide__ = True
        if self._endpoint is None and self._contact.may_go_on():
            self.timeline.add(NOTED, "end of the test", "hanging up")
            self.hang_up()

    def _wait_over(self, within: float, late: Callable[[], DetailedError]) -> None:
        __tracebackhide__ = True
        self._contact.wait(lambda progress: progress.is_over or None, within, "waiting for its end", late)

    def _check_dialled(self) -> None:
        __tracebackhide__ = True
        if self._endpoint is not None:
            raise ConfigurationError(f"{self._contact.whom} is not dialled yet: call dial() first")
