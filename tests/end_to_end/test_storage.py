"""The journal of a session whose cache directory is missing or cannot be written."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.end_to_end.suite import Suite

WARNING = "*SipfrontWarning: cannot write the journal *: --sipfront-resume cannot find the runs of this session, *"


@pytest.fixture
def marked_test(suite: Suite) -> Suite:
    """A suite with one marked test."""
    suite.write("@marked(test='Basic call')\ndef test_call(): pass\n")
    return suite


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch, marked_test: Suite) -> None:
    """The directory of the suite looks read-only. These tests may run as root, who can write anywhere."""
    access = os.access

    def check(path: str | Path, mode: int) -> bool:
        return access(path, mode) and (mode != os.W_OK or not Path(path).is_relative_to(marked_test.pytester.path))

    monkeypatch.setattr(os, "access", check)


def temporary_journal(result: pytest.RunResult) -> Path:
    """Return the journal that the warning names."""
    result.stdout.fnmatch_lines([WARNING])
    directory = re.search(r"which are recorded in (\S+)\. Set --sipfront-ledger", result.stdout.str())
    assert directory is not None
    return Path(directory[1], "ledger.jsonl")


@pytest.mark.usefixtures("read_only")
@pytest.mark.parametrize("options", [(), ("-pno:cacheprovider",)], ids=["cache", "no cache"])
def test_a_read_only_directory_gives_a_temporary_journal_and_a_warning(
    marked_test: Suite, options: tuple[str, ...]
) -> None:
    """The run is launched, and the warning says what is lost and which option to set."""
    result = marked_test.run(*options)
    result.assert_outcomes(passed=1, warnings=1)
    assert temporary_journal(result).exists()
    assert list(marked_test.pytester.path.rglob("*ledger.jsonl")) == []
    shutil.rmtree(temporary_journal(result).parent)
    assert "--sipfront-ledger" in result.stdout.str()


def test_a_cache_directory_that_cannot_be_created_gives_a_temporary_journal(marked_test: Suite) -> None:
    """Its path leads through a file."""
    (marked_test.pytester.path / "file").touch()
    result = marked_test.run("-ocache_dir=file/cache")
    assert result.parseoutcomes()["passed"] == 1
    assert temporary_journal(result).exists()
    shutil.rmtree(temporary_journal(result).parent)


@pytest.mark.usefixtures("read_only")
def test_a_missing_journal_is_an_error_if_warnings_are_errors(marked_test: Suite) -> None:
    """Each test reports it, and there is no internal error."""
    result = marked_test.run("-Werror::pytest_sipfront.SipfrontWarning")
    result.assert_outcomes(errors=1)
    assert "cannot write the journal" in marked_test.report().message
    assert marked_test.lab.launches == 0


def test_an_explicit_journal_needs_no_cache(marked_test: Suite) -> None:
    """There is nothing to warn about."""
    (marked_test.pytester.path / "file").touch()
    result = marked_test.run("-ocache_dir=file/cache", "--sipfront-ledger=here.jsonl")
    assert "SipfrontWarning" not in result.stdout.str()
    assert result.parseoutcomes()["passed"] == 1
    assert (marked_test.pytester.path / "here.jsonl").exists()
