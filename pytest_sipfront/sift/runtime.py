"""What a session has open towards Sift: the client, the receiver of callbacks, and the loop that both run on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

import httpx

from pytest_sipfront.clients.sift.client import SiftClient
from pytest_sipfront.clients.sift.routine import HangUp
from pytest_sipfront.engine.loop_thread import LoopThread
from pytest_sipfront.errors import ConfigurationError, SipfrontError
from pytest_sipfront.sift.wait_policy import Patience

if TYPE_CHECKING:
    from pytest_sipfront.clients.sift.receiver import Receiver

P = ParamSpec("P")
T = TypeVar("T")
CHECK_TIMEOUT = 10.0
_WHERE = "--sift-callback-url (SIFT_CALLBACK_URL, ini sift_callback_url)"


class SiftRuntime:
    """An open line. Its methods may be called from any thread."""

    def __init__(self, client: SiftClient, receiver: Receiver, patience: Patience) -> None:
        self.client, self.receiver, self.patience = client, receiver, patience
        self.record = receiver.record
        self._background = LoopThread()
        self._checked = False

    def open(self) -> None:
        """Start to receive."""
        self._background.wait(self.receiver.start)

    def ask(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a coroutine function on the loop and return its result.

        Raises:
            SipfrontError: As the client's method does.
        """
        __tracebackhide__ = True
        return self._background.wait(partial(function, *args, **kwargs))

    def check(self, base_url: str) -> None:
        """Call the callback address once, as Sift would, before anything is dialled.

        Raises:
            ConfigurationError: It cannot be reached, or somebody else answers there.
        """
        __tracebackhide__ = True
        if not self._checked:
            address = self.receiver.address("check", "callback")
            if _is_local(address) and not _is_local(base_url):
                raise ConfigurationError(
                    f"Sift at {base_url} cannot post callbacks to this machine's own {_bare(address)}; nothing was "
                    "dialled",
                    hint=f"Set {_WHERE} to the public address of a tunnel or proxy that leads here.",
                )
            self.ask(_reach, address)
            self._checked = True

    def close(self) -> None:
        """Hang up incoming calls that no test took, stop receiving and close all connections."""
        try:
            for connection in self.record.unclaimed():
                with suppress(SipfrontError):
                    self.ask(self.client.set_routine, connection.connection_id, [HangUp()])
            self.ask(self.receiver.stop)
            self.ask(self.client.close)
        finally:
            self._background.close()


async def _reach(address: str) -> None:
    problem: str
    try:
        async with httpx.AsyncClient(trust_env=not _is_local(address), timeout=CHECK_TIMEOUT) as client:
            answer = await client.get(address, follow_redirects=True)
        if answer.is_success and _json(answer) == {"check": ["callback"]}:
            return
        problem = f"somebody else answers there, with {answer.status_code} {answer.reason_phrase}"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        problem = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    raise ConfigurationError(
        f"the callback URL {_bare(address)} does not lead to this session: {problem}; nothing was dialled",
        hint=f"Let the tunnel or proxy lead to the address of --sift-listen, or correct {_WHERE}.",
    ) from None


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _bare(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
