"""Fill the reference pages of the documentation site from the code, when mkdocs builds it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from pytest_sipfront.cli.commands import NAME, program
from pytest_sipfront.lab.file.lab_file import LabDocument
from pytest_sipfront.plugin import item_markers, options, sift_marker, sift_options
from pytest_sipfront.suites.suite_file import SuiteDocument
from pytest_sipfront.yaml_schema import markdown_reference

ROOT = Path(__file__).parents[1]
WHEN = {
    "launch": "Launch",
    "poll": "Poll of a running run",
    "end": "Poll after the end of a run",
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace each `<!-- generated: NAME -->` by the text of its generator."""
    return re.sub(r"<!-- generated: (\w+) -->", lambda match: GENERATORS[match[1]](), markdown)


def _option_table(declared: Iterable[options.Option]) -> str:
    rows = [f"| `{o.flag}={o.metavar}` | `{o.environment}`<br>`{o.ini}` | {o.help} |" for o in declared]
    return "\n".join(["| option | environment and ini | meaning |", "|---|---|---|", *rows])


def _flag_table() -> str:
    rows = [f"| `--sipfront-{name.replace('_', '-')}` | {text} |" for name, text in options.FLAGS.items()]
    return "\n".join(["| option | meaning |", "|---|---|", *rows])


def _argument_table() -> str:
    """Take the table from the README, which a test compares with the code."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    start = readme.index("| argument | meaning |")
    return readme[start : readme.index("\n\n", start)]


def _fault_tables() -> str:
    """Return a table of faults and outcomes for each kind of request."""
    sys.path.append(str(ROOT))  # mkdocs undoes changes of the path at the import of a hook
    from tests.fault_sessions.catalogue import FAULTS  # noqa: PLC0415 - it needs the path

    lines: list[str] = []
    for when, title in WHEN.items():
        lines += [f"## {title}", "", "| the platform sends | pytest | JUnit | message |", "|---|---|---|---|"]
        lines += [_fault_row(fault) for fault in FAULTS if fault.when == when]
        lines.append("")
    return "\n".join(lines)


def _fault_row(fault: Any) -> str:
    outcome = "error" if fault.outcome == "error" else fault.verdict
    pytest, junit = {
        "error": ("ERROR", "`<error>`"),
        "passed": ("passed", ""),
        "failed": ("FAILED", "`<failure>`"),
        None: ("the verdict", ""),
    }[outcome]
    alternatives = (f"`{' '.join(text.replace('...', ' … ').split())}`" for text in fault.message.split(" | ") if text)
    return f"| {fault.name.replace('<', '&lt;')} | {pytest} | {junit} | {' or '.join(alternatives)} |"


def _signature(declared: str) -> str:
    return f"```python\n@pytest.mark.{declared.partition(': ')[0]}\n```"


def _commands() -> str:
    """Return a section for each command, with the help that the program prints."""
    return "\n\n".join(
        f"### {NAME} {name}\n\n```text\n{command.get_help(click.Context(command, info_name=f'{NAME} {name}'))}\n```"
        for name, command in sorted(program.commands.items())
    )


GENERATORS: dict[str, Callable[[], str]] = {
    "options": lambda: _option_table(options.OPTIONS),
    "flags": _flag_table,
    "sift_options": lambda: _option_table(sift_options.OPTIONS),
    "commands": _commands,
    "marker_arguments": _argument_table,
    "faults": _fault_tables,
    "sipfront_signature": lambda: _signature(item_markers.SIGNATURE),
    "sift_signature": lambda: _signature(sift_marker.SIGNATURE),
    "lab_file": lambda: markdown_reference(LabDocument, level=3),
    "suite_file": lambda: markdown_reference(SuiteDocument),
}
