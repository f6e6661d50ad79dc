"""The hooks that users implement: before a launch, and after a verdict."""

from __future__ import annotations

import re
from pathlib import Path

from tests.end_to_end.suite import Suite

PAGE = Path(__file__).parents[2] / "docs" / "many-runs.md"

LAB = "tests:\n  Basic call: {takes: 0.02}\n  Busy: {takes: 0.02, verdict: failed, description: 486 Busy Here}\n"
CALL = "@marked(test='Basic call', step_1_0_dial_destination='100')\ndef test_call(): pass\n"


def test_a_hook_can_change_the_run_spec(suite: Suite) -> None:
    """The report shows the overrides that were launched."""
    suite.configure(LAB)
    suite.write(CALL)
    suite.pytester.makeconftest(
        "import dataclasses\n"
        "def pytest_sipfront_before_launch(nodeid, request):\n"
        "    assert nodeid == 'test_it.py::test_call'\n"
        "    more = {**request.overrides, 'step.1.0.dial_destination': '0043' + '100'}\n"
        "    return dataclasses.replace(request, overrides=more)\n"
    )
    suite.run().assert_outcomes(passed=1)
    assert suite.lab.runs[0]["overrides"] == {"step.1.0.dial_destination": "0043100"}
    assert suite.report().properties["sipfront.override.step.1.0.dial_destination"] == "0043100"


def test_a_hook_can_veto_a_launch(suite: Suite) -> None:
    """Nothing is sent, and the test is an error with the reason of the hook. Runs launched ahead are no exception."""
    suite.configure(LAB)
    suite.write("@marked(test='Busy', expect='failed')\ndef test_first(): pass\n" + CALL)
    suite.pytester.makeconftest(
        "import pytest_sipfront\n"
        "def pytest_sipfront_before_launch(request):\n"
        "    if request.test == 'Basic call':\n"
        "        raise pytest_sipfront.LaunchVetoed('no calls to 100 at night')\n"
    )
    for option in ("--sipfront-concurrency=1", "--sipfront-concurrency=4"):
        result = suite.run(option)
        result.assert_outcomes(passed=1, errors=1)
        result.stdout.fnmatch_lines(["*LaunchVetoed: no calls to 100 at night"])
    assert suite.lab.counts["launch_requests"] == 2


def test_a_hook_sees_every_verdict(suite: Suite) -> None:
    """Of markers and of the `sipfront` fixture."""
    suite.configure(LAB)
    suite.write(
        CALL + "@marked(test='Busy')\ndef test_busy(): pass\n"
        "def test_body(sipfront):\n    sipfront.run(test='Busy', expect=None)\n"
    )
    suite.pytester.makeconftest(
        "def pytest_sipfront_after_verdict(nodeid, result):\n"
        "    with open('verdicts.txt', 'a') as f:\n"
        "        f.write(f'{nodeid} {result.verdict} {result.result_description}\\n')\n"
    )
    suite.run().assert_outcomes(passed=2, failed=1)
    assert (suite.pytester.path / "verdicts.txt").read_text().splitlines() == [
        "test_it.py::test_call passed ",
        "test_it.py::test_busy failed 486 Busy Here",
        "test_it.py::test_body failed 486 Busy Here",
    ]


def test_a_hook_of_a_directory_sees_the_tests_of_its_directory(suite: Suite) -> None:
    """This is how hooks of pytest for items work."""
    suite.configure(LAB)
    suite.pytester.mkpydir("inner")
    (suite.pytester.path / "inner" / "conftest.py").write_text(
        "import pytest_sipfront\ndef pytest_sipfront_before_launch(): raise pytest_sipfront.LaunchVetoed('inner')\n"
    )
    suite.write(CALL)
    (suite.pytester.path / "inner" / "test_inner.py").write_text(
        "import pytest\nmarked = pytest.mark.sipfront\n" + CALL
    )
    suite.run().assert_outcomes(passed=1, errors=1)


def test_the_conftest_block_of_the_docs_works(suite: Suite) -> None:
    """It changes one call, vetoes another and prints a verdict."""
    example = re.search(r"```python title=\"conftest.py\"\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    suite.configure(LAB)
    suite.pytester.makeconftest(example[1])
    suite.write(CALL + CALL.replace("'100'", "'0043100'").replace("test_call", "test_abroad"))
    result = suite.run("-s")
    result.assert_outcomes(passed=1, errors=1)
    assert suite.lab.runs[0]["overrides"]["step.0.0.regexpire"] == "600"
    result.stdout.fnmatch_lines(
        ["*test_it.py::test_call passed http*", "*LaunchVetoed: no calls abroad from this machine"]
    )
