"""Manners towards a service: origin, credentials, time limits, retries, and the text of its errors.

What may be sent again is decided by one question: could the first attempt have had an effect?
A GET has none. A launch has one unless it never arrived or was plainly refused.
"""

from __future__ import annotations

import base64
import datetime as dt
import email.utils
import json
import random
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar
from urllib.parse import SplitResult, urlsplit

import anyio
import httpx
import tenacity

from pytest_sipfront.errors import (
    AuthenticationRefused,
    ForeignURL,
    NotFound,
    PlatformBusy,
    PlatformUnavailable,
    RequestRefused,
    SipfrontError,
    UnreadableAnswer,
)
from pytest_sipfront.secret import Secret

T = TypeVar("T")
USER_AGENT = "pytest-sipfront"
TEXT_LIMIT = 300
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NEVER_ARRIVED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


class Credentials(Protocol):
    """What a service is shown, and what must never be shown to anybody else."""

    def header(self) -> str:
        """Return the value of the Authorization header."""
        ...

    def scrub(self, text: str) -> str:
        """Return `text` without the secret: a server may echo what it was sent."""
        ...


@dataclass(frozen=True, slots=True)
class Basic:
    """A key pair for Basic authentication."""

    user: Secret
    password: Secret

    def header(self) -> str:
        """Return `Basic ...`."""
        pair = f"{self.user.reveal()}:{self.password.reveal()}".encode()
        return f"Basic {base64.b64encode(pair).decode('ascii')}"

    def scrub(self, text: str) -> str:
        """Return `text` without the password, plain or in its header's form."""
        return self.password.scrub(Secret(self.header().removeprefix("Basic ")).scrub(text))


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token for Bearer authentication."""

    token: Secret

    def header(self) -> str:
        """Return `Bearer ...`."""
        return f"Bearer {self.token.reveal()}"

    def scrub(self, text: str) -> str:
        """Return `text` without the token."""
        return self.token.scrub(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Time limits in seconds.

    Attributes:
        connect: To reach the service.
        read: Between two parts of an answer.
        retry: How long a request is tried again while it fails for reasons that may pass.
        first_wait, longest_wait: The bounds of the exponential wait between attempts, before jitter.
    """

    connect: float = 10.0
    read: float = 30.0
    retry: float = 60.0
    first_wait: float = 0.5
    longest_wait: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Clock, sleep and randomness, injected so that decisions can be tested without waiting."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    random: Callable[[], float] = random.random
    now: Callable[[], dt.datetime] = field(default=lambda: dt.datetime.now(dt.UTC))


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer: its parsed JSON and where it came from."""

    data: Any
    url: str


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of `url`, as they decide who gets to see credentials.

    Raises:
        ValueError: The URL has no usable host or port.
    """
    parts: SplitResult = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if not host or scheme not in _DEFAULT_PORTS:
        raise ValueError(f"not an absolute http(s) URL: {without_userinfo(url)}")
    return scheme, host, parts.port or _DEFAULT_PORTS[scheme]


def without_userinfo(url: str) -> str:
    """Return `url` without a user or password before its host."""
    return re.sub(r"(?<=//)[^/?#]*@", "", url, count=1)


def error_text(body: str) -> str:
    """Return what an error body says, on one bounded line."""
    try:
        return complaint(json.loads(body))
    except (ValueError, RecursionError):
        title = _TITLE.search(body)
        return one_line(f"an HTML page titled {title[1].strip()!r}" if title else re.sub(r"<[^>]*>", " ", body))


def complaint(data: Any) -> str:
    """Return what a parsed body complains of, on one bounded line; "" if it does not complain.

    The platform words its errors as `error`, `description`, `message` or a bare text.
    """
    if isinstance(data, Mapping):
        words = (complaint(data[key]) for key in ("error", "description", "message") if key in data)
        return next((text for text in words if text), "")
    return one_line(data) if isinstance(data, str) else ""


def one_line(text: str) -> str:
    """Return `text` on one bounded line."""
    line = " ".join(text.split())
    return line if len(line) <= TEXT_LIMIT else line[: TEXT_LIMIT - 1] + "…"


class Http:
    """One service at one origin, with its credentials."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        service: str = "Sipfront",
        limits: Limits | None = None,
        ca_bundle: str | None = None,
        trust_env: bool = True,
        timing: Timing | None = None,
    ) -> None:
        """Prepare; nothing is opened before the first request.

        Args:
            base_url: The service's URL; its origin is the only one that ever receives credentials.
            credentials: What the service is shown.
            service: Its name in the texts of errors.
            limits: Time limits.
            ca_bundle: A PEM file of the authorities to trust instead of the default ones.
            trust_env: Whether proxies are taken from the environment.
            timing: Clock, sleep and randomness.
        """
        self.base_url = base_url.rstrip("/")
        self._origin = origin(base_url)
        self._credentials = credentials
        self._service = service
        self._limits = limits or Limits()
        self._timing = timing or Timing()
        verify = (
            ssl.create_default_context(cafile=ca_bundle) if ca_bundle else httpx.create_ssl_context(trust_env=trust_env)
        )
        timeout = httpx.Timeout(self._limits.read, connect=self._limits.connect)

        def client(keepalive: int) -> httpx.AsyncClient:
            return httpx.AsyncClient(
                verify=verify,
                trust_env=trust_env,
                timeout=timeout,
                limits=httpx.Limits(max_connections=10, max_keepalive_connections=keepalive),
                headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
            )

        self._client = client(keepalive=10)
        # A kept connection may be closed by the server just as a launch goes out, and then nobody knows whether
        # the launch arrived. A fresh connection per launch leaves no such doubt.
        self._fresh = client(keepalive=0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()
        await self._fresh.aclose()

    def resolve(self, url: str) -> str:
        """Return the absolute form of a path or URL within the origin.

        Raises:
            ForeignURL: It leads to another host, port or scheme.
        """
        absolute = self.base_url + url if url.startswith("/") else url
        try:
            # httpx sends it, so its reading of the URL counts too
            same = origin(absolute) == origin(str(httpx.URL(absolute))) == self._origin
        except (ValueError, httpx.InvalidURL):
            same = False
        if not same:
            raise ForeignURL(
                f"{one_line(without_userinfo(absolute))} is outside {self.base_url}: "
                "not requested, no credentials sent",
                hint=f"If {self._service} is reached under that address, make it the base URL.",
            )
        return absolute

    async def get(
        self,
        url: str,
        read: Callable[[Answer], T],
        *,
        deadline: float | None = None,
        patience: tuple[type[SipfrontError], ...] = (),
    ) -> T:
        """GET a path or URL and read the answer, trying again while the failure may pass.

        Args:
            url: A path below the base URL or an absolute URL of the same origin.
            read: Makes the result of the answer, or raises.
            deadline: When to give up at the latest, on the clock.
            patience: More error types to try again on; busy and unavailable always are.

        Raises:
            SipfrontError: The last attempt's error, or one that trying again cannot mend.
        """
        absolute = self.resolve(url)
        transient: tuple[type[SipfrontError], ...] = (PlatformBusy, PlatformUnavailable, *patience)

        async def attempt() -> T:
            return read(await self._send("GET", absolute, self._client, deadline=deadline))

        return await self._retried(attempt, lambda error: isinstance(error, transient), deadline)

    async def post(self, path: str, body: Mapping[str, Any], *, form: bool = False) -> Answer:
        """POST what must not happen twice. It is sent again only if it certainly had no effect.

        Raises:
            PlatformUnavailable: With `arrived`, the request may have had its effect.
            SipfrontError: It had no effect; the error says why.
        """
        absolute = self.resolve(path)
        content: dict[str, Any] = {"data": body} if form else {"json": body}

        async def attempt() -> Answer:
            return await self._send("POST", absolute, self._fresh, **content)

        return await self._retried(attempt, _had_no_effect)

    async def request(
        self, method: str, path: str, *, body: Any = None, params: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request of any kind, once. For what is not published."""
        return await self._send(method, self.resolve(path), self._fresh, json=body, params=params)

    async def _retried(
        self,
        attempt: Callable[[], Awaitable[T]],
        transient: Callable[[BaseException], bool],
        deadline: float | None = None,
    ) -> T:
        __tracebackhide__ = True
        began = self._timing.clock()
        patient_until = began + self._limits.retry

        def out_of_time(state: tenacity.RetryCallState) -> bool:
            again = self._timing.clock() + state.upcoming_sleep
            if deadline is not None and again > deadline:
                return True
            # A platform that says when to come back is at work: within a deadline its hint is not held against it.
            return again > patient_until and not (deadline is not None and _hint(state) is not None)

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(transient),
            wait=self._wait,
            stop=out_of_time,
            sleep=self._timing.sleep,
            reraise=True,
        )
        try:
            return await retrying(attempt)
        except SipfrontError as error:
            attempts = retrying.statistics["attempt_number"]
            if attempts > 1:
                waited = self._timing.clock() - began
                error.explain({**error.evidence, "attempts": f"{attempts} in {waited:.1f} s"}, error.hint)
            raise error.with_traceback(None) from None

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """Exponential with up to half of it taken off at random; the server's own hint wins."""
        hint = _hint(state)
        if hint is not None:
            return hint
        wait = min(self._limits.first_wait * 2.0 ** (state.attempt_number - 1), self._limits.longest_wait)
        return wait * (1 - self._timing.random() / 2)

    async def _send(
        self,
        method: str,
        url: str,
        client: httpx.AsyncClient,
        *,
        deadline: float | None = None,
        **content: Any,
    ) -> Answer:
        __tracebackhide__ = True
        told = {"request": f"{method} {without_userinfo(url)}"}
        remaining = None if deadline is None else max(deadline - self._timing.clock(), 0.05)
        try:
            with anyio.fail_after(remaining):
                response = await client.request(method, url, auth=self._authorise, **content)
        except TimeoutError:
            failure = PlatformUnavailable("no answer by the run's deadline", arrived=True, evidence=told)
        except _NEVER_ARRIVED as error:
            failure = PlatformUnavailable(
                f"{self._service} ({origin(url)[1]}) cannot be reached: {self._credentials.scrub(_cause(error))}",
                arrived=False,
                evidence=told,
            )
        except httpx.HTTPError as error:
            failure = PlatformUnavailable(
                f"the connection to {self._service} ({origin(url)[1]}) broke: {self._credentials.scrub(_cause(error))}",
                arrived=True,
                evidence=told,
            )
        else:
            return self._read(response, told)
        raise failure from None

    def _authorise(self, request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = self._credentials.header()
        return request

    def _read(self, response: httpx.Response, told: dict[str, str]) -> Answer:
        __tracebackhide__ = True
        code = response.status_code
        said = "" if response.is_success else self._said(response)
        told = told | {"answer": f"{code} {response.reason_phrase}".strip()}
        words = f"{said} ({told['answer']})" if said else told["answer"]
        if response.is_success:
            return Answer(self._json(response, told), str(response.url))
        if code in {401, 403}:
            raise AuthenticationRefused(f"{self._service} refused the credentials: {words}", evidence=told)
        if code in {429, 503}:
            wait = retry_after(response.headers.get("Retry-After"), self._timing.now())
            raise PlatformBusy(f"{self._service} is busy: {words}", retry_after=wait, evidence=told)
        if response.is_server_error:
            raise PlatformUnavailable(f"{self._service} failed: {words}", arrived=True, evidence=told)
        if code == httpx.codes.NOT_FOUND:
            raise NotFound(f"{self._service} refused: {words}", evidence=told)
        if response.is_redirect:
            told["location"] = without_userinfo(response.headers.get("Location", ""))
            raise RequestRefused(
                f"{self._service} redirects ({code}) to {told['location']}: not followed, so that credentials stay",
                evidence=told,
            )
        raise RequestRefused(f"{self._service} refused: {words}", evidence=told)

    def _said(self, response: httpx.Response) -> str:
        """Scrub before the text is cut, which may leave half a secret, and after JSON's escapes are undone."""
        return self._credentials.scrub(error_text(self._credentials.scrub(response.text)))

    def _json(self, response: httpx.Response, told: dict[str, str]) -> Any:
        try:
            return response.json()
        except (ValueError, RecursionError):
            said = self._said(response) or "nothing"
            kind = response.headers.get("Content-Type", "no content type")
            raise UnreadableAnswer(
                f"{self._service} answered {response.status_code} with {kind} where JSON belongs: {said}",
                evidence=told,
            ) from None


def retry_after(header: str | None, now: dt.datetime) -> float | None:
    """Return the seconds that a `Retry-After` header asks for: a number, or an HTTP date; None if it is neither."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))  # in this order, "nan" is 0
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    return max((moment.replace(tzinfo=moment.tzinfo or dt.UTC) - now).total_seconds(), 0.0)


def _had_no_effect(error: BaseException) -> bool:
    return isinstance(error, PlatformBusy) or (isinstance(error, PlatformUnavailable) and not error.arrived)


def _hint(state: tenacity.RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, PlatformBusy) else None


def _cause(error: httpx.HTTPError) -> str:
    """Name the failure: httpx leaves some of its errors without a text."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
