"""The HTML report, as markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pytest_sipfront.plugin.reports import html_report
from pytest_sipfront.plugin.reports.html_report import headline, html_page, length
from pytest_sipfront.plugin.reports.session_record import FlightRecord, SessionRecord
from tests.end_to_end.conftest import suite
from tests.end_to_end.suite import Suite
from tests.plugin.reports.sessions import add_call, add_recordings, session_of

__all__ = ["suite"]
PAGE = Path("/reports/voice.html")
KINDS = {5: "busy", 11: "busy", 20: "busy", 31: "one-way", 32: "one-way", 40: "wrong-prompt", 50: "infrastructure"}
_VOID = {"meta", "link", "br", "input", "line", "rect", "circle", "path"}


class _Outline(HTMLParser):
    """Collects the visible text and the URLs, and checks that elements are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.urls: list[str] = []
        self.ids: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.urls += [value or "" for name, value in attrs if name in {"src", "href"}]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open) and data.strip():
            self.text.append(" ".join(data.split()))


def outline(record: SessionRecord, base: Path = PAGE.parent, page: Path = PAGE) -> _Outline:
    parsed = _Outline()
    parsed.feed(html_page(record, page, base))
    parsed.close()
    assert parsed.open == []
    assert len(set(parsed.ids)) == len(parsed.ids)
    return parsed


def test_the_page_begins_with_what_is_broken() -> None:
    """The number, the kinds, then each kind with its tests, all in the order of the markup."""
    text = outline(session_of(60, KINDS)).text
    assert text[0] == "7 of 60 voice tests broken"
    headings = [word for word in text if word in {"Busy", "One way", "Wrong prompt", "Infrastructure", "Other tests"}]
    assert headings == ["Busy", "One way", "Wrong prompt", "Infrastructure", "Other tests"]
    assert text.index("test_call[00005]") < text.index("Timeline of the runs") < text.index("test_call[00000]")
    assert text.index("486 Busy Here after 0.12 s") < text.index("One way")


def test_the_page_loads_nothing_and_has_no_inline_styles() -> None:
    """A content policy may block inline styles, and a report is read without network."""
    parsed = outline(session_of(60, KINDS))
    assert "style" not in parsed.attributes
    assert not any(name.startswith("on") for name in parsed.attributes)
    links = {url for url in parsed.urls if not url.startswith(("#", "https://app.sipfront.com/run/"))}
    assert links == {"voice.css"}
    assert {url[1:] for url in parsed.urls if url.startswith("#")} <= set(parsed.ids)


def test_a_broken_test_shows_its_run(tmp_path: Path) -> None:
    """Overrides, violated conditions, measures with bounds, SIP messages, recordings and the text of pytest."""
    record = session_of(3, {1: "one-way"})
    add_recordings(record, 1, tmp_path)
    record.tests[1].history = {
        "label": "newly failing",
        "text": "Passed in the 14 sessions before.",
        "differences": [{"name": "answer", "before": "200 OK", "now": "180 Ringing"}],
    }
    parsed = outline(record, tmp_path, tmp_path / "out" / "voice.html")
    text = parsed.text
    for expected in (
        "step.1.0.dial_destination",
        "no RTP from callee for 4.2 s",
        "jitter",
        "at most 50 ms",
        "SIP/2.0 180 Ringing (1 INVITE)",
        "heard by the caller",
        "'support' 0.97",
        "E RunFailed: no RTP from callee for 4.2 s",
        "Passed in the 14 sessions before.",
        "200 OK",
    ):
        assert expected in text
    assert text[2:4] == ["1", "newly failing"]
    assert "../artifacts/call%201/report.html" in parsed.urls
    assert sum(url.startswith("data:audio/wav;base64,") for url in parsed.urls) == 2


def test_a_call_with_sift_shows_its_timeline() -> None:
    """From the test at the left to Sift at the right."""
    record = session_of(2, {1: "busy"})
    add_call(record, 1)
    text = outline(record).text
    assert "Timeline of the call" in text
    assert text.index("dial +43123104") < text.index("status connected")


def test_a_defect_of_a_report_does_not_suppress_the_others(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session ends as without the report."""
    suite.configure("tests:\n  Good: {takes: 0.02}\n")
    suite.write("@marked(test='Good')\ndef test_good(): pass\n")
    monkeypatch.setattr(html_report, "headline", lambda _: 1 / 0)
    result = suite.run("--sipfront-html=voice.html", "--sipfront-json=voice.json")
    result.stdout.fnmatch_lines(["sipfront: JSON report: *", "sipfront: cannot write the HTML report: ZeroDivision*"])
    assert result.ret == 0


def test_recordings_beyond_the_limit_are_linked_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page stays small."""
    monkeypatch.setattr(html_report, "MOST_AUDIO", 100_000)
    record = session_of(3, {0: "busy", 1: "busy"})
    for number in (0, 1):
        add_recordings(record, number, tmp_path)
    urls = outline(record, tmp_path).urls
    assert sum(url.startswith("data:") for url in urls) == 1
    assert sum(url.endswith("callee.wav") for url in urls) == 2


def test_many_broken_tests_of_a_kind_are_folded() -> None:
    """An unreachable platform breaks every test; only some of them show evidence."""
    record = session_of(400, dict.fromkeys(range(400), "busy"))
    page = html_page(record, PAGE, PAGE.parent)
    assert f"{400 - html_report.MOST_SHOWN_OF_KIND} more" in page
    assert page.count('class="ladder"') == html_report.MOST_DETAILED
    assert page.count("test_call[") >= 400


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"interrupted": True}, "The session was interrupted."),
        ({"collection_errors": [{"nodeid": "test_x.py", "message": "unknown argument 'tset'"}]}, "test_x.py"),
        (
            {
                "in_flight": [
                    FlightRecord(nodeid="t.py::t", target="Slow", launched_at="2026-01-15T12:00:00Z", report_url="")
                ]
            },
            "t.py::t: Slow, launched 12:00:00 UTC",
        ),
    ],
    ids=["interrupted", "collection", "in flight"],
)
def test_the_page_shows_how_the_session_ended(changes: dict[str, Any], expected: str) -> None:
    """A reader sees that tests are missing, and which runs still cost money."""
    record = session_of(2, {})
    for name, value in changes.items():
        setattr(record, name, value)
    assert expected in outline(record).text


def test_values_of_services_cannot_add_markup() -> None:
    """Texts are escaped, and control characters are visible."""
    record = session_of(1, {0: "busy"})
    record.tests[0].last.message = "<script>alert(1)</script>\x1b[31m"
    page = html_page(record, PAGE, PAGE.parent)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31m" in page


@pytest.mark.parametrize(
    ("count", "broken", "expected"),
    [
        (1, {}, "All 1 voice test passed"),
        (2, {}, "All 2 voice tests passed"),
        (1, {0: "busy"}, "1 of 1 voice test broken"),
        (0, {}, "No voice test ran"),
    ],
)
def test_the_headline_is_one_sentence(count: int, broken: dict[int, str], expected: str) -> None:
    """It is also the title of the page."""
    assert headline(session_of(count, broken)) == expected


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.94, "59.9 s"), (61, "1 min 1 s"), (7200, "2 h 0 min")]
)
def test_durations_have_units(seconds: float, text: str) -> None:
    """A reader compares them at a glance."""
    assert length(seconds) == text


def test_the_option_writes_the_page_and_its_stylesheet(suite: Suite) -> None:
    """Also for errors and skipped tests, and for a session without voice tests."""
    suite.configure(
        "tests:\n  Good: {takes: 0.02}\n  Busy: {takes: 0.02, verdict: failed, description: 486 Busy Here}\n"
    )
    suite.write(
        "@marked(test='Good')\ndef test_good(): pass\n@marked(test='Busy')\ndef test_busy(): pass\n"
        "@marked(test='Nope')\ndef test_unknown(): pass\n"
        "@pytest.mark.skip\n@marked(test='Good')\ndef test_skipped(): pass\n"
    )
    result = suite.run("--sipfront-html=out/voice.html")
    result.stdout.fnmatch_lines(["sipfront: HTML report: */out/voice.html"])
    page = (suite.pytester.path / "out" / "voice.html").read_text(encoding="utf-8")
    assert re.search("<h1[^>]*>2 of 4 voice tests broken</h1>", page)
    assert (suite.pytester.path / "out" / "voice.css").read_text(encoding="utf-8") in page
    suite.write("def test_plain(): pass\n")
    suite.run("--sipfront-html=out/voice.html")
    assert "No voice test ran" in (suite.pytester.path / "out" / "voice.html").read_text(encoding="utf-8")


def test_the_page_needs_an_extra(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names it before the first test."""
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    result = pytester.runpytest_inprocess("--sipfront-html=voice.html")
    result.stderr.fnmatch_lines(['ERROR: the HTML report requires pip install "pytest-sipfront[[]report]"*jinja2*'])
