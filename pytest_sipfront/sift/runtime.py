"""A session's connection to Sift: the client, the receiver of callbacks, and the event loop that runs both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

import httpx

from pytest_sipfront.clients.http import clean, is_loopback, one_line, proxy_for
from pytest_sipfront.clients.sift.client import SiftClient
from pytest_sipfront.clients.sift.routine import HangUp
from pytest_sipfront.engine.loop_thread import LoopThread
from pytest_sipfront.errors import ConfigurationError, SipfrontError
from pytest_sipfront.sift.wait_policy import CallTimeouts

if TYPE_CHECKING:
    from pytest_sipfront.clients.sift.receiver import Receiver

P = ParamSpec("P")
T = TypeVar("T")
CHECK_TIMEOUT = 10.0
_SETTING = "--sift-callback-url (SIFT_CALLBACK_URL, ini sift_callback_url)"


class SiftRuntime:
    """The open connection to Sift. Its methods may be called from any thread.

    Attributes:
        client: The API client.
        receiver: Receives callbacks.
        log: All callbacks of the session.
        timeouts: Time limits for callbacks.
    """

    def __init__(self, client: SiftClient, receiver: Receiver, timeouts: CallTimeouts) -> None:
        self.client, self.receiver, self.timeouts = client, receiver, timeouts
        self.log = receiver.log
        self._loop = LoopThread()
        self._checked = False

    def open(self) -> None:
        """Start the receiver."""
        self._loop.wait(self.receiver.start)

    def call(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a coroutine function on the event loop and return its result.

        Raises:
            SipfrontError: The coroutine raised it.
        """
        __tracebackhide__ = True
        return self._loop.wait(partial(function, *args, **kwargs))

    def check_callbacks(self, base_url: str) -> None:
        """Request the callback URL once before the first call, as Sift would.

        Args:
            base_url: The base URL of Sift.

        Raises:
            ConfigurationError: The URL cannot be reached, or another server answers.
        """
        __tracebackhide__ = True
        if self._checked:
            return
        url = self.receiver.address("check", "callback")
        if is_loopback(_host(url)) and not is_loopback(_host(base_url)):
            raise ConfigurationError(
                f"Sift at {base_url} cannot post callbacks to {_origin(url)} on this machine; no call was placed",
                hint=f"Set {_SETTING} to the public URL of a tunnel or proxy that leads to this machine.",
            )
        self.call(_check, url)
        self._checked = True

    def close(self) -> None:
        """Hang up incoming calls that no test took, stop the receiver and close all connections."""
        try:
            for connection in self.log.unclaimed():
                with suppress(SipfrontError):
                    self.call(self.client.set_routine, connection.connection_id, [HangUp()])
            self.call(self.receiver.stop)
            self.call(self.client.close)
        finally:
            self._loop.close()


async def _check(url: str) -> None:
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
    ) from None


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
