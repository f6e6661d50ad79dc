"""Stops launching after an error that no later launch of the session can avoid."""

from __future__ import annotations

from pytest_sipfront.errors import AuthenticationFailed, LaunchSkipped, SipfrontError

UNAVAILABLE_LIMIT = 3


class CircuitBreaker:
    """Opens when the credentials are refused, or when the platform is unavailable for three runs in a row.

    Errors of single runs, such as an unknown test name, never count. Every answer of the platform resets the count.
    """

    def __init__(self) -> None:
        self._unavailable_in_a_row = 0
        self._cause: SipfrontError | None = None

    def check(self) -> None:
        """Return if a run may be launched.

        Raises:
            LaunchSkipped: The breaker is open. The error repeats the error that opened it.
        """
        if self._cause is not None:
            raise LaunchSkipped(
                f"not launched because of an earlier error: {self._cause}",
                evidence=self._cause.evidence,
                hint=self._cause.hint,
            )

    def failed(self, error: SipfrontError) -> None:
        """Record that a run ended with `error`."""
        if isinstance(error, LaunchSkipped):
            return
        self._unavailable_in_a_row = self._unavailable_in_a_row + 1 if error.platform_gone else 0
        is_final = isinstance(error, AuthenticationFailed) or self._unavailable_in_a_row >= UNAVAILABLE_LIMIT
        if self._cause is None and is_final:
            self._cause = error

    def answered(self) -> None:
        """Record that a run was launched and followed to its end."""
        self._unavailable_in_a_row = 0
