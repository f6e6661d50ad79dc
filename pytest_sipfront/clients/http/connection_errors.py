"""Causes of failed connections in words, each with a hint that names the setting to check."""

from __future__ import annotations

import os
import socket
import ssl

import httpx

CA_HINT = (
    "If your company signs certificates itself, set --sipfront-ca-bundle, SIPFRONT_CA_BUNDLE or sipfront_ca_bundle "
    "to its certificate authorities."
)
_PROXY_HINT = "The proxy comes from HTTP_PROXY, HTTPS_PROXY or ALL_PROXY. NO_PROXY lists hosts to reach directly."
_RENEW_HINT = "The operator of the server must renew its certificate, unless the clock of this machine is wrong."
_CLOCK_HINT = "Check the clock of this machine."
_EXPIRED, _NOT_YET_VALID, _OTHER_HOST = 10, 9, {62, 64}  # OpenSSL's codes of failed verifications
_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL"}


def explain(error: httpx.HTTPError, setting: str, *, is_plain: bool, has_proxy: bool) -> tuple[str, str]:
    """Return the cause of a failed request, and a hint, which may be "".

    Args:
        error: The failure.
        setting: The names of the setting with the base URL; "" if it cannot be changed.
        is_plain: Whether the request was sent without TLS.
        has_proxy: Whether the request went through a proxy.
    """
    root = _root(error)
    check_url = f"Check the base URL: {setting}." if setting else ""
    if isinstance(root, ssl.SSLCertVerificationError):
        return _certificate(root, check_url)
    if isinstance(root, ssl.SSLError) and root.reason in _NO_TLS:
        hint = f"If the port is right, the base URL must begin with http://: {setting}." if setting else ""
        return f"the server does not use TLS on this port ({root.reason})", hint
    hint = ""
    if has_proxy:
        hint = _PROXY_HINT
    elif isinstance(error, httpx.ConnectError):
        hint = check_url
    elif is_plain and setting and not isinstance(error, httpx.TimeoutException):
        hint = f"If the server expects TLS, the base URL must begin with https://: {setting}."
    if isinstance(root, socket.gaierror):
        return f"the host name cannot be resolved ({root.strerror})", hint
    return _operating_system(error, root), hint


def _certificate(error: ssl.SSLCertVerificationError, check_url: str) -> tuple[str, str]:
    reason = f"certificate verify failed: {error.verify_message}"
    if error.verify_code == _EXPIRED:
        return "the certificate of the server has expired", _RENEW_HINT
    if error.verify_code == _NOT_YET_VALID:
        return "the certificate of the server is not valid yet", _CLOCK_HINT
    return reason.rstrip("."), check_url if error.verify_code in _OTHER_HOST else CA_HINT


def _operating_system(error: httpx.HTTPError, root: BaseException) -> str:
    """Return the operating system's text for the failure, since some of httpx's errors have no text."""
    text = str(error)
    if isinstance(root, ConnectionError) and root.errno:
        text = os.strerror(root.errno)  # asyncio replaces the text of the operating system
    elif isinstance(root, OSError) and root.strerror:
        text = root.strerror
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _root(error: BaseException) -> BaseException:
    """Return the first cause. If several addresses of a host were tried, it is the first address's error."""
    if isinstance(error, BaseExceptionGroup):
        return _root(error.exceptions[0])
    cause = error.__cause__ or error.__context__
    # what is handled when a host name is looked up is no cause of the result
    return error if cause is None or isinstance(error, socket.gaierror) else _root(cause)
