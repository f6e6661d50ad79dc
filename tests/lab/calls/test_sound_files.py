"""Sound files become the PCM of a call."""

from __future__ import annotations

import io
import math
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy", reason="numpy comes with the extra 'lab'")
soundfile: Any = pytest.importorskip("soundfile", reason="soundfile comes with the extra 'lab'")

from pytest_sipfront.lab.calls import engine  # noqa: E402
from pytest_sipfront.lab.calls.sound_files import SoundError, check, decode  # noqa: E402
from pytest_sipfront.lab.file.loading import load  # noqa: E402
from pytest_sipfront.yaml_models import YamlFileError  # noqa: E402

LAB = "prompts:\n  tone: {{wav: {path}{more}}}\ntests: {{call: {{}}}}\n"


def tone(rate: int, channels: int = 1, subtype: str = "PCM_16", container: str = "WAV") -> bytes:
    """One second of 440 Hz at half of full scale."""
    samples = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    file = io.BytesIO()
    soundfile.write(file, np.stack([samples] * channels, axis=1), rate, format=container, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
@pytest.mark.parametrize(
    ("rate", "channels", "container"), [(8000, 1, "WAV"), (44_100, 2, "WAV"), (16_000, 1, "WAVEX")]
)
def test_every_wav_format_becomes_pcm(subtype: str, rate: int, channels: int, container: str) -> None:
    """Length, frequency and level stay the same."""
    samples = np.frombuffer(decode(tone(rate, channels, subtype, container)), "<i2")
    assert len(samples) == pytest.approx(8000, abs=2)
    assert np.abs(np.fft.rfft(samples)).argmax() == pytest.approx(440, abs=1)
    assert 20 * math.log10(np.abs(samples[2000:6000]).max() / 16_384) == pytest.approx(0, abs=0.3)


def test_frequencies_above_the_band_are_removed() -> None:
    """A tone of 6 kHz does not become one of 2 kHz."""
    file = io.BytesIO()
    soundfile.write(file, 0.5 * np.sin(2 * np.pi * 6000 * np.arange(48_000) / 48_000), 48_000, format="WAV")
    samples = np.frombuffer(decode(file.getvalue()), "<i2")
    assert np.abs(samples[1000:-1000]).max() < 20


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"", "no sound file"),
        (b"ID3 this is text", "no sound file"),
        (tone(8000)[:4000], "truncated: 3956 of 16000 bytes of audio"),
        (tone(8000)[:40] + struct.pack("<I", 0), "contains no audio"),
    ],
)
def test_an_unusable_file_has_a_reason(file: bytes, reason: str) -> None:
    """Empty, foreign and truncated files are distinguished, whether they are checked or decoded."""
    for use in (check, decode):
        with pytest.raises(SoundError, match=reason):
            use(file)


def test_plain_pcm_is_checked_without_the_libraries_that_decode_it() -> None:
    """They take longer to import than the rest of a lab file takes to load."""
    lab = Path(__file__).parents[3] / "example_suite" / "lab.yaml"
    code = (
        "import sys; from pathlib import Path; from pytest_sipfront.lab.calls import engine;"
        "from pytest_sipfront.lab.file.loading import load_path;"
        f"file = load_path(Path({str(lab)!r}), engine()); assert any(prompt.wav for prompt in file.prompts.values());"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "soundfile", "soxr"} & set(done.stdout.split())


def test_a_file_written_to_a_pipe_is_complete() -> None:
    """Its header announces the largest length."""
    file = tone(8000)
    streamed = file[:40] + struct.pack("<I", 0x7FFFF000) + file[44:]
    assert len(decode(streamed)) == 16_000


def test_an_unusable_file_is_a_mistake_with_its_line(tmp_path: Path) -> None:
    """The message contains file, line, key and reason."""
    (tmp_path / "cut.wav").write_bytes(tone(8000)[:4000])
    with pytest.raises(YamlFileError, match=r"lab\.yaml:2: prompts\.tone\.wav: .*cut\.wav: it is truncated"):
        load(LAB.format(path="cut.wav", more=""), engine(), directory=tmp_path)


def test_a_file_outside_the_directory_must_be_allowed(tmp_path: Path) -> None:
    """A lab file reads no other files unless it says so."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "tone.wav").write_bytes(tone(8000))
    with pytest.raises(YamlFileError, match=r"lab\.yaml:2: prompts\.tone\.wav.* is outside of .*allow_outside: true"):
        load(LAB.format(path="../tone.wav", more=""), engine(), directory=tmp_path / "inner")
    file = load(LAB.format(path="../tone.wav", more=", allow_outside: true"), engine(), directory=tmp_path / "inner")
    assert file.prompts["tone"].wav is not None
