"""Fill the reference pages of the documentation site from the code, when mkdocs builds it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pytest_sipfront.lab.file.lab_file import LabDocument
from pytest_sipfront.plugin import item_markers, options, sift_marker, sift_options
from pytest_sipfront.yaml_schema import FileSchema, Schema

ROOT = Path(__file__).parents[1]


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace each `<!-- generated: NAME -->` by the text of its generator."""
    return re.sub(r"<!-- generated: (\w+) -->", lambda match: GENERATORS[match[1]](), markdown)


def _option_table(declared: Iterable[options.Option]) -> str:
    rows = [f"| `{o.flag}={o.metavar}` | `{o.environment}`<br>`{o.ini}` | {o.help} |" for o in declared]
    return "\n".join(["| option | environment and ini | meaning |", "|---|---|---|", *rows])


def _flag_table() -> str:
    rows = [f"| `--sipfront-{name.replace('_', '-')}` | {text} |" for name, text in options.FLAGS.items()]
    return "\n".join(["| option | meaning |", "|---|---|", *rows])


def _argument_table() -> str:
    """Take the table from the README, which a test compares with the code."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    start = readme.index("| argument | meaning |")
    return readme[start : readme.index("\n\n", start)]


def _signature(declared: str) -> str:
    return f"```python\n@pytest.mark.{declared.partition(': ')[0]}\n```"


class _LabFileReference:
    """One table per mapping of a lab file, headed by the key path at which it occurs first."""

    def __init__(self) -> None:
        self._file = FileSchema.of(LabDocument)
        self._paths: dict[str, str] = {}
        self._sections: list[str] = []

    def text(self) -> str:
        table = self._table("", self._file.root)
        return "\n\n".join([table, *self._sections])

    def _table(self, path: str, schema: Schema) -> str:
        rows = ["| key | value | meaning |", "|---|---|---|"]
        keys = [(f"`{key}`", key, value) for key, value in schema.get("properties", {}).items()]
        keys += [(f"`{key.strip('^$')}`", key, value) for key, value in schema.get("patternProperties", {}).items()]
        for label, key, value in keys:
            at = f"{path}.{key}" if path else key
            value_text = self._file.describe(value).replace("|", "\\|")
            rows.append(f"| {label} | {value_text}{self._links(at, value)} | {_meaning(key, value, schema)} |")
        return "\n".join(rows)

    def _links(self, path: str, schema: Schema) -> str:
        links = [self._section(at, name) for at, name in _references(path, schema)]
        return "".join(f"<br>[`{at}`](#{_anchor(at)})" for at in dict.fromkeys(links))

    def _section(self, path: str, reference: str) -> str:
        """Write the section of a mapping unless it exists; return its heading."""
        name = reference.rpartition("/")[2]
        if name not in self._paths:
            self._paths[name] = path
            position = len(self._sections)
            schema = self._file.root["$defs"][name]
            text = f"## `{path}` {{ #{_anchor(path)} }}\n\n{schema['description']}\n\n{self._table(path, schema)}"
            self._sections.insert(position, text)
        return self._paths[name]


def _references(path: str, schema: Schema) -> Iterator[tuple[str, str]]:
    if "discriminator" in schema:
        tag = schema["discriminator"]["propertyName"]
        for value, reference in schema["discriminator"]["mapping"].items():
            yield f"{path} ({tag}: {value})", reference
    elif "$ref" in schema:
        yield path, schema["$ref"]
    else:
        for branch in schema.get("anyOf", ()):
            yield from _references(path, branch)
        if "items" in schema:
            yield from _references(f"{path}[]", schema["items"])
        if isinstance(schema.get("additionalProperties"), dict):
            yield from _references(f"{path}.<name>", schema["additionalProperties"])


def _meaning(key: str, schema: Schema, parent: Schema) -> str:
    text: str = schema.get("description", "").replace("|", "\\|")
    if key in parent.get("required", ()):
        return f"{text} (required)" if text else "required"
    default = schema.get("default")
    if default in (None, "", []) or isinstance(default, dict) or "(default" in text:
        return text
    shown = json.dumps(default).strip('"').removesuffix(".0")
    return f"{text} (default: {shown})"


def _anchor(path: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")


GENERATORS: dict[str, Callable[[], str]] = {
    "options": lambda: _option_table(options.OPTIONS),
    "flags": _flag_table,
    "sift_options": lambda: _option_table(sift_options.OPTIONS),
    "marker_arguments": _argument_table,
    "lab_file": lambda: _LabFileReference().text(),
    "sipfront_signature": lambda: _signature(item_markers.SIGNATURE),
    "sift_signature": lambda: _signature(sift_marker.SIGNATURE),
}
