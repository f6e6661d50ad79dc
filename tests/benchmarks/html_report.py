"""How long Chromium takes to open the HTML report of 5,000 tests.

Run it with `python -m tests.benchmarks.html_report`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from pytest_sipfront.plugin.reports.html_report import html_page
from tests.end_to_end.test_html_in_browser import chromium
from tests.plugin.reports.sessions import session_of

TESTS, BROKEN_EVERY, REPEATS = 5000, 50, 5
_SCRIPT = (
    "const [entry] = performance.getEntriesByType('navigation'); return [entry.domInteractive, entry.loadEventEnd, "
    "document.getElementsByTagName('*').length]"
)


def main() -> None:
    """Print the seconds to write the page, and from navigation to the end of its load event."""
    record = session_of(TESTS, dict.fromkeys(range(0, TESTS, BROKEN_EVERY), "busy"), concurrency=50)
    with tempfile.TemporaryDirectory() as directory, chromium(Path(directory, "profile")) as browser:
        path = Path(directory, "voice.html")
        began = time.perf_counter()
        path.write_text(html_page(record, path, path.parent), encoding="utf-8")
        print(f"written in {time.perf_counter() - began:.2f} s, {path.stat().st_size / 1e6:.1f} MB")
        loads = []
        for _ in range(REPEATS):
            browser.get("about:blank")
            browser.get(path.as_uri())
            loads.append(browser.execute_script(_SCRIPT))
        interactive, loaded = (statistics.median(times) / 1000 for times in list(zip(*loads, strict=True))[:2])
        print(f"{loads[0][2]} elements, interactive after {interactive:.2f} s, loaded after {loaded:.2f} s (median)")


if __name__ == "__main__":
    main()
