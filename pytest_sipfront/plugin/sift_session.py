"""The Sift side of a pytest session, in `config.stash`: its connection to Sift, and the calls of each test."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pytest_sipfront.errors import ConfigurationError
from pytest_sipfront.extras import missing_extra
from pytest_sipfront.plugin.options import Settings
from pytest_sipfront.plugin.sift_options import SiftSettings, SiftTarget
from pytest_sipfront.plugin.sigterm import SigtermHandler
from pytest_sipfront.secret import Secret

if TYPE_CHECKING:
    from pytest_sipfront.errors import CallFailed
    from pytest_sipfront.sift.call import Call
    from pytest_sipfront.sift.calls import Calls
    from pytest_sipfront.sift.runtime import SiftRuntime

WILDCARD_ADDRESSES = frozenset({"0.0.0.0", "::"})  # noqa: S104 - rejected unless a callback URL is set


class SiftSession:
    """Opens the connection to Sift for the first call, and knows the calls of each test.

    Attributes:
        worker_unmatched: Callbacks of xdist workers that belong to no call, one line each.
    """

    def __init__(
        self, settings: SiftSettings, common: Settings, target: Callable[[], SiftTarget], *, dialling: bool = True
    ) -> None:
        """Prepare; no connection is opened before the first call.

        Args:
            settings: The settings for Sift.
            common: The settings for both services: time limits and certificate authorities.
            target: Returns base URL and credentials.
            dialling: False if no request may be sent (`--setup-only`).
        """
        self.worker_unmatched: list[str] = []
        self._settings, self._common = settings, common
        self._target, self._dialling = target, dialling
        self._sigterm = SigtermHandler()
        self._runtime: SiftRuntime | None = None
        self._base_url = ""
        self._calls: dict[pytest.Item, Calls] = {}
        self._failures: dict[pytest.Item, CallFailed] = {}

    # ---- connection

    def runtime(self) -> SiftRuntime:
        """Return the open connection to Sift.

        Raises:
            ConfigurationError: It cannot be opened.
        """
        __tracebackhide__ = True
        if not self._dialling:
            raise ConfigurationError("no request is sent to Sift with --setup-only and --setup-plan")
        if reason := missing_extra("sift", "a call with Sift"):
            raise ConfigurationError(reason)
        if self._runtime is None:
            target = self._target()
            self._base_url = target.base_url
            self._runtime = _open(self._settings, self._common, target)
        self._sigterm.follow(live=True)  # so that an aborted build hangs up
        return self._runtime

    def calling_runtime(self) -> SiftRuntime:
        """Return the open connection to Sift after a check that callbacks arrive.

        Raises:
            ConfigurationError: It cannot be opened, or callbacks do not arrive.
        """
        __tracebackhide__ = True
        runtime = self.runtime()
        runtime.check_callbacks(self._base_url)
        return runtime

    @property
    def unmatched(self) -> tuple[str, ...]:
        """The callbacks of this process that belong to no call, one line each."""
        return () if self._runtime is None else tuple(map(str, self._runtime.log.unmatched))

    def close(self) -> None:
        """Close the connection to Sift."""
        self._sigterm.follow(live=False)
        if self._runtime is not None:
            runtime, self._runtime = self._runtime, None
            runtime.close()

    # ---- calls of a test

    def keep(self, item: pytest.Item, calls: Calls) -> None:
        """Remember the calls of `item`."""
        self._calls[item] = calls

    def keep_failure(self, item: pytest.Item, failure: CallFailed) -> None:
        """Remember that the call of the marker failed. It is raised when the test is called."""
        self._failures[item] = failure

    def calls(self, item: pytest.Item) -> list[Call]:
        """Return the calls of `item`, in order."""
        calls = self._calls.get(item)
        return calls.all if calls is not None else []

    def failure(self, item: pytest.Item) -> CallFailed | None:
        """Return why the call of the marker failed; None if it did not."""
        return self._failures.get(item)

    def forget(self, item: pytest.Item) -> None:
        """Forget the calls of an earlier attempt at `item`."""
        self._calls.pop(item, None)
        self._failures.pop(item, None)


SIFT = pytest.StashKey[SiftSession]()


def _open(settings: SiftSettings, common: Settings, target: SiftTarget) -> SiftRuntime:
    # Only sessions with a call import these.
    from pytest_sipfront.clients.http import HttpClient, Timeouts  # noqa: PLC0415
    from pytest_sipfront.clients.sift.callback_log import CallbackLog  # noqa: PLC0415
    from pytest_sipfront.clients.sift.client import SiftClient  # noqa: PLC0415
    from pytest_sipfront.clients.sift.receiver import Receiver, bind  # noqa: PLC0415
    from pytest_sipfront.sift.runtime import SiftRuntime  # noqa: PLC0415
    from pytest_sipfront.sift.wait_policy import CallTimeouts  # noqa: PLC0415

    http = HttpClient(
        target.base_url,
        target.credentials,
        service="Sift",
        limits=Timeouts(connect=common.connect_timeout, read=common.read_timeout, retry=common.retry_for),
        ca_bundle=common.ca_bundle,
        trust_env=not target.on_lab,
    )
    host, port = settings.listen
    if not settings.callback_url and host in WILDCARD_ADDRESSES:
        raise ConfigurationError(
            f"the callback receiver listens on {host}, which is not an address that Sift can post to",
            hint="Set its public URL: --sift-callback-url (SIFT_CALLBACK_URL, ini sift_callback_url).",
        )
    try:
        listening = bind(host, port)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"the callback receiver cannot listen on {host}:{port}: {reason}",
            hint="Set --sift-listen (SIFT_LISTEN, ini sift_listen) to a free address; with xdist workers, use port 0.",
        ) from None
    token = target.token or Secret(secrets.token_urlsafe(24))
    log = CallbackLog(scrub=lambda text: target.credentials.scrub(token.scrub(text)), account_id=target.account_id)
    receiver = Receiver(log, listening, settings.callback_url, token.reveal())
    runtime = SiftRuntime(SiftClient(http), receiver, CallTimeouts(callback=settings.callback_timeout))
    runtime.open()
    return runtime
