"""The hooks around each test, registered with the first test that uses a run."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pytest_sipfront.errors import DetailedError
from pytest_sipfront.masking import mask_data
from pytest_sipfront.plugin import item_markers, sift_marker
from pytest_sipfront.plugin.reports import error_details, sift_calls
from pytest_sipfront.plugin.reports.properties import ARTIFACTS, KIND, PREFIX, REPORT_URL, forget, set_property
from pytest_sipfront.plugin.reports.reason_kinds import kind_of
from pytest_sipfront.plugin.reports.run_document import PAGE
from pytest_sipfront.plugin.state import STATE, State

NAME = "sipfront-tests"


def watch(config: pytest.Config) -> None:
    """Register the hooks, unless they are."""
    if not config.pluginmanager.hasplugin(NAME):
        config.pluginmanager.register(RuntestHooks(config.stash[STATE], config), NAME)


def _uses_service(item: pytest.Item) -> bool:
    """Return whether a test has a run or a call."""
    if item_markers.is_marked(item) or sift_marker.is_marked(item):
        return True
    return any(name.startswith((PREFIX, sift_calls.PREFIX)) for name, _ in item.user_properties)


class RuntestHooks:
    """Hooks around each test of a session with runs."""

    def __init__(self, state: State, config: pytest.Config) -> None:
        self._state = state
        names = ("allure_listener", "html")
        self._has_other_reporters = any(config.pluginmanager.hasplugin(name) for name in names)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Start the engine before the first test."""
        if not session.testsfailed or session.config.option.continue_on_collection_errors:
            self._state.prepare()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Report a test whose run was being waited for when the session was interrupted. Then forget the test."""
        try:
            return (yield)
        except KeyboardInterrupt:
            for document in self._state.attempts.documents(item):
                document["kind"] = document["kind"] or ("no-verdict" if document["error"] else None)
            # the controller reports the tests of its workers and keeps their files
            files = "" if self._state.processes.is_worker else self._add_artifacts(item, when="call", failed=True)
            self._report_interrupted(item, files)
            raise
        finally:
            self._state.current = None
            self._state.marked.forget(item)
            self._state.attempts.forget(item)
            self._state.settle()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Forget an earlier attempt at the test: a rerun gets a new run."""
        self._state.attempts.begin(item)
        self._state.marked.forget(item)
        forget(item.user_properties)
        attempts = self._state.attempts
        item.user_properties += [*attempts.earlier(item), *attempts.earlier_artifacts(item)]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Raise an unexpected verdict before the body of the test."""
        __tracebackhide__ = True
        if item_markers.is_marked(item):
            self._state.marked.judge(item)
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Give the report the run's duration, and shape the errors of this plugin."""
        report = yield
        report.duration = max(report.duration + self._state.marked.seconds(item, report.when), 0.0)
        if call.excinfo is not None:
            error_details.shape(report, call.excinfo.value, item)
        attempts = self._state.attempts
        if report.failed:
            self._classify(report, call.excinfo, item)
        files = self._add_artifacts(item, when=report.when, failed=report.failed, report=report)
        if report.failed:
            attempts.add_failure(item, report, files)
            earlier = [text for _, text in attempts.earlier(item)]
            error_details.complete(report, attempts.report_urls(item), earlier, files)
        attempts.attach(item, report)
        if self._has_other_reporters:
            from pytest_sipfront.plugin.reports.other_reporters import add_evidence  # noqa: PLC0415 - in few sessions

            runs = self._state.attempts.documents(item)
            add_evidence(item.config, report, mask_data(runs) if self._state.settings.mask_numbers else runs)
        return report

    def _add_artifacts(
        self, item: pytest.Item, *, when: str, failed: bool, report: pytest.TestReport | None = None
    ) -> str:
        """Keep the files of the current attempt and name them in its properties.

        Returns:
            Their page, or their directory; "" if there are none.
        """
        failure = error_details.first_line(report) if failed and report is not None else ""
        directory = self._state.attempts.save(item, when=when, failed=failed, failure=failure)
        if not directory:
            return ""
        page = f"{directory}/{PAGE}"
        has_page = (item.config.invocation_params.dir / page).is_file()
        for properties in [item.user_properties] if report is None else [item.user_properties, report.user_properties]:
            set_property(properties, PREFIX + ARTIFACTS, directory)
            if has_page and self._state.settings.lab and PREFIX + REPORT_URL in dict(properties):
                set_property(properties, PREFIX + REPORT_URL, page)  # the pages of the lab end with the session
        return page if has_page else directory

    def _classify(
        self, report: pytest.TestReport, excinfo: pytest.ExceptionInfo[BaseException] | None, item: pytest.Item
    ) -> None:
        """Record the kind of a failure or error, and keep a kind that is not to be rerun from a rerun."""
        error = None if excinfo is None else excinfo.value
        if not (isinstance(error, DetailedError) or _uses_service(item)):
            return
        crash = getattr(report.longrepr, "reprcrash", None)
        documents = self._state.attempts.documents(item)
        violations = [violation for document in documents for violation in document["violations"]]
        kind = kind_of(error, str(report.longrepr) if crash is None else crash.message, violations)
        for document in documents:
            if document["error"] or document["as_expected"] is False:
                document["kind"] = kind
        name = PREFIX + KIND
        report.user_properties = [*(entry for entry in report.user_properties if entry[0] != name), (name, kind)]
        if name not in dict(item.user_properties):
            item.user_properties.append((name, kind))
        allowed = self._state.settings.rerun_kinds
        if allowed and kind not in allowed:
            item.add_marker(pytest.mark.flaky(condition=False), append=False)

    def _report_interrupted(self, item: pytest.Item, files: str) -> None:
        waiting = self._state.session.waiting
        if waiting is None:
            return
        reports = error_details.interrupted(item.nodeid, item.location, waiting, item.user_properties, item.keywords)
        self._state.attempts.attach(item, reports[0])
        error_details.complete(reports[0], [], [], files)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
