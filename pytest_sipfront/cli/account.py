"""The tests, projects and runs of an account as the program shows them, and the verdict of one run."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from pytest_sipfront.cli.output import echo, error_data, print_error, print_json, print_table, print_values
from pytest_sipfront.clients.sipfront.models import Document, Launched, RunRequest, RunStatus
from pytest_sipfront.engine.run import Run, RunResult
from pytest_sipfront.engine.verdict import Phase, Verdict, judge
from pytest_sipfront.errors import RunFailed, SipfrontError
from pytest_sipfront.plugin.command_session import FAILED, NO_VERDICT, PASSED, CommandSession
from pytest_sipfront.plugin.run_spec import RunSpec

COLUMNS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "tests": {
        "id": ("id", "test_id"),
        "name": ("name", "test_name"),
        "project": ("project_name",),
        "parameters": ("parameters",),
    },
    "projects": {"id": ("id", "project_id"), "name": ("name", "project_name"), "tests": ("tests",)},
    "runs": {
        "session": ("session_id", "id"),
        "test": ("test_name", "name"),
        "status": ("status", "session_status", "run_status"),
        "started": ("started_at", "created_at"),
        "description": ("result_description",),
    },
}
"""The columns of each list, with the keys of the API that may hold them: the shape of these lists is not published."""


def show_list(session: CommandSession, kind: str, *, as_json: bool) -> int:
    """Print the account's tests, projects or runs."""
    document: Document = session.ask(kind)
    if as_json:
        print_json(document.data)
        return PASSED
    entries = document.entries(kind)
    if entries:
        print_table(list(COLUMNS[kind]), ([_cell(entry, keys) for keys in COLUMNS[kind].values()] for entry in entries))
    elif names := document.names():
        print_table(["name"], ([name] for name in names))
    elif document.data == [] or (isinstance(document.data, Mapping) and document.data.get(kind) == []):
        echo(f"The account has no {kind}.")
    else:
        echo(f"The list of {kind} has an unknown form; --json prints it.")
    return PASSED


def _cell(entry: Mapping[str, Any], keys: Sequence[str]) -> str:
    value = next((entry[key] for key in keys if entry.get(key) is not None), "")
    if isinstance(value, Mapping):
        return " ".join(f"{key}={each}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(str(each.get("name", each)) if isinstance(each, Mapping) else str(each) for each in value)
    return str(value)


def show_status(session: CommandSession, url: str, *, as_json: bool) -> int:
    """Print the status of a run, and its verdict by the rules of the plugin."""
    status: RunStatus = session.ask("status", url, is_new=False)
    is_project = not status.test_name and bool(status.project_name)
    request = RunRequest(project=status.project_name) if is_project else RunRequest(test=status.test_name)
    launched = Launched(status_url=url)
    judgement = judge(status, request, launched)
    if judgement.phase is Phase.UNSETTLED:
        judgement = judge(session.ask("status", url, is_new=False), request, launched, status)
    is_running = judgement.phase is not Phase.FINAL
    verdict = judgement.verdict.value if judgement.verdict else None
    if as_json:
        print_json({"verdict": verdict, "running": is_running, "reason": judgement.reason, "run": dict(status.raw)})
    else:
        outcome = verdict or ("still running" if is_running else "no verdict")
        _print_outcome(outcome, judgement.reason or status.result_description)
        print_values(_of_status(status))
    return {Verdict.PASSED: PASSED, Verdict.FAILED: FAILED, None: NO_VERDICT}[judgement.verdict]


def _of_status(status: RunStatus) -> dict[str, object]:
    return {
        "test": status.test_name or status.project_name,
        "scenario": status.testcase_name,
        "pool": status.agentpool_name,
        "started": status.started_at,
        "stopped": status.stopped_at,
        "state": status.state,
    }


def run_once(session: CommandSession, spec: RunSpec, *, as_json: bool) -> int:
    """Launch a run, show its progress, and print its verdict."""
    is_on_lab = session.settings.lab  # its pages end with this program
    progress = ProgressLine(spec.request.target, session.settings.heartbeat, links=not is_on_lab)
    try:
        result, failure = session.run(spec, f"pytest-sipfront run {spec.request.target}", progress.update)
    except KeyboardInterrupt:
        progress.end()
        # not masked: the command is to be copied
        click.secho(f"error: interrupted; {_still_running(progress.run)}", err=True, fg="red")
        return NO_VERDICT
    except SipfrontError as error:
        progress.end()
        if as_json:
            print_json({"verdict": None, "error": error_data(error)})
        print_error(error)
        return NO_VERDICT
    progress.end()
    if as_json:
        print_json(_result_data(result, failure))
    else:
        outcome = "FAILED" if failure else "PASSED"
        _print_outcome(outcome, str(failure) if failure else result.result_description)
        values = _of_result(result)
        print_values({name: value for name, value in values.items() if name != "report" or not is_on_lab})
    return FAILED if failure else PASSED


def _still_running(run: Run | None) -> str:
    if run is None or run.launched is None:
        return "a run that was launched goes on. --resume follows it."
    return f"the run goes on: pytest-sipfront status {run.launched.status_url}"


def _of_result(result: RunResult) -> dict[str, object]:
    return {
        "report": result.report_url,
        "session": result.session_id,
        **{f"override {key}": value for key, value in result.request.overrides.items()},
        **_of_status(result.status),
        "duration": f"{result.duration:.1f} s",
        **{f"note {number}": note for number, note in enumerate(result.notes, 1)},
        **{f"test {last.test_name!r}": last.status.state for last in result.tests},
    }


def _result_data(result: RunResult, failure: RunFailed | None) -> dict[str, Any]:
    return {
        "verdict": result.verdict,
        "as_expected": failure is None,
        "reason": str(failure) if failure else "",
        "result_description": result.result_description,
        "duration": result.duration,
        "session_id": result.session_id,
        "report_url": result.report_url,
        "status_url": result.status_url,
        "request": result.request.payload(),
        "run": dict(result.raw),
        "tests": [{"id": last.test_id, "name": last.test_name, "run": dict(last.status.raw)} for last in result.tests],
        "notes": list(result.notes),
    }


def _print_outcome(outcome: str, text: str) -> None:
    colour = {"passed": "green", "failed": "red"}.get(outcome.lower(), "yellow")
    echo(f"{outcome}: {text}" if text else outcome, fg=colour, bold=True)


class ProgressLine:
    """Shows the state of a run on standard error: on a terminal in one line, otherwise each change in a line.

    Attributes:
        run: The run, once it is known.
    """

    def __init__(self, target: str, interval: float, *, links: bool) -> None:
        """Show nothing yet.

        Args:
            target: The test or project.
            interval: Seconds between lines without a change; 0 disables them.
            links: Whether to show the report URL.
        """
        self._has_links = links
        self.run: Run | None = None
        self._target = target
        self._interval = interval
        self._start = self._printed_at = time.monotonic()
        self._state = ""
        self._is_terminal = sys.stderr.isatty()

    def update(self, run: Run) -> None:
        """Show the present state."""
        self.run = run
        now = time.monotonic()
        state = (run.status.state if run.status else "") or ("launched" if run.launched else "launching")
        is_due = state != self._state or (self._interval > 0 and now >= self._printed_at + self._interval)
        if self._is_terminal:
            if self._has_links and run.report_url and self._state in {"", "launching"} and run.launched is not None:
                echo(f"\r\x1b[2Kreport: {run.report_url}", err=True)
            echo(f"\r\x1b[2K{self._line(state, now)}", nl=False, err=True)
        elif is_due:
            url = f", {run.report_url}" if run.report_url and self._has_links else ""
            echo(f"{self._line(state, now)}{url}", err=True)
            self._printed_at = now
        self._state = state

    def end(self) -> None:
        """Clear the line on a terminal."""
        if self._is_terminal:
            echo("\r\x1b[2K", nl=False, err=True)

    def _line(self, state: str, now: float) -> str:
        minutes, seconds = divmod(int(now - self._start), 60)
        return f"{self._target}: {state}, {minutes}:{seconds:02d} min"
