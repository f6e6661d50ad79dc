"""The Sift side of a pytest session, in `config.stash`: its connection to Sift, and the calls of each test."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from pytest_sipfront.errors import ConfigurationError, SipfrontError
from pytest_sipfront.extras import missing_extra
from pytest_sipfront.plugin.options import Settings
from pytest_sipfront.plugin.sift_options import SiftSettings, SiftTarget
from pytest_sipfront.plugin.sigterm import SigtermHandler

if TYPE_CHECKING:
    from pytest_sipfront.errors import CallFailed
    from pytest_sipfront.plugin.session_engine import SessionEngine
    from pytest_sipfront.sift.call import Call
    from pytest_sipfront.sift.calls import Calls
    from pytest_sipfront.sift.runtime import SiftRuntime


class SiftSession:
    """Opens the connection to Sift for the first call, and knows the calls of each test.

    Attributes:
        worker_unmatched: Callbacks of xdist workers that belong to no call, one line each.
    """

    def __init__(
        self,
        settings: SiftSettings,
        common: Settings,
        target: Callable[[], SiftTarget],
        engine: Callable[[], SessionEngine],
        *,
        dialling: bool = True,
    ) -> None:
        """Prepare; no connection is opened before the first call.

        Args:
            settings: The settings for Sift.
            common: The settings for both services: time limits and certificate authorities.
            target: Returns base URL and credentials.
            engine: Returns the session's engine.
            dialling: False if no request may be sent (`--setup-only`).
        """
        self.worker_unmatched: list[str] = []
        self._settings, self._common = settings, common
        self._target, self._engine, self._dialling = target, engine, dialling
        self._sigterm = SigtermHandler()
        self._runtime: SiftRuntime | None = None
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
        if self._common.replay is not None:
            raise ConfigurationError("calls with Sift are not recorded, so they cannot be replayed")
        if reason := missing_extra("sift", "a call with Sift"):
            raise ConfigurationError(reason)
        if self._runtime is None:
            target = self._target()
            self._runtime = _open(self._settings, self._common, target, self._engine())
        self._sigterm.follow(live=True)  # so that an aborted build hangs up
        return self._runtime

    def calling_runtime(self) -> SiftRuntime:
        """Return the open connection to Sift after a check that callbacks arrive.

        Raises:
            ConfigurationError: It cannot be opened, or callbacks do not arrive.
        """
        __tracebackhide__ = True
        runtime = self.runtime()
        runtime.check_callbacks()
        return runtime

    @property
    def unmatched(self) -> tuple[str, ...]:
        """The callbacks of this process that belong to no call, one line each."""
        if self._runtime is None:
            return ()
        with suppress(SipfrontError):
            self._runtime.receive()
        return tuple(map(str, self._runtime.log.unmatched))

    def close(self) -> None:
        """Put back the handler of SIGTERM. The engine closes the connection to Sift."""
        self._sigterm.follow(live=False)

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


def _open(settings: SiftSettings, common: Settings, target: SiftTarget, engine: SessionEngine) -> SiftRuntime:
    # Only sessions with a call import these.
    from pytest_sipfront.clients.sift.callback_log import CallbackLog  # noqa: PLC0415
    from pytest_sipfront.engine.client import monotonic, utcnow  # noqa: PLC0415
    from pytest_sipfront.sift.runtime import SiftRuntime  # noqa: PLC0415
    from pytest_sipfront.sift.wait_policy import CallTimeouts  # noqa: PLC0415

    given = target.credentials
    opening = {
        "base_url": target.base_url,
        "credentials": given.parts(),
        "token": target.token,
        "listen": list(settings.listen),
        "callback_url": settings.callback_url,
        "callback_response": settings.callback_response,
        "connect_timeout": common.connect_timeout,
        "read_timeout": common.read_timeout,
        "retry_for": common.retry_for,
        "ca_bundle": common.ca_bundle,
        "trust_env": not target.on_lab,
    }
    log = CallbackLog(
        scrub=lambda text: given.scrub(target.token.scrub(text)),
        account_id=target.account_id,
        now=monotonic,
        utcnow=utcnow,
    )
    return SiftRuntime(engine, opening, log, CallTimeouts(callback=settings.callback_timeout))
