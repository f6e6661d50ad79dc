"""The pages for people: what this lab is, and one report per run. Everything shown is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from pytest_sipfront.lab.lab import Lab
from pytest_sipfront.lab.platform import responses
from pytest_sipfront.lab.platform.account import LabProjectRun, LabRun
from pytest_sipfront.lab.web.waveform import waveform

RECENT = 20
SCRIPTED = "Scripted verdict: the lab file names it, and no call was placed."
ABOUT = (
    "This is a stand-in for the Sipfront platform on this machine. It is modelled on the platform's published "
    "documentation, not on captured traffic, and is not made by Sipfront. Its stand-in for Sift is modelled on "
    "Gridspace's reference and is not made by Gridspace."
)
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:.5rem 0 1.5rem}th,td{text-align:left;padding:.2rem 1rem .2rem 0;"
    "border-bottom:1px solid #ddd;vertical-align:top}pre{background:#f4f4f4;padding:.5rem;overflow-x:auto}"
    ".passed{color:#176b2c}.failed,.errored,.stopped{color:#a11}.note{background:#fff4d6;padding:.5rem}"
)


def page_routes(lab: Lab) -> list[Route]:
    """Return the routes of the front page, the report pages and the recordings."""

    async def front(_: Request) -> Response:
        return _page("Sipfront lab", front_page(lab))

    async def report(request: Request) -> Response:
        run = lab.platform.account.runs.get(request.path_params["uuid"])
        if run is None or request.url.path != responses.run_report_path(run):
            return await project_report(request)
        return _page(f"Run of {run.test.name}", run_page(lab, run))

    async def project_report(request: Request) -> Response:
        run = lab.platform.account.project_runs.get(request.path_params["uuid"])
        if run is None or request.url.path != responses.project_report_path(run):
            return _page("Not found", ["<p>There is no such report here.</p>"], 404)
        return _page(f"Run of project {run.project.name}", project_page(lab, run))

    async def recording(request: Request) -> Response:
        run = lab.platform.account.runs.get(request.path_params["uuid"])
        name = request.path_params["name"]
        if run is None or run.result is None or name not in run.result.recordings:
            return _page("Not found", ["<p>There is no such recording here.</p>"], 404)
        return Response(run.result.recordings[name], media_type="audio/wav")

    return [
        Route("/", front),
        Route("/run/details/{uuid}", report),
        Route("/run/print/{uuid}", report),
        Route("/kiosk/{kiosk}/{uuid}", report),
        Route("/projectrun/{uuid}/details", project_report),
        Route("/recordings/{uuid}/{name}.wav", recording),
    ]


def front_page(lab: Lab) -> list[str]:
    """Return the front page's parts: what this is, the tests, the latest runs and the counts."""
    recent = list(lab.platform.account.runs.values())[: -RECENT - 1 : -1]
    tests = [(str(t.id), t.name, t.project, t.testcase) for t in lab.file.tests.values()]
    counts = [(name, str(value)) for name, value in lab.counts.items() if isinstance(value, int)]
    return [
        f"<p class=note>{escape(ABOUT)}</p>",
        f"<p>Here {escape(lab.summary)}.</p>",
        "<p>The API is at <a href='/api/v2/'>/api/v2/</a>, Sift's at <a href='/v0/'>/v0/</a>.</p>",
        "<h2>Tests</h2>",
        _table(("id", "name", "project", "scenario"), tests),
        "<h2>Latest runs</h2>",
        _runs(lab, recent),
        *_section("Latest calls at Sift", _table(("connection", "from", "to", "status", "commands"), _calls(lab))),
        "<h2>Counts</h2>",
        _table(("what", "number"), counts),
    ]


def _calls(lab: Lab) -> list[tuple[str, ...]]:
    legs = list(lab.sift.exchange.connections)[: -RECENT - 1 : -1]
    return [
        (leg.id, leg.from_, leg.to, leg.status, ", ".join(str(command["name"]) for command in leg.commands))
        for leg in legs
    ]


def run_page(lab: Lab, run: LabRun) -> list[str]:
    """Return a run report's parts, evidence included."""
    result = run.result
    facts = [
        ("test", run.test.name),
        ("scenario", run.test.testcase),
        ("project", run.test.project),
        ("session", run.uuid),
        ("started", f"{responses.timestamp(run.started_at)} UTC"),
        ("stopped", f"{responses.timestamp(run.stopped_at)} UTC" if run.stopped_at else "not yet"),
    ]
    parts = [_verdict(lab.platform.account.state(run), result.description if result else "")]
    if result is not None and result.scripted:
        parts.append(f"<p class=note>{SCRIPTED}</p>")
    parts += [_table(("", ""), facts), *_section("Overrides", _table(("parameter", "value"), run.overrides.items()))]
    if result is None:
        return parts
    measures = [(name, str(m.value), m.unit) for name, m in result.measures.items()]
    ladder = "\n".join(f"{at:9.3f} s  {way:<4} {line}" for at, way, line in result.ladder)
    parts += _section("Measures", _table(("measure", "value", "unit"), measures))
    parts += _section("SIP messages", f"<pre>{escape(ladder)}</pre>" if ladder else "")
    recordings = "".join(_recording(run, name, audio) for name, audio in result.recordings.items())
    return parts + _section("Recordings: what each end heard", recordings)


def project_page(lab: Lab, run: LabProjectRun) -> list[str]:
    """Return a project report's parts: the verdict and the runs of its tests."""
    return [_verdict(lab.platform.account.project_state(run), ""), "<h2>Tests</h2>", _runs(lab, run.runs)]


def _page(title: str, parts: Iterable[str], status: int = 200) -> Response:
    head = f"<meta charset=utf-8><title>{escape(title)}</title><style>{STYLE}</style>"
    body = f"<h1>{escape(title)}</h1>{''.join(parts)}"
    page = f"<!doctype html><html lang=en><head>{head}</head><body>{body}</body></html>"
    return HTMLResponse(page.encode("utf-8", "replace"), status)


def _verdict(state: str, description: str) -> str:
    reason = f": {escape(description)}" if description else ""
    return f"<p class='{escape(state)}'><strong>{escape(state)}</strong>{reason}</p>"


def _section(title: str, content: str) -> list[str]:
    return [f"<h2>{title}</h2>", content] if content else []


def _runs(lab: Lab, runs: Iterable[LabRun]) -> str:
    rows = "".join(
        f"<tr><td><a href='{escape(responses.run_report_path(run))}'>{run.id}</a></td><td>{escape(run.test.name)}</td>"
        f"<td>{escape(lab.platform.account.state(run))}{_scripted(run)}</td>"
        f"<td>{escape(run.result.description if run.result else '')}</td></tr>"
        for run in runs
    )
    head = "<tr><th>run</th><th>test</th><th>state</th><th>reason</th></tr>"
    return f"<table>{head}{rows}</table>" if rows else "<p>None yet.</p>"


def _scripted(run: LabRun) -> str:
    return " (scripted)" if run.result is not None and run.result.scripted else ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    if not body:
        return ""
    return f"<table><tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>{body}</table>"


def _recording(run: LabRun, name: str, audio: bytes) -> str:
    link = f"/recordings/{escape(run.uuid)}/{escape(name)}.wav"
    player = f"<audio controls src='{link}'></audio> <a href='{link}' download>WAV</a>"
    return f"<p>{escape(name)} {player}<br>{waveform(audio)}</p>"
