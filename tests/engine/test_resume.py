from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.clients.sipfront.models import LastStatus, Launched, RunRequest, RunStatus
from pytest_sipfront.engine import journal
from pytest_sipfront.engine.resume import (
    JournalEntry,
    ResumableRuns,
    chain,
    end_of,
    recorded,
    result_of,
    unfinished,
)
from pytest_sipfront.engine.run import Run, RunResult
from pytest_sipfront.engine.verdict import Verdict
from tests.clients.sipfront.test_models import JSON
from tests.engine.support import FAILED, PASSED, PROJECT, TEST

AT = "2026-01-15T12:00:00.000+00:00"
URLS = {"status_url": "https://x/1", "report_url": "https://x/report", "session_id": "s-1"}
END = {"verdict": "passed", "duration": 61.5, "run": PASSED, "tests": []}
KINDS = (
    journal.SESSION,
    journal.END,
    journal.INTENT,
    journal.LAUNCHED,
    journal.REFUSED,
    journal.UNCERTAIN,
    journal.VERDICT,
    journal.NO_VERDICT,
)


def _event(kind: str, launch: str = "", session: str = "s", /, **fields: Any) -> dict[str, Any]:
    return {"at": AT, "event": kind, "session": session, "worker": "", "launch": launch, **fields}


def _begin(session: str, resumes: str = "") -> dict[str, Any]:
    return _event(journal.SESSION, "", session, resumes=resumes)


def _intent(launch: str = "1", test: str = "test_a", session: str = "s", request: RunRequest = TEST) -> dict[str, Any]:
    return _event(journal.INTENT, launch, session, test=test, target=request.target, digest=request.digest)


def _of(*events: dict[str, Any], sessions: str = "s") -> list[JournalEntry]:
    return recorded(events, frozenset(sessions))


def _run(label: str = "test_a", request: RunRequest = TEST) -> Run:
    return Run(request=request, timeout=0, label=label)


# ---- what is known of a launch ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "state", "uncertain", "in_flight"),
    [
        ([], journal.INTENT, True, False),
        ([_event(journal.REFUSED, "1")], journal.REFUSED, False, False),
        ([_event(journal.UNCERTAIN, "1")], journal.UNCERTAIN, True, False),
        ([_event(journal.LAUNCHED, "1", **URLS)], journal.LAUNCHED, False, True),
        ([_event(journal.LAUNCHED, "1", **URLS), _event(journal.VERDICT, "1", **END)], journal.VERDICT, False, False),
        ([_event(journal.LAUNCHED, "1", **URLS), _event(journal.NO_VERDICT, "1")], journal.NO_VERDICT, False, False),
        ([_event(journal.LAUNCHED, "1", status_url=5)], journal.INTENT, True, False),
    ],
    ids=["intent", "refused", "uncertain", "launched", "verdict", "no verdict", "launched without a url"],
)
def test_the_last_event_of_a_launch_says_what_is_known(
    after: list[dict[str, Any]], state: str, uncertain: bool, in_flight: bool
) -> None:
    """Whether it may have been started, and whether it is going on."""
    (entry,) = _of(_intent(), *after)
    assert (entry.state, entry.is_uncertain, entry.is_in_flight) == (state, uncertain, in_flight)


def test_a_launch_is_known_with_all_that_was_written() -> None:
    """When, for whom, what, and what the platform answered."""
    (entry,) = _of(_intent(), _event(journal.LAUNCHED, "1", **URLS), _event(journal.VERDICT, "1", **END))
    assert entry.at == datetime(2026, 1, 15, 12, tzinfo=UTC)
    assert (entry.launch, entry.test, entry.target, entry.digest) == ("1", "test_a", "Basic call", TEST.digest)
    assert entry.launched is not None
    assert (entry.launched.status_url, entry.launched.report_url) == ("https://x/1", "https://x/report")
    assert (entry.launched.session_id, entry.seconds) == ("s-1", 61.5)


def test_launches_are_known_in_the_order_in_which_they_were_sent() -> None:
    """Whatever the order of their answers, and whichever process wrote between."""
    events = [_intent("1"), _intent("2"), _intent("3", session="other"), _event(journal.LAUNCHED, "2", **URLS)]
    assert [(entry.launch, entry.is_in_flight) for entry in _of(*events)] == [("1", False), ("2", True)]


def test_an_event_without_its_intent_is_left_out() -> None:
    """A part of the file may be lost; nothing is known of whose run it is."""
    assert _of(_event(journal.LAUNCHED, "1", **URLS), _event(journal.VERDICT, "1", **END)) == []


@pytest.mark.parametrize("broken", [{"at": "yesterday"}, {"at": 5}, {"at": None}, {"launch": "2", "test": None}])
def test_an_intent_that_makes_no_sense_spoils_no_other(broken: dict[str, Any]) -> None:
    """The file may have been edited."""
    entries = _of(_intent("1"), {**_intent("2"), **broken}, {"event": journal.INTENT, "session": "s"}, _intent("3"))
    assert {"1", "3"} <= {entry.launch for entry in entries} <= {"1", "2", "3"}


def test_a_time_without_a_zone_is_utc() -> None:
    """Its age is asked for."""
    (entry,) = _of({**_intent(), "at": "2026-01-15T12:00:00"})
    assert entry.at == datetime(2026, 1, 15, 12, tzinfo=UTC)


# ---- which session to take up -----------------------------------------------------------------------------------


def test_a_session_that_was_killed_is_to_be_taken_up() -> None:
    """It wrote no end."""
    assert unfinished([_begin("a"), _intent(session="a")]) == "a"


def test_a_session_that_ended_by_itself_is_not_taken_up() -> None:
    """Its tests have their results, all of them."""
    assert unfinished([_begin("a"), _intent(session="a"), _event(journal.END, "", "a")]) == ""
    assert unfinished([]) == ""


def test_only_the_last_session_is_taken_up() -> None:
    """What came between has launched anew what an older one left."""
    assert unfinished([_begin("a"), _begin("b"), _event(journal.END, "", "b")]) == ""
    assert unfinished([_begin("a"), _event(journal.END, "", "a"), _begin("b")]) == "b"


def test_a_session_beside_another_can_be_taken_up() -> None:
    """Two in one directory: the end of one is not the end of the other."""
    both = [_begin("a"), _begin("b"), _intent(session="a"), _event(journal.END, "", "b")]
    assert unfinished(both) == "a"
    assert unfinished([*both, _event(journal.END, "", "a")]) == ""


def test_each_worker_s_beginning_is_the_same_session_s() -> None:
    """One after the other opens the file."""
    assert unfinished([_begin("a"), _intent(session="a"), _begin("a")]) == "a"


def test_a_session_is_taken_up_with_those_that_it_took_up_itself() -> None:
    """Killed twice and three times: nothing is launched a second time."""
    events = [_begin("x"), _begin("a"), _begin("b", "a"), _begin("c", "b"), _begin("b", "a")]
    assert chain(events, "c") == {"a", "b", "c"}
    assert chain(events, "a") == {"a"}
    assert chain(events, "") == frozenset()


def test_sessions_that_name_each_other_are_no_trap() -> None:
    """The file may have been edited."""
    assert chain([_begin("a", "b"), _begin("b", "a"), _begin("c", "c")], "a") == {"a", "b"}


def test_what_a_later_session_learned_of_a_launch_counts() -> None:
    """One launched it, the next saw its end, and a third asks."""
    events = [
        _intent(session="a"),
        _event(journal.LAUNCHED, "1", "a", **URLS),
        _event(journal.VERDICT, "1", "b", **END),
    ]
    (entry,) = _of(*events, sessions="ab")
    assert entry.state == journal.VERDICT
    (entry,) = _of(*events, sessions="a")
    assert entry.is_in_flight


# ---- who gets it ------------------------------------------------------------------------------------------------


def test_what_is_known_is_given_to_the_same_test_and_the_same_request() -> None:
    """An override that changed means another call."""
    recovery = ResumableRuns(_of(_intent("1"), _intent("2", test="test_b"), _intent("3", request=PROJECT)))
    assert recovery.take(_run(request=replace(TEST, overrides={"step.1.0.x": 1}))) is None
    assert recovery.take(_run("test_c")) is None
    taken = [recovery.take(run) for run in (_run("test_b"), _run(request=PROJECT), _run())]
    assert [entry.launch for entry in taken if entry] == ["2", "3", "1"]


def test_each_launch_is_given_once_and_the_first_first() -> None:
    """A rerun, or a test with several equal runs, gets the next."""
    recovery = ResumableRuns(_of(_intent("1"), _intent("2")))
    taken = [recovery.take(_run()) for _ in range(3)]
    assert [entry.launch if entry else None for entry in taken] == ["1", "2", None]


def test_a_refused_launch_is_as_if_it_never_was() -> None:
    """Nothing was started: it is launched now."""
    recovery = ResumableRuns(_of(_intent("1"), _event(journal.REFUSED, "1"), _intent("2")))
    taken = recovery.take(_run())
    assert taken is not None
    assert taken.launch == "2"
    assert ResumableRuns().take(_run()) is None


# ---- results ----------------------------------------------------------------------------------------------------


def _recorded(end: dict[str, Any]) -> JournalEntry:
    through_json = json.loads(json.dumps(_event(journal.VERDICT, "1", **end)))
    (entry,) = _of(_intent(), _event(journal.LAUNCHED, "1", **URLS), through_json)
    return entry


def _result(
    request: RunRequest, raw: dict[str, Any], tests: tuple[LastStatus, ...] = (), notes: tuple[str, ...] = ()
) -> RunResult:
    run = Run(request=request, timeout=0, status=RunStatus.read(raw), notes=list(notes))
    launched = Launched.read(URLS)
    assert launched is not None
    verdict = Verdict.FAILED if raw.get("is_failed") else Verdict.PASSED
    return RunResult.of(run, launched, verdict, elapsed=12.5, tests=tests)


_INNER = LastStatus.read({"test": {"id": 3, "name": "Inner"}, "run": FAILED})
_NAMELESS = LastStatus.read({"run": {"test_id": 4, "test_name": "By its run", **PASSED}})


@pytest.mark.parametrize(
    ("request_", "raw", "tests"),
    [
        (TEST, PASSED, ()),
        (TEST, {**FAILED, "started_at": "2026-01-15 12:00:00", "stopped_at": "2026-01-15 12:05:00"}, ()),
        (PROJECT, {"run_status": "passed", "project_id": 7}, (_INNER, _NAMELESS)),
        (TEST, {**PASSED, "tags": '["a"]', "odd": {"x": [1, None, "\udc00é"]}}, ()),
    ],
    ids=["passed", "failed", "project", "odd"],
)
def test_a_result_is_made_again_of_what_was_written(
    request_: RunRequest, raw: dict[str, Any], tests: tuple[LastStatus, ...]
) -> None:
    """The same in every part, so that a report tells the same."""
    result = _result(request_, raw, tests, ("something to know",))
    again = result_of(_run(request=request_), _recorded(end_of(result)))
    assert again == result


@pytest.mark.parametrize(
    "broken",
    [
        {"verdict": "perhaps"},
        {"verdict": None},
        {"verdict": ["passed"]},
        {"run": None},
        {"run": "passed"},
        {"duration": None},
        {"duration": "long"},
        {"duration": -1},
        {"duration": 10**400},
    ],
    ids=str,
)
def test_a_verdict_that_makes_no_sense_is_none(broken: dict[str, Any]) -> None:
    """The run is followed again, since what it says now is certain."""
    assert result_of(_run(), _recorded({**END, **broken})) is None


def test_a_run_without_a_verdict_has_no_result() -> None:
    """Though it is over: it may say more by now."""
    (entry,) = _of(_intent(), _event(journal.LAUNCHED, "1", **URLS), _event(journal.NO_VERDICT, "1", kind="NoVerdict"))
    assert (result_of(_run(), entry), entry.seconds) == (None, 0.0)


# ---- whatever the file holds ------------------------------------------------------------------------------------

_FIELDS = ("at", "session", "launch", "test", "target", "digest", "status_url", "verdict", "duration", "run", "tests")
_ODD_EVENTS = st.lists(
    st.builds(
        lambda kind, fields, sane: (_intent() if sane else {}) | fields | {"event": kind},
        st.sampled_from(KINDS) | st.text(max_size=5),
        st.dictionaries(
            st.sampled_from((*_FIELDS, "resumes", "report_url")),
            JSON | st.sampled_from(["s", "1", AT, "https://x/1", "passed", 5, PASSED, [1, 2]]),
        ),
        st.booleans(),
    ),
    max_size=12,
)


@given(_ODD_EVENTS)
def test_whatever_the_file_holds_nothing_raises(events: list[dict[str, Any]]) -> None:
    """A session that is to be taken up must not fail at a line that somebody wrote into its ledger."""
    session = unfinished(events)
    sessions = chain(events, session) | {"s"}
    entries = recorded(events, sessions)
    recovery = ResumableRuns(entries)
    for entry in entries:
        assert entry.seconds >= 0
        assert not (entry.is_in_flight and entry.is_uncertain)
        result = result_of(_run(), entry)
        assert result is None or result.verdict in {"passed", "failed"}
        taken = recovery.take(_run(entry.test))
        assert taken is None or taken.state != journal.REFUSED
