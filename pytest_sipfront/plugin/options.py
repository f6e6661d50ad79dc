"""Every option, and the settings made of them: command line > environment > ini > default.

The marker's own words come before all of these and are read in `marker`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.plugin import option_types
from pytest_sipfront.plugin.credentials import SECRET_KEY_FILE, SECRET_KEY_NAMES

PRODUCTION = "https://app.sipfront.com"
_DEFAULT_LAB_FILE = "lab.yaml"
_ON, _OFF = frozenset({"1", "true", "yes", "on"}), frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Option:
    """One setting in its three spellings: `--sipfront-timeout`, `SIPFRONT_TIMEOUT`, `sipfront_timeout`."""

    name: str
    read: Callable[[str], Any]
    default: Any
    help: str
    metavar: str = "VALUE"
    kind: Any = "string"

    @property
    def ini(self) -> str:
        return f"sipfront_{self.name}"

    @property
    def environment(self) -> str:
        return self.ini.upper()

    @property
    def flag(self) -> str:
        return "--" + self.ini.replace("_", "-")


OPTIONS = (
    Option("base_url", option_types.base_url, PRODUCTION, f"the platform's URL (default {PRODUCTION})", "URL"),
    Option(
        "timeout",
        option_types.seconds,
        1800.0,
        "seconds from launch until a run must be over, 0 for no limit (1800)",
        "S",
        "float",
    ),
    Option(
        "poll_interval",
        option_types.positive_seconds,
        None,
        "seconds between two questions for a run's status (3; on the lab 0.2)",
        "S",
        "float",
    ),
    Option("concurrency", option_types.count, 1, "how many runs may be in flight (1)", "N", "int"),
    Option(
        "exclusive_by",
        option_types.overrides,
        (),
        "overrides whose equal values keep runs apart, e.g. step.1.0.dial_destination: two calls to one extension at "
        "once are busy",
        "KEYS",
    ),
    Option("max_runs", option_types.count, None, "how many runs this session may launch (no limit)", "N", "int"),
    Option(
        "max_minutes",
        option_types.minutes,
        None,
        "how many minutes of runs this session may launch (no limit)",
        "M",
        "float",
    ),
    Option("ledger", Path, None, "where launches and verdicts are written down (in pytest's cache)", "FILE"),
    Option("report_mode", option_types.report_mode, None, "full, kiosk or print (what the platform does)", "MODE"),
    Option(
        "ca_bundle",
        option_types.ca_bundle,
        None,
        "PEM file of the authorities to trust instead of the default ones",
        "FILE",
    ),
    Option("connect_timeout", option_types.positive_seconds, 10.0, "seconds to reach the platform (10)", "S", "float"),
    Option("read_timeout", option_types.positive_seconds, 30.0, "seconds to wait for an answer (30)", "S", "float"),
    Option("retry_for", option_types.seconds, 60.0, "seconds to try again what may pass, e.g. 503 (60)", "S", "float"),
    Option(
        "heartbeat",
        option_types.seconds,
        30.0,
        "seconds between signs of life while waiting, 0 for none (30)",
        "S",
        "float",
    ),
)


FLAGS = {
    "resume": "take up the last session if it was interrupted: follow its runs, keep its verdicts, launch none twice",
    "plan": "show what would be launched, without any network, and end",
    "check": "ask the platform whether the credentials work and all names exist, before anything is launched",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is in force in this session; times in seconds.

    Attributes:
        lab: The lab is used instead of the platform.
        lab_file: Its file; None for the one that comes with the package.
        resume: Take up the session that was interrupted.
        plan: Show what would be launched, and end.
        check: Ask the platform for credentials and names before anything is launched.
        sources: Where each setting comes from, by name.
    """

    base_url: str
    timeout: float
    poll_interval: float
    concurrency: int
    exclusive_by: tuple[str, ...]
    max_runs: int | None
    max_minutes: float | None
    ledger: Path | None
    report_mode: str | None
    ca_bundle: str | None
    connect_timeout: float
    read_timeout: float
    retry_for: float
    heartbeat: float
    lab: bool
    lab_file: Path | None
    resume: bool
    plan: bool
    check: bool
    sources: Mapping[str, str]


def add_options(parser: pytest.Parser) -> None:
    """Register every option and ini key."""
    group = parser.getgroup("sipfront", "Sipfront voice tests")
    for option in OPTIONS:
        where = f" [{option.environment}, ini {option.ini}]"
        group.addoption(option.flag, default=None, metavar=option.metavar, help=option.help + where)
        parser.addini(option.ini, option.help, type=option.kind, default=None)
    group.addoption(
        "--sipfront-lab",
        nargs="?",
        const="true",
        default=None,
        metavar="FILE",
        help="run against the lab on this machine, described by FILE (lab.yaml in the root directory, else a built-in "
        "one) [SIPFRONT_LAB, ini sipfront_lab]",
    )
    for flag, what in FLAGS.items():
        group.addoption(f"--sipfront-{flag}", action="store_true", default=False, help=what)
    parser.addini("sipfront_lab", "use the lab: true, or its file", default=None)
    parser.addini(
        "sipfront_secret_key", "refused: secrets do not belong into files under version control", default=None
    )


def read_settings(config: pytest.Config, environment: Mapping[str, str] = os.environ) -> Settings:
    """Make the settings of this session.

    Raises:
        pytest.UsageError: A setting has no usable value; the text says which, from where, and what is allowed.
    """
    _refuse_secret_in_ini(config)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for option in OPTIONS:
        values[option.name], sources[option.name] = effective(option, config, environment)
    lab, lab_file = _lab(config, environment)
    if lab and sources["base_url"] == "command line":
        raise pytest.UsageError(
            "--sipfront-base-url names a platform and --sipfront-lab (or SIPFRONT_LAB, sipfront_lab) the lab: "
            "give one of them"
        )
    if values["poll_interval"] is None:
        values["poll_interval"] = 0.2 if lab else 3.0
    values |= {flag: bool(config.getoption(f"sipfront_{flag}")) for flag in FLAGS}
    if values["ledger"] is not None:
        values["ledger"] = config.rootpath / values["ledger"]
    return Settings(**values, lab=lab, lab_file=lab_file, sources=sources)


def _refuse_secret_in_ini(config: pytest.Config) -> None:
    if config.getini("sipfront_secret_key"):
        raise pytest.UsageError(
            f"sipfront_secret_key in {config.inipath}: a secret does not belong into a file under version control. "
            f"Remove it, make a new key pair, and set the environment variable {SECRET_KEY_NAMES[0]}, "
            f"or {SECRET_KEY_FILE} to a file that holds it"
        )


def effective(option: Option, config: pytest.Config, environment: Mapping[str, str]) -> tuple[Any, str]:
    given = config.getoption(option.ini)
    if given is not None:
        return _read(option, given, option.flag), "command line"
    if environment.get(option.environment):
        return _read(option, environment[option.environment], option.environment), option.environment
    where = f"{option.ini} in {config.inipath}"
    try:
        given = config.getini(option.ini)
    except (TypeError, ValueError, pytest.UsageError) as error:  # which of them depends on pytest's version
        raise pytest.UsageError(f"{where}: not {_allowed(option)} ({error})") from None
    if given is None or given == "":
        return option.default, "default"
    return _read(option, str(given), where), f"ini {option.ini}"


def _read(option: Option, text: str, where: str) -> Any:
    try:
        return option.read(text)
    except ValueError as wanted:
        raise pytest.UsageError(f"{where}: {text!r} is not {wanted}") from None


def _allowed(option: Option) -> str:
    try:
        option.read("")
    except ValueError as wanted:
        return str(wanted)
    return "a text"


def _lab(config: pytest.Config, environment: Mapping[str, str]) -> tuple[bool, Path | None]:
    given = config.getoption("sipfront_lab")
    if given is not None:
        return _lab_file(given, "--sipfront-lab", config.invocation_params.dir, config)
    if "SIPFRONT_LAB" in environment:
        return _lab_file(environment["SIPFRONT_LAB"], "SIPFRONT_LAB", config.invocation_params.dir, config)
    base = config.inipath.parent if config.inipath else config.rootpath
    return _lab_file(str(config.getini("sipfront_lab") or ""), "ini sipfront_lab", base, config)


def _lab_file(text: str, where: str, base: Path, config: pytest.Config) -> tuple[bool, Path | None]:
    if text.lower() in _OFF:
        return False, None
    if text.lower() in _ON:
        usual = config.rootpath / _DEFAULT_LAB_FILE
        return True, usual if usual.is_file() else None
    path = base / text
    if path.suffix not in {".yaml", ".yml"}:
        raise pytest.UsageError(
            f"{where}: {text!r} is not a lab file (*.yaml). Write --sipfront-lab=FILE, or put a bare --sipfront-lab "
            "after the tests' paths: pytest tests --sipfront-lab"
        )
    if not path.is_file():
        raise pytest.UsageError(f"{where}: there is no file {path}")
    return True, path
