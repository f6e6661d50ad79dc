"""A process's access to Sift, by way of the engine: requests to the API, and the callbacks of its calls."""

from __future__ import annotations

import base64
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from pytest_sipfront.clients.sift import models
from pytest_sipfront.clients.sift.call_inbox import CallInbox
from pytest_sipfront.clients.sift.callback_log import CallbackLog
from pytest_sipfront.clients.sift.models import Connection
from pytest_sipfront.sift.wait_policy import CallTimeouts

_SLICE, _SHORTEST_WAIT = 0.25, 0.01


class Engine(Protocol):
    """The channel to the engine; see `engine.client.EngineClient`."""

    def request(self, op: str, /, **fields: Any) -> Any:
        """Send a request and return its result."""
        ...


class SiftRuntime:
    """Access to Sift for one process.

    Attributes:
        log: The callbacks of this process.
        timeouts: Time limits for callbacks.
        incoming_url: The `on_incoming` URL of applications: Sift posts incoming calls to it.
        responds_with_routine: Whether responses to the status callback `connected` contain a routine.
    """

    def __init__(self, engine: Engine, settings: Mapping[str, Any], log: CallbackLog, timeouts: CallTimeouts) -> None:
        """Open Sift in the engine, if no other process has.

        Args:
            engine: The channel to the engine.
            settings: The settings of `SiftOperations.sift_open`.
            log: Receives the callbacks of this process.
            timeouts: Time limits for callbacks.

        Raises:
            SipfrontError: The engine cannot open Sift.
        """
        __tracebackhide__ = True
        self.log, self.timeouts = log, timeouts
        self.responds_with_routine = settings["callback_response"] == "routine"
        self._engine = engine
        self._process = uuid.uuid4().hex
        opened = engine.request("sift_open", process=self._process, settings=dict(settings))
        self._address: str = opened["address"]
        self.incoming_url: str = opened["incoming_url"]
        self._last_index = 0
        self._fetched = threading.Condition()
        self._is_fetching = False

    def check_callbacks(self) -> None:
        """Check once per session that callbacks arrive.

        Raises:
            ConfigurationError: They do not.
        """
        __tracebackhide__ = True
        self._engine.request("sift_check")

    def open_inbox(self, key: str) -> CallInbox:
        """Return the inbox of a new call; `key` is an unguessable name."""
        self._engine.request("sift_own", process=self._process, key=key)
        return self.log.open(key)

    def send_first(self, key: str, routine: list[dict[str, Any]]) -> bool:
        """Put a call's first routine into the response that waits for it; False if it must be sent by request.

        An empty routine means that the call sends no command for now.
        """
        __tracebackhide__ = True
        return bool(self._engine.request("sift_first", key=key, commands=routine))

    def address(self, *segments: object) -> str:
        """Return the public URL of a callback: `address(key, "status")`, `address(key, "done", 3)`."""
        return "/".join([self._address, *map(str, segments)])

    def call(self, method: str, /, *arguments: Any, **options: Any) -> Any:
        """Return what a method of the Sift client returns, see `SiftClient`.

        Raises:
            SipfrontError: As the client does.
        """
        __tracebackhide__ = True
        if method == "upload_media":
            arguments = (base64.b64encode(arguments[0]).decode(), *arguments[1:])
        return _value(self._engine.request("sift_call", method=method, arguments=arguments, options=options))

    def each(self, method: str, /, *arguments: Any, **options: Any) -> Iterator[Any]:
        """Iterate over a list of the Sift client, and request its pages when they are needed."""
        __tracebackhide__ = True
        number = self._engine.request("sift_list", method=method, arguments=arguments, options=options)
        while entries := self._engine.request("sift_next", number=number):
            yield from map(_value, entries)

    def receive(self, seconds: float = 0.0) -> None:
        """Take over the callbacks that have arrived. Wait up to `seconds` for the first one.

        One thread at a time fetches them, for all threads.
        """
        __tracebackhide__ = True
        with self._fetched:
            if self._is_fetching:
                self._fetched.wait(max(seconds, _SHORTEST_WAIT))
                return
            self._is_fetching = True
        try:
            self._fetch(max(seconds, 0.0))
        finally:
            with self._fetched:
                self._is_fetching = False
                self._fetched.notify_all()

    def _fetch(self, seconds: float) -> None:
        __tracebackhide__ = True
        callbacks = self._engine.request("sift_fetch", process=self._process, after=self._last_index, seconds=seconds)
        for entry in callbacks:
            self._last_index = entry["index"]
            kind, raw, at = entry["kind"], entry["raw"], entry["at"]
            if "unmatched" in entry:
                self.log.add(kind, raw, entry["unmatched"], at=at)
            else:
                self.log.deliver(kind, entry["key"], entry["number"], entry["body"], raw, at=at)

    def wait_for(self, read: Callable[[], bool], seconds: float) -> bool:
        """Receive callbacks until `read` returns True, or for `seconds`, and return its last result."""
        __tracebackhide__ = True
        deadline = self.log.now() + seconds
        self.receive()
        while not (found := read()) and (left := deadline - self.log.now()) > 0:
            self.receive(min(left, _SLICE))
        return found

    def claim(self, to: str | None, since: float, seconds: float) -> Connection | None:
        """Wait for an incoming call and take it.

        Args:
            to: The number that is called; None for any.
            since: Earlier calls are ignored; in monotonic seconds.
            seconds: How long to wait.

        Returns:
            None if there was no call.
        """
        __tracebackhide__ = True
        taken: list[Connection] = []

        def read() -> bool:
            connection = self.log.claim(to, since)
            if connection is not None and self._engine.request("sift_claim", connection_id=connection.connection_id):
                taken.append(connection)
            return bool(taken)

        return taken[0] if self.wait_for(read, seconds) else None


def _value(data: Mapping[str, Any]) -> Any:
    if data["kind"] == "json":
        return data["data"]
    return getattr(models, data["kind"]).read(data["data"])
