"""The objects behind the Sift fixtures: outgoing calls, incoming calls, and the account's API without `await`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from pytest_sipfront.clients.sift.callback_log import ReceivedCallback
from pytest_sipfront.clients.sift.models import Application, Connection, Conversation, PhoneNumber
from pytest_sipfront.clients.sift.routine import check_endpoint, check_phone_number
from pytest_sipfront.engine.run import RunResult
from pytest_sipfront.errors import CallFailed, DetailedError
from pytest_sipfront.sift.call import Call
from pytest_sipfront.sift.call_control import SHOWN_UNMATCHED, CallControl
from pytest_sipfront.sift.matching import pair
from pytest_sipfront.sift.runtime import SiftRuntime

INCOMING_WITHIN = 30.0
INCOMING_POLL_INTERVAL = 0.5
SEARCHED_CONNECTIONS = 200


class Calls:
    """`sift_call`: places calls, and hangs up the calls that a test leaves open."""

    def __init__(self, runtime: Callable[[], SiftRuntime]) -> None:
        """Prepare; `runtime` returns the connection to Sift once callbacks can be received."""
        self._runtime = runtime
        self.all: list[Call] = []

    def __repr__(self) -> str:
        return f"<Calls: {', '.join(map(repr, self.all)) or 'none yet'}>"

    def __call__(
        self, phone_number: str | None = None, *, client_name: str | None = None, connect: bool = True
    ) -> Call:
        """Call a phone number or a VoIP client.

        Args:
            phone_number: A number in E.164 form, such as "+15550100200".
            client_name: The name of a VoIP client.
            connect: Whether to place the call now. If False, the call's `dial()` places it.

        Raises:
            ConfigurationError: Not exactly one of phone_number and client_name is given, it is invalid, or callbacks
                cannot be received; no call was placed.
            SipfrontError: The call was not placed, or it is unknown whether it was.
        """
        __tracebackhide__ = True
        endpoint = check_endpoint(phone_number, client_name)
        call = Call(CallControl(self._runtime(), phone_number or f"client {client_name}"), endpoint)
        self.all.append(call)
        if connect:
            call.dial()
        return call

    def close(self) -> None:
        """Hang up all calls that are not over, then raise the first error.

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
    """`sift_incoming`: waits for calls to a number of the account."""

    def __init__(self, runtime: SiftRuntime, calls: Calls) -> None:
        self._runtime = runtime
        self._calls = calls
        self._since = runtime.log.now()

    def __repr__(self) -> str:
        return "<Incoming>"  # its URL is a secret

    @property
    def url(self) -> str:
        """The `on_incoming` URL for an application. Keep it secret: a POST request to it announces a call."""
        return self._runtime.incoming_url

    def register(self, *phone_numbers: str, name: str = "pytest-sipfront") -> Application:
        """Create an application at Sift that sends calls to these numbers to this session."""
        __tracebackhide__ = True
        numbers = [check_phone_number(number) for number in phone_numbers]
        application: Application = self._runtime.call("create_application", name, self.url, phone_numbers=numbers)
        return application

    def __call__(self, to: str | None = None, within: float = INCOMING_WITHIN) -> Call:
        """Wait for an incoming call that arrives during this test, and take it.

        Args:
            to: The called number; None for any.
            within: Seconds.

        Raises:
            CallFailed: There was no call in that time.
        """
        __tracebackhide__ = True
        log, timeouts = self._runtime.log, self._runtime.timeouts
        connection = self._runtime.claim(to, self._since, within)
        if connection is None:
            unmatched = "\n".join(map(str, log.unmatched[-SHOWN_UNMATCHED:]))
            raise CallFailed(
                f"no incoming call{f' to {to}' if to else ''} within {within:g} s",
                evidence={"unmatched callbacks": unmatched or "none"},
                hint="The number's application must post to this session: see sift_incoming.register(number) and "
                "sift_incoming.url.",
            )
        # Incoming calls have no status callbacks, so only status requests find their end.
        frequent = replace(timeouts, poll_interval=min(timeouts.poll_interval, INCOMING_POLL_INTERVAL))
        control = CallControl(self._runtime, f"{connection.from_} calling {connection.to}", frequent)
        control.accept(connection)
        call = Call(control)
        self._calls.all.append(call)
        return call


class Sift:
    """`sift`: the account at Sift."""

    def __init__(self, runtime: Callable[[], SiftRuntime]) -> None:
        """Prepare; `runtime` returns the connection to Sift."""
        self._runtime = runtime

    def __repr__(self) -> str:
        return "<Sift>"

    @property
    def received(self) -> tuple[ReceivedCallback, ...]:
        """All callbacks of this session, in order."""
        __tracebackhide__ = True
        runtime = self._runtime()
        runtime.receive()
        return runtime.log.callbacks

    def connections(self) -> Iterator[Connection]:
        """Iterate over the account's connections; pages are requested when they are needed."""
        return self._runtime().each("connections")

    def connection(self, connection_id: str) -> Connection:
        """Return one connection."""
        __tracebackhide__ = True
        connection: Connection = self._runtime().call("connection", connection_id)
        return connection

    def connection_of(self, run: RunResult, *, dialled: str | None = None) -> Connection | None:
        """Return the connection that a Sipfront run dialled, by number and time; None if there is none.

        Args:
            run: The run.
            dialled: The number that the run dialled, if it is set on the platform instead of in an override.

        The first 200 connections of the account's list are searched.
        """
        __tracebackhide__ = True
        candidates = islice(self.connections(), SEARCHED_CONNECTIONS)
        return next((connection for connection in candidates if pair(run, connection, dialled=dialled)), None)

    def conversations(self, **times: str) -> Iterator[Conversation]:
        """Iterate over conversations; `min_created`, `max_created` and `updated_after` are ISO 8601 strings."""
        return self._runtime().each("conversations", **times)

    def conversation(self, conversation_id: str) -> Conversation:
        """Return one conversation."""
        __tracebackhide__ = True
        conversation: Conversation = self._runtime().call("conversation", conversation_id)
        return conversation

    def applications(self) -> Iterator[Application]:
        """Iterate over the account's applications."""
        return self._runtime().each("applications")

    def phone_numbers(self) -> Iterator[PhoneNumber]:
        """Iterate over the account's numbers."""
        return self._runtime().each("phone_numbers")

    def available_numbers(self, country_code: str) -> Iterator[str]:
        """Iterate over the available numbers of a country, by its ISO 3166-1 code."""
        return self._runtime().each("available_numbers", country_code)

    def upload_media(self, content: bytes, *, filename: str = "audio.wav") -> str:
        """Upload a .wav file and return its `audio_id`."""
        __tracebackhide__ = True
        return str(self._runtime().call("upload_media", content, filename=filename))

    def request(self, method: str, path: str, *, body: Any = None, params: Mapping[str, str] | None = None) -> Any:
        """Send any request once to a path below `/v0`, and return its JSON."""
        __tracebackhide__ = True
        return self._runtime().call("request", method, path, body=body, params=params)
