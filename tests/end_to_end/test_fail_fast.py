"""After errors that will not pass within a session, the remaining tests fail without a launch."""

from __future__ import annotations

from tests.end_to_end.suite import Suite

FIVE_CALLS = "@marked(test='Basic call')\n@pytest.mark.parametrize('n', range(5))\ndef test_call(n): pass\n"


def messages(suite: Suite) -> list[str]:
    """The messages of the five tests."""
    return [suite.report(f"test_call[{n}]").message for n in range(5)]


def test_nothing_is_sent_after_refused_credentials(suite: Suite) -> None:
    """After one 401 the other tests show its cause."""
    suite.configure("account: {public_key: a, secret_key: b}\ntests: {Basic call: {}}\n")
    suite.write(FIVE_CALLS)
    suite.run().assert_outcomes(errors=5)
    assert suite.lab.counts["requests"] == 1
    assert all("not launched because of an earlier error: Sipfront refused the cred" in m for m in messages(suite)[1:])


def test_launching_stops_after_three_failed_launches_in_a_row(suite: Suite) -> None:
    """The platform responds with 500 to each launch."""
    suite.configure("tests: {Basic call: {}}\nfaults: [{on: launch, status: 500}]\n")
    suite.write(FIVE_CALLS)
    suite.run().assert_outcomes(errors=5)
    assert suite.lab.counts["launch_requests"] == 3
    assert ["not launched" in message for message in messages(suite)] == [False, False, False, True, True]


def test_launching_stops_after_three_tests_without_a_connection(suite: Suite, free_port: int) -> None:
    """The other tests show the first cause."""
    suite.write(FIVE_CALLS)
    result = suite.run(f"--sipfront-base-url=http://127.0.0.1:{free_port}", "--sipfront-retry-for=0")
    result.assert_outcomes(errors=5)
    assert ["not launched" in message for message in messages(suite)] == [False, False, False, True, True]
    assert "cannot be reached" in messages(suite)[4]


def test_a_successful_launch_resets_the_count_of_failed_launches(suite: Suite) -> None:
    """Only consecutive failures stop the launches."""
    suite.configure(
        "tests: {Basic call: {takes: 0.02, faults: [{on: launch, status: 500, times: 2}]}, Other: {takes: 0.02}}\n"
    )
    suite.write(
        "NAMES = ['Basic call', 'Basic call', 'Other', 'Basic call', 'Basic call']\n"
        "@marked(test='{name}')\n"
        "@pytest.mark.parametrize('name', NAMES, ids=range(5))\ndef test_call(name): pass\n"
    )
    suite.run().assert_outcomes(errors=2, passed=3)


def test_a_refused_launch_is_not_a_failure_of_the_platform(suite: Suite) -> None:
    """An unknown name or override concerns one test."""
    suite.configure("tests:\n  Basic call: {takes: 0.02, strict: true, parameters: {step.1.0.dial_destination: '1'}}\n")
    suite.write(
        "PARAMS = [{'step.0.0.x': 1}] * 4 + [{}]\n"
        "@pytest.mark.parametrize('n', range(5))\n"
        "def test_call(n, sipfront):\n"
        "    sipfront.run(test='Nothing' if n == 1 else 'Basic call', params=PARAMS[n])\n"
    )
    suite.run().assert_outcomes(errors=4, passed=1)
