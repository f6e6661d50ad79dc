"""Sift in the lab of a session, and the lab's records of calls."""

from __future__ import annotations

import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest

from pytest_sipfront.lab.process import LabError, LabHandle, LabProcess, start_lab
from tests.support import TIMEOUT

BANK = "+15550100200"
EXAMPLE = f"""
def test_balance(sift_call):
    with sift_call("{BANK}") as call:
        call.expect_connected(within=60)
        assert call.listen(timeout=10).says("welcome to acme bank", wer=0.2)
        call.say("balance")
        assert call.choose(["checking", "savings"]) == "checking"
        call.hang_up()
    assert call.status == "finished" and call.duration < 60
"""


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SIFT_BASE_URL", "SIFT_ACCOUNT_ID", "SIFT_AUTH_TOKEN", "SIFT_BEARER_TOKEN", "SIFT_CALLBACK_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def lab() -> Iterator[LabProcess]:
    with start_lab() as running:
        yield running


def read(url: str) -> str:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=TIMEOUT) as answer:
        text: str = answer.read().decode()
        return text


def test_the_documented_example_passes_without_account_and_lab_file(pytester: pytest.Pytester) -> None:
    """A new user needs only `pytest --sipfront-lab`."""
    pytester.makepyfile(EXAMPLE)
    pytester.runpytest_inprocess("--sipfront-lab").assert_outcomes(passed=1)


def test_the_lab_takes_precedence_over_the_environment(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --sipfront-lab no real call is placed, and no credentials are needed."""
    monkeypatch.setenv("SIFT_BASE_URL", "https://api.gridspace.invalid/v0")
    monkeypatch.setenv("SIFT_ACCOUNT_ID", "a-real-one")
    monkeypatch.setenv("SIFT_AUTH_TOKEN", "a-real-token")
    pytester.makepyfile(EXAMPLE)
    pytester.runpytest_inprocess("--sipfront-lab").assert_outcomes(passed=1)


def test_a_lab_file_may_have_only_a_sift_section(pytester: pytest.Pytester) -> None:
    """`tests` is optional."""
    pytester.makefile(".yaml", lab=f'sift: {{callees: {{"{BANK}": {{answer: busy}}}}}}')
    pytester.makepyfile(EXAMPLE)
    result = pytester.runpytest_inprocess("--sipfront-lab")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the call failed while waiting for connected*"])


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ("calees: {}", "sift.calees: unknown key 'calees'; did you mean 'callees'?"),
        ("callees: {x: {script: [{says: a, presses: '1'}]}}", "a turn needs exactly one of says, presses, hears"),
        ("callees: {x: {script: [{}]}}", "a turn needs exactly one of says, presses"),
        (
            "callees: {x: {answer: maybe}}",
            "sift.callees.x.answer must be one of connects, busy, no_answer, got 'maybe'",
        ),
        ("callers: [{from: a}]", "sift.callers[0]: missing required key 'to'"),
        ("faults: [{on: dial, status: 500}]", "sift.faults[0].on must be one of create, routine, retrieve, list"),
        ("callbacks: [{on: dial}]", "sift.callbacks[0].on must be one of status, done, incoming, event, any"),
        ("page_size: 0", "sift.page_size must be an integer >= 1, got 0"),
    ],
)
def test_a_mistake_in_the_section_is_reported_with_its_line(lab: LabProcess, section: str, why: str) -> None:
    """As for every mistake in a lab file."""
    with pytest.raises(LabError) as raised:
        lab.configure(f"sift:\n  {section}")
    assert str(raised.value).startswith("lab.yaml:2: ")
    assert why in str(raised.value)


def test_a_test_can_read_the_records_of_the_lab(pytester: pytest.Pytester) -> None:
    """`sipfront_lab` has connections with their commands, and callbacks with their outcome."""
    pytester.makepyfile(
        EXAMPLE
        + """
def test_what_the_lab_saw(sipfront_lab):
    [connection] = sipfront_lab.connections
    assert connection["status"] == "finished"
    assert [c["name"] for c in connection["commands"]] == ["GetFreeResponse", "Say", "GetMultipleChoice", "HangUp"]
    kinds = [callback["kind"] for callback in sipfront_lab.callbacks]
    assert kinds.count("done") == 3 and kinds.count("status") == 3
    assert {callback["outcome"] for callback in sipfront_lab.callbacks} == {200}
    assert 0 < sipfront_lab.callbacks[0]["time"] < 600
    counts = sipfront_lab.counts
    assert (counts["calls"], counts["callbacks"], counts["callbacks_lost"]) == (1, 6, 0)
    assert counts["by_path"]["/v0/connections/:id"] == 3
"""
    )
    pytester.runpytest_inprocess("--sipfront-lab").assert_outcomes(passed=2)


def test_requests_to_sift_are_recorded_with_their_responses(lab: LabProcess) -> None:
    """Next to those to the platform, without credentials."""
    lab.configure("account: {public_key: a, secret_key: b}\nsift: {}")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        read(f"{lab.url}/v0/connections")
    [entry] = lab.requests
    assert (entry["path"], entry["status"], entry["authorization"]) == ("/v0/connections", 401, "none")


def test_the_front_page_shows_the_latest_calls(pytester: pytest.Pytester) -> None:
    """With the called number and the commands."""
    pytester.makepyfile(
        EXAMPLE
        + """
def test_page(sipfront_lab):
    import urllib.request
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(sipfront_lab.url, timeout=60) as answer:
        page = answer.read().decode()
    assert "Latest calls at Sift" in page
    assert "GetFreeResponse, Say, GetMultipleChoice, HangUp" in page
"""
    )
    pytester.runpytest_inprocess("--sipfront-lab").assert_outcomes(passed=2)


@pytest.mark.slow
def test_workers_share_the_lab_and_have_one_receiver_each(pytester: pytest.Pytester) -> None:
    """Every callback reaches the worker that placed the call."""
    pytester.makefile(
        ".yaml",
        lab=f"""
sift:
  callees:
    "{BANK}": {{script: [{{says: hello}}]}}
  callbacks: [{{on: status, status: connecting, times: 1, repeat: 1, add: {{account_id: theirs}}}}]
""",
    )
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.parametrize("n", range(6))
        @pytest.mark.sift(phone_number="{BANK}")
        def test_it(sift_connection, n):
            assert sift_connection.listen().says("hello")
            assert n != 5, "on purpose"
        """
    )
    result = pytester.runpytest_subprocess("-n", "2", "--sipfront-lab", "--junitxml=junit.xml")
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["*sift: <Call*connected>*", "*2 unmatched callbacks*", "*it names another account*"])
    cases = ET.parse(pytester.path / "junit.xml").getroot().findall(".//testcase")
    ids = {p.get("value") for case in cases for p in case.iter("property") if p.get("name") == "sift.connection_id"}
    assert len(ids) == 6


def test_a_lab_without_calls_has_no_records(lab: LabProcess) -> None:
    """Its counts mention Sift only if the lab file has a `sift` section."""
    lab.configure("tests: {}")
    handle = LabHandle(lab.url, lab.token)
    assert (handle.connections, handle.callbacks) == ([], [])
    assert "calls" not in handle.counts
