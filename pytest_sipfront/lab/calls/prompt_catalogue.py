"""The audio of the prompts of a lab file."""

from __future__ import annotations

import wave
from collections.abc import Mapping
from pathlib import Path

from pytest_sipfront.lab.calls.audio import RATE
from pytest_sipfront.lab.calls.speech_synthesis import say, tone
from pytest_sipfront.lab.file.calls_section import PromptSpec


class PromptError(ValueError):
    """A prompt cannot be used. The text contains its name and the reason."""


def render(specs: Mapping[str, PromptSpec]) -> dict[str, bytes]:
    """Return every prompt as PCM: 16 bit, mono, 8000 samples per second.

    Raises:
        PromptError: A WAV file is missing or has another form.
    """
    return {name: _render(name, spec) for name, spec in specs.items()}


def check_file(name: str, spec: PromptSpec) -> None:
    """Return if the prompt's WAV file, if it has one, exists and has one channel of 16 bit at 8000 Hz.

    Raises:
        PromptError: It does not.
    """
    if spec.wav is not None:
        _read(name, spec.wav)


def _render(name: str, spec: PromptSpec) -> bytes:
    if spec.wav is not None:
        return _read(name, spec.wav)
    if spec.say is not None:
        return say(spec.say)
    return tone(spec.tone or 0.0, spec.seconds)


def _read(name: str, path: Path) -> bytes:
    try:
        with wave.open(str(path), "rb") as file:
            form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            pcm = file.readframes(file.getnframes())
    except (OSError, wave.Error, EOFError) as error:
        raise PromptError(f"prompt '{name}' cannot be read from {path}: {error}") from None
    if form != (1, 2, RATE):
        channels, width, rate = form
        raise PromptError(
            f"prompt '{name}': {path} has {channels} channels of {8 * width} bit at {rate} Hz; "
            f"needed is one channel of 16 bit at {RATE} Hz"
        )
    return pcm
