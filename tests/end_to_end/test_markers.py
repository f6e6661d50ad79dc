"""Markers: how they merge, templates, and invalid markers, which are collection errors before the first launch."""

from __future__ import annotations

from typing import Any

import pytest

from tests.end_to_end.suite import Suite


def launches(suite: Suite) -> list[dict[str, Any]]:
    """The bodies of all launches."""
    return [request["body"] for request in suite.lab.requests if request["method"] == "POST"]


def test_markers_merge_and_the_nearest_one_wins_for_each_argument(suite: Suite) -> None:
    """The order is module, base class, class, outer and inner decorator, pytest.param."""
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
    assert launches(suite) == [{"test.name": "Basic call"} | {f"step.0.0.{k}": v for k, v in names.items()}]


def test_the_nearest_target_replaces_the_others(suite: Suite) -> None:
    """If the class has project= and test_ids= and the function has test=, only the latter applies."""
    suite.write(
        "@marked(project='Nightly', test_ids=[1])\n"
        "class TestIt:\n"
        "    @marked(test='Basic call')\n"
        "    def test_call(self): pass\n"
    )
    suite.run().assert_outcomes(passed=1)
    assert launches(suite) == [{"test.name": "Basic call"}]


def test_a_template_uses_the_parameters_of_the_test(suite: Suite) -> None:
    """A template of one field keeps its type, fields can have keys, and doubled braces are literal."""
    suite.write(
        "@marked(test='{row[test]}', step_1_0_dial_destination='+{row[number]}', step_1_0_max_total_calls='{calls}',\n"
        "        step_1_0_note='{{{calls}}}')\n"
        "@pytest.mark.parametrize('calls', [3])\n"
        "@pytest.mark.parametrize('row', [{'test': 'Basic call', 'number': '43'}])\n"
        "def test_call(row, calls): pass\n"
    )
    suite.run().assert_outcomes(passed=1)
    assert launches(suite) == [
        {
            "test.name": "Basic call",
            "step.1.0.dial_destination": "+43",
            "step.1.0.max_total_calls": 3,
            "step.1.0.note": "{3}",
        }
    ]


def test_params_can_have_any_key(suite: Suite) -> None:
    """The key is sent without a change."""
    suite.write("@marked(test='Basic call', params={'any.key_of': 1, 'report.mode': 'full'})\ndef test_call(): pass\n")
    suite.run().assert_outcomes(passed=1)
    assert launches(suite) == [{"test.name": "Basic call", "any.key_of": 1, "report.mode": "full"}]


def test_the_report_mode_of_the_marker_wins_over_the_option(suite: Suite) -> None:
    """The option applies to all other tests."""
    suite.write(
        "@marked(test='Basic call')\ndef test_a(): pass\n"
        "@marked(test='Basic call', report_mode='print')\ndef test_b(): pass\n"
    )
    suite.run("--sipfront-report-mode=kiosk").assert_outcomes(passed=2)
    assert [body["report.mode"] for body in launches(suite)] == ["kiosk", "print"]
    assert "/kiosk/" in suite.report("test_a").properties["sipfront.report_url"]


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


def test_an_invalid_marker_is_a_collection_error(suite: Suite) -> None:
    """It names the invalid value, the valid ones and the nearest argument. Nothing is launched."""
    for number, (words, _) in enumerate(MISTAKES.values()):
        suite.write(f"@marked({words})\ndef test_call(): pass\n", name=f"test_{number}")
    suite.write("@marked(test='Basic call')\ndef test_call(): pass\n", name="test_valid")
    result = suite.run()
    result.assert_outcomes(errors=len(MISTAKES))
    errors = dict(
        line.split("::test_call: @pytest.mark.sipfront: ") for line in result.outlines if "::test_call: " in line
    )
    missing = {
        name: part
        for number, (name, (_, parts)) in enumerate(MISTAKES.items())
        for part in parts
        if part not in errors[f"test_{number}.py"]
    }
    assert not missing, errors
    assert "Traceback" not in result.stdout.str()
    assert suite.lab.counts["requests"] == 0


def test_a_template_with_an_unknown_parameter_shows_the_nearest_one(suite: Suite) -> None:
    """The error lists all parameters of the test."""
    suite.write(
        "@marked(test='Basic call', step_1_0_dial_destination='{destinaton}')\n"
        "@pytest.mark.parametrize(('destination', 'codec'), [('1', 'opus')])\n"
        "def test_call(destination, codec): pass\n"
    )
    result = suite.run()
    result.stdout.fnmatch_lines(["*did you mean 'destination'? (parameters of the test: destination, codec; *"])


@pytest.mark.slow
def test_an_invalid_marker_is_a_collection_error_with_workers_too(suite: Suite) -> None:
    """There is no internal error and no launch."""
    suite.write("@marked(tset='Basic call')\ndef test_call(): pass\n")
    result = suite.run_in_subprocess("-n2")
    assert "did you mean 'test'?" in result.stdout.str()
    assert "INTERNALERROR" not in result.stdout.str()
    assert suite.lab.counts["requests"] == 0


def test_a_marker_can_be_added_in_a_hook(suite: Suite) -> None:
    """pytest_collection_modifyitems adds it to an item."""
    suite.pytester.makeconftest(
        "import pytest\n"
        "def pytest_collection_modifyitems(items):\n"
        "    for item in items:\n"
        "        item.add_marker(pytest.mark.sipfront(test='Basic call'))\n"
    )
    suite.write("def test_call(): pass\n")
    suite.run().assert_outcomes(passed=1)
    assert suite.lab.launches == 1


def test_a_marked_item_that_is_not_a_function_is_an_error(suite: Suite) -> None:
    """Such an item cannot have a run, so it must not pass."""
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


def test_a_method_of_a_unittest_class_can_be_marked(suite: Suite) -> None:
    """The verdict of its run is the outcome of the test."""
    suite.configure("tests: {Basic call: {takes: 0.02, verdict: failed, description: 486 Busy Here}}\n")
    suite.write(
        "import unittest\n"
        "class TestIt(unittest.TestCase):\n"
        "    @marked(test='Basic call')\n"
        "    def test_call(self): pass\n"
    )
    suite.run().assert_outcomes(failed=1)
    assert suite.lab.launches == 1


def test_sipfront_run_requires_the_marker(suite: Suite) -> None:
    """An unmarked test has no run."""
    suite.write("def test_call(sipfront_run): pass\n")
    result = suite.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the test has no @pytest.mark.sipfront(test=...)*"])


def test_the_marker_is_registered_with_its_signature(suite: Suite) -> None:
    """--markers shows the signature, and --strict-markers accepts the marker."""
    result = suite.run("--markers", "--strict-markers")
    result.stdout.fnmatch_lines(["@pytest.mark.sipfront(test=None, project=None, *"])
