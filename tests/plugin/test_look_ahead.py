from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import pytest

from pytest_sipfront.plugin.look_ahead import LookAhead

Ready = Callable[..., list[tuple[str, str]]]


class _Probe:
    """Queries look-ahead at the end of each setup, as the plugin does."""

    def __init__(self) -> None:
        self.ready: list[tuple[str, str]] = []
        self._look_ahead: LookAhead | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if self._look_ahead is None:
            items = item.session.items
            self._look_ahead = LookAhead(items, (other for other in items if isinstance(other, pytest.Function)))
        self.ready.append((item.name, "+".join(other.name for other in self._look_ahead.ready(item))))


@pytest.fixture
def ready(pytester: pytest.Pytester) -> Ready:
    """Run tests from source. Return each test whose setup made others ready, with the names of those."""

    def run(source: str = "", *args: str, **files: str) -> list[tuple[str, str]]:
        pytester.makepyfile(**({"test_it": "import pytest\n" + dedent(source)} if source else {}), **files)
        probe = _Probe()
        result = pytester.inline_run("-p", "no:randomly", "-p", "no:cacheprovider", *args, plugins=[probe])
        assert result.ret in {0, 1}
        return [(name, others) for name, others in probe.ready if others]

    return run


def test_tests_without_fixtures_are_ready_at_once(ready: Ready) -> None:
    """All tests after the first one are ready. Fixtures of pytest itself do not matter."""
    assert ready(
        """
        def test_a(): ...
        def test_b(tmp_path, request): ...
        def test_c(monkeypatch): ...
        """
    ) == [("test_a", "test_b+test_c")]


def test_a_test_with_a_function_scoped_fixture_is_never_ready(ready: Ready) -> None:
    """Such a fixture runs in the setup of its test, requested or autouse."""
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
def test_a_test_that_may_be_skipped_is_never_ready(ready: Ready, mark: str) -> None:
    """pytest decides about skips in the setup. A test that is expected to fail does run."""
    assert ready(
        f"""
        def test_a(): ...
        @pytest.mark.{mark}
        def test_b(): ...
        @pytest.mark.xfail
        def test_c(): ...
        """
    ) == [("test_a", "test_c")]


def test_a_wider_fixture_makes_its_tests_ready_once_it_is_set_up(ready: Ready) -> None:
    """Before that, it may still configure the path of the calls."""
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


def test_all_wider_fixtures_must_be_set_up(ready: Ready) -> None:
    """The last one makes the test ready."""
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


def test_a_class_fixture_is_set_up_for_one_class_only(ready: Ready) -> None:
    """It is torn down after its class and set up again for the next one."""
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


def test_a_module_fixture_of_several_modules_is_set_up_for_each(ready: Ready) -> None:
    """A fixture of a conftest.py has one definition for all modules."""
    tests = "def test_{0}(pbx): ...\ndef test_{1}(pbx): ...\n"
    assert ready(
        conftest="import pytest\n@pytest.fixture(scope='module')\ndef pbx(): ...",
        test_one=tests.format("a", "b"),
        test_two=tests.format("c", "d"),
    ) == [("test_a", "test_b"), ("test_c", "test_d")]


def test_a_package_fixture_is_set_up_for_one_package_only(ready: Ready, pytester: pytest.Pytester) -> None:
    """A session fixture stays set up for all packages."""
    for name in ("one", "two"):
        package = pytester.mkpydir(name)
        (package / "conftest.py").write_text("import pytest\n@pytest.fixture(scope='package')\ndef pbx(): ...")
        (package / f"test_{name}.py").write_text(f"def test_{name}_a(pbx, all): ...\ndef test_{name}_b(pbx): ...")
    assert ready(conftest="import pytest\n@pytest.fixture(scope='session')\ndef all(): ...") == [
        ("test_one_a", "test_one_b"),
        ("test_two_a", "test_two_b"),
    ]


def test_a_parametrized_fixture_is_set_up_for_one_parameter(ready: Ready) -> None:
    """pytest sets it up again for the next parameter."""
    assert ready(
        """
        @pytest.fixture(scope="module", params=["x", "y"])
        def pbx(request): ...
        def test_a(pbx): ...
        def test_b(pbx): ...
        """
    ) == [("test_a[x]", "test_b[x]"), ("test_a[y]", "test_b[y]")]


@pytest.mark.parametrize("between", ["y", None])
def test_a_fixture_whose_parameter_changes_in_between_is_not_ready(ready: Ready, between: str | None) -> None:
    """A different order of tests tears the fixture down in between. None is a valid parameter."""
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


def test_parameters_are_compared_by_identity(ready: Ready) -> None:
    """Comparing arrays for equality returns an array without truth value."""
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


def test_a_failed_fixture_makes_no_test_ready(ready: Ready) -> None:
    """Its tests are errors and must not place calls."""
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


def test_a_unittest_with_set_up_is_never_ready(ready: Ready) -> None:
    """unittest calls `setUp` after all fixtures."""
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


def test_a_test_of_another_module_in_between_tears_a_fixture_down(ready: Ready) -> None:
    """A sorted session may interleave the tests of two modules."""
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


def test_an_overridden_fixture_must_be_set_up_too(ready: Ready) -> None:
    """An override may request the fixture that it overrides."""
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
