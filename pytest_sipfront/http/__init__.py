"""Manners towards a service: origin, credentials, time limits, retries, and the text of its errors.

What may be sent again is decided by one question: could the first attempt have had an effect?
A GET has none. A launch has one unless it never arrived or was plainly refused.
"""

from __future__ import annotations

from pytest_sipfront.http.closing import Closing
from pytest_sipfront.http.credentials import Basic, Bearer, Credentials
from pytest_sipfront.http.limits import Limits, Timing, retry_after
from pytest_sipfront.http.origins import origin, without_userinfo
from pytest_sipfront.http.service import Answer, Http
from pytest_sipfront.http.words import TEXT_LIMIT, complaint, error_text, one_line

__all__ = [
    "TEXT_LIMIT",
    "Answer",
    "Basic",
    "Bearer",
    "Closing",
    "Credentials",
    "Http",
    "Limits",
    "Timing",
    "complaint",
    "error_text",
    "one_line",
    "origin",
    "retry_after",
    "without_userinfo",
]
