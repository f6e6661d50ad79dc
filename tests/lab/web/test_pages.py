from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

import pytest
from starlette.requests import Request

from pytest_sipfront.lab.backend import ScriptedBackend
from pytest_sipfront.lab.file.lab_file import TestSpec
from pytest_sipfront.lab.file.loading import load
from pytest_sipfront.lab.lab import Lab
from pytest_sipfront.lab.platform.endpoints import ENDPOINTS, EndpointRequest
from pytest_sipfront.lab.platform.executor import LabRunResult, Measure
from pytest_sipfront.lab.web.pages import page_routes, run_page
from tests.lab.talking import Platform

EVIDENCE = LabRunResult(
    state="failed",
    description="no RTP from callee for 2.0 s",
    measures={"mos": Measure(value=4.3, unit="MOS"), "jitter": Measure(value=float("nan"), unit="ms")},
    ladder=((0.012, "->", "INVITE sip:<b>@127.0.0.1"),),
    recordings={"caller": b"RIFF"},
)


def lab_with_evidence() -> Lab:
    engine = ScriptedBackend()
    lab = Lab(load("tests: {Call: {}}", engine), engine)
    run = lab.platform.account.launch(lab.file.tests["Call"], {}, "full")
    lab.platform.account.finish(run, EVIDENCE)
    return lab


def test_the_front_page_says_what_this_is_and_what_it_knows(lab: Platform) -> None:
    """Modelled on documentation, not on captured traffic; tests, latest runs, counts."""
    lab.run()
    page = lab.get("/")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "documentation, not on captured traffic" in page.text
    assert "Quick" in page.text
    assert "/run/details/" in page.text
    assert "launches" in page.text


@pytest.mark.parametrize("mode", ["full", "kiosk", "print"])
def test_every_report_url_leads_to_a_report(lab: Platform, mode: str) -> None:
    """Title, state, description, test and overrides, marked as scripted, readable without a login."""
    lab.configure("tests: {Quick: {takes: 0, verdict: failed, description: 486 Busy Here}}")
    data = lab.launch(**{"report.mode": mode, "step.1.0.to": "4861"}).json["data"]
    lab.finished(data["status_url"])
    lab.authorization = None
    page = lab.get(data["report_url"])
    assert page.status == 200
    for said in ("<title>Run of Quick</title>", "failed", "486 Busy Here", "step.1.0.to", "4861", "no call was placed"):
        assert said in page.text


def test_a_report_is_there_while_the_run_is_going_on(lab: Platform) -> None:
    """State running, no verdict claimed."""
    page = lab.get(lab.launch("Slow").json["data"]["report_url"])
    assert "running" in page.text
    assert "not yet" in page.text


@pytest.mark.parametrize("mode", ["full", "kiosk"])
def test_a_project_s_report_leads_to_those_of_its_tests(lab: Platform, mode: str) -> None:
    """The project's state and a row per test."""
    fields = {"project.name": "Default", "report.mode": mode}
    page = lab.get(lab.post("/api/v2/projects/run", fields).json["data"]["report_url"])
    assert "<title>Run of project Default</title>" in page.text
    assert "Slow" in page.text


def test_no_text_of_a_file_or_a_launch_becomes_markup(lab: Platform) -> None:
    """Names, descriptions, states and overrides are escaped, and any character can be shown."""
    lab.configure('tests: {"<b>": {takes: 0, verdict: "<i>", description: "<u>", testcase: "<s>"}}')
    data = lab.launch("<b>", **{"<em>": "<q>\ud800"}).json["data"]
    lab.finished(data["status_url"])
    pages = lab.get(data["report_url"]).text + lab.get("/").text
    for tag in ("<b>", "<i>", "<u>", "<s>", "<em>", "<q>"):
        assert tag not in pages
    assert "&lt;em&gt;" in pages


@pytest.mark.parametrize("path", ["/run/details/x", "/kiosk/x/y", "/projectrun/x/details", "/recordings/x/caller.wav"])
def test_a_report_that_is_not_there_is_404(lab: Platform, path: str) -> None:
    """A page that says so."""
    assert lab.get(path).status == 404


def test_a_kiosk_report_needs_the_whole_link(lab: Platform) -> None:
    """The share's own UUID is part of the link, and the run's alone opens nothing."""
    data = lab.launch(**{"report.mode": "kiosk"}).json["data"]
    run = data["report_url"].rsplit("/", 1)[1]
    assert lab.get(f"/kiosk/{run}/{run}").status == 404


def test_evidence_is_shown_where_there_is_any() -> None:
    """Measures with units, the SIP messages, links to recordings; and no word of a script."""
    lab = lab_with_evidence()
    (run,) = lab.platform.account.runs.values()
    page = "".join(run_page(lab, run))
    assert "<td>mos</td><td>4.3</td><td>MOS</td>" in page
    assert "0.012 s" in page
    assert "INVITE sip:&lt;b&gt;@127.0.0.1" in page
    assert f"/recordings/{run.uuid}/caller.wav" in page
    assert "<svg" not in page
    assert "Scripted" not in page


def test_recordings_can_be_downloaded() -> None:
    """The WAV file as it was recorded."""
    lab = lab_with_evidence()
    (run,) = lab.platform.account.runs.values()
    (route,) = (route for route in page_routes(lab) if route.path.startswith("/recordings"))
    request = Request({"type": "http", "path_params": {"uuid": run.uuid, "name": "caller"}})
    response = asyncio.run(route.endpoint(request))
    assert (response.body, response.media_type) == (b"RIFF", "audio/wav")


def stats(lab: Lab, path: Mapping[str, str]) -> object:
    variables = {f":{name}" for name in path}
    endpoint = next(e for e in ENDPOINTS if e.kind == "stats" and variables == set(re.findall(":[a-z]+", e.path)))
    return endpoint.handler(lab.platform, EndpointRequest(origin="", path=path)).execute().body["stats"]


def test_measures_are_served_with_their_units() -> None:
    """/runs/:sid/stats and /stats/:measure; a value that is no number is null, since JSON has no NaN."""
    lab = lab_with_evidence()
    everything = {"mos": {"value": 4.3, "unit": "MOS"}, "jitter": {"value": None, "unit": "ms"}}
    assert stats(lab, {"sid": "12345"}) == everything
    assert stats(lab, {"sid": "12345", "measure": "mos"}) == {"mos": {"value": 4.3, "unit": "MOS"}}


def test_a_test_s_measures_are_those_of_all_its_runs() -> None:
    """/tests/:tid/stats: every value with the run that it is from."""
    lab = lab_with_evidence()
    (run,) = lab.platform.account.runs.values()
    found = stats(lab, {"tid": "101", "measure": "mos"})
    assert found == {"mos": [{"run_id": run.id, "session_id": run.uuid, "value": 4.3, "unit": "MOS"}]}


class Broken:
    async def execute(self, test: TestSpec, parameters: Mapping[str, str]) -> LabRunResult:
        raise RuntimeError(f"{test.name} broke with {dict(parameters)}")

    async def close(self) -> None:
        pass


def test_an_executor_that_breaks_leaves_an_errored_run() -> None:
    """Its error is the run's description, and the run is no longer in flight."""

    async def run_it() -> tuple[str, str, int]:
        engine = ScriptedBackend()
        lab = Lab(load("tests: {Call: {}}", engine), engine)
        lab.platform.executor = Broken()
        run = lab.platform.account.launch(lab.file.tests["Call"], {"a": "b"}, "full")
        lab.platform.begin(run)
        while run.result is None:  # noqa: ASYNC110 - the lab has no event for it
            await asyncio.sleep(0)
        return run.result.state, run.result.description, lab.platform.account.in_flight

    assert asyncio.run(run_it()) == ("errored", "RuntimeError: Call broke with {'a': 'b'}", 0)
