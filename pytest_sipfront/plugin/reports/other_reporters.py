"""Links and evidence of runs in the reports of pytest-html and Allure, if a session uses them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.plugin.reports.properties import KIND, PREFIX

_ATTACHED = {".html": "text/html", ".wav": "audio/wav", ".txt": "text/plain", ".pcap": "application/vnd.tcpdump.pcap"}


def add_evidence(config: pytest.Config, report: pytest.TestReport, runs: Sequence[Mapping[str, Any]]) -> None:
    """Add the runs of a test to the reports of other plugins, with the report that shows its outcome.

    Args:
        config: Tells which plugins are active.
        report: The report of the test.
        runs: The run documents of the attempt.
    """
    if not runs or report.when == "teardown" or not (report.when == "call" or report.failed):
        return
    if config.getoption("htmlpath", None) and config.pluginmanager.hasplugin("html"):
        _extend_html(report, runs)
    if config.pluginmanager.hasplugin("allure_listener"):
        _extend_allure(report, runs, config.invocation_params.dir)


def _extend_html(report: Any, runs: Sequence[Mapping[str, Any]]) -> None:
    from pytest_html import extras  # noqa: PLC0415 - optional

    links = [extras.url(run["report_url"], name=_name(run)) for run in runs if run["report_url"]]
    documents = [extras.json(run, name=f"run {run['number']}") for run in runs]
    report.extras = [*getattr(report, "extras", []), *links, *documents]


def _extend_allure(report: pytest.TestReport, runs: Sequence[Mapping[str, Any]], base: Path) -> None:
    """Attach the document and the files of each run; the paths of files are relative to `base`."""
    import allure  # noqa: PLC0415 - optional

    dynamic: Any = allure.dynamic
    attach: Any = allure.attach
    for run in runs:
        if run["report_url"]:
            dynamic.link(run["report_url"], name=_name(run))
        document = json.dumps(run, indent=1, ensure_ascii=False)
        attach(document, name=f"run {run['number']}", attachment_type=allure.attachment_type.JSON)
        artifacts = run["artifacts"] or {"directory": "", "files": []}
        for name in artifacts["files"]:
            path = base / artifacts["directory"] / name
            if path.suffix in _ATTACHED and path.is_file():
                attach.file(path, name=name, attachment_type=_ATTACHED[path.suffix], extension=path.suffix[1:])
    labels = {"sipfront.target": runs[0]["target"]}
    if kind := dict(report.user_properties).get(PREFIX + KIND):
        labels["sipfront.kind"] = str(kind)
    for name, value in labels.items():
        dynamic.label(name, value)


def _name(run: Mapping[str, Any]) -> str:
    return f"{run['target']} ({run['verdict'] or run['state'] or 'no verdict'})"
