"""Markers that are added late, misspelt or lost: the test has its run, or an error that names the reason."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

TWO_TESTS = "@marked(test='Basic call')\ndef test_good(): pass\ndef test_bad(): pass\ndef test_plain(): pass\n"
ADD_BAD_MARKER = (
    "import pytest\n"
    "def pytest_collection_modifyitems(items):\n"
    "    for item in items:\n"
    "        if item.name == 'test_bad': item.add_marker(pytest.mark.sipfront(tset='Basic call'))\n"
)
UNKNOWN = "unknown argument 'tset'; did you mean 'test'?"


# ---- markers of hooks and fixtures ------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--sipfront-concurrency=4",), ("--sipfront-check",)], ids=" ".join)
def test_an_invalid_marker_of_a_hook_is_the_error_of_its_test(suite: Suite, options: tuple[str, ...]) -> None:
    """Other tests keep their runs, with look-ahead and with a check of names, too."""
    suite.pytester.makeconftest(ADD_BAD_MARKER)
    suite.write(TWO_TESTS)
    suite.run(*options).assert_outcomes(passed=2, errors=1)
    assert UNKNOWN in suite.report("test_bad").message
    assert suite.lab.launches == 1


@pytest.mark.slow
def test_an_invalid_marker_of_a_hook_is_reported_by_workers(suite: Suite) -> None:
    """Each worker checks names before its first run."""
    suite.pytester.makeconftest(ADD_BAD_MARKER)
    suite.write(TWO_TESTS)
    suite.run_in_subprocess("-n2", "--sipfront-check").assert_outcomes(passed=2, errors=1)
    assert UNKNOWN in suite.report("test_bad").message


def test_the_plan_shows_an_invalid_marker_of_a_hook(suite: Suite) -> None:
    """The exit code is that of failed tests."""
    suite.pytester.makeconftest(ADD_BAD_MARKER)
    suite.write(TWO_TESTS)
    result = suite.run("--sipfront-plan")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["sipfront plan: 1 run, *", f"  test_it.py::test_bad: ERROR: *{UNKNOWN}*"])


LATE = "item.add_marker(pytest.mark.sipfront(test='Basic call'))"
HOOKS = {
    "last in the collection": f"@pytest.hookimpl(trylast=True)\ndef pytest_collection_modifyitems(items):\n"
    f"    for item in items: {LATE}\n",
    "after the collection": f"def pytest_collection_finish(session):\n    for item in session.items: {LATE}\n",
    "at the start of the setup": f"@pytest.hookimpl(tryfirst=True)\ndef pytest_runtest_setup(item): {LATE}\n",
    "in the setup": f"def pytest_runtest_setup(item): {LATE}\n",
    "in a fixture": f"@pytest.fixture(autouse=True)\ndef mark(request):\n    item = request.node\n    {LATE}\n",
}


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
@pytest.mark.parametrize("others", [True, False], ids=["with other runs", "alone"])
def test_a_late_marker_launches_a_run_or_is_an_error(suite: Suite, hook: str, others: bool) -> None:
    """A marked test never passes without a run."""
    suite.pytester.makeconftest("import pytest\n" + hook)
    suite.write("def test_call(): pass\n")
    if others:
        suite.write("@marked(test='Basic call')\ndef test_other(sipfront_run): pass\n", name="test_other")
    suite.run()
    report = suite.report("test_call")
    if report.outcome == "error":
        assert "the marker was added after the collection; add it in pytest_collection_modifyitems" in report.message
    assert suite.lab.launches == others + (report.outcome == "passed")


def test_the_last_hook_of_the_collection_may_add_markers(suite: Suite) -> None:
    """All hooks of `pytest_collection_modifyitems` are equal."""
    suite.pytester.makeconftest("import pytest\n" + HOOKS["last in the collection"])
    suite.write("def test_call(): pass\n")
    suite.run().assert_outcomes(passed=1)
    assert suite.lab.launches == 1


def test_a_fixture_that_replaces_sipfront_run_is_an_error(suite: Suite) -> None:
    """The test would pass without a run."""
    suite.write("@pytest.fixture\ndef sipfront_run(): pass\n@marked(test='Basic call')\ndef test_call(): pass\n")
    suite.run().assert_outcomes(errors=1)
    assert "another fixture is named sipfront_run" in suite.report("test_call").message


# ---- functools.partial ------------------------------------------------------------------------------------------

PARTIAL = "import functools\ndef call(n): pass\n"


@pytest.mark.parametrize(
    "code",
    [
        "pytestmark = marked(test='Basic call')\ntest_call = functools.partial(call, n=1)\n",
        "test_call = functools.partial(call, n=1)\ntest_call.pytestmark = [marked(test='Basic call')]\n",
    ],
    ids=["module", "attribute"],
)
def test_a_marked_partial_has_its_run(suite: Suite, code: str) -> None:
    """The failure is reported at the wrapped function."""
    suite.configure("tests: {Basic call: {takes: 0.02, verdict: failed, description: 486 Busy Here}}\n")
    suite.write(PARTIAL + code)
    result = suite.run()
    result.assert_outcomes(failed=1)
    assert suite.report("test_call").message == "486 Busy Here"
    assert "INTERNALERROR" not in result.stdout.str()


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("functools.partial(marked(test='Basic call')(call), n=1)", "functools.partial drops the markers of *"),
        (
            "marked(test='Basic call')(functools.partial(call, n=1))",
            "markers cannot be applied to a functools.partial object; *",
        ),
    ],
    ids=["marker before", "marker after"],
)
def test_a_partial_that_loses_its_marker_is_a_collection_error(suite: Suite, code: str, text: str) -> None:
    """Otherwise the test would pass without a run, or would not be collected."""
    suite.write(PARTIAL + f"test_call = {code}\n")
    result = suite.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*test_call: {text}assign them to its attribute pytestmark, as a list"])


# ---- misspelt markers -------------------------------------------------------------------------------------------

MISSPELT = {
    "argument of the marker": "@pytest.mark.sipfornt(test='Basic call')\ndef test_call(): pass\n",
    "override": "@pytest.mark.voice(step_1_0_dial_destination='1')\ndef test_call(): pass\n",
    "import of the package": "import pytest_sipfront\n@pytest.mark.sipfornt\ndef test_call(): pass\n",
    "import of a name": "from pytest_sipfront import RunFailed\n@pytest.mark.sipfornt\ndef test_call(): pass\n",
    "fixture": "@pytest.mark.sipfornt\ndef test_call(sipfront_run): pass\n",
    "class": "@pytest.mark.sip_front(test='Basic call')\nclass TestIt:\n    def test_call(self): pass\n",
    "module": "pytestmark = pytest.mark.sipfrnt(test='Basic call')\ndef test_call(): pass\n",
    "another marker": "@pytest.mark.sipfornt(timeout=3)\n@pytest.mark.sipfront(test='A')\ndef test_call(): pass\n",
    "parameter": "@pytest.mark.parametrize('n', [pytest.param(1, marks=pytest.mark.sipfornt(test='A'))])\n"
    "def test_call(n): pass\n",
}


@pytest.mark.parametrize("code", MISSPELT.values(), ids=MISSPELT)
def test_a_misspelt_marker_is_a_collection_error(suite: Suite, code: str) -> None:
    """Without --strict-markers, pytest only warns, and the test would pass without a run."""
    suite.pytester.makepyfile(test_it="import pytest\n" + code)
    result = suite.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_call*: unknown marker '*'; did you mean 'sipfront'?*"])
    assert suite.lab.counts["requests"] == 0


def test_a_misspelt_sift_marker_is_a_collection_error(suite: Suite) -> None:
    """Its arguments show what was meant."""
    suite.pytester.makepyfile("import pytest\n@pytest.mark.sfit(phone_number='+15550100')\ndef test_call(): pass\n")
    suite.run().stdout.fnmatch_lines(["*test_call: unknown marker 'sfit'; did you mean 'sift'?*"])


OTHER_MARKERS = {
    "registered": ("markers = sipfornt: of another plugin", "@pytest.mark.sipfornt(test='A')\n"),
    "other names": ("", "@pytest.mark.shift\n@pytest.mark.front\n@pytest.mark.upfront\n@pytest.mark.sipfornt\n"),
    "longer name": ("", "import pytest_sipfront\n@pytest.mark.sipfront_nightly\n"),
}


@pytest.mark.parametrize(("ini", "code"), OTHER_MARKERS.values(), ids=OTHER_MARKERS)
def test_other_markers_are_no_errors(suite: Suite, ini: str, code: str) -> None:
    """A marker is taken for a misspelt one only if the file uses names of the plugin."""
    suite.pytester.makeini(f"[pytest]\n{ini}\n")
    suite.pytester.makepyfile("import pytest\n" + code + "def test_call(): pass\n")
    suite.run().assert_outcomes(passed=1)


# ---- empty cells ------------------------------------------------------------------------------------------------


def test_an_empty_cell_is_a_collection_error_that_names_the_row(suite: Suite) -> None:
    """The platform would dial the default number of the test."""
    (suite.pytester.path / "numbers.csv").write_text("name,number\nA,43123101\nB,\nC, 43123102\n")
    suite.write(
        "import csv\n"
        "ROWS = [pytest.param(row, id=row['name']) for row in csv.DictReader(open('numbers.csv'))]\n"
        "@pytest.mark.parametrize('row', ROWS)\n"
        "@marked(test='Basic call', step_1_0_dial_destination='{row[number]}')\n"
        "def test_call(row): pass\n"
    )
    result = suite.run()
    result.assert_outcomes(errors=1)
    text = "step.1.0.dial_destination='{row[[]number]}' is empty (row={'name': 'B', 'number': ''})"
    result.stdout.fnmatch_lines([f"test_it.py::test_call[[]B[]]: @pytest.mark.sipfront: {text}"])
    assert suite.lab.counts["requests"] == 0


def test_mistakes_in_a_file_of_destinations_are_collection_errors_with_file_and_line(suite: Suite) -> None:
    """All of them are listed, at the line of the test module that reads the file."""
    path = suite.pytester.path / "numbers.csv"
    suite.write(
        "from pytest_sipfront import read_destinations\n"
        "@pytest.mark.parametrize('row', read_destinations('numbers.csv'))\n"
        "@marked(test='Basic call', step_1_0_dial_destination='{row[number]}')\n"
        "def test_call(row): assert row['note'] == 'x'\n"
    )
    path.write_text("name;number\nGraz;43123\n;43124\nGraz;n/a\n", encoding="utf-8-sig")
    result = suite.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "test_it.py:4: in <module>",
            "E   *ConfigurationError: numbers.csv:3: name is empty",
            "E   numbers.csv:4: duplicate name 'Graz', first used in line 2",
            "E   numbers.csv:4: number 'n/a' cannot be dialled; write digits *",
        ]
    )
    assert "tables.py" not in result.stdout.str()
    path.write_text('name;number;note\nGraz; 43123 ;x\n"Linz; south";43124;x\n', encoding="utf-8-sig")
    suite.run("-v").assert_outcomes(passed=2)
    assert suite.report("test_call[Graz]").properties["sipfront.override.step.1.0.dial_destination"] == "43123"
    assert suite.report("test_call[Linz; south]").outcome == "passed"


# ---- look-ahead -------------------------------------------------------------------------------------------------


def test_a_session_names_the_fixture_that_keeps_runs_from_starting_early(suite: Suite) -> None:
    """The plan, the line after the collection and the closing section name it."""
    suite.pytester.makeconftest("import pytest\n@pytest.fixture(autouse=True)\ndef database(): pass\n")
    suite.write(
        "@marked(test='Basic call')\ndef test_a(): pass\n"
        "class TestIt:\n    def setup_method(self): pass\n    @marked(test='Basic call')\n    def test_b(self): pass\n"
    )
    line = "2 of 2 runs cannot start before the setup of their tests: function-scoped fixture 'database' (conftest.py)"
    options = ("--sipfront-concurrency=4",)
    result = suite.run(*options)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([f"sipfront: {line}", "*2 runs: 2 passed*", line])
    suite.run(*options, "--sipfront-plan").stdout.fnmatch_lines(["sipfront plan: *", f"  {line}"])
    assert "cannot start before" not in suite.run().stdout.str()


def test_a_setup_method_is_named_like_in_the_source(suite: Suite) -> None:
    """pytest wraps such methods in fixtures with internal names."""
    suite.write(
        "import unittest\n"
        "class TestIt:\n    def setup_method(self): pass\n    @marked(test='Basic call')\n    def test_b(self): pass\n"
        "class TestOther(unittest.TestCase):\n    def setUp(self): pass\n"
        "    @marked(test='Basic call')\n    def test_c(self): pass\n"
    )
    result = suite.run("--sipfront-concurrency=4", "--sipfront-plan")
    result.stdout.fnmatch_lines(["*1 of 2 runs *: method 'setup_method'", "*1 of 2 runs *: method 'setUp'"])


def test_a_dependent_test_is_not_launched_ahead(suite: Suite) -> None:
    """pytest-dependency skips it in its setup if the other test did not pass."""
    pytest.importorskip("pytest_dependency")
    suite.configure(
        "tests:\n  Basic call: {takes: 0.02}\n  Busy: {takes: 0.02, verdict: failed, description: 486 Busy Here}\n"
    )
    suite.write(
        "@pytest.mark.dependency\n@marked(test='Busy')\ndef test_a(): pass\n"
        "@pytest.mark.dependency(depends=['test_a'])\n@marked(test='Basic call')\ndef test_b(): pass\n"
        "@pytest.mark.dependency\n@marked(test='Basic call')\ndef test_c(): pass\n"
        "@pytest.mark.dependency(depends=['test_c'])\n@marked(test='Basic call')\ndef test_d(): pass\n"
    )
    suite.run("--sipfront-concurrency=4").assert_outcomes(passed=2, failed=1, skipped=1)
    assert suite.lab.launches == 3
