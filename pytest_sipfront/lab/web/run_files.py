"""The files of a run that show what was measured: `evidence.json` and the report page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_sipfront.lab.platform.account import Account, LabRun
from pytest_sipfront.lab.platform.executor import LabRunResult, Measure
from pytest_sipfront.lab.platform.responses import finite
from pytest_sipfront.lab.run_record import RunRecord
from pytest_sipfront.lab.web.pages import run_page

_ENDS = ("caller", "callee")


def write_run_files(record: RunRecord, account: Account, run: LabRun) -> None:
    """Write what is known about a run: at its begin only what was launched, at its end everything."""
    result = run.result
    record.evidence(evidence(account, run))
    if result is not None:
        for end, sound in result.recordings.items() if record.has_sound else ():
            record.write(f"{end}.wav", sound)
        record.page(run_page(account, run, is_file=True, has_sound=record.has_sound))


def evidence(account: Account, run: LabRun) -> dict[str, Any]:
    """Return what the lab knows about a run, as JSON can hold it."""
    result = run.result or LabRunResult(state="")
    return {
        "test": run.test.name,
        "run": run.id,
        "overrides": dict(run.overrides),
        "started_at": run.started_at.isoformat(timespec="milliseconds"),
        "state": account.state(run),
        "description": result.description,
        "measures": list(_measures(result.measures)),
        "violations": [
            {
                "call": violation.call,
                "condition": violation.condition,
                "measured": violation.measured,
                "required": violation.required,
                "text": violation.text,
                "kind": violation.kind,
            }
            for violation in result.violations
        ],
        "prompts": [{"side": "caller", **prompt._asdict()} for prompt in result.prompts],
        "dtmf": [
            {"side": end, "digits": digits, "times": list(result.digit_times.get(end, ()))}
            for end, digits in result.digits.items()
        ],
        "messages": [message._asdict() for message in result.ladder],
    }


def _measures(measures: Mapping[str, Measure]) -> Iterator[dict[str, Any]]:
    for name, measure in measures.items():
        base, _, end = name.rpartition("_")
        yield {
            "name": base if end in _ENDS else name,
            "side": end if end in _ENDS else "",
            "value": finite(measure.value),
            "unit": measure.unit,
            "source": measure.source,
            "bound": measure.bound,
            "violated": measure.violated,
        }
