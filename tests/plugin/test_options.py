from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.plugin.credentials import find_keys
from pytest_sipfront.plugin.options import OPTIONS, Option, Settings, read_settings

VALUES = {
    "base_url": ("https://cli.example", "https://env.example", "https://ini.example"),
    "timeout": ("1", "2", "3"),
    "poll_interval": ("1", "2", "3"),
    "concurrency": ("4", "5", "6"),
    "report_mode": ("full", "kiosk", "print"),
    "body": ("form", "json", "form"),
    "connect_timeout": ("1", "2", "3"),
    "read_timeout": ("1", "2", "3"),
    "retry_for": ("1", "2", "3"),
    "heartbeat": ("1", "2", "3"),
    "rerun_kinds": ("busy", "timing", "no-verdict,budget"),
}
COVERED = [option for option in OPTIONS if option.name in VALUES]


def settings(pytester: pytest.Pytester, *arguments: str, environment: Mapping[str, str] | None = None) -> Settings:
    return read_settings(pytester.parseconfig(*arguments), environment or {})


def _value(option: Option, text: str) -> Any:
    return option.convert(text)


@pytest.mark.parametrize("option", COVERED, ids=lambda option: option.name)
def test_the_command_line_wins_over_environment_ini_and_default(pytester: pytest.Pytester, option: Option) -> None:
    """Each option has this order, and the settings record the source of each value."""
    cli, env, ini = VALUES[option.name]
    assert getattr(settings(pytester), option.name) in (option.default, 3.0)
    pytester.makeini(f"[pytest]\n{option.ini} = {ini}\n")
    made = settings(pytester)
    assert (getattr(made, option.name), made.sources[option.name]) == (_value(option, ini), f"ini {option.ini}")
    environment = {option.environment: env}
    made = settings(pytester, environment=environment)
    assert (getattr(made, option.name), made.sources[option.name]) == (_value(option, env), option.environment)
    made = settings(pytester, f"{option.flag}={cli}", environment=environment)
    assert (getattr(made, option.name), made.sources[option.name]) == (_value(option, cli), "command line")


def test_defaults_match_the_documentation(pytester: pytest.Pytester) -> None:
    """The README lists them."""
    made = settings(pytester)
    assert (made.base_url, made.timeout, made.poll_interval, made.concurrency) == (
        "https://app.sipfront.com",
        1800.0,
        3.0,
        1,
    )
    assert (made.report_mode, made.ca_bundle, made.lab, made.lab_file) == (None, None, False, None)
    assert set(made.sources.values()) == {"default"}


@pytest.mark.parametrize("flag_of_zero", ["timeout", "retry_for", "heartbeat"])
def test_zero_on_the_command_line_is_a_value(pytester: pytest.Pytester, flag_of_zero: str) -> None:
    """A check for truth would let the ini file win."""
    pytester.makeini(f"[pytest]\nsipfront_{flag_of_zero} = 7\n")
    flag = "--sipfront-" + flag_of_zero.replace("_", "-")
    assert getattr(settings(pytester, f"{flag}=0"), flag_of_zero) == 0.0


def test_an_empty_environment_variable_is_ignored(pytester: pytest.Pytester) -> None:
    """CI systems export unset variables as empty strings."""
    assert settings(pytester, environment={"SIPFRONT_TIMEOUT": ""}).timeout == 1800.0


@pytest.mark.skipif(pytest.version_tuple < (9, 0), reason="native TOML came with pytest 9")
def test_native_toml_accepts_numbers(pytester: pytest.Pytester) -> None:
    """`[tool.pytest]` has types."""
    pytester.makepyprojecttoml(
        "[tool.pytest]\nsipfront_timeout = 90.5\nsipfront_concurrency = 4\nsipfront_base_url = 'https://x.example'\n"
    )
    made = settings(pytester)
    assert (made.timeout, made.concurrency, made.base_url) == (90.5, 4, "https://x.example")


def test_toml_of_ini_options_accepts_strings(pytester: pytest.Pytester) -> None:
    """All supported versions of pytest read this form."""
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\nsipfront_timeout = '90.5'\nsipfront_concurrency = '4'\n")
    made = settings(pytester)
    assert (made.timeout, made.concurrency) == (90.5, 4)


# ---- invalid values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        *(("timeout", text, "must be a number of seconds >= 0") for text in ("-1", "nan", "inf", "soon", "1 s")),
        *(("poll_interval", text, "must be a number of seconds >= 0.01") for text in ("0", "-1", "nan", "0.001")),
        *(("concurrency", text, "must be an integer >= 1") for text in ("0", "-1", "1.5", "many", "²")),
        ("report_mode", "kisok", "must be one of full, kiosk, print, got 'kisok'; did you mean 'kiosk'?"),
        ("report_mode", "FULL", "must be one of full, kiosk, print, got 'FULL'; did you mean 'full'?"),
        ("body", "xml", "must be one of json, form, got 'xml'"),
        ("connect_timeout", "0", "must be a number of seconds >= 0.01"),
        ("read_timeout", "x", "must be a number of seconds >= 0.01"),
        ("retry_for", "-1", "must be a number of seconds >= 0"),
        ("heartbeat", "x", "must be a number of seconds >= 0"),
        *(
            ("base_url", text, "a URL such as https://app.sipfront.com")
            for text in (
                "app.sipfront.com",
                "ftp://x",
                "https://",
                "https://x?a=b",
                "https://x#y",
                "https://x:y",
                "https://[x",
            )
        ),
        ("base_url", "http://app.sipfront.com", "must use https, since http would expose the credentials"),
        ("base_url", "https://user:pw@app.sipfront.com", "must not contain a user name or password"),
        ("ca_bundle", "no-such-file.pem", "a readable PEM file of certificate authorities"),
    ],
)
@pytest.mark.parametrize("place", ["command line", "environment", "ini"])
def test_an_invalid_value_is_rejected_with_its_source(
    pytester: pytest.Pytester, name: str, text: str, allowed: str, place: str
) -> None:
    """The usage error names the source, the value and what is allowed."""
    option = next(option for option in OPTIONS if option.name == name)
    arguments, environment, source = [], {}, option.flag
    if place == "command line":
        arguments = [f"{option.flag}={text}"]
    elif place == "environment":
        environment, source = {option.environment: text}, option.environment
    else:
        pytester.makeini(f"[pytest]\n{option.ini} = {text}\n".replace("#", r"\#"))
        source = option.ini
        if "#" in text:
            pytest.skip("an ini file has no such value")
    with pytest.raises(pytest.UsageError) as caught:
        settings(pytester, *arguments, environment=environment)
    message = str(caught.value)
    assert source in message
    if place != "ini" or option.ini_type == "string":  # pytest itself reads numbers of an ini file
        assert repr(text.replace("user:pw@", "***@")) in message
        assert allowed in message
    assert "pw@" not in message


def test_an_invalid_ca_bundle_is_rejected(pytester: pytest.Pytester) -> None:
    """The file is read before the first request."""
    bundle = pytester.makefile(".pem", "no certificate")
    with pytest.raises(pytest.UsageError, match="a readable PEM file"):
        settings(pytester, f"--sipfront-ca-bundle={bundle}")


@pytest.mark.parametrize(
    ("given", "base_url"),
    [
        ("https://app.dev.sipfront.com/", "https://app.dev.sipfront.com"),
        ("https://app.dev.sipfront.com/api/v2", "https://app.dev.sipfront.com"),
        ("https://app.dev.sipfront.com/api/v2/", "https://app.dev.sipfront.com"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_base_url_may_contain_the_api_path(pytester: pytest.Pytester, given: str, base_url: str) -> None:
    """Plain http is limited to loopback; the client of the vendor has a `local` environment there."""
    assert settings(pytester, f"--sipfront-base-url={given}").base_url == base_url


def test_a_secret_in_an_ini_file_is_rejected(pytester: pytest.Pytester) -> None:
    """The message names the environment variables and does not contain the secret."""
    pytester.makeini("[pytest]\nsipfront_secret_key = sentinel-51c0ffee\n")
    with pytest.raises(pytest.UsageError) as caught:
        settings(pytester)
    text = str(caught.value)
    assert "sentinel" not in text
    assert all(word in text for word in ("sipfront_secret_key", "SIPFRONT_SECRET_KEY", "SIPFRONT_SECRET_KEY_FILE"))


# ---- the lab --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on", ["1", "true", "YES", "on"])
def test_the_lab_can_be_enabled_by_option_environment_or_ini(pytester: pytest.Pytester, on: str) -> None:
    """All usual spellings of true and false work."""
    assert settings(pytester, "--sipfront-lab").lab
    assert settings(pytester, environment={"SIPFRONT_LAB": on}).lab
    pytester.makeini(f"[pytest]\nsipfront_lab = {on}\n")
    assert settings(pytester).lab
    assert not settings(pytester, environment={"SIPFRONT_LAB": "0"}).lab
    assert not settings(pytester, "--sipfront-lab=off").lab


def test_the_lab_is_polled_more_often(pytester: pytest.Pytester) -> None:
    """Runs in the lab may take fractions of a second. An explicit interval wins."""
    assert settings(pytester, "--sipfront-lab").poll_interval == 0.2
    assert settings(pytester, "--sipfront-lab", "--sipfront-poll-interval=1").poll_interval == 1.0


def test_the_lab_file_defaults_to_lab_yaml_of_the_root_directory(pytester: pytest.Pytester) -> None:
    """Without that file, the lab uses its built-in one."""
    assert settings(pytester, "--sipfront-lab").lab_file is None
    default = pytester.path / "lab.yaml"
    default.write_text("tests: {}\n")
    other = pytester.path / "other.yml"
    other.write_text("tests: {}\n")
    assert settings(pytester, "--sipfront-lab").lab_file == default
    assert settings(pytester, "--sipfront-lab=other.yml").lab_file == other


def test_a_missing_or_invalid_lab_file_is_rejected(pytester: pytest.Pytester) -> None:
    """A bare `--sipfront-lab` before the test paths takes a path as its value."""
    with pytest.raises(pytest.UsageError, match=r"--sipfront-lab: no such file: .*nowhere\.yaml"):
        settings(pytester, "--sipfront-lab=nowhere.yaml")
    with pytest.raises(pytest.UsageError, match="after the test paths"):
        settings(pytester, "--sipfront-lab", "tests")


def test_base_url_and_lab_are_mutually_exclusive(pytester: pytest.Pytester) -> None:
    """Both on one command line contradict each other."""
    with pytest.raises(pytest.UsageError, match="are mutually exclusive"):
        settings(pytester, "--sipfront-lab", "--sipfront-base-url=https://x.example")


# ---- keys -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("public", "secret"),
    [
        ("SIPFRONT_PUBLIC_KEY", "SIPFRONT_SECRET_KEY"),
        ("SF_API_PUBLIC_KEY", "SF_API_SECRET_KEY"),
        ("SF_API_KEY", "SF_API_SECRET"),
    ],
)
def test_keys_are_found_under_each_variable_name_of_the_vendor(public: str, secret: str) -> None:
    """The settings record the names of the variables, not the values."""
    keys = find_keys({public: " pk ", secret: "sk\n"})
    assert not isinstance(keys, str)
    assert (keys.public_key.reveal(), keys.secret_key.reveal()) == ("pk", "sk")
    assert keys.source == f"{public} and {secret}"


def test_the_documented_variables_win() -> None:
    """A machine may have several."""
    keys = find_keys(
        {"SF_API_KEY": "old", "SF_API_SECRET": "old", "SIPFRONT_PUBLIC_KEY": "pk", "SIPFRONT_SECRET_KEY": "sk"}
    )
    assert not isinstance(keys, str)
    assert (keys.public_key.reveal(), keys.secret_key.reveal()) == ("pk", "sk")


def test_the_secret_key_may_be_in_a_file(tmp_path: Path) -> None:
    """Container platforms mount secrets as files. A key in the environment wins."""
    file = tmp_path / "key"
    file.write_text("sk-of-file\n")
    environment = {"SIPFRONT_PUBLIC_KEY": "pk", "SIPFRONT_SECRET_KEY_FILE": str(file)}
    keys = find_keys(environment)
    assert not isinstance(keys, str)
    assert (keys.secret_key.reveal(), keys.source) == (
        "sk-of-file",
        "SIPFRONT_PUBLIC_KEY and SIPFRONT_SECRET_KEY_FILE",
    )
    keys = find_keys({**environment, "SIPFRONT_SECRET_KEY": "sk"})
    assert not isinstance(keys, str)
    assert keys.secret_key.reveal() == "sk"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file or directory"), (b"\xff\xfe\x00", "not a text file"), (b" \n", "is empty")],
)
def test_an_unreadable_secret_file_is_reported(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """The message has the variable, the path and the reason, but not the content."""
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
        file.chmod(stat.S_IRUSR)
    message = find_keys({"SIPFRONT_PUBLIC_KEY": "pk", "SIPFRONT_SECRET_KEY_FILE": str(file)})
    assert isinstance(message, str)
    assert "named by SIPFRONT_SECRET_KEY_FILE" in message
    assert str(file) in message
    assert reason in message


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "no credentials: SIPFRONT_PUBLIC_KEY and SIPFRONT_SECRET_KEY are not set"),
        ({"SIPFRONT_PUBLIC_KEY": "pk"}, "no credentials: SIPFRONT_SECRET_KEY is not set"),
        ({"SIPFRONT_SECRET_KEY": "sk"}, "no credentials: SIPFRONT_PUBLIC_KEY is not set"),
        ({"SIPFRONT_PUBLIC_KEY": " ", "SIPFRONT_SECRET_KEY": "sk"}, "no credentials: SIPFRONT_PUBLIC_KEY is not set"),
    ],
)
def test_missing_keys_are_reported(environment: dict[str, str], message: str) -> None:
    """The message names the variables to set."""
    assert find_keys(environment) == message


@pytest.mark.parametrize("name", ["SIPFRONT_PUBLIC_KEY", "SIPFRONT_SECRET_KEY", "SF_API_SECRET"])
@pytest.mark.parametrize(
    "value", ["sentinel\nkey", "sentinel\r\nX-Header: 1", "sentinel\x00", "sentinel-ä", "sentinel\t1"]
)
def test_a_key_that_no_header_can_carry_is_rejected(name: str, value: str) -> None:
    """The message names the variable and does not contain the value."""
    environment = {"SIPFRONT_PUBLIC_KEY": "pk", name: value}
    environment.setdefault("SIPFRONT_SECRET_KEY", "" if name == "SF_API_SECRET" else "sk")
    message = find_keys(environment)
    assert message == f"{name} must contain printable ASCII characters only (its value is not shown)"
