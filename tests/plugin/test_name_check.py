from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.plugin.name_check import unknown_names

KNOWN = ("Basic call", "Basic call with DTMF", "Registration")
NAMES = st.lists(st.text(max_size=12), max_size=5)


def test_known_names_are_not_worth_a_line() -> None:
    """However often they are wanted."""
    assert list(unknown_names("test", ["Basic call", "Registration", "Basic call"], KNOWN)) == []


def test_an_unknown_name_is_shown_with_the_nearest_known_and_how_many_want_it() -> None:
    """A typo is found at a glance."""
    assert list(unknown_names("test", ["Basc call", "Registration", "Basc call"], KNOWN)) == [
        "  no test 'Basc call' (wanted by 2); the nearest known: 'Basic call', 'Basic call with DTMF'"
    ]


def test_a_name_like_none_is_shown_with_some_of_the_known() -> None:
    """Ten of them say what they are like."""
    assert list(unknown_names("project", ["xyz"], KNOWN)) == [
        "  no project 'xyz' (wanted by 1); known are Basic call, Basic call with DTMF, Registration"
    ]
    many = tuple(f"Number {n}" for n in range(20))
    (line,) = unknown_names("project", ["xyz"], many)
    assert line.endswith("Number 8, Number 9, ...")


def test_a_list_without_names_accuses_nobody() -> None:
    """Its shape is not published: we may not have understood it."""
    assert list(unknown_names("test", ["Basic call"], ())) == []


@given(NAMES, NAMES)
def test_each_unknown_name_has_one_line(wanted: list[str], known: list[str]) -> None:
    """In the order of the tests, whatever the names are."""
    lines = list(unknown_names("test", wanted, tuple(known)))
    unknown = [name for name in dict.fromkeys(wanted) if name not in known] if known else []
    assert len(lines) == len(unknown)
    for line, name in zip(lines, unknown, strict=True):
        assert line.startswith(f"  no test {name!r} (wanted by {wanted.count(name)})")
