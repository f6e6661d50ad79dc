"""A run starts after all other fixtures of its test."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

FIXTURES = """
import pytest, urllib.request, json, os
def launch_count():
    headers = {"Authorization": "Bearer " + os.environ["SIPFRONT_LAB_TOKEN"]}
    with urllib.request.urlopen(urllib.request.Request(os.environ["LAB_URL"] + "/lab/counts", None, headers)) as answer:
        return json.load(answer)["launches"]
def _note(name, count):
    with open("order.txt", "a") as file:
        file.write(f"{name} {count}\\n")
@pytest.fixture(scope="module")
def pbx():
    _note("pbx", launch_count()); yield; _note("pbx down", launch_count())
@pytest.fixture
def route():
    _note("route", launch_count()); yield; _note("route down", launch_count())
@pytest.fixture(autouse=True)
def always():
    _note("always", launch_count())
@pytest.fixture
def minutes(sipfront_run):
    _note("minutes", launch_count()); return sipfront_run.duration / 60
@pytest.fixture
def cost(minutes):
    _note("cost", launch_count()); return minutes
"""


@pytest.fixture
def noted(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A suite whose fixtures write down how many launches the platform had received at their setup and teardown."""
    monkeypatch.setenv("LAB_URL", suite.lab.url)
    monkeypatch.setenv("SIPFRONT_LAB_TOKEN", suite.lab.token)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    suite.pytester.makeconftest(FIXTURES)
    return suite


def order(suite: Suite) -> list[str]:
    """The events that the fixtures wrote down."""
    return (suite.pytester.path / "order.txt").read_text().splitlines()


@pytest.mark.parametrize("arguments", ["sipfront_run, route, pbx", "route, sipfront_run, pbx", "pbx, route"])
def test_the_run_starts_after_all_other_fixtures(noted: Suite, arguments: str) -> None:
    """A fixture that prepares the PBX is set up before the launch and torn down after the verdict."""
    noted.write(f"@marked(test='Basic call')\ndef test_call({arguments}): pass\n")
    noted.run().assert_outcomes(passed=1)
    lines = order(noted)
    assert sorted(lines[:3]) == ["always 0", "pbx 0", "route 0"]
    assert lines[3:] == ["route down 1", "pbx down 1"]


def test_fixtures_of_usefixtures_are_set_up_before_the_run(noted: Suite) -> None:
    """They are not arguments of the test."""
    noted.write("@pytest.mark.usefixtures('route')\n@marked(test='Basic call')\ndef test_call(sipfront_run): pass\n")
    noted.run().assert_outcomes(passed=1)
    assert "route 0" in order(noted)


def test_fixtures_that_request_the_run_are_set_up_after_it(noted: Suite) -> None:
    """A fixture may request the run through another one. All other fixtures come before the run."""
    noted.write("@marked(test='Basic call')\ndef test_call(cost, route, minutes): pass\n")
    noted.run().assert_outcomes(passed=1)
    assert order(noted) == ["always 0", "route 0", "minutes 1", "cost 1", "route down 1"]


def test_no_run_is_launched_if_another_fixture_fails(noted: Suite) -> None:
    """The test has no run, because its preparation failed."""
    noted.write(
        "@pytest.fixture\ndef broken(): raise OSError('no PBX')\n"
        "@marked(test='Basic call')\ndef test_call(sipfront_run, broken): pass\n"
    )
    noted.run().assert_outcomes(errors=1)
    assert noted.lab.launches == 0


def test_no_run_is_launched_for_a_skipped_test(noted: Suite) -> None:
    """The reason is skip, skipif, xfail(run=False) or a fixture."""
    noted.write(
        "@pytest.mark.skip\n@marked(test='Basic call')\ndef test_a(): pass\n"
        "@pytest.mark.skipif(True, reason='no')\n@marked(test='Basic call')\ndef test_b(): pass\n"
        "@pytest.mark.xfail(run=False)\n@marked(test='Basic call')\ndef test_c(): pass\n"
        "@pytest.fixture\ndef skipping(): pytest.skip('not today')\n"
        "@marked(test='Basic call')\ndef test_d(sipfront_run, skipping): pass\n"
    )
    noted.run().assert_outcomes(skipped=3, xfailed=1)
    assert noted.lab.launches == 0


def test_one_parameter_of_a_function_can_be_marked(noted: Suite) -> None:
    """The fixture order of the other parameters does not change."""
    noted.write(
        "@pytest.mark.parametrize('x', [pytest.param(1, marks=marked(test='Basic call')), 2])\n"
        "def test_call(x, route): pass\n"
    )
    noted.run().assert_outcomes(passed=2)
    assert noted.lab.launches == 1


def test_async_tests_can_be_marked(suite: Suite) -> None:
    """The wait is in the setup, outside of the event loop of the test."""
    suite.write(
        "@marked(test='Basic call')\n@pytest.mark.anyio\n"
        "async def test_call(sipfront_run): assert sipfront_run.passed\n"
        "@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n"
    )
    suite.run().assert_outcomes(passed=1)
