"""What the fixtures hand out: calls to others, calls from others, and Sift's API, all synchronous."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

from pytest_sipfront.clients.sift.callback_log import ReceivedCallback
from pytest_sipfront.clients.sift.client import SiftClient
from pytest_sipfront.clients.sift.models import Application, Connection, Conversation
from pytest_sipfront.clients.sift.routine import check_endpoint, check_phone_number
from pytest_sipfront.engine.run import RunResult
from pytest_sipfront.errors import CallFailed, DetailedError
from pytest_sipfront.plugin.sift_session import SiftSession
from pytest_sipfront.sift.call import Call
from pytest_sipfront.sift.call_control import STRAYS_SHOWN, CallControl
from pytest_sipfront.sift.matching import pair

T = TypeVar("T")
INCOMING_WITHIN = 30.0
INCOMING_POLL = 0.5
SEARCHED = 200


class Calls:
    """`sift_call`: places calls, and hangs up those that a test leaves open."""

    def __init__(self, session: SiftSession) -> None:
        self._session = session
        self.all: list[Call] = []

    def __repr__(self) -> str:
        return f"<Calls: {', '.join(map(repr, self.all)) or 'none yet'}>"

    def __call__(
        self, phone_number: str | None = None, *, client_name: str | None = None, connect: bool = True
    ) -> Call:
        """Call a phone number or a VOIP client.

        Args:
            phone_number: In E.164 form, such as "+15550100200".
            client_name: The client's name, instead of a number.
            connect: False leaves it to the call's `dial()` when the call is placed.

        Raises:
            ConfigurationError: Both or neither are given, the number is none, or callbacks cannot arrive; nothing was
                dialled.
            SipfrontError: The call was not placed, or nobody knows whether it was.
        """
        __tracebackhide__ = True
        endpoint = check_endpoint(phone_number, client_name)
        call = Call(CallControl(self._session.ready(), phone_number or f"client {client_name}"), endpoint)
        self.all.append(call)
        if connect:
            call.dial()
        return call

    def close(self) -> None:
        """Hang up what is not over; the first error is raised when all of it is done.

        Raises:
            SipfrontError: A call could not be hung up.
        """
        __tracebackhide__ = True
        first: DetailedError | None = None
        for call in self.all:
            try:
                call.close()
            except DetailedError as error:
                first = first or error
        if first is not None:
            raise first


class Incoming:
    """`sift_incoming`: waits for calls to a number of ours."""

    def __init__(self, session: SiftSession, calls: Calls) -> None:
        __tracebackhide__ = True
        self._line = session.ready()
        self._calls = calls
        self._since = self._line.record.clock()

    def __repr__(self) -> str:
        return "<Incoming>"  # its URL is a secret

    @property
    def url(self) -> str:
        """The `on_incoming` of an application whose calls this session takes; whoever knows it can fake calls."""
        return self._line.receiver.incoming_url

    def register(self, *phone_numbers: str, name: str = "pytest-sipfront") -> Application:
        """Create an application at Sift that sends calls to these numbers here."""
        __tracebackhide__ = True
        numbers = [check_phone_number(number) for number in phone_numbers]
        return self._line.ask(self._line.client.create_application, name, self.url, phone_numbers=numbers)

    def __call__(self, to: str | None = None, within: float = INCOMING_WITHIN) -> Call:
        """Wait for a call that arrives in this test, and take it.

        Args:
            to: The number of ours that is called; None for any.
            within: Seconds.

        Raises:
            CallFailed: Nobody calls in that time.
        """
        __tracebackhide__ = True
        record = self._line.record
        connection = record.claim(to, self._since, record.clock() + within)
        if connection is None:
            strays = "\n".join(map(str, record.strays[-STRAYS_SHOWN:]))
            raise CallFailed(
                f"no call to {to or 'any number of ours'} within {within:g} s",
                evidence={"for nobody": strays or "nothing was received"},
                hint="Its application must post to this session: sift_incoming.register(number), or sift_incoming.url.",
            )
        # there is no status callback for an incoming call, so its end is only found by asking
        patience = replace(self._line.patience, poll=min(self._line.patience.poll, INCOMING_POLL))
        contact = CallControl(self._line, f"{connection.from_} calling {connection.to}", patience)
        contact.take(connection)
        call = Call(contact)
        self._calls.all.append(call)
        return call


class Sift:
    """`sift`: the account at Sift."""

    def __init__(self, session: SiftSession) -> None:
        self._session = session

    def __repr__(self) -> str:
        return "<Sift>"

    @property
    def received(self) -> tuple[ReceivedCallback, ...]:
        """Everything that Sift posted in this session, in order."""
        __tracebackhide__ = True
        return self._session.line().record.everything

    def connections(self) -> Iterator[Connection]:
        """Iterate over the account's connections, page by page as they are needed."""
        return self._each(lambda client: client.connections())

    def connection(self, connection_id: str) -> Connection:
        """Return one connection."""
        __tracebackhide__ = True
        return self.ask(lambda client: client.connection(connection_id))

    def connection_of(self, run: RunResult, *, dialled: str | None = None) -> Connection | None:
        """Return the connection that a Sipfront run dialled, by number and time; None if there is none.

        Args:
            run: The run.
            dialled: What it dialled, where that is set on the platform and in none of the run's overrides.

        The first 200 connections of the account's list are searched.
        """
        __tracebackhide__ = True
        searched = islice(self.connections(), SEARCHED)
        return next((one for one in searched if pair(run, one, dialled=dialled)), None)

    def conversations(self, **times: str) -> Iterator[Conversation]:
        """Iterate over conversations; `min_created`, `max_created` and `updated_after` are ISO 8601 texts."""
        return self._each(lambda client: client.conversations(**times))

    def conversation(self, conversation_id: str) -> Conversation:
        """Return one conversation."""
        __tracebackhide__ = True
        return self.ask(lambda client: client.conversation(conversation_id))

    def applications(self) -> Iterator[Application]:
        """Iterate over the account's applications."""
        return self._each(lambda client: client.applications())

    def upload_media(self, content: bytes, *, filename: str = "audio.wav") -> str:
        """Upload a .wav file and return its `audio_id`."""
        __tracebackhide__ = True
        return self.ask(lambda client: client.upload_media(content, filename=filename))

    def request(self, method: str, path: str, *, body: Any = None, params: Mapping[str, str] | None = None) -> Any:
        """Send anything else, once, to a path below `/v0`, and return its JSON."""
        __tracebackhide__ = True
        return self.ask(lambda client: client.request(method, path, body=body, params=params))

    def ask(self, question: Callable[[SiftClient], Awaitable[T]]) -> T:
        """Return the client's answer to `question`: `sift.ask(lambda client: client.connection("..."))`."""
        __tracebackhide__ = True
        line = self._session.line()
        return line.ask(question, line.client)

    def _each(self, question: Callable[[SiftClient], AsyncIterator[T]]) -> Iterator[T]:
        __tracebackhide__ = True
        line = self._session.line()
        entries = question(line.client)
        with suppress(StopAsyncIteration):
            while True:
                yield line.ask(entries.__anext__)
