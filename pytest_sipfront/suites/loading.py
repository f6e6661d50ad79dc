"""Read a suite file with the files that it includes and the tables of its rows.

A suite may come from the internet. So included files and tables stay inside the root directory, their number and sizes
are bounded, and a text can refer to environment variables but not to credentials.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import yaml

from pytest_sipfront.suites import SUFFIXES, is_suite
from pytest_sipfront.suites.suite_file import MAX_TESTS, MOST_TESTS, CallTest, Defaults, RunTest, SuiteDocument
from pytest_sipfront.suites.variants import Variant, combine, count, duplicates
from pytest_sipfront.tables import TableError, TableRow, read_table
from pytest_sipfront.yaml_models import MAX_BYTES, MAX_REPORTED, KeyPath, YamlDocument, YamlFileError

MAX_INCLUDED = 100
_VARIABLE = re.compile(r"\$\$\{|\$\{([^{}]*)\}")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIAL = re.compile(
    r"(^|_)(API)?(KEYS?|SECRETS?|TOKENS?|PASS|PASSWORD|PASSWD|PWD|CREDENTIALS?|AUTH)(_|$)", re.IGNORECASE
)
_TEXT_TAG = "tag:yaml.org,2002:str"
_RESOLVER = yaml.resolver.Resolver()


class SuiteSource(YamlDocument):
    """A YAML document whose values may refer to environment variables as `${NAME}`; `$${` stands for `${`."""

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> str:
        if "${" in node.value:
            value = _VARIABLE.sub(lambda match: self._variable(match, node, path), node.value)
            tag: str = node.tag
            if tag == _TEXT_TAG:
                tag = _RESOLVER.resolve(yaml.ScalarNode, value, (not node.style, True))  # type: ignore[no-untyped-call]
            node = yaml.ScalarNode(tag, value, node.start_mark, node.end_mark)
        return super()._scalar(node, path)

    def _variable(self, match: re.Match[str], node: yaml.ScalarNode, path: KeyPath) -> str:
        if match[1] is None:
            return "${"
        name, value = match[1], os.environ.get(match[1], "") if match[1] else ""
        if not _VARIABLE_NAME.fullmatch(name):
            problem = f"{match[0]!r} must contain the name of an environment variable; write $${{ for a literal ${{"
        elif _CREDENTIAL.search(name):
            problem = f"{match[0]!r} has the name of a secret, and a suite must not contain any"
        elif not value.strip():
            problem = f"the environment variable {name!r} is {'empty' if name in os.environ else 'not set'}"
        else:
            return value
        self._report_line(node.start_mark.line + 1, path, problem)
        return match[0]


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A test of a suite file, with its variants.

    Attributes:
        keys: The keys of the test.
        path: The file that contains it.
        line: The line in that file.
        variants: Its variants; None for a single test.
    """

    keys: RunTest | CallTest
    path: Path
    line: int
    variants: Sequence[Variant] | None
    _source: SuiteSource
    _at: KeyPath

    def report(self, path: KeyPath, text: str) -> None:
        """Report a mistake in the value at `path`, a key path within the test."""
        self._source.report((*self._at, *path), text)

    def step_line(self, index: int) -> int:
        """Return the line of a step of a call."""
        return self._source.line((*self._at, "steps", index))


@dataclass(frozen=True, slots=True)
class Suite:
    """The contents of a suite file and of the files that it includes.

    Attributes:
        defaults: The defaults, included ones first.
        entries: The tests.
    """

    defaults: Sequence[Defaults]
    entries: Sequence[Entry]
    _sources: Sequence[SuiteSource]

    def raise_mistakes(self) -> None:
        """Return if no mistake was reported.

        Raises:
            YamlFileError: The mistakes of all files.
        """
        _raise_mistakes(self._sources)


def load_path(path: Path, root: Path) -> Suite:
    """Return the suite file at `path`, with its mistakes reported.

    Args:
        path: The file.
        root: The directory that contains all files that it may refer to.

    Raises:
        YamlFileError: The file cannot be read.
    """
    return _Loading(path, root).suite()


@dataclass(slots=True)
class _Loading:
    path: Path
    root: Path
    defaults: list[Defaults] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    sources: list[SuiteSource] = field(default_factory=list)
    seen: set[Path] = field(default_factory=set)
    tables: dict[Path, Sequence[TableRow]] = field(default_factory=dict)
    max_tests: int = MAX_TESTS
    total: int = 0

    def suite(self) -> Suite:
        source = SuiteSource.read(self.path, self._name(self.path))
        document = source.validate(SuiteDocument)
        if document is not None:
            self.max_tests = document.max_tests
        self._add_file(self.path, source, document)
        self._check_names()
        if document is not None and not (document.include or document.tests or document.calls):
            source.report((), "the file has no tests; missing required key 'tests' or 'calls'")
        return Suite(self.defaults, self.entries, self.sources)

    def _add_file(self, path: Path, source: SuiteSource, document: SuiteDocument | None) -> None:
        """Add the contents of a file: first those of the files that it includes."""
        self.sources.append(source)
        self.seen.add(path.resolve())
        if document is None:
            return
        for index, name in enumerate(document.include):
            is_list = any(True for _ in source.find("include", "*"))
            at: KeyPath = ("include", index) if is_list else ("include",)
            self._include(path, name, partial(source.report, at))
        if document.defaults is not None:
            self.defaults.append(document.defaults)
        for index, test in enumerate(document.tests):
            self._add(path, source, ("tests", index), test)
        for index, call in enumerate(document.calls):
            self._add(path, source, ("calls", index), call)

    def _include(self, path: Path, name: str, report: Callable[[str], None]) -> None:
        target = self._inside(path, name, report)
        if target is None or target.resolve() in self.seen:
            return
        if is_suite(target.name):
            report(f"{name!r} would be run twice; the name of an included file must not end with {SUFFIXES[0]}")
        elif len(self.seen) > MAX_INCLUDED:
            report(f"more than {MAX_INCLUDED} included files")
        else:
            try:
                source = SuiteSource.read(target, self._name(target))
            except YamlFileError as error:
                report(str(error))
            else:
                self._add_file(target, source, source.validate(SuiteDocument))

    def _inside(self, path: Path, name: str, report: Callable[[str], None]) -> Path | None:
        """Return the file `name` beside `path`, or None after a report that it is missing or outside of the root."""
        try:
            target = path.parent / name
            resolved = target.resolve()
            is_file = resolved.is_file()
        except (OSError, ValueError, RuntimeError):  # too long, a null character, or a loop of symbolic links
            report(f"no file {name!r}")
            return None
        if not resolved.is_relative_to(self.root.resolve()):
            report(f"{name!r} is outside of the root directory")
        elif not is_file:
            report(f"no file {name!r}")
        else:
            return target
        return None

    def _name(self, path: Path) -> str:
        """Return a path as messages show it: relative to the root."""
        relative = os.path.relpath(path, self.root)
        return str(path) if relative.startswith("..") else relative

    # ---- tests

    def _add(self, path: Path, source: SuiteSource, at: KeyPath, keys: RunTest | CallTest) -> None:
        """Add a test with its variants."""
        if self.total > self.max_tests:
            return  # the file is refused
        rows, matrix = self._rows(path, source, at, keys.rows), keys.matrix
        if rows is None and keys.rows is not None:
            return
        self.total += count(rows, matrix)
        if self.total > self.max_tests:
            source.report(at, f"the file has more than {self.max_tests} tests; set max_tests (at most {MOST_TESTS})")
            return
        variants = None
        if rows is not None or matrix:
            variants = list(combine(rows, matrix))
            self._check_variants(source, at, keys, variants)
        self.entries.append(Entry(keys, path, source.line((*at, "name")), variants, source, at))

    def _rows(
        self, path: Path, source: SuiteSource, at: KeyPath, rows: str | Sequence[Mapping[str, str]] | None
    ) -> Sequence[Mapping[str, str]] | None:
        """Return the rows of a test, also if they are in a file; None after a report."""
        at = (*at, "rows")
        if not isinstance(rows, str):
            if rows is not None and not rows:
                source.report(at, "must have at least one row")
            return rows
        target = self._inside(path, rows, lambda text: source.report(at, text))
        if target is None:
            return None
        if target.stat().st_size > MAX_BYTES:
            source.report(at, f"{rows!r} is larger than {MAX_BYTES // 1_000_000} MB")
            return None
        try:
            if target not in self.tables:
                self.tables[target] = read_table(target, self._name(target)).rows
            return self.tables[target]
        except TableError as error:
            for problem in str(error).splitlines()[:MAX_REPORTED]:
                source.report(at, problem)
            return None

    def _check_variants(
        self, source: SuiteSource, at: KeyPath, keys: RunTest | CallTest, variants: Sequence[Variant]
    ) -> None:
        for name, values in keys.matrix.items():
            if not values:
                source.report((*at, "matrix", name), "must have at least one value")
            if variants and variants[0].names.count(name) > 1:
                source.report((*at, "matrix", name), f"duplicate name {name!r}: it is also a column of rows")
        if any(not variant.id for variant in variants):
            source.report(at, "a row has an empty id; fill its column 'id' or 'name'")
        for earlier, variant in islice(duplicates(variants), MAX_REPORTED):
            lines = f" in lines {earlier.line} and {variant.line} of {keys.rows}" if variant.line else ""
            source.report(at, f"duplicate id {variant.id!r}{lines}; add a column 'id' with unique values")

    def _check_names(self) -> None:
        first: dict[str, Entry] = {}
        for entry in self.entries:
            earlier = first.setdefault(entry.keys.name, entry)
            if earlier is not entry:
                place = f"{self._name(earlier.path)}:{earlier.line}"
                entry.report(("name",), f"duplicate name {entry.keys.name!r}; first used at {place}")


def _raise_mistakes(sources: Iterable[SuiteSource]) -> None:
    texts = []
    for source in sources:
        try:
            source.raise_mistakes()
        except YamlFileError as error:
            texts.append(str(error))
    if texts:
        raise YamlFileError("\n".join(texts))
