"""The calls of a pytest session. The line to Sift opens at the first need."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_sipfront.errors import ConfigurationError
from pytest_sipfront.extras import missing_extra
from pytest_sipfront.plugin.options import Settings
from pytest_sipfront.plugin.sift_options import SiftSettings, SiftTarget
from pytest_sipfront.plugin.sigterm import SigtermHandler
from pytest_sipfront.secret import Secret

if TYPE_CHECKING:
    from pytest_sipfront.sift.runtime import SiftRuntime

EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - refused, where nothing says how it is reached


class SiftSession:
    """Keeps the line to Sift."""

    def __init__(
        self, settings: SiftSettings, manners: Settings, access: Callable[[], SiftTarget], *, dialling: bool = True
    ) -> None:
        """Prepare; nothing is opened before the first need.

        Args:
            settings: What is in force for Sift.
            manners: What is in force for both services: time limits and authorities.
            access: Finds base URL and credentials at first need.
            dialling: False where nothing may be sent at all.
        """
        self.settings = settings
        self._manners = manners
        self._access, self._dialling = access, dialling
        self._interrupts = SigtermHandler()
        self._line: SiftRuntime | None = None
        self._base_url = ""

    def line(self) -> SiftRuntime:
        """Return the open line.

        Raises:
            SipfrontError: It cannot be opened.
        """
        __tracebackhide__ = True
        if not self._dialling:
            raise ConfigurationError("nothing is sent to Sift with --setup-only and --setup-plan")
        if reason := missing_extra("sift", "a call with Sift"):
            raise ConfigurationError(reason)
        if self._line is None:
            access = self._access()
            self._base_url = access.base_url
            self._line = _open(self.settings, self._manners, access)
        self._interrupts.follow(live=True)  # a build that is aborted hangs up
        return self._line

    def ready(self) -> SiftRuntime:
        """Return the open line, once it is certain that callbacks arrive.

        Raises:
            ConfigurationError: They cannot.
        """
        __tracebackhide__ = True
        line = self.line()
        line.check(self._base_url)
        return line

    @property
    def strays(self) -> tuple[str, ...]:
        """What was received for nobody, one line each."""
        return () if self._line is None else tuple(map(str, self._line.record.strays))

    def close(self) -> None:
        """Close the line."""
        self._interrupts.follow(live=False)
        if self._line is not None:
            line, self._line = self._line, None
            line.close()


def _open(settings: SiftSettings, manners: Settings, access: SiftTarget) -> SiftRuntime:
    # Sessions without a call never pay for these.
    from pytest_sipfront.clients.http import Timeouts  # noqa: PLC0415
    from pytest_sipfront.clients.sift.callback_log import CallbackLog  # noqa: PLC0415
    from pytest_sipfront.clients.sift.client import SiftClient, SiftHttpClient  # noqa: PLC0415
    from pytest_sipfront.clients.sift.receiver import Receiver, bind  # noqa: PLC0415
    from pytest_sipfront.sift.runtime import SiftRuntime  # noqa: PLC0415
    from pytest_sipfront.sift.wait_policy import Patience  # noqa: PLC0415

    http = SiftHttpClient(
        access.base_url,
        access.credentials,
        service="Sift",
        limits=Timeouts(connect=manners.connect_timeout, read=manners.read_timeout, retry=manners.retry_for),
        ca_bundle=manners.ca_bundle,
        trust_env=not access.on_lab,
    )
    host, port = settings.listen
    if not settings.callback_url and host in EVERYWHERE:
        raise ConfigurationError(
            f"the receiver of Sift's callbacks listens on {host}, which is no address that Sift could post to",
            hint="Say under which it is reached: --sift-callback-url (SIFT_CALLBACK_URL, ini sift_callback_url).",
        )
    try:
        listening = bind(host, port)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"the receiver of Sift's callbacks cannot listen on {host}:{port}: {reason}",
            hint="Set --sift-listen (SIFT_LISTEN, ini sift_listen) to a free address; with several workers, port 0.",
        ) from None
    token = access.token or Secret(secrets.token_urlsafe(24))
    record = CallbackLog(scrub=lambda text: access.credentials.scrub(token.scrub(text)), account_id=access.account_id)
    receiver = Receiver(record, listening, settings.callback_url, token.reveal())
    line = SiftRuntime(SiftClient(http), receiver, Patience(callback=settings.callback_timeout))
    line.open()
    return line
