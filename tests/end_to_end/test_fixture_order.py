"""The run starts when everything else of its test is ready."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

FIXTURES = """
import pytest, urllib.request, json, os
def launches():
    with urllib.request.urlopen(os.environ["LAB_URL"] + "/lab/counts") as answer:
        return json.load(answer)["launches"]
def _note(name, count):
    with open("order.txt", "a") as file:
        file.write(f"{name} {count}\\n")
@pytest.fixture(scope="module")
def pbx():
    _note("pbx", launches()); yield; _note("pbx down", launches())
@pytest.fixture
def route():
    _note("route", launches()); yield; _note("route down", launches())
@pytest.fixture(autouse=True)
def always():
    _note("always", launches())
@pytest.fixture
def minutes(sipfront_run):
    _note("minutes", launches()); return sipfront_run.duration / 60
@pytest.fixture
def cost(minutes):
    _note("cost", launches()); return minutes
"""


@pytest.fixture
def noted(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A suite whose fixtures note how many launches the platform had seen when they were set up and torn down."""
    monkeypatch.setenv("LAB_URL", suite.lab.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    suite.pytester.makeconftest(FIXTURES)
    return suite


def order(suite: Suite) -> list[str]:
    return (suite.pytester.path / "order.txt").read_text().splitlines()


@pytest.mark.parametrize(
    "arguments",
    ["sipfront_run, route, pbx", "route, sipfront_run, pbx", "pbx, route, sipfront_run", "pbx, route"],
)
def test_the_run_starts_after_every_other_fixture_wherever_it_stands(noted: Suite, arguments: str) -> None:
    """A fixture may prepare the PBX: it is set up before the launch and torn down after the verdict."""
    noted.write(f"@marked(test='Basic call')\ndef test_call({arguments}): pass\n")
    noted.run().assert_outcomes(passed=1)
    lines = order(noted)
    assert sorted(lines[:3]) == ["always 0", "pbx 0", "route 0"]
    assert lines[3:] == ["route down 1", "pbx down 1"]


def test_fixtures_used_by_name_only_are_set_up_before_the_run(noted: Suite) -> None:
    """usefixtures counts as an argument."""
    noted.write("@pytest.mark.usefixtures('route')\n@marked(test='Basic call')\ndef test_call(sipfront_run): pass\n")
    noted.run().assert_outcomes(passed=1)
    assert "route 0" in order(noted)


def test_a_fixture_that_asks_for_the_run_is_set_up_after_it_and_all_others_before(noted: Suite) -> None:
    """Only what builds on the run, directly or not, comes after it."""
    noted.write("@marked(test='Basic call')\ndef test_call(cost, route, minutes): pass\n")
    noted.run().assert_outcomes(passed=1)
    assert order(noted) == ["always 0", "route 0", "minutes 1", "cost 1", "route down 1"]


def test_nothing_is_launched_when_another_fixture_fails(noted: Suite) -> None:
    """A broken preparation costs no run."""
    noted.write(
        "@pytest.fixture\ndef broken(): raise OSError('no PBX')\n"
        "@marked(test='Basic call')\ndef test_call(sipfront_run, broken): pass\n"
    )
    noted.run().assert_outcomes(errors=1)
    assert noted.lab.launches == 0


def test_nothing_is_launched_for_a_skipped_test(noted: Suite) -> None:
    """Neither skip, skipif, xfail(run=False) nor a skipping fixture costs a run."""
    noted.write(
        "@pytest.mark.skip\n@marked(test='Basic call')\ndef test_a(): pass\n"
        "@pytest.mark.skipif(True, reason='no')\n@marked(test='Basic call')\ndef test_b(): pass\n"
        "@pytest.mark.xfail(run=False)\n@marked(test='Basic call')\ndef test_c(): pass\n"
        "@pytest.fixture\ndef skipping(): pytest.skip('not today')\n"
        "@marked(test='Basic call')\ndef test_d(sipfront_run, skipping): pass\n"
    )
    noted.run().assert_outcomes(skipped=3, xfailed=1)
    assert noted.lab.launches == 0


def test_the_parameters_of_one_function_do_not_share_their_order(noted: Suite) -> None:
    """Items of one parametrized function, of which some are marked: the others stay as they were."""
    noted.write(
        "@pytest.mark.parametrize('x', [pytest.param(1, marks=marked(test='Basic call')), 2])\n"
        "def test_call(x, route): pass\n"
    )
    noted.run().assert_outcomes(passed=2)
    assert noted.lab.launches == 1


def test_async_tests_can_be_marked(suite: Suite) -> None:
    """The wait happens in the setup, outside of any event loop of the test's own."""
    suite.write(
        "@marked(test='Basic call')\n@pytest.mark.anyio\n"
        "async def test_call(sipfront_run): assert sipfront_run.passed\n"
        "@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n"
    )
    suite.run().assert_outcomes(passed=1)
