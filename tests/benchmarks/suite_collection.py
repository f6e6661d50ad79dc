"""Print the CPU time of collecting suite files, as a ratio to Python modules, and the memory of a large table.

    python -m tests.benchmarks.suite_collection

The sessions of each pair run one right after the other, and the median ratio is printed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.plugin_cost import ratio
from tests.benchmarks.sessions import NOT_THE_USERS, USERS_ENVIRONMENT

FILES, TESTS, ROWS = 1000, 10, 50_000
MODULE = """import pytest
@pytest.mark.parametrize("number", [{numbers}])
@pytest.mark.sipfront(test="Basic call", step_1_0_dial_destination="{{number}}")
def test_destination(number): pass
"""
ENTRY = """- name: destination {n}
  test: Basic call
  step.1.0.dial_destination: "{number}"
"""
TABLE = """max_tests: 50000
tests:
- name: destination
  test: Basic call
  rows: numbers.csv
  step.1.0.dial_destination: "{number}"
"""


def numbers(file: int) -> list[str]:
    """Return the numbers that the tests of a file dial."""
    return [f"+4312{file:04}{n}" for n in range(TESTS)]


def main() -> None:
    """Print ratio and memory."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for part in ("modules", "suites", "table"):
            (directory / part).mkdir()
        for file in range(FILES):
            quoted = ", ".join(map(repr, numbers(file)))
            (directory / f"modules/test_{file}.py").write_text(MODULE.format(numbers=quoted))
            entries = "".join(ENTRY.format(n=n, number=number) for n, number in enumerate(numbers(file)))
            (directory / f"suites/part{file}.sipfront.yaml").write_text(f"tests:\n{entries}")
        collected = ratio(directory, ("--collect-only", "suites"), ("--collect-only", "modules"))
        print(f"collecting {FILES} files of {TESTS} tests, YAML / Python: {collected:.2f} (bound 1.5)")
        rows = "".join(f"number {n},+4312{n:05}\n" for n in range(ROWS))
        (directory / "table/numbers.csv").write_text(f"name,number\n{rows}")
        (directory / "table/large.sipfront.yaml").write_text(TABLE)
        code = (
            "import pytest, resource, sys; code = pytest.main(sys.argv[1:]); "
            "print('MEMORY', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024); sys.exit(code)"
        )
        command = [sys.executable, "-c", code, "--collect-only", "-qqq", "-p", "no:cacheprovider", *NOT_THE_USERS]
        output = subprocess.run(
            [*command, "table"], cwd=directory, env=USERS_ENVIRONMENT, check=True, capture_output=True, text=True
        ).stdout
        memory = output.rpartition("MEMORY ")[2].strip()
        print(f"collecting {ROWS} rows of a CSV file: {memory} MB (bound 200)")


if __name__ == "__main__":
    main()
