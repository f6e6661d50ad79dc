"""Records the session in the process that reports it, and writes the report files at its end."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sipfront.plugin.state import State

if TYPE_CHECKING:
    from pytest_sipfront.plugin.reports.session_record import SessionRecord, SessionRecorder


class Recorder:
    """Hooks of a session that is not an xdist worker.

    The record begins with the first test that uses Sipfront or Sift. Sessions without such tests import nothing more.

    Attributes:
        record: The complete record after the last test; None before, and in a session without such tests.
        lines: The files that were written, or why they could not be, for the terminal.
        annotations: Workflow commands for GitHub Actions, for the terminal.
    """

    def __init__(self, config: pytest.Config, state: State) -> None:
        self._config, self._state = config, state
        self._started = time()
        self._recorder: SessionRecorder | None = None
        self.record: SessionRecord | None = None
        self.lines: list[str] = []
        self.annotations: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record the report of one phase of a test."""
        if self._recorder is None and not (
            report.user_properties or report.skipped or hasattr(report, "sipfront_runs")
        ):
            return
        from pytest_sipfront.plugin.reports.session_record import concerns  # noqa: PLC0415 - only sessions with runs

        if self._recorder is not None or concerns(report):
            self._begin().add(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record a module that could not be collected, which may be due to an invalid marker."""
        if report.failed:
            self._begin().add_collection_error(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Complete the record and write the requested files."""
        settings, journal = self._state.settings, self._state.summary()
        if self._recorder is None:
            if settings.plan or not (settings.json or settings.html or journal.launches):
                return
            self._begin()
        assert self._recorder is not None  # noqa: S101 - for the type checker
        self.record = self._recorder.finish(
            finished=time(),
            exit_status=int(exitstatus),
            collected=session.testscollected,
            interrupted=self._state.interrupted,
            journal=journal,
        )
        is_real = settings.replay is None and not settings.prove
        if settings.history is not None and self.record.tests and is_real:
            from pytest_sipfront.plugin.reports import history  # noqa: PLC0415 - only with a history

            self.lines += history.update(settings.history, self.record)
        if settings.json:
            data = self.record.to_json
            self.write("JSON report", settings.json, lambda: json.dumps(data(), indent=1, ensure_ascii=False))
        if settings.html:
            from pytest_sipfront.plugin.reports.html_report import html_page, stylesheet  # noqa: PLC0415 - needs jinja2

            page = partial(html_page, self.record, settings.html, self._config.invocation_params.dir)
            self.write("HTML report", settings.html, page)
            with contextlib.suppress(OSError):  # the page contains it, too
                replace_file(settings.html.with_suffix(".css"), stylesheet())
        if settings.prometheus:
            from pytest_sipfront.plugin.reports.prometheus import metrics_text  # noqa: PLC0415 - only on request

            self.write("metrics", settings.prometheus, partial(metrics_text, self.record))
        if settings.otel != "off":
            from pytest_sipfront.plugin.reports import open_telemetry  # noqa: PLC0415 - needs an extra

            self.lines += open_telemetry.send(self.record, open_telemetry.exporter_of(settings.otel))
        self._write_for_github()

    def _write_for_github(self) -> None:
        """Write the job summary and annotations of GitHub Actions, inside of a job."""
        path, is_job = os.environ.get("GITHUB_STEP_SUMMARY"), os.environ.get("GITHUB_ACTIONS") == "true"
        if self.record is None or not (path or is_job):
            return
        from pytest_sipfront.plugin.reports import github  # noqa: PLC0415 - only on GitHub

        if path:
            try:
                with Path(path).open("a", encoding="utf-8") as file:
                    file.write(github.job_summary(self.record))
            except OSError as error:
                self.lines.append(f"cannot write the job summary: {error}")
        if is_job:
            annotates_failures = self._config.pluginmanager.hasplugin("pytest_github_actions_annotate_failures")
            self.annotations += github.workflow_commands(self.record, errors_only=annotates_failures)

    def write(self, what: str, path: Path, make: Callable[[], str]) -> None:
        """Write the text that `make` returns, complete or not at all, and note that for the terminal."""
        try:
            text = make()
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, text)
        except OSError as error:
            self.lines.append(f"cannot write the {what}: {error}")
        except Exception as error:  # noqa: BLE001 - a defect in one report must not suppress the others
            self.lines.append(f"cannot write the {what}: {type(error).__name__}: {error}")
        else:
            self.lines.append(f"{what}: {path}")

    def _begin(self) -> SessionRecorder:
        if self._recorder is None:
            from pytest_sipfront.plugin.reports.session_record import SessionRecorder  # noqa: PLC0415

            workers: Any = getattr(self._config.option, "tx", None) or ()
            self._recorder = SessionRecorder(
                self._state.settings,
                self._started,
                lab=self._state.lab_in_words,
                workers=len(workers),
                runs_everywhere=self._config.getoption("dist", default="no") == "each",
            )
        return self._recorder


def replace_file(path: Path, text: str) -> None:
    """Write a file so that readers see either the old or the new content.

    Raises:
        OSError: It cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
        os.chmod(name, 0o644)  # noqa: PTH101 - a path of the standard library's making
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


RECORDER = pytest.StashKey[Recorder]()
