"""The platform's answer bodies, field by field as its documentation shows them.

What the documentation does not show (bodies of tests, projects, runs, stats and app images) is the lab's own
assumption and marked so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pytest_sipfront.lab.file.lab_file import PASSED, LabFile, ProjectSpec, TestSpec
from pytest_sipfront.lab.platform.account import Account, LabProjectRun, LabRun
from pytest_sipfront.lab.platform.executor import Measure

OK = 200
SCRIPTED = " (scripted verdict)"
"""Stands behind the agent pool's name, a field that every client's report shows, where no call was placed."""


def wrapped(part: str, content: Any) -> dict[str, Any]:
    """Return `content` under `part`, beside the top-level `status` that mirrors the HTTP code."""
    return {part: content, "status": OK}


def launch(origin: str, run: LabRun) -> dict[str, Any]:
    """Return the `data` of a launched test, with the documented URLs ("print" is an assumption)."""
    return {
        "report_url": origin + run_report_path(run),
        "session_id": run.session_id,
        "status_url": f"{origin}/api/v2/runs/{run.uuid}/status",
    }


def run_report_path(run: LabRun) -> str:
    """Return the path of a run's report page in the mode it was launched with."""
    if run.mode == "kiosk":
        return f"/kiosk/{run.kiosk}/{run.uuid}"
    return f"/run/{'print' if run.mode == 'print' else 'details'}/{run.uuid}"


def project_launch(origin: str, run: LabProjectRun) -> dict[str, Any]:
    """Return the `data` of a launched project; fields as the vendor's action reads them."""
    return {
        "status_url": f"{origin}/api/v2/projectruns/{run.uuid}/status",
        "report_url": origin + project_report_path(run),
        "project_run_id": run.id,
        "project_run_uuid": run.uuid,
    }


def project_report_path(run: LabProjectRun) -> str:
    """Return the path of a project run's report page in the mode it was launched with."""
    return f"/kiosk/{run.kiosk}/{run.uuid}" if run.mode == "kiosk" else f"/projectrun/{run.uuid}/details"


def run_status(account: Account, run: LabRun) -> dict[str, Any]:
    """Return a `run`: its status alone while it runs, every documented field afterwards."""
    state = account.state(run)
    if run.finding is None:
        return {"status": state}
    project = account.file.projects[run.test.project]
    return {
        "agentpool_name": _pool(account, [run]),
        "has_passed": int(state == PASSED),
        "id": run.id,
        "is_failed": int(state == "failed"),
        "is_finished": 1,
        "project_id": project.id,
        "project_name": project.name,
        "result_description": run.finding.description,
        "session_id": run.uuid,
        "started_at": stamp(run.started_at),
        "status": state,
        "stopped_at": stamp(run.stopped_at),
        "tags": json.dumps(run.test.tags),
        "test_id": run.test.id,
        "test_name": run.test.name,
        "testcase_name": run.test.testcase,
    }


def project_status(account: Account, run: LabProjectRun) -> dict[str, Any]:
    """Return a project's `run`; fields as the vendor's action reads them, and the pool (assumption)."""
    return {
        "agentpool_name": _pool(account, run.runs),
        "run_status": account.project_state(run),
        "project_id": run.project.id,
        "project_name": run.project.name,
        "total_tests": len(run.runs),
        "tests_started": len(run.runs),
        "created_at": stamp(run.started_at),
        "stopped_at": stamp(run.stopped_at),
    }


def _pool(account: Account, runs: Iterable[LabRun]) -> str:
    scripted = any(run.finding is not None and run.finding.scripted for run in runs)
    return account.file.account.agentpool + (SCRIPTED if scripted else "")


def test_entry(file: LabFile, test: TestSpec) -> dict[str, Any]:
    """Return one entry of the list of tests (assumption)."""
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
    """Return one entry of the list of projects (assumption)."""
    tests = [{"id": test.id, "name": test.name} for test in project.tests]
    return {"id": project.id, "name": project.name, "tests": tests}


def last_of_project(account: Account, project: ProjectSpec) -> list[dict[str, Any]]:
    """Return each test of a project that ever ran, with its last run, as the vendor's scripts read it."""
    ran = ((test, account.last_run(test)) for test in project.tests)
    return [{"run": run_status(account, run), "test": {"id": test.id, "name": test.name}} for test, run in ran if run]


def measures(run: LabRun) -> dict[str, dict[str, Any]]:
    """Return a run's measures by name, each with value and unit (assumption)."""
    found: Mapping[str, Measure] = run.finding.measures if run.finding else {}
    return {name: {"value": _finite(one.value), "unit": one.unit} for name, one in found.items()}


def measures_of(runs: Iterable[LabRun]) -> dict[str, list[dict[str, Any]]]:
    """Return the measures of several runs by name, each entry with its run's id (assumption)."""
    collected: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        for name, value in measures(run).items():
            collected.setdefault(name, []).append({"run_id": run.id, "session_id": run.uuid, **value})
    return collected


def stamp(moment: datetime | None) -> str | None:
    """Return a UTC time as "YYYY-MM-DD HH:MM:SS"."""
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else None


def _finite(value: float | str | bool | None) -> float | str | bool | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value
