"""The run documents of each attempt at a test. Each further attempt, such as a rerun, begins without documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.engine.run import Run, RunResult
from pytest_sipfront.plugin.reports.artifacts import Artifacts, Evidence
from pytest_sipfront.plugin.reports.error_details import first_line
from pytest_sipfront.plugin.reports.properties import ARTIFACTS, ATTEMPT, PREFIX
from pytest_sipfront.plugin.reports.run_document import REPORT_ATTRIBUTE, run_document


class Attempts:
    """The attempts at the tests of one pytest process.

    Args:
        artifacts: Keeps the files of the attempts.
        on_lab: Whether the session's runs are executed by the lab.
    """

    def __init__(self, artifacts: Artifacts, *, on_lab: bool) -> None:
        self._artifacts, self._on_lab = artifacts, on_lab
        self._raw: dict[pytest.Item, dict[object, Mapping[str, Any]]] = {}
        self._kept: dict[pytest.Item, Path] = {}
        self._earlier: dict[pytest.Item, list[tuple[str, str]]] = {}
        self._numbers: Counter[pytest.Item] = Counter()
        self._documents: dict[pytest.Item, dict[object, dict[str, Any]]] = {}
        self._failures: dict[pytest.Item, dict[int, list[str]]] = {}

    def begin(self, item: pytest.Item) -> None:
        """Begin another attempt at `item`."""
        self._numbers[item] += 1
        if (kept := self._kept.get(item)) is not None:
            number = self._numbers[item] - 1
            self._earlier.setdefault(item, []).append((f"{PREFIX}{ARTIFACTS}.{number}", self._artifacts.relative(kept)))
        for of_item in (self._documents, self._raw, self._kept):
            of_item.pop(item, None)

    def forget(self, item: pytest.Item) -> None:
        """Forget all attempts at a test that is over. Its reports have the documents."""
        for known in (self._numbers, self._documents, self._raw, self._kept, self._earlier, self._failures):
            known.pop(item, None)

    def add_failure(self, item: pytest.Item, report: pytest.TestReport, page: str) -> None:
        """Keep the first failure of the current attempt, for the reports of later ones.

        Args:
            item: The test.
            report: The report of the failure.
            page: The page among the artifacts, which remains when the pages of the lab end; "" if there is none.
        """
        links = [page] if page and self._on_lab else self.report_urls(item)
        outcome = "failed" if report.when == "call" else "error"
        failure = [outcome, first_line(report), *links]
        self._failures.setdefault(item, {}).setdefault(self.number(item), failure)

    def earlier(self, item: pytest.Item) -> list[tuple[str, str]]:
        """Return a property for each earlier attempt at `item` that failed: its outcome, message and report URLs."""
        failures = self._failures.get(item, {})
        current = self.number(item)
        return [
            (f"{PREFIX}{ATTEMPT}{number}", f"{outcome}: {' - '.join(texts)}")
            for number, (outcome, *texts) in failures.items()
            if number < current
        ]

    def earlier_artifacts(self, item: pytest.Item) -> list[tuple[str, str]]:
        """Return a property with the directory of each earlier attempt at `item` that left files."""
        return list(self._earlier.get(item, ()))

    def report_urls(self, item: pytest.Item) -> list[str]:
        """Return the report URLs of the current attempt."""
        return [url for document in self.documents(item) if (url := str(document["report_url"]))]

    def number(self, item: pytest.Item) -> int:
        """Return the number of the current attempt, from 1."""
        return max(self._numbers[item], 1)

    def add(
        self, item: pytest.Item | None, run: Run, result: RunResult | None = None, error: BaseException | None = None
    ) -> None:
        """Add the document of a run of the current attempt, or bring it up to date.

        Args:
            item: The test; None adds nothing.
            run: The run.
            result: Its result; None if it has no verdict, or none yet.
            error: Why it has no verdict.
        """
        if item is None:
            return
        documents = self._documents.setdefault(item, {})
        known = documents.get(run, {})
        documents[run] = run_document(
            run,
            nodeid=run.label or item.nodeid,
            attempt=self.number(item),
            number=known.get("number", len(documents) + 1),
            on_lab=self._on_lab,
            result=result,
            error=error,
            evidence=self._artifacts.evidence(run.launched.run_id if run.launched else "") if self._on_lab else None,
        )
        if run.status is not None:
            self._raw.setdefault(item, {})[run] = run.status.raw

    def add_calls(self, item: pytest.Item, documents: Iterable[dict[str, Any]]) -> None:
        """Add the documents of the Sift calls of the current attempt, or bring them up to date."""
        own = self._documents.setdefault(item, {})
        own.update((("sift", number), document) for number, document in enumerate(documents))

    def documents(self, item: pytest.Item) -> list[dict[str, Any]]:
        """Return the documents of the current attempt, in the order of their runs."""
        return list(self._documents.get(item, {}).values())

    def save(self, item: pytest.Item, *, when: str, failed: bool, failure: str = "") -> str:
        """Keep or remove the files of the current attempt, as the session's settings say.

        Args:
            item: The test.
            when: The phase that has ended: "setup", "call" or "teardown".
            failed: Whether it failed.
            failure: How it failed, in one line.

        Returns:
            The directory as reports show it; "" if there is none.
        """
        raw = self._raw.get(item, {})
        evidence = [Evidence(document, raw.get(run)) for run, document in self._documents.get(item, {}).items()]
        known = self._kept.get(item)
        if evidence and (known or (self._artifacts.keeps(failed=failed) and (failed or when == "call"))):
            number = self.number(item)
            _, first, *_ = self._failures.get(item, {}).get(number, ["", failure])
            directory = self._artifacts.keep(item.nodeid, number, evidence, failure=first, known=known)
            if directory is not None:
                self._kept[item] = directory
                return self._artifacts.relative(directory)
        if when == "teardown":
            self._artifacts.discard(evidence)
        return ""

    def attach(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Attach the documents to a report. Reports of a passed setup or teardown carry none."""
        documents = self.documents(item)
        if documents and (report.when == "call" or not report.passed):
            setattr(report, REPORT_ATTRIBUTE, documents)
