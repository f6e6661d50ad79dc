"""Code of a user's suite. It is type-checked and never run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, assert_type

import pytest

from pytest_sipfront import PendingRun, RunFailed, RunResult, Sipfront, SipfrontError, read_destinations


@pytest.mark.sipfront(test="Basic call", step_1_0_dial_destination="431231234")
def marked(sipfront_run: RunResult) -> None:
    assert_type(sipfront_run.passed, bool)
    assert_type(sipfront_run.verdict, str)
    assert_type(sipfront_run.result_description, str)
    assert_type(sipfront_run.duration, float)
    assert_type(sipfront_run.report_url, str)
    assert_type(sipfront_run.started_at, datetime | None)
    assert_type(sipfront_run.raw, Mapping[str, Any])
    assert_type(sipfront_run.status.tags, tuple[str, ...])
    assert_type(sipfront_run.status.test_id, int | None)
    assert_type([last.test_name for last in sipfront_run.tests], list[str])
    assert_type(sipfront_run.notes, tuple[str, ...])


@pytest.mark.parametrize("row", read_destinations("destinations.csv", id_column="city"))
def parametrized(row: Mapping[str, str]) -> None: ...


def imperative(sipfront: Sipfront) -> None:
    assert_type(sipfront.run(test="Basic call", expect=None), RunResult)
    pending = sipfront.launch(project="Nightly", test_ids=[101])
    assert_type(pending, PendingRun)
    assert_type(pending.report_url, str)
    assert_type(pending.wait(), RunResult)
    assert_type(sipfront.tests().names(), tuple[str, ...])
    assert_type([endpoint.url for endpoint in sipfront.endpoints()], list[str])
    assert_type(sipfront.last_run(101).state, str)
    assert_type(sipfront.runs().names(), tuple[str, ...])
    sipfront.stats(pending, "mos")
    sipfront.request("GET", "/appimages")


def errors(error: SipfrontError, failed: RunFailed) -> None:
    assert_type(error.evidence, Mapping[str, object])
    assert_type(failed.hint, str)


def frozen(result: RunResult) -> None:
    result.verdict = "passed"  # type: ignore[misc]
