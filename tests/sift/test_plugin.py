"""Sift in a pytest session: fixtures, marker, outcomes, reports, settings."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tests.sift.conftest import BANK, SiftLab, bank

pytestmark = pytest.mark.usefixtures("account")


def run(pytester: pytest.Pytester, text: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(text)
    return pytester.runpytest_inprocess(*arguments)


def call(body: str, number: str = BANK) -> str:
    return f"def test_it(sift_call):\n    with sift_call('{number}') as call:\n        {body}\n"


# ---- sift_call


def test_the_documented_example_passes(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """A test author copies it."""
    sift_lab.configure(bank("says: welcome to Acme Bank", "hears: balance", "says: checking"))
    result = run(
        pytester,
        f"""
        def test_balance(sift_call):
            with sift_call("{BANK}") as call:
                call.expect_connected(within=60)
                assert call.listen(timeout=10).says("welcome to acme bank", wer=0.2)
                call.say("balance")
                assert call.choose(["checking", "savings"]) == "checking"
                call.hang_up()
            assert call.status == "finished" and call.duration < 60
        """,
    )
    result.assert_outcomes(passed=1)


def test_wrong_words_fail_with_both_texts_and_the_timeline(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """The assertion shows both texts and the error rate."""
    sift_lab.configure(bank("says: we are closed"))
    result = run(pytester, call("assert call.listen().says('welcome to acme bank')"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*heard 'we are closed', expected 'welcome to acme bank': word error rate 1.*",
            f"*sift: <Call {re_escaped(BANK)}: finished>*",
            "*-> dial*",
        ]
    )


def re_escaped(text: str) -> str:
    return text.replace("[", "[[]")


def test_a_hang_up_is_a_failure_without_plugin_frames(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """One line, the test's frame, and the timeline."""
    sift_lab.configure(bank("hangs_up: 0.05"))
    result = run(pytester, call("call.expect_connected(); call.listen(timeout=30)"))
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "the call was finished while GetFreeResponse was in progress" in text
    assert "pytest_sipfront/sift" not in text
    assert "FAILED" in text


def test_a_rejected_routine_in_a_test_body_is_an_error(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """A failure of Sift is not a failure of the system under test."""
    sift_lab.configure(bank(faults="[{on: routine, status: 500, error: oops, times: 1}]"))
    result = run(pytester, call("call.expect_connected(); call.say('hello')"))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Sift failed: oops (500 Internal Server Error)*"])


def test_a_missing_callback_is_an_error(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """It says nothing about the system under test."""
    sift_lab.configure(bank(callbacks="[{on: done, lost: true}]"))
    result = run(pytester, call("call.say('hello')"), "--sift-callback-timeout=0.3")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Sift did not report the end of Say*"])


def test_a_call_that_a_test_leaves_open_is_hung_up(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """Also without a with block, and if the test fails."""
    sift_lab.configure(bank())
    result = run(pytester, f"def test_it(sift_call):\n    sift_call('{BANK}').expect_connected()\n    assert False\n")
    result.assert_outcomes(failed=1)
    assert [leg.status for leg in sift_lab.service.calls.connections] == ["finished"]


def test_a_call_can_be_prepared_and_dialled_later(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """`connect=False` leaves dialling to dial()."""
    sift_lab.configure(bank())
    result = run(
        pytester,
        f"""
        def test_it(sift_call):
            call = sift_call("{BANK}", connect=False)
            assert call.status == ""
            call.dial()
            call.expect_connected()
        """,
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("", "required, got neither"),
        (f"'{BANK}', client_name='x'", "required, got both"),
        ("'100'", "not a phone number in E.164"),
    ],
)
def test_an_invalid_endpoint_is_an_error_before_dialling(
    sift_lab: SiftLab, pytester: pytest.Pytester, arguments: str, why: str
) -> None:
    """The message says what is required."""
    result = run(pytester, f"def test_it(sift_call):\n    sift_call({arguments})\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{why}*"])
    assert not sift_lab.service.recorder.entries


# ---- settings


def test_missing_credentials_are_an_error_that_names_the_variables(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test is not skipped."""
    monkeypatch.delenv("SIFT_AUTH_TOKEN")
    result = run(pytester, call("pass"))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no credentials for Sift: SIFT_AUTH_TOKEN is not set*"])


def test_a_bearer_token_is_sufficient(
    sift_lab: SiftLab, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIFT_BEARER_TOKEN replaces id and token."""
    for name in ("SIFT_AUTH_TOKEN", "SIFT_ACCOUNT_ID"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("SIFT_BEARER_TOKEN", "lab-secret")
    sift_lab.configure(bank())
    run(pytester, call("call.expect_connected()")).assert_outcomes(passed=1)
    assert {entry.authorization for entry in sift_lab.service.recorder.entries} == {"bearer"}


def test_refused_credentials_are_not_shown(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not with --showlocals."""
    monkeypatch.setenv("SIFT_AUTH_TOKEN", "sesame-sesame")
    result = run(pytester, call("pass"), "-l", "--tb=long", "--junitxml=junit.xml")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Sift refused the credentials*"])
    assert "sesame-sesame" not in result.stdout.str() + result.stderr.str()
    assert "sesame-sesame" not in (pytester.path / "junit.xml").read_text(encoding="utf-8")


def test_an_unreachable_callback_url_is_an_error_before_dialling(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """It is requested once before the first call."""
    result = run(pytester, call("pass"), "--sift-callback-url=http://127.0.0.1:9/hook")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*callback URL http://127.0.0.1:9 does not lead to this session*no call was placed*"])
    result.stdout.fnmatch_lines(["*--sift-callback-url (SIFT_CALLBACK_URL, ini sift_callback_url)*"])
    assert not sift_lab.service.recorder.entries


def test_another_server_at_the_callback_url_is_an_error(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """It would receive all callbacks."""
    result = run(pytester, call("pass"), f"--sift-callback-url={sift_lab.url}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*another server answers with 401 Unauthorized*"])


def test_sift_on_the_internet_requires_a_callback_url(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No callback could arrive, so no call is placed."""
    monkeypatch.setenv("SIFT_BASE_URL", "https://api.gridspace.invalid/v0")
    result = run(pytester, call("pass"))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*cannot post callbacks to http://127.0.0.1:* on this machine*no call was placed*"])


def test_an_address_in_use_is_an_error_that_names_the_option(pytester: pytest.Pytester, sift_lab: SiftLab) -> None:
    """Two sessions cannot listen on one port."""
    port = sift_lab.url.rpartition(":")[2].partition("/")[0]
    result = run(pytester, call("pass"), f"--sift-listen=127.0.0.1:{port}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*cannot listen on 127.0.0.1:*", "*Set --sift-listen (SIFT_LISTEN, ini sift_listen)*"])


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ("--sift-base-url=http://api.gridspace.com/v0", "*must use https*"),
        ("--sift-base-url=api.gridspace.com", "*must be a URL such as*"),
        ("--sift-callback-url=https://me:pw@x.example", "*without user name, query and fragment*"),
        ("--sift-listen=8080", "*an address and a port*"),
        ("--sift-callback-timeout=soon", "*must be a number of seconds*"),
    ],
)
def test_an_invalid_setting_is_a_usage_error(pytester: pytest.Pytester, option: str, why: str) -> None:
    """It names the option and what is allowed."""
    result = run(pytester, call("pass"), option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{option.partition('=')[0]}{why}"])


@pytest.mark.parametrize("name", ["SIFT_ACCOUNT_ID", "SIFT_AUTH_TOKEN", "SIFT_BEARER_TOKEN"])
@pytest.mark.parametrize("value", ["sentinel\nline", "sentinel-ü"])
def test_an_invalid_credential_is_refused_without_its_value(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The HTTP library would print the header that it cannot send."""
    monkeypatch.setenv(name, value)
    result = run(pytester, call("pass"))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{name} must contain printable ASCII characters only (its value is not shown)*"])
    assert "sentinel" not in result.stdout.str()


def test_a_short_callback_token_is_refused(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its value is not shown."""
    monkeypatch.setenv("SIFT_CALLBACK_TOKEN", "hunter2")
    result = run(pytester, call("pass"))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*SIFT_CALLBACK_TOKEN must consist of at least 16*"])
    assert "hunter2" not in result.stdout.str()


# ---- the mark


def test_a_marked_test_gets_a_connected_call(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """The call is placed in setup and hung up in teardown. Templates are filled."""
    sift_lab.configure(bank("says: hello"))
    result = run(
        pytester,
        f"""
        import pytest

        @pytest.mark.parametrize("destination", ["{BANK}"])
        @pytest.mark.sift(phone_number="{{destination}}", connect_within=60)
        def test_it(sift_connection, destination):
            assert sift_connection.status == "connected"
            assert sift_connection.listen().says("hello")

        @pytest.mark.sift(phone_number="{BANK}")
        def test_without_naming_the_fixture():
            pass
        """,
    )
    result.assert_outcomes(passed=2)
    assert [leg.status for leg in sift_lab.service.calls.connections] == ["finished", "finished"]


@pytest.mark.parametrize(
    ("callee", "within", "reason"),
    [("answer: busy", 20, "the call failed"), ("rings: 30", 0.2, "not connected within 0.2 s")],
)
def test_a_marked_test_whose_call_is_not_connected_fails_before_its_body(
    sift_lab: SiftLab, pytester: pytest.Pytester, callee: str, within: float, reason: str
) -> None:
    """It is a failure of the called side, not an error."""
    sift_lab.configure(f'callees: {{"{BANK}": {{{callee}}}}}')
    result = run(
        pytester,
        f"""
        import pytest

        @pytest.mark.sift(phone_number="{BANK}", connect_within={within})
        def test_it(sift_connection):
            print("the body ran")
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{reason}*"])
    assert "the body ran" not in result.stdout.str()


def test_a_marked_test_that_sift_refuses_is_an_error(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """A failure of Sift says nothing about the called side."""
    sift_lab.configure("faults: [{on: create, status: 402, error: Out of credit}]")
    result = run(
        pytester, f"import pytest\n@pytest.mark.sift(phone_number='{BANK}')\ndef test_it(sift_connection): pass\n"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Sift refused: Out of credit*"])


@pytest.mark.parametrize(
    ("mark", "why"),
    [
        ("phone='1'", "unknown argument 'phone'; did you mean 'phone_number'?"),
        (f"'{BANK}'", "positional arguments are not supported"),
        ("connect_within=5", "required, got neither"),
        (f"phone_number='{BANK}', connect_within=0", "connect_within= must be a number of seconds > 0"),
        ("phone_number='{nowhere}'", "unknown parameter 'nowhere'"),
        ("phone_number='12'", "not a phone number in E.164"),
    ],
)
def test_an_invalid_marker_is_a_collection_error(
    sift_lab: SiftLab, pytester: pytest.Pytester, mark: str, why: str
) -> None:
    """No call is placed."""
    result = run(pytester, f"import pytest\n@pytest.mark.sift({mark})\ndef test_it(): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{re_escaped(why)}*"])
    assert not sift_lab.service.recorder.entries


def test_the_fixture_requires_the_marker(pytester: pytest.Pytester) -> None:
    """The error names the marker."""
    result = run(pytester, "def test_it(sift_connection): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*requires @pytest.mark.sift(phone_number=...)*"])


def test_the_closest_marker_wins_for_each_argument(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """A closer client_name replaces phone_number."""
    sift_lab.configure('callees: {"webrtc:jimmy": {}}')
    result = run(
        pytester,
        f"""
        import pytest

        @pytest.mark.sift(phone_number="{BANK}", connect_within=7)
        class TestIt:
            @pytest.mark.sift(client_name="jimmy")
            def test_it(self, sift_connection):
                assert sift_connection.connection.to == "webrtc:jimmy"
        """,
    )
    result.assert_outcomes(passed=1)


# ---- incoming calls


def test_an_incoming_call_has_the_same_methods(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """The application's callback announces it, and polling finds its end."""
    sift_lab.configure(
        """
callers:
  - from: "+15550100999"
    to: "+15550100300"
    after: 0.05
    client_data: {username: jimmy}
    script: [{says: good morning}, {hangs_up: 0.05}]
"""
    )
    result = run(
        pytester,
        """
        def test_it(sift_incoming, sift):
            sift_incoming.register("+15550100300")
            with sift_incoming(to="+15550100300", within=60) as call:
                assert call.connection.from_ == "+15550100999"
                assert call.connection.direction == "incoming"
                assert call.connection.client_data == {"username": "jimmy"}
                assert call.listen().says("good morning")
                call.wait_finished(within=60)
            assert [application.name for application in sift.applications()] == ["pytest-sipfront"]
        """,
    )
    result.assert_outcomes(passed=1)
    assert {posted.outcome for posted in sift_lab.posted("incoming")} == {200}


def test_a_missing_incoming_call_is_a_failure(pytester: pytest.Pytester) -> None:
    """The message contains the time limit."""
    result = run(pytester, "def test_it(sift_incoming):\n    sift_incoming(to='+15550100300', within=0.1)\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no incoming call to +15550100300 within 0.1 s*"])


def test_an_incoming_call_that_no_test_takes_is_hung_up_at_the_end(
    sift_lab: SiftLab, pytester: pytest.Pytester
) -> None:
    """The caller is not left waiting."""
    sift_lab.configure('callers: [{from: "+15550100999", to: "+15550100300"}]')
    result = run(
        pytester,
        """
        def test_it(sift_incoming, sift):
            sift_incoming.register("+15550100300")
            while not sift.received:
                pass
        """,
    )
    result.assert_outcomes(passed=1)
    assert [leg.status for leg in sift_lab.service.calls.connections] == ["finished"]


# ---- reports


def test_properties_and_the_timeline_reach_junit(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """sift.connection_id, sift.status and sift.duration; those of a second call are numbered."""
    sift_lab.configure(bank("says: hello"))
    result = run(
        pytester,
        f"""
        def test_it(sift_call):
            for _ in range(2):
                with sift_call("{BANK}") as call:
                    call.expect_connected()
            assert call.listen
            assert False, "on purpose"
        """,
        "--junitxml=junit.xml",
    )
    result.assert_outcomes(failed=1)
    case = ET.parse(pytester.path / "junit.xml").getroot().find(".//testcase")
    assert case is not None
    values = {entry.get("name"): entry.get("value") for entry in case.findall("properties/property")}
    ids = [leg.id for leg in sift_lab.service.calls.connections]
    assert [values["sift.connection_id"], values["sift.2.connection_id"]] == ids
    assert values["sift.status"] == "finished"
    assert float(values["sift.duration"] or "nan") >= 0
    failure = case.find("failure")
    assert failure is not None
    assert "-> HangUp" in (failure.text or "")


def test_unmatched_callbacks_are_shown_at_the_end(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """A test may be waiting for one of them."""
    sift_lab.configure(bank(callbacks="[{on: status, status: connecting, add: {account_id: theirs}}]"))
    result = run(pytester, call("call.expect_connected()"))
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*1 unmatched callback;*", "*it names another account*"])


def test_a_session_without_calls_is_unchanged(sift_lab: SiftLab, pytester: pytest.Pytester) -> None:
    """No request, no section, no credentials required."""
    result = run(pytester, "def test_it(): pass\n")
    result.assert_outcomes(passed=1)
    assert "sift" not in result.stdout.str().replace(str(pytester.path), "").replace("pytest_sipfront.sift", "")
    assert not sift_lab.service.recorder.entries
