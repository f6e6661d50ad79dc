"""After what cannot get better within a session, the rest fails fast with the first cause."""

from __future__ import annotations

from tests.end_to_end.suite import Suite

FIVE = "@marked(test='Basic call')\n@pytest.mark.parametrize('n', range(5))\ndef test_call(n): pass\n"


def messages(suite: Suite) -> list[str]:
    errors = [suite.case(f"test_call[{n}]").find("error") for n in range(5)]
    return ["" if error is None else error.get("message", "") for error in errors]


def test_after_refused_credentials_nobody_knocks_again(suite: Suite) -> None:
    """One 401 is enough: the others repeat its cause without a request."""
    suite.configure("account: {public_key: a, secret_key: b}\ntests: {Basic call: {}}\n")
    suite.write(FIVE)
    suite.run().assert_outcomes(errors=5)
    assert suite.lab.counts["requests"] == 1
    assert all("not launched because of an earlier error: Sipfront refused the cred" in m for m in messages(suite)[1:])


def test_a_platform_that_fails_three_times_in_a_row_is_not_asked_again(suite: Suite) -> None:
    """Three tests in a row lost to 5xx: the platform is gone, the rest need not wait for it."""
    suite.configure("tests: {Basic call: {}}\nfaults: [{on: launch, status: 500}]\n")
    suite.write(FIVE)
    suite.run().assert_outcomes(errors=5)
    assert suite.lab.counts["launch_requests"] == 3
    assert ["not launched" in message for message in messages(suite)] == [False, False, False, True, True]


def test_an_unreachable_platform_is_tried_for_three_tests(suite: Suite, free_port: int) -> None:
    """The cause of the first is what the later ones show."""
    suite.write(FIVE)
    result = suite.run(f"--sipfront-base-url=http://127.0.0.1:{free_port}", "--sipfront-retry-for=0")
    result.assert_outcomes(errors=5)
    assert ["not launched" in message for message in messages(suite)] == [False, False, False, True, True]
    assert "cannot be reached" in messages(suite)[4]


def test_failures_with_a_good_answer_between_them_do_not_add_up(suite: Suite) -> None:
    """In a row means in a row."""
    suite.configure(
        "tests: {Basic call: {takes: 0.02, faults: [{on: launch, status: 500, times: 2}]}, Other: {takes: 0.02}}\n"
    )
    suite.write(
        "NAMES = ['Basic call', 'Basic call', 'Other', 'Basic call', 'Basic call']\n"
        "@marked(test='{name}')\n"
        "@pytest.mark.parametrize('name', NAMES, ids=range(5))\ndef test_call(name): pass\n"
    )
    suite.run().assert_outcomes(errors=2, passed=3)


def test_a_tests_own_mistake_never_counts(suite: Suite) -> None:
    """Unknown names and refused overrides say nothing of the platform."""
    suite.configure("tests:\n  Basic call: {takes: 0.02, strict: true, parameters: {step.1.0.dial_destination: '1'}}\n")
    suite.write(
        "WORDS = [{'step.0.0.x': 1}] * 4 + [{}]\n"
        "@pytest.mark.parametrize('n', range(5))\n"
        "def test_call(n, sipfront):\n"
        "    sipfront.run(test='Nothing' if n == 1 else 'Basic call', params=WORDS[n])\n"
    )
    suite.run().assert_outcomes(errors=4, passed=1)
