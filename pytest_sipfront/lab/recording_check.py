"""Compares the lab's responses with recorded ones of the platform, field by field: `--check DIR`.

The check starts a lab with the recorded tests and projects, sends it the recorded requests, and compares the shapes of
the responses: which fields there are, and of which type. Values are compared by form only, for example as a time.
`docs/recordings.md` describes the format of recordings, which this module reads without the code that writes them.
"""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from pytest_sipfront.lab.process import LabError, LabProcess, start_lab

API = "/api/v2"
VERSION = 1
_TAKES = 0.3
"""Duration of a run of the lab, so that both a running and an ended status can be compared."""
_MOST_LAUNCHES = 40
"""Launches that are compared; each combination of path, body keys and final state once."""
_TIMEOUT = 10.0
_FORMS = (
    ("time", re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d.*")),
    ("URL", re.compile(r"https?://\S+")),
    ("UUID", re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")),
    ("JSON", re.compile(r"[\[{].*[\]}]", re.DOTALL)),
)
_FREE_KEYS = ("parameters",)
_STATES = ("status", "session_status", "run_status")

Shape = Mapping[str, set[str]]


@dataclass(slots=True)
class _Endpoint:
    """The shapes of the responses of one endpoint in one situation."""

    recorded: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    lab: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingCheck:
    """The result of a comparison. As text it has a line per endpoint, and an indented one per difference.

    Attributes:
        differences: The differences of each endpoint and situation.
        responses: Number of recorded responses.
        skipped: Number of those that are not JSON and were not compared.
    """

    differences: Mapping[str, list[str]]
    responses: int
    skipped: int

    @property
    def sound(self) -> bool:
        """Whether the lab does not differ."""
        return not any(self.differences.values())

    def __str__(self) -> str:
        lines: list[str] = []
        for name, found in self.differences.items():
            count = f"{len(found)} {'difference' if len(found) == 1 else 'differences'}"
            lines += [f"{name}: {count}", *(f"  {line}" for line in found)]
        if self.skipped:
            lines.append(f"{self.skipped} of {self.responses} responses are not JSON and were not compared")
        return "\n".join(lines)


def check_recordings(directory: Path) -> RecordingCheck:
    """Compare the responses of a lab with all recordings in a directory.

    Raises:
        LabError: There is no recording, a file is not one, or the lab did not start.
    """
    exchanges = [exchange for path in _files(directory) for exchange in _read(path)]
    usable = [exchange for exchange in exchanges if "json" in exchange]
    with start_lab(text=json.dumps(_lab_file(usable)), calls="scripted") as lab:
        endpoints = _Comparison(lab, usable).endpoints()
    return RecordingCheck(
        differences={name: list(_differences(endpoint)) for name, endpoint in sorted(endpoints.items())},
        responses=len(exchanges),
        skipped=len(exchanges) - len(usable),
    )


def _files(directory: Path) -> list[Path]:
    files = sorted(directory.glob("*.jsonl")) if directory.is_dir() else []
    if not files:
        raise LabError(f"no recording in {directory}")
    return files


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
        if not lines or lines[0].get("version") != VERSION:
            raise LabError(f"{path} is not a recording of version {VERSION}")
        return [{"method": line["method"], "path": line["path"], **line} for line in lines[1:]]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise LabError(f"cannot read the recording {path}: {error}") from None


# ---- the lab that corresponds to a recording ------------------------------------------------------------------------


def _lab_file(exchanges: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a lab file with the recorded tests and projects, and with the verdict that each of them had."""
    tests: dict[str, dict[str, Any]] = {}
    projects: dict[str, dict[str, Any]] = {}
    for kind, of_kind in (("tests", tests), ("projects", projects)):
        for name in _listed(exchanges, kind):
            of_kind[name] = {}
    for exchange in exchanges:
        request = exchange.get("request")
        if exchange["method"] == "POST" and isinstance(request, Mapping) and _is_success(exchange):
            for key, of_kind in (("test.name", tests), ("project.name", projects)):
                if isinstance(request.get(key), str):
                    of_kind.setdefault(request[key], {})
    for run in _final_runs(exchanges):
        if run.get("test_name") in tests:
            tests[run["test_name"]] = {"verdict": _state(run), "description": str(run.get("result_description", ""))}
    tests = tests or {"Test": {}}
    first = next(iter(tests))
    return {
        "tests": {name: {"takes": _TAKES, **of_test} for name, of_test in tests.items()},
        "projects": {name: {"tests": [first]} for name in projects},
    }


def _listed(exchanges: list[dict[str, Any]], kind: str) -> Iterator[str]:
    for exchange in exchanges:
        if exchange["path"] == f"{API}/{kind}":
            listed = exchange["json"].get(kind) if isinstance(exchange["json"], Mapping) else exchange["json"]
            for entry in listed if isinstance(listed, list) else []:
                if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
                    yield entry["name"]


def _final_runs(exchanges: list[dict[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for exchange in exchanges:
        run = exchange["json"].get("run") if isinstance(exchange["json"], Mapping) else None
        if isinstance(run, Mapping) and _state(run) not in {"", "running"}:
            yield run


def _state(run: Mapping[str, Any]) -> str:
    return next((str(run[name]) for name in _STATES if run.get(name)), "")


def _is_success(exchange: Mapping[str, Any]) -> bool:
    return 200 <= int(exchange.get("status", 0)) < 300  # noqa: PLR2004 - HTTP


# ---- comparison -----------------------------------------------------------------------------------------------------


class _Comparison:
    """Sends recorded requests to a lab and collects the shapes of both responses by endpoint."""

    def __init__(self, lab: LabProcess, exchanges: list[dict[str, Any]]) -> None:
        self._lab = lab
        self._exchanges = exchanges
        self._found: dict[str, _Endpoint] = defaultdict(_Endpoint)
        self._samples: dict[str, list[tuple[int, Any]]] = defaultdict(list)
        self._keys = (lab.public_key, lab.secret_key)

    def endpoints(self) -> Mapping[str, _Endpoint]:
        """Return the shapes by endpoint."""
        statuses = self._recorded_statuses()
        others = [each for each in self._exchanges if each["method"] == "GET" and each["path"] not in statuses]
        paths = {exchange["path"] for exchange in others}
        self._sample(paths)
        pairs = self._add_launches(statuses)
        self._sample(paths)
        time.sleep(2 * _TAKES)  # until the runs of the lab have ended
        for own, polls in pairs:
            self._add_status(own, [poll for poll in polls if _is_final(poll)])
        self._sample(paths)
        for exchange in others:
            samples = self._samples[exchange["path"]]
            same = [each for each in samples if _situation(*each) == _situation(exchange["status"], exchange["json"])]
            self._add(self._name(exchange), exchange, (same or samples)[-1])
        return self._found

    def _sample(self, paths: Iterable[str]) -> None:
        """Send each GET request before, during and after the runs: its response depends on them.

        Ids in the paths are replaced by those of the lab's first test, project and run.
        """
        ids = {kind: self._first_id(kind) for kind in ("tests", "projects", "runs")}
        for path in paths:
            own = re.sub(rf"^({API}/(tests|projects|runs)/)[^/]+", lambda match: f"{match[1]}{ids[match[2]]}", path)
            self._samples[path].append(self._send("GET", own))

    def _recorded_statuses(self) -> dict[str, list[dict[str, Any]]]:
        """Return the recorded polls of each run by the path of its `status_url`."""
        urls = [_deep(exchange["json"], "data", "status_url") for exchange in self._exchanges]
        statuses: dict[str, list[dict[str, Any]]] = {urlsplit(url).path: [] for url in urls if isinstance(url, str)}
        for exchange in self._exchanges:
            if exchange["path"] in statuses:
                statuses[exchange["path"]].append(exchange)
        return statuses

    def _add_launches(self, statuses: Mapping[str, list[dict[str, Any]]]) -> list[tuple[str, list[dict[str, Any]]]]:
        """Repeat the recorded launches, one of each sort, and compare their responses and the running statuses.

        Returns:
            The path of each run of the lab, with the recorded polls to compare.
        """
        pairs: list[tuple[str, list[dict[str, Any]]]] = []
        done: set[tuple[Any, ...]] = set()
        for exchange in self._exchanges:
            if exchange["method"] != "POST":
                continue
            url = _deep(exchange["json"], "data", "status_url")
            polls = statuses.get(urlsplit(url).path, []) if isinstance(url, str) else []
            sort = (exchange["path"], exchange.get("status"), *sorted(exchange.get("request") or {}), *_ends(polls))
            if sort in done or len(done) >= _MOST_LAUNCHES:
                continue
            done.add(sort)
            status, answer = self._send("POST", exchange["path"], exchange.get("request"))
            self._add(self._name(exchange), exchange, (status, answer))
            if polls and isinstance(own := _deep(answer, "data", "status_url"), str):
                pairs.append((urlsplit(own).path, polls))
                self._add_status(own, [poll for poll in polls if not _is_final(poll)])
        return pairs

    def _add_status(self, own_url: str, polls: list[dict[str, Any]]) -> None:
        if polls:
            answer = self._send("GET", urlsplit(own_url).path)
            for poll in polls:
                self._add(self._name(poll), poll, answer)

    def _add(self, name: str, exchange: Mapping[str, Any], answer: tuple[int, Any]) -> None:
        endpoint, (status, own) = self._found[name], answer
        endpoint.recorded["HTTP status"].add(str(exchange.get("status")))
        endpoint.lab["HTTP status"].add(str(status))
        if _is_success(exchange) == _is_success({"status": status}):
            _add_shape(endpoint.recorded, "", exchange["json"])
            _add_shape(endpoint.lab, "", own)

    def _name(self, exchange: Mapping[str, Any]) -> str:
        """Return method and path without ids, and the situation for a status or a refused request."""
        path = "/".join(
            ":id" if any(map(str.isdigit, part)) and part != "v2" else part for part in exchange["path"].split("/")
        )
        situation = _situation(exchange["status"], exchange["json"])
        return f"{exchange['method']} {path.partition('?')[0]}{situation}"

    def _first_id(self, kind: str) -> Any:
        listed = _deep(self._send("GET", f"{API}/{kind}")[1], kind)
        return listed[0]["id"] if isinstance(listed, list) and listed else 1

    def _send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        request = Request(  # noqa: S310 - http to the lab
            self._lab.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": _basic(*self._keys), "Content-Type": "application/json"},
        )
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=_TIMEOUT) as response:
                return response.status, json.load(response)
        except HTTPError as error:
            with error:
                try:
                    return error.code, json.load(error)
                except ValueError:
                    return error.code, None
        except (OSError, ValueError) as error:
            raise LabError(f"the lab does not answer {method} {path}: {error}") from None


def _basic(user: str, password: str) -> str:
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def _deep(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _situation(status: int, answer: Any) -> str:
    """Return in words what a response depends on: whether it was refused, and whether the run has ended."""
    if not _is_success({"status": status}):
        return f", refused with {status}"
    return ", ended" if _is_final({"json": answer}) else ", running" if _deep(answer, "run") else ""


def _is_final(exchange: Mapping[str, Any]) -> bool:
    run = _deep(exchange["json"], "run")
    return isinstance(run, Mapping) and _state(run) not in {"", "running"}


def _ends(polls: list[dict[str, Any]]) -> list[str]:
    return sorted({_state(poll["json"]["run"]) for poll in polls if _is_final(poll)})


def _add_shape(shape: dict[str, set[str]], path: str, value: Any) -> None:
    """Add the type of a value, and of all values below it, by their path."""
    if isinstance(value, Mapping):
        shape[path or "(body)"].add("object")
        for key, each in value.items():
            name = "*" if path.rpartition(".")[2] in _FREE_KEYS else key
            _add_shape(shape, f"{path}.{name}" if path else name, each)
    elif isinstance(value, list):
        shape[path or "(body)"].add("list")
        for each in value:
            _add_shape(shape, f"{path}[]", each)
    else:
        shape[path or "(body)"].add(_type(value))


def _type(value: Any) -> str:
    if isinstance(value, str):
        form = next((name for name, pattern in _FORMS if pattern.fullmatch(value)), "")
        return f"text ({form})" if form else "text"
    names = {bool: "bool", int: "number", float: "number", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def _differences(endpoint: _Endpoint) -> Iterator[str]:
    for path in sorted(endpoint.recorded.keys() | endpoint.lab.keys()):
        recorded, own = endpoint.recorded.get(path, set()), endpoint.lab.get(path, set())
        if recorded and not own:
            if not _is_inside_empty(path, endpoint.lab):
                yield f"{path}: {_words(recorded)} in the recording, missing in the lab"
        elif own and not recorded:
            if not _is_inside_empty(path, endpoint.recorded):
                yield f"{path}: missing in the recording, {_words(own)} in the lab"
        elif _plain(recorded).isdisjoint(_plain(own)) or _forms_differ(recorded, own):
            yield f"{path}: {_words(recorded)} in the recording, {_words(own)} in the lab"


def _is_inside_empty(path: str, shape: Shape) -> bool:
    """Return whether a path is below a list or object that is empty or null in the other response."""
    parents = [path[: match.start()] for match in re.finditer(r"\[\]|\.", path)]
    return any(
        parent in shape and not any(other.startswith((f"{parent}[", f"{parent}.")) for other in shape)
        for parent in parents
    )


def _plain(types: set[str]) -> set[str]:
    return {each.partition(" ")[0] for each in types}


def _forms_differ(recorded: set[str], own: set[str]) -> bool:
    """Return whether texts have different forms; text without a form may be any text."""
    texts = [{each for each in types if each.startswith("text (")} for types in (recorded, own)]
    return all(texts) and texts[0].isdisjoint(texts[1])


def _words(types: set[str]) -> str:
    return " or ".join(sorted(types))
