"""Sift in a pytest session: fixtures, mark, outcomes, reports, settings."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tests.sift.conftest import BANK, Stand, bank

pytestmark = pytest.mark.usefixtures("account")


def run(pytester: pytest.Pytester, text: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(text)
    return pytester.runpytest_inprocess(*arguments)


def call(body: str, number: str = BANK) -> str:
    return f"def test_it(sift_call):\n    with sift_call('{number}') as call:\n        {body}\n"


# ---- sift_call


def test_the_documented_example_passes_as_it_stands(stand: Stand, pytester: pytest.Pytester) -> None:
    """A test author copies this."""
    stand.configure(bank("says: welcome to Acme Bank", "hears: balance", "says: checking"))
    result = run(
        pytester,
        f"""
        def test_balance(sift_call):
            with sift_call("{BANK}") as call:
                call.expect_connected(within=20)
                assert call.listen(timeout=10).says("welcome to acme bank", wer=0.2)
                call.say("balance")
                assert call.choose(["checking", "savings"]) == "checking"
                call.hang_up()
            assert call.status == "finished" and call.duration < 60
        """,
    )
    result.assert_outcomes(passed=1)


def test_wrong_words_fail_with_what_was_heard_and_the_timeline(stand: Stand, pytester: pytest.Pytester) -> None:
    """The assertion shows both texts and the error rate; the timeline stands below."""
    stand.configure(bank("says: we are closed"))
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


def test_a_hang_up_in_the_middle_is_a_failure_without_our_frames(stand: Stand, pytester: pytest.Pytester) -> None:
    """One line, the test's own frame, and the timeline."""
    stand.configure(bank("hangs_up: 0.05"))
    result = run(pytester, call("call.expect_connected(); call.listen(timeout=30)"))
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "the call was finished while GetFreeResponse was in progress" in text
    assert "pytest_sipfront/sift" not in text
    assert "FAILED" in text


def test_a_rejected_routine_in_a_tests_body_is_an_error(stand: Stand, pytester: pytest.Pytester) -> None:
    """Sift's own failure is never the product's, wherever it is raised."""
    stand.configure(bank(faults="[{on: routine, status: 500, error: oops, times: 1}]"))
    result = run(pytester, call("call.expect_connected(); call.say('hello')"))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Sift failed: oops (500 Internal Server Error)*"])


def test_a_callback_that_sift_owes_is_an_error(stand: Stand, pytester: pytest.Pytester) -> None:
    """A lost done callback says nothing of the product."""
    stand.configure(bank(callbacks="[{on: done, lost: true}]"))
    result = run(pytester, call("call.say('hello')"), "--sift-callback-timeout=0.3")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Sift did not report the end of Say*"])


def test_a_call_that_a_test_leaves_open_is_hung_up(stand: Stand, pytester: pytest.Pytester) -> None:
    """Also without a with block, and also when the test fails."""
    stand.configure(bank())
    result = run(pytester, f"def test_it(sift_call):\n    sift_call('{BANK}').expect_connected()\n    assert False\n")
    result.assert_outcomes(failed=1)
    assert [leg.status for leg in stand.now.calls.connections] == ["finished"]


def test_a_call_can_be_prepared_and_dialled_later(stand: Stand, pytester: pytest.Pytester) -> None:
    """connect=False leaves it to dial()."""
    stand.configure(bank())
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
def test_a_wrong_endpoint_is_an_error_before_anything_is_dialled(
    stand: Stand, pytester: pytest.Pytester, arguments: str, why: str
) -> None:
    """The text says what to give."""
    result = run(pytester, f"def test_it(sift_call):\n    sift_call({arguments})\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{why}*"])
    assert not stand.now.recorder.entries


# ---- settings


def test_missing_credentials_are_an_error_that_names_the_variables(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a skip."""
    monkeypatch.delenv("SIFT_AUTH_TOKEN")
    result = run(pytester, call("pass"))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no credentials for Sift: SIFT_AUTH_TOKEN is not set*"])


def test_a_bearer_token_is_enough(stand: Stand, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIFT_BEARER_TOKEN is the other way in."""
    for name in ("SIFT_AUTH_TOKEN", "SIFT_ACCOUNT_ID"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("SIFT_BEARER_TOKEN", "lab-secret")
    stand.configure(bank())
    run(pytester, call("call.expect_connected()")).assert_outcomes(passed=1)
    assert {entry.authorization for entry in stand.now.recorder.entries} == {"bearer"}


def test_refused_credentials_are_an_error_that_shows_none(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No output has the token, with locals shown as well."""
    monkeypatch.setenv("SIFT_AUTH_TOKEN", "sesame-sesame")
    result = run(pytester, call("pass"), "-l", "--tb=long", "--junitxml=junit.xml")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Sift refused the credentials*"])
    assert "sesame-sesame" not in result.stdout.str() + result.stderr.str()
    assert "sesame-sesame" not in (pytester.path / "junit.xml").read_text(encoding="utf-8")


def test_a_callback_url_that_leads_elsewhere_is_an_error_before_anything_is_dialled(
    stand: Stand, pytester: pytest.Pytester
) -> None:
    """It is called once before the first call."""
    result = run(pytester, call("pass"), "--sift-callback-url=http://127.0.0.1:9/hook")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*callback URL http://127.0.0.1:9 does not lead to this session*no call was placed*"])
    result.stdout.fnmatch_lines(["*--sift-callback-url (SIFT_CALLBACK_URL, ini sift_callback_url)*"])
    assert not stand.now.recorder.entries


def test_somebody_else_behind_the_callback_url_is_noticed(stand: Stand, pytester: pytest.Pytester) -> None:
    """A tunnel that leads to another service would swallow every callback."""
    result = run(pytester, call("pass"), f"--sift-callback-url={stand.url}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*another server answers with 401 Unauthorized*"])


def test_sift_on_the_internet_cannot_reach_this_machine_by_itself(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a public callback URL no call could ever report; nothing is sent."""
    monkeypatch.setenv("SIFT_BASE_URL", "https://api.gridspace.invalid/v0")
    result = run(pytester, call("pass"))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*cannot post callbacks to http://127.0.0.1:* on this machine*no call was placed*"])


def test_an_address_that_is_taken_is_an_error_that_names_the_option(pytester: pytest.Pytester, stand: Stand) -> None:
    """Two sessions cannot listen on one port."""
    port = stand.url.rpartition(":")[2].partition("/")[0]
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
def test_a_wrong_setting_ends_the_session_before_anything_else(
    pytester: pytest.Pytester, option: str, why: str
) -> None:
    """A usage error names the option and what is allowed."""
    result = run(pytester, call("pass"), option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{option.partition('=')[0]}{why}"])


def test_a_callback_token_that_can_be_guessed_is_refused(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is not shown."""
    monkeypatch.setenv("SIFT_CALLBACK_TOKEN", "hunter2")
    result = run(pytester, call("pass"))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*SIFT_CALLBACK_TOKEN must consist of at least 16*"])
    assert "hunter2" not in result.stdout.str()


# ---- the mark


def test_a_marked_test_gets_a_connected_call(stand: Stand, pytester: pytest.Pytester) -> None:
    """Dialled in setup, hung up in teardown, parametrized destinations included."""
    stand.configure(bank("says: hello"))
    result = run(
        pytester,
        f"""
        import pytest

        @pytest.mark.parametrize("destination", ["{BANK}"])
        @pytest.mark.sift(phone_number="{{destination}}", connect_within=20)
        def test_it(sift_connection, destination):
            assert sift_connection.status == "connected"
            assert sift_connection.listen().says("hello")

        @pytest.mark.sift(phone_number="{BANK}")
        def test_without_naming_the_fixture():
            pass
        """,
    )
    result.assert_outcomes(passed=2)
    assert [leg.status for leg in stand.now.calls.connections] == ["finished", "finished"]


@pytest.mark.parametrize(
    ("callee", "why"), [("answer: busy", "the call failed"), ("rings: 30", "not connected within 0.2 s")]
)
def test_a_marked_test_whose_call_is_not_connected_fails_before_its_body(
    stand: Stand, pytester: pytest.Pytester, callee: str, why: str
) -> None:
    """A failure, not an error: it says something of what was called."""
    stand.configure(f'callees: {{"{BANK}": {{{callee}}}}}')
    result = run(
        pytester,
        f"""
        import pytest

        @pytest.mark.sift(phone_number="{BANK}", connect_within=0.2)
        def test_it(sift_connection):
            print("the body ran")
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{why}*"])
    assert "the body ran" not in result.stdout.str()


def test_a_marked_test_that_sift_refuses_is_an_error(stand: Stand, pytester: pytest.Pytester) -> None:
    """What is Sift's own failure says nothing of what was called."""
    stand.configure("faults: [{on: create, status: 402, error: Out of credit}]")
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
def test_a_wrong_mark_is_a_collection_error(stand: Stand, pytester: pytest.Pytester, mark: str, why: str) -> None:
    """Mistakes show before anything is dialled."""
    result = run(pytester, f"import pytest\n@pytest.mark.sift({mark})\ndef test_it(): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{re_escaped(why)}*"])
    assert not stand.now.recorder.entries


def test_the_fixture_without_a_mark_says_what_is_missing(pytester: pytest.Pytester) -> None:
    """An error that names the mark."""
    result = run(pytester, "def test_it(sift_connection): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*requires @pytest.mark.sift(phone_number=...)*"])


def test_the_nearest_mark_wins_word_by_word(stand: Stand, pytester: pytest.Pytester) -> None:
    """A nearer client_name takes the place of a farther phone_number."""
    stand.configure('callees: {"webrtc:jimmy": {}}')
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


def test_a_call_to_a_number_of_ours_is_driven_with_the_same_verbs(stand: Stand, pytester: pytest.Pytester) -> None:
    """The application's callback brings it, and whoever hangs up is noticed by asking."""
    stand.configure(
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
            with sift_incoming(to="+15550100300", within=5) as call:
                assert call.connection.from_ == "+15550100999"
                assert call.connection.direction == "incoming"
                assert call.connection.client_data == {"username": "jimmy"}
                assert call.listen().says("good morning")
                call.wait_finished(within=5)
            assert [one.name for one in sift.applications()] == ["pytest-sipfront"]
        """,
    )
    result.assert_outcomes(passed=1)
    assert {posted.outcome for posted in stand.posted("incoming")} == {200}


def test_a_call_that_nobody_makes_fails(pytester: pytest.Pytester) -> None:
    """The text says for how long was waited."""
    result = run(pytester, "def test_it(sift_incoming):\n    sift_incoming(to='+15550100300', within=0.1)\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no incoming call to +15550100300 within 0.1 s*"])


def test_an_incoming_call_that_no_test_takes_is_hung_up_at_the_end(stand: Stand, pytester: pytest.Pytester) -> None:
    """Nobody is left on the line."""
    stand.configure('callers: [{from: "+15550100999", to: "+15550100300"}]')
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
    assert [leg.status for leg in stand.now.calls.connections] == ["finished"]


# ---- reports


def test_properties_and_the_timeline_reach_junit(stand: Stand, pytester: pytest.Pytester) -> None:
    """sift.connection_id, sift.status, sift.duration; those of a second call are numbered."""
    stand.configure(bank("says: hello"))
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
    found = {one.get("name"): one.get("value") for one in case.findall("properties/property")}
    ids = [leg.id for leg in stand.now.calls.connections]
    assert [found["sift.connection_id"], found["sift.2.connection_id"]] == ids
    assert found["sift.status"] == "finished"
    assert float(found["sift.duration"] or "nan") >= 0
    failure = case.find("failure")
    assert failure is not None
    assert "-> HangUp" in (failure.text or "")


def test_what_was_received_for_nobody_is_shown_at_the_end(stand: Stand, pytester: pytest.Pytester) -> None:
    """It may be the callback that a test misses."""
    stand.configure(bank(callbacks="[{on: status, status: connecting, add: {account_id: theirs}}]"))
    result = run(pytester, call("call.expect_connected()"))
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*1 unmatched callback;*", "*it names another account*"])


def test_a_session_without_calls_opens_nothing_and_shows_nothing(stand: Stand, pytester: pytest.Pytester) -> None:
    """No request, no section, no need for credentials."""
    result = run(pytester, "def test_it(): pass\n")
    result.assert_outcomes(passed=1)
    assert "sift" not in result.stdout.str().replace(str(pytester.path), "").replace("pytest_sipfront.sift", "")
    assert not stand.now.recorder.entries
