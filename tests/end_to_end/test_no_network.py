"""Sessions that run no marked test send no request."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

MARKED = "@marked(test='Basic call')\ndef test_call(sipfront_run): pass\ndef test_plain(): pass\n"


@pytest.mark.parametrize(
    "option", ["--collect-only", "--setup-plan", "--setup-only", "-k=plain", "--deselect=test_it.py::test_call"]
)
def test_no_request_is_made(suite: Suite, option: str) -> None:
    """Neither the collection nor a deselected test uses the network."""
    suite.write(MARKED)
    assert suite.run(option).ret == 0
    assert suite.lab.counts["requests"] == 0


def test_setup_only_gives_fixtures_a_placeholder_for_the_run(suite: Suite) -> None:
    """Fixtures that request the run are set up, and no run is launched."""
    suite.write(
        "@pytest.fixture\ndef minutes(sipfront_run): return sipfront_run.duration / 60\n"
        "@marked(test='Basic call')\ndef test_call(minutes): pass\n"
    )
    result = suite.run("--setup-only")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*SETUP    F minutes (fixtures used: sipfront_run)*"])
    assert suite.lab.counts["requests"] == 0


def test_setup_only_rejects_launches_of_fixtures(suite: Suite) -> None:
    """The error names the option."""
    suite.write(
        "@pytest.fixture\ndef own(sipfront): return sipfront.run(test='Basic call')\ndef test_call(own): pass\n"
    )
    result = suite.run("--setup-only")
    result.stdout.fnmatch_lines(["*no run is launched with --setup-only*"])
    assert suite.lab.counts["requests"] == 0


def test_no_run_is_launched_after_a_collection_error(suite: Suite) -> None:
    """The session ends before the first test of the other modules."""
    suite.write(MARKED)
    suite.write("import nonsense_that_is_not_there\n", name="test_other")
    suite.run().assert_outcomes(errors=1)
    assert suite.lab.counts["requests"] == 0


@pytest.mark.parametrize("option", ["--collect-only", "-k=plain"])
def test_the_lab_is_not_started_without_a_marked_test(
    suite: Suite, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The option alone starts no process."""
    suite.write(MARKED)

    def refuse(*_: object) -> None:
        raise AssertionError("a lab was started")

    monkeypatch.setattr("pytest_sipfront.lab.process.start_lab", refuse)
    result = suite.pytester.runpytest_inprocess("--sipfront-lab", option)
    assert result.ret == 0
