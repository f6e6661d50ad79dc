"""The kind of each failure and error: one word that reports group by and reruns select by.

The class of an error decides if there is no verdict. The text decides if a run or a call failed. The lab names the kind
of each violated condition itself, which takes precedence over the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_sipfront import errors

KINDS: Mapping[str, str] = {
    # failures, from the first cause of a call to its consequences
    "unexpected": "the run or the call succeeded, but the test expects a failure",
    "busy": "the called side is busy (486, 600)",
    "no-answer": "the call was not answered, or the called side did not respond (408, 480, 487)",
    "rejected": "the call was rejected, or its number is unknown (another final code from 300 to 699)",
    "hung-up": "the call ended early, or by the wrong side",
    "no-media": "no RTP arrived, or the SDP allows no audio",
    "one-way": "RTP arrived in one direction only",
    "silence": "RTP arrived, but its audio is silent",
    "quality": "packet loss, jitter, MOS or a gap in the RTP exceeds its bound",
    "dtmf": "digits are missing or wrong",
    "wrong-prompt": "another prompt than the expected one was heard",
    "wrong-words": "a transcript differs from the expected words",
    "timing": "answer time, post-dial delay or duration exceeds its bound",
    "failed": "the run or the call failed for another reason",
    "assertion": "the body or a fixture of the test failed",
    # errors: there is no verdict
    "infrastructure": "a service is busy, unreachable or broken, or the engine ended",
    "authentication": "the credentials or their permissions were refused",
    "configuration": "a setting, a marker or a name is wrong, or the service refused the launch",
    "budget": "the run does not fit into the budget of the session",
    "uncertain": "the response to a launch was lost: a run may have been started",
    "no-verdict": "the run ended without a verdict, or did not end in time",
}
"""All kinds and their meaning, in the order of reports. Of several causes, the first in this order is the kind."""

UNKNOWN = "failed"
_BY_CLASS: tuple[tuple[type[errors.SipfrontError], str], ...] = (
    (errors.AuthenticationFailed, "authentication"),
    (errors.ConfigurationError, "configuration"),
    (errors.RequestRefused, "configuration"),
    (errors.CrossOriginURL, "configuration"),
    (errors.LaunchVetoed, "configuration"),
    (errors.BudgetExceeded, "budget"),
    (errors.LaunchOutcomeUnknown, "uncertain"),
    (errors.PlatformBusy, "infrastructure"),
    (errors.PlatformUnavailable, "infrastructure"),
    (errors.InvalidResponse, "infrastructure"),
    (errors.EngineStopped, "infrastructure"),
    (errors.CallbackMissing, "infrastructure"),
)
PATTERNS: tuple[tuple[str, str], ...] = (
    (r"expected to fail|XPASS\(strict\)|no answer expected|^200 OK\b.* expected", "unexpected"),
    (r"\bprompts?\b|\bannouncement", "wrong-prompt"),
    (r"word error rate|\btranscript", "wrong-words"),
    (r"\bDTMF\b|\bdigits?\b", "dtmf"),
    (r"packet loss|packets lost|\bjitter\b|\bMOS\b|\bPESQ\b|\bPOLQA\b|max_rtp_gap", "quality"),
    (r"one.?way", "one-way"),
    (r"\bsilen(ce|t)\b|\blevel from\b", "silence"),
    (r"no (RTP|audio|media) (sent by|with)\b|no (RTP|audio|media)( received)?$", "no-media"),
    (r"\bRTP\b.*\bfrom\b|\bno (audio|media) from\b", "one-way"),
    (r"\bno (RTP|audio|media)\b|\bRTP\b.*\b(sent|received)\b", "no-media"),
    (r"\b(response|answer)\b.* to BYE", "hung-up"),
    (r"post.?dial delay|\bPDD\b|answered after|call lasted|too (long|late|slow|short)\b", "timing"),
    (r"ended by|hung up|hang.?up|call ended|disconnected|was finished|the call is over", "hung-up"),
    (r"needs ringing", "no-answer"),
    (r"\bbusy\b|\b(486|600)\b", "busy"),
    (r"no.?answer|not answered|no response|no incoming call|\b(408|480|487)\b", "no-answer"),
    (r"not connected|time.?d?.?out|unavailable", "no-answer"),
    (r"reject|declin|forbidden|not found|refused|\b[3-6]\d\d\b", "rejected"),
)
"""Regular expressions for one clause of a `result_description`, without regard to case. The first match counts."""
_QUOTED = re.compile(r"'[^']*'")
_CLAUSES = re.compile(r";\s+")


def kind_of_text(description: str) -> str:
    """Return the kind of a failed run or call from its `result_description` or message; "failed" for unknown texts.

    A text may list several reasons, separated by semicolons. Quoted names decide nothing.
    """
    kinds = [_kind_of_clause(clause) for clause in _CLAUSES.split(_QUOTED.sub("''", description))]
    directions = {word for word in ("from callee", "from caller") if re.search(rf"no RTP {word} for", description)}
    if len(directions) > 1:
        kinds.append("no-media")
    return _first(kinds)


def kind_of(error: BaseException | None, text: str, violations: Iterable[Mapping[str, Any]] = ()) -> str:
    """Return the kind of a failure or error.

    Args:
        error: The exception that ended the test; None for a failure without one, for example a strict xpass.
        text: The message: the `result_description` of a failed run, the words of a failed call, or an assertion.
        violations: Violated conditions, each with the key `kind`, as the lab reports them.
    """
    if isinstance(error, errors.SipfrontError):
        return _kind_of_error(error, text)
    if isinstance(error, errors.RunFailed | errors.CallFailed):
        named = [str(violation.get("kind", "")) for violation in violations]
        return _first(named) if any(kind in KINDS for kind in named) else kind_of_text(text)
    kind = _kind_of_clause(text.partition("\n")[0])
    return kind if kind in {"unexpected", "wrong-words"} else "assertion"


def _kind_of_error(error: errors.SipfrontError, text: str) -> str:
    if isinstance(error, errors.LaunchSkipped):
        if re.search(r"\b40[13]\b", text):
            return "authentication"
        return "infrastructure" if "earlier error" in text else "no-verdict"
    return next((kind for cls, kind in _BY_CLASS if isinstance(error, cls)), "no-verdict")


def _kind_of_clause(clause: str) -> str:
    return next((kind for pattern, kind in PATTERNS if re.search(pattern, clause, re.IGNORECASE)), UNKNOWN)


def _first(kinds: Iterable[str]) -> str:
    """Return the first cause."""
    order = list(KINDS)
    return min((kind for kind in kinds if kind in KINDS), key=order.index, default=UNKNOWN)
