"""Commands that show the account, and single runs."""

from __future__ import annotations

import os
import re
import signal
import string
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sipfront.cli.account import COLUMNS, show_list
from pytest_sipfront.clients.sipfront.models import Document
from pytest_sipfront.lab.process import LabProcess
from pytest_sipfront.plugin.command_session import CommandSession
from tests.cli.conftest import Program
from tests.support import TIMEOUT


@pytest.mark.usefixtures("account")
def test_lists_are_tables_for_people(program: Program) -> None:
    """One line per entry, under the names of the columns."""
    assert program("tests").out.splitlines()[:2] == [
        "id   name        project  parameters",
        "101  Basic call  Nightly  step.1.0.dial_destination=1001",
    ]
    assert program("projects").out.splitlines()[1].split()[1:] == ["Nightly", "Basic", "call"]
    assert program("runs").out == "The account has no runs.\n"


@pytest.mark.usefixtures("account")
def test_lists_are_json_for_scripts(program: Program) -> None:
    """The platform's own JSON, unchanged."""
    assert [test["name"] for test in program("tests", "--json").json["tests"]] == ["Basic call", "Stopped", "Long"]
    assert program("projects", "--json").json["projects"][0]["name"] == "Nightly"


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(string.printable),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["tests", "data", "name", "id", "parameters", "x"]), inner)
    ),
)


@given(JSON, st.sampled_from(list(COLUMNS)))
def test_a_list_of_any_shape_is_printed(data: Any, kind: str) -> None:
    """The shape of the lists is not published, so none ends with a traceback."""
    session = cast("CommandSession", SimpleNamespace(ask=lambda _: Document(data)))
    with redirect_stdout(StringIO()) as output:
        assert show_list(session, kind, as_json=False) == 0
    assert output.getvalue()


def test_a_run_that_passes_ends_with_0(program: Program, account: LabProcess, tmp_path: Path) -> None:
    """It is launched once, and the journal of the directory has its verdict."""
    done = program("run", "Basic call", "--set", "step.1.0.dial_destination=0043")
    assert (done.code, done.out.splitlines()[0]) == (0, "PASSED")
    assert "0043" in done.out
    assert re.search("^Basic call: launched, .* min, http://", done.err, re.MULTILINE)
    assert account.launches == 1
    assert account.runs[0]["overrides"] == {"step.1.0.dial_destination": "0043"}
    journal = (tmp_path / ".pytest_cache/d/sipfront/ledger.jsonl").read_text()
    assert '"verdict"' in journal


def test_a_run_that_fails_ends_with_1(program: Program, account: LabProcess) -> None:
    """Unless the failure is expected. The override may have the spelling of the marker."""
    arguments = ("run", "Basic call", "--set", "step_1_0_dial_destination=486100")
    done = program(*arguments)
    assert (done.code, done.out.splitlines()[0]) == (1, "FAILED: 486 Busy Here")
    assert program(*arguments, "--expect", "failed", "--match", "486").code == 0
    assert program(*arguments, "--expect", "failed", "--match", "404").code == 1
    assert account.launches == 3


def test_a_run_without_verdict_ends_with_2(program: Program, account: LabProcess) -> None:
    """An error names the evidence, and the nearest name of a test."""
    done = program("run", "Stopped")
    assert (done.code, done.out) == (2, "")
    assert "error: no verdict: " in done.err
    done = program("run", "Basic cal")
    assert done.code == 2
    assert "did you mean 'Basic call'?" in done.err
    assert program("run", "Long", "--timeout", "0.1").code == 2
    assert account.launches == 2


def test_the_result_as_json(program: Program, account: LabProcess) -> None:
    """One object, also without a verdict."""
    result = program("run", "Nightly", "--project", "--json").json
    assert (result["verdict"], result["as_expected"], result["request"]) == (
        "passed",
        True,
        {"project.name": "Nightly"},
    )
    assert result["tests"][0]["name"] == "Basic call"
    failure = program("run", "Stopped", "--json")
    assert failure.json["verdict"] is None
    assert failure.json["error"]["type"] == "NoVerdict"
    assert failure.code == 2
    assert account.launches == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "Missing argument 'NAME'"),
        (["run", "Basic call", "--set", "number"], "--set must be KEY=VALUE, got 'number'"),
        (["run", "Basic call", "--set", "step.1.dial=1"], "invalid key 'step.1.dial' in params="),
        (["run", "Nightly", "--project", "--set", "step.1.0.x=1"], "a project run takes no overrides"),
        (["run", "Basic call", "--match", "x"], "match= requires expect='failed'"),
        (["rnu"], "No such command 'rnu'"),
        (["tests", "--lab-file", "missing.yaml"], "no such file"),
        (["tests", "--base-url", "ftp://x"], "must be a URL"),
    ],
)
def test_mistakes_end_with_3(program: Program, account: LabProcess, arguments: list[str], message: str) -> None:
    """Nothing is launched."""
    done = program(*arguments)
    assert (done.code, done.out) == (3, "")
    assert message in done.err
    assert account.launches == 0


def test_missing_credentials_end_with_3(program: Program) -> None:
    """The hint names the option of this program."""
    done = program("tests")
    assert done.code == 3
    assert "no credentials: SIPFRONT_PUBLIC_KEY and SIPFRONT_SECRET_KEY are not set" in done.err
    assert "run without an account: --lab\n" in done.err


@pytest.mark.usefixtures("account")
def test_settings_come_from_the_ini_file_of_the_directory(program: Program, tmp_path: Path) -> None:
    """They have the precedence of the plugin: the environment is stronger."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nsipfront_base_url = http://127.0.0.1:9\nsipfront_timeout = soon\n")
    done = program("tests")
    assert done.code == 3
    assert "sipfront_timeout in " in done.err
    assert "must be a number of seconds >= 0" in done.err
    (tmp_path / "pytest.ini").write_text("[pytest]\nsipfront_base_url = http://127.0.0.1:9\n")
    assert program("tests").code == 0


@pytest.mark.usefixtures("account")
def test_the_program_needs_no_entry_points(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some environments load no plugin by itself."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    assert program("tests").code == 0


def test_phone_numbers_are_masked_if_that_is_set(
    program: Program, account: LabProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In tables, JSON, progress and errors."""
    account.configure(
        "tests:\n  Basic call:\n    parameters: {step.1.0.dial_destination: '43123101999'}\n"
        "    verdict: stopped\n    description: no answer from 43123101999\n    takes: 0.05\n"
    )
    monkeypatch.setenv("SIPFRONT_MASK_NUMBERS", "on")
    for arguments in (
        ["tests"],
        ["tests", "--json"],
        ["run", "Basic call", "--set", "step.1.0.dial_destination=43123101999"],
        ["run", "Basic call", "--set", "step.1.0.dial_destination=43123101999", "--json"],
    ):
        done = program(*arguments)
        output = done.out + done.err
        assert ("43123101999" in output, "*********99" in output) == (False, True)


def test_a_hook_of_the_directory_may_reject_a_launch(program: Program, account: LabProcess, tmp_path: Path) -> None:
    """A launch from the shell is subject to the same rules as one from a test."""
    (tmp_path / "conftest.py").write_text(
        "from pytest_sipfront import LaunchVetoed\n"
        "def pytest_sipfront_before_launch(request): raise LaunchVetoed('no calls today')\n"
    )
    done = program("run", "Basic call")
    assert (done.code, account.launches) == (2, 0)
    assert "no calls today" in done.err


@pytest.mark.slow
def test_the_status_of_a_run(program: Program, account: LabProcess) -> None:
    """The verdict follows the rules of the plugin and decides the exit code."""
    passed = program("run", "Basic call", "--json").json["status_url"]
    failed = program("run", "Basic call", "--set", "step.1.0.dial_destination=486", "--json").json["status_url"]
    assert program("status", passed).code == 0
    done = program("status", failed)
    assert (done.code, done.out.splitlines()[0]) == (1, "failed: 486 Busy Here")
    assert program("status", failed, "--json").json["verdict"] == "failed"
    assert account.launches == 2


def test_a_status_url_of_another_server_is_not_requested(program: Program, account: LabProcess) -> None:
    """Credentials are sent to one origin only."""
    done = program("status", "http://127.0.0.1:9/api/v2/runs/1/status")
    assert done.code == 2
    assert f"is outside {account.url}: not requested, no credentials sent" in done.err
    assert program("status", f"{account.url}/api/v2/runs/unknown/status").code == 2


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGINT")
def test_ctrl_c_leaves_the_run_and_resume_follows_it(program: Program, account: LabProcess) -> None:
    """The program says that the run goes on, and never launches it twice."""
    command = [sys.executable, "-m", "pytest_sipfront", "run", "Long"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        first = next(line for line in process.stderr if "Long: running" in line)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, "http://" in first) == (2, True)
    message, _, url = errors.strip().rpartition(" ")
    assert message == "error: interrupted; the run goes on: pytest-sipfront status"
    assert program("status", url).out.startswith("still running")
    resumed = program("run", "Long", "--resume", "--timeout", "0.2")
    assert "not finished after" in resumed.err
    assert account.launches == 1
