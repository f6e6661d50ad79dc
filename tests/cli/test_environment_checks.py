"""`pytest-sipfront doctor`."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pytest_sipfront.cli import environment_checks
from pytest_sipfront.lab import Diagnosis, LabError
from pytest_sipfront.lab.diagnosis import Check
from pytest_sipfront.lab.process import LabProcess
from tests.cli.conftest import Program
from tests.support import refusing_port


@pytest.fixture(autouse=True)
def _sound_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab's self-check, which takes seconds, has its own tests."""
    monkeypatch.setattr(environment_checks, "examine", lambda: Diagnosis((Check("call", ok=True, detail="answered"),)))
    for name in ("SIFT_ACCOUNT_ID", "SIFT_AUTH_TOKEN", "SIFT_BEARER_TOKEN", "SIFT_CALLBACK_URL", "SIFT_LISTEN"):
        monkeypatch.delenv(name, raising=False)


def states(program: Program) -> dict[str, tuple[str, str]]:
    """Return state and detail of each check."""
    return {check["name"]: (check["state"], check["detail"]) for check in program("doctor", "--json").json}


def test_a_sound_environment_ends_with_0(program: Program, account: LabProcess) -> None:
    """No launch is sent. Missing access to Sift is a note."""
    done = program("doctor")
    assert done.code == 0
    assert "FAIL" not in done.out
    checks = states(program)
    assert checks["credentials"] == ("ok", "accepted, from SIPFRONT_PUBLIC_KEY and SIPFRONT_SECRET_KEY")
    assert checks["target"] == ("ok", f"{account.url} (from SIPFRONT_BASE_URL)")
    assert checks["clock"][0] == checks["reachability"][0] == checks["lab call"][0] == "ok"
    assert checks["Sift callbacks"][0] == "note"
    assert account.launches == 0


@pytest.mark.usefixtures("account")
def test_each_fault_is_named(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is 1."""
    monkeypatch.setenv("SIPFRONT_PUBLIC_KEY", "another")
    assert states(program)["credentials"][0] == "FAIL"
    assert program("doctor").code == 1
    with refusing_port() as port:
        monkeypatch.setenv("SIPFRONT_BASE_URL", f"http://127.0.0.1:{port}")
        assert "Connection refused" in states(program)["reachability"][1]
    monkeypatch.delenv("SIPFRONT_PUBLIC_KEY")
    assert states(program)["credentials"] == ("FAIL", "no credentials: SIPFRONT_PUBLIC_KEY is not set")


@pytest.mark.usefixtures("account")
def test_a_clock_that_is_wrong(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times of runs are compared with the times of launches."""
    monkeypatch.setattr(environment_checks, "parsedate_to_datetime", lambda _: datetime(2020, 1, 1, tzinfo=UTC))
    assert states(program)["clock"][0] == "FAIL"


def test_sift_callbacks_are_requested_as_sift_would(
    program: Program, account: LabProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secret part of the URL is not shown. A receiver on the loopback address cannot be reached by Sift itself."""
    monkeypatch.setenv("SIFT_BASE_URL", f"{account.url}/v0")
    monkeypatch.setenv("SIFT_BEARER_TOKEN", "a-token-of-this-test")
    monkeypatch.setenv("SIFT_CALLBACK_TOKEN", "the-secret-of-the-callbacks")
    state, detail = states(program)["Sift callbacks"]
    assert (state, "the-secret" in detail) == ("ok", False)
    with refusing_port() as port:
        monkeypatch.setenv("SIFT_CALLBACK_URL", f"http://127.0.0.1:{port}")
        assert states(program)["Sift callbacks"][0] == "FAIL"
    monkeypatch.delenv("SIFT_CALLBACK_URL")
    monkeypatch.delenv("SIFT_BASE_URL")
    assert states(program)["Sift callbacks"][0] == "FAIL"


@pytest.mark.usefixtures("account")
def test_a_lab_that_is_not_installed_is_a_note(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform works without it."""

    def examine() -> Diagnosis:
        raise LabError("the lab requires ...")

    monkeypatch.setattr(environment_checks, "examine", examine)
    assert states(program)["lab calls"] == ("note", "the lab requires ...")
    assert program("doctor").code == 0
