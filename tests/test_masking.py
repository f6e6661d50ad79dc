"""Phone numbers are masked, and other numbers stay."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.masking import mask_data, mask_numbers

MASKED = {
    "43123100": "******00",
    "call to +43123100-welcome": "call to +******00-welcome",
    "+43 1 58801-100": "+** * *****-*00",
    "(431588010)": "(*******10)",
    "INVITE sip:100@127.0.0.1:5060 SIP/2.0": "INVITE sip:*00@127.0.0.1:5060 SIP/2.0",
    "<sip:+431@pbx.example>": "<sip:+*31@pbx.example>",
    "tel:112": "tel:*12",
    "step.1.0.dial_destination=486": "step.1.0.dial_destination=*86",
    "test_it[486100]": "test_it[****00]",
    "486100, 486101": "****00, ****01",
}
KEPT = (
    "486 Busy Here after 0.123456 s",
    "1764064569.25",
    "http://127.0.0.1:44275/run/details/12345678-1234-1234-1234-123456789012",
    "2026-11-25T10:45:59+00:00",
    "art/2026-11-25_10-45-58_4c63a534dd80/test_it/report.html",
    "branch=z9hG4bK1234567890",
    "Content-Length: 320",
)


@pytest.mark.parametrize(("text", "masked"), MASKED.items())
def test_numbers_in_text_keep_two_digits(text: str, masked: str) -> None:
    """Signs, spaces and the rest of the text stay, so the length is the same."""
    assert mask_numbers(text) == masked


@pytest.mark.parametrize("text", KEPT)
def test_other_numbers_stay(text: str) -> None:
    """Times, ports, decimal fractions and ids with letters are no phone numbers."""
    assert mask_numbers(text) == text


@given(st.text(alphabet="0123456789+ ()-sip:tel@.x", max_size=60))
def test_masking_keeps_the_length_and_is_stable(text: str) -> None:
    """A capture is masked in place, and a text may pass several outputs."""
    masked = mask_numbers(text)
    assert len(masked) == len(text)
    assert mask_numbers(masked) == masked


@pytest.mark.parametrize(
    ("data", "masked"),
    [
        ({"step.1.0.dial_destination": "100"}, {"step.1.0.dial_destination": "*00"}),
        ({"from": 43123100, "id": 43123100, "ok": True}, {"from": "******00", "id": 43123100, "ok": True}),
        ({"phone_numbers": ["+43123100"], "43123100": None}, {"phone_numbers": ["+******00"], "******00": None}),
        ([{"text": "to 43123100"}, 0.5, None], [{"text": "to ******00"}, 0.5, None]),
    ],
)
def test_data_is_masked_by_key_and_by_text(data: Any, masked: Any) -> None:
    """The result is JSON of the same structure. Ids that are numbers stay."""
    assert mask_data(data) == masked
    json.dumps(masked)
