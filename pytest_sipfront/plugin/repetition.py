"""Tests with several runs, of which a number must have the expected verdict: `repeat=5, pass_at_least=4`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from pytest_sipfront.engine.run import RunResult
from pytest_sipfront.engine.verdict import Verdict
from pytest_sipfront.errors import RunFailed, SipfrontError
from pytest_sipfront.plugin.reports import properties
from pytest_sipfront.plugin.run_session import objection
from pytest_sipfront.plugin.run_spec import RunSpec

_Z = 1.959964
"""The quantile of the normal distribution for a confidence of 95 %."""


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a rate, by Wilson's score.

    Args:
        successes: Number of successes.
        trials: Number of trials, at least 1.
    """
    rate, square = successes / trials, _Z**2
    centre = (rate + square / (2 * trials)) / (1 + square / trials)
    spread = _Z / (1 + square / trials) * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials**2))
    return max(centre - spread, 0.0), min(centre + spread, 1.0)


class Repetition:
    """The runs of a repeated test.

    Args:
        spec: Each of its runs.
        outcomes: The result of each run, or why it has no verdict.
    """

    def __init__(self, spec: RunSpec, outcomes: Sequence[RunResult | SipfrontError]) -> None:
        self._spec = spec
        self._outcomes = outcomes
        self.results = tuple(outcome for outcome in outcomes if isinstance(outcome, RunResult))
        self._errors = [outcome for outcome in outcomes if isinstance(outcome, SipfrontError)]
        self._failures = [failure for result in self.results if (failure := objection(result, spec.expectation))]
        self._as_expected = len(self.results) - len(self._failures)

    @property
    def rate(self) -> str:
        """The rate of runs with the expected verdict: "4 of 5 runs passed (80 %, 95 % confidence interval ...)"."""
        verdict = "passed" if self._spec.expectation.verdict is Verdict.PASSED else "ended as expected"
        text = f"{self._as_expected} of {len(self._outcomes)} runs {verdict}"
        if not self.results:
            return text
        low, high = (round(100 * bound) for bound in wilson_interval(self._as_expected, len(self.results)))
        percent = round(100 * self._as_expected / len(self.results))
        without = f", {len(self._errors)} without verdict" if self._errors else ""
        return f"{text} ({percent} %, 95 % confidence interval {low} to {high} %{without})"

    def properties(self) -> list[tuple[str, str]]:
        """Return the properties of the test's report."""
        return [
            (properties.PREFIX + properties.RATE, self.rate),
            (properties.PREFIX + "pass_at_least", str(self._spec.pass_at_least)),
        ]

    def result(self) -> RunResult:
        """Return the first result with an unexpected verdict, or else the last one; `repeats` has all results.

        Raises:
            SipfrontError: The runs without a verdict could decide whether enough runs have the expected one.
        """
        missing = self._spec.pass_at_least - self._as_expected
        if 0 < missing <= len(self._errors):
            error = self._errors[0]
            error.explain(
                {"repeat": f"{self.rate}, at least {self._spec.pass_at_least} required", **error.evidence}, error.hint
            )
            raise error
        unexpected = [result for result in self.results if objection(result, self._spec.expectation)]
        return replace(unexpected[0] if unexpected else self.results[-1], repeats=self.results)

    def objection(self) -> RunFailed | None:
        """Return the failure if too few runs have the expected verdict; otherwise None."""
        if self._as_expected >= self._spec.pass_at_least:
            return None
        first = self._failures[0]
        evidence = {f"run {number}": _line(outcome) for number, outcome in enumerate(self._outcomes, 1)}
        text = f"{first}: {self.rate}, at least {self._spec.pass_at_least} required"
        return RunFailed(text, evidence={**first.evidence, **evidence})


def _line(outcome: RunResult | SipfrontError) -> str:
    """Return verdict or error, reason and report URL of a run."""
    if isinstance(outcome, RunResult):
        parts = [outcome.verdict, outcome.result_description, outcome.report_url]
    else:
        parts = [str(outcome), str(outcome.evidence.get("report", ""))]
    return " - ".join(filter(None, parts))
