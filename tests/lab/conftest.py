from __future__ import annotations

import pytest

from pytest_sipfront.lab.process import LabProcess
from tests.lab.platform_client import Platform


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
