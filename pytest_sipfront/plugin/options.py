"""All options of the plugin: command line > environment > ini file > default.

Arguments of the marker take precedence over all of these; `run_spec` reads them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from pytest_sipfront.extras import missing_extra
from pytest_sipfront.plugin import option_types
from pytest_sipfront.plugin.credentials import SECRET_KEY_FILE, SECRET_KEY_NAMES
from pytest_sipfront.suggestions import invalid_choice

PRODUCTION = "https://app.sipfront.com"
_DEFAULT_LAB_FILE = "lab.yaml"
_REPORT_FILES = ("history", "json", "html", "prometheus")
_ON, _OFF = frozenset({"1", "true", "yes", "on"}), frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Option:
    """One setting with its three names: `--sipfront-timeout`, `SIPFRONT_TIMEOUT` and `sipfront_timeout`."""

    name: str
    convert: Callable[[str], Any]
    default: Any
    help: str
    metavar: str = "VALUE"
    ini_type: Any = "string"
    choices: tuple[str, ...] = ()

    @property
    def ini(self) -> str:
        return f"sipfront_{self.name}"

    @property
    def environment(self) -> str:
        return self.ini.upper()

    @property
    def flag(self) -> str:
        return "--" + self.ini.replace("_", "-")

    def register(self, parser: pytest.Parser, group: pytest.OptionGroup) -> None:
        """Add the command line option and the ini key."""
        names = f" [env: {self.environment}, ini: {self.ini}]"
        group.addoption(self.flag, default=None, metavar=self.metavar, help=self.help + names)
        parser.addini(self.ini, self.help, type=self.ini_type, default=None)


OPTIONS = (
    Option("base_url", option_types.base_url, PRODUCTION, f"base URL of the platform (default: {PRODUCTION})", "URL"),
    Option(
        "timeout",
        option_types.seconds,
        1800.0,
        "maximum time from launch to verdict, in seconds; 0 disables the limit (default: 1800)",
        "S",
        "float",
    ),
    Option(
        "poll_interval",
        option_types.positive_seconds,
        None,
        "seconds between status polls (default: 3, or 0.2 with the lab)",
        "S",
        "float",
    ),
    Option("repeat", option_types.count, 1, "number of runs of each marked test (default: 1)", "N", "int"),
    Option(
        "pass_at_least",
        option_types.count,
        None,
        "number of runs of a repeated test that must have the expected verdict (default: all)",
        "N",
        "int",
    ),
    Option("concurrency", option_types.count, 1, "maximum number of concurrent runs (default: 1)", "N", "int"),
    Option(
        "exclusive_by",
        option_types.override_keys,
        (),
        "override keys whose values must be unique among concurrent runs, e.g. step.1.0.dial_destination if an "
        "extension takes one call at a time (default: none)",
        "KEYS",
    ),
    Option(
        "max_runs", option_types.count, None, "maximum number of launches per session (default: no limit)", "N", "int"
    ),
    Option(
        "max_minutes",
        option_types.minutes,
        None,
        "maximum total duration of the runs of a session, in minutes (default: no limit)",
        "M",
        "float",
    ),
    Option("ledger", Path, None, "file that records launches and verdicts (default: in pytest's cache)", "FILE"),
    Option(
        "resume_max_age",
        option_types.duration,
        12 * 3600.0,
        "maximum age of the launches and verdicts that --sipfront-resume reuses, e.g. 30m, 12h or 90 (seconds) "
        "(default: 12h)",
        "AGE",
    ),
    Option(
        "report_mode",
        str,
        None,
        "report mode of the runs: full, kiosk or print (default: set by the platform)",
        "MODE",
        choices=option_types.REPORT_MODES,
    ),
    Option(
        "body",
        str,
        "json",
        "encoding of launch requests: json or form (default: json)",
        "TYPE",
        choices=("json", "form"),
    ),
    Option(
        "ca_bundle",
        option_types.ca_bundle,
        None,
        "PEM file of trusted certificate authorities (default: those of certifi)",
        "FILE",
    ),
    Option(
        "connect_timeout",
        option_types.positive_seconds,
        10.0,
        "timeout for connecting to the platform, in seconds (default: 10)",
        "S",
        "float",
    ),
    Option(
        "read_timeout",
        option_types.positive_seconds,
        30.0,
        "timeout for reading a response, in seconds (default: 30)",
        "S",
        "float",
    ),
    Option(
        "retry_for",
        option_types.seconds,
        60.0,
        "how long to retry transient errors such as 503, in seconds (default: 60)",
        "S",
        "float",
    ),
    Option(
        "heartbeat",
        option_types.seconds,
        30.0,
        "seconds between progress messages while waiting; 0 disables them (default: 30)",
        "S",
        "float",
    ),
    Option(
        "history",
        Path,
        None,
        "file that keeps the outcomes of sessions, to show since when a test fails (default: none)",
        "FILE",
    ),
    Option(
        "record",
        Path,
        None,
        "directory for a recording of the session's requests and responses, without secrets and with masked numbers "
        "(default: none)",
        "DIR",
    ),
    Option(
        "replay",
        Path,
        None,
        "directory of recordings to replay: no request is sent, and no test counts as passed (default: none)",
        "DIR",
    ),
    Option("json", Path, None, "file for a record of the whole session as JSON (default: none)", "FILE"),
    Option("html", Path, None, "file for a report of the whole session as an HTML page (default: none)", "FILE"),
    Option(
        "prometheus",
        Path,
        None,
        "file for metrics of the session in the text format of Prometheus (default: none)",
        "FILE",
    ),
    Option(
        "otel",
        str,
        "off",
        "export the session as OpenTelemetry spans: off, console or otlp (default: off; otlp and console need "
        "pytest-sipfront[otel])",
        "EXPORTER",
        choices=("off", "console", "otlp"),
    ),
    Option(
        "artifacts",
        Path,
        None,
        "directory for the files that failed tests leave (default: in pytest's cache)",
        "DIR",
    ),
    Option(
        "keep_artifacts",
        str,
        "failed",
        "tests whose artifacts are kept: all, failed or off (default: failed)",
        "WHICH",
        choices=("all", "failed", "off"),
    ),
    Option(
        "recordings",
        option_types.switch,
        True,
        "whether artifacts of calls on the lab contain audio and RTP: on or off (default: on)",
        "SWITCH",
    ),
    Option(
        "mask_numbers",
        option_types.switch,
        False,
        "whether phone numbers are masked in all output and files: on or off (default: off)",
        "SWITCH",
    ),
    Option(
        "rerun_kinds",
        option_types.kinds,
        (),
        "kinds of failures and errors that pytest-rerunfailures may rerun, e.g. infrastructure,no-verdict "
        "(default: all)",
        "KINDS",
    ),
    Option(
        "junit_properties",
        str,
        "testcase",
        "place of the properties in a JUnit file: testcase, or system-out for schemas without properties in a test "
        "case, such as that of Jenkins' xUnit step (default: testcase)",
        "PLACE",
        choices=("testcase", "system-out"),
    ),
    Option(
        "lab_calls",
        str,
        "auto",
        "how runs with steps get their verdicts on the lab: required (by real calls only), scripted (by the verdicts "
        "of the lab file) or auto (as the lab file says) (default: auto)",
        "MODE",
        choices=("auto", "required", "scripted"),
    ),
    Option(
        "prove_faults",
        option_types.names,
        (),
        "faults that --sipfront-prove tries, e.g. mute,busy (default: all)",
        "FAULTS",
    ),
)

FLAGS = {
    "resume": "resume interrupted sessions: follow their runs and keep their verdicts, without a second launch",
    "plan": "print the runs that would be launched and exit; no requests are sent",
    "lab_keep": "keep the lab running after the session, so that its pages can be read; Ctrl-C stops it",
    "check": "check credentials and names with the platform before the first launch",
    "prove": "run each marked test against the lab once per fault that its phones can have, and fail those that pass "
    "although a phone is faulty",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The effective settings of a session, with times in seconds.

    Attributes:
        lab: Whether runs go to the lab instead of the platform.
        lab_file: The lab file, or None for the built-in one.
        resume: Whether to resume interrupted sessions.
        plan: Whether to print the plan and exit.
        check: Whether to check credentials and names before the first launch.
        prove: Whether to run each marked test once per fault of its phones.
        artifacts: The directory for artifacts; None for the default.
        lab_keep: Whether the lab runs on after the session until Ctrl-C.
        sources: The source of each setting, by name: "command line", an environment variable, "ini ..." or "default".
    """

    base_url: str
    timeout: float
    poll_interval: float
    repeat: int
    pass_at_least: int | None
    concurrency: int
    exclusive_by: tuple[str, ...]
    max_runs: int | None
    max_minutes: float | None
    ledger: Path | None
    resume_max_age: float
    report_mode: str | None
    body: str
    ca_bundle: str | None
    connect_timeout: float
    read_timeout: float
    retry_for: float
    heartbeat: float
    history: Path | None
    record: Path | None
    replay: Path | None
    json: Path | None
    html: Path | None
    prometheus: Path | None
    otel: str
    artifacts: Path | None
    keep_artifacts: str
    recordings: bool
    mask_numbers: bool
    lab_keep: bool
    rerun_kinds: tuple[str, ...]
    junit_properties: str
    lab_calls: Literal["auto", "required", "scripted"]
    prove_faults: tuple[str, ...]
    lab: bool
    lab_file: Path | None
    resume: bool
    plan: bool
    check: bool
    prove: bool
    sources: Mapping[str, str]

    @property
    def service(self) -> str:
        """The service that executes the runs: the platform's URL, or the lab with its file."""
        if self.replay is not None:
            return f"recording {self.replay}"
        if not self.lab:
            return self.base_url
        return "lab" if self.lab_file is None else f"lab {self.lab_file}"

    @property
    def run_defaults(self) -> dict[str, Any]:
        """The arguments of `make_run_spec` for markers that do not have them."""
        return {"report_mode": self.report_mode, "repeat": self.repeat, "pass_at_least": self.pass_at_least}


def add_options(parser: pytest.Parser) -> None:
    """Register all options and ini keys."""
    group = parser.getgroup("sipfront", "Sipfront voice tests")
    for option in OPTIONS:
        option.register(parser, group)
    group.addoption(
        "--sipfront-lab",
        nargs="?",
        const="true",
        default=None,
        metavar="FILE",
        help="run against a lab on this machine instead of the platform; FILE describes it (default: lab.yaml in the "
        "root directory, or a built-in file) [env: SIPFRONT_LAB, ini: sipfront_lab]",
    )
    for flag, text in FLAGS.items():
        group.addoption(f"--sipfront-{flag.replace('_', '-')}", action="store_true", default=False, help=text)
    parser.addini("sipfront_lab", "run against the lab: true, or the path of a lab file", default=None)
    parser.addini("sipfront_secret_key", "rejected: secrets are not read from configuration files", default=None)


def read_settings(config: pytest.Config, environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the effective settings.

    Raises:
        pytest.UsageError: A value is invalid. The message names its source and what is allowed.
    """
    _reject_secret_in_ini(config)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for option in OPTIONS:
        values[option.name], sources[option.name] = effective(option, config, environment)
    lab, lab_file = _lab(config, environment)
    _check_combinations(values, sources, config, lab=lab)
    if values["poll_interval"] is None:
        values["poll_interval"] = 0.2 if lab else 3.0
    values |= {flag: bool(config.getoption(f"sipfront_{flag}")) for flag in FLAGS}
    if _has_replay(values, sources, config):
        lab, lab_file = False, None
    if values["artifacts"] is not None:
        values["artifacts"] = _base(sources["artifacts"], config) / values["artifacts"]
    for name in _REPORT_FILES:
        values[name] = _report_file(values[name], sources[name], config)
    if values["ledger"] is not None:
        values["ledger"] = config.rootpath / values["ledger"]
    return Settings(**values, lab=lab, lab_file=lab_file, sources=sources)


def _check_combinations(
    values: Mapping[str, Any], sources: Mapping[str, str], config: pytest.Config, *, lab: bool
) -> None:
    """Reject options that contradict each other, or that need another package."""
    if lab and sources["base_url"] == "command line":
        raise pytest.UsageError(
            "--sipfront-base-url and --sipfront-lab (or SIPFRONT_LAB, sipfront_lab) are mutually exclusive"
        )
    if (values["pass_at_least"] or 1) > values["repeat"]:
        raise pytest.UsageError(
            f"--sipfront-pass-at-least (SIPFRONT_PASS_AT_LEAST, sipfront_pass_at_least) must be at most the number of "
            f"repeats, which is {values['repeat']}, got {values['pass_at_least']}"
        )
    if config.getoption("sipfront_prove") and not lab:
        raise pytest.UsageError("--sipfront-prove gives faults to the phones of the lab; add --sipfront-lab")
    _check_packages(values, sources, config)
    if config.getoption("sipfront_lab_keep") and not lab:
        raise pytest.UsageError("--sipfront-lab-keep needs a lab: add --sipfront-lab (or SIPFRONT_LAB, sipfront_lab)")


def _base(source: str, config: pytest.Config) -> Path:
    """Return the directory of relative paths: the root directory for the ini file, else the current one."""
    return config.rootpath if source.startswith("ini ") else config.invocation_params.dir


def _has_replay(values: dict[str, Any], sources: Mapping[str, str], config: pytest.Config) -> bool:
    """Make the directories of recordings absolute, and return whether a recording is replayed.

    Options that contradict a replay are rejected. A lab of the ini file or the environment is not used.
    """
    for name in ("record", "replay"):
        if values[name] is not None:
            values[name] = _base(sources[name], config) / values[name]
    if values["replay"] is None:
        return False
    source = f"{sources['replay']}: a replay"
    if config.getoption("sipfront_lab") is not None:
        raise pytest.UsageError(f"{source} and --sipfront-lab are mutually exclusive")
    if values["record"] is not None:
        raise pytest.UsageError(f"{source} and a recording ({sources['record']}) are mutually exclusive")
    for flag in ("resume", "prove"):
        if config.getoption(f"sipfront_{flag}"):
            raise pytest.UsageError(f"{source} and --sipfront-{flag} are mutually exclusive")
    if not values["replay"].is_dir():
        raise pytest.UsageError(f"{source} needs a directory with recordings, got {str(values['replay'])!r}")
    return True


def _check_packages(values: Mapping[str, Any], sources: Mapping[str, str], config: pytest.Config) -> None:
    """Check that the packages and plugins that some options need are there."""
    for extra, feature, is_used in (
        ("report", "the HTML report", values["html"] is not None),
        ("otel", f"--sipfront-otel={values['otel']}", values["otel"] != "off"),
    ):
        if is_used and (missing := missing_extra(extra, feature)):
            raise pytest.UsageError(missing)
    if values["rerun_kinds"] and not config.pluginmanager.hasplugin("rerunfailures"):
        raise pytest.UsageError(f"{sources['rerun_kinds']}: sipfront_rerun_kinds needs pytest-rerunfailures")


def _report_file(path: Path | None, source: str, config: pytest.Config) -> Path | None:
    """Return the absolute path of a report file: like `--junitxml`, relative to the current directory."""
    if path is None:
        return None
    base = _base(source, config)
    if (base / path).is_dir():
        raise pytest.UsageError(f"{source}: must be a file, but {base / path} is a directory")
    return base / path


def _reject_secret_in_ini(config: pytest.Config) -> None:
    if config.getini("sipfront_secret_key"):
        raise pytest.UsageError(
            f"sipfront_secret_key in {config.inipath}: secrets are not read from configuration files, which are often "
            f"under version control. Remove it, create a new key pair, and set the environment variable "
            f"{SECRET_KEY_NAMES[0]}, or set {SECRET_KEY_FILE} to the path of a file with the key"
        )


def effective(option: Option, config: pytest.Config, environment: Mapping[str, str]) -> tuple[Any, str]:
    """Return the effective value of an option and its source.

    Raises:
        pytest.UsageError: The value is invalid.
    """
    given = config.getoption(option.ini)
    if given is not None:
        return _convert(option, given, option.flag), "command line"
    if environment.get(option.environment):
        return _convert(option, environment[option.environment], option.environment), option.environment
    source = f"{option.ini} in {config.inipath}"
    try:
        given = config.getini(option.ini)
    except (TypeError, ValueError, pytest.UsageError) as error:  # the class depends on the version of pytest
        raise pytest.UsageError(f"{source} {_requirement(option)} ({error})") from None
    if given is None or given == "":
        return option.default, "default"
    return _convert(option, str(given), source), f"ini {option.ini}"


def _convert(option: Option, text: str, source: str) -> Any:
    if option.choices and text not in option.choices:
        raise pytest.UsageError(f"{source} {invalid_choice(text, option.choices)}")
    try:
        return option.convert(text)
    except ValueError as requirement:
        without_password = re.sub(r"//[^/]*@", "//***@", text)
        raise pytest.UsageError(f"{source} {requirement}, got {without_password!r}") from None


def _requirement(option: Option) -> str:
    """Return what the value of an option must be, for a value that pytest itself could not read."""
    try:
        option.convert("")
    except ValueError as requirement:
        return str(requirement)
    return "must be a string"


def _lab(config: pytest.Config, environment: Mapping[str, str]) -> tuple[bool, Path | None]:
    given = config.getoption("sipfront_lab")
    if given is not None:
        return _lab_file(given, "--sipfront-lab", config.invocation_params.dir, config)
    if "SIPFRONT_LAB" in environment:
        return _lab_file(environment["SIPFRONT_LAB"], "SIPFRONT_LAB", config.invocation_params.dir, config)
    base = config.inipath.parent if config.inipath else config.rootpath
    return _lab_file(str(config.getini("sipfront_lab") or ""), "ini sipfront_lab", base, config)


def _lab_file(text: str, source: str, base: Path, config: pytest.Config) -> tuple[bool, Path | None]:
    if text.lower() in _OFF:
        return False, None
    if text.lower() in _ON:
        default = config.rootpath / _DEFAULT_LAB_FILE
        return True, default if default.is_file() else None
    path = base / text
    if path.suffix not in {".yaml", ".yml"}:
        raise pytest.UsageError(
            f"{source} must be the path of a lab file (*.yaml), got {text!r}. Write --sipfront-lab=FILE, or put "
            "--sipfront-lab without a value after the test paths: pytest tests --sipfront-lab"
        )
    if not path.is_file():
        raise pytest.UsageError(f"{source}: no such file: {path}")
    return True, path
