"""Transcripts and their comparison with expected words."""

from __future__ import annotations

import copy
import math
import pickle

import pytest

from pytest_sipfront.sift.answers import NO_ANSWER, Transcript, word_error_rate


@pytest.mark.parametrize(
    ("expected", "heard"),
    [
        ("Welcome to ACME Bank!", "welcome to acme bank"),
        ("one,two - three", "one two three"),
        ("  spaced   out ", "spaced out"),
        ("don't", "dont"),
        ("don\u2019t", "don't"),
        ("Stra\u00dfe", "strasse"),
        ("\uff11\uff12", "12"),
    ],
)
def test_case_punctuation_and_spacing_do_not_matter(expected: str, heard: str) -> None:
    """Transcripts have no capitals and no commas."""
    assert word_error_rate(expected, heard) == 0
    assert Transcript(heard).says(expected, wer=0)


@pytest.mark.parametrize(
    ("heard", "rate"),
    [
        ("welcome to acme bank", 0.0),
        ("welcome to acne bank", 0.25),
        ("welcome to bank", 0.25),
        ("well welcome to acme bank", 0.25),
        ("we are closed", 1.0),
        ("", 1.0),
    ],
)
def test_wrong_missing_and_added_words_count_once_each(heard: str, rate: float) -> None:
    """Divided by the number of expected words."""
    assert word_error_rate("welcome to acme bank", heard) == rate


def test_a_match_allows_errors_up_to_the_limit() -> None:
    """The limit is included. By default it is a fifth of the words."""
    transcript = Transcript("welcome to acne bank")
    assert transcript.says("welcome to acme bank", wer=0.25)
    assert not transcript.says("welcome to acme bank")
    assert repr(transcript.says("welcome to acme bank")) == (
        "<heard 'welcome to acne bank', expected 'welcome to acme bank': word error rate 0.25, allowed 0.20>"
    )


def test_unexpected_words_have_an_infinite_error_rate() -> None:
    """If no words are expected, silence is a match."""
    assert math.isinf(word_error_rate("", "hello"))
    assert word_error_rate("?!", "") == 0


def test_no_answer_is_false_and_equals_only_itself() -> None:
    """It differs from False, "" and None, also after a copy and in another process."""
    answer: object = NO_ANSWER
    assert not answer
    assert answer not in (False, "", None, 0, [])
    assert repr(NO_ANSWER) == "NO_ANSWER"
    assert copy.deepcopy(NO_ANSWER) is NO_ANSWER
    assert pickle.loads(pickle.dumps(NO_ANSWER)) is NO_ANSWER


def test_no_answer_has_the_methods_of_a_transcript() -> None:
    """So `call.listen().says(...)` and `.text` work without an answer."""
    assert NO_ANSWER.text == ""
    assert not NO_ANSWER.says("hello", wer=1)
