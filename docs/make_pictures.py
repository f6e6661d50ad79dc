"""Make the pictures of the README: the HTML report of a session with real calls, and the lab's page of one of its runs.

Run `python docs/make_pictures.py` in an environment with the extra `all` and with Chromium. Two sessions of 60 tests
place calls on this machine: in the first one only two phones are broken, in the second one seven.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "docs" / "assets"
LARGEST = 200_000
"""Bytes of one picture."""
CITIES = ("vienna", "graz", "linz", "salzburg", "innsbruck", "bregenz", "klagenfurt", "villach", "wels", "steyr")
ENGAGED, MUTE, MISROUTED, DEAF = (7, 19), (12, 33), (2, 4), 3
"""The numbers of the offices, menus and mailboxes that are broken; the engaged ones in both sessions."""
SUITE = '''"""The nightly voice tests of a company with 50 offices."""

import pytest

CITIES = %(cities)r


@pytest.mark.sipfront(test="Basic call", step_1_0_dial_destination="{number}")
@pytest.mark.parametrize("number", [pytest.param(f"431{n:03d}", id=f"{CITIES[n %% 10]}-{n}") for n in range(50)])
def test_office_is_reachable(number): ...


@pytest.mark.sipfront(test="IVR to sales", step_1_0_dial_destination="{number}")
@pytest.mark.parametrize("number", [pytest.param(f"432{n:03d}", id=CITIES[n]) for n in range(5)])
def test_menu_leads_to_sales(number): ...


@pytest.mark.sipfront(test="PIN entry", step_1_0_dial_destination="{number}")
@pytest.mark.parametrize("number", [pytest.param(f"433{n:03d}", id=f"box-{n}") for n in range(5)])
def test_voicemail_takes_a_pin(number): ...
'''


def lab(*, is_broken: bool) -> str:
    """Return the lab file of the example suite with the phones of the offices."""
    phones = []
    for number in range(50):
        fault = "reject: 486" if number in ENGAGED else "one_way: receives" if is_broken and number in MUTE else ""
        phones.append(f'  office {number}: {{number: "431{number:03d}", {fault or "play: beep, repeat: true"}}}')
    for number in range(5):
        sales, support = ("2", "1") if is_broken and number in MISROUTED else ("1", "2")
        menu = f"main: {{play: welcome, {sales}: sales, {support}: support}}"
        menu += ", sales: {play: sales}, support: {play: support}"
        phones.append(f'  menu {number}: {{number: "432{number:03d}", menu: {{{menu}}}}}')
        fault = ", lose_digit: 2" if is_broken and number == DEAF else ""
        phones.append(f'  mailbox {number}: {{number: "433{number:03d}"{fault}}}')
    example = (ROOT / "example_suite" / "lab.yaml").read_text(encoding="utf-8")
    return example.replace("\nphones:\n", "\nphones:\n" + "\n".join(phones) + "\n", 1)


def run(directory: Path) -> None:
    """Run the suite in `directory`, which gets report and artifacts."""
    options = ["--sipfront-lab=lab.yaml", "--sipfront-concurrency=8", "--sipfront-max-minutes=30"]
    files = ["--sipfront-html=voice.html", "--sipfront-json=voice.json", "--sipfront-history=history.jsonl"]
    files += ["--sipfront-artifacts=artifacts"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "test_nightly.py", *options, *files]
    done = subprocess.run(command, cwd=directory, check=False)  # noqa: S603 - our own command
    if done.returncode != 1:
        raise SystemExit(f"pytest ended with {done.returncode}")


def photograph(page: Path, picture: Path, height: int) -> None:
    """Write a picture of the upper part of a page."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
    with tempfile.TemporaryDirectory() as profile:
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-background-networking",
        ]
        command = [chromium, *options, f"--user-data-dir={profile}", f"--window-size=1100,{height}"]
        subprocess.run([*command, f"--screenshot={picture}", page.as_uri()], check=True, capture_output=True)  # noqa: S603
    size = picture.stat().st_size
    print(f"{picture.relative_to(ROOT)}: {size // 1000} kB")  # noqa: T201
    if size > LARGEST:
        raise SystemExit(f"{picture} is larger than {LARGEST} bytes")


def main() -> None:
    """Make both pictures."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        shutil.copytree(ROOT / "example_suite" / "prompts", directory / "prompts")
        (directory / "pytest.ini").write_text("[pytest]\n")
        (directory / "test_nightly.py").write_text(SUITE % {"cities": CITIES})
        for is_broken in (False, True):
            (directory / "lab.yaml").write_text(lab(is_broken=is_broken), encoding="utf-8")
            run(directory)
        photograph(directory / "voice.html", ASSETS / "report.png", 1250)
        session = json.loads((directory / "voice.json").read_text(encoding="utf-8"))
        test = next(test for test in session["tests"] if test["kind"] == "wrong-prompt")
        artifacts = test["attempts"][-1]["runs"][0]["artifacts"]
        photograph(directory / artifacts["directory"] / "report.html", ASSETS / "run.png", 1150)


if __name__ == "__main__":
    main()
