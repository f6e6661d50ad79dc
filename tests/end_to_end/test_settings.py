"""Settings that make no sense end the session at once, with what was given, from where, and what is allowed."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

BAD = {
    "base URL": ("base_url", "app.sipfront.com", "a URL such as https://app.sipfront.com"),
    "base URL over http": ("base_url", "http://app.sipfront.com", "http is allowed for localhost only"),
    "base URL with user": ("base_url", "https://me:pw@app.sipfront.com", "must not contain a user name or password"),
    "timeout": ("timeout", "-1", "must be a number of seconds >= 0"),
    "timeout of no number": ("timeout", "soon", "must be a number of seconds >= 0"),
    "endless poll interval": ("poll_interval", "0", "seconds >= 0.01"),
    "concurrency": ("concurrency", "0", "must be an integer >= 1"),
    "report mode": ("report_mode", "kisok", "did you mean 'kiosk'?"),
    "CA bundle": ("ca_bundle", "/nowhere/ca.pem", "a readable PEM file"),
}


@pytest.mark.parametrize(("name", "value", "told"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("how", ["option", "environment", "ini"])
def test_a_bad_setting_is_a_usage_error(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, how: str, name: str, value: str, told: str
) -> None:
    """Exit code 4, one clear line with place, value and what is allowed; no traceback, and nothing is launched."""
    place = {"option": f"--sipfront-{name.replace('_', '-')}", "environment": f"SIPFRONT_{name.upper()}"}.get(
        how, f"sipfront_{name} in"
    )
    if name != "base_url":
        monkeypatch.setenv("SIPFRONT_BASE_URL", suite.lab.url)
    if how == "environment":
        monkeypatch.setenv(place, value)
    if how == "ini":
        suite.pytester.makeini(f"[pytest]\nsipfront_{name} = {value}\n")
    suite.write("@marked(test='Basic call')\ndef test_call(): pass\n")
    result = suite.pytester.runpytest_inprocess(*([f"{place}={value}"] if how == "option" else []))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    error = result.stderr.str()
    assert error.startswith("ERROR: ")
    assert len(error.strip().splitlines()) == 1
    assert "Traceback" not in error
    assert suite.lab.counts["requests"] == 0
    assert place in error
    assert told in error
    if "pw" not in value:
        assert value in error


def test_a_secret_in_an_ini_file_is_refused_and_not_shown(suite: Suite) -> None:
    """It would end up under version control."""
    suite.pytester.makeini("[pytest]\nsipfront_secret_key = sk-very-secret\n")
    suite.write("@marked(test='Basic call')\ndef test_call(): pass\n")
    result = suite.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    error = result.stderr.str()
    assert "sipfront_secret_key in " in error
    assert "SIPFRONT_SECRET_KEY" in error
    assert "SIPFRONT_SECRET_KEY_FILE" in error
    assert "sk-very-secret" not in error + result.stdout.str()
    assert suite.lab.counts["requests"] == 0


def test_command_line_beats_environment_beats_ini(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each source wins over the next."""
    suite.pytester.makeini("[pytest]\nsipfront_concurrency = 2\n")
    suite.run().stdout.fnmatch_lines(["sipfront: *concurrency 2"])
    monkeypatch.setenv("SIPFRONT_CONCURRENCY", "3")
    suite.run().stdout.fnmatch_lines(["sipfront: *concurrency 3"])
    suite.run("--sipfront-concurrency=4").stdout.fnmatch_lines(["sipfront: *concurrency 4"])


def test_the_marks_timeout_beats_the_sessions(suite: Suite) -> None:
    """Marker > command line; 0 is no limit."""
    suite.configure("tests: {Basic call: {takes: 0.3}}\n")
    suite.write(
        "@marked(test='Basic call')\ndef test_a(): pass\n@marked(test='Basic call', timeout=0)\ndef test_b(): pass\n"
    )
    suite.run("--sipfront-timeout=0.1").assert_outcomes(passed=1, errors=1)


def test_a_secret_key_file_is_read(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Container platforms hand secrets over as files."""
    suite.configure("account: {public_key: pk, secret_key: from-a-file}\ntests: {Basic call: {takes: 0.02}}\n")
    path = suite.pytester.path / "secret"
    path.write_text("from-a-file\n")
    monkeypatch.setenv("SIPFRONT_PUBLIC_KEY", "pk")
    monkeypatch.delenv("SIPFRONT_SECRET_KEY")
    monkeypatch.setenv("SIPFRONT_SECRET_KEY_FILE", str(path))
    suite.write("@marked(test='Basic call')\ndef test_call(): pass\n")
    suite.run().assert_outcomes(passed=1)


SECRET_FILES = {
    "missing": (None, "cannot read the file {path} named by SIPFRONT_SECRET_KEY_FILE: No such file or directory"),
    "empty": (b"\n", "the file {path} named by SIPFRONT_SECRET_KEY_FILE is empty"),
    "binary": (b"\xff\xfe", "cannot read the file {path} named by SIPFRONT_SECRET_KEY_FILE: not a text file"),
}


@pytest.mark.parametrize(("content", "told"), SECRET_FILES.values(), ids=SECRET_FILES)
def test_a_secret_key_file_without_a_key_is_an_error_that_names_it(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, content: bytes | None, told: str
) -> None:
    """A mount that is missing is an error of every test, in words; nothing is requested."""
    path = suite.pytester.path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.delenv("SIPFRONT_SECRET_KEY")
    monkeypatch.setenv("SIPFRONT_SECRET_KEY_FILE", str(path))
    suite.write("@marked(test='Basic call')\ndef test_call(): pass\n")
    suite.run().assert_outcomes(errors=1)
    error = suite.case("test_call").find("error")
    assert error is not None
    assert told.format(path=path) in (error.get("message") or "")
    assert suite.lab.counts["requests"] == 0
