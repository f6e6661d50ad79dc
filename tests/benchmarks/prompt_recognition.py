"""Print how well recorded and synthetic prompts are recognised, with loss, noise and at a low level.

It needs Debian's packages asterisk-core-sounds-en-wav and espeak-ng. Run it with

    .venv/bin/python -m tests.benchmarks.prompt_recognition
"""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import numpy as np

from pytest_sipfront.lab.calls.conditions import find_prompt
from pytest_sipfront.lab.calls.prompt_recognition import PromptMatch, rank
from pytest_sipfront.lab.calls.sound_files import decode

SOUNDS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
RECORDED = (
    *(f"digits/{name}" for name in (*range(21), 30, 40, 50, 60, 70, 80, 90)),
    *(f"letters/{letter}" for letter in "abcdefgkmnosxz"),
    "vm-goodbye", "vm-intro", "vm-login", "vm-password", "vm-youhave", "vm-messages", "demo-thanks", "invalid",
    "pbx-transfer", "conf-onlyperson", "agent-pass", "auth-thankyou",
)  # fmt: skip
SENTENCES = (
    "welcome to acme bank", "welcome to acme insurance", "press one for sales", "press two for sales",
    "your call is important to us", "please hold the line", "our office is closed", "thank you for calling",
)  # fmt: skip
VOICES = ("en-us", "en-gb+f3")
CONDITIONS = ("clean", "3 % loss", "5 % loss", "-20 dB", "noise -40 dBFS")


def catalogue() -> dict[str, bytes]:
    """Return recorded and synthetic prompts."""
    prompts = {name: decode((SOUNDS / f"{name}.wav").read_bytes()) for name in RECORDED}
    for number, sentence in enumerate(SENTENCES):
        voice = VOICES[number % len(VOICES)]
        command = ["espeak-ng", "-v", voice, "--stdout", sentence]
        prompts[f"{voice}: {sentence}"] = decode(subprocess.run(command, capture_output=True, check=True).stdout)
    return prompts


def received(pcm: bytes, condition: str, seed: int) -> bytes:
    """Return what a caller receives of a prompt: G.711 with silence around it, and the impairment."""
    draw = np.random.default_rng(seed)
    samples = np.frombuffer(bytes(8000) + pcm + bytes(8000), "<i2").astype(np.float64)
    if condition == "-20 dB":
        samples /= 10
    if condition.startswith("noise"):
        samples += draw.standard_normal(len(samples)) * 32768 * 10 ** (-40 / 20)
    scaled = samples.clip(-32768, 32767) / 32768
    companded = np.round(np.sign(scaled) * np.log1p(255 * abs(scaled)) / np.log(256) * 127) / 127
    samples = np.sign(companded) * (256 ** abs(companded) - 1) / 255 * 32767
    if "loss" in condition:
        percent = float(condition.split(maxsplit=1)[0])
        for start in range(0, len(samples), 160):
            if draw.random() * 100 < percent:
                samples[start : start + 160] = 0
    return bytes(samples.astype("<i2").tobytes())


def main() -> None:
    """Print a row per condition, and the most frequent confusions."""
    prompts = catalogue()
    print(f"{len(prompts)} prompts, {len(prompts) ** 2} pairs per condition")
    confusions: Counter[str] = Counter()
    for condition in CONDITIONS:
        right = accepted = 0
        for seed, (played, pcm) in enumerate(prompts.items()):
            ranking = rank(received(pcm, condition, seed), prompts)
            for wanted in prompts:
                match = find_prompt(wanted, ranking, 0.0)
                if isinstance(match, PromptMatch):
                    right += wanted == played
                    accepted += wanted != played
                    if wanted != played:
                        confusions[f"played {played}, accepted as {wanted} ({condition})"] += 1
                elif wanted == played:
                    confusions[f"missed {played} ({condition}): {match.text}"] += 1
        print(f"{condition:16} right {100 * right / len(prompts):5.1f} %   false accepts {accepted}", flush=True)
    for text, _ in confusions.most_common(60):
        print("  ", text)


if __name__ == "__main__":
    main()
