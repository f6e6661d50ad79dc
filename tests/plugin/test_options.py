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
    "connect_timeout": ("1", "2", "3"),
    "read_timeout": ("1", "2", "3"),
    "retry_for": ("1", "2", "3"),
    "heartbeat": ("1", "2", "3"),
}
COVERED = [option for option in OPTIONS if option.name in VALUES]


def settings(pytester: pytest.Pytester, *arguments: str, environment: Mapping[str, str] | None = None) -> Settings:
    return read_settings(pytester.parseconfig(*arguments), environment or {})


def _value(option: Option, text: str) -> Any:
    return option.convert(text)


@pytest.mark.parametrize("option", COVERED, ids=lambda option: option.name)
def test_the_command_line_comes_before_environment_ini_and_default(pytester: pytest.Pytester, option: Option) -> None:
    """In this order, for every option, and the session knows where each value comes from."""
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


def test_the_defaults_are_those_of_the_documentation(pytester: pytest.Pytester) -> None:
    """Nothing set, nothing surprising."""
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
def test_a_zero_of_the_command_line_is_a_value(pytester: pytest.Pytester, flag_of_zero: str) -> None:
    """Truthiness would let the ini win."""
    pytester.makeini(f"[pytest]\nsipfront_{flag_of_zero} = 7\n")
    flag = "--sipfront-" + flag_of_zero.replace("_", "-")
    assert getattr(settings(pytester, f"{flag}=0"), flag_of_zero) == 0.0


def test_an_empty_environment_variable_sets_nothing(pytester: pytest.Pytester) -> None:
    """CI systems export what is not set as empty."""
    assert settings(pytester, environment={"SIPFRONT_TIMEOUT": ""}).timeout == 1800.0


@pytest.mark.skipif(pytest.version_tuple < (9, 0), reason="native TOML came with pytest 9")
def test_native_toml_takes_numbers(pytester: pytest.Pytester) -> None:
    """`[tool.pytest]` has types; a number is written as one."""
    pytester.makepyprojecttoml(
        "[tool.pytest]\nsipfront_timeout = 90.5\nsipfront_concurrency = 4\nsipfront_base_url = 'https://x.example'\n"
    )
    made = settings(pytester)
    assert (made.timeout, made.concurrency, made.base_url) == (90.5, 4, "https://x.example")


def test_toml_of_ini_options_takes_texts(pytester: pytest.Pytester) -> None:
    """The form that every supported pytest reads."""
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\nsipfront_timeout = '90.5'\nsipfront_concurrency = '4'\n")
    made = settings(pytester)
    assert (made.timeout, made.concurrency) == (90.5, 4)


# ---- bad values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        *(("timeout", text, "must be a number of seconds >= 0") for text in ("-1", "nan", "inf", "soon", "1 s")),
        *(("poll_interval", text, "must be a number of seconds >= 0.01") for text in ("0", "-1", "nan", "0.001")),
        *(("concurrency", text, "must be an integer >= 1") for text in ("0", "-1", "1.5", "many", "²")),
        ("report_mode", "kisok", "must be one of full, kiosk, print, got 'kisok'; did you mean 'kiosk'?"),
        ("report_mode", "FULL", "must be one of full, kiosk, print, got 'FULL'; did you mean 'full'?"),
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
def test_a_bad_value_is_refused_with_its_place_and_what_is_allowed(
    pytester: pytest.Pytester, name: str, text: str, allowed: str, place: str
) -> None:
    """Before anything runs, and as a usage error, which is no traceback."""
    option = next(option for option in OPTIONS if option.name == name)
    arguments, environment, where = [], {}, option.flag
    if place == "command line":
        arguments = [f"{option.flag}={text}"]
    elif place == "environment":
        environment, where = {option.environment: text}, option.environment
    else:
        pytester.makeini(f"[pytest]\n{option.ini} = {text}\n".replace("#", r"\#"))
        where = option.ini
        if "#" in text:
            pytest.skip("an ini file has no such value")
    with pytest.raises(pytest.UsageError) as caught:
        settings(pytester, *arguments, environment=environment)
    said = str(caught.value)
    assert where in said
    if place != "ini" or option.ini_type == "string":  # pytest itself reads numbers of an ini file
        assert repr(text.replace("user:pw@", "***@")) in said
        assert allowed in said
    assert "pw@" not in said


def test_a_file_that_is_no_certificate_is_no_ca_bundle(pytester: pytest.Pytester) -> None:
    """Found before the first request."""
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
def test_a_base_url_may_end_as_it_is_copied(pytester: pytest.Pytester, given: str, base_url: str) -> None:
    """http is for this machine only: the vendor's own client has a `local` environment there."""
    assert settings(pytester, f"--sipfront-base-url={given}").base_url == base_url


def test_a_secret_in_an_ini_file_is_refused_and_not_shown(pytester: pytest.Pytester) -> None:
    """With where it belongs."""
    pytester.makeini("[pytest]\nsipfront_secret_key = sentinel-51c0ffee\n")
    with pytest.raises(pytest.UsageError) as caught:
        settings(pytester)
    text = str(caught.value)
    assert "sentinel" not in text
    assert all(word in text for word in ("sipfront_secret_key", "SIPFRONT_SECRET_KEY", "SIPFRONT_SECRET_KEY_FILE"))


# ---- the lab ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on", ["1", "true", "YES", "on"])
def test_the_lab_is_switched_on_anywhere(pytester: pytest.Pytester, on: str) -> None:
    """Command line, environment, ini."""
    assert settings(pytester, "--sipfront-lab").lab
    assert settings(pytester, environment={"SIPFRONT_LAB": on}).lab
    pytester.makeini(f"[pytest]\nsipfront_lab = {on}\n")
    assert settings(pytester).lab
    assert not settings(pytester, environment={"SIPFRONT_LAB": "0"}).lab
    assert not settings(pytester, "--sipfront-lab=off").lab


def test_the_lab_is_asked_more_often(pytester: pytest.Pytester) -> None:
    """Its runs take fractions of a second, and it costs nothing; what is set explicitly stays."""
    assert settings(pytester, "--sipfront-lab").poll_interval == 0.2
    assert settings(pytester, "--sipfront-lab", "--sipfront-poll-interval=1").poll_interval == 1.0


def test_the_lab_s_file_is_named_or_the_usual_one(pytester: pytest.Pytester) -> None:
    """`lab.yaml` in the root directory, else the built-in one."""
    assert settings(pytester, "--sipfront-lab").lab_file is None
    usual = pytester.path / "lab.yaml"
    usual.write_text("tests: {}\n")
    other = pytester.path / "other.yml"
    other.write_text("tests: {}\n")
    assert settings(pytester, "--sipfront-lab").lab_file == usual
    assert settings(pytester, "--sipfront-lab=other.yml").lab_file == other


def test_a_lab_file_that_is_not_there_or_none_is_refused(pytester: pytest.Pytester) -> None:
    """A bare `--sipfront-lab` before the tests' paths swallows one of them."""
    with pytest.raises(pytest.UsageError, match=r"--sipfront-lab: no such file: .*nowhere\.yaml"):
        settings(pytester, "--sipfront-lab=nowhere.yaml")
    with pytest.raises(pytest.UsageError, match="after the test paths"):
        settings(pytester, "--sipfront-lab", "tests")


def test_a_platform_and_the_lab_on_one_command_line_are_refused(pytester: pytest.Pytester) -> None:
    """Nobody knows where the runs should go."""
    with pytest.raises(pytest.UsageError, match="are mutually exclusive"):
        settings(pytester, "--sipfront-lab", "--sipfront-base-url=https://x.example")


# ---- keys -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("public", "secret"),
    [
        ("SIPFRONT_PUBLIC_KEY", "SIPFRONT_SECRET_KEY"),
        ("SF_API_PUBLIC_KEY", "SF_API_SECRET_KEY"),
        ("SF_API_KEY", "SF_API_SECRET"),
    ],
)
def test_keys_are_found_under_each_name_that_the_vendor_uses(public: str, secret: str) -> None:
    """The names stand in its own repositories; the source is told, the values are not."""
    keys = find_keys({public: " pk ", secret: "sk\n"})
    assert not isinstance(keys, str)
    assert (keys.public_key.reveal(), keys.secret_key.reveal()) == ("pk", "sk")
    assert keys.source == f"{public} and {secret}"


def test_the_documented_names_come_first() -> None:
    """Where a machine has several."""
    keys = find_keys(
        {"SF_API_KEY": "old", "SF_API_SECRET": "old", "SIPFRONT_PUBLIC_KEY": "pk", "SIPFRONT_SECRET_KEY": "sk"}
    )
    assert not isinstance(keys, str)
    assert (keys.public_key.reveal(), keys.secret_key.reveal()) == ("pk", "sk")


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    """As container platforms hand secrets out; a key in the environment comes first."""
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
def test_a_secret_file_that_gives_no_secret_says_why(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """With the variable and the file's name, never its content."""
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
        file.chmod(stat.S_IRUSR)
    said = find_keys({"SIPFRONT_PUBLIC_KEY": "pk", "SIPFRONT_SECRET_KEY_FILE": str(file)})
    assert isinstance(said, str)
    assert "named by SIPFRONT_SECRET_KEY_FILE" in said
    assert str(file) in said
    assert reason in said


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "no credentials: SIPFRONT_PUBLIC_KEY and SIPFRONT_SECRET_KEY are not set"),
        ({"SIPFRONT_PUBLIC_KEY": "pk"}, "no credentials: SIPFRONT_SECRET_KEY is not set"),
        ({"SIPFRONT_SECRET_KEY": "sk"}, "no credentials: SIPFRONT_PUBLIC_KEY is not set"),
        ({"SIPFRONT_PUBLIC_KEY": " ", "SIPFRONT_SECRET_KEY": "sk"}, "no credentials: SIPFRONT_PUBLIC_KEY is not set"),
    ],
)
def test_missing_keys_are_named(environment: dict[str, str], said: str) -> None:
    """By the variables to set."""
    assert find_keys(environment) == said
