"""Everything that can go wrong, as one tree.

```
Exception
└── SipfrontError              no verdict: pytest reports ERROR, JUnit <error>
    ├── ConfigurationError     settings or credentials are missing or wrong
    ├── AuthenticationFailed  401, 403
    ├── RequestRefused         another 4xx, a redirect, or a refusal inside a 2xx
    │   └── NotFound           404
    ├── PlatformBusy           429, 503: not now
    ├── PlatformUnavailable    unreachable, TLS, 5xx
    ├── InvalidResponse       not JSON, or JSON without what the API promises
    ├── CrossOriginURL             a URL outside the configured origin: credentials stay here
    ├── LaunchOutcomeUnknown        the launch was sent and its answer lost: a run may have been started
    ├── RunTimeout             not finished by the deadline
    ├── NoVerdict              stopped, errored, an unknown final state, contradicting fields
    ├── CallbackMissing        Sift owes a callback and does not send it
    ├── BudgetExceeded            the session may not launch any more
    ├── LaunchVetoed           a hook of the user's said no
    └── LaunchSkipped               failed fast: an earlier error already says that it cannot work
AssertionError
├── RunFailed                  the platform's verdict differs from the expected one: FAILED, <failure>
└── CallFailed                 a call went otherwise than asserted: FAILED, <failure>
```

An error's text is one line. `evidence` and `hint` are shown in a section of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

_NOTHING: Mapping[str, object] = MappingProxyType({})


class DetailedError(Exception):
    """What every error of this package carries beside its one line.

    Attributes:
        evidence: What was seen, by name, in the order in which it is shown.
        hint: What to do about it and where; "" if there is nothing to add.
    """

    evidence: Mapping[str, object]
    hint: str

    def explain(self, evidence: Mapping[str, object], hint: str) -> None:
        """Attach evidence and hint."""
        self.evidence = MappingProxyType(dict(evidence))
        self.hint = hint


class SipfrontError(DetailedError):
    """There is no verdict: the test neither passed nor failed.

    Attributes:
        platform_gone: True if the platform as a whole did not answer, as opposed to answering this request badly.
    """

    platform_gone = False

    def __init__(self, message: str, *, evidence: Mapping[str, object] = _NOTHING, hint: str = "") -> None:
        super().__init__(message)
        self.explain(evidence, hint)


class ConfigurationError(SipfrontError):
    """A setting or a credential is missing or wrong; nothing was sent."""


class AuthenticationFailed(SipfrontError):
    """The platform refused the credentials (401) or what they may do (403)."""


class RequestRefused(SipfrontError):
    """The platform refused this request and says why: nothing was started."""


class NotFound(RequestRefused):
    """The platform does not know what was asked for."""


class PlatformBusy(SipfrontError):
    """The platform said "not now" (429, 503): nothing was started.

    Attributes:
        retry_after: Seconds that the platform asks to wait; None if it does not say.
        at_capacity: True if it has no place for one more run now, as opposed to not working properly.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        at_capacity: bool = False,
        evidence: Mapping[str, object] = _NOTHING,
        hint: str = "",
    ) -> None:
        super().__init__(message, evidence=evidence, hint=hint)
        self.retry_after = retry_after
        self.at_capacity = at_capacity


class PlatformUnavailable(SipfrontError):
    """The platform could not be reached (DNS, refused, timeout, TLS) or failed itself (5xx).

    Attributes:
        arrived: False if the request certainly never reached the platform.
    """

    platform_gone = True

    def __init__(
        self,
        message: str,
        *,
        arrived: bool,
        evidence: Mapping[str, object] = _NOTHING,
        hint: str = "",
    ) -> None:
        super().__init__(message, evidence=evidence, hint=hint)
        self.arrived = arrived


class InvalidResponse(SipfrontError):
    """The platform answered, but not with what its documentation promises."""


class CrossOriginURL(SipfrontError):
    """A URL leads away from the configured origin, so it was not requested and no credentials left."""


class LaunchOutcomeUnknown(SipfrontError):
    """A launch was sent and its answer is lost or says nothing: a run may have been started. Never sent again."""

    def __init__(self, cause: SipfrontError) -> None:
        super().__init__(
            f"the run may have been started: {cause}",
            evidence=cause.evidence,
            hint="It is not sent again, since a call would be placed twice. Look for it on the platform.",
        )
        self.platform_gone = cause.platform_gone

    @classmethod
    def since(cls, at: datetime) -> LaunchOutcomeUnknown:
        """Return the error for a launch that an earlier session was sending at `at` (UTC) when it was ended."""
        return cls(SipfrontError(f"an earlier session was ended while it was launched at {at:%Y-%m-%d %H:%M:%S} UTC"))


class RunTimeout(SipfrontError):
    """The run was not finished by its deadline; it may still be going on."""


class NoVerdict(SipfrontError):
    """The run is over, or seems to be, and what the platform says of it is no verdict."""


class BudgetExceeded(SipfrontError):
    """The run does not fit into what the session may spend; nothing was sent."""


class LaunchVetoed(SipfrontError):
    """A `pytest_sipfront_before_launch` hook does not want this launch; nothing was sent. For hooks to raise."""


class LaunchSkipped(SipfrontError):
    """Nothing was sent, because an earlier error of this session says that it could not work."""


class RunFailed(DetailedError, AssertionError):
    """The verdict is not the expected one. Its text is the platform's `result_description`."""

    def __init__(self, message: str, *, evidence: Mapping[str, object] = _NOTHING, hint: str = "") -> None:
        super().__init__(message)
        self.explain(evidence, hint)


class CallbackMissing(SipfrontError):
    """Sift owes a callback and did not send it in time, while the call goes on: nobody knows how the command ended."""


class CallFailed(DetailedError, AssertionError):
    """A call went otherwise than asserted: it failed, was not connected in time, or was hung up in the middle."""

    def __init__(self, message: str, *, evidence: Mapping[str, object] = _NOTHING, hint: str = "") -> None:
        super().__init__(message)
        self.explain(evidence, hint)


class SipfrontWarning(UserWarning):
    """Something that a test engineer should know and that decides no outcome."""
