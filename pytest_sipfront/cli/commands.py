"""The commands of `pytest-sipfront` and their options."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import click

from pytest_sipfront.cli.output import mask_output, print_error
from pytest_sipfront.errors import ConfigurationError, DetailedError
from pytest_sipfront.plugin.command_session import NO_VERDICT, USAGE, CommandSession, in_session, run_pytest
from pytest_sipfront.plugin.option_types import REPORT_MODES
from pytest_sipfront.plugin.run_spec import MarkerError

NAME = "pytest-sipfront"
_Command = TypeVar("_Command", bound=Callable[..., Any])
_PASS_THROUGH = {"ignore_unknown_options": True, "allow_interspersed_args": False}
SCHEMAS = {"lab": ("lab", "lab.schema.json"), "suite": ("suites", "suite.schema.json")}
"""The JSON Schema of each file format, as a room of the package and a file name."""


def run_program(arguments: Sequence[str]) -> int:
    """Run a command and return the exit code: 0 passed, 1 failed, 2 no verdict, 3 usage."""
    try:
        code = program.main(list(arguments), prog_name=NAME, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return USAGE
    except MarkerError as error:
        print_error(str(error))
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        print_error("interrupted")
        return NO_VERDICT
    return code if isinstance(code, int) else 0


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 passed, 1 failed, 2 no verdict, 3 usage or configuration.",
)
@click.version_option(package_name=NAME, prog_name=NAME)
def program() -> None:
    """Write, run and check suites of Sipfront voice tests.

    Settings and credentials are those of pytest in the current directory: environment variables, then the ini file.
    """


def _account_options(command: _Command) -> _Command:
    """Add the options that choose platform or lab, and `--json`."""

    @click.option("--lab", is_flag=True, help="Use a lab on this machine: lab.yaml, or else the built-in lab file.")
    @click.option("--lab-file", type=click.Path(), help="Use a lab with this lab file.")
    @click.option("--base-url", metavar="URL", help="Base URL of the platform.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @functools.wraps(command)
    def with_account(*args: Any, lab: bool, lab_file: str | None, base_url: str | None, **options: Any) -> Any:
        chosen = [f"--sipfront-lab={lab_file}"] if lab_file else ["--sipfront-lab=true"] if lab else []
        chosen += [f"--sipfront-base-url={base_url}"] if base_url else []
        return command(*args, chosen=chosen, **options)

    return with_account  # type: ignore[return-value]  # the signature of a command is its options


@program.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.option("--from-account", is_flag=True, help="Write a test for each test and project of the account.")
@_account_options
def new(directory: Path, *, from_account: bool, chosen: list[str], as_json: bool) -> int:
    """Write a first suite to DIRECTORY (default: here) that runs against the lab.

    Files that exist are never overwritten.
    """
    from pytest_sipfront.cli import scaffold  # noqa: PLC0415 - only this command

    if not from_account:
        return scaffold.write_first_suite(directory, as_json=as_json)
    return _in_session(chosen, lambda session: scaffold.write_account_suite(session, directory, as_json=as_json))


def _in_session(chosen: list[str], action: Callable[[CommandSession], int], *, conftest: bool = False) -> int:
    """Return the exit code of an action in a session, whose errors and output follow its settings."""

    def act(session: CommandSession) -> int:
        if session.settings.mask_numbers:
            mask_output()
        return action(session)

    try:
        return in_session(chosen, act, conftest=conftest)
    except DetailedError as error:
        print_error(error)
        return USAGE if isinstance(error, ConfigurationError) else NO_VERDICT


@program.command()
@_account_options
def tests(*, chosen: list[str], as_json: bool) -> int:
    """List the tests of the account."""
    return _list("tests", chosen, as_json=as_json)


@program.command()
@_account_options
def projects(*, chosen: list[str], as_json: bool) -> int:
    """List the projects of the account."""
    return _list("projects", chosen, as_json=as_json)


@program.command()
@_account_options
def runs(*, chosen: list[str], as_json: bool) -> int:
    """List the runs of the account."""
    return _list("runs", chosen, as_json=as_json)


def _list(kind: str, chosen: list[str], *, as_json: bool) -> int:
    from pytest_sipfront.cli.account import show_list  # noqa: PLC0415 - it imports the engine's modules

    return _in_session(chosen, lambda session: show_list(session, kind, as_json=as_json))


@program.command()
@click.argument("url")
@_account_options
def status(url: str, *, chosen: list[str], as_json: bool) -> int:
    """Show the status of a run, and its verdict, by its status URL."""
    from pytest_sipfront.cli.account import show_status  # noqa: PLC0415

    return _in_session(chosen, lambda session: show_status(session, url, as_json=as_json))


@program.command()
@click.argument("name")
@click.option("--project", is_flag=True, help="NAME is a project, by name or numeric id.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override. Repeatable.",
)
@click.option("--timeout", type=float, metavar="S", help="Maximum time from launch to verdict, in seconds.")
@click.option("--expect", type=click.Choice(["passed", "failed"]), help="The expected verdict (default: passed).")
@click.option("--match", metavar="REGEX", help="Regular expression for the reason of an expected failure.")
@click.option("--report-mode", type=click.Choice(REPORT_MODES), help="Report mode of the run.")
@click.option("--resume", is_flag=True, help="Follow the run of an interrupted command instead of launching another.")
@_account_options
def run(
    name: str, *, project: bool, overrides: Sequence[str], resume: bool, chosen: list[str], as_json: bool, **given: Any
) -> int:
    """Launch one run of a test or project, and wait for its verdict.

    The launch is recorded in the journal of the current directory and sent at most once.
    """
    from pytest_sipfront.cli.account import run_once  # noqa: PLC0415

    target = {"project": int(name) if name.isdecimal() else name} if project else {"test": name}
    arguments = {**target, **given, **_overrides(overrides)}

    def launch(session: CommandSession) -> int:
        return run_once(session, session.make_spec(arguments), as_json=as_json)

    return _in_session([*chosen, *(["--sipfront-resume"] if resume else [])], launch, conftest=True)


def _overrides(settings: Sequence[str]) -> dict[str, Any]:
    """Return arguments of the marker for `KEY=VALUE` settings; both spellings of an override are accepted."""
    named: dict[str, Any] = {}
    params: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not (key and equals):
            raise click.UsageError(f"--set must be KEY=VALUE, got {setting!r}")
        place = named if key.startswith("step_") else params
        if key in place:
            raise click.UsageError(f"--set: duplicate key {key!r}")
        place[key] = value
    return named | ({"params": params} if params else {})


@program.command()
@click.argument("file_format", type=click.Choice(list(SCHEMAS)), default="lab")
def schema(file_format: str) -> int:
    """Print the JSON Schema of lab files or suite files, with which editors complete and check keys."""
    click.echo(schema_text(file_format), nl=False)
    return 0


def schema_text(file_format: str) -> str:
    """Return the JSON Schema of a file format."""
    room, name = SCHEMAS[file_format]
    return resources.files(f"pytest_sipfront.{room}").joinpath(name).read_text(encoding="utf-8")


@program.command(context_settings=_PASS_THROUGH, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def lab(arguments: Sequence[str]) -> int:
    """Run a lab in the foreground (`lab --help` lists its options)."""
    from pytest_sipfront.lab import LabError, run_lab_command  # noqa: PLC0415 - it needs the extra

    try:
        code = run_lab_command(arguments, f"{NAME} lab")
    except LabError as error:
        print_error(str(error))
        return USAGE
    return USAGE if code == LAB_USAGE else code


LAB_USAGE = 2
"""The exit code of `python -m pytest_sipfront.lab` for a lab that cannot start."""


@program.command()
@_account_options
def doctor(*, chosen: list[str], as_json: bool) -> int:
    """Check credentials, reachability, clock, proxy, versions, callback address, and calls of the lab."""
    from pytest_sipfront.cli.environment_checks import check_environment  # noqa: PLC0415 - it imports HTTP libraries

    return _in_session(chosen, lambda session: check_environment(session, as_json=as_json))


@program.command(context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def prove(arguments: Sequence[str]) -> int:
    """Run the suite against a lab with broken phones: `pytest --sipfront-prove ARGUMENTS`."""
    return run_pytest(["--sipfront-prove", *arguments])


@program.command(context_settings=_PASS_THROUGH)
@click.argument("nodeid")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def replay(nodeid: str, arguments: Sequence[str]) -> int:
    """Place the call of one test again and keep the lab open: `pytest NODEID --sipfront-lab-keep ARGUMENTS`."""
    return run_pytest([nodeid, "--sipfront-lab-keep", *arguments])
