"""A lab that follows its file."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from pytest_sipfront.lab.backend import ScriptedBackend
from pytest_sipfront.lab.file.loading import load_path
from pytest_sipfront.lab.lab import Lab
from pytest_sipfront.lab.lab_file_watch import LabFileWatch
from pytest_sipfront.lab.web.pages import front_page
from tests.support import TIMEOUT


class Watched:
    """A lab with its file and the messages of its watch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.write_text("tests: {First: {}}\n")
        backend = ScriptedBackend()
        self.messages: list[str] = []
        self.lab = Lab(load_path(path, backend), backend)
        self.watch = LabFileWatch(self.lab, path, self.messages.append)

    def write(self, content: str | bytes) -> list[str]:
        """Change the file, let the watch look at it, and return the names of the lab's tests."""
        self.path.write_bytes(content.encode() if isinstance(content, str) else content)
        asyncio.run(self.watch.look())
        return list(self.lab.file.tests)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """A lab that was started with a file with one test."""
    return Watched(tmp_path / "my.yaml")


def test_a_new_content_replaces_the_old_one(watched: Watched) -> None:
    """Once per change of the content; saving the same content again ends no run."""
    assert watched.write("tests: {Second: {}}") == ["Second"]
    assert watched.write("tests: {Second: {}}") == ["Second"]
    assert watched.write("tests: {Third: {}}") == ["Third"]
    assert [message.partition(": ")[0] for message in watched.messages] == [f"Reloaded {watched.path}"] * 2


def test_mistakes_are_shown_and_the_old_content_stays(watched: Watched) -> None:
    """All mistakes with file, line and key path, until the file has none."""
    assert watched.write("tests:\n  Second: {tkaes: 1}\nphnoes: {}\n") == ["First"]
    for text in (f"{watched.path}:2: ", "tkaes", f"{watched.path}:3: ", "phnoes", "keeps the file as it was before"):
        assert text in watched.messages[-1]
    page = front_page(watched.lab.platform, watched.lab.sift, "", watched.watch.mistakes)
    assert "unknown key &#39;tkaes&#39;" in page
    assert watched.write(b"\xff\xfe") == ["First"]
    assert "not UTF-8 text" in watched.messages[-1]
    assert watched.write("tests: {Second: {}}") == ["Second"]
    assert watched.watch.mistakes == ""


def test_a_file_that_is_being_replaced_is_ignored(watched: Watched) -> None:
    """Editors remove a file and write another one."""
    watched.path.unlink()
    asyncio.run(watched.watch.look())
    assert watched.messages == []
    assert watched.write("tests: {Second: {}}") == ["Second"]


def test_relative_paths_start_at_the_file(watched: Watched) -> None:
    """As in the first content."""
    assert watched.write("tests: {Second: {}}") == ["Second"]
    assert watched.lab.file.directory == watched.path.parent


@pytest.mark.parametrize(("mistakes", "refreshes"), [(None, False), ("", True)])
def test_the_page_of_a_watched_lab_reloads_itself(watched: Watched, mistakes: str | None, *, refreshes: bool) -> None:
    """Others do not, so that a reader can select text."""
    page = front_page(watched.lab.platform, watched.lab.sift, "", mistakes)
    assert ('http-equiv="refresh"' in page) == refreshes


def test_the_command_follows_its_file(tmp_path: Path) -> None:
    """From a change of the file to its tests on the front page."""
    path = tmp_path / "lab.yaml"
    path.write_text("tests: {First: {}}\n")
    command = [sys.executable, "-m", "pytest_sipfront.lab", str(path), "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[2].rstrip(":")
            path.write_text("tests: {Second: {}}\n")
            assert any(line.startswith("Reloaded") for line in process.stdout)
            with urlopen(url, timeout=TIMEOUT) as page:
                assert "Second" in page.read().decode()
        finally:
            process.terminate()


def test_a_watch_needs_a_file() -> None:
    """The built-in file does not change."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest_sipfront.lab", "--watch"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, "lab: --watch needs a lab file\n")
