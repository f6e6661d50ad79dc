"""Recognising prompts by their spectrum."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy", reason="numpy comes with the extra 'lab'")

from pytest_sipfront.lab.calls.conditions import find_prompt  # noqa: E402
from pytest_sipfront.lab.calls.prompt_recognition import (  # noqa: E402
    MARGIN_NEEDED,
    SCORE_NEEDED,
    PromptMatch,
    best_rival,
    rank,
)
from pytest_sipfront.lab.calls.speech_synthesis import say, tone  # noqa: E402
from tests.lab.calls.speech_prompts import (  # noqa: E402
    LINES,
    needs_recordings,
    needs_voices,
    received,
    recorded_prompts,
    synthetic_prompts,
)

CATALOGUE = {
    "menu": say("welcome to the main menu press one for sales"),
    "changed": say("welcome to the main menu press two for sales"),
    "closed": say("our office is closed now please call again"),
    "thanks": say("thank you for calling good bye"),
    "ring": tone(425, 1.0),
}
SECOND = b"\0\0" * 8000


def through_g711(pcm: bytes) -> bytes:
    """Companded to 8 bit and back, as a call does it."""
    samples = np.frombuffer(pcm, "<i2") / 32768
    companded = np.round(np.sign(samples) * np.log1p(255 * abs(samples)) / np.log(256) * 127) / 127
    return bytes((np.sign(companded) * (256 ** abs(companded) - 1) / 255 * 32767).astype("<i2").tobytes())


def with_loss(pcm: bytes, percent: float, seed: int) -> bytes:
    """With packets of 20 ms missing."""
    samples = np.frombuffer(pcm, "<i2").copy()
    random = np.random.default_rng(seed)
    for start in range(0, len(samples), 160):
        if random.random() < percent / 100:
            samples[start : start + 160] = 0
    return bytes(samples.tobytes())


def with_noise(pcm: bytes, snr_db: float, seed: int) -> bytes:
    """With white noise so many decibels below the recording's mean power."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    noise = np.random.default_rng(seed).standard_normal(len(samples)) * samples.std() * 10 ** (-snr_db / 20)
    return bytes((samples + noise).clip(-32768, 32767).astype("<i2").tobytes())


@pytest.mark.parametrize("prompt", CATALOGUE)
def test_each_prompt_is_recognised_on_a_clean_line(prompt: str) -> None:
    """The played prompt ranks first, at its position and well above the required score."""
    best, second, *_ = rank(through_g711(SECOND + CATALOGUE[prompt] + SECOND), CATALOGUE)
    assert best.prompt == prompt
    assert best.score > 0.9
    assert best.at == pytest.approx(1.0, abs=0.05)
    assert best.score - second.score > 0.2


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("prompt", CATALOGUE)
def test_the_ranking_holds_at_three_percent_loss_and_ten_decibels_of_noise(prompt: str, seed: int) -> None:
    """Loss and noise lower the score, but the right prompt still ranks first with the required margin."""
    bad = with_loss(with_noise(through_g711(SECOND + CATALOGUE[prompt] + SECOND), 10, seed), 3, seed)
    best, second, *_ = rank(bad, CATALOGUE)
    assert best.prompt == prompt
    assert best.score >= SCORE_NEEDED
    assert best.score - second.score >= MARGIN_NEEDED


def test_one_changed_word_is_no_match_even_if_the_catalogue_does_not_know_it() -> None:
    """A prompt with one different word does not match, even if the catalogue lacks the other variant."""
    (match,) = rank(through_g711(CATALOGUE["changed"] + SECOND), {"menu": CATALOGUE["menu"]})
    assert match.score < SCORE_NEEDED


def test_an_overlapping_prompt_that_matches_better_is_the_rival() -> None:
    """A prompt that was not played loses against the one that was, and matches elsewhere do not matter."""
    ranking = rank(CATALOGUE["menu"] + SECOND + CATALOGUE["thanks"], CATALOGUE)
    own = {match.prompt: match for match in ranking}
    assert best_rival(ranking, own["menu"]) is None
    assert best_rival(ranking, own["changed"]) == own["menu"]
    assert best_rival(ranking, own["thanks"]) is None


def test_a_word_within_a_longer_prompt_was_not_played() -> None:
    """The longer prompt covers the word and matches better."""
    long = PromptMatch(prompt="sixty", score=0.98, at=1.0, seconds=0.8)
    word = PromptMatch(prompt="eight", score=0.85, at=1.3, seconds=0.4)
    assert best_rival((long, word), word) == long
    assert best_rival((long, word), long) is None
    elsewhere = PromptMatch(prompt="eight", score=0.85, at=2.0, seconds=0.4)
    assert best_rival((long, elsewhere), elsewhere) is None


def test_two_nearly_perfect_scores_are_distinct() -> None:
    """Close to 1, a smaller difference is enough; two equal prompts are never distinct."""
    first = PromptMatch(prompt="f", score=0.99, at=1.0, seconds=1.0)
    second = PromptMatch(prompt="s", score=0.96, at=1.0, seconds=1.0)
    assert best_rival((first, second), first) is None
    twin = PromptMatch(prompt="twin", score=0.988, at=1.0, seconds=1.0)
    assert best_rival((first, twin), first) == twin


@pytest.mark.parametrize("recording", [b"", b"\0\0" * 10, SECOND * 3, with_noise(tone(1000, 3), -10, 1)])
def test_silence_and_noise_match_no_prompt(recording: bytes) -> None:
    """Silence, noise and an empty recording match no prompt."""
    assert all(match.score < SCORE_NEEDED for match in rank(recording, CATALOGUE))


def test_the_synthesis_is_deterministic() -> None:
    """The same text always has the same sound, and another text has another one."""
    assert say("press one") == say("press one")
    assert say("press one") != say("press six")
    assert say("") == b""


@needs_recordings
@needs_voices
@pytest.mark.slow
@pytest.mark.parametrize("line", LINES)
def test_speech_is_recognised_and_never_mistaken(line: str) -> None:
    """Of 66 prompts, at least 99 percent are recognised, and no other one is accepted, numbers included."""
    prompts = {**recorded_prompts(), **synthetic_prompts()}
    right, mistaken = 0, []
    for seed, (played, pcm) in enumerate([*prompts.items()] * 2, start=100):
        ranking = rank(received(pcm, LINES[line], seed), prompts)
        heard = [name for name in prompts if isinstance(find_prompt(name, ranking, 0.0), PromptMatch)]
        right += played in heard
        mistaken += [(played, name) for name in heard if name != played]
    assert mistaken == []
    assert right >= 0.99 * 2 * len(prompts)
