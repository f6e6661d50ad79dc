"""A run is launched ahead only if all fixtures of its test that come before the run are already set up."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.suite import Suite

HEAD = """
import json, time, pathlib
LOG = pathlib.Path(__file__).parent / "events.jsonl"
def note(event):
    with LOG.open("a") as log:
        log.write(json.dumps([time.monotonic(), event]) + "\\n")
"""
LAB = "tests:\n  Basic call: {{takes: {seconds}}}\n"
LONG, SHORT = 0.8, 0.2
"""Seconds that a run takes. During a long one all others can be launched on a busy machine."""


class Order:
    """The events that fixtures and bodies wrote down, and the launches, in their order."""

    def __init__(self, suite: Suite) -> None:
        began = suite.lab.counts["started"]
        noted = [json.loads(line) for line in (suite.pytester.path / "events.jsonl").read_text().splitlines()]
        launches = [
            (began + run["started"], f"launch {run['overrides'].get('step.1.0.dial_destination', '')}".strip())
            for run in suite.lab.runs
        ]
        self.events = [event for _, event in sorted([*map(tuple, noted), *launches])]

    def before(self, first: str, second: str) -> bool:
        """Return whether an event was before another."""
        return self.events.index(first) < self.events.index(second)

    def launches_between(self, first: str, second: str) -> list[str]:
        """Return the launches between two events."""
        between = self.events[self.events.index(first) : self.events.index(second)]
        return [event for event in between if event.startswith("launch")]


def run(suite: Suite, code: str, passed: int, seconds: float = LONG) -> Order:
    """Run a test module with that many passed tests and return its events."""
    suite.configure(LAB.format(seconds=seconds))
    suite.write(HEAD + code)
    suite.run("--sipfront-concurrency=20").assert_outcomes(passed=passed)
    return Order(suite)


CALLS = """
@pytest.mark.parametrize("n", ["1", "2", "3"])
@marked(test="Basic call", step_1_0_dial_destination="{n}")
def test_call(n, pbx): note(f"body {n}")
"""


def fixture(scope: str, name: str = "pbx", options: str = "") -> str:
    """Return a fixture that writes down its setup and teardown."""
    return f"""
@pytest.fixture(scope="{scope}"{options})
def {name}():
    note("up {name}")
    yield
    note("down {name}")
"""


@pytest.mark.parametrize("scope", ["module", "session"])
def test_runs_start_together_after_a_fixture_of_wider_scope(suite: Suite, scope: str) -> None:
    """A PBX that is configured for a module has its configuration during all calls of the module."""
    order = run(suite, fixture(scope) + CALLS, passed=3)
    assert order.events[0] == "up pbx"
    assert order.events[-1] == "down pbx"
    assert order.launches_between("up pbx", "body 1") == ["launch 1", "launch 2", "launch 3"]


@pytest.mark.slow
def test_a_class_fixture_delays_only_the_runs_of_its_class(suite: Suite) -> None:
    """The runs of the next class wait for its fixture."""
    cls = """
class TestOne:
    @pytest.mark.parametrize("n", ["1", "2"])
    @marked(test="Basic call", step_1_0_dial_destination="{n}")
    def test_call(self, n, pbx): note(f"body {n}")
class TestTwo:
    @pytest.mark.parametrize("n", ["3", "4"])
    @marked(test="Basic call", step_1_0_dial_destination="{n}")
    def test_call(self, n, pbx): note(f"body {n}")
"""
    order = run(suite, fixture("class") + cls, passed=4)
    first_down = order.events.index("down pbx")
    second_up = order.events.index("up pbx", first_down)
    assert [e for e in order.events[:first_down] if e.startswith("launch")] == ["launch 1", "launch 2"]
    assert [e for e in order.events[second_up:] if e.startswith("launch")] == ["launch 3", "launch 4"]


def test_the_run_of_a_test_with_a_function_fixture_starts_in_its_setup(suite: Suite) -> None:
    """The fixture is set up before the launch and torn down after the test."""
    order = run(suite, fixture("function") + CALLS, passed=3, seconds=SHORT)
    events = ["up pbx", "launch {}", "body {}", "down pbx"]
    assert order.events == [event.format(n) for n in (1, 2, 3) for event in events]


def test_fixtures_without_an_effect_do_not_delay_a_run(suite: Suite) -> None:
    """These are parameters and the fixtures of pytest and of the plugin."""
    code = """
@pytest.mark.parametrize("n", ["1", "2", "3"])
@marked(test="Basic call", step_1_0_dial_destination="{n}")
def test_call(n, tmp_path, monkeypatch, caplog, sipfront, sipfront_run): note(f"body {n}")
"""
    order = run(suite, code, passed=3)
    assert order.events[:3] == ["launch 1", "launch 2", "launch 3"]


def test_a_fixture_that_requests_the_run_does_not_delay_it(suite: Suite) -> None:
    """It is set up after the run."""
    code = """
@pytest.fixture
def checked(sipfront_run): return sipfront_run.passed
@pytest.mark.parametrize("n", ["1", "2", "3"])
@marked(test="Basic call", step_1_0_dial_destination="{n}")
def test_call(n, checked): note(f"body {n}")
"""
    assert run(suite, code, passed=3).events[:3] == ["launch 1", "launch 2", "launch 3"]


def test_an_autouse_fixture_delays_a_run(suite: Suite) -> None:
    """The test does not name it."""
    code = fixture("function", options=", autouse=True") + CALLS.replace(", pbx", "")
    assert run(suite, code, passed=3, seconds=SHORT).launches_between("launch 1", "body 1") == ["launch 1"]


@pytest.mark.parametrize(
    "method", ["def setup_function(): note('ready')", "def setup_module(): note('ready')"], ids=["function", "module"]
)
def test_setup_functions_delay_a_run(suite: Suite, method: str) -> None:
    """pytest turns them into autouse fixtures."""
    per_test = "setup_function" in method
    order = run(suite, f"{method}\n" + CALLS.replace(", pbx", ""), passed=3, seconds=SHORT if per_test else LONG)
    assert order.events[0] == "ready"
    assert order.launches_between("launch 1", "body 1") == (
        ["launch 1"] if per_test else ["launch 1", "launch 2", "launch 3"]
    )


def test_all_layers_of_an_overridden_fixture_delay_a_run(suite: Suite) -> None:
    """The fixture of the module requests the one of the conftest that it overrides."""
    suite.pytester.makeconftest(
        "import pytest\n@pytest.fixture\ndef pbx():\n    from test_it import note\n"
        "    note('up pbx')\n    yield\n    note('down pbx')\n"
    )
    code = "@pytest.fixture\ndef pbx(pbx): return pbx\n" + CALLS
    order = run(suite, code, passed=3, seconds=SHORT)
    assert order.launches_between("up pbx", "down pbx") == ["launch 1"]


@pytest.mark.slow
def test_runs_wait_for_their_parameter_of_a_module_fixture(suite: Suite) -> None:
    """pytest tears down the first value before it sets up the second."""
    code = """
@pytest.fixture(scope="module", params=["a", "b"])
def trunk(request):
    note(f"up {request.param}")
    yield request.param
    note(f"down {request.param}")
@pytest.mark.parametrize("n", ["1", "2"])
@marked(test="Basic call", step_1_0_dial_destination="{trunk}{n}")
def test_call(n, trunk): note(f"body {trunk}{n}")
"""
    order = run(suite, code, passed=4)
    assert order.launches_between("up a", "down a") == ["launch a1", "launch a2"]
    assert order.launches_between("up b", "down b") == ["launch b1", "launch b2"]


@pytest.mark.slow
def test_runs_of_a_later_module_wait_for_its_fixture(suite: Suite) -> None:
    """Runs of a module without a fixture start at once."""
    suite.configure(LAB.format(seconds=LONG))
    suite.write(HEAD + fixture("module") + CALLS, name="test_it")
    other = HEAD + fixture("module", "other") + CALLS.replace("pbx", "other").replace('"1", "2", "3"', '"7", "8"')
    suite.write(other, name="test_next")
    suite.write(HEAD + CALLS.replace(", pbx", "").replace('"1", "2", "3"', '"9"'), name="test_zero_needs")
    suite.run("--sipfront-concurrency=20").assert_outcomes(passed=6)
    order = Order(suite)
    assert order.launches_between("up pbx", "body 1") == ["launch 1", "launch 2", "launch 3", "launch 9"]
    assert order.before("down pbx", "launch 7")
    assert order.launches_between("up other", "body 7") == ["launch 7", "launch 8"]


def test_look_ahead_can_be_disabled_for_a_test(suite: Suite) -> None:
    """`look_ahead=False` is for tests whose preparation is not a fixture."""
    order = run(
        suite, CALLS.replace(", pbx", "").replace('"{n}")', '"{n}", look_ahead=False)'), passed=3, seconds=SHORT
    )
    assert order.events == [f"{event} {n}" for n in (1, 2, 3) for event in ("launch", "body")]


def test_no_run_is_launched_ahead_by_default(suite: Suite) -> None:
    """The default concurrency is 1, so each run starts in the setup of its test."""
    suite.configure(LAB.format(seconds=SHORT))
    suite.write(HEAD + CALLS.replace(", pbx", ""))
    suite.run().assert_outcomes(passed=3)
    assert Order(suite).events == [f"{event} {n}" for n in (1, 2, 3) for event in ("launch", "body")]
