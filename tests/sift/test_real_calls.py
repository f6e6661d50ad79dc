"""A number at Sift that is one of the lab's phones: SIP, RTP and DTMF on this machine."""

from __future__ import annotations

import io
import math
import struct
import urllib.request
import wave
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from pytest_sipfront.errors import CallFailed
from pytest_sipfront.lab.calls import available
from pytest_sipfront.lab.calls.prompt_recognition import SCORE_NEEDED, rank
from pytest_sipfront.lab.calls.sound_files import SoundError, decode
from pytest_sipfront.lab.process import LabError, LabProcess, start_lab
from pytest_sipfront.lab.sift import speech
from pytest_sipfront.sift.answers import NO_ANSWER
from pytest_sipfront.sift.call import Call
from pytest_sipfront.sift.call_control import CallControl
from pytest_sipfront.sift.runtime import SiftRuntime
from pytest_sipfront.sift.wait_policy import CallTimeouts
from tests.sift_runtime import open_runtime
from tests.support import TIMEOUT, Reply, Server

pytestmark = pytest.mark.skipif(available() is not None, reason=str(available()))

RATE = 8000
LAB = """
account: {public_key: lab-public, secret_key: lab-secret}
prompts:
  welcome: {say: welcome to acme bank}
  which: {say: my checking account please}
  sure: {say: yes of course}
  pin: {say: four seven one one}
  chime: {tone: 440, seconds: 0.6}
phones:
  bank: {number: "1001", play: welcome}
  caller: {number: "1002", play: which}
  agreeing: {number: "1003", play: sure}
  counting: {number: "1004", play: pin}
  keypad: {number: "1005", send_dtmf: "4711#"}
  chiming: {number: "1006", play: chime, hang_up_after: 3}
  mute: {number: "1007", silent: true}
  engaged: {number: "486", reject: 486}
  nobody: {number: "480", never_answers: true}
sift:
  callees:
    "+15550100001": {phone: bank}
    "+15550100002": {phone: caller}
    "+15550100003": {phone: agreeing}
    "+15550100004": {phone: counting}
    "+15550100005": {phone: keypad}
    "+15550100006": {phone: chiming, words: {chime: please hold the line}}
    "+15550100007": {phone: mute}
    "+15550100486": {phone: engaged}
    "+15550100480": {phone: nobody}
"""
Dial = Callable[[str], Call]


@pytest.fixture(scope="module")
def lab() -> Iterator[LabProcess]:
    with start_lab(text=LAB) as running:
        yield running


@pytest.fixture(scope="module")
def real_line(lab: LabProcess) -> Iterator[SiftRuntime]:
    with open_runtime(f"{lab.url}/v0", CallTimeouts(callback=20.0)) as runtime:
        yield runtime


@pytest.fixture
def phone(real_line: SiftRuntime) -> Iterator[Dial]:
    """Call a phone by the last digits of its number."""
    calls: list[Call] = []

    def place(digits: str) -> Call:
        number = f"+15550100{digits}"
        calls.append(Call(CallControl(real_line, number), {"phone_number": number}))
        calls[-1].dial()
        return calls[-1]

    yield place
    for call in calls:
        call.close()


def recording(lab: LabProcess, call: Call, ears: str) -> bytes:
    url = f"{lab.url}/sift/{call.connection.connection_id}/{ears}.wav"
    with (
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=TIMEOUT) as answer,
        wave.open(io.BytesIO(answer.read())) as opened,
    ):
        frames: bytes = opened.readframes(opened.getnframes())
        return frames


def score(pcm: bytes, wanted: bytes) -> float:
    return rank(pcm, {"wanted": wanted})[0].score


@pytest.mark.slow
def test_a_prompt_is_recognised_and_the_phone_receives_speech(lab: LabProcess, phone: Dial) -> None:
    """There are recordings of what Sift received and what the phone received."""
    with phone("001") as call:
        call.expect_connected(within=60)
        assert call.listen(timeout=8).says("welcome to acme bank", wer=0)
        call.say("my balance please")
        call.hang_up()
    assert call.status == "finished"
    assert call.duration > 2
    assert score(recording(lab, call, "phone"), speech.synthesize("my balance please")) > SCORE_NEEDED
    assert score(recording(lab, call, "phone"), speech.synthesize("something else altogether")) < SCORE_NEEDED
    assert len(recording(lab, call, "sift")) > 2 * RATE * 2


def test_a_sound_file_is_downloaded_and_played(lab: LabProcess, phone: Dial) -> None:
    """The phone receives the sound of a stereo file at 44100 Hz."""
    melody = [400 + 150 * (n // 4410 % 5) for n in range(44100)]
    with Server(Reply(body=wav_of(melody, rate=44100, channels=2), content_type="audio/wav")) as server:
        with phone("007") as call:
            call.play(f"{server.url}/melody.wav")
        assert [request.target for request in server.requests] == ["/melody.wav"]
        played = decode(wav_of(melody, rate=44100, channels=2))
    assert score(recording(lab, call, "phone"), played) > SCORE_NEEDED


def test_a_sound_that_cannot_be_played_is_reported(lab: LabProcess, phone: Dial) -> None:
    """The call continues in silence."""
    with Server(Reply(body=b"ID3 this is no wav", content_type="audio/mpeg")) as server, phone("007") as call:
        call.play(f"{server.url}/turn.mp3")
    expected = next(one for one in lab.connections if one["connection_id"] == call.connection.connection_id)
    assert "turn.mp3 cannot be played: it is no sound file" in expected["complaints"][0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("digits", "verb", "answer"),
    [
        ("002", lambda call: call.choose(["savings", "checking"]), "checking"),
        ("003", lambda call: call.yes_or_no(), True),
        ("004", lambda call: call.number(), "4711"),
        ("005", lambda call: call.digits(count=5), "4711#"),
        ("006", lambda call: call.listen().text, "please hold the line"),
    ],
)
def test_a_phone_answers_with_prompts_and_digits(
    phone: Dial, digits: str, verb: Callable[[Call], object], answer: object
) -> None:
    """Prompts are recognised from the catalogue; `words` gives the text of other sounds."""
    with phone(digits) as call:
        assert verb(call) == answer


@pytest.mark.slow
@pytest.mark.parametrize(
    ("digits", "verb"),
    [
        ("007", lambda call: call.listen(timeout=1)),
        ("005", lambda call: call.digits(count=9, timeout=2)),
        ("001", lambda call: call.number(timeout=4)),
    ],
)
def test_silence_too_few_keys_and_wrong_words_are_no_answer(
    phone: Dial, digits: str, verb: Callable[[Call], object]
) -> None:
    """The result is the same as for a scripted callee."""
    with phone(digits) as call:
        assert verb(call) is NO_ANSWER


@pytest.mark.slow
def test_a_phone_that_hangs_up_ends_the_waiting_verb(phone: Dial) -> None:
    """The BYE of the phone ends the call."""
    call = phone("006")
    call.expect_connected(within=60)
    with pytest.raises(CallFailed, match="the call was finished while GetDigits was in progress"):
        call.digits(count=1, timeout=30)


def test_a_busy_phone_fails_the_call(phone: Dial) -> None:
    """A call that ends with 486 has the status failed."""
    assert phone("486").expect_status("failed", "finished", within=60) == "failed"


def test_a_call_to_a_ringing_phone_is_cancelled(phone: Dial) -> None:
    """Hanging up before the answer cancels the call."""
    with phone("480") as call, pytest.raises(CallFailed, match="the status is connecting"):
        call.expect_connected(within=0.5)
    assert call.status == "failed"


def test_another_routine_interrupts_speech(lab: LabProcess, phone: Dial) -> None:
    """A new routine stops the current one at once."""
    with phone("007") as call:
        call.expect_connected(within=60)
        call.run([{"name": "Say", "text": "one two three four five six seven eight nine ten " * 4}])
        call.say("stop")
    assert len(recording(lab, call, "phone")) / (2 * RATE) < 6


def test_an_unknown_phone_is_a_mistake_in_the_lab_file(lab: LabProcess) -> None:
    """The error names the nearest phone."""
    mistake = r"sift\.callees\.\+1\.phone: unknown phone 'bnak'; did you mean 'bank'"
    with pytest.raises(LabError, match=mistake):
        lab.configure('phones: {bank: {}}\nsift: {callees: {"+1": {phone: bnak}}}')


# ---- sound


def wav_of(hertz: list[int], *, rate: int, channels: int = 1, width: int = 2) -> bytes:
    """Return a WAV file whose samples have the given frequencies."""
    file, phase, frames = io.BytesIO(), 0.0, bytearray()
    for one in hertz:
        phase += 2 * math.pi * one / rate
        value = 0.4 * math.sin(phase)
        sample = struct.pack("<h", int(value * 32767)) if width == 2 else bytes([int(value * 127) + 128])
        frames += sample * channels
    with wave.open(file, "wb") as opened:
        opened.setnchannels(channels)
        opened.setsampwidth(width)
        opened.setframerate(rate)
        opened.writeframes(bytes(frames))
    return file.getvalue()


@pytest.mark.parametrize(("rate", "channels", "width"), [(8000, 1, 2), (8000, 2, 1), (22050, 1, 2), (44100, 2, 2)])
def test_every_wav_file_becomes_pcm(rate: int, channels: int, width: int) -> None:
    """Length and frequency stay the same."""
    pcm = decode(wav_of([440] * rate, rate=rate, channels=channels, width=width))
    assert len(pcm) == 2 * RATE
    samples = struct.unpack(f"<{RATE}h", pcm)
    crossings = sum(a < 0 <= b for a, b in pairwise(samples))
    assert abs(crossings - 440) <= 2


@pytest.mark.parametrize("file", [b"", b"RIFF", b"ID3", wav_of([440] * 10, rate=8000)[:30], b"x" * 11_000_000])
def test_other_files_are_refused_with_a_reason(file: bytes) -> None:
    """No other kind of exception is raised."""
    with pytest.raises(SoundError, match=r"no sound file"):
        decode(file)


def test_a_pause_is_silence_after_speech() -> None:
    """Neither silence alone nor a short gap between two words is a pause."""
    said = decode(wav_of([440] * RATE, rate=RATE))
    silence = bytes(int(2 * RATE * speech.PAUSE_SECONDS))
    assert not speech.has_paused(silence * 3)
    assert not speech.has_paused(said)
    assert not speech.has_paused(said + silence[: RATE // 2])
    assert speech.has_paused(silence + said + silence)


def test_text_is_synthesized_without_espeak(monkeypatch: pytest.MonkeyPatch) -> None:
    """The synthesis of the lab takes the place of espeak-ng."""
    speech.synthesize.cache_clear()
    monkeypatch.setenv("PATH", "")
    spoken = speech.synthesize("hello there")
    speech.synthesize.cache_clear()
    assert len(spoken) > RATE


def test_prompts_are_listed_in_their_order() -> None:
    """A weaker match at the position of a better one does not count."""
    one, other = speech.synthesize("welcome to acme bank"), speech.synthesize("checking or savings")
    silence = bytes(RATE)
    prompts = {"which": other, "welcome": one}
    assert speech.recognize(silence + one + silence + other, prompts) == ("welcome", "which")
    assert speech.recognize(silence * 4, prompts) == ()
    assert speech.recognize(b"", prompts) == ()
