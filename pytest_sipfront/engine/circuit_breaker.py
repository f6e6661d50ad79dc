"""When to stop knocking: after what cannot get better within a session."""

from __future__ import annotations

from pytest_sipfront.errors import AuthenticationFailed, LaunchSkipped, SipfrontError

GONE_LIMIT = 3


class CircuitBreaker:
    """Opens at refused credentials, or when the platform as a whole is gone for three runs in a row.

    A run's own mistake (an unknown name, a refused override) never counts, and any answer of the platform closes the
    count of failures.
    """

    def __init__(self) -> None:
        self._gone_in_a_row = 0
        self._cause: SipfrontError | None = None

    def check(self) -> None:
        """Return if a run may be tried.

        Raises:
            LaunchSkipped: It would fail for the first cause, which the error repeats.
        """
        if self._cause is not None:
            raise LaunchSkipped(
                f"not tried, since an earlier test found: {self._cause}",
                evidence=self._cause.evidence,
                hint=self._cause.hint,
            )

    def failed(self, error: SipfrontError) -> None:
        """Record that a run ended in `error`."""
        if isinstance(error, LaunchSkipped):
            return
        self._gone_in_a_row = self._gone_in_a_row + 1 if error.platform_gone else 0
        if self._cause is None and (isinstance(error, AuthenticationFailed) or self._gone_in_a_row >= GONE_LIMIT):
            self._cause = error

    def answered(self) -> None:
        """Record that the platform is there: a run was launched and followed to its end."""
        self._gone_in_a_row = 0
