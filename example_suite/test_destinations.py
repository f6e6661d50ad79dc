"""The same Sipfront test for every destination of a list."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_sipfront import read_destinations

DESTINATIONS = read_destinations(Path(__file__).with_name("destinations.csv"))


@pytest.mark.parametrize("row", DESTINATIONS)
@pytest.mark.sipfront(test="Basic call", step_1_0_dial_destination="{row[number]}")
def test_destination_is_reachable(row: Mapping[str, str]) -> None:
    """`{row[number]}` in the marker is replaced by the cell of that column."""
