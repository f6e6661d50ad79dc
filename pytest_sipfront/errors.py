"""The exceptions and the warning of this package.

```
Exception
└── SipfrontError             no verdict: pytest reports ERROR, JUnit <error>
    ├── ConfigurationError    a setting, a marker or a credential is missing or invalid
    ├── AuthenticationFailed  the platform rejected the credentials (401, 403)
    ├── RequestRefused        the platform rejected the request (another 4xx, a redirect, an error inside a 2xx)
    │   └── NotFound          the requested object does not exist (404)
    ├── PlatformBusy          the platform asked to retry later (429, 503)
    ├── PlatformUnavailable   DNS, connection, TLS or timeout error, or 5xx
    ├── InvalidResponse       the response is not JSON or lacks required fields
    ├── CrossOriginURL        a URL leaves the configured origin, so no credentials are sent to it
    ├── LaunchOutcomeUnknown  the response to a launch was lost: a run may have been started
    ├── RunTimeout            the run did not finish before its deadline
    ├── NoVerdict             the run was stopped or errored, or its status is unknown or contradictory
    ├── CallbackMissing       an expected Sift callback did not arrive in time
    ├── BudgetExceeded        the run does not fit into the budget of the session
    ├── LaunchVetoed          a hook rejected the launch
    ├── EngineStopped         the engine process ended unexpectedly
    └── LaunchSkipped         an earlier error of the session would make the launch fail, too
AssertionError
├── RunFailed                 the verdict differs from the expected one: FAILED, <failure>
└── CallFailed                a call did not behave as asserted: FAILED, <failure>
```

The text of an error is one line. Reports show `evidence` and `hint` in a separate section.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

_NO_EVIDENCE: Mapping[str, object] = MappingProxyType({})


class DetailedError(Exception):
    """Base class of all errors of this package.

    Attributes:
        evidence: Observed values by name, in the order in which they are shown.
        hint: How to fix the problem and where to change it, or "".
    """

    evidence: Mapping[str, object]
    hint: str

    def __init__(self, message: str, *, evidence: Mapping[str, object] = _NO_EVIDENCE, hint: str = "") -> None:
        super().__init__(message)
        self.explain(evidence, hint)

    def explain(self, evidence: Mapping[str, object], hint: str) -> None:
        """Replace evidence and hint."""
        self.evidence = MappingProxyType(dict(evidence))
        self.hint = hint


class SipfrontError(DetailedError):
    """There is no verdict: the test neither passed nor failed.

    Attributes:
        platform_gone: True if the platform as a whole is unreachable or broken, rather than this request.
    """

    platform_gone = False


class ConfigurationError(SipfrontError):
    """A setting, a marker or a credential is missing or invalid. No request was sent."""


class AuthenticationFailed(SipfrontError):
    """The platform rejected the credentials (401) or their permissions (403)."""


class RequestRefused(SipfrontError):
    """The platform rejected the request and gave a reason. No run was started."""


class NotFound(RequestRefused):
    """The requested object does not exist on the platform."""


class PlatformBusy(SipfrontError):
    """The platform asked to retry later (429, 503). No run was started.

    Attributes:
        retry_after: Seconds to wait as requested by the platform, or None.
        at_capacity: True if the platform rejected the run because too many runs are active.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        at_capacity: bool = False,
        evidence: Mapping[str, object] = _NO_EVIDENCE,
        hint: str = "",
    ) -> None:
        super().__init__(message, evidence=evidence, hint=hint)
        self.retry_after = retry_after
        self.at_capacity = at_capacity


class PlatformUnavailable(SipfrontError):
    """The platform could not be reached (DNS, connection, TLS, timeout) or failed internally (5xx).

    Attributes:
        arrived: False if the request certainly did not reach the platform.
    """

    platform_gone = True

    def __init__(
        self,
        message: str,
        *,
        arrived: bool,
        evidence: Mapping[str, object] = _NO_EVIDENCE,
        hint: str = "",
    ) -> None:
        super().__init__(message, evidence=evidence, hint=hint)
        self.arrived = arrived


class InvalidResponse(SipfrontError):
    """The response does not have the documented format."""


class CrossOriginURL(SipfrontError):
    """A URL leaves the configured origin. It was not requested, and no credentials were sent."""


class LaunchOutcomeUnknown(SipfrontError):
    """A launch was sent and its response was lost: a run may have been started. The launch is not sent again."""

    def __init__(self, cause: SipfrontError) -> None:
        super().__init__(
            f"the run may have been started: {cause}",
            evidence=cause.evidence,
            hint="The launch is not sent again, because that could place the call twice. Look for the run on the "
            "platform.",
        )
        self.platform_gone = cause.platform_gone

    @classmethod
    def since(cls, at: datetime) -> LaunchOutcomeUnknown:
        """Return the error for a launch that an earlier session was sending at `at` (UTC) when it ended."""
        return cls(SipfrontError(f"an earlier session ended while sending the launch at {at:%Y-%m-%d %H:%M:%S} UTC"))


class RunTimeout(SipfrontError):
    """The run did not finish before its deadline. It may still be running."""


class NoVerdict(SipfrontError):
    """The run ended, but its status is not a verdict."""


class CallbackMissing(SipfrontError):
    """An expected Sift callback did not arrive in time, so the result of the command is unknown."""


class BudgetExceeded(SipfrontError):
    """The run does not fit into the budget of the session. No request was sent."""


class LaunchVetoed(SipfrontError):
    """A `pytest_sipfront_before_launch` hook rejected the launch. Hooks raise it; no request was sent."""


class LaunchSkipped(SipfrontError):
    """The launch was not sent, because an earlier error of the session would make it fail, too."""


class EngineStopped(SipfrontError):
    """The engine process, which launches and polls runs, ended while a test needed it."""


class RunFailed(DetailedError, AssertionError):
    """The verdict of a run is not the expected one. The text is the platform's `result_description`."""


class CallFailed(DetailedError, AssertionError):
    """A call did not behave as asserted: it failed, was not connected in time, or was hung up too early."""


class SipfrontWarning(UserWarning):
    """A problem that does not change an outcome."""
