"""An IVR: which prompts are heard, and where its digits lead."""

from __future__ import annotations

import pytest


@pytest.mark.sipfront(test="Greeting")
def test_the_greeting_is_played() -> None:
    """The right announcement, recognised among all prompts of the catalogue."""


@pytest.mark.parametrize("department", ["sales", "support"])
@pytest.mark.sipfront(test="IVR to {department}")
def test_the_menu_leads_to(department: str) -> None:
    """The digit arrives, and the department's prompt is heard."""


@pytest.mark.sipfront(test="PIN entry")
def test_every_digit_arrives() -> None:
    """Five digits, in their order."""


@pytest.mark.sipfront(
    test="IVR to sales", step_1_0_dial_destination="43123114", expect="failed", match="'support' heard"
)
def test_a_wrong_prompt_is_caught() -> None:
    """A switchboard whose menu is wired the wrong way round."""


@pytest.mark.sipfront(test="Greeting", step_1_0_dial_destination="43123104", expect="failed", match="'closed' heard")
def test_an_announcement_after_hours_is_caught() -> None:
    """The office is closed where it should greet."""
