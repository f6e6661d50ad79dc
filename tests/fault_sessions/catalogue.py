"""The faults of a platform, and the outcome that each of them must have. The documentation has a table of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.fault_sessions.fault_server import (
    LEFT_OUT,
    PAIR_TEXT,
    REGULAR,
    SECRET_TEXT,
    LaunchStep,
    Reply,
)

When = Literal["launch", "poll", "end"]
Outcome = Literal["verdict", "error"]
Verdict = Literal["passed", "failed"]
VERDICTS: tuple[Verdict, ...] = ("passed", "failed")
DEADLINE = 3.0
"""The `timeout=` of a test whose fault lasts until the deadline, in seconds."""
HOSTILE = f"bad \x1b[31m\ud800 {SECRET_TEXT} {PAIR_TEXT}\n::error title=x::boom ##[error]boom"
_CLEANED = r"bad \x1b[31m\ud800 [secret] [secret]"
_HTML = "<html><head><title>Proxy login</title></head><body>Please log in</body></html>"
_HTML_TYPE = {"Content-Type": "text/html"}
_BOMB = bytes(9 * 1024**2)
_FAR_DATES = {"started_at": "0001-01-01T00:00:00+23:59", "stopped_at": "9999-12-31T23:59:59-23:59"}
_MAY_HAVE = "the run may have been started: "
_NOT_FINISHED = "not finished after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault and its outcome.

    Attributes:
        name: What the platform does.
        when: The request that it concerns: a launch, a poll of a running run, or the poll that reports the end.
        replies: The responses in order, instead of the regular one. After them, launch and run continue regularly.
        forever: Whether the last reply repeats, so that the regular response never comes.
        outcome: Whether the run's own verdict is reported, or an error.
        message: The message of the error, or of the failure if the run fails: its parts in order, with "..." between
            them and " | " between alternatives.
        verdict: The only verdict of the run to which the fault applies; None for both.
        places_call: For a launch: whether the call is placed.
        gone: Whether the platform as a whole counts as unavailable; three such errors in a row stop all launches.
        rejects_keys: Whether no later launch is sent.
        waits: Whether it lasts until a deadline or a timeout.
    """

    name: str
    when: When
    replies: tuple[Reply, ...]
    forever: bool = False
    outcome: Outcome = "verdict"
    message: str = ""
    verdict: Verdict | None = None
    places_call: bool = False
    gone: bool = False
    rejects_keys: bool = False
    waits: bool = False

    @property
    def is_refused_for_now(self) -> bool:
        """Whether the launch is sent again and then accepted."""
        return self.when == "launch" and self.outcome == "verdict" and not self.places_call

    @property
    def launch_steps(self) -> tuple[LaunchStep, ...]:
        """The responses to launches of one attempt."""
        *first, last = (LaunchStep(reply=reply, places_call=False) for reply in self.replies)
        if self.is_refused_for_now:
            return (*first, last, LaunchStep())
        return (*first, LaunchStep(reply=last.reply, places_call=self.places_call))


def matches(message: str, text: str) -> bool:
    """Return whether `text` has the parts of an alternative of `message`."""
    patterns = (".*".join(map(re.escape, alternative.split("..."))) for alternative in message.split(" | "))
    return any(re.search(pattern, text) for pattern in patterns)


def status_of(code: int, reason: str, body: str | bytes = "", **headers: str) -> Reply:
    """A response with a status code; underscores in names of headers become hyphens."""
    return Reply(
        status=code,
        reason=reason,
        body=body,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def error_of(code: int, reason: str, message: str) -> Reply:
    """An error with the platform's JSON body."""
    return status_of(code, reason, json.dumps({"error": message}))


_UNREADABLE: Mapping[str, tuple[Reply, str]] = {
    "an HTML page with code 200": (Reply(body=_HTML, headers=_HTML_TYPE), "Sipfront answered 200 with text/html"),
    "an empty body": (Reply(body=""), "Sipfront's answer is not "),
    "half of a JSON document": (Reply(body='{"data": {"status_url": "/a'), "instead of JSON"),
    "a JSON list": (Reply(body="[]"), "Sipfront's answer is not "),
    "JSON nested 50,000 levels deep": (Reply(body="[" * 50_000), "Sipfront answered 200"),
    "a body of 9 MB, packed to 9 KB": (Reply(body=_BOMB, encoding="gzip"), "its body is larger than 8 MB"),
    "a packed body that is damaged": (
        Reply(body="no gzip", headers={"Content-Encoding": "gzip"}),
        "its body is not valid gzip",
    ),
    "an unknown Content-Encoding": (
        Reply(headers={"Content-Encoding": f"br-{SECRET_TEXT}"}),
        "its Content-Encoding 'br-[secret]' is unknown",
    ),
    "code 204": (status_of(204, "No Content"), "Sipfront's answer is not "),
}
_BROKEN: Mapping[str, tuple[Reply, str]] = {
    "a connection reset after the request": (Reply(act="reset"), "the connection to Sipfront (127.0.0.1...) broke: "),
    "a connection closed after the request": (Reply(act="close"), "the connection to Sipfront (127.0.0.1...) broke: "),
    "half of a response head": (Reply(act="half head"), "the connection to Sipfront (127.0.0.1...) broke: "),
    "half of a response body": (Reply(act="half"), "the connection to Sipfront (127.0.0.1...) broke: "),
    "a response that is not HTTP": (
        Reply(raw=b"SSH-2.0-OpenSSH_9.7 \x1b[31m\r\n\r\n"),
        "the connection to Sipfront (127.0.0.1...) broke: ",
    ),
    "two Content-Length headers": (
        Reply(headers={"CONTENT-LENGTH": "1"}),
        "the connection to Sipfront (127.0.0.1...) broke: ",
    ),
    "a header of 200 KB": (Reply(headers={"X": "x" * 200_000}), "the connection to Sipfront (127.0.0.1...) broke: "),
    "code 500": (error_of(500, "Internal Server Error", HOSTILE), f"Sipfront failed: {_CLEANED}"),
    "code 502 with an HTML page": (
        status_of(502, "Bad Gateway", _HTML),
        "Sipfront failed: an HTML page titled 'Proxy login' (502",
    ),
    "code 504": (status_of(504, "Gateway Timeout"), "Sipfront failed: 504 Gateway Timeout"),
}
_SLOW: Mapping[str, tuple[Reply, str]] = {
    "no response": (Reply(act="hang"), "the connection to Sipfront (127.0.0.1...) broke: "),
    "one byte every 0.1 s": (Reply(act="drip"), "no complete response within 3 s"),
}
_RETRY_HINTS = {
    "without Retry-After": {},
    "with Retry-After: 0": {"Retry-After": "0"},
    "with Retry-After: 0.05": {"Retry-After": "0.05"},
    "with Retry-After: -5": {"Retry-After": "-5"},
    "with Retry-After: nan": {"Retry-After": "nan"},
    "with Retry-After: soon": {"Retry-After": f"soon {SECRET_TEXT}"},
    "with a Retry-After in the past": {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"},
}
_LONG_HINTS = {
    "with Retry-After: 86400": {"Retry-After": "86400"},
    "with Retry-After: 1e400": {"Retry-After": "1e400"},
    "with a Retry-After in the year 9999": {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"},
}
_REFUSALS: Mapping[str, tuple[Reply, str]] = {
    "code 400": (status_of(400, "Bad Request"), "Sipfront refused: 400 Bad Request"),
    "code 409": (error_of(409, "Conflict", "test is locked"), "Sipfront refused: test is locked (409 Conflict)"),
    "code 422 with a reason": (
        error_of(422, "Unprocessable", "No quota left"),
        "Sipfront refused: No quota left (422 Unprocessable)",
    ),
    "code 422 with escape sequences, CI commands and the secret": (
        error_of(422, "Unprocessable", HOSTILE),
        f"Sipfront refused: {_CLEANED}",
    ),
    "code 422 with the secret in the reason phrase": (
        status_of(422, f"{SECRET_TEXT} {PAIR_TEXT} ::error ::x"),
        "Sipfront refused: 422 [secret] [secret]",
    ),
    "code 422 with 300 KB of '<'": (status_of(422, "Unprocessable", "<" * 300_000), "Sipfront refused: <<<"),
    "code 422 with an unknown charset": (
        status_of(422, "Unprocessable", "no", Content_Type="text/plain; charset=hex"),
        "Sipfront refused: no (422 Unprocessable)",
    ),
    "a redirect to another host": (
        status_of(302, "Found", Location=f"https://evil.invalid/{SECRET_TEXT}"),
        "redirects (302) to https://evil.invalid/[secret]",
    ),
    "a redirect to itself": (status_of(307, "Temporary Redirect", Location="/api/v2/"), "redirects (307) to /api/v2/"),
}
_BUSY = ((429, "Too Many Requests"), (503, "Service Unavailable"))
_KEYS_REJECTED = ((401, "Unauthorized"), (403, "Forbidden"))
_UNREADABLE_FLAGS: tuple[tuple[str, Any, str], ...] = (
    ("is_failed", 1.0, "1.0"),
    ("is_failed", "yes", "'yes'"),
    ("is_finished", 0.0, "0.0"),
    ("is_finished", 2, "2"),
    ("has_passed", [], "[]"),
    ("has_passed", SECRET_TEXT, "'[secret]'"),
)
_STATUSES_OF_RUNNING_RUNS: Mapping[str, Mapping[str, Any]] = {
    "the unknown status 'queued'": {"status": "queued"},
    "an unknown status with escape sequences and the secret": {"status": HOSTILE},
    "no status": {"status": LEFT_OUT},
    "a status that is a number": {"status": 5},
    "the ids of another run while running": {"session_id": "run-0", "test_name": "other"},
    "passed, and not finished": {"status": "passed", "has_passed": 1, "is_failed": 0, "is_finished": 0},
    "failed, and not finished": {"status": "failed", "has_passed": 0, "is_failed": 1, "is_finished": 0},
    "passed, and still running": {"status": "passed", "session_status": "running", "has_passed": 1},
    "an id of 60 digits": {"id": int("7" * 60)},
    "dates of the years 1 and 9999": _FAR_DATES,
}


def _refused(name: str, reply: Reply, message: str, **more: Any) -> Fault:
    return Fault(name=name, when="launch", replies=(reply,), outcome="error", message=message, **more)


def _unknown(name: str, reply: Reply, message: str, **more: Any) -> Fault:
    options = {"places_call": True, **more}
    message = f"{_MAY_HAVE}...{message}"
    return Fault(name=name, when="launch", replies=(reply,), outcome="error", message=message, **options)


def _refused_launches() -> Iterator[Fault]:
    for name, (reply, message) in _REFUSALS.items():
        yield _refused(name, reply, message)
    yield _refused("code 404", error_of(404, "Not Found", "no such test"), "Sipfront refused: no such test (404")
    denied = Reply(body='{"error": "Test run denied"}')
    yield _refused("an error text with code 200", denied, "Sipfront refused: Test run denied")
    for code, reason in _KEYS_REJECTED:
        message = "Sipfront refused the credentials: [secret] "
        yield _refused(f"code {code}", error_of(code, reason, SECRET_TEXT), message, rejects_keys=True)


def _busy_launches() -> Iterator[Fault]:
    for code, reason in _BUSY:
        for hint, headers in _RETRY_HINTS.items():
            reply = status_of(code, reason, HOSTILE, **headers)
            times = 2 if hint.endswith(("0", "5")) else 1  # the others wait for a second or more
            yield Fault(name=f"code {code} {hint}, then accepted", when="launch", replies=(reply,) * times)
        for hint, headers in _LONG_HINTS.items():
            yield _refused(f"code {code} {hint}", status_of(code, reason, **headers), f"Sipfront is busy: {code}")
    full = error_of(409, "Conflict", "all agents are busy")
    yield Fault(name="code 409 'all agents are busy', then accepted", when="launch", replies=(full,))


def _unknown_launches() -> Iterator[Fault]:
    for name, (reply, message) in _UNREADABLE.items():
        yield _unknown(name, reply, message)
    for name, (reply, message) in _BROKEN.items():
        yield _unknown(name, reply, message, gone=True)
    for name, (reply, message) in _SLOW.items():
        yield _unknown(name, reply, message, gone=True, waits=True)
    reset, message = _BROKEN["a connection reset after the request"]
    yield _unknown("a connection reset, and no call", reset, message, places_call=False, gone=True)
    for name, url in {"no status_url": LEFT_OUT, "a status_url that is a number": 7}.items():
        yield _unknown(name, Reply(fields={"status_url": url}), "Sipfront's answer is not a launched run")
    yield _unknown(
        "two different status_urls",
        Reply(body='{"data": {"status_url": "/a/status", "status_url": "/b/status"}}'),
        "the key 'status_url' occurs twice with different values",
    )


def _odd_launches() -> Iterator[Fault]:
    for name, url in {
        "a status_url of another host": f"http://evil.invalid/{SECRET_TEXT}/status",
        "a status_url with another scheme": "ftp://127.0.0.1/status",
        "a status_url of 200 KB": "/x" * 100_000,
        "a status_url with control characters": "/s\n\x1b\ud800",
    }.items():
        yield _refused(name, Reply(fields={"status_url": url}), "is outside http://127.0.0.1", places_call=True)
    for name, reply in {
        "a session_id of 6,000 digits": Reply(fields={"session_id": "7" * 6000}),
        "a report_url with escape sequences and the secret": Reply(fields={"report_url": f"https://x/{HOSTILE}"}),
        "no session_id and no report_url": Reply(fields={"session_id": LEFT_OUT, "report_url": LEFT_OUT}),
        "a chunked response": Reply(encoding="chunked"),
        "a response in UTF-16": Reply(encoding="utf-16"),
    }.items():
        yield Fault(name=name, when="launch", replies=(reply,), places_call=True)


def _passing_polls() -> Iterator[Fault]:
    def passing(name: str, *replies: Reply, **more: Any) -> Fault:
        return Fault(name=name, when="poll", replies=replies, **more)

    for name, (reply, _) in {**_UNREADABLE, **_BROKEN}.items():
        yield passing(f"{name}, once", reply)
    yield passing("no response, once", Reply(act="hang"), waits=True)
    for code, reason in _BUSY:
        for hint, headers in _RETRY_HINTS.items():
            yield passing(f"code {code} {hint}, once", status_of(code, reason, HOSTILE, **headers))
    yield passing("code 404, twice", *[status_of(404, "Not Found")] * 2)
    yield passing("an error text with code 200, once", Reply(body='{"error": "not yet"}'))
    yield passing("two different values of one key, once", Reply(body='{"run": {"status": "running", "status": "x"}}'))
    for name, fields in _STATUSES_OF_RUNNING_RUNS.items():
        yield passing(f"{name}, once", Reply(fields=fields))
    yield passing("running with Retry-After: 86400", Reply(headers={"Retry-After": "86400"}), waits=True)


def _lasting_polls() -> Iterator[Fault]:
    def lasting(name: str, reply: Reply, message: str, **more: Any) -> Fault:
        options = {"outcome": "error", "forever": True, "message": message, **more}
        return Fault(name=name, when="poll", replies=(reply,), **options)

    yield lasting("running, for ever", REGULAR, f"{_NOT_FINISHED}...last status: running", waits=True)
    queued = Reply(fields={"status": f"queued {HOSTILE}"})
    yield lasting("an unknown status, for ever", queued, f"{_NOT_FINISHED}...last status: queued bad", waits=True)
    missing = status_of(404, "Not Found")
    yield lasting("code 404, for ever", missing, f"Sipfront refused: 404 | {_NOT_FINISHED}", waits=True)
    for name in ("a connection reset after the request", "code 500"):
        reply, message = _BROKEN[name]
        yield lasting(f"{name}, for ever", reply, f"{message} | {_NOT_FINISHED}", waits=True, gone=True)
    for name in ("an HTML page with code 200", "a body of 9 MB, packed to 9 KB"):
        reply, message = _UNREADABLE[name]
        yield lasting(f"{name}, for ever", reply, f"{message} | {_NOT_FINISHED}", waits=True)
    for name, (reply, message) in _SLOW.items():
        yield lasting(f"{name}, for ever", reply, f"{message} | {_NOT_FINISHED}", waits=True, gone=True)
    for name, (reply, message) in _REFUSALS.items():
        yield lasting(name, reply, message)
    for code, reason in _KEYS_REJECTED:
        yield lasting(f"code {code}", status_of(code, reason), "Sipfront refused the credentials", rejects_keys=True)


def _harmless_ends() -> Iterator[Fault]:
    def late(name: str, reply: Reply, verdict: Verdict | None = None) -> Fault:
        return Fault(name=f"{name}, once", when="end", replies=(reply,), verdict=verdict)

    for name, (reply, _) in {**_UNREADABLE, **_BROKEN}.items():
        yield late(name, reply)
    for flag in ("is_finished", "has_passed"):
        yield late(f"passed without {flag}", Reply(fields={flag: LEFT_OUT}), "passed")
    for name, reply in {
        "flags as strings": Reply(fields={"is_finished": "1"}),
        "flags as bools": Reply(fields={"is_finished": True}),
        "no names and ids": Reply(fields=dict.fromkeys(("id", "session_id", "test_name"), LEFT_OUT)),
        "a chunked response": Reply(encoding="chunked"),
        "a packed response": Reply(encoding="gzip"),
        "a response in UTF-16": Reply(encoding="utf-16"),
        "dates of the years 1 and 9999": Reply(fields=_FAR_DATES),
        "an id of 60 digits": Reply(fields={"id": int("7" * 60)}),
        "tags, pool and testcase with escape sequences and the secret": Reply(
            fields={"tags": json.dumps([HOSTILE]), "agentpool_name": HOSTILE, "testcase_name": HOSTILE}
        ),
    }.items():
        yield Fault(name=name, when="end", replies=(reply,), forever=True)
    digits = f'{{"run": {{"status": "passed", "is_finished": 1, "has_passed": 1, "id": {"7" * 6000}}}}}'
    yield Fault(name="an id of 6,000 digits", when="end", replies=(Reply(body=digits),), forever=True, verdict="passed")


def _descriptions() -> Iterator[Fault]:
    none = "the run failed; the platform gives no description"
    for name, (description, message) in {
        "a description with escape sequences, CI commands and the secret": (HOSTILE, _CLEANED),
        "a description of 100 KB": ("x" * 100_000, "xxx"),
        "no description": (LEFT_OUT, none),
        "a description that is null": (None, none),
    }.items():
        reply = Reply(fields={"result_description": description})
        yield Fault(name=name, when="end", replies=(reply,), forever=True, verdict="failed", message=message)


def _without_verdict(name: str, message: str, verdict: Verdict | None = None, **fields: Any) -> Fault:
    reply = Reply(fields=fields)
    options: dict[str, Any] = {"outcome": "error", "message": message, "verdict": verdict}
    return Fault(name=name, when="end", replies=(reply,), forever=True, **options)


def _ends_without_verdict() -> Iterator[Fault]:
    for word in ("stopped", "errored", "cancelled"):
        fields: dict[str, Any] = {"status": word, "result_description": f"agent lost {SECRET_TEXT}"}
        yield _without_verdict(f"the status '{word}'", f"no verdict: {word} - agent lost [secret]", **fields)
    completed = "no verdict: the run is finished with the unknown state 'completed'"
    yield _without_verdict("the unknown final status 'completed'", completed, status="completed")
    for values in ("0, 1", "true, 1"):
        flags = ", ".join(f'"has_passed": {value}' for value in values.split(", "))
        yield Fault(
            name=f"has_passed twice, as {values.replace(',', ' and')}, for ever",
            when="end",
            replies=(Reply(body=f'{{"run": {{"status": "passed", {flags}, "is_finished": 1}}}}'),),
            forever=True,
            outcome="error",
            message=f"the key 'has_passed' occurs twice with different values | {_NOT_FINISHED}",
            waits=True,
        )


def _contradictions() -> Iterator[Fault]:
    for verdict in VERDICTS:
        state = f"the state is '{verdict}', but "
        for flag, value, shown in _UNREADABLE_FLAGS:
            name = f"{verdict} with {flag} {shown.replace('[secret]', 'and the secret')}"
            yield _without_verdict(name, f"{state}{flag} is {shown}", verdict, **{flag: value})
        for flag, value in (("is_failed", int(verdict == "passed")), ("has_passed", int(verdict == "failed"))):
            yield _without_verdict(
                f"{verdict} with {flag} {value}", f"{state}{flag} is {value}", verdict, **{flag: value}
            )
        for name, message, fields in (
            ("the session_id of another run", "its session_id 'run-0' names another run", {"session_id": "run-0"}),
            ("the test_name of another test", "its test_name 'other' names another test", {"test_name": "other"}),
        ):
            yield _without_verdict(f"{verdict} with {name}", state + message, verdict, **fields)
    missing = "the state is 'passed', but has_passed is missing"
    yield _without_verdict("passed without has_passed, for ever", missing, "passed", has_passed=LEFT_OUT)
    both = "the state is 'failed', but is_failed is 0 and has_passed is 1"
    yield _without_verdict("status passed and session_status failed", both, "passed", session_status="failed")


FAULTS: tuple[Fault, ...] = (
    *_refused_launches(),
    *_busy_launches(),
    *_unknown_launches(),
    *_odd_launches(),
    *_passing_polls(),
    *_lasting_polls(),
    *_harmless_ends(),
    *_descriptions(),
    *_ends_without_verdict(),
    *_contradictions(),
)
