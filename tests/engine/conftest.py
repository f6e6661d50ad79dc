from __future__ import annotations

import pytest

from tests.engine.support import House


@pytest.fixture
def house() -> House:
    return House()
