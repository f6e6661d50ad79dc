"""The audio of the prompts of a lab file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pytest_sipfront.lab.calls.sound_files import SoundError, check, decode
from pytest_sipfront.lab.calls.speech_synthesis import say, tone
from pytest_sipfront.lab.file.calls_section import PromptSpec

T = TypeVar("T")


class PromptError(ValueError):
    """A prompt cannot be used. The text contains its name and the reason."""


def render(specs: Mapping[str, PromptSpec]) -> dict[str, bytes]:
    """Return every prompt as PCM: 16 bit, mono, 8000 samples per second.

    Raises:
        PromptError: A sound file cannot be read.
    """
    return {name: _render(name, spec) for name, spec in specs.items()}


def check_file(name: str, spec: PromptSpec) -> None:
    """Return if the prompt's sound file, if it has one, can be read.

    Raises:
        PromptError: It cannot be read.
    """
    if spec.wav is not None:
        _read(name, spec.wav, check)


def _render(name: str, spec: PromptSpec) -> bytes:
    if spec.wav is not None:
        return _read(name, spec.wav, decode)
    if spec.say is not None:
        return say(spec.say)
    return tone(spec.tone or 0.0, spec.seconds)


def _read(name: str, path: Path, use: Callable[[bytes], T]) -> T:
    try:
        return use(path.read_bytes())
    except (OSError, SoundError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PromptError(f"prompt '{name}' cannot be read from {path}: {reason}") from None
