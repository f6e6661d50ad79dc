"""Requests to one service: where they may go, when they are sent again, and what the responses mean."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
import httpx
import tenacity

from pytest_sipfront.clients.authorization import Credentials
from pytest_sipfront.clients.http.connection_errors import explain
from pytest_sipfront.clients.http.timeouts import Timeouts, Timing, retry_after
from pytest_sipfront.clients.http.tls_and_proxy import certificate_authorities, proxy_for
from pytest_sipfront.clients.http.transport import Connect, RawResponse, Sender, Transport
from pytest_sipfront.clients.http.urls import destination, origin, without_userinfo
from pytest_sipfront.clients.service_text import clean, clean_json, error_message, one_line, plain_text
from pytest_sipfront.errors import (
    AuthenticationFailed,
    CrossOriginURL,
    InvalidResponse,
    NotFound,
    PlatformBusy,
    PlatformUnavailable,
    RequestRefused,
    SipfrontError,
)

T = TypeVar("T")
_NEVER_ARRIVED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_URL_LIMIT = 200
_MAY_BE_FULL = frozenset({409, 503})
_NO_CAPACITY = re.compile(r"capacity|concurren|too many|no (free |available )?agents?|all agents", re.IGNORECASE)


class Closable:
    """A client that is closed at the end of its `async with` block."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Response:
    """A 2xx response.

    Attributes:
        data: The parsed JSON with all text cleaned; None if the body is empty.
        url: The URL of the request.
        retry_after: Seconds until the next request makes sense; None if the service does not say.
    """

    data: Any
    url: str
    retry_after: float | None = None

    @property
    def evidence(self) -> dict[str, object]:
        """Request and response for the details of an error."""
        return {"request": self.url, "answer": one_line(str(self.data))}

    def is_not(self, service: str, expected: str) -> InvalidResponse:
        """Return the error for a response that is not what the documentation of `service` promises."""
        message = error_message(self.data)
        suffix = f": {message}" if message else ""
        return InvalidResponse(f"{service}'s answer is not {expected}{suffix}", evidence=self.evidence)


class HttpClient(Closable):
    """One service at one origin, with its credentials."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        service: str = "Sipfront",
        limits: Timeouts | None = None,
        ca_bundle: str | None = None,
        trust_env: bool = True,
        timing: Timing | None = None,
        connect: Connect = Transport,
    ) -> None:
        """Prepare; no connection is opened before the first request.

        Args:
            base_url: The service's URL. Credentials are sent to its origin only.
            credentials: The credentials for the service.
            service: Its name in error messages.
            limits: Time limits.
            ca_bundle: A PEM file of the certificate authorities to trust instead of the default ones.
            trust_env: Whether proxies and authorities are taken from the environment.
            timing: Clock, sleep and randomness.
            connect: Returns the transports. The recorder and the replay have their own.

        Raises:
            ConfigurationError: The certificate authorities or the proxy are unusable.
        """
        __tracebackhide__ = True
        self.base_url = base_url.rstrip("/")
        self._origin = origin(base_url)
        self._credentials = credentials
        self._service = service
        self._limits = limits or Timeouts()
        self._timing = timing or Timing()
        self._proxy = proxy_for(base_url) if trust_env else None
        authorities = certificate_authorities(ca_bundle, trust_env=trust_env)
        self._kept = connect(self._limits, authorities, self._proxy, keepalive=10)
        # A server may close an idle connection just when a launch is sent, and it would be unknown whether the launch
        # arrived. Therefore each launch opens a connection.
        self._fresh = connect(self._limits, authorities, self._proxy, keepalive=0)

    async def close(self) -> None:
        """Close all connections."""
        await self._kept.close()
        await self._fresh.close()

    def resolve(self, url: str) -> str:
        """Return the absolute form of a path or URL.

        Raises:
            CrossOriginURL: It leads to another host, port or scheme.
        """
        absolute = self.base_url + url if url.startswith("/") else url
        if destination(absolute) != self._origin:
            raise CrossOriginURL(
                f"{self._shown_url(absolute)} is outside {self.base_url}: not requested, no credentials sent",
                hint=f"If {self._service} is reached under that address, make it the base URL.",
            )
        return absolute

    async def get(
        self,
        url: str,
        read: Callable[[Response], T],
        *,
        deadline: float | None = None,
        patience: tuple[type[SipfrontError], ...] = (),
    ) -> T:
        """Send a GET request, again after transient errors, and return what `read` makes of the response.

        Args:
            url: A path below the base URL, or an absolute URL of the same origin.
            read: Converts the response, or raises a `SipfrontError`.
            deadline: When the last attempt begins at the latest, on the monotonic clock.
            patience: Errors that count as transient here, besides `PlatformBusy` and `PlatformUnavailable`.

        Raises:
            SipfrontError: The last attempt's error.
        """
        absolute = self.resolve(url)
        transient: tuple[type[SipfrontError], ...] = (PlatformBusy, PlatformUnavailable, *patience)

        async def attempt() -> T:
            return read(await self._send("GET", absolute, self._kept, deadline=deadline))

        return await self._retried(attempt, lambda error: isinstance(error, transient), deadline)

    async def post(self, path: str, body: Mapping[str, Any], *, form: bool = False, when_busy: bool = True) -> Response:
        """Send a POST request that must not have its effect twice. It is sent again only if it certainly had none.

        Args:
            path: A path below the base URL.
            body: The fields.
            form: Send them form-encoded instead of as JSON.
            when_busy: Whether `PlatformBusy` counts as transient. If not, the caller decides when to try again.

        Raises:
            PlatformUnavailable: If `arrived` is set, the request may have had its effect.
            SipfrontError: The request had no effect.
        """
        absolute = self.resolve(path)
        content: dict[str, Any] = {"data": body} if form else {"json": body}

        async def attempt() -> Response:
            return await self._send("POST", absolute, self._fresh, **content)

        return await self._retried(attempt, _had_no_effect if when_busy else _never_arrived)

    async def upload(self, path: str, field: str, filename: str, content: bytes) -> Response:
        """Send a file once, as the `field` of multipart form data."""
        files = {field: (filename, content, "application/octet-stream")}
        return await self._send("POST", self.resolve(path), self._fresh, files=files)

    async def request(
        self, method: str, path: str, *, body: Any = None, params: Mapping[str, str] | None = None
    ) -> Response:
        """Send any request once. The body is sent as JSON unless it is None."""
        return await self._send(method, self.resolve(path), self._fresh, json=body, params=params)

    async def _retried(
        self,
        attempt: Callable[[], Awaitable[T]],
        is_transient: Callable[[BaseException], bool],
        deadline: float | None = None,
    ) -> T:
        __tracebackhide__ = True
        started = self._timing.now()

        def out_of_time(state: tenacity.RetryCallState) -> bool:
            next_attempt = self._timing.now() + state.upcoming_sleep
            if deadline is not None and next_attempt > deadline:
                return True
            # A service that names a time to come back is working, so a wait until then does not count against it.
            return next_attempt > started + self._limits.retry and not (
                deadline is not None and _hint(state) is not None
            )

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(is_transient),
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
                elapsed = self._timing.now() - started
                error.explain({**error.evidence, "attempts": f"{attempts} in {elapsed:.1f} s"}, error.hint)
            raise error.with_traceback(None) from None

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """Return the server's hint, else an exponential wait of which up to half is taken off at random."""
        hint = _hint(state)
        if hint is not None:
            return max(hint, self._limits.first_wait)
        wait = min(self._limits.first_wait * 2.0 ** (state.attempt_number - 1), self._limits.longest_wait)
        return wait * (1 - self._timing.random() / 2)

    async def _send(
        self,
        method: str,
        url: str,
        transport: Sender,
        *,
        deadline: float | None = None,
        **content: Any,
    ) -> Response:
        __tracebackhide__ = True
        evidence = {"request": f"{method} {self._shown_url(url)}"}
        remaining = None if deadline is None else max(deadline - self._timing.now(), self._limits.last_attempt)
        try:
            with anyio.fail_after(remaining):
                raw = await transport.send(method, url, auth=self._authorise, **content)
        except TimeoutError:
            failure = PlatformUnavailable("no response by the run's deadline", arrived=True, evidence=evidence)
        except httpx.HTTPError as error:
            failure = self._unavailable(error, evidence)
        else:
            return self._read(raw, url, evidence)
        raise failure from None

    @property
    def _setting(self) -> str:
        """The names of the setting with the base URL. The lab's URL is no setting."""
        name = self._service.lower()
        return f"--{name}-base-url, {name.upper()}_BASE_URL or {name}_base_url" if name in {"sipfront", "sift"} else ""

    def _authorise(self, request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = self._credentials.header()
        return request

    def _unavailable(self, error: httpx.HTTPError, evidence: dict[str, str]) -> PlatformUnavailable:
        is_plain, has_proxy = self._origin[0] == "http", self._proxy is not None
        cause, hint = explain(error, self._setting, is_plain=is_plain, has_proxy=has_proxy)
        cause = one_line(self._clean(cause))
        arrived = not isinstance(error, _NEVER_ARRIVED)
        host = f"{self._origin[1]}:{self._origin[2]}"
        return PlatformUnavailable(
            f"the connection to {self._service} ({host}) broke: {cause}"
            if arrived
            else f"{self._service} ({host}) cannot be reached: {cause}",
            arrived=arrived,
            evidence=evidence | ({"proxy": without_userinfo(str(self._proxy.url))} if self._proxy else {}),
            hint=hint,
        )

    def _read(self, raw: RawResponse, url: str, evidence: dict[str, str]) -> Response:
        __tracebackhide__ = True
        status = one_line(f"{raw.status} {self._clean(raw.reason)}")
        evidence = evidence | {"answer": status}
        wait = retry_after(raw.headers.get("Retry-After"), self._timing.utcnow())
        if httpx.codes.is_success(raw.status):
            return Response(self._json(raw, evidence), url, wait)
        raise self._refusal(raw, status, wait, evidence)

    def _refusal(self, raw: RawResponse, status: str, wait: float | None, evidence: dict[str, str]) -> SipfrontError:
        service, code = self._service, raw.status
        message = self._message(raw)
        text = f"{message} ({status})" if message else status
        if code in {401, 403}:
            return AuthenticationFailed(f"{service} refused the credentials: {text}", evidence=evidence)
        at_capacity = code == httpx.codes.TOO_MANY_REQUESTS or (
            code in _MAY_BE_FULL and _NO_CAPACITY.search(message) is not None
        )
        if at_capacity or code == httpx.codes.SERVICE_UNAVAILABLE:
            return PlatformBusy(
                f"{service} is busy: {text}", retry_after=wait, at_capacity=at_capacity, evidence=evidence
            )
        if httpx.codes.is_server_error(code):
            return PlatformUnavailable(f"{service} failed: {text}", arrived=True, evidence=evidence)
        if code == httpx.codes.NOT_FOUND:
            return NotFound(f"{service} refused: {text}", evidence=evidence)
        if httpx.codes.is_redirect(code):
            location = self._shown_url(raw.headers.get("Location", ""))
            return RequestRefused(
                f"{service} redirects ({code}) to {location}; redirects are not followed, to keep the credentials here",
                evidence=evidence | {"location": location},
            )
        return RequestRefused(f"{service} refused: {text}", evidence=evidence)

    def _json(self, raw: RawResponse, evidence: dict[str, str]) -> Any:
        if not raw.problem and not raw.body.strip():
            return None
        try:
            return clean_json(raw.json(), self._credentials.scrub)
        except (json.JSONDecodeError, UnicodeDecodeError):
            kind = one_line(self._clean(raw.headers.get("Content-Type", ""))) or "no content type"
            reason = f" with {kind} instead of JSON: {self._message(raw)}"
        except ValueError as error:
            reason = f", but {one_line(self._clean(str(error)))}"
        raise InvalidResponse(f"{self._service} answered {raw.status}{reason}", evidence=evidence)

    def _message(self, raw: RawResponse) -> str:
        """Return the error message of a body on one line. It is cleaned before it is cut, which may halve a secret."""
        try:
            return error_message(clean_json(raw.json(), self._credentials.scrub))
        except ValueError:
            return one_line(self._clean(raw.problem)) or plain_text(self._clean(raw.text))

    def _shown_url(self, url: str) -> str:
        return one_line(self._clean(without_userinfo(url)), _URL_LIMIT)

    def _clean(self, text: str) -> str:
        return clean(text, self._credentials.scrub)


def _had_no_effect(error: BaseException) -> bool:
    return isinstance(error, PlatformBusy) or _never_arrived(error)


def _never_arrived(error: BaseException) -> bool:
    return isinstance(error, PlatformUnavailable) and not error.arrived


def _hint(state: tenacity.RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, PlatformBusy) else None
