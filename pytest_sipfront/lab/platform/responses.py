"""The bodies of the platform's responses, as its documentation shows them.

The documentation does not show the bodies of tests, projects, runs, stats and app images. These are the lab's
assumption and marked so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pytest_sipfront.lab.file.lab_file import PASSED, LabFile, ProjectSpec, TestSpec

if TYPE_CHECKING:
    from pytest_sipfront.lab.platform.account import Account, LabProjectRun, LabRun

SCRIPTED = " (scripted verdict)"
"""Suffix of the agent pool's name, which every client's report shows, if no call was placed."""


def launch(origin: str, run: LabRun) -> dict[str, Any]:
    """Return the `data` of a launched test, with the documented URLs."""
    return {
        "report_url": origin + run.report_path,
        "session_id": run.session_id,
        "status_url": f"{origin}/api/v2/runs/{run.uuid}/status",
    }


def project_launch(origin: str, run: LabProjectRun) -> dict[str, Any]:
    """Return the `data` of a launched project, with the fields that the vendor's GitHub action reads."""
    return {
        "status_url": f"{origin}/api/v2/projectruns/{run.uuid}/status",
        "report_url": origin + run.report_path,
        "project_run_id": run.id,
        "project_run_uuid": run.uuid,
    }


def run_status(account: Account, run: LabRun) -> dict[str, Any]:
    """Return a `run`: only its status while it runs, every documented field afterwards.

    The vendor's clients read `session_status`, which the documentation omits; the lab file can switch it off.
    """
    state = account.state(run)
    status = {"status": state, "session_status": state} if account.file.session_status else {"status": state}
    if run.result is None:
        return status
    project = account.file.projects[run.test.project]
    return {
        "agentpool_name": _pool(account, [run]),
        "has_passed": int(state == PASSED),
        "id": run.id,
        "is_failed": int(state == "failed"),
        "is_finished": 1,
        "project_id": project.id,
        "project_name": project.name,
        "result_description": run.result.description,
        "session_id": run.uuid,
        "started_at": timestamp(run.started_at),
        **status,
        "stopped_at": timestamp(run.stopped_at),
        "tags": json.dumps(run.test.tags),
        "test_id": run.test.id,
        "test_name": run.test.name,
        "testcase_name": run.test.testcase,
    }


def project_status(account: Account, run: LabProjectRun) -> dict[str, Any]:
    """Return a project's `run`, with the fields that the vendor's GitHub action reads, and the pool (assumption)."""
    return {
        "agentpool_name": _pool(account, run.runs),
        "run_status": account.project_state(run),
        "project_id": run.project.id,
        "project_name": run.project.name,
        "total_tests": len(run.runs),
        "tests_started": len(run.runs),
        "created_at": timestamp(run.started_at),
        "stopped_at": timestamp(run.stopped_at),
    }


def _pool(account: Account, runs: Iterable[LabRun]) -> str:
    scripted = any(run.result is not None and run.result.scripted for run in runs)
    return account.file.account.agentpool + (SCRIPTED if scripted else "")


def test_entry(file: LabFile, test: TestSpec) -> dict[str, Any]:
    """Return an entry of the list of tests (assumption)."""
    return {
        "id": test.id,
        "name": test.name,
        "testcase_name": test.testcase,
        "project_id": file.projects[test.project].id,
        "project_name": test.project,
        "tags": json.dumps(test.tags),
        "parameters": dict(test.parameters),
    }


def project_entry(project: ProjectSpec) -> dict[str, Any]:
    """Return an entry of the list of projects (assumption)."""
    tests = [{"id": test.id, "name": test.name} for test in project.tests]
    return {"id": project.id, "name": project.name, "tests": tests}


def last_of_project(account: Account, project: ProjectSpec) -> list[dict[str, Any]]:
    """Return the project's tests that have run, each with its latest run, as the vendor's scripts read them."""
    latest = ((test, account.last_run(test)) for test in project.tests)
    return [
        {"run": run_status(account, run), "test": {"id": test.id, "name": test.name}}
        for test, run in latest
        if run is not None
    ]


def measures(run: LabRun) -> dict[str, dict[str, Any]]:
    """Return a run's measures by name, each with value, unit (assumption) and, if known, the lab's source."""
    values = run.result.measures if run.result else {}
    return {
        name: {"value": finite(measure.value), "unit": measure.unit}
        | ({"source": measure.source} if measure.source else {})
        for name, measure in values.items()
    }


def measures_of(runs: Iterable[LabRun]) -> dict[str, list[dict[str, Any]]]:
    """Return the measures of several runs by name, each entry with its run's id (assumption)."""
    collected: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        for name, value in measures(run).items():
            collected.setdefault(name, []).append({"run_id": run.id, "session_id": run.uuid, **value})
    return collected


def timestamp(moment: datetime | None) -> str | None:
    """Return a UTC time as "YYYY-MM-DD HH:MM:SS"."""
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else None


def finite(value: float | str | bool | None) -> float | str | bool | None:
    """Return a value as JSON can hold it: null for NaN and infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
