"""The program `pytest-sipfront`: first suites, single runs, and checks of the environment at the shell."""

from __future__ import annotations

import sys

from pytest_sipfront.extras import missing_extra


def main() -> None:
    """Run the program with the arguments of this process, and exit.

    Exit codes: 0 passed, 1 failed, 2 no verdict, 3 usage.
    """
    if reason := missing_extra("cli", "the command pytest-sipfront"):
        print(f"error: {reason}", file=sys.stderr)  # noqa: T201 - the program's output
        sys.exit(3)
    from pytest_sipfront.cli.commands import run_program  # noqa: PLC0415 - needs the extra

    sys.exit(run_program(sys.argv[1:]))
