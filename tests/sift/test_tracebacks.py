"""Errors of calls show the line of the test suite, and no frame of the plugin."""

from __future__ import annotations

import pytest

from tests.sift.conftest import BANK, SiftLab, bank, by_request
from tests.support import assert_only_user_frames

pytestmark = pytest.mark.usefixtures("account")

TIMES = {
    "not connected": (f'callees: {{"{BANK}": {{answer: busy}}}}', "call.expect_connected()"),
    "too late": (f'callees: {{"{BANK}": {{rings: 30}}}}', "call.expect_connected(within=0.1)"),
    "hung up": (bank("hangs_up: 0.05"), "call.listen(timeout=30)"),
    "over": (bank("hangs_up: 0"), "call.wait_finished(); call.say('hi')"),
    "goes on": (bank(), "call.expect_connected(); call.wait_finished(within=0.1)"),
    "no event": (bank(), "call.join_conference('x').expect_event('scan', within=0.1)"),
    "routine refused": (bank(faults="[{on: routine, status: 400, error: no, times: 1}]"), "call.say('hi')"),
    "routine failed": (bank(faults="[{on: routine, status: 500, error: no, times: 1}]"), "call.say('hi')"),
    "routine unanswered": (bank(faults="[{on: routine, drop: after, times: 1}]"), "call.say('hi')"),
    "callback owed": (bank(callbacks="[{on: done, lost: true}]"), "call.say('hi')"),
    "wrong type": (bank("says: x", callbacks="[{on: done, add: {value: [1]}}]"), "call.listen()"),
    "mistake": (bank(), "call.choose([])"),
    "wrong option": (bank(), "call.bridge('+15550100300', nothing=1)"),
    "wrong timeout": (bank(), "call.listen(timeout=-1)"),
    "dialled twice": (bank(), "call.dial()"),
}
CREATES = {
    "create refused": "faults: [{on: create, status: 402, error: Out of credit}]",
    "create failed": "faults: [{on: create, status: 500}]",
    "create unanswered": "faults: [{on: create, drop: before}]",
    "create unreadable": "faults: [{on: create, html: true, effect: false}]",
    "create moved": "faults: [{on: create, status: 302, headers: {Location: 'https://x.example/'}}]",
    "credentials refused": "faults: [{on: create, status: 401}]",
}
PLACES = {
    "body": "def test_it(sift_call):\n    with sift_call('{number}') as call:\n        {verb}\n",
    "mark": "@pytest.mark.sift(phone_number='{number}', connect_within={within})\ndef test_it(sift_connection):\n"
    "    call = sift_connection\n    {verb}\n",
    "fixture": "@pytest.fixture\ndef call(sift_call):\n    call = sift_call('{number}')\n    {verb}\n"
    "def test_it(call): pass\n",
}
WAYS = [
    pytest.param(text, id=place, marks=() if place == "body" else pytest.mark.slow) for place, text in PLACES.items()
]
REQUESTS = {
    "list": "list(sift.connections())",
    "one": "sift.connection('unknown')",
    "conversation": "sift.conversation('unknown')",
    "upload": "sift.upload_media(b'')",
    "anything": "sift.request('GET', '/nothing')",
    "applications": "list(sift.applications())",
}


def port_of(sift_lab: SiftLab) -> str:
    return sift_lab.url.rpartition(":")[2].partition("/")[0]


def assert_no_plugin_frame(pytester: pytest.Pytester, text: str, *options: str, bad: int = 1) -> None:
    pytester.makepyfile(test_it="import pytest\n" + text)
    quick = ("--sipfront-retry-for=0", "--sift-callback-timeout=0.3", "--tb=long")
    result = pytester.runpytest_inprocess(*quick, *options)
    outcomes = result.parseoutcomes()
    assert sum(outcomes.get(name, 0) for name in ("failed", "errors")) == bad
    assert_only_user_frames(result.stdout.str())
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("section", "verb"), TIMES.values(), ids=TIMES)
def test_an_error_in_a_call_shows_no_plugin_frame(
    sift_lab: SiftLab, pytester: pytest.Pytester, section: str, verb: str, way: str
) -> None:
    """In a test, a marked test and a fixture."""
    sift_lab.configure(section)
    within = 0.3 if "rings" in section else 20
    assert_no_plugin_frame(pytester, way.format(number=BANK, verb=verb, within=within))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("section", CREATES.values(), ids=CREATES)
def test_a_call_that_cannot_be_placed_shows_no_plugin_frame(
    sift_lab: SiftLab, pytester: pytest.Pytester, section: str, way: str
) -> None:
    """For each response of Sift."""
    sift_lab.configure(section)
    assert_no_plugin_frame(pytester, way.format(number=BANK, verb="pass", within=0.3))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIFT_AUTH_TOKEN", ""),
        ("SIFT_CALLBACK_TOKEN", "short"),
        ("SIFT_CALLBACK_URL", "http://127.0.0.1:9/"),
        ("SIFT_BASE_URL", "https://api.gridspace.invalid/v0"),
        ("SIFT_LISTEN", "127.0.0.1:{taken}"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem"),
    ],
)
def test_an_invalid_environment_shows_no_plugin_frame(
    sift_lab: SiftLab, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, name: str, value: str, way: str
) -> None:
    """The error is reported before a call is placed."""
    monkeypatch.setenv(name, value.format(taken=port_of(sift_lab)))
    assert_no_plugin_frame(pytester, way.format(number=BANK, verb="pass", within=0.3))


@pytest.mark.parametrize("question", REQUESTS.values(), ids=REQUESTS)
def test_a_failed_request_shows_no_plugin_frame(sift_lab: SiftLab, pytester: pytest.Pytester, question: str) -> None:
    """In a test and in a fixture."""
    sift_lab.configure("faults: [{on: any, status: 500}]")
    assert_no_plugin_frame(
        pytester,
        f"def test_body(sift):\n    {question}\n"
        f"@pytest.fixture\ndef answer(sift):\n    {question}\ndef test_fixture(answer): pass\n",
        bad=2,
    )


@pytest.mark.parametrize(("name", "value"), [("SIFT_AUTH_TOKEN", ""), ("SIFT_LISTEN", "127.0.0.1:{taken}")])
def test_fixtures_that_open_the_connection_show_no_plugin_frame(
    sift_lab: SiftLab, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """`sift_incoming` opens it in setup, `sift.received` when it is read."""
    monkeypatch.setenv(name, value.format(taken=port_of(sift_lab)))
    text = "def test_incoming(sift_incoming): pass\ndef test_received(sift):\n    sift.received\n"
    assert_no_plugin_frame(pytester, text, bad=2)


@by_request
def test_a_call_that_cannot_be_hung_up_shows_no_plugin_frame(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """The error is raised in teardown."""
    sift_lab.configure(bank(faults="[{on: routine, status: 500, error: oops}]"))
    assert_no_plugin_frame(pytester, f"def test_it(sift_call):\n    sift_call('{BANK}').expect_connected()\n")


def test_a_missing_incoming_call_shows_no_plugin_frame(pytester: pytest.Pytester) -> None:
    """In a test and in a fixture."""
    assert_no_plugin_frame(pytester, "def test_it(sift_incoming):\n    sift_incoming(within=0.1)\n")
