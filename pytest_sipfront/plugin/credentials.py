"""The key pair: from the environment, or from a file that it names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_sipfront.secret import Secret

PUBLIC_KEY_NAMES = ("SIPFRONT_PUBLIC_KEY", "SF_API_PUBLIC_KEY", "SF_API_KEY")
SECRET_KEY_NAMES = ("SIPFRONT_SECRET_KEY", "SF_API_SECRET_KEY", "SF_API_SECRET")
SECRET_KEY_FILE = "SIPFRONT_SECRET_KEY_FILE"  # noqa: S105 - a name


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """The credentials found, and the name of what each half came from."""

    public_key: Secret
    secret_key: Secret
    source: str


def find_keys(environment: Mapping[str, str] = os.environ) -> KeyPair | str:
    """Return the key pair from the environment, or on one line what is missing."""
    public_name = next((n for n in PUBLIC_KEY_NAMES if environment.get(n, "").strip()), None)
    secret_name = next((n for n in SECRET_KEY_NAMES if environment.get(n, "").strip()), None)
    secret = environment[secret_name].strip() if secret_name else ""
    if not secret and environment.get(SECRET_KEY_FILE):
        secret_name = SECRET_KEY_FILE
        try:
            secret = Path(environment[SECRET_KEY_FILE]).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            return f"{SECRET_KEY_FILE} names {environment[SECRET_KEY_FILE]}, which cannot be read: {reason}"
        if not secret:
            return f"{SECRET_KEY_FILE} names {environment[SECRET_KEY_FILE]}, which is empty"
    if public_name and secret_name:
        return KeyPair(
            public_key=Secret(environment[public_name].strip()),
            secret_key=Secret(secret),
            source=f"{public_name} and {secret_name}",
        )
    missing = [n for n, found in ((PUBLIC_KEY_NAMES[0], public_name), (SECRET_KEY_NAMES[0], secret_name)) if not found]
    return f"no credentials: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set"
