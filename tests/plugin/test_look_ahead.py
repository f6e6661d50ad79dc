from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import pytest

from pytest_sipfront.plugin.look_ahead import LookAhead

Ready = Callable[..., list[tuple[str, str]]]


class _Watch:
    """Asks, at the end of each test's setup, which tests' runs may start: what the plugin asks in its own place."""

    def __init__(self) -> None:
        self.ready: list[tuple[str, str]] = []
        self._ahead: LookAhead | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if self._ahead is None:
            items = item.session.items
            self._ahead = LookAhead(items, (one for one in items if isinstance(one, pytest.Function)))
        found = "+".join(one.name for one in self._ahead.ready(item))
        self.ready.append((item.name, found))


@pytest.fixture
def ready(pytester: pytest.Pytester) -> Ready:
    """Run tests from source, and return which were ready at each one's setup: those that are all listed once."""

    def run(source: str = "", *args: str, **files: str) -> list[tuple[str, str]]:
        pytester.makepyfile(**({"test_it": "import pytest\n" + dedent(source)} if source else {}), **files)
        watch = _Watch()
        result = pytester.inline_run("-p", "no:randomly", "-p", "no:cacheprovider", *args, plugins=[watch])
        assert result.ret in {0, 1}
        return [(name, found) for name, found in watch.ready if found]

    return run


def test_tests_that_need_nothing_are_ready_at_once(ready: Ready) -> None:
    """All behind the first, in their order; pytest's own fixtures are no obstacle."""
    assert ready(
        """
        def test_a(): ...
        def test_b(tmp_path, request): ...
        def test_c(monkeypatch): ...
        """
    ) == [("test_a", "test_b+test_c")]


def test_a_test_with_a_function_fixture_of_its_own_is_never_ready(ready: Ready) -> None:
    """What it prepares, it prepares in that test's setup; autouse or not."""
    assert ready(
        """
        @pytest.fixture
        def own(): ...
        class TestAutouse:
            @pytest.fixture(autouse=True)
            def prepare(self): ...
            def test_a(self): ...
            def test_b(self): ...
        class TestMethods:
            def setup_method(self): ...
            def test_c(self): ...
            def test_d(self): ...
        def test_e(own): ...
        def test_f(): ...
        """
    ) == [("test_a", "test_f")]


@pytest.mark.parametrize(
    "mark", ["skip", "skipif(False, reason='')", "xfail(run=False)"], ids=["skip", "skipif", "xfail"]
)
def test_a_test_that_may_not_run_is_never_ready(ready: Ready, mark: str) -> None:
    """pytest decides in its setup; a test that is expected to fail does run."""
    assert ready(
        f"""
        def test_a(): ...
        @pytest.mark.{mark}
        def test_b(): ...
        @pytest.mark.xfail
        def test_c(): ...
        """
    ) == [("test_a", "test_c")]


def test_a_wider_fixture_makes_its_tests_ready_once_it_is_up(ready: Ready) -> None:
    """Not before: it may configure what the calls go through."""
    assert ready(
        """
        @pytest.fixture(scope="module")
        def pbx(): ...
        def test_a(): ...
        def test_b(): ...
        def test_c(pbx): ...
        def test_d(pbx): ...
        def test_e(pbx): ...
        """
    ) == [("test_a", "test_b"), ("test_c", "test_d+test_e")]


def test_all_wider_fixtures_have_to_be_up(ready: Ready) -> None:
    """The last of them decides."""
    assert (
        ready(
            """
        @pytest.fixture(scope="module")
        def pbx(): ...
        @pytest.fixture(scope="session")
        def trunk(): ...
        def test_a(pbx): ...
        def test_b(pbx, trunk): ...
        def test_c(trunk): ...
        def test_d(trunk, pbx): ...
        """
        )
        == [("test_a", ""), ("test_b", "test_c+test_d")][1:]
    )


def test_a_class_fixture_is_up_for_its_class_only(ready: Ready) -> None:
    """It is torn down behind it, and set up anew for the next: each class in its turn."""
    assert ready(
        """
        @pytest.fixture(scope="class")
        def line(): ...
        class TestA:
            def test_a(self, line): ...
            def test_b(self, line): ...
        class TestB:
            def test_c(self, line): ...
            def test_d(self, line): ...
        """
    ) == [("test_a", "test_b"), ("test_c", "test_d")]


def test_a_module_fixture_of_many_modules_counts_for_each_in_its_turn(ready: Ready) -> None:
    """One definition in a conftest.py, set up anew for each module."""
    tests = "def test_{0}(pbx): ...\ndef test_{1}(pbx): ...\n"
    assert ready(
        conftest="import pytest\n@pytest.fixture(scope='module')\ndef pbx(): ...",
        test_one=tests.format("a", "b"),
        test_two=tests.format("c", "d"),
    ) == [("test_a", "test_b"), ("test_c", "test_d")]


def test_a_package_fixture_is_up_for_its_package_only(ready: Ready, pytester: pytest.Pytester) -> None:
    """And a session fixture for all."""
    for name in ("one", "two"):
        package = pytester.mkpydir(name)
        (package / "conftest.py").write_text("import pytest\n@pytest.fixture(scope='package')\ndef pbx(): ...")
        (package / f"test_{name}.py").write_text(f"def test_{name}_a(pbx, all): ...\ndef test_{name}_b(pbx): ...")
    assert ready(conftest="import pytest\n@pytest.fixture(scope='session')\ndef all(): ...") == [
        ("test_one_a", "test_one_b"),
        ("test_two_a", "test_two_b"),
    ]


def test_a_parametrized_fixture_counts_for_its_value_of_now(ready: Ready) -> None:
    """pytest sets it up anew for the next."""
    assert ready(
        """
        @pytest.fixture(scope="module", params=["x", "y"])
        def pbx(request): ...
        def test_a(pbx): ...
        def test_b(pbx): ...
        """
    ) == [("test_a[x]", "test_b[x]"), ("test_a[y]", "test_b[y]")]


@pytest.mark.parametrize("between", ["y", None])
def test_a_parametrized_fixture_that_changes_between_is_not_kept(ready: Ready, between: str | None) -> None:
    """Also where None is one of its values: another order tears it down and sets it up again."""
    conftest = """
        def pytest_collection_modifyitems(items):
            items.sort(key=lambda item: item.name)
    """
    assert (
        ready(
            f"""
        @pytest.fixture(scope="module", params=["x", {between!r}], ids=["x", "y"])
        def pbx(request): ...
        @pytest.mark.parametrize("pbx", ["x"], indirect=True, ids=["1"])
        def test_a(pbx): ...
        @pytest.mark.parametrize("pbx", [{between!r}], indirect=True, ids=["2"])
        def test_b(pbx): ...
        @pytest.mark.parametrize("pbx", ["x"], indirect=True, ids=["3"])
        def test_c(pbx): ...
        """,
            conftest=conftest,
        )
        == []
    )


def test_parameters_that_compare_oddly_are_no_obstacle(ready: Ready) -> None:
    """An array's comparison is an array, whose truth nobody knows."""
    assert ready(
        """
        class Odd:
            def __eq__(self, other): raise ValueError("ambiguous")
            __hash__ = None
        odd = Odd()
        @pytest.fixture(scope="module", params=[odd], ids=["odd"])
        def pbx(request): ...
        def test_a(pbx): ...
        def test_b(pbx): ...
        def test_c(pbx): ...
        """
    ) == [("test_a[odd]", "test_b[odd]+test_c[odd]")]


def test_a_fixture_that_failed_makes_nothing_ready(ready: Ready) -> None:
    """Its tests are errors, and none of their calls is to be placed."""
    assert ready(
        """
        @pytest.fixture(scope="module")
        def pbx(): raise OSError
        def test_a(pbx): ...
        def test_b(pbx): ...
        def test_c(): ...
        def test_d(): ...
        """
    ) == [("test_c", "test_d")]


def test_a_unittest_with_its_own_setup_is_never_ready(ready: Ready) -> None:
    """unittest calls it after all fixtures."""
    assert (
        ready(
            """
        import unittest
        class TestA(unittest.TestCase):
            def setUp(self): ...
            def test_a(self): ...
            def test_b(self): ...
        """
        )
        == []
    )


def test_another_scope_between_tears_a_fixture_down(ready: Ready) -> None:
    """Tests of one module, taken apart by an order of the user's."""
    conftest = """
        def pytest_collection_modifyitems(items):
            items.sort(key=lambda item: item.name)
    """
    module = "import pytest\n@pytest.fixture(scope='module')\ndef pbx(): ...\n"
    assert ready(
        conftest=conftest,
        test_one=module + "def test_a(pbx): ...\ndef test_c(pbx): ...\ndef test_d(pbx): ...",
        test_two="def test_b(): ...",
    ) == [("test_a", "test_b"), ("test_c", "test_d")]


def test_what_a_fixture_asks_of_one_that_it_overrides_counts_as_well(ready: Ready) -> None:
    """Both are set up before the run."""
    assert ready(
        """
        @pytest.fixture(scope="module")
        def pbx(pbx): ...
        def test_a(): ...
        def test_b(pbx): ...
        def test_c(pbx): ...
        """,
        conftest="import pytest\n@pytest.fixture(scope='session')\ndef pbx(): ...",
    ) == [("test_b", "test_c")]
