"""Where runs go and with which keys: the platform, or the lab that belongs to this session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_sipfront.errors import ConfigurationError
from pytest_sipfront.plugin.credentials import PUBLIC_KEY_NAMES, SECRET_KEY_FILE, SECRET_KEY_NAMES, find_keys
from pytest_sipfront.plugin.options import Settings
from pytest_sipfront.secret import Secret

if TYPE_CHECKING:
    from pytest_sipfront.lab import LabProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class SipfrontTarget:
    """A base URL and the key pair for it."""

    base_url: str
    public_key: Secret
    secret_key: Secret


def platform_access(settings: Settings) -> SipfrontTarget:
    """Return the access to the platform.

    Raises:
        ConfigurationError: Credentials are missing: an error, never a skip, since a skipped suite looks green.
    """
    __tracebackhide__ = True
    keys = find_keys()
    if isinstance(keys, str):
        raise ConfigurationError(
            keys,
            evidence={
                "public key": f"environment variable {' or '.join(PUBLIC_KEY_NAMES)}",
                "secret key": f"environment variable {' or '.join((*SECRET_KEY_NAMES, SECRET_KEY_FILE))}",
            },
            hint="Make a key pair at https://app.sipfront.com/subscription/apikey, or run without an account: "
            "--sipfront-lab",
        )
    return SipfrontTarget(base_url=settings.base_url, public_key=keys.public_key, secret_key=keys.secret_key)


class SessionLab:
    """The lab of this session: started at first need, ended with the session. Workers are told of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: LabProcess | None = None

    def check(self) -> str:
        """Read the lab's file, so that a mistake in it shows before anything is started; return how it judges runs.

        Raises:
            ConfigurationError: The file has mistakes. The text lists all, with file, line and key path.
        """
        from pytest_sipfront.lab import LabError, check_lab_file  # noqa: PLC0415 - only sessions on the lab pay

        try:
            return check_lab_file(self._settings.lab_file)
        except LabError as error:
            raise ConfigurationError(str(error)) from None

    def describe(self) -> dict[str, str]:
        """Start the lab if it is not running, and return what a worker needs to reach it: its keys open nothing else.

        Raises:
            ConfigurationError: It did not start.
        """
        __tracebackhide__ = True
        from pytest_sipfront.lab import LabError, start_lab  # noqa: PLC0415 - only sessions on the lab pay

        if self._process is None:
            try:
                self._process = start_lab(self._settings.lab_file)
            except LabError as error:
                raise ConfigurationError(str(error)) from None
        lab = self._process
        return {"url": lab.url, "public_key": lab.public_key, "secret_key": lab.secret_key}

    def close(self) -> None:
        """End the lab."""
        if self._process is not None:
            self._process.close()
            self._process = None


def lab_access(describe: Callable[[], Mapping[str, Any]]) -> SipfrontTarget:
    """Return the access to the lab that `describe` tells of."""
    __tracebackhide__ = True
    lab = describe()
    return SipfrontTarget(
        base_url=lab["url"], public_key=Secret(lab["public_key"]), secret_key=Secret(lab["secret_key"])
    )
