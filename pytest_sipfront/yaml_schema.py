"""Describe the files that a YAML model reads: JSON Schema, phrases for error messages, Markdown reference."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic.json_schema import GenerateJsonSchema

from pytest_sipfront.suggestions import did_you_mean

if TYPE_CHECKING:
    from pydantic import BaseModel

Schema: TypeAlias = dict[str, Any]
_NOUNS = {"boolean": "true or false", "object": "a mapping", "integer": "an integer", "number": "a number"}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Generator(GenerateJsonSchema):
    """Text may be any scalar, since it is read as it is written. `null` never stands for a missing key."""

    def str_schema(self, schema: Any) -> Schema:
        return {**super().str_schema(schema), "type": ["string", "number", "boolean", "null"]}

    def nullable_schema(self, schema: Any) -> Schema:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> Schema:
        inner = self.generate_inner(schema["schema"])
        return inner if schema.get("default", ...) in (None, "", ()) else super().default_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the signature is pydantic's
        return False


def complete_schema(schema: Schema, free_keys: tuple[str, str] | None) -> Schema:
    """Complete the schema that pydantic makes of a model: its free keys, and the key that a union is told apart by."""
    schema.pop("title", None)
    properties = schema.get("properties", {})
    if free_keys is not None:
        name, pattern = free_keys
        free = properties.pop(f"<{name}>")
        values = {"title": name, **free["additionalProperties"], "description": free["description"]}
        schema["patternProperties"] = {pattern: values}
    for key, value in properties.items():
        if "const" in value and value.pop("default", None) is not None:
            schema["required"] = [key, *schema.get("required", [])]
    return schema


@dataclass(frozen=True, slots=True)
class FileSchema:
    """The JSON Schema of the files that a model reads, and what it says about single values."""

    root: Schema

    @classmethod
    def of(cls, model: type[BaseModel]) -> FileSchema:
        """Return the schema of a model."""
        return cls({"$schema": _DIALECT, **model.model_json_schema(schema_generator=_Generator)})

    def as_json(self) -> str:
        """Return the schema as the text of a file."""
        return json.dumps(self.root, indent=2) + "\n"

    def step(self, schema: Schema, part: str | int) -> tuple[Schema, bool]:
        """Follow one part of the location of a pydantic error: the schema there, and whether the part can be a key."""
        schema = self.target(schema)
        if "discriminator" in schema:
            return {"$ref": schema["discriminator"]["mapping"][part]}, False
        return self._child(schema, part) or schema, True

    def target(self, schema: Schema) -> Schema:
        """Return what a reference refers to; anything else unchanged."""
        while "$ref" in schema:
            schema = self.root["$defs"][_name(schema)]
        return schema

    def _child(self, schema: Schema, part: str | int) -> Schema | None:
        schema = self.target(schema)
        candidates = [self._child(branch, part) for branch in schema.get("anyOf", ())]
        if isinstance(part, int):
            candidates += [*schema.get("prefixItems", [])[part : part + 1], schema.get("items")]
        else:
            patterns = schema.get("patternProperties", {}).items()
            candidates += [schema.get("properties", {}).get(part)]
            candidates += [value for pattern, value in patterns if re.search(pattern, part)]
            candidates += [schema.get("additionalProperties")]
        return next((candidate for candidate in candidates if candidate), None)

    def keys(self, schema: Schema) -> list[str]:
        """Return the declared keys of a mapping."""
        schema = self.target(schema)
        return [*schema.get("properties", {}), *(key for each in schema.get("anyOf", ()) for key in self.keys(each))]

    def tags(self, schema: Schema) -> list[str]:
        """Return the values that tell the members of a union apart."""
        return list(self.target(schema)["discriminator"]["mapping"])

    def describe(self, schema: Schema) -> str:
        """Return what a value must be, for example "an integer >= 1" or "text or a list of text"."""
        schema = self.target(schema)
        choices = _choices(schema)
        if choices:
            return f"one of {', '.join(choices)}" if len(choices) > 1 else repr(choices[0])
        if "anyOf" in schema and "type" not in schema:
            return " or ".join(dict.fromkeys(self.describe(branch) for branch in schema["anyOf"]))
        kind = "object" if "oneOf" in schema else schema.get("type", "any value")
        if kind == "array":
            return self._describe_list(schema)
        noun = "text" if "string" in kind else kind
        return _NOUNS.get(str(kind), noun) + _bounds(schema)

    def describe_key(self, key: str) -> str:
        """Return what the value of a key at top level must be."""
        return self.describe(self.root["properties"][key])

    def _describe_list(self, schema: Schema) -> str:
        item: Schema = schema.get("items") or next(iter(schema.get("prefixItems", ())), {})
        noun = re.sub("^an? (number|integer|mapping|list)", r"\1s", self.describe(item))
        return f"a list of {schema['maxItems']} {noun}" if "maxItems" in schema else f"a list of {noun}"

    def hint(self, schema: Schema, value: Any) -> str:
        """Return how to correct a value, or ""."""
        schema = self.target(schema)
        if not isinstance(value, str) or not value:
            return ""
        if choices := _choices(schema):
            return did_you_mean(value, choices)
        return "; write it in quotes" if schema.get("type") == "string" else ""


def _choices(schema: Schema) -> list[str]:
    return [str(choice) for choice in schema.get("enum", [schema["const"]] if "const" in schema else [])]


def _bounds(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    return f" >= {low}" if low is not None else f" <= {high}" if high is not None else ""


def unknown(what: str, name: str, valid: Iterable[str]) -> str:
    """Return "unknown key 'verdct'; did you mean 'verdict'?". If no name is close, the text lists the valid ones."""
    names = list(valid)
    return f"unknown {what} '{name}'" + (did_you_mean(name, names) or f"; valid: {', '.join(names) or 'none'}")


# ---- reference ---------------------------------------------------------------------------------------------------


def markdown_reference(model: type[BaseModel], level: int = 2) -> str:
    """Return a Markdown reference of the files that a model reads: a table for each kind of mapping.

    Args:
        model: The model of the file.
        level: The level of the headings.
    """
    schema = FileSchema.of(model)
    return "\n".join(_section(schema, *mapping, level) for mapping in _mappings(schema, schema.root, "", set()))


def _mappings(schema: FileSchema, value: Schema, path: str, done: set[str]) -> Iterator[tuple[str, str, Schema]]:
    """Yield key path, name and schema of each kind of mapping in `value`, each kind once."""
    name, target = _name(value), schema.target(value)
    if "properties" not in target:
        children = [(path, branch) for branch in _branches(target)]
        children += [(f"{path}[]", item) for item in [target.get("items")] if item]
        children += [(f"{path}.<name>", entry) for entry in [target.get("additionalProperties")] if entry]
    elif name in done:
        return
    else:
        done.add(name)
        yield path.removeprefix("."), name, target
        children = [(f"{path}.{key}", child) for key, child in target["properties"].items()]
    for child_path, child in children:
        if isinstance(child, dict):
            yield from _mappings(schema, child, child_path, done)


def _section(schema: FileSchema, path: str, name: str, mapping: Schema, level: int) -> str:
    tag = _tag(mapping)
    title = f"`{path}`" + (f" with `{tag[0]}: {tag[1]}`" if tag else "") if path else "Top level"
    rows = [(f"`{key}`", value, key in mapping.get("required", ())) for key, value in mapping["properties"].items()]
    rows += [(f"*{value['title']}*", value, False) for value in mapping.get("patternProperties", {}).values()]
    return "\n".join(
        [
            f"{'#' * level} {title}{f' {{ #{name} }}' if name else ''}",
            f"\n{' '.join(mapping.get('description', '').split())}\n",
            "| key | value | default | meaning |",
            "|---|---|---|---|",
            *(_row(schema, key, value, required=required) for key, value, required in rows),
            "",
        ]
    )


def _row(schema: FileSchema, key: str, value: Schema, *, required: bool) -> str:
    links = [f"[{_label(schema.target(each))}](#{_name(each)})" for each in _references(schema, value)]
    kind = schema.describe(value) + (f": {', '.join(links)}" if links else "")
    default = json.dumps(value["default"]).removesuffix(".0").strip('"') if "default" in value else ""
    meaning = value.get("description", "")
    cells = [key, kind, "required" if required else f"`{default}`" if default else "", meaning]
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _references(schema: FileSchema, value: Schema) -> list[Schema]:
    if "$ref" in value:
        return [value]
    inner = [*_branches(value), value.get("items"), value.get("additionalProperties")]
    return [reference for each in inner if isinstance(each, dict) for reference in _references(schema, each)]


def _branches(schema: Schema) -> list[Schema]:
    return [*schema.get("anyOf", ()), *schema.get("oneOf", ())]


def _name(schema: Schema) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _label(mapping: Schema) -> str:
    tag = _tag(mapping)
    return tag[1] if tag else "keys"


def _tag(mapping: Schema) -> tuple[str, str] | None:
    """Return key and value that tell a member of a union from the others."""
    required = mapping.get("required", ())
    tags = ((key, str(value["const"])) for key, value in mapping["properties"].items() if "const" in value)
    return next((tag for tag in tags if tag[0] in required), None)
