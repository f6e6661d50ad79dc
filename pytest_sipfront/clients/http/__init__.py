"""An HTTP client for one service at one origin.

It decides which requests may be sent again: a GET always, a launch only if it never arrived or was plainly refused.
It also reads every response within limits of size and time, and cleans all text that the service sends.
"""

from __future__ import annotations

from pytest_sipfront.clients.authorization import Basic, Bearer, Credentials
from pytest_sipfront.clients.http.client import Closable, HttpClient, Response
from pytest_sipfront.clients.http.timeouts import Timeouts, Timing
from pytest_sipfront.clients.http.tls_and_proxy import proxy_for
from pytest_sipfront.clients.http.urls import is_loopback
from pytest_sipfront.clients.service_text import clean, error_message, one_line

__all__ = [
    "Basic",
    "Bearer",
    "Closable",
    "Credentials",
    "HttpClient",
    "Response",
    "Timeouts",
    "Timing",
    "clean",
    "error_message",
    "is_loopback",
    "one_line",
    "proxy_for",
]
