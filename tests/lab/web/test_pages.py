from __future__ import annotations

import asyncio
import re

import pytest
from starlette.requests import Request

from pytest_sipfront.lab.backend import ScriptedBackend
from pytest_sipfront.lab.file.loading import load
from pytest_sipfront.lab.lab import Lab
from pytest_sipfront.lab.platform.account import Account, LabRun
from pytest_sipfront.lab.platform.executor import LabRunResult, Measure, SipMessage, Violation
from pytest_sipfront.lab.web.page_data import run_row
from pytest_sipfront.lab.web.pages import page_routes, run_page
from tests.lab.platform_client import POLLS, Platform
from tests.pages.test_waveform import wav

EVIDENCE = LabRunResult(
    state="failed",
    description="no RTP from callee for 2.0 s",
    measures={
        "mos_cqe_caller": Measure(value=4.3, unit="MOS"),
        "jitter_callee": Measure(value=float("nan"), unit="ms"),
        "calls": Measure(value=1, unit="calls"),
    },
    violations=(Violation(condition="max_rtp_gap", measured="2.0 s", required="at most 1 s", text=""),),
    ladder=(
        SipMessage(0.0, "->", "INVITE sip:<b>@127.0.0.1"),
        SipMessage(0.512, "->", "INVITE sip:<b>@127.0.0.1", retransmission=True),
        SipMessage(0.53, "<-", "SIP/2.0 486 Busy Here"),
    ),
    recordings={"caller": wav([0, 20000] * 8000)},
    digits={"caller": "4"},
    digit_times={"caller": (0.3,)},
)


def lab_with(result: LabRunResult) -> tuple[Account, LabRun]:
    """A lab with one finished run, and that run."""
    account = scripted_lab("tests: {Call: {parameters: {step.1.0.dial_destination: '100'}}}").platform.account
    run = account.launch(account.file.tests["Call"], {}, "full")
    account.finish(run, result)
    return account, run


def scripted_lab(text: str) -> Lab:
    backend = ScriptedBackend()
    return Lab(load(text, backend), backend)


def test_the_front_page_shows_runs_tests_and_counts(lab: Platform) -> None:
    """It also says that the lab is based on documentation."""
    lab.run()
    page = lab.get("/")
    assert page.headers["Content-Type"].startswith("text/html")
    for text in ("documentation, not on", "Quick", "/run/details/", "launches", "/api/v2/"):
        assert text in page.text


def test_failed_runs_come_first(lab: Platform) -> None:
    """Then open runs, then passed runs; the latest of each group is at the top."""
    lab.configure(
        """
        tests:
          Good: {takes: 0}
          Bad: {takes: 0, verdict: failed}
          Odd: {takes: 0, verdict: melted}
          Slow: {takes: 60}
        """
    )
    for test in ("Good", "Bad", "Odd", "Good"):
        lab.run(test)
    lab.launch("Slow")
    rows = re.findall(r'<tr class="(\w+)">\s*<td class="number"><a href="[^"]+">(\d+)', lab.get("/").text)
    assert rows == [
        ("unclear", "12347"),
        ("bad", "12346"),
        ("open", "12349"),
        ("good", "12348"),
        ("good", "12345"),
    ]


def test_a_row_has_number_destination_time_duration_and_reason() -> None:
    """A person finds a run in the table without opening its report."""
    account, run = lab_with(EVIDENCE)
    row = run_row(account, run)
    assert (row.number, row.title, row.state, row.reason) == (12345, "Call to 100", "failed", EVIDENCE.description)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row.started)
    assert re.fullmatch(r"0\.\d\d s", row.duration)


@pytest.mark.parametrize("mode", ["full", "kiosk", "print"])
def test_every_report_url_leads_to_a_report(lab: Platform, mode: str) -> None:
    """Title, state, reason, overrides and the mark of a scripted verdict, without credentials."""
    lab.configure("tests: {Quick: {takes: 0, verdict: failed, description: 486 Busy Here}}")
    data = lab.launch(**{"report.mode": mode, "step.1.0.dial_destination": "4861"}).json["data"]
    lab.finished(data["status_url"])
    lab.authorization = None
    page = lab.get(data["report_url"])
    assert page.status == 200
    for text in (
        "<title>failed: Quick to 4861 (12345)</title>",
        '<p class="verdict bad">',
        "486 Busy Here",
        "<code>step.1.0.dial_destination</code>",
        "no call was placed",
    ):
        assert text in page.text


def test_the_report_of_an_open_run_refreshes_itself(lab: Platform) -> None:
    """It shows no verdict. The report of a finished run does not refresh."""
    page = lab.get(lab.launch("Slow").json["data"]["report_url"]).text
    assert "running" in page
    assert "not yet" in page
    assert '<meta http-equiv="refresh"' in page
    assert "http-equiv" not in run_page(*lab_with(EVIDENCE))


@pytest.mark.parametrize("mode", ["full", "kiosk"])
def test_the_report_of_a_project_leads_to_those_of_its_tests(lab: Platform, mode: str) -> None:
    """Each test has a row with a link, and its report links back."""
    fields = {"project.name": "Default", "report.mode": mode}
    url = lab.post("/api/v2/projects/run", fields).json["data"]["report_url"]
    page = lab.get(url).text
    assert "<title>running: Default (12345)</title>" in page
    run = re.search(r'href="(/[^"]+)">Slow<', page)
    assert run is not None
    assert f'href="{url.removeprefix(lab.url)}"' in lab.get(run[1]).text


def test_a_page_needs_no_other_file() -> None:
    """The stylesheet is part of the page, for phones and in dark mode; the page has no script."""
    page = run_page(*lab_with(EVIDENCE))
    assert '<meta name="viewport" content="width=device-width' in page
    assert "prefers-color-scheme: dark" in page
    assert '<link rel="icon" href="data:' in page
    assert "<script" not in page


def test_every_text_is_escaped(lab: Platform) -> None:
    """Names, descriptions, states and overrides cannot become markup, and control characters are visible."""
    lab.configure('tests: {"<b>": {takes: 0, verdict: "<i>", description: "<u>\\x1b[1m", testcase: "<s>"}}')
    data = lab.launch("<b>", **{"<em>": "<q>\ud800\u202e\x07"}).json["data"]
    lab.finished(data["status_url"])
    pages = lab.get(data["report_url"]).text + lab.get("/").text
    for tag in ("<b>", "<i>", "<u>", "<s>", "<em>", "<q>", "\x1b", "\u202e", "\x07"):
        assert tag not in pages
    for text in ("&lt;em&gt;", "&lt;u&gt;\\x1b[1m", "\\ud800\\u202e\\x07"):
        assert text in pages


@pytest.mark.parametrize(
    "path", ["/run/details/x", "/kiosk/x/y", "/projectrun/x/details", "/recordings/x/caller.wav", "/sift/x"]
)
def test_an_unknown_report_is_404(lab: Platform, path: str) -> None:
    """The page says what is missing."""
    page = lab.get(path)
    assert page.status == 404
    assert "no such" in page.text


def test_a_kiosk_report_needs_the_whole_link(lab: Platform) -> None:
    """The UUID of the share is part of the link; the UUID of the run alone does not open it."""
    data = lab.launch(**{"report.mode": "kiosk"}).json["data"]
    run = data["report_url"].rsplit("/", 1)[1]
    assert lab.get(f"/kiosk/{run}/{run}").status == 404


def test_a_report_shows_the_evidence() -> None:
    """Violated conditions with value and bound, measures with units, recordings with a waveform and a time axis."""
    account, run = lab_with(EVIDENCE)
    page = run_page(account, run)
    for text in (
        '<code>max_rtp_gap</code></td><td class="value measured">2.0 s</td><td class="value">at most 1 s</td>',
        '<td>mos_cqe</td><td class="number">4.3</td><td class="number"></td><td>MOS</td>',
        f'<audio controls preload="metadata" src="/recordings/{run.uuid}/caller.wav">',
        'aria-label="2.0 s of audio as heard by caller, 4 at the caller"',
        ">0.5 s</text>",
    ):
        assert text in page
    assert "Scripted" not in page


def test_a_ladder_shows_direction_time_and_retransmissions() -> None:
    """Error responses are red, and a long pause has a rung of its own."""
    page = run_page(*lab_with(EVIDENCE))
    ladder = page[page.index('<ol class="ladder">') : page.index("</ol>")]
    assert re.findall(r'<li class="(.+?) *">', ladder) == [
        "ends",
        "message to-right",
        "gap",
        "message to-right  retransmission",
        "message to-left bad",
    ]
    assert re.findall(r"<time>(.+?)</time>", ladder) == ["0.000 s", "0.512 s", "0.530 s"]
    assert "INVITE sip:&lt;b&gt;@127.0.0.1 <small>retransmission</small>" in ladder


def test_a_recording_without_16_bit_audio_has_a_player_only() -> None:
    """The file can still be downloaded."""
    page = run_page(*lab_with(LabRunResult(state="passed", recordings={"callee": b"RIFF"})))
    assert "callee.wav" in page
    assert '<svg class="call-audio"' not in page


def test_recordings_can_be_downloaded() -> None:
    """The WAV file as it was recorded."""
    lab = scripted_lab("tests: {Call: {}}")
    run = lab.platform.account.launch(lab.file.tests["Call"], {}, "full")
    lab.platform.account.finish(run, EVIDENCE)
    routes = page_routes(lambda: lab.platform, lambda: lab.sift, lambda: "")
    (route,) = (route for route in routes if route.path.startswith("/recordings"))
    request = Request({"type": "http", "path_params": {"uuid": run.uuid, "name": "caller"}})
    response = asyncio.run(route.endpoint(request))
    assert (response.body, response.media_type) == (EVIDENCE.recordings["caller"], "audio/wav")


def test_the_report_of_a_call_at_sift_shows_commands_and_callbacks(lab: Platform) -> None:
    """The front page links to it. A callback that failed is red."""
    lab.configure("sift: {callees: {'+15550100200': {script: [{says: hello}]}}}")
    fields = {"phone_number": "+15550100200", "status_url": "http://127.0.0.1:1/"}
    connection = lab.post("/v0/connections", fields).json["connection_id"]
    lab.post(f"/v0/connections/{connection}", {"routine": [{"name": "Say", "text": "<b>\x1b"}, {"name": "HangUp"}]})
    pages = (lab.get(f"/sift/{connection}").text for _ in range(POLLS))
    page = next(page for page in pages if "status finished" in page)
    assert f'href="/sift/{connection}"' in lab.get("/").text
    for text in (
        "Call from +15550100000 to +15550100200 (1)",
        '<td>Say</td><td class="value">text: &lt;b&gt;\\x1b</td>',
        "status finished, reply ConnectError",
    ):
        assert text in page
