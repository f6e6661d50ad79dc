from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import timedelta

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sipfront.engine import journal as events
from pytest_sipfront.engine.budget import Budget
from pytest_sipfront.engine.resume import ResumableRuns, recorded
from pytest_sipfront.engine.run import RunResult
from pytest_sipfront.engine.scheduler import Scheduler
from pytest_sipfront.errors import (
    AuthenticationFailed,
    BudgetExceeded,
    ConfigurationError,
    LaunchOutcomeUnknown,
    LaunchVetoed,
    PlatformBusy,
    PlatformUnavailable,
    RequestRefused,
    RunTimeout,
    SipfrontError,
)
from tests.engine import virtual
from tests.engine.yard import NOON, Yard, durations_of, full, outcome, run_of, runs_of, verdicts

LOST = LaunchOutcomeUnknown(PlatformUnavailable("reset", arrived=True))


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _peak(yard: Yard) -> int:
    return max(yard.platform.in_flight(begin) for begin, _ in yard.platform.stays.values())


# ---- side by side -----------------------------------------------------------------------------------------------


def test_as_many_runs_are_in_flight_as_the_limit_says() -> None:
    """No more, and no fewer as long as some wait."""
    yard = Yard(limit=3)
    assert verdicts(yard.finish(*runs_of("abcdefg"))) == ["passed"] * 7
    assert sorted(yard.launched) == list("abcdefg")
    assert _peak(yard) == 3


def test_runs_are_launched_in_the_order_in_which_they_were_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is written down first, in a thread; none overtakes another there, however slow the disk is at the first."""
    yard = Yard(limit=3)
    write, first, overtaken = yard.book.write, iter([True]), threading.Event()

    def slow_at_first(lines: Iterable[str]) -> None:
        if next(first, False):
            overtaken.wait(0.2)  # for as long as others would need
        write(lines)
        overtaken.set()

    monkeypatch.setattr(yard.book, "write", slow_at_first)
    yard.finish(*runs_of("abc"))
    assert yard.launched == ["a", "b", "c"]


def test_runs_take_as_long_as_the_longest_and_not_as_their_sum() -> None:
    """Ten of a minute, all at once; the last question comes within an interval."""
    yard = Yard(limit=10)

    async def ended_at(dispatcher: Scheduler) -> float:
        for run in (runs := runs_of("abcdefghij")):
            await dispatcher.submit(run)
        for run in runs:
            await dispatcher.finished(run)
        return virtual.now()

    assert 60 <= yard.drive(ended_at) <= 61


def test_runs_whose_end_is_far_leave_the_questions_to_those_whose_end_is_near() -> None:
    """A thousand that go on for an hour cost none of what one session asks, so the short one is found at once."""
    short, many = run_of("short"), [run_of(f"long {n}") for n in range(1000)]
    durations = durations_of({"short": (10.0, 14.0)} | {run.label: (3600.0, 3601.0) for run in many})
    yard = Yard(limit=2000, durations=durations)
    yard.platform.takes = {"short": 10.9} | {run.label: 3600.5 for run in many}

    async def late(dispatcher: Scheduler) -> float:
        for run in (*many, short):
            await dispatcher.submit(run)
        await dispatcher.finished(short)
        return virtual.now() - yard.platform.stays["short"][1]

    assert yard.drive(late) <= 0.75
    assert yard.platform.asked <= 2


def test_results_are_given_to_who_asks_for_them_whenever_they_came() -> None:
    """The later one is over long before, and failed."""
    yard = Yard(limit=2)
    yard.platform.takes, yard.platform.fails = {"a": 100, "b": 5}, {"b"}
    first, second = yard.finish(*runs_of("ab"))
    assert isinstance(first, RunResult)
    assert isinstance(second, RunResult)
    assert (first.passed, second.passed, second.result_description) == (True, False, "No answer")
    assert 5 <= second.duration <= 6


def test_the_longest_start_first_where_history_knows() -> None:
    """And the unknown before them."""
    runs = runs_of("abcd")
    yard = Yard(limit=1, durations=durations_of({"a": (10, 11), "b": (30, 31), "c": (20, 21)}))

    async def in_queue(dispatcher: Scheduler) -> None:
        await dispatcher.submit(run_of("first"))
        for run in runs:
            await dispatcher.submit(run)
        await anyio.sleep(10_000)

    yard.drive(in_queue)
    assert yard.launched == ["first", "d", "b", "c", "a"]


def test_what_a_test_waits_for_is_launched_next() -> None:
    """Before all that was submitted earlier."""
    yard = Yard(limit=1)

    async def impatient(dispatcher: Scheduler) -> None:
        runs = runs_of("abcd")
        for run in runs:
            await dispatcher.submit(run)
        await dispatcher.finished(runs[3])

    yard.drive(impatient)
    assert yard.launched[0] == "d"


def test_a_run_that_does_not_count_waits_for_no_place() -> None:
    """A test may want two side by side where nobody has set a limit."""
    yard = Yard(limit=1)

    async def two(dispatcher: Scheduler) -> None:
        for run in (runs := runs_of("ab")):
            await dispatcher.submit(run, None, False)
        for run in runs:
            await dispatcher.launched(run)

    yard.drive(two)
    assert _peak(yard) == 2


@given(
    st.lists(st.tuples(st.floats(0, 100), st.frozensets(st.sampled_from("xyz"), max_size=2)), min_size=1, max_size=12),
    st.integers(1, 5),
    st.integers(1, 12),
    st.floats(0, 2),
)
@settings(max_examples=60)
def test_whatever_is_submitted_each_runs_once_within_all_limits(
    wanted: list[tuple[float, frozenset[str]]], limit: int, capacity: int, latency: float
) -> None:
    """Also on a platform that has fewer places than we think: every run has its verdict, none overlaps its like."""
    yard = Yard(limit=limit)
    yard.platform.capacity, yard.platform.answers_after = capacity, latency
    yard.platform.takes = {str(n): seconds for n, (seconds, _) in enumerate(wanted)}
    found = yard.finish(*(run_of(str(n), *names) for n, (_, names) in enumerate(wanted)))
    assert verdicts(found) == ["passed"] * len(wanted)
    stays = yard.platform.stays
    assert sorted(stays) == sorted(yard.platform.takes)
    assert _peak(yard) <= min(limit, capacity)
    for one, (_, names) in enumerate(wanted):
        for other, (_, others) in enumerate(wanted[:one]):
            assert names.isdisjoint(others) or not _overlap(stays[str(one)], stays[str(other)])


# ---- "not now" --------------------------------------------------------------------------------------------------


def test_a_platform_without_a_free_place_is_waited_for_and_never_an_error() -> None:
    """It takes three of ours; the window narrows to them, so that it is not asked again and again."""
    yard = Yard(limit=10)
    yard.platform.capacity = 3
    assert verdicts(yard.finish(*runs_of("abcdefghijkl"))) == ["passed"] * 12
    assert _peak(yard) == 3
    refusals = yard.book.kinds.count(events.REFUSED)
    assert 7 <= refusals <= 60  # the first seven, then at most one in five seconds of five minutes
    assert yard.book.kinds.count(events.LAUNCHED) == 12


def test_a_run_that_was_refused_is_the_next_to_be_tried() -> None:
    """It was its turn."""
    yard = Yard(limit=1)
    yard.platform.says = {"a": [full()]}

    async def in_queue(dispatcher: Scheduler) -> None:
        for run in runs_of("abc"):
            await dispatcher.submit(run)
        await anyio.sleep(1000)

    yard.drive(in_queue)
    assert yard.launched == ["a", "a", "b", "c"]


def test_the_platform_s_own_wait_is_kept() -> None:
    """Nothing is sent before."""
    yard = Yard()
    yard.platform.says = {"a": [full(retry_after=17)]}
    yard.finish(run_of("a"))
    assert yard.platform.stays["a"][0] == pytest.approx(17, abs=0.1)


def test_a_platform_that_stays_full_is_waited_for_as_long_as_the_run_may_take() -> None:
    """Then its own words are the error."""
    yard = Yard()
    yard.platform.capacity = 0
    (found,) = yard.finish(run_of("a", timeout=100))
    assert isinstance(found, PlatformBusy)
    assert str(found) == "at capacity"
    assert yard.platform.stays == {}
    assert 5 <= len(yard.launched) <= 20


def test_a_wait_beyond_that_time_is_not_begun() -> None:
    """It could only end in the same error."""
    yard = Yard()
    yard.platform.says = {"a": [full(retry_after=3600)]}
    assert verdicts(yard.finish(run_of("a", timeout=100))) == ["PlatformBusy"]
    assert yard.launched == ["a"]


def test_a_platform_out_of_order_is_given_up_after_a_while() -> None:
    """It is not full; nobody knows whether it comes back."""
    yard = Yard(retry_for=30)
    yard.platform.says = {"a": [PlatformBusy("503")] * 100}

    async def until_given_up(dispatcher: Scheduler) -> float:
        await dispatcher.submit(run := run_of("a", timeout=1000))
        with pytest.raises(PlatformBusy, match="503"):
            await dispatcher.finished(run)
        return virtual.now()

    assert 15 <= yard.drive(until_given_up) <= 61
    assert len(yard.launched) > 3


def test_a_platform_out_of_order_for_a_moment_is_no_error() -> None:
    """The launch was refused, so it may be sent again."""
    yard = Yard(retry_for=30)
    yard.platform.says = {"a": [PlatformBusy("503"), PlatformBusy("503")]}
    assert verdicts(yard.finish(run_of("a"))) == ["passed"]
    assert yard.launched == ["a"] * 3


@pytest.mark.parametrize("error", [RequestRefused("no"), LOST], ids=["refused", "uncertain"])
def test_no_other_launch_is_sent_again(error: SipfrontError) -> None:
    """A mistake stays one; and a call cannot be unplaced."""
    yard = Yard()
    yard.platform.says = {"a": [error]}
    (found,) = yard.finish(run_of("a"))
    assert found is error
    assert yard.launched == ["a"]
    assert yard.book.kinds[-1] == (events.UNCERTAIN if error is LOST else events.REFUSED)


# ---- the end of a session ---------------------------------------------------------------------------------------


def test_nothing_is_launched_ahead_once_pytest_is_stopping() -> None:
    """-x, --maxfail, shouldstop: only the test at work has its run."""
    yard = Yard(limit=5, is_draining=lambda: True)

    async def one_of_many(dispatcher: Scheduler) -> None:
        for run in (runs := runs_of("abc")):
            await dispatcher.submit(run)
        await dispatcher.finished(runs[1])

    yard.drive(one_of_many)
    assert yard.launched == ["b"]


def test_what_was_admitted_already_is_not_launched_ahead_either_once_pytest_is_stopping() -> None:
    """It waits again, unwritten and unpaid, until a test asks for it after all."""
    stopping: list[bool] = []
    yard = Yard(limit=100, is_draining=lambda: bool(stopping), budget=Budget(21))
    yard.platform.answers_after = 2

    async def stopped(dispatcher: Scheduler) -> RunResult | SipfrontError:
        for run in (runs := [run_of(f"{n}") for n in range(21)]):
            await dispatcher.submit(run)
        await anyio.sleep(1)
        stopping.append(True)
        await anyio.sleep(500)
        assert (len(yard.launched), dispatcher.snapshot().waiting) == (20, 1)
        assert yard.book.kinds.count(events.INTENT) == 20
        return await outcome(dispatcher, runs[-1])

    assert verdicts([yard.drive(stopped)]) == ["passed"]
    assert yard.launched[-1] == "20"


def test_nothing_is_launched_ahead_after_as_many_failures_as_pytest_bears() -> None:
    """pytest comes to them later; by then, more would have been paid for."""
    yard = Yard(limit=2, max_failures=1)
    yard.platform.takes, yard.platform.fails = {"a": 100, "b": 5}, {"b"}

    async def first(dispatcher: Scheduler) -> None:
        for run in (runs := runs_of("abcd")):
            await dispatcher.submit(run)
        await dispatcher.finished(runs[0])

    yard.drive(first)
    assert yard.launched == ["a", "b"]


def test_a_session_that_closes_waits_for_the_answers_of_its_launches() -> None:
    """Without them nobody knows whether a call is placed; nothing new is sent."""
    yard = Yard(limit=1)
    yard.platform.answers_after = 2

    async def closing(dispatcher: Scheduler) -> float:
        for run in runs_of("ab"):
            await dispatcher.submit(run)
        await anyio.sleep(1)
        await dispatcher.close(3.0)
        closed = virtual.now()
        await anyio.sleep(500)
        return closed

    assert yard.drive(closing) == pytest.approx(2)
    assert yard.launched == ["a"]
    assert yard.book.kinds == [events.INTENT, events.LAUNCHED, events.VERDICT]


def test_of_a_crowd_that_is_launched_only_a_few_are_under_way_when_the_session_ends() -> None:
    """After Ctrl-C no call is placed but those being placed; and a killed session leaves no others in doubt."""
    yard = Yard(limit=100)
    yard.platform.answers_after = 2

    async def closing(dispatcher: Scheduler) -> tuple[list[str], list[RunResult | SipfrontError]]:
        for run in (runs := [run_of(f"{n}") for n in range(100)]):
            await dispatcher.submit(run)
        await anyio.sleep(1)
        written = yard.book.kinds
        await dispatcher.close(3.0)
        return written, [await outcome(dispatcher, run) for run in runs]

    written, found = yard.drive(closing)
    assert written == [events.INTENT] * 20
    assert len(yard.launched) == 20
    assert verdicts(found) == ["passed"] * 20 + ["LaunchSkipped"] * 80


def test_a_session_that_closes_does_not_wait_for_ever() -> None:
    """CI kills what does not end; the intent stands."""
    yard = Yard(limit=1)
    yard.platform.answers_after = 1000

    async def closing(dispatcher: Scheduler) -> float:
        await dispatcher.submit(run_of("a"))
        await anyio.sleep(1)
        await dispatcher.close(3.0)
        return virtual.now()

    assert yard.drive(closing) == pytest.approx(4)
    assert yard.book.kinds == [events.INTENT]


def test_a_launch_that_the_end_overtakes_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was being written down already, and so is that nothing came of it."""
    yard = Yard()
    write, begun, go_on = yard.book.write, threading.Event(), threading.Event()

    def late(lines: Iterable[str]) -> None:
        begun.set()
        assert go_on.wait(30)
        write(lines)

    monkeypatch.setattr(yard.book, "write", late)

    async def closing(dispatcher: Scheduler) -> RunResult | SipfrontError:
        await dispatcher.submit(run := run_of("a"))
        while not begun.is_set():
            await anyio.lowlevel.checkpoint()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(dispatcher.close, 3.0)
            await anyio.lowlevel.checkpoint()
            go_on.set()
        return await outcome(dispatcher, run)

    assert str(yard.drive(closing)) == "not launched: the session ended first"
    assert yard.launched == []
    assert yard.book.kinds == [events.INTENT, events.REFUSED]


def test_an_answer_is_written_down_whoever_cancels() -> None:
    """The run is placed: a session that takes this one up must know."""
    yard = Yard()

    async def main() -> None:
        dispatcher = yard.dispatcher()
        with anyio.CancelScope() as scope:
            yard.platform.before_answer = scope.cancel
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(dispatcher.serve)
                await dispatcher.submit(run_of("a"))

    virtual.run(main)
    assert yard.book.kinds == [events.INTENT, events.LAUNCHED]


# ---- the ledger -------------------------------------------------------------------------------------------------


def test_each_step_is_written_before_the_next() -> None:
    """The intent before the launch, its answer after it, then the verdict: all by one id."""
    yard = Yard()
    yard.finish(run_of("a"))
    intent, launched, verdict = yard.book.events
    assert [what for what, _ in yard.log] == [events.INTENT, "launch", events.LAUNCHED, events.VERDICT]
    assert intent["launch"] == launched["launch"] == verdict["launch"]
    assert (intent["test"], intent["target"], intent["digest"]) == ("a", "a", run_of("a").key)
    assert (launched["status_url"], launched["report_url"], launched["session_id"]) == ("a", "https://x/a", "a")
    assert (verdict["verdict"], verdict["duration"]) == ("passed", 60.0)


def test_each_attempt_has_an_id_of_its_own() -> None:
    """So that a refusal says nothing of the one that went through."""
    yard = Yard()
    yard.platform.says = {"a": [full()]}
    yard.finish(run_of("a"))
    assert yard.book.kinds == [events.INTENT, events.REFUSED, events.INTENT, events.LAUNCHED, events.VERDICT]
    ids = [event["launch"] for event in yard.book.events]
    assert ids[0] == ids[1] != ids[2] == ids[3] == ids[4]


def test_nothing_is_launched_that_cannot_be_written_down() -> None:
    """It might be lost."""
    yard = Yard(budget=Budget(1))
    yard.book.broken = {events.INTENT: ConfigurationError("the ledger cannot be written")}
    assert verdicts(yard.finish(run_of("a"))) == ["ConfigurationError"]
    assert yard.launched == []


@pytest.mark.parametrize("event", [events.LAUNCHED, events.VERDICT])
def test_a_run_goes_on_though_its_news_cannot_be_written(event: str) -> None:
    """It is paid for; its report says what is missing."""
    yard = Yard()
    yard.book.broken = {event: ConfigurationError("the ledger cannot be written")}
    run = run_of("a")
    assert verdicts(yard.finish(run)) == ["passed"]
    assert run.notes == ["the ledger cannot be written"]


def test_a_run_without_a_verdict_is_written_down_with_its_reason() -> None:
    """Whoever reads the ledger sees why."""
    yard = Yard()
    yard.platform.takes = {"a": 1000}
    assert verdicts(yard.finish(run_of("a", timeout=10))) == ["RunTimeout"]
    assert yard.book.kinds == [events.INTENT, events.LAUNCHED, events.NO_VERDICT]
    assert yard.book.events[-1]["kind"] == "RunTimeout"
    assert "not finished after 10.0 s" in yard.book.events[-1]["error"]


# ---- an interrupted session -------------------------------------------------------------------------------------


def _resumable(yard: Yard) -> ResumableRuns:
    """What another session knows of this one."""
    return ResumableRuns(recorded(yard.book.events))


def _interrupted(name: str, until: str) -> Yard:
    """A session that was ended right after it wrote an event of that kind for its run."""
    yard = Yard()
    yard.finish(run_of(name))
    yard.book.events = yard.book.events[: yard.book.kinds.index(until) + 1]
    return yard


def test_a_run_in_flight_is_followed_and_not_launched_again() -> None:
    """From where it was left, with the time that it has had."""
    yard = Yard(resumable=_resumable(_interrupted("a", events.LAUNCHED)))
    yard.platform.stays = {"a": (0, 25)}
    run = run_of("a")
    (found,) = yard.finish(run)
    assert verdicts([found]) == ["passed"]
    assert yard.launched == []
    assert (run.report_url, run.resumed) == ("https://x/a", NOON)
    assert yard.book.kinds == [events.VERDICT]


def test_a_known_verdict_is_reported_and_nobody_is_asked() -> None:
    """Not even the platform, which may have forgotten."""
    yard = Yard(resumable=_resumable(_interrupted("a", events.VERDICT)))
    run = run_of("a")
    (found,) = yard.finish(run)
    assert isinstance(found, RunResult)
    assert (found.passed, found.duration, found.report_url, run.resumed) == (True, 60.0, "https://x/a", NOON)
    assert (yard.launched, yard.platform.asked, yard.book.events) == ([], 0, [])


def test_what_nobody_can_know_is_an_error_with_its_time() -> None:
    """The intent was written and no answer: it is never sent again."""
    yard = Yard(resumable=_resumable(_interrupted("a", events.INTENT)))
    (found,) = yard.finish(run_of("a"))
    assert isinstance(found, LaunchOutcomeUnknown)
    assert "may have been started" in str(found)
    assert "2026-01-15 12:00:00 UTC" in str(found)
    assert (yard.launched, yard.book.events) == ([], [])


def test_a_test_that_the_interrupted_session_did_not_come_to_is_launched() -> None:
    """As in any session; and a second run of the same test, as well."""
    yard = Yard(resumable=_resumable(_interrupted("a", events.VERDICT)))
    assert verdicts(yard.finish(run_of("a"), run_of("b"), run_of("a"))) == ["passed"] * 3
    assert sorted(yard.launched) == ["a", "b"]


def test_a_run_that_is_taken_up_keeps_its_names_from_others() -> None:
    """It is in flight like any other."""
    yard = Yard(limit=5, resumable=_resumable(_interrupted("a", events.LAUNCHED)))
    yard.platform.stays = {"a": (0, 25)}
    yard.finish(run_of("a", "x"), run_of("b", "x"))
    assert yard.platform.stays["b"][0] >= 25


def test_a_run_that_is_taken_up_has_had_its_time() -> None:
    """Its deadline counts from when it was launched, whichever session did it."""
    entry = _resumable(_interrupted("a", events.LAUNCHED)).take(run_of("a"))
    assert entry is not None
    entry.at = NOON - timedelta(seconds=90)
    yard = Yard(resumable=ResumableRuns([entry]))
    yard.platform.stays = {"a": (0, 1000)}

    async def given_up_at(dispatcher: Scheduler) -> float:
        await dispatcher.submit(run := run_of("a", timeout=100))
        with pytest.raises(RunTimeout, match=r"^not finished after 100\.0 s"):
            await dispatcher.finished(run)
        return virtual.now()

    assert yard.drive(given_up_at) == pytest.approx(10)


def test_a_resumed_run_holds_its_exclusive_names() -> None:
    """A run that shares a name starts when the resumed one has ended."""
    yard = Yard(resumable=_resumable(_interrupted("a", events.LAUNCHED)))
    yard.platform.stays = {"a": (0, 25)}
    assert verdicts(yard.finish(run_of("a", "x"), run_of("b", "x"))) == ["passed", "passed"]
    assert yard.platform.stays["b"][0] >= 25


# ---- budget, vetoes, other processes, defects -------------------------------------------------------------------


def test_what_does_not_fit_into_the_budget_is_not_launched() -> None:
    """The others are; what was refused by the platform is given back."""
    yard = Yard(budget=Budget(2))
    yard.platform.says = {"a": [RequestRefused("no")]}
    found = yard.finish(*runs_of("abcd"))
    assert verdicts(found) == ["RequestRefused", "passed", "passed", "BudgetExceeded"]
    assert isinstance(found[-1], BudgetExceeded)
    assert yard.launched == ["a", "b", "c"]


def test_a_launch_of_which_nobody_knows_counts_against_the_budget() -> None:
    """It may cost."""
    yard = Yard(limit=1, budget=Budget(1))
    yard.platform.says = {"a": [LOST]}
    assert verdicts(yard.finish(*runs_of("ab"))) == ["LaunchOutcomeUnknown", "BudgetExceeded"]


def test_a_vetoed_run_ends_at_once() -> None:
    """Nothing is written, reserved or sent."""
    yard = Yard()
    veto = LaunchVetoed("not at night")

    async def vetoed(dispatcher: Scheduler) -> list[RunResult | SipfrontError]:
        await dispatcher.submit(run := run_of("a"), veto)
        with pytest.raises(LaunchVetoed):
            await dispatcher.launched(run)
        return [await outcome(dispatcher, run)]

    assert yard.drive(vetoed) == [veto]
    assert yard.log == []


def test_after_refused_credentials_nothing_is_even_written_down() -> None:
    """The rest is not tried."""
    yard = Yard(limit=1)
    yard.platform.says = {"a": [AuthenticationFailed("401")]}
    assert verdicts(yard.finish(*runs_of("abc"))) == ["AuthenticationFailed", "LaunchSkipped", "LaunchSkipped"]
    assert yard.book.kinds == [events.INTENT, events.REFUSED]


def test_a_defect_of_ours_is_an_error_and_no_endless_wait() -> None:
    """And its place is free for the next."""
    yard = Yard(limit=1)
    yard.platform.says = {"a": [ValueError("odd")]}
    found = yard.finish(*runs_of("ab"))
    assert verdicts(found) == ["SipfrontError", "passed"]
    assert str(found[0]) == "internal error: ValueError: odd"


# ---- where the runs stand ---------------------------------------------------------------------------------------


def test_a_snapshot_says_where_the_runs_stand() -> None:
    """In flight, waiting, over by verdict; and how long it will take, as far as history tells."""
    yard = Yard(limit=2, durations=durations_of(dict.fromkeys("abcd", (60.0, 60.0))))
    yard.platform.takes, yard.platform.fails = {"a": 10, "b": 10, "e": 600}, {"b"}
    yard.platform.says = {"c": [RequestRefused("no")]}

    async def looked_at(dispatcher: Scheduler) -> list[tuple[object, ...]]:
        seen = []
        for run in (runs := runs_of("abcd")):
            await dispatcher.submit(run)
        await anyio.sleep(0.5)
        seen.append(_seen(dispatcher))
        await anyio.sleep(60)
        seen.append(_seen(dispatcher))
        for run in runs:
            await outcome(dispatcher, run)
        seen.append(_seen(dispatcher))
        return seen

    assert yard.drive(looked_at) == [
        (2, 2, 0, 0, 0, pytest.approx(119.5)),
        (1, 0, 1, 1, 1, pytest.approx(19.5)),
        (0, 0, 2, 1, 1, None),
    ]


def _seen(dispatcher: Scheduler) -> tuple[object, ...]:
    now = dispatcher.snapshot()
    return now.running, now.waiting, now.passed, now.failed, now.none, now.remaining
