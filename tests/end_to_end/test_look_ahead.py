"""A run starts ahead only when everything that its test needs is true already: fixtures keep what they promise."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.suite import Suite

HEAD = """
import json, time, pathlib
LOG = pathlib.Path(__file__).parent / "events.jsonl"
def note(what):
    with LOG.open("a") as log:
        log.write(json.dumps([time.monotonic(), what]) + "\\n")
"""
PLATFORM = "tests:\n  Basic call: {takes: 0.8}\n"  # long enough to launch all others meanwhile, on a busy machine, too


class Order:
    """What a suite's fixtures noted, and when the lab was asked to launch, on one clock."""

    def __init__(self, suite: Suite) -> None:
        began = suite.lab.counts["started"]
        noted = [json.loads(line) for line in (suite.pytester.path / "events.jsonl").read_text().splitlines()]
        launches = [
            (began + run["started"], f"launch {run['overrides'].get('step.1.0.dial_destination', '')}".strip())
            for run in suite.lab.runs
        ]
        self.events = [what for _, what in sorted([*((at, what) for at, what in noted), *launches])]

    def before(self, first: str, second: str) -> bool:
        """Whether one thing was before another."""
        return self.events.index(first) < self.events.index(second)

    def launches_between(self, first: str, second: str) -> list[str]:
        """The launches between two things."""
        between = self.events[self.events.index(first) : self.events.index(second)]
        return [event for event in between if event.startswith("launch")]


def run(suite: Suite, code: str, *options: str, **outcomes: int) -> Order:
    suite.configure(PLATFORM)
    suite.write(HEAD + code)
    suite.run("--sipfront-concurrency=20", *options).assert_outcomes(**outcomes)
    return Order(suite)


CALLS = """
@pytest.mark.parametrize("n", ["1", "2", "3"])
@marked(test="Basic call", step_1_0_dial_destination="{n}")
def test_call(n, pbx): note(f"body {n}")
"""


def fixture(scope: str, name: str = "pbx", options: str = "") -> str:
    return f"""
@pytest.fixture(scope="{scope}"{options})
def {name}():
    note("up {name}")
    yield
    note("down {name}")
"""


@pytest.mark.parametrize("scope", ["module", "package", "session"])
def test_a_wider_fixture_is_set_up_once_and_then_all_its_calls_start_together(suite: Suite, scope: str) -> None:
    """A PBX that is configured for a module is configured before its first call, until after its last."""
    order = run(suite, fixture(scope) + CALLS, passed=3)
    assert order.events[0] == "up pbx"
    assert order.events[-1] == "down pbx"
    assert order.launches_between("up pbx", "body 1") == ["launch 1", "launch 2", "launch 3"]


def test_a_class_fixture_holds_the_calls_of_its_class_only(suite: Suite) -> None:
    """Those of the next class wait for their own."""
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


def test_a_function_fixture_keeps_its_tests_run_to_its_own_setup(suite: Suite) -> None:
    """What it prepares is there before the launch and there until after the test, call by call."""
    order = run(suite, fixture("function") + CALLS, passed=3)
    one = ["up pbx", "launch {}", "body {}", "down pbx"]
    assert order.events == [event.format(n) for n in (1, 2, 3) for event in one]


def test_a_fixture_that_follows_from_nothing_but_the_parametrization_holds_nothing_back(suite: Suite) -> None:
    """Nor do pytest's own fixtures and ours."""
    code = """
@pytest.mark.parametrize("n", ["1", "2", "3"])
@marked(test="Basic call", step_1_0_dial_destination="{n}")
def test_call(n, tmp_path, monkeypatch, caplog, sipfront, sipfront_run): note(f"body {n}")
"""
    order = run(suite, code, passed=3)
    assert order.events[:3] == ["launch 1", "launch 2", "launch 3"]


def test_a_fixture_that_asks_for_the_run_holds_nothing_back(suite: Suite) -> None:
    """It is set up after the run in any case."""
    code = """
@pytest.fixture
def checked(sipfront_run): return sipfront_run.passed
@pytest.mark.parametrize("n", ["1", "2", "3"])
@marked(test="Basic call", step_1_0_dial_destination="{n}")
def test_call(n, checked): note(f"body {n}")
"""
    assert run(suite, code, passed=3).events[:3] == ["launch 1", "launch 2", "launch 3"]


def test_an_autouse_fixture_counts_although_nobody_names_it(suite: Suite) -> None:
    """So does `setup_method`, which pytest turns into one."""
    code = fixture("function", options=", autouse=True") + CALLS.replace(", pbx", "")
    assert run(suite, code, passed=3).launches_between("launch 1", "body 1") == ["launch 1"]


@pytest.mark.parametrize(
    "method", ["def setup_function(): note('ready')", "def setup_module(): note('ready')"], ids=["function", "module"]
)
def test_setup_functions_are_fixtures_of_the_users(suite: Suite, method: str) -> None:
    """They are run before the launches that may depend on them."""
    order = run(suite, f"{method}\n" + CALLS.replace(", pbx", ""), passed=3)
    assert order.events[0] == "ready"
    per_test = "setup_function" in method
    assert order.launches_between("launch 1", "body 1") == (
        ["launch 1"] if per_test else ["launch 1", "launch 2", "launch 3"]
    )


def test_a_fixture_that_is_overridden_and_built_upon_counts_in_all_its_layers(suite: Suite) -> None:
    """A harmless outer layer does not hide a function-scoped one below it."""
    suite.pytester.makeconftest(
        "import pytest\n@pytest.fixture\ndef pbx():\n    from test_it import note\n"
        "    note('up pbx')\n    yield\n    note('down pbx')\n"
    )
    code = "@pytest.fixture\ndef pbx(pbx): return pbx\n" + CALLS
    order = run(suite, code, passed=3)
    assert order.launches_between("up pbx", "down pbx") == ["launch 1"]


def test_each_value_of_a_parametrized_wider_fixture_has_its_own_calls(suite: Suite) -> None:
    """pytest tears the first value down before it sets the second up: no call of the second starts before."""
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


def test_a_module_that_has_not_begun_waits_for_its_own_fixture(suite: Suite) -> None:
    """A fixture of another module of the same name is another fixture; tests that need none start at once."""
    suite.configure(PLATFORM)
    suite.write(HEAD + fixture("module") + CALLS, name="test_it")
    other = HEAD + fixture("module", "other") + CALLS.replace("pbx", "other").replace('"1", "2", "3"', '"7", "8"')
    suite.write(other, name="test_next")
    suite.write(HEAD + CALLS.replace(", pbx", "").replace('"1", "2", "3"', '"9"'), name="test_zero_needs")
    suite.run("--sipfront-concurrency=20").assert_outcomes(passed=6)
    order = Order(suite)
    assert order.launches_between("up pbx", "body 1") == ["launch 1", "launch 2", "launch 3", "launch 9"]
    assert order.before("down pbx", "launch 7")
    assert order.launches_between("up other", "body 7") == ["launch 7", "launch 8"]


def test_a_test_can_refuse_to_run_ahead(suite: Suite) -> None:
    """`look_ahead=False`, for what no fixture says."""
    order = run(suite, CALLS.replace(", pbx", "").replace('"{n}")', '"{n}", look_ahead=False)'), passed=3)
    assert order.events == [f"{what} {n}" for n in (1, 2, 3) for what in ("launch", "body")]


def test_with_one_place_nothing_runs_ahead(suite: Suite) -> None:
    """The default: each run in its own test's setup."""
    suite.configure(PLATFORM)
    suite.write(HEAD + CALLS.replace(", pbx", ""))
    suite.run().assert_outcomes(passed=3)
    assert Order(suite).events == [f"{what} {n}" for n in (1, 2, 3) for what in ("launch", "body")]
