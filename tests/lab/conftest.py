from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_sipfront.lab.process import LabProcess, start_lab
from tests.lab.platform_client import Platform


@pytest.fixture(scope="session")
def lab_process() -> Iterator[LabProcess]:
    with start_lab() as lab:
        yield lab


@pytest.fixture
def lab(lab_process: LabProcess) -> Platform:
    """The running lab, with one quick test and one slow one until a test configures it otherwise."""
    platform = Platform(lab_process)
    platform.configure(
        """
        tests:
          Quick: {takes: 0}
          Slow: {takes: 60}
        """
    )
    return platform
