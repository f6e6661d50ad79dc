"""YAML files as typed models: values, and every mistake with file, line and key path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from pytest_sipfront import yaml_models
from pytest_sipfront.yaml_models import (
    Flag,
    InvalidValueError,
    Json,
    Name,
    Resolved,
    YamlDocument,
    YamlFileError,
    YamlModel,
    dotted,
)
from pytest_sipfront.yaml_schema import FileSchema, markdown_reference

Count = Annotated[int, Field(ge=0, strict=True), Resolved]


class Square(YamlModel):
    """A square."""

    shape: Literal["square"] = "square"
    side: Annotated[float, Field(gt=0, strict=True), Resolved] = Field(description="length in metres")


class Circle(YamlModel):
    """A circle."""

    shape: Literal["circle"] = "circle"
    radius: Count = Field(description="length in metres")


class Room(YamlModel):
    """A room with doors, which are keys with a leading dot."""

    free_keys = ("doors", r"^\.")

    doors: Mapping[str, Count] = Field(default_factory=dict, validation_alias="<doors>", description="width of a door")
    label: str = Field(default="", description="any text")
    owner: Name | None = Field(default=None, description="a name")
    is_open: Flag = Field(default=True, validation_alias="open", description="whether it is open")
    size: Count | Literal["small"] = Field(default=1, description="a number or a word")
    extra: Json = Field(default=None, description="any value")
    shapes: tuple[Annotated[Square | Circle, Field(discriminator="shape")], ...] = Field(
        default=(), description="shapes"
    )
    rooms: Mapping[str, Room] = Field(default_factory=dict, description="inner rooms")

    @model_validator(mode="after")
    def _check(self) -> Room:
        if self.label == self.owner == "same":
            raise ValueError("label and owner must differ")
        if self.label == "wrong":
            raise InvalidValueError("must be right", ("label",))
        return self


class House(YamlModel):
    """A house."""

    rooms: Mapping[str, Room] = Field(description="rooms by name")


def room(text: str) -> Room:
    document = YamlDocument(f"rooms: {{a: {text}}}", "house.yaml")
    house = document.validate(House)
    document.raise_mistakes()
    assert house is not None
    return house.rooms["a"]


def mistakes(text: str) -> list[str]:
    document = YamlDocument(text, "house.yaml")
    assert document.validate(House) is None
    with pytest.raises(YamlFileError) as caught:
        document.raise_mistakes()
    return str(caught.value).splitlines()


def mistake(text: str) -> str:
    """Return the only mistake of a room, without file and line."""
    (line,) = mistakes(f"rooms: {{a: {text}}}")
    return line.removeprefix("house.yaml:1: ")


def test_keys_that_match_a_pattern_are_collected() -> None:
    """The model takes them by name in Python, and as keys in a file."""
    assert room("{.north: 2, label: x}") == Room(doors={".north": 2}, label="x")


def test_aliases_are_the_keys_of_the_file() -> None:
    """The name of the field is not a key."""
    assert room("{open: off}") == Room(is_open=False)
    assert mistake("{is_open: off}").startswith("rooms.a.is_open: unknown key 'is_open'; did you mean 'open'?")
    assert mistake("{doors: {.x: 1}}").startswith("rooms.a.doors: unknown key 'doors'")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{label: [1]}", "rooms.a.label must be text, got [1]"),
        ("{owner: on}", "rooms.a.owner must be text, got on; write it in quotes"),
        ("{owner: 2024-02-30}", "rooms.a.owner must be text, got 2024-02-30; write it in quotes"),
        ("{open: maybe}", "rooms.a.open must be true or false, got 'maybe'"),
        ("{open: 1}", "rooms.a.open must be true or false, got 1"),
        ("{size: smal}", "rooms.a.size must be an integer >= 0 or 'small', got 'smal'"),
        ("{size: -1}", "rooms.a.size must be an integer >= 0 or 'small', got -1"),
        ("{.north: wide}", "rooms.a..north must be an integer >= 0, got 'wide'"),
        ("{shapes: circle}", "rooms.a.shapes must be a list of mappings, got 'circle'"),
        ("{shapes: [{shape: circl}]}", "rooms.a.shapes[0].shape: unknown shape 'circl'; did you mean 'circle'?"),
        ("{shapes: [{radius: 1}]}", "rooms.a.shapes[0]: missing required key 'shape'"),
        ("{shapes: [{shape: circle}]}", "rooms.a.shapes[0]: missing required key 'radius'"),
        ("{shapes: [{shape: circle, radius: x}]}", "rooms.a.shapes[0].radius must be an integer >= 0, got 'x'"),
        (
            "{shapes: [{shape: circle, radius: 1, circle: 1}]}",
            "rooms.a.shapes[0].circle: unknown key 'circle'; valid: shape, radius",
        ),
        ("{label: same, owner: same}", "rooms.a: label and owner must differ"),
        ("{label: wrong}", "rooms.a.label must be right"),
        ("{rooms: {b: {rooms: {c: {open: x}}}}}", "rooms.a.rooms.b.rooms.c.open must be true or false, got 'x'"),
        ('{"la\\nbel": 1}', "rooms.a.la\\nbel: unknown key 'la\\nbel'; did you mean 'label'?"),
        ('{owner: "x", label: {}}', "rooms.a.label must be text, got a mapping"),
    ],
)
def test_a_mistake_names_the_key_what_is_allowed_and_the_value(text: str, expected: str) -> None:
    """Types, unions, tagged unions, validators of a model, and keys with control characters."""
    assert mistake(text) == expected


def test_a_missing_key_at_top_level_and_a_wrong_top_level() -> None:
    """The file as a whole has no key path."""
    assert mistakes("{}") == ["house.yaml:1: missing required key 'rooms'"]
    assert mistakes("- a") == ["house.yaml:1: the file must be a mapping, got ['a']"]


def test_collections_are_reported_at_their_key_and_scalars_at_their_value() -> None:
    """The line is the one that an editor should show."""
    lines = mistakes(
        "rooms:\n  a:\n    owner:\n      5\n    label:\n      - x\n    open:\n  b: &b\n    size: x\n  c: *b"
    )
    assert [line.split(" ")[0] + " " + line.split(" ")[1] for line in lines] == [
        "house.yaml:4: rooms.a.owner",
        "house.yaml:5: rooms.a.label",
        "house.yaml:7: rooms.a.open",
        "house.yaml:9: rooms.b.size",
        "house.yaml:9: rooms.c.size",
    ]


def test_values_can_be_found_by_pattern_in_files_with_mistakes() -> None:
    """Checks across keys need no valid model."""
    document = YamlDocument("rooms: {a: {label: x}, b: {label: [y, z]}, c: 5}", "house.yaml")
    assert list(document.find("rooms", "*", "label")) == [
        (("rooms", "a", "label"), "x"),
        (("rooms", "b", "label"), ["y", "z"]),
    ]
    assert [dotted(path) for path, _ in document.find("rooms", "*", "label", "*")] == [
        "rooms.b.label[0]",
        "rooms.b.label[1]",
    ]
    assert list(YamlDocument("{", "house.yaml").find("rooms")) == []


def test_reported_mistakes_are_sorted_by_line_without_duplicates() -> None:
    """A caller adds mistakes of its own."""
    document = YamlDocument("rooms:\n  a: {}\n  b: {}", "house.yaml")
    for path in (("rooms", "b"), ("rooms", "a"), ("rooms", "b"), ("nowhere",)):
        document.report(path, "too dark")
    with pytest.raises(YamlFileError) as caught:
        document.raise_mistakes()
    assert str(caught.value).splitlines() == [
        "house.yaml:1: nowhere: too dark",
        "house.yaml:2: rooms.a: too dark",
        "house.yaml:3: rooms.b: too dark",
    ]


BROKEN = [
    "a: {",
    "a:\n\tb: 1",
    "a: 1\n---\nb: 2",
    "a: *b",
    "a: &a [*a]",
    "[" * 3000,
    "",
    "\0",
    "a: 'x",
    "%YAML 9",
    "@",
    "a: !<",
    "? [",
    "&a",
]


@pytest.mark.parametrize("loader", [yaml.SafeLoader, getattr(yaml, "CSafeLoader", None)])
@pytest.mark.parametrize("text", BROKEN)
def test_no_text_ends_in_a_traceback(monkeypatch: pytest.MonkeyPatch, loader: Any, text: str) -> None:
    """With libyaml and without it, the file and a line are named."""
    monkeypatch.setattr(yaml_models, "_LOADER", loader or yaml.SafeLoader)
    (line,) = mistakes(text)
    assert line.startswith("house.yaml:")
    assert line.split(":")[1].isdigit()


@given(st.text() | st.text(alphabet="&*!<>:-[]{}?|%@a1\"'\n \t", max_size=40))
def test_any_text_is_a_document_or_refused(text: str) -> None:
    """Every line of the error names the file."""
    document = YamlDocument(text, "house.yaml")
    if document.validate(House) is None:
        with pytest.raises(YamlFileError) as caught:
            document.raise_mistakes()
        assert all(line.startswith("house.yaml:") for line in str(caught.value).splitlines())


def test_a_file_is_read_as_utf_8(tmp_path: Path) -> None:
    """The path is the name of the file in messages."""
    file = tmp_path / "house.yaml"
    file.write_bytes("rooms: {ä: {}}".encode("latin-1"))
    with pytest.raises(YamlFileError, match=rf"^{file}:1: the file must be UTF-8 text$"):
        YamlDocument.read(file)
    file.write_text("rooms: {ä: {}}", encoding="utf-8")
    assert YamlDocument.read(file).validate(House) == House(rooms={"ä": Room()})


def test_the_schema_lists_what_a_file_may_hold() -> None:
    """Free keys are patterns, aliases are keys, and `null` never stands for a missing key."""
    schema = FileSchema.of(House).root["$defs"]["Room"]
    assert schema["patternProperties"] == {
        r"^\.": {"title": "doors", "minimum": 0, "type": "integer", "description": "width of a door"}
    }
    assert schema["properties"]["open"] == {"default": True, "description": "whether it is open", "type": "boolean"}
    assert schema["properties"]["owner"] == {"description": "a name", "type": "string"}
    assert schema["additionalProperties"] is False


def test_the_reference_has_a_table_for_each_kind_of_mapping() -> None:
    """Tables are linked, and a kind that occurs twice has one table."""
    page = markdown_reference(House)
    assert "## `rooms.<name>` { #Room }" in page
    assert "## `rooms.<name>.shapes[]` with `shape: square` { #Square }" in page
    assert "| `rooms` | a mapping: [keys](#Room) | required | rooms by name |" in page
    assert "| `shapes` | a list of mappings: [square](#Square), [circle](#Circle) |  | shapes |" in page
    assert "| *doors* | an integer >= 0 |  | width of a door |" in page
    assert page.count("{ #Room }") == 1
