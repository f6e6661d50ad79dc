"""The HTML report in Chromium: keys, phone width, dark colours, the content policy of Jenkins, and accessibility."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.lab.web.pages import run_page
from pytest_sipfront.plugin.reports.html_report import html_page, stylesheet
from tests.lab.web.test_pages import EVIDENCE, lab_with
from tests.plugin.reports.sessions import add_recordings, session_of

webdriver: Any = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")
AXE = Path(os.environ.get("AXE_CORE", "node_modules/axe-core/axe.min.js"))
JENKINS = "sandbox; default-src 'none'; img-src 'self'; style-src 'self';"
KINDS = {5: "busy", 11: "busy", 20: "busy", 31: "one-way", 32: "one-way", 40: "wrong-prompt", 50: "infrastructure"}
_OPTIONS = (
    "headless",
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "disable-dev-shm-usage",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
)
pytestmark = pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason="chromium and chromedriver are not installed")


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """Start Chromium without network services."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (*_OPTIONS, f"user-data-dir={profile}"):
        options.add_argument(f"--{option}")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=CHROMEDRIVER))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium."""
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a session of 60 tests, of which 7 are broken in 4 ways."""
    path = tmp_path_factory.mktemp("report") / "voice.html"
    record = session_of(60, KINDS)
    add_recordings(record, 31, path.parent)
    for number, label in ((5, "failing since 2026-01-11"), (31, "newly failing")):
        record.tests[number].history = {"label": label, "text": "Passed in the 14 sessions before."}
    record.tests[20].nodeid = f"tests/test_ivr.py::test_{'a_menu_with_many_entries_' * 4}[00020]"
    record.tests[20].last.message = "x" * 300
    path.write_text(html_page(record, path, path.parent), encoding="utf-8")
    path.with_suffix(".css").write_text(stylesheet(), encoding="utf-8")
    return path


@contextmanager
def served(directory: Path, policy: str) -> Iterator[str]:
    """Serve a directory with a content policy, as Jenkins serves artifacts."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            self.send_header("Content-Security-Policy", policy)
            super().end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
            """Log no request."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def emulate(browser: Any, *, width: int = 1280, scheme: str = "light") -> None:
    """Set the width of the page and the colours that the reader prefers."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


def opened(browser: Any, page: Path, **settings: Any) -> Any:
    """Open the page and return the browser."""
    emulate(browser, **settings)
    browser.get(page.as_uri())
    return browser


def press(browser: Any, keys: str) -> None:
    webdriver.ActionChains(browser).send_keys(keys).perform()


def shown(browser: Any) -> list[str]:
    """Return the names of the tests that are shown, in the order of the page."""
    script = "return [...document.querySelectorAll('.test:not([hidden]) .name')].map(name => name.textContent)"
    return list(browser.execute_script(script))


def test_keys_search_filter_and_sort(browser: Any, page: Path) -> None:
    """A reader needs no mouse."""
    opened(browser, page)
    assert len(shown(browser)) == 60
    press(browser, "b")
    assert len(shown(browser)) == 7
    press(browser, "b/00011 busy")
    assert shown(browser) == ["test_call[00011]"]
    assert browser.find_element("css selector", ".tools output").text == "1 of 60 tests"
    press(browser, "\ue003" * len("00011 busy") + "\ue00c")  # backspace, and Escape leaves the field
    press(browser, "ss")  # by duration
    others = shown(browser)[7:]
    assert others != sorted(others)
    press(browser, "jjo")
    (open_test,) = browser.find_elements("css selector", ".test:has(details[open])")
    assert "test_call[00011]" in open_test.text or "busy" in open_test.text.lower()
    assert "SIP messages" in open_test.text
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_the_page_loads_nothing_but_its_stylesheet(browser: Any, page: Path) -> None:
    """It can be read without network, and as a file of a mail."""
    with served(page.parent, "default-src 'self' 'unsafe-inline'; media-src data:") as url:
        browser.get(f"{url}/voice.html")
        script = "return performance.getEntriesByType('resource').map(entry => entry.name)"
        loaded = {name for name in browser.execute_script(script) if not name.startswith("data:")}
    assert loaded <= {f"{url}/voice.css", f"{url}/favicon.ico"}


@pytest.mark.parametrize("has_stylesheet", [True, False], ids=["styled", "bare markup"])
def test_the_page_is_complete_under_the_content_policy_of_jenkins(
    browser: Any, page: Path, tmp_path: Path, has_stylesheet: bool
) -> None:
    """Without scripts and inline styles: the order is that of the markup, and tests can be opened."""
    emulate(browser)
    shutil.copytree(page.parent, tmp_path / "archive")
    if not has_stylesheet:
        (tmp_path / "archive" / "voice.css").unlink()
    with served(tmp_path / "archive", JENKINS) as url:
        browser.get(f"{url}/voice.html")
        assert not browser.find_element("css selector", ".tools").is_displayed()
        heading = browser.find_element("tag name", "h1")
        assert heading.text == "7 of 60 voice tests broken"
        is_styled = heading.value_of_css_property("color") == "rgba(196, 32, 43, 1)"
        assert is_styled is has_stylesheet
        titles = [title.text for title in browser.find_elements("tag name", "h2")]
        assert titles[0].startswith("Busy")
        assert titles[-1].startswith("Other tests")
        summary = browser.find_element("css selector", "#t6 summary")
        summary.click()
        assert "step.1.0.dial_destination" in browser.find_element("id", "t6").text
        chart = browser.find_element("css selector", "svg.timeline")
        assert chart.size["height"] > 500


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_page(browser: Any, page: Path, width: int) -> None:
    """A reader of a phone scrolls in one direction, also if all tests are open."""
    opened(browser, page, width=width)
    browser.execute_script("document.querySelectorAll('details').forEach(details => { details.open = true })")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_the_page_is_dark_if_the_reader_prefers_that(browser: Any, page: Path) -> None:
    """All colours are those of the scheme."""

    def colours(scheme: str) -> tuple[str, str]:
        body = opened(browser, page, scheme=scheme).find_element("tag name", "body")
        return body.value_of_css_property("background-color"), body.value_of_css_property("color")

    assert colours("light") == ("rgba(255, 255, 255, 1)", "rgba(31, 35, 40, 1)")
    assert colours("dark") == ("rgba(15, 19, 25, 1)", "rgba(230, 237, 243, 1)")


@pytest.mark.skipif(not AXE.is_file(), reason="AXE_CORE does not name axe.min.js of the npm package axe-core")
@pytest.mark.parametrize("settings", [{}, {"scheme": "dark"}, {"width": 390}], ids=["light", "dark", "phone"])
def test_axe_has_no_finding(browser: Any, page: Path, settings: dict[str, Any]) -> None:
    """With all tests open: names, contrast, order of headings, keyboard."""
    opened(browser, page, **settings)
    browser.execute_script("document.querySelectorAll('details').forEach(details => { details.open = true })")
    assert findings(browser) == []


@pytest.mark.skipif(not AXE.is_file(), reason="AXE_CORE does not name axe.min.js of the npm package axe-core")
def test_axe_has_no_finding_on_the_page_of_a_run(browser: Any, tmp_path: Path) -> None:
    """The lab's pages use the same templates."""
    path = tmp_path / "report.html"
    path.write_text(run_page(*lab_with(EVIDENCE), is_file=True), encoding="utf-8")
    opened(browser, path)
    assert findings(browser) == []


def findings(browser: Any) -> list[str]:
    """Return what axe objects to on the current page, with the first element of each finding."""
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    browser.set_script_timeout(120)
    result = browser.execute_async_script(
        "const done = arguments[arguments.length - 1]; axe.run({resultTypes: ['violations']}).then(done)"
    )
    return [
        f"{violation['impact']}: {violation['help']}: {violation['nodes'][0]['html'][:200]}"
        for violation in result["violations"]
    ]


def test_a_link_of_the_timeline_opens_its_test(browser: Any, page: Path) -> None:
    """Broken runs are links."""
    opened(browser, page)
    browser.execute_script(
        "document.querySelector('.timeline a').dispatchEvent(new MouseEvent('click', {bubbles: true}))"
    )
    browser.execute_script("location.hash = document.querySelector('.timeline a').getAttribute('href')")
    (details,) = browser.find_elements("css selector", ".test:target details[open]:not(.text)")
    assert "486 Busy Here" in details.text


@pytest.mark.slow
def test_five_thousand_tests_are_a_bounded_page(browser: Any, tmp_path: Path) -> None:
    """The browser lays out what is shown, and the page has few elements for each test."""
    record = session_of(5000, dict.fromkeys(range(0, 5000, 50), "busy"), concurrency=50)
    path = tmp_path / "voice.html"
    path.write_text(html_page(record, path, tmp_path), encoding="utf-8")
    opened(browser, path)
    assert browser.execute_script("return document.getElementsByTagName('*').length") < 70_000
    assert path.stat().st_size < 8_000_000
    assert len(shown(browser)) == 5000
