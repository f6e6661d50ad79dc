"""The same Sipfront test for every destination of a list."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

with Path(__file__).with_name("destinations.csv").open(encoding="utf-8") as file:
    DESTINATIONS = [pytest.param(row["number"], id=row["name"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("number", DESTINATIONS)
@pytest.mark.sipfront(test="Basic call", step_1_0_dial_destination="{number}")
def test_destination_is_reachable(number: str) -> None:
    """`{number}` in the marker is replaced by the parameter."""
