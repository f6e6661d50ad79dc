"""The key pair for the platform: from the environment, or from a file that the environment names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_sipfront.secret import Secret

PUBLIC_KEY_NAMES = ("SIPFRONT_PUBLIC_KEY", "SF_API_PUBLIC_KEY", "SF_API_KEY")
SECRET_KEY_NAMES = ("SIPFRONT_SECRET_KEY", "SF_API_SECRET_KEY", "SF_API_SECRET")
KEYS_URL = "https://app.sipfront.com/subscription/apikey"
SECRET_KEY_FILE = "SIPFRONT_SECRET_KEY_FILE"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A key pair, and the names of the environment variables that it comes from."""

    public_key: Secret
    secret_key: Secret
    source: str


def find_keys(environment: Mapping[str, str] = os.environ) -> KeyPair | str:
    """Return the key pair, or an error message. No exception is raised, since a traceback could show the keys."""
    public_name = next((n for n in PUBLIC_KEY_NAMES if environment.get(n, "").strip()), None)
    secret_name = next((n for n in SECRET_KEY_NAMES if environment.get(n, "").strip()), None)
    secret = environment[secret_name].strip() if secret_name else ""
    path = environment.get(SECRET_KEY_FILE)
    if not secret and path:
        secret_name = SECRET_KEY_FILE
        try:
            secret = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text file"
            return f"cannot read the file {path} named by {SECRET_KEY_FILE}: {reason}"
        if not secret:
            return f"the file {path} named by {SECRET_KEY_FILE} is empty"
    if public_name and secret_name:
        public = environment[public_name].strip()
        for name, value in ((public_name, public), (secret_name, secret)):
            if problem := invalid_credential(value):
                return f"{name} {problem}"
        return KeyPair(public_key=Secret(public), secret_key=Secret(secret), source=f"{public_name} and {secret_name}")
    missing = [n for n, name in ((PUBLIC_KEY_NAMES[0], public_name), (SECRET_KEY_NAMES[0], secret_name)) if not name]
    return f"no credentials: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set"


def invalid_credential(value: str) -> str:
    """Return why `value` cannot be sent in a request header, or "". The message does not contain the value."""
    if value.isascii() and value.isprintable():
        return ""
    return "must contain printable ASCII characters only (its value is not shown)"
