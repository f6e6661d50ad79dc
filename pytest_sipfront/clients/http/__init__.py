"""Manners towards a service: origin, credentials, time limits, retries, and the text of its errors.

What may be sent again is decided by one question: could the first attempt have had an effect?
A GET has none. A launch has one unless it never arrived or was plainly refused.
"""

from __future__ import annotations

from pytest_sipfront.clients.http.authorization import Basic, Bearer, Credentials
from pytest_sipfront.clients.http.client import HttpClient, Response
from pytest_sipfront.clients.http.closing import Closing
from pytest_sipfront.clients.http.error_text import TEXT_LIMIT, complaint, error_text, one_line
from pytest_sipfront.clients.http.origins import origin, without_userinfo
from pytest_sipfront.clients.http.timeouts import Timeouts, Timing, retry_after

__all__ = [
    "TEXT_LIMIT",
    "Basic",
    "Bearer",
    "Closing",
    "Credentials",
    "HttpClient",
    "Response",
    "Timeouts",
    "Timing",
    "complaint",
    "error_text",
    "one_line",
    "origin",
    "retry_after",
    "without_userinfo",
]
