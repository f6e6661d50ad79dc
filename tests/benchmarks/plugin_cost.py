"""Print the CPU time of sessions with the plugin, and of collecting markers, as ratios to sessions without.

    python -m tests.benchmarks.plugin_cost

The two sessions of each pair run one right after the other, and the median ratio of all pairs is printed. On a busy
machine only such ratios are comparable.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.sessions import NOT_THE_USERS, USERS_ENVIRONMENT

PAIRS = 9
TRIVIAL = "import pytest\n@pytest.mark.parametrize('n', range({count}))\ndef test_it(n): pass\n"
MARKED = TRIVIAL.replace(
    "def test_it", "@pytest.mark.sipfront(test='Basic call', step_1_0_dial_destination='{{n}}')\ndef test_it"
)
HTTP_LIBRARIES = ("httpx", "httpcore", "h11")
LISTED = "import sys\ndef pytest_unconfigure():\n    print('LOADED', *sorted(sys.modules))\n"


def cpu_seconds(directory: Path, *arguments: str) -> float:
    """Run pytest and return the CPU time of that process."""
    command = [sys.executable, "-m", "pytest", "-qq", "-p", "no:cacheprovider", *NOT_THE_USERS, *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=directory, env=USERS_ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ratio(directory: Path, one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """Return the median ratio of the CPU times of two sessions."""
    cpu_seconds(directory, *one)
    return statistics.median(cpu_seconds(directory, *one) / cpu_seconds(directory, *other) for _ in range(PAIRS))


def main() -> None:
    """Print the ratios."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "test_trivial.py").write_text(TRIVIAL.format(count=2000))
        (directory / "test_unmarked.py").write_text(TRIVIAL.format(count=5000))
        (directory / "test_marked.py").write_text(MARKED.format(count=5000))
        unused = ratio(directory, ("test_trivial.py",), ("test_trivial.py", "-p", "no:sipfront"))
        print(f"2,000 trivial tests, with the plugin / without: {unused:.3f} (bound 1.03)")
        collected = ratio(directory, ("--collect-only", "test_marked.py"), ("--collect-only", "test_unmarked.py"))
        print(f"collecting 5,000 tests, marked / unmarked: {collected:.3f} (bound 1.3)")
        (directory / "conftest.py").write_text(LISTED)
        session = [sys.executable, "-m", "pytest", "-s", "test_trivial.py", "-p", "no:cacheprovider"]
        output = subprocess.run(session, cwd=directory, check=True, capture_output=True, text=True).stdout
        loaded = next(line for line in output.splitlines() if line.startswith("LOADED")).split()
        print("HTTP libraries loaded by it:", ", ".join(m for m in HTTP_LIBRARIES if m in loaded) or "none")


if __name__ == "__main__":
    main()
