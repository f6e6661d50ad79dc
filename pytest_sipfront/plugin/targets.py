"""Where runs are sent and with which keys: the platform, or the lab of this session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_sipfront.errors import ConfigurationError
from pytest_sipfront.plugin.credentials import KEYS_URL, PUBLIC_KEY_NAMES, SECRET_KEY_FILE, SECRET_KEY_NAMES, find_keys
from pytest_sipfront.plugin.options import Settings
from pytest_sipfront.secret import Secret

if TYPE_CHECKING:
    from pytest_sipfront.lab import LabProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class SipfrontTarget:
    """A base URL and its key pair."""

    base_url: str
    public_key: Secret
    secret_key: Secret


def platform_target(settings: Settings) -> SipfrontTarget:
    """Return the platform and the keys for it.

    Raises:
        ConfigurationError: Credentials are missing or invalid. Skipping the tests instead would look like success.
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
            hint=f"Create a key pair at {KEYS_URL}, or run without an account: --sipfront-lab",
        )
    return SipfrontTarget(base_url=settings.base_url, public_key=keys.public_key, secret_key=keys.secret_key)


class SessionLab:
    """The lab of this session, shared with its xdist workers. It starts at its first use and ends with the session."""

    def __init__(self, settings: Settings, records: Callable[[], Path]) -> None:
        """Prepare; `records` returns the directory for the files of its runs."""
        self._settings, self._records = settings, records
        self._process: LabProcess | None = None

    def check(self) -> str:
        """Check the lab file before the first test, and return a description of how the lab decides verdicts.

        Raises:
            ConfigurationError: The lab file is invalid. The message lists all mistakes, with file, line and key path.
        """
        from pytest_sipfront.lab import LabError, check_lab_file  # noqa: PLC0415 - only with a lab

        try:
            return check_lab_file(self._settings.lab_file, self._settings.lab_calls)
        except LabError as error:
            raise ConfigurationError(str(error)) from None

    def describe(self) -> dict[str, str]:
        """Start the lab if it is not running, and return its URL, keys and token. They are valid for this lab only.

        Raises:
            ConfigurationError: The lab did not start.
        """
        __tracebackhide__ = True
        from pytest_sipfront.lab import LabError, start_lab  # noqa: PLC0415 - only with a lab

        if self._process is None:
            try:
                self._process = start_lab(
                    self._settings.lab_file,
                    calls=self._settings.lab_calls,
                    records=self._records(),
                    has_sound=self._settings.recordings,
                    masks=self._settings.mask_numbers,
                )
            except LabError as error:
                raise ConfigurationError(str(error)) from None
        lab = self._process
        keys = {"public_key": lab.public_key, "secret_key": lab.secret_key, "token": lab.token}
        return {"url": lab.url, **keys}

    def close(self) -> None:
        """Stop the lab."""
        if self._process is not None:
            self._process.close()
            self._process = None


def lab_target(describe: Callable[[], Mapping[str, Any]]) -> SipfrontTarget:
    """Return the lab with the URL and keys that `describe` returns."""
    __tracebackhide__ = True
    lab = describe()
    return SipfrontTarget(
        base_url=lab["url"], public_key=Secret(lab["public_key"]), secret_key=Secret(lab["secret_key"])
    )


def replay_target(base_url: str) -> SipfrontTarget:
    """Return the target of a replay: the recorded URL, to which no request is sent."""
    return SipfrontTarget(base_url=base_url, public_key=Secret("replayed"), secret_key=Secret("replayed"))
