from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.engine.verdict import Expectation, Verdict
from pytest_sipfront.plugin.item_markers import SIGNATURE, is_marked, read_order
from pytest_sipfront.plugin.run_spec import WORDS, MarkerError, RunSpec, fill, merge, normalise, order

DIAL = "step.1.0.dial_destination"


def ordered(report_mode: str | None = None, /, **words: Any) -> RunSpec:
    return order(normalise(words), report_mode=report_mode)


def payload(**words: Any) -> dict[str, Any]:
    return ordered(**words).request.payload()


def filled(text: Any, **parameters: Any) -> Any:
    return fill({"test": text}, parameters)["test"]


# ---- words ------------------------------------------------------------------------------------------------------


def test_a_mark_becomes_what_is_launched_and_what_is_expected() -> None:
    """Every word has its place."""
    made = ordered(
        test="Basic call",
        step_1_0_dial_destination="431231234",
        step_1_0_max_total_calls=3,
        report_mode="print",
        params={"any.key": "verbatim"},
        timeout=90,
        expect="failed",
        match="busy",
    )
    assert made.request.payload() == {
        "test.name": "Basic call",
        "report.mode": "print",
        DIAL: "431231234",
        "step.1.0.max_total_calls": 3,
        "any.key": "verbatim",
    }
    assert made.expectation == Expectation(verdict=Verdict.FAILED, match="busy")
    assert made.timeout == 90.0


def test_a_project_is_launched_by_name_or_by_id_with_some_of_its_tests() -> None:
    """A number is an id, a text a name; ids are sent as numbers."""
    assert payload(project="Nightly", test_ids=[101, 102]) == {"project.name": "Nightly", "test_ids": [101, 102]}
    assert payload(project=7, report_mode="kiosk") == {"id": 7, "report.mode": "kiosk"}
    assert payload(project="7") == {"project.name": "7"}


def test_the_plain_mark_expects_a_pass_and_leaves_the_rest_to_the_session() -> None:
    """Defaults are those of the session, not of the mark."""
    made = ordered(test="x")
    assert made.expectation == Expectation(verdict=Verdict.PASSED, match="")
    assert (made.timeout, made.request.report_mode, made.request.overrides) == (None, None, {})


@pytest.mark.parametrize("word", WORDS)
def test_every_word_stands_in_the_signature_that_pytest_markers_shows(word: str) -> None:
    """`pytest --markers` is where people look."""
    assert f"{word}=" in SIGNATURE


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("step_1_0_dial_destination", DIAL),
        ("step_0_0_regexpire", "step.0.0.regexpire"),
        ("step_10_12_max_total_calls", "step.10.12.max_total_calls"),
        ("step_1_0_a_2_b", "step.1.0.a_2_b"),
        ("step_1_0_CamelCase", "step.1.0.CamelCase"),
    ],
)
def test_only_the_leading_step_becomes_dots(word: str, key: str) -> None:
    """An underscore is part of many parameters' names."""
    assert normalise({word: 1}) == {key: 1}


@pytest.mark.parametrize(
    "word",
    [
        "step_1_dial_destination",
        "step_dial",
        "step",
        "steps_1_0_x",
        "step_1_0_",
        "step_1_0_1",
        "step_a_0_x",
        "step_1_0",
    ],
)
def test_a_bad_override_name_shows_the_form_with_an_example(word: str) -> None:
    """The mistake is found before anything is launched."""
    with pytest.raises(MarkerError, match=r"step_<step>_<action>_<name>, for example step_1_0_dial_destination") as it:
        normalise({"test": "x", word: 1})
    assert repr(word) in str(it.value)


@pytest.mark.parametrize(
    ("word", "near"),
    [("tset", "test"), ("timout", "timeout"), ("expected", "expect"), ("projekt", "project"), ("test_id", "test_ids")],
)
def test_an_unknown_word_names_the_nearest_known_one(word: str, near: str) -> None:
    """With everything that is allowed."""
    with pytest.raises(MarkerError, match=f"unknown word '{word}'; did you mean '{near}'\\?") as caught:
        normalise({word: 1})
    assert all(known in str(caught.value) for known in WORDS)


def test_a_word_like_no_other_gets_no_guess() -> None:
    """A wrong hint is worse than none."""
    with pytest.raises(MarkerError, match="unknown word 'qqqq' Known are"):
        normalise({"qqqq": 1})


def test_a_test_and_a_project_in_one_mark_are_refused() -> None:
    """A run is of one of them; None stands for not given."""
    with pytest.raises(MarkerError, match="both test= and project= are given"):
        normalise({"test": "x", "project": "y"})
    assert payload(test="x", project=None) == {"test.name": "x"}


@pytest.mark.parametrize("words", [{}, {"test": None}, {"step_1_0_dial_destination": "1"}])
def test_a_mark_that_names_nothing_to_run_is_refused(words: dict[str, Any]) -> None:
    """Merging may fill it in, so this is asked at the end."""
    with pytest.raises(MarkerError, match="neither test= nor project= is given"):
        ordered(**words)


@pytest.mark.parametrize("key", ["test.name", "project.name", "id", "test_ids"])
def test_params_cannot_say_what_has_a_word_of_its_own(key: str) -> None:
    """Two places for one thing would contradict each other."""
    with pytest.raises(MarkerError, match="say it with test=, project= or test_ids="):
        ordered(test="x", params={key: "y"})


@pytest.mark.parametrize("params", ["a=b", [("a", 1)], {1: 2}, {"": 1}, 7])
def test_params_is_a_mapping_from_keys_to_values(params: Any) -> None:
    """What was given is shown."""
    with pytest.raises(MarkerError, match="is not a mapping from API keys to values") as caught:
        ordered(test="x", params=params)
    assert repr(params) in str(caught.value)


def test_a_key_given_as_word_and_in_params_is_refused() -> None:
    """Which one should win?"""
    with pytest.raises(MarkerError, match=f"'{DIAL}' is given twice"):
        ordered(test="x", step_1_0_dial_destination="1", params={DIAL: "2"})


# ---- merging ----------------------------------------------------------------------------------------------------


def test_the_nearest_mark_wins_key_by_key() -> None:
    """A module sets what its tests share; a test changes what it must."""
    merged = merge(
        [
            {"test": "far", "timeout": 5, "step_1_0_dial_destination": "1"},
            {"timeout": 6, "step_0_0_regexpire": 3600},
            {"step_1_0_dial_destination": "2"},
        ]
    )
    assert merged == {"test": "far", "timeout": 6, DIAL: "2", "step.0.0.regexpire": 3600}


def test_an_override_wins_in_either_spelling() -> None:
    """`params` and the word name the same key."""
    assert merge([{"params": {DIAL: "1"}}, {"step_1_0_dial_destination": "2"}]) == {DIAL: "2"}
    assert merge([{"step_1_0_dial_destination": "1"}, {"params": {DIAL: "2"}}]) == {DIAL: "2"}


@pytest.mark.parametrize(
    ("far", "near"),
    [
        ({"project": "P", "test_ids": [1]}, {"test": "T"}),
        ({"test": "T"}, {"project": "P"}),
        ({"project": "P", "test_ids": [1]}, {"project": "Q"}),
    ],
)
def test_a_nearer_target_replaces_the_farther_with_its_test_ids(far: dict[str, Any], near: dict[str, Any]) -> None:
    """A test and a project are one choice."""
    assert merge([{**far, "timeout": 5}, near]) == {**near, "timeout": 5}


def test_nearer_test_ids_alone_go_with_the_farther_project() -> None:
    """A subset of the module's project."""
    assert merge([{"project": "P", "test_ids": [1]}, {"test_ids": [2]}]) == {"project": "P", "test_ids": [2]}


def test_a_nearer_none_takes_a_word_back() -> None:
    """What a module sets, a test can unset."""
    made = order(merge([{"test": "x", "step_1_0_dial_destination": "1", "timeout": 3}, {"timeout": None}]))
    assert made.timeout is None
    made = order(merge([{"test": "x", "step_1_0_dial_destination": "1"}, {"step_1_0_dial_destination": None}]))
    assert made.request.overrides == {}


def test_each_mark_has_to_make_sense_by_itself() -> None:
    """A mistake in a module's mark is not hidden by a test's."""
    with pytest.raises(MarkerError):
        merge([{"tset": "x"}, {"test": "y"}])


# ---- templates --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parameters", "value"),
    [
        ("{number}", {"number": "431"}, "431"),
        ("+{number}", {"number": 431}, "+431"),
        ("{a}-{b}", {"a": 1, "b": 2}, "1-2"),
        ("{row[number]}", {"row": {"number": "0431"}}, "0431"),
        ("{row.number}", {"row": SimpleNamespace(number="0431")}, "0431"),
        ("{row[number]} of {row[name]}", {"row": {"number": 1, "name": "Graz"}}, "1 of Graz"),
        ("{rows[1]}", {"rows": ["a", "b"]}, "b"),
        ("{number:>5}", {"number": 7}, "    7"),
        ("{{literal}}", {}, "{literal}"),
        ("{{{number}}}", {"number": 7}, "{7}"),
        ("no brace", {"no": 1}, "no brace"),
        ("", {}, ""),
    ],
)
def test_a_template_is_filled_from_the_parametrization(text: str, parameters: dict[str, Any], value: str) -> None:
    """Items and attributes of a parameter included; a doubled brace is a brace."""
    assert filled(text, **parameters) == value


@pytest.mark.parametrize("value", [3, 3.5, True, None, [101, 102], ("a",)])
def test_a_template_of_one_field_keeps_the_parameter_s_type(value: object) -> None:
    """`test_ids="{ids}"` is a list, `step_1_0_max_total_calls="{calls}"` a number."""
    assert filled("{value}", value=value) is value


@pytest.mark.parametrize("value", [3, None, ["{a}"], {"{a}": 1}, True])
def test_what_is_no_text_is_no_template(value: object) -> None:
    """Only texts are filled."""
    assert filled(value, a=1) is value


def test_a_regular_expression_keeps_its_braces() -> None:
    """`match` is full of them."""
    assert fill({"match": r"\d{3} {a}"}, {"a": 1}) == {"match": r"\d{3} {a}"}


def test_overrides_and_params_are_filled_too() -> None:
    """Every word is."""
    words = normalise({"test": "{t}", "step_1_0_dial_destination": "{d}", "params": {"any.key": "{p}"}})
    assert fill(words, {"t": "x", "d": "1", "p": 2}) == {"test": "x", DIAL: "1", "any.key": 2}


def test_a_template_of_a_missing_parameter_names_the_nearest_and_all_there_are() -> None:
    """With the word and the text in which it stands."""
    with pytest.raises(MarkerError) as caught:
        filled("{destinaton}", destination="1", other="2")
    text = str(caught.value)
    assert "test='{destinaton}': there is no parameter 'destinaton'; did you mean 'destination'?" in text
    assert "destination, other" in text
    assert "A literal brace is doubled" in text


def test_a_template_in_a_test_without_parameters_says_so() -> None:
    """The likeliest mistake: parametrize was forgotten."""
    with pytest.raises(MarkerError, match="none, since it is not parametrized"):
        filled("{destination}")


@pytest.mark.parametrize(
    "text", ["{", "}", "{a", "{}", "{0}", "{a[x}", "{a.nothing}", "{a[nothing]}", "{a!z}", "{a:%%%}", "{a:{b}}"]
)
def test_a_template_that_cannot_be_filled_is_refused_with_its_text(text: str) -> None:
    """Never a traceback of the formatter."""
    with pytest.raises(MarkerError) as caught:
        filled(text, a=SimpleNamespace())
    assert repr(text) in str(caught.value)


@given(text=st.text(alphabet="{}a0.[]!:rx "), value=st.text() | st.integers() | st.none() | st.floats())
def test_a_template_is_filled_or_refused(text: str, value: object) -> None:
    """No other error, whatever the text."""
    with suppress(MarkerError):
        filled(text, a=value)


# ---- values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_override_is_not_sent(empty: str | None) -> None:
    """Discrepancy 19: the vendor's action sent an empty destination once."""
    assert payload(test="x", step_1_0_dial_destination=empty, step_1_0_a="b") == {"test.name": "x", "step.1.0.a": "b"}


@pytest.mark.parametrize(("given_value", "sent"), [(431231234, "431231234"), ("0043", "0043"), ("+43", "+43")])
def test_a_dial_destination_is_sent_as_text(given_value: object, sent: str) -> None:
    """Discrepancy 8: as a number it would lose its leading 0 or +."""
    value = payload(test="x", step_1_0_dial_destination=given_value)[DIAL]
    assert value == sent
    assert isinstance(value, str)


@pytest.mark.parametrize("value", [3600, 0, 2.5, True, False, "text"])
def test_other_overrides_keep_their_type(value: object) -> None:
    """JSON has types, and the documentation shows numbers."""
    sent = payload(test="x", step_0_0_regexpire=value)["step.0.0.regexpire"]
    assert (sent, type(sent)) == (value, type(value))


@pytest.mark.parametrize("value", [[1], {"a": 1}, object(), b"bytes", (1,), float("nan"), float("inf")])
def test_an_override_is_a_text_a_number_or_a_bool(value: object) -> None:
    """The body is flat, and JSON has no NaN."""
    with pytest.raises(MarkerError, match=r"step\.0\.0\.regexpire=.* is not a text, a number or a bool"):
        ordered(test="x", step_0_0_regexpire=value)


@pytest.mark.parametrize("name", ["", "  ", 7, True, ["x"]])
def test_a_test_is_named_by_a_text(name: object) -> None:
    """Ids of tests are not known to be accepted."""
    with pytest.raises(MarkerError, match="is not a name"):
        ordered(test=name)


@pytest.mark.parametrize("project", ["", " ", True, 1.5, ["x"]])
def test_a_project_is_named_by_a_text_or_a_number(project: object) -> None:
    """A bool is no number here."""
    with pytest.raises(MarkerError, match="is not a name or a numeric id"):
        ordered(project=project)


@pytest.mark.parametrize("ids", [[], "101", 101, ["101"], [True], [1.0], {1}, [1, None]])
def test_test_ids_are_a_list_of_numbers(ids: object) -> None:
    """Discrepancy 8: ids go out as numbers; an empty list would mean all."""
    with pytest.raises(MarkerError, match="is not a list of numeric ids"):
        ordered(project="x", test_ids=ids)


def test_test_ids_may_be_a_tuple() -> None:
    """Any sequence."""
    assert payload(project="x", test_ids=(1, 2))["test_ids"] == [1, 2]


def test_test_ids_without_a_project_are_refused() -> None:
    """They are tests of a project."""
    with pytest.raises(MarkerError, match="test_ids= goes with project="):
        ordered(test="x", test_ids=[1])


def test_a_project_takes_no_step_overrides() -> None:
    """The API has none for project runs; other keys go through."""
    with pytest.raises(MarkerError, match="a project run takes no overrides"):
        ordered(project="x", step_1_0_dial_destination="1")
    with pytest.raises(MarkerError, match="a project run takes no overrides"):
        ordered(project="x", params={DIAL: "1"})
    assert payload(project="x", params={"any.key": 1}) == {"project.name": "x", "any.key": 1}


@pytest.mark.parametrize("mode", ["full", "kiosk", "print"])
def test_a_report_mode_comes_from_the_mark_or_from_the_session(mode: str) -> None:
    """The mark is nearer."""
    assert ordered(test="x", report_mode=mode).request.report_mode == mode
    assert ordered(mode, test="x").request.report_mode == mode
    assert ordered("full", test="x", report_mode=mode).request.report_mode == mode


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            {"test": "x", "report_mode": "kisok"},
            "report_mode='kisok' is not one of full, kiosk, print; did you mean kiosk",
        ),
        ({"test": "x", "report_mode": 3}, "report_mode=3 is not one of full, kiosk, print"),
        ({"project": "x", "report_mode": "print"}, "report_mode='print' of a project is not one of full, kiosk"),
    ],
)
def test_an_unknown_report_mode_names_those_that_are_allowed(words: dict[str, Any], text: str) -> None:
    """Discrepancy 15: projects have no print."""
    with pytest.raises(MarkerError) as caught:
        ordered(**words)
    assert text in str(caught.value)


def test_params_may_name_a_report_mode_that_is_new() -> None:
    """Discrepancy 15: an override for what this plugin does not know yet."""
    assert payload(test="x", params={"report.mode": "future"}) == {"test.name": "x", "report.mode": "future"}
    made = ordered("full", test="x", params={"report.mode": "future"})
    assert made.request.payload()["report.mode"] == "future"


@pytest.mark.parametrize("timeout", [0, 0.5, 3600])
def test_a_timeout_is_a_number_of_seconds(timeout: float) -> None:
    """0 is no limit."""
    assert ordered(test="x", timeout=timeout).timeout == timeout


@pytest.mark.parametrize("timeout", [-1, -0.1, float("nan"), float("inf"), True, False, "60", [1]])
def test_any_other_timeout_is_refused(timeout: object) -> None:
    """NaN would never be reached, and True is no second."""
    with pytest.raises(MarkerError, match=r"is not a number of seconds, 0 \(no limit\) or more"):
        ordered(test="x", timeout=timeout)


@pytest.mark.parametrize("expect", ["fail", "PASSED", True, 1, ""])
def test_an_expectation_is_passed_or_failed(expect: object) -> None:
    """Nothing else is a verdict."""
    with pytest.raises(MarkerError, match="is not one of passed, failed"):
        ordered(test="x", expect=expect)


def test_a_match_goes_with_a_run_that_must_fail() -> None:
    """A run that passes has no description."""
    with pytest.raises(MarkerError, match="match= goes with expect='failed'"):
        ordered(test="x", match="busy")


@pytest.mark.parametrize("match", ["(", 7, b"bytes("])
def test_a_match_is_a_regular_expression(match: object) -> None:
    """Found at collection, not when the run is over."""
    with pytest.raises(MarkerError, match="is not a regular expression"):
        ordered(test="x", expect="failed", match=match)


# ---- marks on items ---------------------------------------------------------------------------------------------


def _orders(pytester: pytest.Pytester, source: str) -> dict[str, RunSpec]:
    return {item.name: read_order(item, None) for item in pytester.getitems(source) if is_marked(item)}


def test_marks_merge_from_module_to_parameter(pytester: pytest.Pytester) -> None:
    """Module, base class, class, function (outer decorator first), parameter: the nearest wins."""
    orders = _orders(
        pytester,
        """
        import pytest
        mark = pytest.mark.sipfront
        pytestmark = mark(test="module", params={"from": "module"})

        @mark(params={"from": "base", "base": 1})
        class Base:
            pass

        @mark(params={"from": "class", "class": 1})
        class TestClass(Base):
            @mark(params={"from": "inner"})
            def test_class(self): ...

            def test_inherits(self): ...

        @mark(params={"from": "outer", "outer": 1})
        @mark(params={"from": "inner"})
        def test_order(): ...

        @pytest.mark.parametrize("a", [1, pytest.param(2, marks=mark(params={"from": "parameter"}))])
        @mark(test="{a}-test", params={"from": "function"})
        def test_parameter(a): ...

        def test_module(): ...
        """,
    )
    seen = {name: {"test": made.request.test, **made.request.overrides} for name, made in orders.items()}
    assert seen == {
        "test_class": {"test": "module", "from": "inner", "base": 1, "class": 1},
        "test_inherits": {"test": "module", "from": "class", "base": 1, "class": 1},
        "test_order": {"test": "module", "from": "inner", "outer": 1},
        "test_parameter[1]": {"test": "1-test", "from": "function"},
        "test_parameter[2]": {"test": "2-test", "from": "parameter"},
        "test_module": {"test": "module", "from": "module"},
    }


def test_a_test_without_the_mark_is_none_of_ours(pytester: pytest.Pytester) -> None:
    """Other tests of the session stay as they are."""
    assert not is_marked(pytester.getitem("def test_func(): ..."))


def test_a_positional_argument_is_refused_with_the_word_to_write(pytester: pytest.Pytester) -> None:
    """The shortest mistake there is."""
    item = pytester.getitem("def test_func(): ...")
    item.add_marker(pytest.mark.sipfront("Basic call"))
    with pytest.raises(MarkerError, match="write test='Basic call'"):
        read_order(item, None)
