"""All commands: their fields, their answers over real HTTP, and invalid values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_sipfront.clients.sift.routine import (
    CallClient,
    CallPhone,
    GetDate,
    GetDigits,
    GetFreeResponse,
    GetMultipleChoice,
    GetName,
    GetNumber,
    GetYesOrNo,
    HangUp,
    JoinConference,
    Play,
    Say,
    as_json,
)
from pytest_sipfront.errors import ConfigurationError
from pytest_sipfront.sift.answers import NO_ANSWER
from pytest_sipfront.sift.call import Call
from tests.sift.conftest import SiftLab, bank

Dial = Callable[..., Call]
SOUND = "https://qa.example/a.wav"


@pytest.mark.parametrize(
    ("command", "sent"),
    [
        (Say(text="hi", on_done="u"), {"name": "Say", "text": "hi", "on_done": "u"}),
        (Play(sound_url=SOUND), {"name": "Play", "sound_url": SOUND}),
        (
            GetDigits(count=4, timeout_seconds=12, prompt_url=SOUND, on_done="u"),
            {"name": "GetDigits", "count": 4, "timeout_seconds": 12, "prompt_url": SOUND, "on_done": "u"},
        ),
        (GetFreeResponse(timeout_seconds=15), {"name": "GetFreeResponse", "timeout_seconds": 15}),
        (GetMultipleChoice(choices=["a", "b"]), {"name": "GetMultipleChoice", "choices": ["a", "b"]}),
        (GetYesOrNo(timeout_seconds=8), {"name": "GetYesOrNo", "timeout_seconds": 8}),
        (GetNumber(), {"name": "GetNumber"}),
        (GetDate(), {"name": "GetDate"}),
        (GetName(), {"name": "GetName"}),
        (
            CallPhone(phone_number="+15550100200", do_record=True, live_transcripts=True, processors=["transcribe"]),
            {
                "name": "CallPhone",
                "phone_number": "+15550100200",
                "do_record": True,
                "live_transcripts": True,
                "processors": ["transcribe"],
            },
        ),
        (CallClient(client_name="agent-7"), {"name": "CallClient", "client_name": "agent-7", "do_record": False}),
        (
            JoinConference(conference_name="room", live_emotion=True, live_scan=[{"key": "hold", "query": "~~'hold'"}]),
            {
                "name": "JoinConference",
                "conference_name": "room",
                "do_record": False,
                "live_emotion": True,
                "live_scan": [{"key": "hold", "query": "~~'hold'"}],
            },
        ),
        (HangUp(), {"name": "HangUp"}),
        ({"name": "Dance", "steps": 3}, {"name": "Dance", "steps": 3}),
    ],
)
def test_each_command_is_sent_with_the_documented_fields(command: Any, sent: dict[str, Any]) -> None:
    """Fields are next to `name`. Fields that are not set are omitted, except do_record."""
    assert as_json(command) == sent


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Say(text=" "), "Say: text must be a non-empty string, got ' '"),
        (lambda: Play(sound_url="a.wav"), "http\\(s\\) URL"),
        (lambda: GetMultipleChoice(choices=[]), "one or more non-empty strings"),
        (lambda: GetMultipleChoice(choices="yes"), "must be a list of strings"),
        (lambda: GetMultipleChoice(choices=["a", ""]), "non-empty strings"),
        (lambda: GetDigits(count=0), "must be an integer >= 1, got 0"),
        (lambda: GetDigits(timeout_seconds=True), "must be an integer >= 1, got True"),
        (lambda: CallPhone(phone_number="100"), "E.164"),
        (lambda: CallClient(client_name=""), "client_name"),
        (lambda: JoinConference(conference_name=""), "conference_name"),
        (lambda: as_json({"text": "hi"}), "is not a command"),
        (lambda: as_json("HangUp"), "is not a command"),
    ],
)
def test_an_invalid_value_is_an_error_when_the_command_is_created(make: Callable[[], object], why: str) -> None:
    """The message names the command, the field and what is allowed."""
    with pytest.raises(ConfigurationError, match=why):
        make()


# ---- what comes back, verb by verb

ANSWERS: list[tuple[str, Callable[[Call], object], object]] = [
    ("says: Thanks for calling", lambda call: call.listen().text, "Thanks for calling"),
    ('presses: "90*#"', lambda call: call.digits(count=4), "90*#"),
    ('presses: "12345"', lambda call: call.digits(), "12345"),
    ("says: I want support please", lambda call: call.choose(["sales", "support"]), "support"),
    ("says: yes of course", lambda call: call.yes_or_no(), True),
    ("says: no thanks", lambda call: call.yes_or_no(), False),
    ("says: zero zero zero zero", lambda call: call.number(), "0000"),
    ("says: forty four", lambda call: call.number(), "44"),
    ("says: four four", lambda call: call.number(), "44"),
    ("says: 1984-03-07", lambda call: call.date(), "1984-03-07"),
    ('says: the ninth of May, means: "05-09"', lambda call: call.date(), "05-09"),
    ("says: Maria Lopez", lambda call: call.name(), "maria lopez"),
]


@pytest.mark.parametrize(("turn", "verb", "expected"), ANSWERS)
def test_each_listening_method_returns_the_answer(
    sift_lab: SiftLab, dial: Dial, turn: str, verb: Callable[[Call], object], expected: object
) -> None:
    """From the field that the command uses: value, choice or digits."""
    sift_lab.configure(bank(turn))
    with dial() as call:
        answer = verb(call)
    assert answer == expected
    assert type(answer) is type(expected)


VERBS: list[Callable[[Call], object]] = [
    lambda call: call.listen(timeout=1),
    lambda call: call.digits(count=4, timeout=1),
    lambda call: call.choose(["a", "b"], timeout=1),
    lambda call: call.yes_or_no(timeout=1),
    lambda call: call.number(timeout=1),
    lambda call: call.date(timeout=1),
    lambda call: call.name(timeout=1),
]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("way", ["documented", "empty", "null", "absent"])
def test_every_form_of_a_missing_answer_is_no_answer(
    sift_lab: SiftLab, dial: Dial, verb: Callable[[Call], object], way: str
) -> None:
    """An empty string, null and an absent field. NO_ANSWER differs from False and from an empty string."""
    sift_lab.configure(bank("silence: 1", no_answer=way, timeout_scale=0.01))
    with dial() as call:
        answer = verb(call)
    assert answer not in ("", False, None, 0)
    assert not answer
    assert answer is NO_ANSWER


@pytest.mark.parametrize(("turn", "error"), [("silence: 1", "timeout"), ("says: I do not know", "invalid")])
def test_the_error_of_an_unanswered_number_is_kept(sift_lab: SiftLab, dial: Dial, turn: str, error: str) -> None:
    """GetNumber reports whether there was silence or no number."""
    sift_lab.configure(bank(turn, timeout_scale=0.01))
    with dial() as call:
        assert call.number(timeout=1) is NO_ANSWER
        assert call.error == error


def test_too_few_digits_are_lost(sift_lab: SiftLab, dial: Dial) -> None:
    """After a timeout GetDigits reports no digits."""
    sift_lab.configure(bank('presses: "12"', timeout_scale=0.01))
    with dial() as call:
        assert call.digits(count=4, timeout=1) is NO_ANSWER


def test_the_routine_continues_after_a_timeout(sift_lab: SiftLab, dial: Dial) -> None:
    """The command reports, and the next one starts."""
    sift_lab.configure(bank("silence: 1", "says: at last", timeout_scale=0.01))
    with dial() as call:
        call.expect_connected()
        bodies = call.run([GetFreeResponse(timeout_seconds=1), GetFreeResponse(timeout_seconds=1)])
    assert [body["value"] for body in bodies] == ["", "at last"]


def test_say_and_play_wait_for_their_done_callback(sift_lab: SiftLab, dial: Dial) -> None:
    """Their bodies are equal; only the URL identifies the command."""
    sift_lab.configure(bank("hears: billing", "hears: turn_1.wav", "says: both heard"))
    with dial() as call:
        call.say("the billing line")
        call.play("https://qa.example/turn_1.wav")
        assert call.listen().text == "both heard"
    bodies = [dict(posted.body) for posted in sift_lab.posted("done")][:2]
    assert bodies == [{"account_id": "lab-public", "connection_id": call.connection.connection_id}] * 2


def test_every_command_of_a_call_has_its_own_url(sift_lab: SiftLab, dial: Dial) -> None:
    """Bodies do not name the command."""
    sift_lab.configure(bank())
    with dial() as call:
        call.say("one")
        call.run([Say(text="two"), Say(text="three")])
    addresses = [command["on_done"] for command in sift_lab.commands if "on_done" in command]
    assert len(set(addresses)) == 3


def test_a_timeout_is_sent_in_whole_seconds(sift_lab: SiftLab, dial: Dial) -> None:
    """timeout_seconds is an integer; a fraction is rounded up."""
    sift_lab.configure(bank("says: hello"))
    with dial() as call:
        call.listen(timeout=2.5)
    assert sift_lab.commands[0]["timeout_seconds"] == 3


def test_a_command_without_a_class_is_sent_as_it_is(sift_lab: SiftLab, dial: Dial) -> None:
    """The call does not wait for it."""
    sift_lab.configure(bank("says: hello"))
    with dial() as call:
        call.expect_connected()
        assert call.run([{"name": "Say", "text": "raw"}, GetFreeResponse(timeout_seconds=5)])[1]["value"] == "hello"
    assert sift_lab.commands[0] == {"name": "Say", "text": "raw"}


# ---- conversations


def test_a_bridge_reports_transcripts_and_its_end(sift_lab: SiftLab, dial: Dial) -> None:
    """CallPhone dials a second leg. Its events have an event_type."""
    agent = '\n  "+15550100300":\n    script: [{says: agent speaking}, {hangs_up: 0.05}]'
    sift_lab.configure(bank() + agent)
    with dial() as call:
        bridge = call.bridge("+15550100300", live_transcripts=True, do_record=True)
        ended = bridge.wait_ended(within=60)
        assert ended.fields["status"] == "processing"
        assert [event.transcript for event in bridge.transcripts] == ["agent speaking"]
        assert bridge.transcripts[0].connection_id != call.connection.connection_id
    assert sift_lab.commands[0]["do_record"] is True


def test_a_client_is_bridged_without_recording_by_default(sift_lab: SiftLab, dial: Dial) -> None:
    """CallClient records by default, so do_record is always sent."""
    sift_lab.configure(bank() + '\n  "webrtc:agent-7":\n    script: [{hangs_up: 0.05}]')
    with dial() as call:
        call.bridge(client_name="agent-7").wait_ended(within=60)
    assert sift_lab.commands[0]["do_record"] is False
    assert sift_lab.commands[0]["client_name"] == "agent-7"


def test_a_conference_ends_when_its_last_member_leaves(sift_lab: SiftLab, dial: Dial) -> None:
    """Two calls in one room share a conversation. Its end names the conference."""
    sift_lab.configure(bank())
    with dial() as first, dial() as second:
        rooms = [call.join_conference("qa-room") for call in (first, second)]
        first.hang_up()
        assert not rooms[1].events
        second.hang_up()
        ended = rooms[1].wait_ended(within=60)
    assert ended.conference_name == "qa-room"


@pytest.mark.parametrize(
    "body",
    [
        {"event_type": "transcript", "transcript": "hi", "conversation_id": "c"},
        {"type": "transcript", "transcript": "hi", "conversation_id": "c"},
        {"event_type": "transcript", "conversation_id": "c", "event": {"transcript": "hi"}},
        {"conversation_id": "c", "event": {"type": "transcript", "transcript": "hi"}},
    ],
)
def test_an_event_is_read_in_each_documented_form(body: dict[str, Any]) -> None:
    """The pages disagree on event_type and type, and on the event field."""
    from pytest_sipfront.clients.sift.models import Event

    event = Event.read(body)
    assert (event.type, event.transcript, event.conversation_id) == ("transcript", "hi", "c")


@pytest.mark.parametrize(
    ("begin", "sent"),
    [
        (
            lambda call: call.bridge(
                "+15550100300",
                do_record=True,
                live_talk_times=True,
                live_transcripts=False,
                live_topics=True,
                processors=["transcribe", "classify:mood"],
            ),
            {
                "name": "CallPhone",
                "phone_number": "+15550100300",
                "do_record": True,
                "live_talk_times": True,
                "live_transcripts": False,
                "live_topics": True,
                "processors": ["transcribe", "classify:mood"],
            },
        ),
        (
            lambda call: call.bridge(client_name="agent-7", do_record=True),
            {"name": "CallClient", "client_name": "agent-7", "do_record": True},
        ),
        (
            lambda call: call.join_conference(
                "qa-room", live_emotion=True, live_scan=[{"key": "hold", "query": "~~'please hold'"}]
            ),
            {
                "name": "JoinConference",
                "conference_name": "qa-room",
                "do_record": False,
                "live_emotion": True,
                "live_scan": [{"key": "hold", "query": "~~'please hold'"}],
            },
        ),
    ],
)
def test_the_options_of_a_conversation_are_sent(
    sift_lab: SiftLab, dial: Dial, begin: Callable[[Call], object], sent: dict[str, Any]
) -> None:
    """With the names of the reference pages and an event_callback."""
    sift_lab.configure(bank())
    with dial() as call:
        call.expect_connected()
        begin(call)
    arrived = dict(sift_lab.commands[0])
    assert "/event/1" in arrived.pop("event_callback")
    assert arrived == sent


def test_a_prompt_is_sent_with_its_command(sift_lab: SiftLab, dial: Dial) -> None:
    """prompt_url is played first; there is no spoken prompt."""
    sift_lab.configure(bank('presses: "1"'))
    with dial() as call:
        assert call.digits(count=1, timeout=8, prompt_url=SOUND) == "1"
    arrived = dict(sift_lab.commands[0])
    assert arrived.pop("on_done")
    assert arrived == {"name": "GetDigits", "count": 1, "timeout_seconds": 8, "prompt_url": SOUND}


@pytest.mark.parametrize(
    ("fault", "verb", "answer"),
    [
        ("add: {value: '12'}, omit: [digits]", lambda call: call.digits(), "12"),
        ("add: {value: yes please}, omit: [choice]", lambda call: call.choose(["yes please"]), "yes please"),
        ("add: {digits: '44'}, omit: [value]", lambda call: call.number(), "44"),
        ("add: {value: 44}", lambda call: call.number(), "44"),
        ("add: {value: 'true'}", lambda call: call.yes_or_no(), True),
        ("add: {value: 'No'}", lambda call: call.yes_or_no(), False),
        ("add: {choice: ' YES, please'}", lambda call: call.choose(["yes please"]), "yes please"),
    ],
)
def test_an_answer_is_read_from_every_documented_field(
    sift_lab: SiftLab, dial: Dial, fault: str, verb: Callable[[Call], object], answer: object
) -> None:
    """Field and type differ between the pages."""
    sift_lab.configure(bank("says: yes please", timeout_scale=0.01, callbacks=f"[{{on: done, {fault}}}]"))
    with dial() as call:
        assert verb(call) == answer


def test_an_unknown_option_of_a_conversation_is_an_error(sift_lab: SiftLab, dial: Dial) -> None:
    """The message suggests the nearest option; no request is sent."""
    sift_lab.configure(bank())
    with dial() as call:
        call.expect_connected()
        with pytest.raises(
            ConfigurationError, match="unknown option 'live_transcript'; did you mean 'live_transcripts'"
        ):
            call.bridge("+15550100300", live_transcript=True)
    assert [command["name"] for command in sift_lab.commands] == ["HangUp"]
