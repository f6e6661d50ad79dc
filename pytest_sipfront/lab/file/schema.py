"""A checker from YAML to typed values, whose every complaint names file, line, what stands there and what may.

Kinds (see `kinds`) describe what is allowed and compose: `Section("a test", {"takes": Field(Number(0), 0.0)}, Spec)`.
They read YAML nodes rather than loaded values because only nodes know their line.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import yaml

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_REQUIRED: Final = object()


class LabFileError(ValueError):
    """A lab file cannot be used. The text starts with file and line and says what is allowed there."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: file name and line, counted from 1 (0: the file as a whole)."""

    file: str
    line: int

    def error(self, text: str) -> LabFileError:
        """Return the error that says `text` about this place."""
        return LabFileError(f"{self.file}:{self.line}: {text}" if self.line else f"{self.file}: {text}")


@dataclass(frozen=True, slots=True)
class Located(Generic[T]):
    """A value with its place, for checks that need more of the file than the value itself."""

    value: T
    place: Place


class Source:
    """One file's YAML while it is being read: resolves nodes to plain values and to places."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self._text = text

    def root(self) -> yaml.Node:
        """Return the document's top node.

        Raises:
            LabFileError: It is not one YAML document, or an empty one.
        """
        try:
            self._loader = yaml.SafeLoader(self._text)
            node = self._loader.get_single_node()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 0
            raise Place(self.file, line).error(f"not valid YAML: {error.problem or error.context}") from None
        except yaml.YAMLError as error:
            raise Place(self.file, 0).error(f"not valid YAML: {error}") from None
        except RecursionError:
            raise Place(self.file, 0).error("not a lab file: it is nested too deeply") from None
        if node is None:
            raise Place(self.file, 0).error("the file is empty; a lab file has at least a 'tests' section")
        return node

    def place(self, node: yaml.Node) -> Place:
        """Return where `node` starts."""
        return Place(self.file, node.start_mark.line + 1)

    def plain(self, node: yaml.Node) -> Any:
        """Return the node as YAML's own resolution has it: text, number, bool, None, list or dict."""
        try:
            return self._loader.construct_object(node, deep=True)
        except yaml.YAMLError as error:
            raise self.place(node).error(f"not valid YAML: {getattr(error, 'problem', error)}") from None

    def entries(self, node: yaml.MappingNode) -> Iterable[tuple[yaml.Node, str, yaml.Node]]:
        """Yield key node, key as it is written and value node. A key given twice is an error; `<<` merges."""
        seen: set[str] = set()
        for key, _ in node.value:
            if self._key(key) in seen:
                raise self.place(key).error(f"key '{key.value}' is given twice")
            seen.add(key.value)
        try:
            self._loader.flatten_mapping(node)
        except yaml.MarkedYAMLError as error:
            raise self.place(node).error(f"not valid YAML: {error.problem}") from None
        # merged entries come first, so that the mapping's own win; kept, since an anchor's node is read again
        merged = {self._key(key): (key, value) for key, value in node.value}
        node.value = list(merged.values())
        return [(key, name, value) for name, (key, value) in merged.items()]

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self.place(node).error("a key must be plain text")
        return str(node.value)


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the allowed word closest to `word`, or nothing."""
    close = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.5)
    return f" Did you mean '{close[0]}'?" if close else ""


def shown(source: Source, node: yaml.Node) -> str:
    """Return what stands at a node, in words for an error."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if node.tag == "tag:yaml.org,2002:null":
        return "nothing"
    value = source.plain(node)
    return f"the text '{value}'" if isinstance(value, str) else f"{node.value} ({type(value).__name__})"


class Kind(ABC, Generic[T_co]):
    """What may stand at one place of a file. `allowed` completes the sentence "allowed is ..."."""

    allowed: str

    @abstractmethod
    def read(self, source: Source, node: yaml.Node) -> T_co:
        """Return the typed value, or raise `LabFileError`."""

    def refuse(self, source: Source, node: yaml.Node) -> LabFileError:
        """Return the error for a node that this kind does not allow."""
        return source.place(node).error(f"given is {shown(source, node)}, allowed is {self.allowed}")


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a section: its kind and, unless it must be given, its default."""

    kind: Kind[Any]
    default: Any = _REQUIRED

    @property
    def required(self) -> bool:
        """Whether the key must be given."""
        return self.default is _REQUIRED


@dataclass(frozen=True, slots=True)
class Free:
    """Which further keys a section takes, of what kind, and the keyword under which `build` gets them."""

    keyword: str
    kind: Kind[Any]
    accepts: Callable[[str], bool]


class Section(Kind[T]):
    """A mapping with known keys, turned into a value by `build(**values)`.

    Every key of `fields` is passed, given or defaulted; a `ValueError` raised by `build` becomes an error at the
    section's place. A key of `unavailable` is known but refused, with its sentence for a reason. `free` lets further
    keys in.
    """

    def __init__(
        self,
        name: str,
        fields: Mapping[str, Field],
        build: Callable[..., T],
        *,
        unavailable: Mapping[str, str] | None = None,
        free: Free | None = None,
    ) -> None:
        self._name, self._fields, self._build = name, fields, build
        self._unavailable, self._free = unavailable or {}, free
        self.allowed = f"a mapping with keys of {name} ({', '.join(fields)})"

    def read(self, source: Source, node: yaml.Node) -> T:
        if not isinstance(node, yaml.MappingNode):
            raise self.refuse(source, node)
        given = self._given(source, node)
        missing = [key for key, field in self._fields.items() if field.required and key not in given]
        if missing:
            raise source.place(node).error(f"{self._name} lacks its key '{missing[0]}'")
        defaults = {key: field.default for key, field in self._fields.items()}
        try:
            return self._build(**{**defaults, **given})
        except LabFileError:
            raise
        except ValueError as error:
            raise source.place(node).error(str(error)) from None

    def _given(self, source: Source, node: yaml.MappingNode) -> dict[str, Any]:
        values: dict[str, Any] = {}
        free: dict[str, Any] = {}
        for key_node, key, value in source.entries(node):
            if key in self._fields:
                values[key] = self._fields[key].kind.read(source, value)
            elif self._free and self._free.accepts(key):
                free[key] = self._free.kind.read(source, value)
            else:
                raise source.place(key_node).error(self._unknown(key))
        return {**values, self._free.keyword: free} if self._free else values

    def _unknown(self, key: str) -> str:
        if key in self._unavailable:
            return self._unavailable[key]
        allowed = ", ".join(self._fields)
        return f"unknown key '{key}' in {self._name}.{nearest(key, self._fields)} Allowed: {allowed}"
