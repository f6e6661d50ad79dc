"""Marks: merging, templates, and mistakes, which are collection errors before anything is launched."""

from __future__ import annotations

from typing import Any

import pytest

from tests.end_to_end.suite import Suite


def launched(suite: Suite) -> list[dict[str, Any]]:
    return [request["body"] for request in suite.lab.requests if request["method"] == "POST"]


def test_marks_merge_from_module_to_parameter_and_the_nearest_wins_key_by_key(suite: Suite) -> None:
    """Module, base class, class, outer and inner decorator, pytest.param: each may add or replace a key."""
    suite.write(
        "pytestmark = marked(test='Basic call', step_0_0_a='module', step_0_0_b='module', step_0_0_c='module',\n"
        "                    step_0_0_d='module', step_0_0_e='module', step_0_0_f='module')\n"
        "@marked(step_0_0_b='base', step_0_0_c='base', step_0_0_d='base', step_0_0_e='base', step_0_0_f='base')\n"
        "class Base: pass\n"
        "@marked(step_0_0_c='class', step_0_0_d='class', step_0_0_e='class', step_0_0_f='class')\n"
        "class TestIt(Base):\n"
        "    @marked(step_0_0_d='outer', step_0_0_e='outer', step_0_0_f='outer')\n"
        "    @marked(step_0_0_e='inner', step_0_0_f='inner')\n"
        "    @pytest.mark.parametrize('x', [pytest.param(1, marks=marked(step_0_0_f='param'))])\n"
        "    def test_merge(self, x): pass\n"
    )
    suite.run().assert_outcomes(passed=1)
    names = {"a": "module", "b": "base", "c": "class", "d": "outer", "e": "inner", "f": "param"}
    assert launched(suite) == [{"test.name": "Basic call"} | {f"step.0.0.{k}": v for k, v in names.items()}]


def test_a_nearer_target_replaces_the_farther(suite: Suite) -> None:
    """A class's project gives way to a function's test, with the test_ids that went with it."""
    suite.write(
        "@marked(project='Nightly', test_ids=[1])\n"
        "class TestIt:\n"
        "    @marked(test='Basic call')\n"
        "    def test_call(self): pass\n"
    )
    suite.run().assert_outcomes(passed=1)
    assert launched(suite) == [{"test.name": "Basic call"}]


def test_templates_are_filled_from_the_parametrization(suite: Suite) -> None:
    """Whole values keep their type, texts are filled, rows are reached into, doubled braces are literal."""
    suite.write(
        "@marked(test='{row[test]}', step_1_0_dial_destination='+{row[number]}', step_1_0_max_total_calls='{calls}',\n"
        "        step_1_0_note='{{{calls}}}')\n"
        "@pytest.mark.parametrize('calls', [3])\n"
        "@pytest.mark.parametrize('row', [{'test': 'Basic call', 'number': '43'}])\n"
        "def test_call(row, calls): pass\n"
    )
    suite.run().assert_outcomes(passed=1)
    assert launched(suite) == [
        {
            "test.name": "Basic call",
            "step.1.0.dial_destination": "+43",
            "step.1.0.max_total_calls": 3,
            "step.1.0.note": "{3}",
        }
    ]


def test_params_pass_any_key_through_verbatim(suite: Suite) -> None:
    """What the plugin has no word for goes through under its own name."""
    suite.write("@marked(test='Basic call', params={'any.key_of': 1, 'report.mode': 'full'})\ndef test_call(): pass\n")
    suite.run().assert_outcomes(passed=1)
    assert launched(suite) == [{"test.name": "Basic call", "any.key_of": 1, "report.mode": "full"}]


def test_the_report_mode_of_the_mark_wins_over_the_sessions(suite: Suite) -> None:
    """Marker > command line."""
    suite.write(
        "@marked(test='Basic call')\ndef test_a(): pass\n"
        "@marked(test='Basic call', report_mode='print')\ndef test_b(): pass\n"
    )
    suite.run("--sipfront-report-mode=kiosk").assert_outcomes(passed=2)
    assert [body["report.mode"] for body in launched(suite)] == ["kiosk", "print"]
    assert "/kiosk/" in suite.properties("test_a")["sipfront.report_url"]


MISTAKES = {
    "unknown argument": ("tset='Basic call'", ["unknown argument 'tset'", "did you mean 'test'?"]),
    "unknown argument like a destination": (
        "test='A', dial_destination='1'",
        ["did you mean 'step_1_0_dial_destination'"],
    ),
    "bad override name": ("test='A', step_1_dial='1'", ["step_<step>_<action>_<name>", "step_1_0_dial_destination"]),
    "missing parameter": ("test='{tset}'", ["unknown parameter 'tset'", "the test has no parameters"]),
    "both targets": ("test='A', project='B'", ["test= and project= are mutually exclusive"]),
    "no target": ("step_0_0_a=1", ["test= or project= is required"]),
    "negative timeout": ("test='A', timeout=-1", ["timeout= must be a number of seconds >= 0", "got -1"]),
    "expectation": (
        "test='A', expect='fail'",
        ["expect= must be one of passed, failed, got 'fail'; did you mean 'failed'?"],
    ),
    "match without failure": ("test='A', match='x'", ["match= requires expect='failed'"]),
    "bad regular expression": (
        "test='A', expect='failed', match='('",
        ["match= must be a regular expression, got '('"],
    ),
    "report mode": ("test='A', report_mode='kisok'", ["did you mean 'kiosk'?"]),
    "report mode of a project": (
        "project='A', report_mode='print'",
        ["report_mode= of a project must be one of full, kiosk"],
    ),
    "override of a project": ("project='A', step_1_0_x=1", ["a project run takes no overrides"]),
    "test_ids of a test": ("test='A', test_ids=[1]", ["test_ids= requires project="]),
    "test_ids of a wrong type": ("project='A', test_ids='12'", ["must be a non-empty list of integers"]),
    "value of a wrong type": ("test='A', step_1_0_x=[1]", ["must be a string, number or bool"]),
    "positional": ("'Basic call'", ["positional arguments are not supported; write test='Basic call'"]),
    "name of a wrong type": ("test=17", ["test= must be a name, got 17"]),
    "duplicate key": ("test='A', step_1_0_x=1, params={'step.1.0.x': 2}", ["duplicate argument 'step.1.0.x'"]),
    "reserved key": ("test='A', params={'test.name': 'B'}", ["params= must not contain 'test.name'; use test="]),
}


@pytest.mark.parametrize(("words", "texts"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_mark_is_a_collection_error_that_says_what_is_allowed(
    suite: Suite, words: str, texts: list[str]
) -> None:
    """Nothing is launched; the text says what was given, what is allowed, and the nearest known word."""
    suite.write(f"@marked({words})\ndef test_call(): pass\n@marked(test='Basic call')\ndef test_good(): pass\n")
    result = suite.run()
    result.assert_outcomes(errors=1)
    output = result.stdout.str()
    assert "test_it.py::test_call: @pytest.mark.sipfront: " in output
    assert all(text in output for text in texts), output
    assert "Traceback" not in output
    assert suite.lab.counts["requests"] == 0


def test_a_template_that_names_a_missing_parameter_shows_the_nearest(suite: Suite) -> None:
    """With parameters to compare, the nearest one is named, and all are listed."""
    suite.write(
        "@marked(test='Basic call', step_1_0_dial_destination='{destinaton}')\n"
        "@pytest.mark.parametrize(('destination', 'codec'), [('1', 'opus')])\n"
        "def test_call(destination, codec): pass\n"
    )
    result = suite.run()
    result.stdout.fnmatch_lines(["*did you mean 'destination'? (parameters of the test: destination, codec; *"])


def test_a_mistake_in_a_mark_is_a_collection_error_with_workers_too(suite: Suite) -> None:
    """No internal error, no launch."""
    suite.write("@marked(tset='Basic call')\ndef test_call(): pass\n")
    result = suite.run_in_subprocess("-n2")
    assert "did you mean 'test'?" in result.stdout.str()
    assert "INTERNALERROR" not in result.stdout.str()
    assert suite.lab.counts["requests"] == 0


def test_a_mark_added_by_a_conftest_counts_like_any_other(suite: Suite) -> None:
    """Suites mark their items in hooks, too."""
    suite.pytester.makeconftest(
        "import pytest\n"
        "def pytest_collection_modifyitems(items):\n"
        "    for item in items:\n"
        "        item.add_marker(pytest.mark.sipfront(test='Basic call'))\n"
    )
    suite.write("def test_call(): pass\n")
    suite.run().assert_outcomes(passed=1)
    assert suite.lab.launches == 1


def test_a_marked_item_that_is_no_function_is_an_error_and_not_a_pass(suite: Suite) -> None:
    """Where no run can be started, nothing may look as if one had passed."""
    suite.pytester.makeconftest(
        "import pytest\n"
        "class Item(pytest.Item):\n"
        "    def runtest(self): pass\n"
        "class File(pytest.File):\n"
        "    def collect(self):\n"
        "        item = Item.from_parent(self, name='odd')\n"
        "        item.add_marker(pytest.mark.sipfront(test='Basic call'))\n"
        "        yield item\n"
        "def pytest_collect_file(parent, file_path):\n"
        "    if file_path.suffix == '.odd':\n"
        "        return File.from_parent(parent, path=file_path)\n"
    )
    (suite.pytester.path / "x.odd").touch()
    suite.run().assert_outcomes(errors=1)
    assert suite.lab.launches == 0


def test_a_marked_unittest_method_has_its_run(suite: Suite) -> None:
    """Methods of unittest classes are test functions, too."""
    suite.platform("tests: {Basic call: {takes: 0.05, verdict: failed, description: 486 Busy Here}}\n")
    suite.write(
        "import unittest\n"
        "class TestIt(unittest.TestCase):\n"
        "    @marked(test='Basic call')\n"
        "    def test_call(self): pass\n"
    )
    suite.run().assert_outcomes(failed=1)
    assert suite.lab.launches == 1


def test_the_fixture_without_the_mark_is_an_error(suite: Suite) -> None:
    """sipfront_run has nothing to give to an unmarked test, and says what is missing."""
    suite.write("def test_call(sipfront_run): pass\n")
    result = suite.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the test has no @pytest.mark.sipfront(test=...)*"])


def test_the_mark_is_registered_with_its_signature(suite: Suite) -> None:
    """--markers tells how to write it, and --strict-markers accepts it."""
    result = suite.run("--markers", "--strict-markers")
    result.stdout.fnmatch_lines(["@pytest.mark.sipfront(test=None, project=None, *"])
