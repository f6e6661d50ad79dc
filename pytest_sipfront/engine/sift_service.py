"""Sift for the pytest processes of a session: requests to its API, and the receiver of its callbacks.

Callbacks wait here until the process that owns their call fetches them. Calls themselves, their state and their time
limits are the business of that process.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import httpx

from pytest_sipfront.clients.authorization import credentials_of
from pytest_sipfront.clients.http import HttpClient, Timeouts, clean, is_loopback, one_line, proxy_for
from pytest_sipfront.clients.sift.call_inbox import INCOMING
from pytest_sipfront.clients.sift.client import SiftClient
from pytest_sipfront.clients.sift.models import find_connection
from pytest_sipfront.clients.sift.routine import HangUp
from pytest_sipfront.errors import ConfigurationError, SipfrontError
from pytest_sipfront.secret import Secret

Fields: TypeAlias = dict[str, Any]
METHODS = frozenset(
    {
        *("connection", "create_connection", "send_commands", "conversation", "upload_media"),
        *("create_application", "request"),
    }
)
LISTS = frozenset({"connections", "conversations", "applications", "phone_numbers", "available_numbers"})
WILDCARD_ADDRESSES = frozenset({"0.0.0.0", "::"})  # noqa: S104 - rejected unless a callback URL is set
CHECK_TIMEOUT = 10.0
_CAPACITY = 100_000
_SETTING = "--sift-callback-url (SIFT_CALLBACK_URL, ini sift_callback_url)"


class CallbackRouter:
    """Keeps each callback for the process that owns its call. It has the methods that a `Receiver` calls."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._owners: dict[str, str] = {}
        self._callbacks: dict[str, list[Fields]] = {}
        self._incoming: dict[str, bool] = {}
        self._arrivals: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def join(self, process: str) -> None:
        """Keep callbacks for a process from now on."""
        self._callbacks.setdefault(process, [])

    def own(self, process: str, key: str) -> None:
        """Note that a process made the call `key`."""
        self._owners[key] = process

    def deliver(self, kind: str, key: str, number: int, body: Any, raw: str) -> str:
        """Keep a callback for its process. Incoming calls are announced to all processes."""
        entry = {"kind": kind, "key": key, "number": number, "body": body, "raw": raw}
        if kind == INCOMING:
            connection = find_connection(body)
            if connection is not None and connection.connection_id:
                self._incoming.setdefault(connection.connection_id, False)
            self._keep(entry, list(self._callbacks))
        else:
            self._keep(entry, [self._owners[key]] if key in self._owners else list(self._callbacks)[:1])
        return ""

    def add(self, kind: str, raw: str, unmatched: str) -> None:
        """Keep a request that is no callback for the first process, which reports it."""
        self._keep({"kind": kind, "raw": raw, "unmatched": unmatched}, list(self._callbacks)[:1])

    async def fetch(self, process: str, after: int, seconds: float) -> list[Fields]:
        """Return the callbacks for a process with numbers above `after`. Wait up to `seconds` for the first one."""
        kept = self._callbacks[process]
        kept[:] = [entry for entry in kept if entry["index"] > after]
        if not kept and seconds > 0:
            self._arrivals[process].clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrivals[process].wait(), seconds)
        return list(kept)

    def claim(self, connection_id: str) -> bool:
        """Take an incoming call; False if another process has taken it."""
        is_free = not self._incoming.get(connection_id, False)
        self._incoming[connection_id] = True
        return is_free

    @property
    def unclaimed(self) -> list[str]:
        """The ids of incoming calls that no test took."""
        return [connection_id for connection_id, is_claimed in self._incoming.items() if not is_claimed]

    def _keep(self, entry: Fields, processes: list[str]) -> None:
        entry |= {"index": next(self._numbers), "at": time.monotonic()}
        for process in processes:
            if len(self._callbacks[process]) < _CAPACITY:
                self._callbacks[process].append(entry)
            self._arrivals[process].set()


class SiftOperations:
    """Sift for one session. Every public coroutine is an operation of the channel."""

    def __init__(self) -> None:
        self._opening = asyncio.Lock()
        self._router = CallbackRouter()
        self._responses: Any = None  # RoutineResponses; None if all responses are empty
        self._client: SiftClient | None = None
        self._receiver: Any = None  # a Receiver, whose module is imported with the first call
        self._base_url = ""
        self._is_checked = False
        self._lists: dict[str, AsyncIterator[Any]] = {}
        self._list_numbers = itertools.count(1)

    async def sift_open(self, process: str, settings: Fields) -> Fields:
        """Open client and receiver, if no process has, and return the prefix of all callback URLs.

        Raises:
            ConfigurationError: The receiver cannot listen.
        """
        async with self._opening:
            if self._client is None:
                await self._open(settings)
        self._router.join(process)
        return {"address": self._receiver.address(), "incoming_url": self._receiver.incoming_url}

    async def sift_check(self) -> None:
        """Request the callback URL once before the first call, as Sift would.

        Raises:
            ConfigurationError: The URL cannot be reached, or another server answers.
        """
        async with self._opening:
            if not self._is_checked:
                await self._check(self._receiver.address("check", "callback"))
                self._is_checked = True

    async def sift_call(self, method: str, arguments: list[Any], options: Fields) -> Any:
        """Return what a method of the Sift client returns."""
        if method not in METHODS or self._client is None:
            raise SipfrontError(f"the Sift client has no method {method!r}")
        if method == "upload_media":
            arguments = [base64.b64decode(arguments[0]), *arguments[1:]]
        if "within" in options:
            options["deadline"] = time.monotonic() + options.pop("within")
        return _to_wire(await getattr(self._client, method)(*arguments, **options))

    async def sift_list(self, method: str, arguments: list[Any], options: Fields) -> str:
        """Begin to iterate over a list, and return the id for `sift_next`."""
        if method not in LISTS or self._client is None:
            raise SipfrontError(f"the Sift client has no list {method!r}")
        number = str(next(self._list_numbers))
        self._lists[number] = getattr(self._client, method)(*arguments, **options)
        return number

    async def sift_next(self, number: str) -> list[Any]:
        """Return the next entry of a list, as a list of one; an empty one at the end."""
        try:
            return [_to_wire(await anext(self._lists[number]))]
        except StopAsyncIteration:
            del self._lists[number]
            return []

    async def sift_own(self, process: str, key: str) -> None:
        """Let the callbacks of a call go to the process that made it."""
        self._router.own(process, key)
        if self._responses is not None:
            self._responses.expect(key)

    async def sift_first(self, key: str, commands: list[Any]) -> bool:
        """Put a call's first command into a response, see `RoutineResponses.hand_over`."""
        return self._responses is not None and await self._responses.hand_over(key, commands)

    async def sift_fetch(self, process: str, after: int, seconds: float) -> list[Fields]:
        """Return the callbacks for a process, see `CallbackRouter.fetch`."""
        return await self._router.fetch(process, after, seconds)

    async def sift_claim(self, connection_id: str) -> bool:
        """Take an incoming call; False if another process has taken it."""
        return self._router.claim(connection_id)

    async def end(self) -> None:
        """Hang up incoming calls that no test took, and close everything."""
        if self._client is None:
            return
        for connection_id in self._router.unclaimed:
            with suppress(SipfrontError):
                await self._client.set_routine(connection_id, [HangUp()])
        await self._receiver.stop()
        await self._client.close()

    async def _open(self, settings: Fields) -> None:
        from pytest_sipfront.clients.sift.receiver import Receiver, bind  # noqa: PLC0415 - only sessions with a call

        host, port = settings["listen"]
        if not settings["callback_url"] and host in WILDCARD_ADDRESSES:
            raise ConfigurationError(
                f"the callback receiver listens on {host}, which is not an address that Sift can post to",
                hint="Set its public URL: --sift-callback-url (SIFT_CALLBACK_URL, ini sift_callback_url).",
            )
        http = HttpClient(
            settings["base_url"],
            credentials_of({name: Secret(part) for name, part in settings["credentials"].items()}),
            service="Sift",
            limits=Timeouts(
                connect=settings["connect_timeout"], read=settings["read_timeout"], retry=settings["retry_for"]
            ),
            ca_bundle=settings["ca_bundle"],
            trust_env=settings["trust_env"],
        )
        try:
            listening = bind(host, port)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigurationError(
                f"the callback receiver cannot listen on {host}:{port}: {reason}",
                hint="Set --sift-listen (SIFT_LISTEN, ini sift_listen) to a free address.",
            ) from None
        token = settings["token"] or secrets.token_urlsafe(24)
        if settings["callback_response"] == "routine":
            from pytest_sipfront.engine.routine_responses import RoutineResponses  # noqa: PLC0415 - as above

            self._responses = RoutineResponses()
        self._receiver = Receiver(self._router, listening, settings["callback_url"], token, self._responses)
        self._client, self._base_url = SiftClient(http), settings["base_url"]
        await self._receiver.start()

    async def _check(self, url: str) -> None:
        if is_loopback(_host(url)) and not is_loopback(_host(self._base_url)):
            raise ConfigurationError(
                f"Sift at {self._base_url} cannot post callbacks to {_origin(url)} on this machine; no call was placed",
                hint=f"Set {_SETTING} to the public URL of a tunnel or proxy that leads to this machine.",
            )
        try:
            async with httpx.AsyncClient(trust_env=False, proxy=proxy_for(url), timeout=CHECK_TIMEOUT) as client:
                response = await client.get(url, follow_redirects=True)
            if response.is_success and _json(response) == {"check": ["callback"]}:
                return
            status = one_line(f"{response.status_code} {clean(response.reason_phrase)}")
            reason = f"another server answers with {status}"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = one_line(clean(f"{type(error).__name__}: {error}")).removesuffix(":")
        raise ConfigurationError(
            f"the callback URL {_origin(url)} does not lead to this session: {reason}; no call was placed",
            hint=f"Make the tunnel or proxy forward to the address of --sift-listen, or correct {_SETTING}.",
        )


def _to_wire(value: Any) -> Fields:
    raw = getattr(value, "raw", None)
    if raw is not None:
        return {"kind": type(value).__name__, "data": dict(raw)}
    return {"kind": "json", "data": value}


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _origin(url: str) -> str:
    """Return the URL without its path, which is a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
