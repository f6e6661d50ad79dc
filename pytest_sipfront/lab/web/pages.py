"""The lab's pages: a front page, a report of each run and project run, and a report of each call at Sift."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from pytest_sipfront.lab.platform.account import Account, LabProjectRun, LabRun
from pytest_sipfront.lab.platform.executor import LabRunResult
from pytest_sipfront.lab.platform.service import PlatformService
from pytest_sipfront.lab.sift.service import SiftService
from pytest_sipfront.lab.web.page_data import (
    arguments,
    audio_values,
    callback_messages,
    failed_first,
    project_row,
    recordings,
    run_row,
    run_values,
    sift_row,
    sift_table_row,
    utc_text,
)
from pytest_sipfront.pages.call_audio import draw_call
from pytest_sipfront.pages.messages import sip_messages
from pytest_sipfront.pages.rendering import render as render_template

MAX_RECENT = 50
_TEMPLATES = Path(__file__).parent / "templates"
render = partial(render_template, _TEMPLATES)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src 'self'"


def page_routes(
    platform: Callable[[], PlatformService],
    sift: Callable[[], SiftService],
    summary: Callable[[], str],
    mistakes: Callable[[], str] | None = None,
) -> list[Route]:
    """Return the routes of all pages and of the recordings of runs.

    Args:
        platform: Returns the service whose runs are shown.
        sift: Returns the service whose calls are shown.
        summary: Returns one line on how the lab reaches its verdicts.
        mistakes: Returns the mistakes in the lab file if that is watched; None if it is not.
    """

    async def front(_: Request) -> Response:
        return _page(front_page(platform(), sift(), summary(), mistakes() if mistakes else None))

    async def report(request: Request) -> Response:
        account, uuid, path = platform().account, request.path_params["uuid"], request.url.path
        run, project_run = account.runs.get(uuid), account.project_runs.get(uuid)
        if run is not None and path == run.report_path:
            return _page(run_page(account, run))
        if project_run is not None and path == project_run.report_path:
            return _page(project_page(account, project_run))
        return _not_found("report")

    async def recording(request: Request) -> Response:
        run = platform().account.runs.get(request.path_params["uuid"])
        audio = run.result.recordings if run is not None and run.result is not None else {}
        file = audio.get(request.path_params["name"])
        return _not_found("recording") if file is None else Response(file, media_type="audio/wav")

    async def sift_report(request: Request) -> Response:
        page = sift_page(sift(), request.path_params["id"])
        return _not_found("call") if page is None else _page(page)

    return [
        Route("/", front),
        Route("/run/details/{uuid}", report),
        Route("/run/print/{uuid}", report),
        Route("/kiosk/{kiosk}/{uuid}", report),
        Route("/projectrun/{uuid}/details", report),
        Route("/recordings/{uuid}/{name}.wav", recording),
        Route("/sift/{id}", sift_report),
    ]


def _page(html: str, status: int = 200) -> Response:
    return HTMLResponse(html, status, {"Content-Security-Policy": _POLICY})


def _not_found(thing: str) -> Response:
    return _page(render("not_found.html", thing=thing), 404)


def front_page(platform: PlatformService, sift: SiftService, summary: str, mistakes: str | None = None) -> str:
    """Return the front page: the latest runs and calls, the tests, and the counts.

    Args:
        platform: The service whose runs are shown.
        sift: The service whose calls are shown.
        summary: One line on how the lab reaches its verdicts.
        mistakes: The mistakes in a lab file that is watched; None if it is not. A page of such a lab reloads itself.
    """
    account = platform.account
    runs, project_runs = list(account.runs.values()), list(account.project_runs.values())
    calls = list(enumerate(sift.calls.connections, start=1))
    return render(
        "front.html",
        refresh=mistakes is not None,
        mistakes=mistakes,
        summary=summary,
        runs=failed_first(run_row(account, run) for run in runs[-MAX_RECENT:]),
        project_runs=failed_first(project_row(account, run) for run in project_runs[-MAX_RECENT:]),
        calls=failed_first(sift_table_row(number, connection) for number, connection in calls[-MAX_RECENT:]),
        tests=platform.file.tests.values(),
        counts={name: count for name, count in {**platform.counts, **sift.counts}.items() if isinstance(count, int)},
    )


def run_page(account: Account, run: LabRun, *, is_file: bool = False, has_sound: bool = True) -> str:
    """Return the report of a run with its evidence.

    Args:
        account: The account of the run.
        run: The run.
        is_file: Whether the page is a file, which contains its recordings and has no link to other pages.
        has_sound: Whether the page has the recordings.
    """
    result = run.result or LabRunResult(state="")
    sounds = recordings("" if is_file else f"/recordings/{run.uuid}", result.recordings) if has_sound else []
    project_run = account.project_runs.get(run.project_run or "")
    return render(
        "run.html",
        row=run_row(account, run),
        test=run.test,
        session=run.uuid,
        stopped=utc_text(run.stopped_at) or "not yet",
        project_url=project_run.report_path if project_run and not is_file else "",
        is_file=is_file,
        overrides=run.overrides,
        violations=result.violations,
        values=run_values(result.measures),
        audio=audio_values(result.measures),
        messages=sip_messages(result.ladder),
        recordings=sounds,
        call=draw_call(result.recordings, list(_marks(result))) if has_sound else None,
    )


def _marks(result: LabRunResult) -> Iterator[tuple[str, float, str]]:
    """Yield the digits and the best prompt of a run: the end that received it, its time, and its label."""
    for end, digits in result.digits.items():
        yield from ((end, at, digit) for digit, at in zip(digits, result.digit_times.get(end, ()), strict=False))
    for heard in sorted(result.prompts, key=lambda heard: -heard.score)[:1]:
        yield "caller", heard.at, f"'{heard.prompt}' {heard.score:.2f}"


def project_page(account: Account, run: LabProjectRun) -> str:
    """Return the report of a project run: its verdict and the runs of its tests."""
    runs = failed_first(run_row(account, each) for each in run.runs)
    return render("project.html", row=project_row(account, run), runs=runs)


def sift_page(sift: SiftService, connection_id: str) -> str | None:
    """Return the report of a call at Sift, None if there is no such connection."""
    for number, connection in enumerate(sift.calls.connections, start=1):
        if connection.id == connection_id:
            callbacks = [each for each in sift.calls.callbacks.sent if each.connection_id == connection_id]
            return render(
                "sift.html",
                row=sift_row(number, connection),
                connection=connection,
                commands=[(command["name"], arguments(command)) for command in connection.commands],
                messages=callback_messages(callbacks),
                recordings=recordings(f"/sift/{connection_id}", connection.remote.recordings),
            )
    return None
