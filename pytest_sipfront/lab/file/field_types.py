"""The kinds of values that a lab file is made of, from text to lists of anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import yaml

from pytest_sipfront.lab.file.schema import Kind, LabFileError, Located, Source, nearest, shown

T = TypeVar("T")


class Text(Kind[str]):
    """Text. With `verbatim`, any scalar as it is written: `0043` stays "0043" and `yes` stays "yes"."""

    def __init__(self, *, verbatim: bool = False) -> None:
        self.allowed = "text"
        self._verbatim = verbatim

    def read(self, source: Source, node: yaml.Node) -> str:
        if isinstance(node, yaml.ScalarNode) and (self._verbatim or node.tag == "tag:yaml.org,2002:str"):
            return str(node.value)
        raise self.refuse(source, node)


class Flag(Kind[bool]):
    """True or false."""

    allowed = "true or false"

    def read(self, source: Source, node: yaml.Node) -> bool:
        value = source.plain(node)
        if not isinstance(value, bool):
            raise self.refuse(source, node)
        return value


class Number(Kind[float]):
    """A finite number within bounds, both included."""

    def __init__(self, low: float | None = None, high: float | None = None) -> None:
        self._low, self._high = low, high
        self.allowed = _bounded("a number", low, high)

    def read(self, source: Source, node: yaml.Node) -> float:
        value = source.plain(node)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
            raise self.refuse(source, node)
        if (self._low is not None and value < self._low) or (self._high is not None and value > self._high):
            raise self.refuse(source, node)
        return float(value)


class Whole(Kind[int]):
    """A whole number within bounds, both included."""

    def __init__(self, low: int | None = None, high: int | None = None) -> None:
        self._number = Number(low, high)
        self.allowed = _bounded("a whole number", low, high)

    def read(self, source: Source, node: yaml.Node) -> int:
        value = source.plain(node)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse(source, node)
        try:
            return int(self._number.read(source, node))
        except LabFileError:
            raise self.refuse(source, node) from None


def _bounded(noun: str, low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return noun
    if high is None:
        return f"{noun} of at least {low}"
    return f"{noun} of at most {high}" if low is None else f"{noun} from {low} to {high}"


class Choice(Kind[str]):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self._words = words
        self.allowed = "one of " + ", ".join(words)

    def read(self, source: Source, node: yaml.Node) -> str:
        # verbatim, since YAML takes words such as "on" and "none" for something else
        if isinstance(node, yaml.ScalarNode) and node.value in self._words:
            return str(node.value)
        hint = nearest(node.value, self._words) if isinstance(node, yaml.ScalarNode) else ""
        raise source.place(node).error(f"given is {shown(source, node)}, allowed is {self.allowed}.{hint}")


class Json(Kind[Any]):
    """Anything that JSON can say."""

    allowed = "anything that JSON can say"

    def read(self, source: Source, node: yaml.Node) -> Any:
        value = source.plain(node)
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            raise self.refuse(source, node) from None
        return value


class ListOf(Kind[tuple[T, ...]]):
    """A list, every entry of one kind."""

    def __init__(self, kind: Kind[T]) -> None:
        self._kind = kind
        self.allowed = f"a list, each entry {kind.allowed}"

    def read(self, source: Source, node: yaml.Node) -> tuple[T, ...]:
        if not isinstance(node, yaml.SequenceNode):
            raise self.refuse(source, node)
        return tuple(self._kind.read(source, entry) for entry in node.value)


class MapOf(Kind[dict[str, T]]):
    """A mapping with free keys, every value of one kind. Keys are taken as they are written."""

    def __init__(self, kind: Kind[T]) -> None:
        self._kind = kind
        self.allowed = f"a mapping, each value {kind.allowed}"

    def read(self, source: Source, node: yaml.Node) -> dict[str, T]:
        if not isinstance(node, yaml.MappingNode):
            raise self.refuse(source, node)
        return {name: self._kind.read(source, value) for _, name, value in source.entries(node)}


class Convert(Kind[T]):
    """Another kind's value, passed through `change`; its `ValueError` becomes an error at the value's place."""

    def __init__(self, kind: Kind[Any], change: Callable[[Any], T]) -> None:
        self._kind, self._change = kind, change
        self.allowed = kind.allowed

    def read(self, source: Source, node: yaml.Node) -> T:
        value = self._kind.read(source, node)
        try:
            return self._change(value)
        except LabFileError:
            raise
        except ValueError as error:
            raise source.place(node).error(str(error)) from None


class Either(Kind[Any]):
    """A list read as `many`, anything else read as `one`."""

    def __init__(self, one: Kind[Any], many: Kind[Any]) -> None:
        self._one, self._many = one, many
        self.allowed = f"{one.allowed}, or {many.allowed}"

    def read(self, source: Source, node: yaml.Node) -> Any:
        if isinstance(node, yaml.SequenceNode):
            return self._many.read(source, node)
        try:
            return self._one.read(source, node)
        except LabFileError:
            if isinstance(node, yaml.ScalarNode):
                raise self.refuse(source, node) from None
            raise


class Marked(Kind[Located[T]]):
    """Another kind's value together with its place."""

    def __init__(self, kind: Kind[T]) -> None:
        self._kind = kind
        self.allowed = kind.allowed

    def read(self, source: Source, node: yaml.Node) -> Located[T]:
        return Located(self._kind.read(source, node), source.place(node))
