"""Read a YAML file into a typed model and report all of its mistakes with file, line and key path.

A key is declared once, as a field of a `YamlModel`: type, bounds, default and description. From this declaration come
the checks, the error messages, a JSON Schema and a Markdown reference (see `yaml_schema`).

A field of type `str` keeps a scalar as it is written: an unquoted `0043`, `+43`, `yes` or `2024-02-30` stays text.
Other fields take its value: `true`, `yes` and `on` are true, `false`, `no` and `off` are false. A scalar that starts
with a plus sign or a leading zero is not a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, NamedTuple, Self, TypeAlias, TypeVar

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticKnownError

from pytest_sipfront.yaml_schema import FileSchema, Schema, complete_schema, unknown

MAX_BYTES = 10_000_000
MAX_DEPTH = 100
MAX_VALUES = 100_000
MAX_REPORTED = 100
_MAX_SHOWN = 60
_MAX_MESSAGE = 1000
_MAX_DIGITS = 20
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS = "tag:yaml.org,2002:"
_TEXT_TAGS = {_TAGS + name for name in ("str", "value", "merge")}
_PLAIN_TAGS = {_TAGS + name for name in ("null", "bool", "int", "float", "timestamp")}
_COLLECTION_TAGS = {_TAGS + name for name in ("map", "seq")}
_LIKE_A_PHONE_NUMBER = re.compile(r"\+|-?0[0-9_]")
_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

KeyPath: TypeAlias = tuple[str | int, ...]
Model = TypeVar("Model", bound="YamlModel")


# ---- declaring keys ----------------------------------------------------------------------------------------------


class PlainScalar(str):
    """The text of an unquoted scalar that YAML reads as null, boolean, number or date, with its `value`."""

    __slots__ = ("value",)
    value: Any

    @classmethod
    def of(cls, text: str, tag: str) -> PlainScalar:
        """Return `text` with the value that it has by the YAML tag `tag`."""
        scalar = cls(text)
        scalar.value = text
        if tag.endswith(":null"):
            scalar.value = None
        elif tag.endswith(":bool"):
            scalar.value = text.lower() in ("true", "yes", "on")
        elif not (_LIKE_A_PHONE_NUMBER.match(text) or (tag.endswith(":int") and len(text) > _MAX_DIGITS)):
            with suppress(ValueError):
                number = int(text, 0) if tag.endswith(":int") else float(text)
                scalar.value = number if math.isfinite(number) else text
        return scalar


def resolved(value: Any) -> Any:
    """Return the value of a scalar from a YAML file, also within lists and mappings; anything else unchanged."""
    if isinstance(value, PlainScalar):
        return value.value
    if isinstance(value, list):
        return [resolved(entry) for entry in value]
    if isinstance(value, dict):
        return {key: resolved(entry) for key, entry in value.items()}
    return value


def _only_text(value: Any) -> Any:
    if isinstance(value, PlainScalar):
        raise PydanticKnownError("string_type")
    return value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Resolved = BeforeValidator(resolved)
"""Annotates a field that receives the value of a scalar, for example a number; combine it with `Field(strict=True)`."""
Flag = Annotated[bool, Strict(), Resolved]
Json = Annotated[Any, Resolved]
Name = Annotated[str, BeforeValidator(_only_text), WithJsonSchema({"type": "string"})]
"""Text that YAML cannot take for anything else: numbers, dates and words such as `yes` must be quoted."""
Seconds = Annotated[float, Field(ge=0, strict=True), Resolved]
Count = Annotated[int, Field(ge=0, strict=True), Resolved]
PositiveCount = Annotated[int, Field(ge=1, strict=True), Resolved]
Texts = Annotated[tuple[str, ...], BeforeValidator(_as_list, json_schema_input_type=str | tuple[str, ...])]
"""A list of texts, or one text."""


class InvalidValueError(ValueError):
    """A validator's objection to the value at `at`, a key path that starts at the validated value."""

    def __init__(self, text: str, at: KeyPath = ()) -> None:
        super().__init__(text)
        self.at = at


class YamlModel(BaseModel):
    """Base of the models of a YAML file: frozen, every key declared.

    Attributes:
        free_keys: Name of a field and a pattern. The field collects every key that matches the pattern. Its
            validation alias must be its name in angle brackets.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, allow_inf_nan=False)
    free_keys: ClassVar[tuple[str, str] | None] = None

    @model_validator(mode="before")
    @classmethod
    def _collect_free_keys(cls, data: Any) -> Any:
        if cls.free_keys is None or not isinstance(data, dict):
            return data
        name, pattern = cls.free_keys
        free = {key: value for key, value in data.items() if re.search(pattern, key)}
        declared = {key: value for key, value in data.items() if key not in free}
        return {**declared, f"<{name}>": free} if free else declared

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> Schema:
        return complete_schema(handler.resolve_ref_schema(handler(core_schema)), cls.free_keys)


# ---- reading a file ----------------------------------------------------------------------------------------------


class YamlFileError(ValueError):
    """A file has mistakes. The text has one line for each: file, line, key path and what is allowed."""


class _Node(NamedTuple):
    """A value as plain Python, the line where it starts, and its children: the line of the key, and the node.

    `file` is the file of a value that another file contains.
    """

    value: Any
    line: int
    children: Mapping[str | int, tuple[int, _Node]] = MappingProxyType({})
    file: str = ""


class YamlDocument:
    """The values of one YAML file with their lines, and the mistakes reported so far.

    Args:
        text: The text of the file.
        name: The name of the file in messages.
    """

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self._mistakes: list[tuple[tuple[str, int], str]] = []
        self._values = 0
        self._root: _Node | None = None
        try:
            self._root = self._convert(_compose(text), ())
        except _UnreadableError as error:
            self._report_line(error.line, (), str(error))

    @classmethod
    def read(cls, path: Path, name: str = "") -> Self:
        """Return the document at `path`.

        Args:
            path: The file.
            name: The name of the file in messages (default: its path).

        Raises:
            YamlFileError: The file cannot be read, is too large or is not UTF-8.
        """
        name = name or str(path)
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise YamlFileError(f"{name}: cannot be read: {error.strerror}") from None
        if len(content) > MAX_BYTES:
            raise YamlFileError(f"{name}:1: {_TOO_LARGE}")
        try:
            return cls(content.decode("utf-8-sig"), name)
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise YamlFileError(f"{name}:{line}: the file must be UTF-8 text") from None

    def line(self, path: KeyPath) -> int:
        """Return the line of the value at `path`, or of its key if the value is no text."""
        return self._place(path)[1]

    def _place(self, path: KeyPath) -> tuple[str, int]:
        """Return file ("" for this document) and line of the value at `path`."""
        file, line, node = "", 1, self._root
        for part in path:
            if node is None or part not in node.children:
                break
            line, node = node.children[part]
            file = node.file or file
        return file, node.line if node is not None and isinstance(node.value, str) and node.value else line

    def add(self, section: str, key: str, entries: Mapping[str, Any], place: tuple[str, int]) -> None:
        """Add a mapping of plain texts from another file to a section, which may be missing.

        Args:
            section: A key at top level. If it is no mapping, the entry is dropped, and `validate` reports the section.
            key: The key of the new mapping.
            entries: The texts by key; a mapping of them makes a nested mapping.
            place: The other file and the line in it.
        """
        root = self._root
        if root is None or not isinstance(root.children, dict):
            return
        if section not in root.children:
            root.value[section] = {}
            root.children[section] = (place[1], _Node(root.value[section], place[1], {}))
        node = root.children[section][1]
        if key in node.children:
            self.report_elsewhere(place, f"duplicate key '{key}' in '{section}'")
        elif isinstance(node.children, dict) and isinstance(node.value, dict):
            child = _added(entries, place)
            node.value[key], node.children[key] = child.value, (place[1], child)

    def report(self, path: KeyPath, text: str) -> None:
        """Report the mistake `text` in the value at `path`; "must be ..." continues a sentence about the value."""
        file, line = self._place(path)
        self._report_line(line, path, text, file)

    def report_elsewhere(self, place: tuple[str, int], text: str) -> None:
        """Report a mistake in another file, at a line of it."""
        self._report_line(place[1], (), text, place[0])

    def _report_line(self, line: int, path: KeyPath, text: str, file: str = "") -> None:
        place = dotted(path)
        if text.startswith("must be "):
            text = f"{place or 'the file'} {text}"
        elif place:
            text = f"{place}: {text}"
        self._mistakes.append(((file, line), f"{file or self.name}:{line}: {_on_one_line(text)}"))

    def raise_mistakes(self) -> None:
        """Return if no mistake was reported.

        Raises:
            YamlFileError: The mistakes reported so far, in the order of their lines.
        """
        in_order = sorted(self._mistakes, key=lambda mistake: mistake[0])
        mistakes = list(dict.fromkeys(text for _, text in in_order))
        if len(mistakes) > MAX_REPORTED:
            mistakes[MAX_REPORTED:] = [f"{self.name}: {len(mistakes) - MAX_REPORTED} more mistakes"]
        if mistakes:
            raise YamlFileError("\n".join(mistakes))

    def find(self, *pattern: str) -> Iterator[tuple[KeyPath, Any]]:
        """Yield path and value of everything at `pattern`; "*" stands for any key or list index."""
        nodes: list[tuple[KeyPath, _Node]] = [((), self._root)] if self._root else []
        for part in pattern:
            nodes = [
                ((*path, key), child)
                for path, node in nodes
                for key, (_, child) in node.children.items()
                if part in ("*", key)
            ]
        yield from ((path, node.value) for path, node in nodes)

    def validate(self, model: type[Model], context: Any = None) -> Model | None:
        """Return the file as a model, or None after each of its mistakes was reported."""
        if self._root is None:
            return None
        try:
            return model.model_validate(self._root.value, context=context, by_alias=True, by_name=False)
        except ValidationError as error:
            schema = FileSchema.of(model)
            for detail in error.errors(include_url=False, include_input=False):
                self.report(*self._explain(detail, schema))
            return None

    def _explain(self, detail: Any, schema: FileSchema) -> tuple[KeyPath, str]:
        kind, context, loc = detail["type"], detail.get("ctx", {}), detail["loc"]
        if kind == "value_error":
            objection = context["error"]
            return self._locate((*loc, *getattr(objection, "at", ())), schema)[0], str(objection)
        path, value, expected = self._locate(loc, schema)
        if kind == "missing" and isinstance(loc[-1], str):
            return path, f"missing required key '{loc[-1]}'"
        if kind == "extra_forbidden":
            _, _, parent = self._locate(loc[:-1], schema)
            return path, unknown("key", str(loc[-1]), schema.keys(parent))
        if kind == "union_tag_not_found" and isinstance(value, dict):
            return path, f"missing required key {context['discriminator']}"
        if kind == "union_tag_invalid":
            key = context["discriminator"].strip("'")
            return (*path, key), unknown(key, context["tag"], schema.tags(expected))
        return path, f"must be {schema.describe(expected)}, got {_summary(value)}{schema.hint(expected, value)}"

    def _locate(self, loc: KeyPath, schema: FileSchema) -> tuple[KeyPath, Any, Schema]:
        """Return path, value and schema of an error. Parts of `loc` that are not in the file name a type."""
        path: KeyPath = ()
        node, expected = self._root, schema.root
        for part in loc:
            expected, is_key = schema.step(expected, part)
            if node is not None and is_key and part in node.children:
                path, node = (*path, part), node.children[part][1]
        return path, node.value if node else None, expected

    # ---- from YAML nodes to values with lines

    def _convert(self, node: yaml.Node, path: KeyPath) -> _Node:
        line = node.start_mark.line + 1
        self._check_size(path, line)
        if isinstance(node, yaml.ScalarNode):
            return _Node(self._scalar(node, path), line)
        if node.tag not in _COLLECTION_TAGS:
            self._report_line(line, path, _unsupported(node.tag))
        if isinstance(node, yaml.MappingNode):
            entries = self._entries(node, path)
            return _Node({key: child.value for key, (_, child) in entries.items()}, line, dict(entries.items()))
        nodes = [self._convert(entry, (*path, index)) for index, entry in enumerate(node.value)]
        return _Node([entry.value for entry in nodes], line, {i: (entry.line, entry) for i, entry in enumerate(nodes)})

    def _check_size(self, path: KeyPath, line: int) -> None:
        self._values += 1
        if len(path) > MAX_DEPTH:
            raise _UnreadableError(line, f"values are nested more than {MAX_DEPTH} levels deep")
        if self._values > MAX_VALUES:
            raise _UnreadableError(line, f"the file has more than {MAX_VALUES} values, aliases included")

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> str:
        if node.tag in _PLAIN_TAGS:
            return PlainScalar.of(node.value, node.tag)
        if node.tag not in _TEXT_TAGS:
            self._report_line(node.start_mark.line + 1, path, _unsupported(node.tag))
        return str(node.value)

    def _entries(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, tuple[int, _Node]]:
        """Return the entries of a mapping; those merged by `<<` come first, the mapping's own replace them."""
        own: dict[str, tuple[int, _Node]] = {}
        merged: dict[str, tuple[int, _Node]] = {}
        for key_node, value in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._report_line(line, path, "a key must be text, not a list or a mapping")
                continue
            key = str(self._scalar(key_node, path))
            if key_node.tag == _TAGS + "merge":
                merged |= self._merge(value, (*path, key))
            elif key in own:
                self._report_line(line, (*path, key), f"duplicate key '{key}'; first given on line {own[key][0]}")
            else:
                own[key] = (line, self._convert(value, (*path, key)))
        return {**merged, **own}

    def _merge(self, node: yaml.Node, path: KeyPath) -> dict[str, tuple[int, _Node]]:
        merged: dict[str, tuple[int, _Node]] = {}
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(source, yaml.MappingNode):
                self._report_line(node.start_mark.line + 1, path, "must be a mapping or a list of mappings")
                return {}
            self._check_size(path, node.start_mark.line + 1)
            merged = {**self._entries(source, path), **merged}
        return merged


def _added(value: Any, place: tuple[str, int]) -> _Node:
    file, line = place
    if isinstance(value, Mapping):
        nodes = {key: _added(child, place) for key, child in value.items()}
        values = {key: node.value for key, node in nodes.items()}
        return _Node(values, line, {key: (line, node) for key, node in nodes.items()}, file)
    tag = _LOADER("").resolve(yaml.ScalarNode, value, (True, False))
    return _Node(PlainScalar.of(value, tag) if tag in _PLAIN_TAGS else value, line, file=file)


_TOO_LARGE = f"the file is larger than {MAX_BYTES // 1_000_000} MB"


class _UnreadableError(Exception):
    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


def _compose(text: str) -> yaml.Node:
    """Return the top node of the text's only document."""
    if len(text) > MAX_BYTES:
        raise _UnreadableError(1, _TOO_LARGE)
    if character := _NOT_YAML.search(text):
        line = text.count("\n", 0, character.start()) + 1
        raise _UnreadableError(line, f"not valid YAML: the character {character[0]!a} is not allowed")
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = min(mark.line, text.count("\n")) + 1 if mark else 1  # the parser may be behind the last line
        raise _UnreadableError(line, f"not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError) as error:
        reason = "values are nested too deeply" if isinstance(error, RecursionError) else f"not valid YAML: {error}"
        raise _UnreadableError(1, reason) from None
    if node is None:
        raise _UnreadableError(1, "the file is empty")
    return node


def dotted(path: KeyPath) -> str:
    """Return a key path as text, for example "tests.A.steps[1][0].action"."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _on_one_line(text: str) -> str:
    text = text if len(text) <= _MAX_MESSAGE else f"{text[:_MAX_MESSAGE]}..."
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def _unsupported(tag: str) -> str:
    return f"unsupported tag '{tag.replace(_TAGS, '!!')}'"


def _summary(value: Any) -> str:
    if value is None or (isinstance(value, PlainScalar) and value.value is None):
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        text = f"[{', '.join(map(_summary, value[:_MAX_SHOWN]))}]"
        return text if len(text) <= _MAX_SHOWN else f"a list of {len(value)}"
    text = str(value) if isinstance(value, PlainScalar) else repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}... ({len(value)} characters)"
