"""Conversations, media, applications and numbers, as far as they are documented."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import pytest

from pytest_sipfront.clients.sift.routine import Say
from pytest_sipfront.errors import InvalidResponse, NotFound, RequestRefused
from pytest_sipfront.sift.call import Call
from tests.sift.conftest import BANK, SiftLab, bank

T = TypeVar("T")
UseClient = Callable[..., Any]
AGENT = '\n  "+15550100300":\n    script: [{says: agent speaking}, {hangs_up: 0.02}]'


async def all_of(entries: AsyncIterator[T]) -> list[T]:
    return [entry async for entry in entries]


# ---- conversations


def test_a_recorded_conversation_is_processed_after_its_end(
    sift_lab: SiftLab, dial: Callable[..., Call], use_client: UseClient
) -> None:
    """Its status is "processing" at first."""
    sift_lab.configure(bank() + AGENT)
    with dial() as call:
        ended = call.bridge("+15550100300", do_record=True).wait_ended(within=60)
    [listed] = use_client(lambda client: all_of(client.conversations()))
    assert listed.conversation_id == ended.conversation_id
    assert listed.status == "processing"
    conversation = use_client(lambda client: client.conversation(listed.conversation_id))
    assert conversation.status == "processed"
    assert conversation.start_time <= conversation.end_time
    assert conversation.audio.wav_file.endswith(".wav")
    assert [channel.audio.wav_file[-6:] for channel in conversation.channels] == ["-0.wav", "-1.wav"]


@pytest.mark.parametrize("key", ["mixed_audio", "audio"])
@pytest.mark.parametrize("file", ["wav_file", "wave_file"])
def test_a_recording_is_read_in_both_documented_forms(
    sift_lab: SiftLab, use_client: UseClient, key: str, file: str
) -> None:
    """The pages use different names for audio and file."""
    audio = f"{{{file}: https://x.example/a.wav, duration_ms: 1200, snr: 31.5, rt60: 0.2}}"
    sift_lab.configure(
        f"faults:\n  - on: conversations\n    effect: false\n    body: {{conversation_id: c, {key}: {audio}, "
        f"channels: [{{start_ms: 0, end_ms: 9, audio: {audio}}}]}}"
    )
    conversation = use_client(lambda client: client.conversation("c"))
    for recording in (conversation.audio, conversation.channels[0].audio):
        assert recording.wav_file == "https://x.example/a.wav"
        assert (recording.duration_ms, recording.snr, recording.rt60) == (1200.0, 31.5, 0.2)


@pytest.mark.parametrize(
    ("times", "count"),
    [
        ({"min_created": "2015-05-05T12:14:00.0000Z"}, 1),
        ({"min_created": "2999-01-01T00:00:00Z"}, 0),
        ({"max_created": "2015-05-05T12:14:00Z"}, 0),
        ({"updated_after": "2015-05-05T12:14:00.0000Z", "max_created": "2999-01-01T00:00:00+02:00"}, 1),
    ],
)
def test_conversations_are_filtered_by_time(
    sift_lab: SiftLab, dial: Callable[..., Call], use_client: UseClient, times: dict[str, str], count: int
) -> None:
    """min_created, max_created and updated_after are query parameters."""
    sift_lab.configure(bank() + AGENT)
    with dial() as call:
        call.bridge("+15550100300").wait_ended(within=60)
    assert len(use_client(lambda client: all_of(client.conversations(**times)))) == count


def test_an_invalid_time_is_refused_by_sift(sift_lab: SiftLab, use_client: UseClient) -> None:
    """The message is Sift's text."""
    sift_lab.configure("page_size: 20")
    with pytest.raises(RequestRefused, match="min_created must be an ISO 8601 time"):
        use_client(lambda client: all_of(client.conversations(min_created="yesterday")))


def test_an_unknown_conversation_is_not_found(sift_lab: SiftLab, use_client: UseClient) -> None:
    """The message is Sift's text."""
    sift_lab.configure("page_size: 20")
    with pytest.raises(NotFound, match="Conversation not found"):
        use_client(lambda client: client.conversation("nope"))


# ---- media


def test_a_sound_file_is_uploaded_as_the_form_field_audio(sift_lab: SiftLab, use_client: UseClient) -> None:
    """As multipart form data. The response contains the audio_id."""
    sift_lab.configure("page_size: 20")
    assert len(use_client(lambda client: client.upload_media(b"RIFF....WAVE", filename="turn.wav"))) == 16
    entry = sift_lab.service.recorder.entries[-1]
    assert entry.content_type.startswith("multipart/form-data")
    assert list(entry.body) == ["audio"]


@pytest.mark.parametrize("body", ["{}", "{audio_id: null}", "[]", "{error: too long}"])
def test_an_upload_without_an_id_is_an_error(sift_lab: SiftLab, use_client: UseClient, body: str) -> None:
    """The file could not be used."""
    sift_lab.configure(f"faults: [{{on: media, body: {body}}}]")
    with pytest.raises((InvalidResponse, RequestRefused)):
        use_client(lambda client: client.upload_media(b"x"))


# ---- applications and numbers


def test_an_application_is_created_as_json_and_listed(sift_lab: SiftLab, use_client: UseClient) -> None:
    """A guide sends a form, related pages JSON. The body holds the given fields only."""
    sift_lab.configure("page_size: 20")
    made = use_client(lambda client: client.create_application("ivr", "https://x.example/in", phone_numbers=[BANK]))
    assert (made.name, made.on_incoming, made.phone_numbers) == ("ivr", "https://x.example/in", (BANK,))
    entry = sift_lab.service.recorder.entries[-1]
    assert entry.content_type == "application/json"
    assert entry.body == {"name": "ivr", "on_incoming": "https://x.example/in", "phone_numbers": [BANK]}
    assert [application.name for application in use_client(lambda client: all_of(client.applications()))] == ["ivr"]


@pytest.mark.parametrize("body", ["", "{application_id: a1}", "{name: ivr}"])
def test_any_response_to_creating_an_application_is_accepted(
    sift_lab: SiftLab, use_client: UseClient, body: str
) -> None:
    """It is not documented. Missing fields are taken from the request."""
    sift_lab.configure(f"faults: [{{on: applications, body: {body or '{}'}}}]")
    assert use_client(lambda client: client.create_application("ivr", "https://x.example/in")).name == "ivr"


def test_an_application_may_have_a_default_routine(sift_lab: SiftLab, use_client: UseClient) -> None:
    """It is sent as a list of commands."""
    sift_lab.configure("page_size: 20")
    use_client(
        lambda client: client.create_application("ivr", "https://x.example/in", default_routine=[Say(text="hi")])
    )
    assert sift_lab.service.recorder.entries[-1].body["default_routine"] == [{"name": "Say", "text": "hi"}]


def test_a_bare_list_of_applications_is_accepted(sift_lab: SiftLab, use_client: UseClient) -> None:
    """The form of the list is not documented."""
    sift_lab.configure("faults: [{on: applications, body: [{name: one}, {name: two}, 3]}]")
    assert [application.name for application in use_client(lambda client: all_of(client.applications()))] == [
        "one",
        "two",
    ]


@pytest.mark.parametrize("field", ["phone_number", "number", "e164"])
def test_phone_numbers_are_read_from_any_field(sift_lab: SiftLab, use_client: UseClient, field: str) -> None:
    """The fields are not documented."""
    sift_lab.configure(
        f"faults: [{{on: numbers, body: {{next: null, previous: null, results: [{{{field}: '{BANK}'}}]}}}}]"
    )
    assert [number.number for number in use_client(lambda client: all_of(client.phone_numbers()))] == [BANK]


def test_available_numbers_are_listed_by_country(sift_lab: SiftLab, use_client: UseClient) -> None:
    """`results` is a list of E.164 strings."""
    sift_lab.configure(f"numbers: ['{BANK}', '+15550100201']")
    assert use_client(lambda client: all_of(client.available_numbers("US"))) == [BANK, "+15550100201"]
    assert sift_lab.service.recorder.entries[-1].path == "/v0/availablenumbers/US"
    with pytest.raises(RequestRefused, match="ISO 3166-1 alpha-2"):
        use_client(lambda client: all_of(client.available_numbers("USA")))


def test_any_other_request_can_be_sent(sift_lab: SiftLab, use_client: UseClient) -> None:
    """Any method and path below /v0, once."""
    sift_lab.configure("page_size: 20")
    with pytest.raises(NotFound, match="No such resource: PATCH /v0/users/7"):
        use_client(lambda client: client.request("PATCH", "/users/7", body={"role": "agent"}))
    assert sift_lab.service.recorder.entries[-1].body is None or sift_lab.service.recorder.entries[-1].method == "PATCH"
