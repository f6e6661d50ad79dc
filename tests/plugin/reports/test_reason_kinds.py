"""The kinds of failures and errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_sipfront import errors
from pytest_sipfront.plugin.reports.reason_kinds import KINDS, PATTERNS, kind_of, kind_of_text

ROOT = Path(__file__).parents[3]


def test_the_documentation_lists_all_kinds() -> None:
    """In the order in which reports show them."""
    rows = [f"| `{kind}` | {meaning} |" for kind, meaning in KINDS.items()]
    assert "\n".join(rows) in (ROOT / "docs" / "outcomes.md").read_text(encoding="utf-8")
    assert {kind for _, kind in PATTERNS} <= KINDS.keys()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("486 Busy Here", "busy"),
        ("Call failed with 600 Busy Everywhere", "busy"),
        ("No answer", "no-answer"),
        ("480 Temporarily Unavailable", "no-answer"),
        ("INVITE timed out", "no-answer"),
        ("no incoming call to 4711 within 5 s", "no-answer"),
        ("603 Decline", "rejected"),
        ("404 Not Found after 0.02 s (no phone has this number)", "rejected"),
        ("503 Service Unavailable", "no-answer"),
        ("call ended by the callee after 0.30 s, before 'hold'", "hung-up"),
        ("+15550100200: the call was finished while waiting for an answer", "hung-up"),
        ("no RTP from callee for 2.0 s", "one-way"),
        ("no RTP from callee for 2.0 s; no RTP from caller for 2.0 s", "no-media"),
        ("one-way audio", "one-way"),
        ("no RTP received", "no-media"),
        ("No media received", "no-media"),
        ("silence from callee: -70 dBFS, -50 dBFS needed", "silence"),
        ("MOS 2.1 below threshold 3.5", "quality"),
        ("31.0 % of the callee's packets lost, at most 5 % allowed; DTMF 42 expected, 4 received", "quality"),
        ("DTMF 486 expected, 48 received", "dtmf"),
        ("prompt 'busy' expected, 'welcome' heard (match 0.97 against 0.20)", "wrong-prompt"),
        ("answered after 2.00 s, at most 0.1 s allowed", "timing"),
        ("call 2 of 3: 486 Busy Here after 0.10 s", "busy"),
        ("the run passed, but was expected to fail", "unexpected"),
        ("the run failed as expected, but 'No answer' does not match '486'", "failed"),
        ("something new", "failed"),
        ("", "failed"),
    ],
)
def test_the_description_of_a_failed_run_has_a_kind(text: str, kind: str) -> None:
    """Several reasons have the kind of the first cause, and quoted names decide nothing."""
    assert kind_of_text(text) == kind
    assert kind_of(errors.RunFailed(text), text) == kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.AuthenticationFailed("no"), "authentication"),
        (errors.ConfigurationError("no"), "configuration"),
        (errors.NotFound("no such test 'busy'"), "configuration"),
        (errors.BudgetExceeded("no"), "budget"),
        (errors.PlatformUnavailable("no", arrived=False), "infrastructure"),
        (errors.PlatformBusy("Sipfront is busy: 429"), "infrastructure"),
        (errors.LaunchOutcomeUnknown(errors.PlatformUnavailable("no", arrived=True)), "uncertain"),
        (errors.RunTimeout("no verdict within 5 s"), "no-verdict"),
        (errors.NoVerdict("no verdict: errored - 486 Busy Here"), "no-verdict"),
        (errors.CallbackMissing("no"), "infrastructure"),
        (errors.LaunchSkipped("not launched: the session ended first"), "no-verdict"),
        (
            errors.LaunchSkipped("not launched because of an earlier error: Sipfront refused: 401 Unauthorized"),
            "authentication",
        ),
        (errors.LaunchSkipped("not launched because of an earlier error: connection refused"), "infrastructure"),
        (AssertionError("assert 'busy' == 'idle'"), "assertion"),
        (AssertionError("assert <heard 'a', expected 'b': word error rate 1.00, allowed 0.20>"), "wrong-words"),
        (None, "assertion"),
    ],
)
def test_an_error_has_the_kind_of_its_class(error: BaseException | None, kind: str) -> None:
    """Texts of services decide nothing if there is no verdict."""
    assert kind_of(error, str(error)) == kind


def test_every_public_error_has_a_kind() -> None:
    """A new class of error is not forgotten."""
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    for cls in classes:
        if issubclass(cls, errors.DetailedError):
            assert kind_of(cls.__new__(cls, "x"), "x") in KINDS


def test_violations_of_the_lab_precede_the_text() -> None:
    """The lab knows which condition is violated."""
    error = errors.RunFailed("no RTP from callee for 2.0 s")
    assert kind_of(error, str(error), [{"kind": "dtmf"}, {"kind": "no-media"}]) == "no-media"
    assert kind_of(error, str(error), [{}]) == "one-way"


def test_a_strict_xpass_is_unexpected() -> None:
    """It has no exception."""
    assert kind_of(None, "[XPASS(strict)] known defect") == "unexpected"
