"""What is sent to the Sipfront API and what it answers, as frozen values.

Reading is tolerant, since sources disagree on names and types; nothing here decides a verdict.
Source: the API page "basics" of the Sipfront documentation and the vendor's own CI client.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, TypeAlias

Override: TypeAlias = str | int | float | bool
"""The value of a `step.<step>.<action>.<name>` parameter. A dial destination is a string: it may begin with 0 or +."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})
STATE_FIELDS = ("status", "session_status", "run_status")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What to launch: a test by name, or a project by name or numeric id.

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
    overrides: Mapping[str, Override] = field(default_factory=lambda: _NOTHING)
    report_mode: str | None = None

    @property
    def is_project(self) -> bool:
        """True for a project run."""
        return self.project is not None

    @property
    def target(self) -> str:
        """The test or project as a person names it."""
        return f"project {self.project}" if self.is_project else str(self.test)

    def payload(self) -> dict[str, Any]:
        """The flat body with dotted keys that both encodings carry."""
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
        """What tells this request from others, in 16 hex digits; equal for equal requests, in every session."""
        canonical = json.dumps(self.payload(), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """The platform's answer to a launch.

    Attributes:
        status_url: Where to ask for the run's status. Ids are never rebuilt into URLs: they differ within one answer.
        report_url: The page for people; "" if the answer has none.
        session_id: The id of the session (test) or of the project run; "" if the answer has none.
        raw: The answer's `data` as received.
    """

    status_url: str
    report_url: str = ""
    session_id: str = ""
    raw: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Launched | None:
        """Read the answer's `data`; None if it has no usable `status_url`."""
        status_url = data.get("status_url")
        if not isinstance(status_url, str) or not status_url:
            return None
        session_id = data.get("session_id") or data.get("project_run_uuid") or data.get("project_run_id")
        return cls(
            status_url=status_url,
            report_url=_text(data.get("report_url")),
            session_id=_text(session_id),
            raw=MappingProxyType(dict(data)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """What the platform says of a run at one moment. While it runs, `status` alone is promised.

    Attributes:
        states: The state fields that are present, by name, in lower case.
        has_passed, is_failed, is_finished: The flags; None where absent or unreadable.
        result_description: Why the run failed; "" if it did not or nothing is said.
        started_at, stopped_at: UTC; None where absent or unreadable.
        retry_after: Seconds after which the platform wants to be asked again; None if it does not say.
        raw: The `run` object as received.
    """

    states: Mapping[str, str]
    has_passed: bool | None = None
    is_failed: bool | None = None
    is_finished: bool | None = None
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
    raw: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    @classmethod
    def read(cls, run: Mapping[str, Any], *, retry_after: float | None = None) -> RunStatus:
        """Read a `run` object; whatever is absent or of a wrong type stays at its default and in `raw`."""
        return cls(
            states=MappingProxyType(dict(_states(run))),
            has_passed=_flag(run.get("has_passed")),
            is_failed=_flag(run.get("is_failed")),
            is_finished=_flag(run.get("is_finished")),
            result_description=_text(run.get("result_description")),
            started_at=_moment(run.get("started_at")) or _moment(run.get("created_at")),
            stopped_at=_moment(run.get("stopped_at")),
            test_id=_number(run.get("test_id")),
            test_name=_text(run.get("test_name")),
            testcase_name=_text(run.get("testcase_name")),
            project_id=_number(run.get("project_id")),
            project_name=_text(run.get("project_name")),
            agentpool_name=_text(run.get("agentpool_name")),
            session_id=_text(run.get("session_id")),
            tags=_tags(run.get("tags")),
            total_tests=_number(run.get("total_tests")),
            tests_started=_number(run.get("tests_started")),
            retry_after=retry_after,
            raw=MappingProxyType(dict(run)),
        )

    @property
    def state(self) -> str:
        """The state as a person reads it: one word, or each field's where they disagree; "" if there is none."""
        words = dict.fromkeys(self.states.values())
        if len(words) < 2:  # noqa: PLR2004 - "they disagree" needs two
            return next(iter(words), "")
        return ", ".join(f"{name} {state}" for name, state in self.states.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class LastStatus:
    """The last run of one test of a project, which may belong to another, later or earlier, project run."""

    test_id: int | None
    test_name: str
    status: RunStatus

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> LastStatus:
        """Read one entry of `/projects/:id/status/last`."""
        test, run = _mapping(entry.get("test")), RunStatus.read(_mapping(entry.get("run")))
        return cls(
            test_id=_number(test.get("id")) if test else run.test_id,
            test_name=_text(test.get("name")) or run.test_name,
            status=run,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One entry of the API's own listing. Its URL is for people: the documented sample says http for https."""

    url: str
    methods: tuple[str, ...] = ()
    name: str = ""

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Endpoint:
        """Read one entry of `endpoints`."""
        methods = entry.get("methods")
        return cls(
            url=_text(entry.get("url")),
            methods=tuple(str(m) for m in methods) if isinstance(methods, list) else (),
            name=_text(entry.get("name")),
        )


@dataclass(frozen=True, slots=True)
class Document:
    """An answer whose shape is not published: the parsed JSON as it came, and the URL it came from."""

    data: Any
    url: str = ""

    def names(self) -> tuple[str, ...]:
        """Every `name` (or `test_name`, `project_name`) found anywhere in the document, each once, in its order."""
        return tuple(dict.fromkeys(_names(self.data)))


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in {"name", "test_name", "project_name", "test.name"} and isinstance(value, str):
                yield value
            yield from _names(value)
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for value in node:
            yield from _names(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else _NOTHING


def _states(run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in STATE_FIELDS:
        value = run.get(name)
        if isinstance(value, str) and value.strip():
            yield name, value.strip().lower()


def _flag(value: Any) -> bool | None:
    """0 and 1 as int, bool or string; anything else is no answer."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower() if isinstance(value, int | str) else ""
    return {"1": True, "true": True, "0": False, "false": False}.get(text)


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _number(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


def _moment(value: Any) -> datetime | None:
    """`YYYY-MM-DD HH:MM:SS` without a zone is UTC; ISO 8601 with one is converted."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _tags(value: Any) -> tuple[str, ...]:
    """A list, a JSON-encoded list, or one encoded twice."""
    for _ in range(2):
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                return ()
    return tuple(_text(tag) for tag in value if _text(tag)) if isinstance(value, list) else ()
