"""Invalid settings are usage errors with the value, its source and the valid values. Sources have an order."""

from __future__ import annotations

import pytest

from tests.end_to_end.suite import Suite

INVALID = {
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


@pytest.mark.parametrize(("name", "value", "message"), INVALID.values(), ids=INVALID)
@pytest.mark.parametrize("source", ["option", "environment", "ini"])
def test_an_invalid_setting_is_a_usage_error(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, source: str, name: str, value: str, message: str
) -> None:
    """The exit code is 4, the error is one line, and nothing is sent."""
    place = {"option": f"--sipfront-{name.replace('_', '-')}", "environment": f"SIPFRONT_{name.upper()}"}.get(
        source, f"sipfront_{name} in"
    )
    if name != "base_url":
        monkeypatch.setenv("SIPFRONT_BASE_URL", suite.lab.url)
    if source == "environment":
        monkeypatch.setenv(place, value)
    if source == "ini":
        suite.pytester.makeini(f"[pytest]\nsipfront_{name} = {value}\n")
    suite.write("@marked(test='Basic call')\ndef test_call(): pass\n")
    result = suite.pytester.runpytest_inprocess(*([f"{place}={value}"] if source == "option" else []))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    error = result.stderr.str()
    assert error.startswith("ERROR: ")
    assert len(error.strip().splitlines()) == 1
    assert "Traceback" not in error
    assert suite.lab.counts["requests"] == 0
    assert place in error
    assert message in error
    if "pw" not in value:
        assert value in error


def test_a_secret_in_an_ini_file_is_a_usage_error(suite: Suite) -> None:
    """Ini files are under version control. The error names the variables to use and not the value."""
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


def test_the_command_line_wins_over_the_environment_and_the_ini_file(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment wins over the ini file."""
    suite.pytester.makeini("[pytest]\nsipfront_concurrency = 2\n")
    suite.run().stdout.fnmatch_lines(["sipfront: *concurrency 2"])
    monkeypatch.setenv("SIPFRONT_CONCURRENCY", "3")
    suite.run().stdout.fnmatch_lines(["sipfront: *concurrency 3"])
    suite.run("--sipfront-concurrency=4").stdout.fnmatch_lines(["sipfront: *concurrency 4"])


def test_the_timeout_of_the_marker_wins_over_the_option(suite: Suite) -> None:
    """0 disables it."""
    suite.configure("tests: {Basic call: {takes: 0.3}}\n")
    suite.write(
        "@marked(test='Basic call')\ndef test_a(): pass\n@marked(test='Basic call', timeout=0)\ndef test_b(): pass\n"
    )
    suite.run("--sipfront-timeout=0.1").assert_outcomes(passed=1, errors=1)


def test_the_secret_key_can_be_in_a_file(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Container platforms mount secrets as files."""
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


@pytest.mark.parametrize(("content", "message"), SECRET_FILES.values(), ids=SECRET_FILES)
def test_an_unusable_secret_key_file_is_an_error(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, content: bytes | None, message: str
) -> None:
    """The error names the file, and nothing is sent."""
    path = suite.pytester.path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.delenv("SIPFRONT_SECRET_KEY")
    monkeypatch.setenv("SIPFRONT_SECRET_KEY_FILE", str(path))
    suite.write("@marked(test='Basic call')\ndef test_call(): pass\n")
    suite.run().assert_outcomes(errors=1)
    assert message.format(path=path) in suite.report().message
    assert suite.lab.counts["requests"] == 0
