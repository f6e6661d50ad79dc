"""What stands around connections at Sift: conversations, media, applications, numbers - as far as their pages say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import pytest

from pytest_sipfront.clients.sift.routine import Say
from pytest_sipfront.errors import InvalidResponse, NotFound, RequestRefused
from pytest_sipfront.sift.call import Call
from tests.sift.conftest import BANK, Stand, bank

T = TypeVar("T")
Ask = Callable[..., Any]
AGENT = '\n  "+15550100300":\n    script: [{says: agent speaking}, {hangs_up: 0.02}]'


async def all_of(entries: AsyncIterator[T]) -> list[T]:
    return [entry async for entry in entries]


# ---- conversations


def test_a_recorded_conversation_is_listed_and_processed_by_and_by(
    stand: Stand, dial: Callable[..., Call], use_client: Ask
) -> None:
    """Right after its end it is "processing", so whoever wants its recording asks again."""
    stand.configure(bank() + AGENT)
    with dial() as call:
        ended = call.bridge("+15550100300", do_record=True).wait_ended(within=5)
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
def test_a_recording_is_read_under_both_names(stand: Stand, use_client: Ask, key: str, file: str) -> None:
    """The pages call the audio, and its file, differently."""
    audio = f"{{{file}: https://x.example/a.wav, duration_ms: 1200, snr: 31.5, rt60: 0.2}}"
    stand.configure(
        f"faults:\n  - on: conversations\n    effect: false\n    body: {{conversation_id: c, {key}: {audio}, "
        f"channels: [{{start_ms: 0, end_ms: 9, audio: {audio}}}]}}"
    )
    conversation = use_client(lambda client: client.conversation("c"))
    for recording in (conversation.audio, conversation.channels[0].audio):
        assert recording.wav_file == "https://x.example/a.wav"
        assert (recording.duration_ms, recording.snr, recording.rt60) == (1200.0, 31.5, 0.2)


@pytest.mark.parametrize(
    ("times", "found"),
    [
        ({"min_created": "2015-05-05T12:14:00.0000Z"}, 1),
        ({"min_created": "2999-01-01T00:00:00Z"}, 0),
        ({"max_created": "2015-05-05T12:14:00Z"}, 0),
        ({"updated_after": "2015-05-05T12:14:00.0000Z", "max_created": "2999-01-01T00:00:00+02:00"}, 1),
    ],
)
def test_conversations_are_asked_for_by_time(
    stand: Stand, dial: Callable[..., Call], use_client: Ask, times: dict[str, str], found: int
) -> None:
    """min_created, max_created and updated_after go into the query."""
    stand.configure(bank() + AGENT)
    with dial() as call:
        call.bridge("+15550100300").wait_ended(within=5)
    assert len(use_client(lambda client: all_of(client.conversations(**times)))) == found


def test_a_time_that_is_none_is_refused_by_sift(stand: Stand, use_client: Ask) -> None:
    """Its words are shown."""
    stand.configure("page_size: 20")
    with pytest.raises(RequestRefused, match="min_created must be an ISO 8601 time"):
        use_client(lambda client: all_of(client.conversations(min_created="yesterday")))


def test_an_unknown_conversation_is_not_found(stand: Stand, use_client: Ask) -> None:
    """As Sift says it."""
    stand.configure("page_size: 20")
    with pytest.raises(NotFound, match="Conversation not found"):
        use_client(lambda client: client.conversation("nope"))


# ---- media


def test_a_sound_file_is_uploaded_as_the_form_field_audio(stand: Stand, use_client: Ask) -> None:
    """multipart/form-data, and the answer's audio_id comes back."""
    stand.configure("page_size: 20")
    assert len(use_client(lambda client: client.upload_media(b"RIFF....WAVE", filename="turn.wav"))) == 16
    entry = stand.now.recorder.entries[-1]
    assert entry.content_type.startswith("multipart/form-data")
    assert list(entry.body) == ["audio"]


@pytest.mark.parametrize("body", ["{}", "{audio_id: null}", "[]", "{error: too long}"])
def test_an_upload_without_an_id_is_an_error(stand: Stand, use_client: Ask, body: str) -> None:
    """A file that nobody can refer to was not uploaded."""
    stand.configure(f"faults: [{{on: media, body: {body}}}]")
    with pytest.raises((InvalidResponse, RequestRefused)):
        use_client(lambda client: client.upload_media(b"x"))


# ---- applications and numbers


def test_an_application_is_created_as_json_and_listed(stand: Stand, use_client: Ask) -> None:
    """A guide sends a form, the page's neighbours take JSON: JSON is sent, with what was given and nothing else."""
    stand.configure("page_size: 20")
    made = use_client(lambda client: client.create_application("ivr", "https://x.example/in", phone_numbers=[BANK]))
    assert (made.name, made.on_incoming, made.phone_numbers) == ("ivr", "https://x.example/in", (BANK,))
    entry = stand.now.recorder.entries[-1]
    assert entry.content_type == "application/json"
    assert entry.body == {"name": "ivr", "on_incoming": "https://x.example/in", "phone_numbers": [BANK]}
    assert [one.name for one in use_client(lambda client: all_of(client.applications()))] == ["ivr"]


@pytest.mark.parametrize("body", ["", "{application_id: a1}", "{name: ivr}"])
def test_whatever_creating_an_application_answers_is_understood(stand: Stand, use_client: Ask, body: str) -> None:
    """Its answer is on no page; what it lacks is what was sent."""
    stand.configure(f"faults: [{{on: applications, body: {body or '{}'}}}]")
    assert use_client(lambda client: client.create_application("ivr", "https://x.example/in")).name == "ivr"


def test_a_default_routine_travels_with_an_application(stand: Stand, use_client: Ask) -> None:
    """As a list of commands."""
    stand.configure("page_size: 20")
    use_client(
        lambda client: client.create_application("ivr", "https://x.example/in", default_routine=[Say(text="hi")])
    )
    assert stand.now.recorder.entries[-1].body["default_routine"] == [{"name": "Say", "text": "hi"}]


def test_applications_that_come_as_a_bare_list_are_read(stand: Stand, use_client: Ask) -> None:
    """The shape of that list is on no page."""
    stand.configure("faults: [{on: applications, body: [{name: one}, {name: two}, 3]}]")
    assert [one.name for one in use_client(lambda client: all_of(client.applications()))] == ["one", "two"]


@pytest.mark.parametrize("field", ["phone_number", "number", "e164"])
def test_our_numbers_are_found_under_whichever_name(stand: Stand, use_client: Ask, field: str) -> None:
    """No page shows the fields of a number."""
    stand.configure(
        f"faults: [{{on: numbers, body: {{next: null, previous: null, results: [{{{field}: '{BANK}'}}]}}}}]"
    )
    assert [one.number for one in use_client(lambda client: all_of(client.phone_numbers()))] == [BANK]


def test_numbers_to_be_had_are_listed_by_country(stand: Stand, use_client: Ask) -> None:
    """`results` is a list of E.164 texts there."""
    stand.configure(f"numbers: ['{BANK}', '+15550100201']")
    assert use_client(lambda client: all_of(client.available_numbers("US"))) == [BANK, "+15550100201"]
    assert stand.now.recorder.entries[-1].path == "/v0/availablenumbers/US"
    with pytest.raises(RequestRefused, match="ISO 3166-1 alpha-2"):
        use_client(lambda client: all_of(client.available_numbers("USA")))


def test_what_is_not_published_can_be_asked_for(stand: Stand, use_client: Ask) -> None:
    """Any method and path below /v0, once."""
    stand.configure("page_size: 20")
    with pytest.raises(NotFound, match="No such resource: PATCH /v0/users/7"):
        use_client(lambda client: client.request("PATCH", "/users/7", body={"role": "agent"}))
    assert stand.now.recorder.entries[-1].body is None or stand.now.recorder.entries[-1].method == "PATCH"
