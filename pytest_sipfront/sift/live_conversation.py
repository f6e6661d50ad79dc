"""A conversation that a call is in: bridged to a second leg, or in a conference room."""

from __future__ import annotations

from pytest_sipfront.clients.sift.call_progress import Progress
from pytest_sipfront.clients.sift.models import Event
from pytest_sipfront.sift.call_control import CallControl, SentRoutine

ENDED = "ended"


class LiveConversation:
    """A conversation, as its events tell of it."""

    def __init__(self, contact: CallControl, sent: SentRoutine) -> None:
        self._contact, self._number = contact, sent.number

    @property
    def events(self) -> tuple[Event, ...]:
        """The events so far, in the order of arrival."""
        with self._contact.inbox.changed:
            return self._of(self._contact.inbox.progress)

    @property
    def transcripts(self) -> tuple[Event, ...]:
        """What was said; needs `live_transcripts=True`."""
        return tuple(event for event in self.events if event.type == "transcript")

    def expect_event(self, type_: str, within: float = 20.0) -> Event:
        """Wait for the first event of a type, and return it.

        Raises:
            CallFailed: It did not come within so many seconds.
        """
        __tracebackhide__ = True
        return self._contact.wait(
            lambda progress: next((event for event in self._of(progress) if event.type == type_), None),
            within,
            f"the event {type_!r} was waited for",
            lambda: self._contact.failed(f"no event {type_!r} within {within:g} s"),
        )

    def wait_ended(self, within: float = 60.0) -> Event:
        """Wait until the conversation is over, and return its `ended` event.

        Raises:
            CallFailed: It is not within so many seconds.
        """
        __tracebackhide__ = True
        return self.expect_event(ENDED, within)

    def _of(self, progress: Progress) -> tuple[Event, ...]:
        return tuple(progress.events.get(self._number or 0, ()))
