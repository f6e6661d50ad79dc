"""One service over HTTP: origin, credentials, retries, and what its answers and failures mean."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import anyio
import httpx
import tenacity

from pytest_sipfront.clients.http.authorization import Credentials, scrubbed
from pytest_sipfront.clients.http.closing import Closing
from pytest_sipfront.clients.http.error_text import error_text, one_line
from pytest_sipfront.clients.http.origins import origin, without_userinfo
from pytest_sipfront.clients.http.timeouts import Timeouts, Timing, retry_after
from pytest_sipfront.clients.http.tls_and_proxy import cause_of, open_client, proxy_for, trusted, unavailable_hint
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
_MAY_BE_FULL = frozenset({409, 503})
_NO_CAPACITY = re.compile(r"capacity|concurren|too many|no (free |available )?agents?|all agents", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Response:
    """A 2xx answer: its parsed JSON and where it came from."""

    data: Any
    url: str
    retry_after: float | None = None
    """Seconds until it makes sense to ask again; None if the service does not say."""


class HttpClient(Closing):
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
    ) -> None:
        """Prepare; nothing is opened before the first request.

        Args:
            base_url: The service's URL; its origin is the only one that ever receives credentials.
            credentials: What the service is shown.
            service: Its name in the texts of errors.
            limits: Time limits.
            ca_bundle: A PEM file of the authorities to trust instead of the default ones.
            trust_env: Whether proxies and authorities are taken from the environment.
            timing: Clock, sleep and randomness.

        Raises:
            ConfigurationError: The authorities or the proxies of the environment cannot be used.
        """
        __tracebackhide__ = True
        self.base_url = base_url.rstrip("/")
        self._origin = origin(base_url)
        self._credentials = credentials
        self._service = service
        self._limits = limits or Timeouts()
        self._timing = timing or Timing()
        self._proxy = proxy_for(base_url) if trust_env else ""
        authorities = trusted(ca_bundle, trust_env=trust_env)
        timeout = httpx.Timeout(self._limits.read, connect=self._limits.connect)
        self._client = open_client(authorities, timeout, trust_env=trust_env, keepalive=10)
        # A kept connection may be closed by the server just as a launch goes out, and then nobody knows whether
        # the launch arrived. A fresh connection per launch leaves no such doubt.
        self._fresh = open_client(authorities, timeout, trust_env=trust_env, keepalive=0)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()
        await self._fresh.aclose()

    def resolve(self, url: str) -> str:
        """Return the absolute form of a path or URL within the origin.

        Raises:
            CrossOriginURL: It leads to another host, port or scheme.
        """
        absolute = self.base_url + url if url.startswith("/") else url
        if _destination(absolute) != self._origin:
            raise CrossOriginURL(
                f"{one_line(without_userinfo(absolute))} is outside {self.base_url}: "
                "not requested, no credentials sent",
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

    async def post(self, path: str, body: Mapping[str, Any], *, form: bool = False, when_busy: bool = True) -> Response:
        """POST what must not happen twice. It is sent again only if it certainly had no effect.

        Args:
            path: A path below the base URL.
            body: The fields.
            form: Send them form-encoded instead of as JSON.
            when_busy: Send it again also when the service says "not now"; otherwise that is the caller's to decide.

        Raises:
            PlatformUnavailable: With `arrived`, the request may have had its effect.
            SipfrontError: It had no effect; the error says why.
        """
        absolute = self.resolve(path)
        content: dict[str, Any] = {"data": body} if form else {"json": body}

        async def attempt() -> Response:
            return await self._send("POST", absolute, self._fresh, **content)

        return await self._retried(attempt, _had_no_effect if when_busy else _never_arrived)

    async def request(
        self, method: str, path: str, *, body: Any = None, params: Mapping[str, str] | None = None
    ) -> Response:
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
    ) -> Response:
        __tracebackhide__ = True
        told = {"request": f"{method} {without_userinfo(url)}"}
        remaining = None if deadline is None else max(deadline - self._timing.clock(), 0.05)
        try:
            with anyio.fail_after(remaining):
                response = await client.request(method, url, auth=self._authorise, **content)
        except TimeoutError:
            failure = PlatformUnavailable("no answer by the run's deadline", arrived=True, evidence=told)
        except httpx.HTTPError as error:
            failure = self._unavailable(error, told)
        else:
            return self._read(response, told)
        raise failure from None

    def _unavailable(self, error: httpx.HTTPError, told: dict[str, str]) -> PlatformUnavailable:
        cause = self._credentials.scrub(cause_of(error))
        arrived = not isinstance(error, _NEVER_ARRIVED)
        host = self._origin[1]
        return PlatformUnavailable(
            f"the connection to {self._service} ({host}) broke: {cause}"
            if arrived
            else f"{self._service} ({host}) cannot be reached: {cause}",
            arrived=arrived,
            evidence=told | ({"proxy": self._proxy} if self._proxy else {}),
            hint=unavailable_hint(cause, self._proxy),
        )

    def _authorise(self, request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = self._credentials.header()
        return request

    def _read(self, response: httpx.Response, told: dict[str, str]) -> Response:
        __tracebackhide__ = True
        code = response.status_code
        said = "" if response.is_success else self._said(response)
        told = told | {"answer": f"{code} {response.reason_phrase}".strip()}
        words = f"{said} ({told['answer']})" if said else told["answer"]
        wait = retry_after(response.headers.get("Retry-After"), self._timing.now())
        if response.is_success:
            return Response(self._json(response, told), str(response.url), wait)
        if code in {401, 403}:
            raise AuthenticationFailed(f"{self._service} refused the credentials: {words}", evidence=told)
        full = code == httpx.codes.TOO_MANY_REQUESTS or (code in _MAY_BE_FULL and _NO_CAPACITY.search(said) is not None)
        if full or code == httpx.codes.SERVICE_UNAVAILABLE:
            raise PlatformBusy(f"{self._service} is busy: {words}", retry_after=wait, at_capacity=full, evidence=told)
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
            # A server may echo what it was sent in a good answer, too.
            return scrubbed(response.json(), self._credentials.scrub)
        except (ValueError, RecursionError):
            said = self._said(response) or "nothing"
            kind = response.headers.get("Content-Type", "no content type")
            raise InvalidResponse(
                f"{self._service} answered {response.status_code} with {kind} where JSON belongs: {said}",
                evidence=told,
            ) from None


@lru_cache(maxsize=4096)
def _destination(url: str) -> tuple[str, str, int] | None:
    """Return the origin that a URL leads to; None if that is nowhere, or another one to httpx, which sends it."""
    try:
        ours, theirs = origin(url), origin(str(httpx.URL(url)))
    except (ValueError, httpx.InvalidURL):
        return None
    return ours if ours == theirs else None


def _had_no_effect(error: BaseException) -> bool:
    return isinstance(error, PlatformBusy) or _never_arrived(error)


def _never_arrived(error: BaseException) -> bool:
    return isinstance(error, PlatformUnavailable) and not error.arrived


def _hint(state: tenacity.RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, PlatformBusy) else None
