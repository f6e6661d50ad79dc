from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

import pytest

from pytest_sipfront.lab.backend import ScriptedBackend
from pytest_sipfront.lab.file.lab_file import TestSpec
from pytest_sipfront.lab.file.loading import load
from pytest_sipfront.lab.lab import Lab
from pytest_sipfront.lab.platform.endpoints import ENDPOINTS, EndpointRequest
from pytest_sipfront.lab.platform.executor import LabRunResult, Measure
from pytest_sipfront.lab.platform.service import PlatformService
from pytest_sipfront.lab.run_record import RunRecord


@pytest.fixture
def service() -> PlatformService:
    """The platform of a lab with one test."""
    backend = ScriptedBackend()
    return Lab(load("tests: {Call: {}}", backend), backend).platform


def stats(service: PlatformService, path: Mapping[str, str]) -> object:
    variables = {f":{name}" for name in path}
    endpoint = next(e for e in ENDPOINTS if e.kind == "stats" and variables == set(re.findall(":[a-z]+", e.path)))
    return endpoint.handler(service, EndpointRequest(origin="", path=path)).execute().body["stats"]


def test_stats_show_the_measures_of_runs_with_their_units(service: PlatformService) -> None:
    """Of one run, or of all runs of a test with the run of each value. NaN is null, since JSON has no NaN."""
    run = service.account.launch(service.file.tests["Call"], {}, "full")
    measures = {"mos": Measure(value=4.3, unit="MOS"), "jitter": Measure(value=float("nan"), unit="ms")}
    service.account.finish(run, LabRunResult(state="passed", measures=measures))
    mos, jitter = {"value": 4.3, "unit": "MOS"}, {"value": None, "unit": "ms"}
    assert stats(service, {"sid": "12345"}) == {"mos": mos, "jitter": jitter}
    assert stats(service, {"sid": "12345", "measure": "mos"}) == {"mos": mos}
    of_test = {"mos": [{"run_id": run.id, "session_id": run.uuid, **mos}]}
    assert stats(service, {"tid": "101", "measure": "mos"}) == of_test


class BrokenExecutor:
    async def execute(
        self,
        test: TestSpec,
        parameters: Mapping[str, str],
        record: RunRecord | None = None,  # noqa: ARG002
    ) -> LabRunResult:
        raise RuntimeError(f"{test.name} broke with {dict(parameters)}")

    async def close(self) -> None:
        pass


def test_the_error_of_an_executor_is_the_result_of_its_run(service: PlatformService) -> None:
    """The run ends as errored and is no longer in flight."""

    async def execute() -> tuple[str, str, int]:
        service.executor = BrokenExecutor()
        run = service.account.launch(service.file.tests["Call"], {"a": "b"}, "full")
        service.begin(run)
        while run.result is None:  # noqa: ASYNC110 - the lab has no event for it
            await asyncio.sleep(0)
        return run.result.state, run.result.description, service.account.in_flight

    assert asyncio.run(execute()) == ("errored", "RuntimeError: Call broke with {'a': 'b'}", 0)
