"""Decode sound files to the PCM of a call: 16 bit, mono, 8000 samples per second."""

from __future__ import annotations

import io
import struct
import wave

from pytest_sipfront.lab.calls.audio import RATE

MAX_BYTES = 50 * 1024 * 1024
_STREAMED_BYTES = 0x7FFF0000
"""Programs that write to a pipe announce a length of at least this."""


class SoundError(ValueError):
    """A sound file cannot be used. The text is the reason."""


def decode(file: bytes) -> bytes:
    """Return the audio of a sound file as PCM, with all channels mixed.

    WAV files may have 8, 16, 24 or 32 bit, floating point, mu-law or A-law, an extensible header, several channels and
    any sample rate.

    Raises:
        SoundError: It is empty, truncated, too large, or in a format that libsndfile does not read.
    """
    import numpy as np  # noqa: PLC0415 - the lab starts without these packages

    try:
        import soundfile  # noqa: PLC0415
        import soxr  # noqa: PLC0415
    except (ImportError, OSError) as error:
        raise SoundError(f'sound files require pip install "pytest-sipfront[lab]" ({error})') from None
    if len(file) > MAX_BYTES:
        raise SoundError(f"it is larger than {MAX_BYTES >> 20} MB")
    _check_length(file)
    try:
        samples, rate = soundfile.read(io.BytesIO(file), dtype="float64", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise SoundError(f"it is no sound file that can be read: {error.error_string}") from None
    if not len(samples):
        raise SoundError("it contains no audio")
    mono = soxr.resample(samples.mean(axis=1), rate, RATE, quality="VHQ")
    return bytes(np.clip(np.round(mono * 32768), -32768, 32767).astype("<i2").tobytes())


def check(file: bytes) -> None:
    """Return if `decode` can read the file. Plain PCM is checked without the libraries that decode it.

    Raises:
        SoundError: See `decode`.
    """
    try:
        with wave.open(io.BytesIO(file)) as plain:
            is_complete = len(plain.readframes(plain.getnframes())) == plain.getnframes() * plain.getsampwidth()
            if is_complete and plain.getnframes() and plain.getnchannels() == 1 and len(file) <= MAX_BYTES:
                return
    except (wave.Error, EOFError):
        pass
    decode(file)


def _check_length(file: bytes) -> None:
    """Raise a SoundError if a WAV file ends before its audio does; libsndfile reads such a file without an error."""
    if file[:4] != b"RIFF" or file[8:12] != b"WAVE":
        return
    position = 12
    while position + 8 <= len(file):
        name, size = struct.unpack_from("<4sI", file, position)
        available = len(file) - position - 8
        if name == b"data" and available < size < _STREAMED_BYTES:
            raise SoundError(f"it is truncated: {available} of {size} bytes of audio")
        position += 8 + size + size % 2
