from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.engine.verdict import Expectation, Verdict
from pytest_sipfront.plugin.item_markers import SIGNATURE, is_marked, read_run_spec
from pytest_sipfront.plugin.run_spec import ARGUMENTS, MarkerError, RunSpec, fill, make_run_spec, merge, normalise

DIAL = "step.1.0.dial_destination"


def spec(report_mode: str | None = None, /, **arguments: Any) -> RunSpec:
    return make_run_spec(normalise(arguments), report_mode=report_mode)


def payload(**arguments: Any) -> dict[str, Any]:
    return spec(**arguments).request.payload()


def filled(text: Any, **parameters: Any) -> Any:
    return fill({"test": text}, parameters)["test"]


# ---- names of arguments ---------------------------------------------------------------------------------------------


def test_a_marker_becomes_a_run_spec() -> None:
    """Every argument appears in the request or the expectation."""
    made = spec(
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
    """An integer is an id, a string is a name. Ids are sent as integers."""
    assert payload(project="Nightly", test_ids=[101, 102]) == {"project.name": "Nightly", "test_ids": [101, 102]}
    assert payload(project=7, report_mode="kiosk") == {"id": 7, "report.mode": "kiosk"}
    assert payload(project="7") == {"project.name": "7"}


def test_a_marker_with_only_a_test_expects_a_pass() -> None:
    """All other values come from the session settings."""
    made = spec(test="x")
    assert made.expectation == Expectation(verdict=Verdict.PASSED, match="")
    assert (made.timeout, made.request.report_mode, made.request.overrides) == (None, None, {})


@pytest.mark.parametrize("name", ARGUMENTS)
def test_pytest_markers_shows_every_argument(name: str) -> None:
    """`pytest --markers` prints the signature."""
    assert f"{name}=" in SIGNATURE


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("step_1_0_dial_destination", DIAL),
        ("step_0_0_regexpire", "step.0.0.regexpire"),
        ("step_10_12_max_total_calls", "step.10.12.max_total_calls"),
        ("step_1_0_a_2_b", "step.1.0.a_2_b"),
        ("step_1_0_CamelCase", "step.1.0.CamelCase"),
    ],
)
def test_only_the_leading_step_becomes_dots(name: str, key: str) -> None:
    """Parameter names contain underscores themselves."""
    assert normalise({name: 1}) == {key: 1}


@pytest.mark.parametrize(
    "name",
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
def test_an_invalid_override_name_is_rejected_with_an_example(name: str) -> None:
    """The mistake is reported before the first launch."""
    with pytest.raises(MarkerError, match=r"step_<step>_<action>_<name>, for example step_1_0_dial_destination") as it:
        normalise({"test": "x", name: 1})
    assert repr(name) in str(it.value)


@pytest.mark.parametrize(
    ("name", "near"),
    [("tset", "test"), ("timout", "timeout"), ("expected", "expect"), ("projekt", "project"), ("test_id", "test_ids")],
)
def test_an_unknown_argument_is_rejected_with_the_nearest_one(name: str, near: str) -> None:
    """The message lists all valid arguments as well."""
    with pytest.raises(MarkerError, match=f"unknown argument '{name}'; did you mean '{near}'\\?") as caught:
        normalise({name: 1})
    assert all(valid in str(caught.value) for valid in ARGUMENTS)


def test_an_argument_that_resembles_no_other_gets_no_suggestion() -> None:
    """A wrong hint would mislead."""
    with pytest.raises(MarkerError, match=r"unknown argument 'qqqq' \(valid arguments: test, "):
        normalise({"qqqq": 1})


def test_test_and_project_are_mutually_exclusive() -> None:
    """None counts as not given."""
    with pytest.raises(MarkerError, match="test= and project= are mutually exclusive"):
        normalise({"test": "x", "project": "y"})
    assert payload(test="x", project=None) == {"test.name": "x"}


@pytest.mark.parametrize("arguments", [{}, {"test": None}, {"step_1_0_dial_destination": "1"}])
def test_a_test_or_a_project_is_required(arguments: dict[str, Any]) -> None:
    """The check runs after merging, since any of the markers may name it."""
    with pytest.raises(MarkerError, match="test= or project= is required"):
        spec(**arguments)


@pytest.mark.parametrize(
    ("key", "argument"),
    [("test.name", "test="), ("project.name", "project="), ("id", "project="), ("test_ids", "test_ids=")],
)
def test_params_must_not_contain_keys_that_have_an_argument(key: str, argument: str) -> None:
    """The message names the argument to use."""
    with pytest.raises(MarkerError, match=f"params= must not contain '{key}'; use {argument}"):
        spec(test="x", params={key: "y"})


@pytest.mark.parametrize("params", ["a=b", [("a", 1)], {1: 2}, {"": 1}, 7])
def test_params_is_a_mapping_from_keys_to_values(params: Any) -> None:
    """The message shows the given value."""
    with pytest.raises(MarkerError, match="params= must be a mapping from API keys to values") as caught:
        spec(test="x", params=params)
    assert repr(params) in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        "step.1.dial_destination",
        "step_1_0_dial_destination",
        "step.1.0.",
        "step.1.O.dial_destination",
        "steps.1.0.dial_destination",
        "stpe.1.0.x",
        "Step.1.0.x",
        " step.1.0.x",
        "step.1.0.dial destination",
        "step-1-0-x",
        "1.0.dial_destination",
        "dial_destination",
        "test.1.0.x",
    ],
)
def test_a_misspelt_override_key_in_params_is_rejected(key: str) -> None:
    """The platform ignores unknown keys, and the call would go to the default number."""
    with pytest.raises(MarkerError, match=r"must be step\.<step>\.<action>\.<name>") as caught:
        spec(test="x", params={key: "1"})
    assert repr(key) in str(caught.value)


@pytest.mark.parametrize("key", ["any.key", "report.mode", "project.step", "test.note", "agent.pool.1", DIAL])
def test_other_keys_of_params_are_sent_as_they_are(key: str) -> None:
    """The API has keys that this plugin does not know."""
    assert payload(test="x", params={key: "1"}) == {"test.name": "x", key: "1"}


def test_a_key_may_not_be_an_argument_and_in_params() -> None:
    """Both spellings name the same API key."""
    with pytest.raises(MarkerError, match=f"duplicate argument '{DIAL}'"):
        spec(test="x", step_1_0_dial_destination="1", params={DIAL: "2"})


# ---- merging --------------------------------------------------------------------------------------------------------


def test_the_nearest_marker_wins_for_each_argument() -> None:
    """A module sets common values, and a test replaces some of them."""
    merged = merge(
        [
            {"test": "far", "timeout": 5, "step_1_0_dial_destination": "1"},
            {"timeout": 6, "step_0_0_regexpire": 3600},
            {"step_1_0_dial_destination": "2"},
        ]
    )
    assert merged == {"test": "far", "timeout": 6, DIAL: "2", "step.0.0.regexpire": 3600}


def test_an_override_wins_in_either_spelling() -> None:
    """A key of `params` and an argument may name the same override."""
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
    """Test and project exclude each other."""
    assert merge([{**far, "timeout": 5}, near]) == {**near, "timeout": 5}


def test_nearer_test_ids_apply_to_the_farther_project() -> None:
    """A test may select a subset of the project of its module."""
    assert merge([{"project": "P", "test_ids": [1]}, {"test_ids": [2]}]) == {"project": "P", "test_ids": [2]}


def test_a_nearer_none_unsets_an_argument() -> None:
    """A test can unset an argument of its module."""
    made = make_run_spec(merge([{"test": "x", "step_1_0_dial_destination": "1", "timeout": 3}, {"timeout": None}]))
    assert made.timeout is None
    made = make_run_spec(merge([{"test": "x", "step_1_0_dial_destination": "1"}, {"step_1_0_dial_destination": None}]))
    assert made.request.overrides == {}


def test_each_marker_must_be_valid_by_itself() -> None:
    """A test's marker does not hide a mistake in the marker of its module."""
    with pytest.raises(MarkerError):
        merge([{"tset": "x"}, {"test": "y"}])


# ---- templates ------------------------------------------------------------------------------------------------------


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
    """Items and attributes of a parameter can be used, and a doubled brace is a literal brace."""
    assert filled(text, **parameters) == value


@pytest.mark.parametrize("value", [3, 3.5, True, None, 0, False, [101, 102], ("a",)])
def test_a_template_of_one_field_keeps_the_type_of_the_parameter(value: object) -> None:
    """`test_ids="{ids}"` may be a list, and `step_1_0_max_total_calls="{calls}"` an integer."""
    assert filled("{value}", value=value) is value


@pytest.mark.parametrize("value", [3, None, ["{a}"], {"{a}": 1}, True])
def test_only_strings_are_templates(value: object) -> None:
    """Other values stay as they are."""
    assert filled(value, a=1) is value


def test_a_regular_expression_keeps_its_braces() -> None:
    """`match` is not a template."""
    assert fill({"match": r"\d{3} {a}"}, {"a": 1}) == {"match": r"\d{3} {a}"}


def test_overrides_and_params_are_filled_too() -> None:
    """All string values are templates."""
    arguments = normalise({"test": "{t}", "step_1_0_dial_destination": "{d}", "params": {"any.key": "{p}"}})
    assert fill(arguments, {"t": "x", "d": "1", "p": 2}) == {"test": "x", DIAL: "1", "any.key": 2}


def test_a_template_with_an_unknown_parameter_is_rejected_with_the_nearest_one() -> None:
    """The message shows argument and template, and lists all parameters."""
    with pytest.raises(MarkerError) as caught:
        filled("{destinaton}", destination="1", other="2")
    assert str(caught.value) == (
        "test='{destinaton}': unknown parameter 'destinaton'; did you mean 'destination'? "
        "(parameters of the test: destination, other; write {{ and }} for literal braces)"
    )


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("numbr", "unknown column 'number'; did you mean 'numbr'? (columns: name, numbr)"),
        ("\ufeffnumber", "the column is '\\ufeffnumber', since its file has a byte order mark; read it with encoding="),
        ('\ufeff"number"', "the column is '\\ufeff\"number\"', since its file has a byte order mark"),
        ("number;codec", "the column is 'number;codec'; read its file with delimiter=';'"),
    ],
)
def test_a_template_with_a_missing_column_shows_the_real_one(column: str, text: str) -> None:
    """A spreadsheet may write a byte order mark, or semicolons."""
    with pytest.raises(MarkerError) as caught:
        filled("{row[number]}", row={"name": "A", column: "1"})
    assert f"test='{{row[number]}}': {text}" in str(caught.value)


def test_a_template_in_a_test_without_parameters_is_rejected() -> None:
    """Usually `parametrize` is missing."""
    with pytest.raises(MarkerError, match=r"unknown parameter 'destination' \(the test has no parameters;"):
        filled("{destination}")


@pytest.mark.parametrize(
    "text", ["{", "}", "{a", "{}", "{0}", "{a[x}", "{a.nothing}", "{a[nothing]}", "{a!z}", "{a:%%%}", "{a:{b}}"]
)
def test_an_invalid_template_is_rejected(text: str) -> None:
    """The message shows the template, and no error of the formatter gets through."""
    with pytest.raises(MarkerError) as caught:
        filled(text, a=SimpleNamespace())
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("argument", [DIAL, "test", "timeout", "any.key"])
@pytest.mark.parametrize(
    ("template", "row"),
    [
        ("{row[number]}", {"number": ""}),
        ("{row[number]}", {"number": " \t"}),
        ("+{row[number]}", {"number": ""}),
        ("{row[prefix]}{row[number]}", {"prefix": "", "number": " "}),
        ("+{row[number]}", {"number": None}),
        ("{row[prefix]}{row[number]}", {"prefix": "+", "number": None}),
        ("+{row[number]}", {"number": float("nan")}),
    ],
)
def test_an_empty_template_is_rejected_with_its_row(argument: str, template: str, row: dict[str, object]) -> None:
    """Without the value, the platform would dial the default number of the test."""
    with pytest.raises(MarkerError) as caught:
        fill({argument: template}, {"row": row})
    assert str(caught.value) == f"{argument}={template!r} is empty (row={row})"


def test_an_override_template_must_not_be_none() -> None:
    """`csv.DictReader` fills the missing cells of a short row with None. Other arguments may be None."""
    with pytest.raises(MarkerError, match=r"is empty \(row=\{'number': None\}\)"):
        fill({DIAL: "{row[number]}"}, {"row": {"number": None}})
    assert fill({"timeout": "{row[timeout]}"}, {"row": {"timeout": None}}) == {"timeout": None}


def test_some_fields_of_a_template_may_be_empty() -> None:
    """A prefix is optional, and a literal empty override is left out."""
    assert fill({DIAL: "{prefix}{number}"}, {"prefix": "", "number": "431"}) == {DIAL: "431"}
    assert fill({DIAL: ""}, {}) == {DIAL: ""}


def test_the_message_about_an_empty_template_is_short() -> None:
    """A row may have many columns."""
    with pytest.raises(MarkerError) as caught:
        fill({DIAL: "{row[number]}"}, {"row": {"number": "", "note": "long " * 1000}})
    assert len(str(caught.value)) < 300


@given(text=st.text(alphabet="{}a0.[]!:rx "), value=st.text() | st.integers() | st.none() | st.floats())
def test_a_template_is_filled_or_rejected(text: str, value: object) -> None:
    """No text causes any other exception."""
    with suppress(MarkerError):
        filled(text, a=value)


# ---- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_override_is_not_sent(empty: str | None) -> None:
    """Discrepancy 19: an empty destination is never sent."""
    assert payload(test="x", step_1_0_dial_destination=empty, step_1_0_a="b") == {"test.name": "x", "step.1.0.a": "b"}


@pytest.mark.parametrize(
    ("given_value", "sent"), [(431231234, "431231234"), ("0043", "0043"), ("+43", "+43"), (" 43\n", "43")]
)
def test_a_dial_destination_is_sent_as_text(given_value: object, sent: str) -> None:
    """Discrepancy 8: as an integer it would lose a leading 0 or +. Surrounding blanks are removed."""
    value = payload(test="x", step_1_0_dial_destination=given_value)[DIAL]
    assert value == sent
    assert isinstance(value, str)


@pytest.mark.parametrize("value", [3600, 0, 2.5, True, False, "text"])
def test_other_overrides_keep_their_type(value: object) -> None:
    """JSON has types, and the API documentation shows numbers."""
    sent = payload(test="x", step_0_0_regexpire=value)["step.0.0.regexpire"]
    assert (sent, type(sent)) == (value, type(value))


@pytest.mark.parametrize("value", [[1], {"a": 1}, object(), b"bytes", (1,), float("nan"), float("inf")])
def test_an_override_is_a_string_a_number_or_a_bool(value: object) -> None:
    """The request body is flat, and JSON has no NaN."""
    with pytest.raises(MarkerError, match=r"step\.0\.0\.regexpire must be a string, number or bool, got "):
        spec(test="x", step_0_0_regexpire=value)


@pytest.mark.parametrize("name", ["", "  ", 7, True, ["x"]])
def test_a_test_is_given_by_name(name: object) -> None:
    """The API does not document ids of tests."""
    with pytest.raises(MarkerError, match="test= must be a name, got "):
        spec(test=name)


@pytest.mark.parametrize("project", ["", " ", True, 1.5, ["x"]])
def test_a_project_is_given_by_name_or_id(project: object) -> None:
    """A bool does not count as an integer."""
    with pytest.raises(MarkerError, match="project= must be a name or a numeric id, got "):
        spec(project=project)


@pytest.mark.parametrize("ids", [[], "101", 101, ["101"], [True], [1.0], {1}, [1, None]])
def test_test_ids_are_a_list_of_integers(ids: object) -> None:
    """Discrepancy 8: ids are sent as integers. An empty list would select all tests."""
    with pytest.raises(MarkerError, match="test_ids= must be a non-empty list of integers, got "):
        spec(project="x", test_ids=ids)


def test_test_ids_may_be_a_tuple() -> None:
    """Any sequence is accepted."""
    assert payload(project="x", test_ids=(1, 2))["test_ids"] == [1, 2]


def test_test_ids_require_a_project() -> None:
    """They select tests of a project."""
    with pytest.raises(MarkerError, match="test_ids= requires project="):
        spec(test="x", test_ids=[1])


def test_a_project_takes_no_overrides() -> None:
    """The API has none for project runs. Other keys of `params` are sent."""
    with pytest.raises(MarkerError, match="a project run takes no overrides"):
        spec(project="x", step_1_0_dial_destination="1")
    with pytest.raises(MarkerError, match="a project run takes no overrides"):
        spec(project="x", params={DIAL: "1"})
    assert payload(project="x", params={"any.key": 1}) == {"project.name": "x", "any.key": 1}


@pytest.mark.parametrize("mode", ["full", "kiosk", "print"])
def test_the_report_mode_of_the_marker_wins_over_the_session(mode: str) -> None:
    """The session setting applies to markers without a report mode."""
    assert spec(test="x", report_mode=mode).request.report_mode == mode
    assert spec(mode, test="x").request.report_mode == mode
    assert spec("full", test="x", report_mode=mode).request.report_mode == mode


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"test": "x", "report_mode": "kisok"},
            "report_mode= must be one of full, kiosk, print, got 'kisok'; did you mean 'kiosk'?",
        ),
        ({"test": "x", "report_mode": 3}, "report_mode= must be one of full, kiosk, print, got '3'"),
        ({"project": "x", "report_mode": "print"}, "report_mode= of a project must be one of full, kiosk, got 'print'"),
    ],
)
def test_an_unknown_report_mode_is_rejected_with_the_valid_ones(arguments: dict[str, Any], text: str) -> None:
    """Discrepancy 15: projects have no print mode."""
    with pytest.raises(MarkerError) as caught:
        spec(**arguments)
    assert text in str(caught.value)


def test_params_may_name_a_report_mode_that_is_new() -> None:
    """Discrepancy 15: the platform may have modes that this version does not know."""
    assert payload(test="x", params={"report.mode": "future"}) == {"test.name": "x", "report.mode": "future"}
    made = spec("full", test="x", params={"report.mode": "future"})
    assert made.request.payload()["report.mode"] == "future"


@pytest.mark.parametrize("timeout", [0, 0.5, 3600])
def test_a_timeout_is_a_number_of_seconds(timeout: float) -> None:
    """0 disables the limit."""
    assert spec(test="x", timeout=timeout).timeout == timeout


@pytest.mark.parametrize("timeout", [-1, -0.1, float("nan"), float("inf"), True, False, "60", [1]])
def test_any_other_timeout_is_rejected(timeout: object) -> None:
    """NaN and bools are rejected, too."""
    with pytest.raises(MarkerError, match=r"timeout= must be a number of seconds >= 0 \(0: no limit\), got "):
        spec(test="x", timeout=timeout)


@pytest.mark.parametrize("expect", ["fail", "PASSED", True, 1, ""])
def test_an_expectation_is_passed_or_failed(expect: object) -> None:
    """These are the two verdicts."""
    with pytest.raises(MarkerError, match="expect= must be one of passed, failed, got "):
        spec(test="x", expect=expect)


def test_a_match_requires_an_expected_failure() -> None:
    """A passed run has no description."""
    with pytest.raises(MarkerError, match="match= requires expect='failed'"):
        spec(test="x", match="busy")


@pytest.mark.parametrize("match", ["(", 7, b"bytes("])
def test_a_match_is_a_regular_expression(match: object) -> None:
    """It is compiled at collection."""
    with pytest.raises(MarkerError, match="match= must be a regular expression, got "):
        spec(test="x", expect="failed", match=match)


# ---- markers of items -----------------------------------------------------------------------------------------------


def _specs(pytester: pytest.Pytester, source: str) -> dict[str, RunSpec]:
    return {item.name: read_run_spec(item) for item in pytester.getitems(source) if is_marked(item)}


def test_markers_merge_from_module_to_parameter(pytester: pytest.Pytester) -> None:
    """Module, base class, class, function (outer decorator first), parameter: the nearest wins."""
    specs = _specs(
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
    merged = {name: {"test": made.request.test, **made.request.overrides} for name, made in specs.items()}
    assert merged == {
        "test_class": {"test": "module", "from": "inner", "base": 1, "class": 1},
        "test_inherits": {"test": "module", "from": "class", "base": 1, "class": 1},
        "test_order": {"test": "module", "from": "inner", "outer": 1},
        "test_parameter[1]": {"test": "1-test", "from": "function"},
        "test_parameter[2]": {"test": "2-test", "from": "parameter"},
        "test_module": {"test": "module", "from": "module"},
    }


def test_a_test_without_the_marker_is_not_marked(pytester: pytest.Pytester) -> None:
    """Other tests of the session stay as they are."""
    assert not is_marked(pytester.getitem("def test_func(): ..."))


def test_positional_arguments_are_rejected(pytester: pytest.Pytester) -> None:
    """The message shows the keyword to use."""
    item = pytester.getitem("def test_func(): ...")
    item.add_marker(pytest.mark.sipfront("Basic call"))
    with pytest.raises(MarkerError, match="positional arguments are not supported; write test='Basic call'"):
        read_run_spec(item)
