"""What must not touch the network does not."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

MARKED = "@marked(test='Basic call')\ndef test_call(sipfront_run): pass\ndef test_plain(): pass\n"


@pytest.mark.parametrize(
    "option", ["--collect-only", "--setup-plan", "--setup-only", "-k=plain", "--deselect=test_it.py::test_call"]
)
def test_no_request_is_made(suite: Suite, option: str) -> None:
    """Discovery, plans and deselected tests cost nothing: the platform sees no request at all."""
    suite.write(MARKED)
    assert suite.run(option).ret == 0
    assert suite.lab.counts["requests"] == 0


def test_with_setup_only_fixtures_that_build_on_the_run_get_one_that_never_was(suite: Suite) -> None:
    """Fixtures are shown, nothing is launched, and nothing breaks for want of a run."""
    suite.write(
        "@pytest.fixture\ndef minutes(sipfront_run): return sipfront_run.duration / 60\n"
        "@marked(test='Basic call')\ndef test_call(minutes): pass\n"
    )
    result = suite.run("--setup-only")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*SETUP    F minutes (fixtures used: sipfront_run)*"])
    assert suite.lab.counts["requests"] == 0


def test_with_setup_only_an_imperative_launch_is_refused(suite: Suite) -> None:
    """A fixture that launches for itself does not launch either."""
    suite.write(
        "@pytest.fixture\ndef own(sipfront): return sipfront.run(test='Basic call')\ndef test_call(own): pass\n"
    )
    result = suite.run("--setup-only")
    result.stdout.fnmatch_lines(["*nothing is sent to the platform with --setup-only*"])
    assert suite.lab.counts["requests"] == 0


def test_a_module_that_cannot_be_collected_costs_no_run(suite: Suite) -> None:
    """A broken module ends the session before the first test of the others."""
    suite.write(MARKED)
    suite.write("import nonsense_that_is_not_there\n", name="test_other")
    suite.run().assert_outcomes(errors=1)
    assert suite.lab.counts["requests"] == 0


@pytest.mark.parametrize("option", ["--collect-only", "-k=plain"])
def test_the_lab_is_not_started_when_nothing_is_run(suite: Suite, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab that no marked test asks for is no process."""
    suite.write(MARKED)

    def refuse(*_: object) -> None:
        raise AssertionError("a lab was started")

    monkeypatch.setattr("pytest_sipfront.lab.process.start_lab", refuse)
    result = suite.pytester.runpytest_inprocess("--sipfront-lab", option)
    assert result.ret == 0
