"""Suite files in pytest's collection: a file is a module, and each of its tests a function with markers.

Therefore everything that works for tests in Python works for them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from pytest_sipfront.extras import missing_extra
from pytest_sipfront.plugin.item_markers import CHECKS_MARKERS, VARIANT, VARIANT_ID
from pytest_sipfront.plugin.state import STATE

if TYPE_CHECKING:
    from pytest_sipfront.plugin.suite_tests import SuiteTest
    from pytest_sipfront.suites.variants import Variant


class SuiteFile(pytest.Module):
    """A `*.sipfront.yaml` file."""

    def collect(self) -> Iterator[pytest.Item]:
        """Return the tests of the file.

        Raises:
            CollectError: The file has mistakes, or the extra `suites` is not installed.
        """
        __tracebackhide__ = True
        if reason := missing_extra("suites", "a suite file"):
            raise self.CollectError(reason)
        from pytest_sipfront.plugin.suite_tests import read_tests  # noqa: PLC0415 - it imports the extra
        from pytest_sipfront.yaml_models import YamlFileError  # noqa: PLC0415

        root = self.config.rootpath if self.path.is_relative_to(self.config.rootpath) else self.path.parent
        try:
            tests = read_tests(self.path, root, **self.config.stash[STATE].settings.run_defaults)
        except YamlFileError as error:
            raise self.CollectError(str(error)) from None
        self.obj = ModuleType(self.name)
        self.stash[CHECKS_MARKERS] = True
        return (item for test in tests for item in self._items(test))

    def _items(self, test: SuiteTest) -> Iterator[pytest.Item]:
        """Yield the items of a test.

        pytest makes the first one, with the parameters of its fixtures. The variants are copies of it: this takes less
        time and memory than parametrization, and pytest would escape their ids.
        """
        setattr(self.obj, test.name, test.function)
        items = self.ihook.pytest_pycollect_makeitem(collector=self, name=test.name, obj=test.function)
        if test.variants is None:
            yield from items
            return
        for variant in test.variants:
            yield from (self._variant(item, variant) for item in items)

    def _variant(self, item: pytest.Function, variant: Variant) -> pytest.Function:
        """Return a copy of `item` with the id of the variant."""
        ids = [variant.id if part == VARIANT_ID else part for part in item.callspec._idlist]  # noqa: SLF001
        callspec = dataclasses.replace(item.callspec, _idlist=ids)
        function: pytest.Function = pytest.Function.from_parent(
            self,
            name=f"{item.originalname}[{callspec.id}]",
            originalname=item.originalname,
            callspec=callspec,
            fixtureinfo=item._fixtureinfo,  # noqa: SLF001
        )
        function.stash[VARIANT] = variant
        return function
