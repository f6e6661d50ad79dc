from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.clients.sipfront.models import LastStatus, Launched, RunRequest, RunStatus
from pytest_sipfront.engine import journal
from pytest_sipfront.engine.journal import Journal
from pytest_sipfront.engine.resume import (
    JournalEntry,
    ResumableRuns,
    end_of,
    load_left_behind,
    load_resumable,
    recorded,
    result_of,
)
from pytest_sipfront.engine.run import Run, RunResult
from pytest_sipfront.engine.verdict import Verdict
from pytest_sipfront.errors import ConfigurationError
from tests.clients.sipfront.test_models import JSON
from tests.engine.support import FAILED, PASSED, PROJECT, TEST

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
AT = "2026-01-15T12:00:00.000+00:00"
HOUR = 3600.0
URLS = {"status_url": "https://x/1", "report_url": "https://x/report", "session_id": "s-1"}
END = {"verdict": "passed", "duration": 61.5, "run": PASSED, "tests": []}
KINDS = (
    journal.SESSION,
    journal.CLOSING,
    journal.END,
    journal.INTENT,
    journal.LAUNCHED,
    journal.REFUSED,
    journal.UNCERTAIN,
    journal.VERDICT,
    journal.NO_VERDICT,
    journal.REPAIR,
)


def _run(label: str = "test_a", request: RunRequest = TEST, service: str = "") -> Run:
    return Run(request=request, timeout=0, label=label, service=service)


def _event(kind: str, launch: str = "", session: str = "s", /, **fields: Any) -> dict[str, Any]:
    return {"at": AT, "event": kind, "session": session, "launch": launch, **fields}


def _intent(launch: str = "1", run: Run | None = None, session: str = "s") -> dict[str, Any]:
    run = run or _run()
    return _event(journal.INTENT, launch, session, test=run.label, target=run.request.target, digest=run.key)


# ---- one launch -------------------------------------------------------------------------------------------------


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
def test_the_last_event_decides_what_is_known_about_a_launch(
    after: list[dict[str, Any]], state: str, uncertain: bool, in_flight: bool
) -> None:
    """Whether it may have been started, and whether the run is in flight."""
    (entry,) = recorded([_intent(), *after])
    assert (entry.state, entry.is_uncertain, entry.is_in_flight) == (state, uncertain, in_flight)


def test_a_launch_has_all_fields_of_its_events() -> None:
    """When, for which test, what, and what the platform answered."""
    later = _event(journal.VERDICT, "1", **END) | {"at": "2026-01-15T12:01:01.500+00:00"}
    (entry,) = recorded([_intent(), _event(journal.LAUNCHED, "1", **URLS), later])
    assert (entry.at, entry.changed_at) == (NOON, NOON + timedelta(seconds=61.5))
    assert (entry.launch, entry.session, entry.test) == ("1", "s", "test_a")
    assert (entry.target, entry.digest) == ("Basic call", _run().key)
    assert entry.launched is not None
    assert (entry.launched.status_url, entry.launched.report_url) == ("https://x/1", "https://x/report")
    assert (entry.launched.session_id, entry.seconds) == ("s-1", 61.5)


def test_launches_keep_the_order_of_their_intents() -> None:
    """Whatever the order of their answers."""
    events = [_intent("1"), _intent("2"), _intent("3", session="other"), _event(journal.LAUNCHED, "2", **URLS)]
    entries = [(entry.launch, entry.session, entry.is_in_flight) for entry in recorded(events)]
    assert entries == [("1", "s", False), ("2", "s", True), ("3", "other", False)]


def test_an_event_without_its_intent_is_ignored() -> None:
    """It does not say which test it belongs to."""
    assert recorded([_event(journal.LAUNCHED, "1", **URLS), _event(journal.VERDICT, "1", **END)]) == []


@pytest.mark.parametrize("broken", [{"at": "yesterday"}, {"at": 5}, {"at": None}, {"launch": "2", "test": None}])
def test_an_unreadable_intent_affects_no_other_launch(broken: dict[str, Any]) -> None:
    """Another version of this package may have written it."""
    entries = recorded([_intent("1"), {**_intent("2"), **broken}, {"event": "intent", "session": "s"}, _intent("3")])
    assert {"1", "3"} <= {entry.launch for entry in entries} <= {"1", "2", "3"}


def test_a_time_without_a_zone_is_utc() -> None:
    """The age of a launch must be known."""
    (entry,) = recorded([{**_intent(), "at": "2026-01-15T12:00:00"}])
    assert entry.at == NOON


# ---- which sessions are resumed ---------------------------------------------------------------------------------


class Sessions:
    """A journal on disk with several sessions, and the clock and the running sessions that a later one sees."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = NOON
        self.running: set[str] = set()
        self._journals: dict[str, Journal] = {}

    def write(self, session: str, *events: tuple[str, dict[str, Any]]) -> None:
        if session not in self._journals:
            self._journals[session] = Journal(self.path, session, utcnow=lambda: self.now)
        for kind, fields in events:
            self._journals[session].append(kind, **fields)
        self._journals[session].close()

    def launch(self, session: str, launch: str, run: Run | None = None, *, until: str = journal.LAUNCHED) -> None:
        """Write the events of a launch up to one kind."""
        run = run or _run()
        steps: dict[str, dict[str, Any]] = {
            journal.INTENT: {"test": run.label, "target": run.request.target, "digest": run.key},
            journal.LAUNCHED: URLS,
            journal.VERDICT: END,
        }
        for kind, fields in steps.items():
            self.write(session, (kind, {"launch": launch, **fields}))
            if kind == until:
                return

    def end(self, session: str, resumable: ResumableRuns | None = None) -> None:
        self.write(session, (journal.END, {"superseded": (resumable or ResumableRuns()).superseded}))

    def resumable(self, own_session: str = "own", *, max_age: float = 12 * HOUR) -> ResumableRuns:
        return load_resumable(
            self.path,
            own_session=own_session,
            max_age=max_age,
            utcnow=lambda: self.now,
            is_running=lambda _, session: session in self.running,
            closing_seconds=0.0,
        )

    def left_behind(self) -> list[str]:
        entries = load_left_behind(
            self.path,
            own_session="own",
            max_age=12 * HOUR,
            utcnow=lambda: self.now,
            is_running=lambda _, session: session in self.running,
        )
        return [entry.launch for entry in entries]


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return Sessions(tmp_path / "ledger.jsonl")


def _launches(resumable: ResumableRuns, *runs: Run) -> list[str | None]:
    """The launches that runs take."""
    return [entry.launch if (entry := resumable.take(run)) else None for run in runs]


def test_a_killed_session_is_resumed(sessions: Sessions) -> None:
    """It wrote no end."""
    sessions.launch("a", "1")
    resumable = sessions.resumable()
    assert resumable.sessions == ["a"]
    assert _launches(resumable, _run()) == ["1"]


def test_nothing_is_resumed_without_a_journal(sessions: Sessions) -> None:
    """The first session of all may ask for it."""
    assert sessions.resumable().sessions == []
    assert sessions.left_behind() == []


def test_a_session_that_ended_by_itself_is_not_resumed(sessions: Sessions) -> None:
    """All of its tests have their results."""
    sessions.launch("a", "1")
    sessions.end("a")
    assert sessions.resumable().sessions == []
    assert sessions.left_behind() == []


def test_every_interrupted_session_is_resumed(sessions: Sessions) -> None:
    """Not only the one that wrote last: a session that ends well beside or after it changes nothing."""
    sessions.launch("a", "1", _run("test_1"))
    sessions.launch("b", "2", _run("test_2"))
    sessions.launch("c", "3", _run("test_3"))
    sessions.end("c")
    resumable = sessions.resumable()
    assert resumable.sessions == ["a", "b"]
    assert _launches(resumable, *map(_run, ("test_1", "test_2", "test_3"))) == ["1", "2", None]


def test_a_session_is_not_resumed_by_itself(sessions: Sessions) -> None:
    """Its own launches are in the journal, too."""
    sessions.launch("own", "1")
    assert sessions.resumable().sessions == []
    assert sessions.left_behind() == []


def test_a_run_that_was_resumed_is_not_resumed_again(sessions: Sessions) -> None:
    """If the session that resumed it ended by itself. Runs that it left are still resumed."""
    sessions.launch("a", "1", _run("test_1"))
    sessions.launch("a", "2", _run("test_2"))
    first = sessions.resumable("b")
    assert _launches(first, _run("test_1")) == ["1"]
    assert _launches(sessions.resumable("c"), _run("test_1")) == ["1"], "b was killed"
    sessions.end("b", first)
    assert _launches(sessions.resumable("c"), _run("test_1"), _run("test_2")) == [None, "2"]


def test_a_resumed_test_supersedes_all_its_older_launches(sessions: Sessions) -> None:
    """Two interrupted sessions launched the same test. Its older verdict must not turn up another day."""
    sessions.launch("a", "1", until=journal.VERDICT)
    sessions.launch("b", "2")
    resumable = sessions.resumable("c")
    assert _launches(resumable, _run()) == ["1"]
    assert resumable.left_behind == []
    sessions.end("c", resumable)
    assert sessions.resumable("d").sessions == []


def test_what_a_later_session_learned_about_a_launch_counts(sessions: Sessions) -> None:
    """One session launched the run, the next one saw its end and was killed."""
    sessions.launch("a", "1")
    sessions.write("b", (journal.VERDICT, {"launch": "1", **END}))
    entry = sessions.resumable().take(_run())
    assert entry is not None
    assert (entry.session, entry.state) == ("a", journal.VERDICT)


def test_a_session_that_still_runs_is_skipped(sessions: Sessions) -> None:
    """Its runs are its own business, and nothing waits for it."""
    sessions.launch("a", "1", _run("test_1"))
    sessions.launch("b", "2", _run("test_2"))
    sessions.running = {"a"}
    assert sessions.resumable().sessions == ["b"]
    assert sessions.left_behind() == ["2"]


def test_a_real_session_runs_until_it_closes_its_journal(tmp_path: Path) -> None:
    """Its process holds a lock."""
    path = tmp_path / "ledger.jsonl"
    other = Journal(path, "a", utcnow=lambda: NOON)
    run = _run()
    other.append(journal.INTENT, launch="1", test=run.label, target="t", digest=run.key)

    def load() -> list[str]:
        return load_resumable(path, own_session="b", max_age=HOUR, utcnow=lambda: NOON).sessions

    assert load() == []
    other.close()
    assert load() == ["a"]


# ---- sessions that are closing ----------------------------------------------------------------------------------


def test_a_closing_session_is_waited_for(sessions: Sessions) -> None:
    """It still receives the answers of its last launches. Without them, a test could be launched twice."""
    sessions.launch("a", "1", until=journal.INTENT)
    sessions.write("a", (journal.CLOSING, {}))
    questions: list[str] = []

    def is_running(_: Path, session: str) -> bool:
        questions.append(session)
        if len(questions) == 2:
            sessions.write("a", (journal.LAUNCHED, {"launch": "1", **URLS}))
        return len(questions) < 3

    resumable = load_resumable(
        sessions.path, own_session="own", max_age=HOUR, utcnow=lambda: NOON, is_running=is_running
    )
    entry = resumable.take(_run())
    assert entry is not None
    assert entry.is_in_flight


def test_a_session_that_does_not_finish_closing_is_an_error(sessions: Sessions) -> None:
    """Its launches are unknown."""
    sessions.launch("a", "1")
    sessions.write("a", (journal.CLOSING, {}))
    sessions.running = {"a"}
    with pytest.raises(ConfigurationError, match=r"session a in the journal .*ledger\.jsonl .* is still closing"):
        sessions.resumable()
    sessions.end("a")
    assert sessions.resumable().sessions == []


# ---- age --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "launch"), [(11.9, "1"), (12.1, None)])
def test_old_launches_and_verdicts_are_not_reused(sessions: Sessions, hours: float, launch: str | None) -> None:
    """A verdict of yesterday says nothing about the product of today."""
    sessions.launch("a", "1", _run("test_1"), until=journal.VERDICT)
    sessions.launch("a", "2", _run("test_2"))
    sessions.now += timedelta(hours=hours)
    assert _launches(sessions.resumable(), _run("test_1"))[0] == launch
    assert sessions.left_behind() == (["2"] if launch else [])


def test_the_age_of_a_launch_counts_from_its_last_event(sessions: Sessions) -> None:
    """Within one session, an old verdict is dropped and a fresh one is kept."""
    sessions.launch("a", "1", _run("test_1"), until=journal.VERDICT)
    sessions.launch("a", "2", _run("test_2"))
    sessions.now += timedelta(hours=2)
    sessions.write("a", (journal.VERDICT, {"launch": "2", **END}))
    assert _launches(sessions.resumable(max_age=HOUR), _run("test_1"), _run("test_2")) == [None, "2"]


def test_a_clock_that_went_back_makes_nothing_old(sessions: Sessions) -> None:
    """The launches seem to come from the future."""
    sessions.launch("a", "1")
    sessions.now -= timedelta(hours=3)
    assert _launches(sessions.resumable(), _run()) == ["1"]


# ---- damaged lines ----------------------------------------------------------------------------------------------


def _damage(path: Path, number: int) -> None:
    lines = path.read_bytes().split(b"\n")
    lines[number - 1] = lines[number - 1].replace(b'"at"', b'"xt"', 1)
    path.write_bytes(b"\n".join(lines))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_damaged_line_of_an_interrupted_session_is_an_error(sessions: Sessions, number: int) -> None:
    """It may be the intent of a launch, which must not be sent again."""
    sessions.launch("a", "1")
    _damage(sessions.path, number)
    pattern = (
        rf"^line {number} of the journal .*ledger\.jsonl \(--sipfront-ledger\) is damaged, so a run .* launched again$"
    )
    with pytest.raises(ConfigurationError, match=pattern) as caught:
        sessions.resumable()
    assert "delete the line" in caught.value.hint
    assert "--sipfront-resume" in caught.value.hint
    sessions.left_behind()


def test_a_damaged_line_before_all_interrupted_sessions_is_ignored(sessions: Sessions) -> None:
    """It cannot be one of theirs."""
    sessions.launch("a", "1", until=journal.VERDICT)
    sessions.end("a")
    sessions.launch("b", "2")
    _damage(sessions.path, 2)
    assert _launches(sessions.resumable(), _run()) == ["2"]


def test_a_damaged_end_does_not_bring_back_the_session(sessions: Sessions) -> None:
    """Without its end, a session looks interrupted."""
    sessions.launch("a", "1", until=journal.VERDICT)
    sessions.end("a")
    _damage(sessions.path, 5)
    with pytest.raises(ConfigurationError, match="line 5 "):
        sessions.resumable()


def test_an_incomplete_line_is_no_damage(sessions: Sessions) -> None:
    """The killed session did not send what it was about to announce."""
    sessions.launch("a", "1", _run("test_1"))
    with sessions.path.open("ab") as file:
        file.write(b'{"at": "2026-01-15T12:00:00.000+00:00", "event": "int')
    assert _launches(sessions.resumable("b"), _run("test_1"), _run("test_2")) == ["1", None]
    sessions.launch("b", "2", _run("test_2"))
    assert _launches(sessions.resumable("c"), _run("test_1"), _run("test_2")) == ["1", "2"]


# ---- which run is resumed ---------------------------------------------------------------------------------------


def test_a_launch_belongs_to_its_test_service_and_request() -> None:
    """Another override means another call, and a verdict of the lab is none of the platform."""
    runs = [_run(), _run("test_b"), _run(request=PROJECT), _run(service="lab")]
    resumable = ResumableRuns(recorded([_intent(str(n), run) for n, run in enumerate(runs)]))
    assert _launches(resumable, _run(request=replace(TEST, overrides={"step.1.0.x": 1})), _run("test_c")) == [None] * 2
    assert _launches(resumable, *reversed(runs)) == ["3", "2", "1", "0"]


def test_each_launch_is_given_once_and_in_order() -> None:
    """A rerun, or a test with several equal runs, gets the next one."""
    resumable = ResumableRuns(recorded([_intent("1"), _intent("2")]))
    assert _launches(resumable, _run(), _run(), _run()) == ["1", "2", None]


def test_a_refused_launch_started_nothing() -> None:
    """Its test is launched now."""
    resumable = ResumableRuns(recorded([_intent("1"), _event(journal.REFUSED, "1"), _intent("2")]))
    assert _launches(resumable, _run()) == ["2"]
    assert ResumableRuns().take(_run()) is None


def test_runs_that_are_not_resumed_are_left_behind() -> None:
    """Those that may be in flight, that is."""
    tests = [_run(f"test_{n}") for n in range(5)]
    events = [_intent(str(n), test) for n, test in enumerate(tests)]
    events += [_event(journal.LAUNCHED, n, **URLS) for n in "012"] + [_event(journal.VERDICT, "2", **END)]
    events += [_event(journal.REFUSED, "4")]
    resumable = ResumableRuns(recorded(events))
    resumable.take(tests[0])
    assert [entry.launch for entry in resumable.left_behind] == ["1", "3"]
    assert resumable.superseded == ["0"]


# ---- results ----------------------------------------------------------------------------------------------------


def _recorded(end: dict[str, Any]) -> JournalEntry:
    through_json = json.loads(json.dumps(_event(journal.VERDICT, "1", **end)))
    (entry,) = recorded([_intent(), _event(journal.LAUNCHED, "1", **URLS), through_json])
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
    ended = _event(journal.NO_VERDICT, "1", kind="NoVerdict")
    (entry,) = recorded([_intent(), _event(journal.LAUNCHED, "1", **URLS), ended])
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
def test_any_events_can_be_resumed(tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, Any]]) -> None:
    """Another version of this package may have written them."""
    path = tmp_path_factory.mktemp("odd") / "ledger.jsonl"
    written = Journal(path, "own")
    written.write([journal.format_line(event) for event in events])
    written.close()
    resumable = load_resumable(path, own_session="own", max_age=HOUR, utcnow=lambda: NOON, closing_seconds=0)
    assert all(entry.is_in_flight or entry.is_uncertain for entry in resumable.left_behind)
    for entry in recorded(events):
        assert entry.seconds >= 0
        assert not (entry.is_in_flight and entry.is_uncertain)
        result = result_of(_run(), entry)
        assert result is None or result.verdict in {"passed", "failed"}
        taken = resumable.take(_run(entry.test))
        assert taken is None or taken.state != journal.REFUSED
