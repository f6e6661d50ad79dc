"""The history of tests over sessions: since when a test fails, and what differs from its last passing run.

The history is a file of JSON lines, one for each test and session. Tests are distinguished by service, node id and the
request of their first run. CI systems cache the file, or it is committed; Git merges it with `merge=union`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, zip_longest
from pathlib import Path
from statistics import median
from typing import Any

from filelock import FileLock, Timeout

from pytest_sipfront.plugin.reports.recorder import replace_file
from pytest_sipfront.plugin.reports.session_record import ERROR, FAILED, PASSED, SessionRecord, TestRecord

Entry = dict[str, Any]

KEPT_SESSIONS, MEASURED_SESSIONS = 20, 10
"""Sessions that the file keeps for each test, and those that keep measurements."""
KEPT_TESTS = 20_000
"""Tests that the file keeps. Those that ran last are kept."""
RECENT_SESSIONS = 10
"""Sessions that decide whether a test is flaky."""
FLAKY_CHANGES = 3
"""Changes between pass and failure in these sessions from which on a test is flaky."""
FEWEST_VALUES = 5
"""Passing sessions that a usual range requires."""
LOCK_SECONDS = 30.0
_DEVIATIONS = 4 * 1.4826  # 4 standard deviations, as estimated by the median absolute deviation
_LEAST_SPREAD = 0.1  # of the median: a smaller change is usual
_LEAST_SECONDS = 1.0
_NOISE = {"s": 0.1, "ms": 5.0}
_LONGEST_TEXT, _MOST_MESSAGES = 300, 80
_TYPES = {"key": str, "at": str, "outcome": str, "seconds": int | float}
_ESSENTIAL = ("key", "at", "outcome", "attempts", "seconds")
_EVIDENCE = ("messages", "prompts")


def read_history(path: Path) -> tuple[list[Entry], list[int]]:
    """Return the entries of a history, and the numbers of its damaged lines. A missing file is an empty history.

    Raises:
        OSError: The file cannot be read.
    """
    entries, damaged = [], []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return [], []
    for number, line in enumerate(lines, 1):
        entry = _parsed(line)
        if entry is not None:
            entries.append(entry)
        elif line.strip():
            damaged.append(number)
    return entries, damaged


def _parsed(line: str) -> Entry | None:
    """Return the entry of a line; None if it is damaged, such as the marks of a merge conflict."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    is_entry = (
        isinstance(entry, dict)
        and all(isinstance(entry.get(name), kind) for name, kind in _TYPES.items())
        and isinstance(entry.get("measures", {}), dict)
    )
    return entry if is_entry else None


def update(path: Path, record: SessionRecord) -> list[str]:
    """Compare the tests of a session with the history, fill in `TestRecord.history`, and add the session to the file.

    Sessions that end at the same time wait for each other.

    Returns:
        Problems of the file, for the terminal.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=LOCK_SECONDS):
            known, damaged = read_history(path)
            by_key = defaultdict(list)
            for entry in known:
                by_key[entry["key"]].append(entry)
            last_keys = {
                _test_of(key): key for key in sorted(by_key, key=lambda key: max(e["at"] for e in by_key[key]))
            }
            added = []
            for test in record.tests:
                entry = entry_of(test, record)
                if not test.last.runs:  # it failed before its run
                    entry["key"] = last_keys.get(_test_of(entry["key"]), entry["key"])
                test.history = compare(by_key[entry["key"]], entry)
                if _counts(test):
                    added.append(entry)
            replace_file(path, "".join(f"{_line(entry)}\n" for entry in pruned([*known, *added])))
    except (OSError, Timeout) as error:
        return [f"cannot update the history {path}: {error}"]
    if damaged:
        return [f"history {path}: ignored {len(damaged)} damaged lines, the first is line {damaged[0]}"]
    return []


def _counts(test: TestRecord) -> bool:
    return test.last.outcome in {PASSED, FAILED, ERROR} and not test.last.message.startswith("interrupted while")


def pruned(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries to keep, sorted by time.

    The last sessions of a test keep measurements, and its last passing session also keeps messages and prompts.
    """
    by_key: dict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in entries:
        by_key[entry["key"]][entry["at"]] = entry
    latest = sorted(by_key.values(), key=max, reverse=True)[:KEPT_TESTS]
    kept = []
    for of_test in latest:
        recent = [of_test[at] for at in sorted(of_test)[-KEPT_SESSIONS:]]
        passed = [entry for entry in recent if entry["outcome"] == PASSED]
        measured = [id(entry) for entry in recent[-MEASURED_SESSIONS:]]
        for entry in recent:
            if passed and entry is passed[-1]:
                kept.append(entry)
            elif id(entry) in measured:
                kept.append({name: value for name, value in entry.items() if name not in _EVIDENCE})
            else:
                kept.append({name: value for name, value in entry.items() if name in _ESSENTIAL})
    return sorted(kept, key=lambda entry: (entry["at"], entry["key"]))


def _line(entry: Entry) -> str:
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"))


# ---- entries --------------------------------------------------------------------------------------------------------


def entry_of(test: TestRecord, record: SessionRecord) -> Entry:
    """Return the entry of a test of a session."""
    last = test.last
    runs = [run for run in last.runs if run["service"]["name"] == "sipfront"]
    durations = [run["duration"] for run in runs if run["duration"] is not None]
    return {
        "key": _key(test, record),
        "test": test.nodeid[:_LONGEST_TEXT],
        "at": record.started_at,
        "outcome": last.outcome,
        "kind": last.kind,
        "message": last.message[:_LONGEST_TEXT],
        "attempts": len(test.attempts),
        "seconds": round(sum(durations), 3) if durations else last.duration,
        "report_url": next((run["report_url"] for run in reversed(runs) if run["report_url"]), ""),
        "measures": _measures(runs),
        "messages": [_message(message) for run in runs for message in run["messages"] if not message["retransmission"]][
            :_MOST_MESSAGES
        ],
        "prompts": [f"{heard['side']}: {heard['prompt']}" for run in runs for heard in run["prompts"]][:_MOST_MESSAGES],
    }


def _key(test: TestRecord, record: SessionRecord) -> str:
    """Return the key of service and test, and of the request of the first run.

    The directory of a lab file makes no difference. Neither do further runs, which a failing test may lack.
    """
    service = f"lab {Path(record.service.removeprefix('lab')).name}" if record.lab else record.service
    request = [[run["target"], run["spec"].get("overrides", {})] for run in test.last.runs[:1]]
    return f"{_digest([service, test.nodeid])}-{_digest(request)[:6]}"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _test_of(key: str) -> str:
    """Return the part of a key for service and test."""
    return key.partition("-")[0]


def _measures(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the numeric measures by side, name and unit. Those of further runs have the number of the run."""
    return {
        " ".join(
            filter(None, (measure["side"], measure["name"], f"({unit})" if (unit := measure["unit"]) else "", suffix))
        ): (measure["value"])
        for number, run in enumerate(runs, 1)
        for suffix in ([""] if number == 1 else [f"of run {number}"])
        for measure in run["measures"]
        if isinstance(measure["value"], int | float) and not isinstance(measure["value"], bool)
    }


def _message(message: Mapping[str, Any]) -> str:
    """Return direction and first line of a SIP message, without hosts and sequence numbers, which always differ."""
    line = re.sub(r"\(\d+ ([A-Z]+)\)$", r"(\1)", re.sub(r"@[^\s;>]+", "", message["line"]))
    return f"{message['direction']} {line}"[:120]


# ---- comparison -----------------------------------------------------------------------------------------------------


def compare(earlier: Sequence[Entry], current: Entry) -> dict[str, Any]:
    """Return what earlier sessions say about a test: the value of `TestRecord.history`.

    Args:
        earlier: The entries of earlier sessions for the same test.
        current: The entry of this session.
    """
    earlier = sorted((entry for entry in earlier if entry["at"] < current["at"]), key=lambda entry: entry["at"])
    streak = 0
    for entry in reversed(earlier):
        if entry["outcome"] == PASSED:
            break
        streak += 1
    passes = [entry for entry in earlier if entry["outcome"] == PASSED]
    is_failing = current["outcome"] in {FAILED, ERROR}
    usual = _usual_range([entry["seconds"] for entry in passes])
    seconds = current["seconds"]
    history: dict[str, Any] = {
        "status": _status(earlier, streak, current["outcome"]),
        "since": earlier[-streak]["at"] if streak else current["at"] if is_failing else None,
        "failed_sessions": streak + is_failing,
        "sessions": len(earlier),
        "outcomes": [entry["outcome"] for entry in earlier[-RECENT_SESSIONS:]],
        "flaky": _is_flaky([*earlier, current]),
        "usual_seconds": None if usual is None else usual[1],
        "slower": usual is not None and seconds > max(usual[2], usual[1] + _LEAST_SECONDS),
        "unusual": _unusual(passes, current["measures"]),
        "difference": difference(passes[-1], current) if passes and is_failing else None,
    }
    return {**history, "label": _label(history), "text": in_words(history), "differences": _rows(history["difference"])}


def _status(earlier: Sequence[Entry], streak: int, outcome: str) -> str:
    if outcome in {FAILED, ERROR}:
        return "still failing" if streak else "newly failing" if earlier else "failing at first"
    if outcome == PASSED:
        return "fixed" if streak else "passing" if earlier else "new"
    return outcome


def _is_flaky(entries: Sequence[Entry]) -> bool:
    """Return whether a test passed in a further attempt, or changed often between pass and failure."""
    if entries[-1]["outcome"] == PASSED and entries[-1].get("attempts", 1) > 1:
        return True
    passed = [entry["outcome"] == PASSED for entry in entries[-RECENT_SESSIONS:]]
    changes = sum(1 for before, after in pairwise(passed) if before != after)
    return changes >= FLAKY_CHANGES


def _usual_range(values: Sequence[float]) -> tuple[float, float, float] | None:
    """Return lower bound, median and upper bound of the usual values; None if too few are known."""
    if len(values) < FEWEST_VALUES:
        return None
    middle = median(values)
    spread = max(_DEVIATIONS * median(abs(value - middle) for value in values), _LEAST_SPREAD * abs(middle))
    low, high = min(middle - spread, *values), max(middle + spread, *values)
    return round(low, 6), round(middle, 6), round(high, 6)


def _unusual(passes: Sequence[Entry], measures: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return the measures that are outside the usual range of passing sessions."""
    unusual = []
    for name, value in measures.items():
        usual = _usual_range([entry["measures"][name] for entry in passes if name in entry.get("measures", {})])
        if usual is not None and not usual[0] <= value <= usual[2]:
            unusual.append({"measure": name, "value": value, "low": usual[0], "high": usual[2]})
    return unusual


def difference(passed: Entry, current: Entry) -> dict[str, Any]:
    """Return the difference of a failing run from the last passing one.

    Args:
        passed: The last passing entry, with messages and prompts.
        current: The entry of this session.
    """
    then, now = passed.get("measures", {}), current["measures"]
    return {
        "at": passed["at"],
        "report_url": passed.get("report_url", ""),
        "seconds": {"then": passed["seconds"], "now": current["seconds"]},
        "message": _first_difference(passed.get("messages", []), current["messages"]),
        "measures": [
            {"measure": name, "then": then.get(name), "now": now.get(name)}
            for name in dict.fromkeys([*then, *now])
            if _differs(name, then.get(name), now.get(name))
        ],
        "prompts": None
        if (heard := passed.get("prompts", [])) == current["prompts"]
        else {"then": heard, "now": current["prompts"]},
    }


def _differs(measure: str, then: float | None, now: float | None) -> bool:
    """Return whether two values of a measure differ by more than calls usually do."""
    if then is None or now is None:
        return then is not now
    unit = measure.rpartition("(")[2].rstrip(")")
    return abs(then - now) > max(_NOISE.get(unit, 0.0), _LEAST_SPREAD * max(abs(then), abs(now)))


def _first_difference(then: Sequence[str], now: Sequence[str]) -> dict[str, Any] | None:
    """Return number and both first lines of the first SIP message that differs. A message that is missing is ""."""
    if not then or not now:
        return None
    pairs = enumerate(zip_longest(then, now, fillvalue=""), 1)
    return next(({"number": number, "then": old, "now": new} for number, (old, new) in pairs if old != new), None)


# ---- text -----------------------------------------------------------------------------------------------------------


def _label(history: Mapping[str, Any]) -> str:
    """Return "newly failing", "failing since 2026-11-20 (4 sessions)", "fixed, failed since ..." or "flaky", or ""."""
    since = str(history["since"] or "")[:10]
    words = {
        "newly failing": "newly failing",
        "still failing": f"failing since {since} ({history['failed_sessions']} sessions)",
        "fixed": f"fixed, failed since {since}",
    }
    return ", ".join(filter(None, (words.get(history["status"], ""), "flaky" if history["flaky"] else "")))


def in_words(history: Mapping[str, Any]) -> str:
    """Return since when a test fails, and what is unusual about it; "" if there is nothing to say."""
    parts = [_label(history)]
    if history["slower"]:
        parts.append(f"slower than its usual {history['usual_seconds']:.1f} s")
    parts += [f"{m['measure']} {m['value']:g} (usually {m['low']:g} to {m['high']:g})" for m in history["unusual"]]
    return ", ".join(filter(None, parts))


def _rows(found: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """Return the difference from the last passing run as rows of a table."""
    if found is None:
        return []
    rows = []
    if message := found["message"]:
        rows.append((f"SIP message {message['number']}", message["then"] or "none", message["now"] or "none"))
    if prompts := found["prompts"]:
        then, now = (", ".join(prompts[time]) or "none" for time in ("then", "now"))
        rows.append(("prompts", then, now))
    for measure in found["measures"]:
        then, now = ("none" if value is None else f"{value:g}" for value in (measure["then"], measure["now"]))
        rows.append((measure["measure"], then, now))
    return [{"name": name, "before": before, "now": now} for name, before, now in rows]


def difference_in_words(history: Mapping[str, Any], *, most: int = 6) -> str:
    """Return the difference from the last passing run on one line, or "".

    Args:
        history: The result of `compare`.
        most: The number of differences to list.
    """
    rows = history["differences"][:most]
    texts = [f"{row['name']}: {row['now']} (then {row['before']})" for row in rows]
    return f"last passed {history['difference']['at'][:10]}; {'; '.join(texts)}" if texts else ""
