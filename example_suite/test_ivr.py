"""An IVR: which prompts it plays, and where a digit leads."""

from __future__ import annotations

import pytest


@pytest.mark.sipfront(test="Greeting")
def test_the_greeting_is_played() -> None:
    """The announcement is recognised among all prompts of the lab file."""


@pytest.mark.parametrize("department", ["sales", "support"])
@pytest.mark.sipfront(test="IVR to {department}")
def test_the_menu_leads_to(department: str) -> None:
    """The digit arrives, and the department's prompt is played."""


@pytest.mark.sipfront(test="PIN entry")
def test_every_digit_arrives() -> None:
    """The IVR receives five digits in the right order."""


@pytest.mark.sipfront(
    test="IVR to sales", step_1_0_dial_destination="43123114", expect="failed", match="'support' heard"
)
def test_a_wrong_prompt_is_caught() -> None:
    """The menu of this switchboard has swapped the departments."""


@pytest.mark.sipfront(test="Greeting", step_1_0_dial_destination="43123104", expect="failed", match="'closed' heard")
def test_an_announcement_after_hours_is_caught() -> None:
    """The office plays the announcement for closed hours instead of the greeting."""
