"""Requests to the Sipfront API and its responses, as frozen values.

Reading is tolerant, since sources disagree on names and types. Verdicts are decided elsewhere.
Source: the API page "basics" of the Sipfront documentation and the vendor's own CI client.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from urllib.parse import unquote

from pytest_sipfront.clients.json_fields import EMPTY, frozen, integer, mapping, moment, text
from pytest_sipfront.clients.service_text import clean, one_line

Override: TypeAlias = str | int | float | bool
"""The value of a `step.<step>.<action>.<name>` parameter. A dial destination is a string: it may begin with 0 or +."""

STATE_FIELDS = ("status", "session_status", "run_status")
STATE_LIMIT, MOST_TAGS = 100, 100
_DEEPEST_LIST = 2
FLAGS = ("has_passed", "is_failed", "is_finished")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A launch request: a test by name, or a project by name or numeric id.

    Attributes:
        test: The test's name as configured on the platform.
        project: The project's name (str) or id (int).
        test_ids: The tests of the project to run; all of them if empty.
        overrides: API keys in dotted form and their values.
        report_mode: "full", "kiosk" or "print"; None leaves it to the platform.
    """

    test: str | None = None
    project: str | int | None = None
    test_ids: tuple[int, ...] = ()
    overrides: Mapping[str, Override] = field(default_factory=lambda: EMPTY)
    report_mode: str | None = None

    @property
    def is_project(self) -> bool:
        """True for a project run."""
        return self.project is not None

    @property
    def target(self) -> str:
        """The test's name, or "project" and its name or id, for messages."""
        return f"project {self.project}" if self.is_project else str(self.test)

    def payload(self) -> dict[str, Any]:
        """Return the flat body with dotted keys; both encodings carry it."""
        body: dict[str, Any] = {}
        if self.is_project:
            body["id" if isinstance(self.project, int) else "project.name"] = self.project
            if self.test_ids:
                body["test_ids"] = list(self.test_ids)
        else:
            body["test.name"] = self.test
        if self.report_mode is not None:
            body["report.mode"] = self.report_mode
        return body | dict(self.overrides)

    @property
    def digest(self) -> str:
        """A hash of the payload in 16 hex digits, equal for equal requests in every session."""
        canonical = json.dumps(self.payload(), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """The platform's response to a launch.

    Attributes:
        status_url: The URL to poll. It is never rebuilt from an id: the documentation's sample holds two different ids.
        report_url: The report page for people; "" if it is missing.
        session_id: The id of the session (test) or of the project run; "" if it is missing.
        raw: The response's `data`.
    """

    status_url: str
    report_url: str = ""
    session_id: str = ""
    raw: Mapping[str, Any] = field(default_factory=lambda: EMPTY)

    @property
    def run_id(self) -> str:
        """The id in `status_url`, which ends in `/<id>/status`; "" if it has another form."""
        path = re.fullmatch(r"(?:https?://[^/]+)?(?:/.*)?/([^/]+)/status/?", self.status_url.partition("?")[0])
        return unquote(path[1]) if path else ""

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Launched | None:
        """Read the response's `data`; None if it has no usable `status_url`."""
        status_url = data.get("status_url")
        if not isinstance(status_url, str) or not status_url:
            return None
        session_id = data.get("session_id") or data.get("project_run_uuid") or data.get("project_run_id")
        return cls(
            status_url=status_url,
            report_url=text(data.get("report_url")),
            session_id=text(session_id),
            raw=frozen(data),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """The status of a run at one moment. While the run is running, only `status` is documented.

    Attributes:
        states: The state fields that are present, by name, in lower case.
        has_passed, is_failed, is_finished: The flags; None if absent or unreadable.
        unreadable: The names of state fields and flags that are present and unreadable.
        result_description: Why the run failed; "" if it did not fail or no reason is given.
        started_at, stopped_at: UTC; None if absent or unreadable.
        retry_after: Seconds until the platform wants the next poll; None if it does not say.
        raw: The `run` object.
    """

    states: Mapping[str, str]
    has_passed: bool | None = None
    is_failed: bool | None = None
    is_finished: bool | None = None
    unreadable: tuple[str, ...] = ()
    result_description: str = ""
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    test_id: int | None = None
    test_name: str = ""
    testcase_name: str = ""
    project_id: int | None = None
    project_name: str = ""
    agentpool_name: str = ""
    session_id: str = ""
    tags: tuple[str, ...] = ()
    total_tests: int | None = None
    tests_started: int | None = None
    retry_after: float | None = None
    raw: Mapping[str, Any] = field(default_factory=lambda: EMPTY)

    @classmethod
    def read(cls, run: Mapping[str, Any], *, retry_after: float | None = None) -> RunStatus:
        """Read a `run` object; absent and mistyped fields keep their default."""
        return cls(
            states=frozen(dict(_states(run))),
            has_passed=_flag(run.get("has_passed")),
            is_failed=_flag(run.get("is_failed")),
            is_finished=_flag(run.get("is_finished")),
            unreadable=tuple(_unreadable(run)),
            result_description=text(run.get("result_description")),
            started_at=moment(run.get("started_at")) or moment(run.get("created_at")),
            stopped_at=moment(run.get("stopped_at")),
            test_id=integer(run.get("test_id")),
            test_name=text(run.get("test_name")),
            testcase_name=text(run.get("testcase_name")),
            project_id=integer(run.get("project_id")),
            project_name=text(run.get("project_name")),
            agentpool_name=text(run.get("agentpool_name")),
            session_id=text(run.get("session_id")),
            tags=_tags(run.get("tags")),
            total_tests=integer(run.get("total_tests")),
            tests_started=integer(run.get("tests_started")),
            retry_after=retry_after,
            raw=frozen(run),
        )

    @property
    def state(self) -> str:
        """The state for messages: one word, or each field's word if they disagree; "" if there is no state."""
        words = list(dict.fromkeys(self.states.values()))
        if len(words) <= 1:
            return "".join(words)
        return ", ".join(f"{name} {state}" for name, state in self.states.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class LastStatus:
    """The last run of one test of a project. It may belong to an earlier or later project run."""

    test_id: int | None
    test_name: str
    status: RunStatus

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> LastStatus:
        """Read one entry of `/projects/:id/status/last`."""
        test, run = mapping(entry.get("test")), RunStatus.read(mapping(entry.get("run")))
        return cls(
            test_id=integer(test.get("id")) if test else run.test_id,
            test_name=text(test.get("name")) or run.test_name,
            status=run,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An entry of the API's list of endpoints. Do not request its URL: the documented sample says http for https."""

    url: str
    methods: tuple[str, ...] = ()
    name: str = ""

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Endpoint:
        """Read one entry of `endpoints`."""
        methods = entry.get("methods")
        return cls(
            url=text(entry.get("url")),
            methods=tuple(str(m) for m in methods) if isinstance(methods, list) else (),
            name=text(entry.get("name")),
        )


@dataclass(frozen=True, slots=True)
class Document:
    """A response whose shape is not published: the parsed JSON and the URL of the request."""

    data: Any
    url: str = ""

    def names(self) -> tuple[str, ...]:
        """Return each `name`, `test_name` and `project_name` anywhere in the document, once, in order."""
        return tuple(dict.fromkeys(_names(self.data)))

    def entries(self, kind: str) -> tuple[Mapping[str, Any], ...]:
        """Return the objects in the list at the root, or below the key `kind` or `data`."""
        found = self.data
        for _ in range(_DEEPEST_LIST):
            if isinstance(found, Mapping):
                found = found.get(kind, found.get("data"))
        return tuple(entry for entry in found if isinstance(entry, Mapping)) if isinstance(found, list | tuple) else ()


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in {"name", "test_name", "project_name", "test.name"} and isinstance(value, str):
                yield value
            yield from _names(value)
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for value in node:
            yield from _names(value)


def _states(run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in STATE_FIELDS:
        value = run.get(name)
        if isinstance(value, str) and value.strip():
            yield name, one_line(value, STATE_LIMIT).lower()


def _unreadable(run: Mapping[str, Any]) -> Iterator[str]:
    yield from (name for name in STATE_FIELDS if not isinstance(run.get(name), str | None))
    yield from (name for name in FLAGS if run.get(name) is not None and _flag(run[name]) is None)


def _flag(value: Any) -> bool | None:
    """Read 0 or 1 as an integer, bool or string; None for anything else."""
    word = str(value).strip().lower() if isinstance(value, int | str) else ""
    return {"1": True, "true": True, "0": False, "false": False}.get(word)


def _tags(value: Any) -> tuple[str, ...]:
    """Read a list of tags, also if it is JSON-encoded once or twice."""
    for _ in range(2):
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return ()
    # Decoding may bring back characters that were escaped.
    return tuple(clean(text(tag)) for tag in value[:MOST_TAGS] if text(tag)) if isinstance(value, list) else ()
