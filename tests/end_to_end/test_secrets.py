"""No output has the secret key, whatever fails and however verbose the output is."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from tests.end_to_end.conftest import PUBLIC_KEY, SECRET_KEY
from tests.end_to_end.suite import Suite

FAILING = """
@marked(test='Bad')
def test_failed(sipfront_run): pass
@marked(test='Odd')
def test_no_verdict(sipfront_run): pass
@marked(test='Nothing')
def test_unknown(sipfront_run): pass
@marked(test='Echo')
def test_echo(sipfront_run): pass
@marked(test='Echo pair')
def test_echo_pair(sipfront_run): pass
@marked(test='Echo in a good answer')
def test_echo_200(sipfront_run): pass
@marked(test='Echo in a description')
def test_echo_failed(sipfront_run): pass
@marked(test='Echo in raw fields')
def test_echo_raw(sipfront_run): pass
@pytest.mark.xfail
@marked(test='Echo')
def test_xfail(sipfront_run): pass
@pytest.fixture
def preparing(sipfront): return sipfront.run(test='Echo')
def test_fixture(preparing): pass
@marked(test='Unsure')
def test_warning(sipfront_run): pass
@marked(test='Mute')
def test_mute(sipfront_run): pass
@marked(test='Html')
def test_html(sipfront_run): pass
@marked(test='Dropped')
def test_dropped(sipfront_run): pass
@marked(test='Away')
def test_foreign(sipfront_run): pass
@marked(test='Slow', timeout=0.1)
def test_timeout(sipfront_run): pass
def test_body(sipfront): sipfront.run(test='Bad')
def test_body_error(sipfront): sipfront.run(test='Odd')
def test_own_assertion(sipfront, pytestconfig, request):
    settings = pytestconfig.stash
    assert sipfront == request == pytestconfig == sipfront._session == vars(sipfront._session)
def test_own_error(sipfront): raise RuntimeError(vars(sipfront._session), sipfront._session._line)
def test_secret_itself():
    from pytest_sipfront.plugin.credentials import find_keys
    keys = find_keys()
    assert keys.secret_key == 'other', keys
"""


# pytest-reportlog and xdist serialize every report.
CONFTEST = """
import json
def pytest_runtest_logreport(report):
    config = CONFIG[0]
    with open('reports.log', 'a') as file:
        data = config.hook.pytest_report_to_serializable(config=config, report=report)
        print(json.dumps(data, default=repr), file=file)
def pytest_warning_recorded(warning_message):
    with open('warnings.log', 'a') as file:
        print(warning_message, file=file)
CONFIG = []
def pytest_configure(config):
    CONFIG.append(config)
"""
PAIR = base64.b64encode(f"{PUBLIC_KEY}:{SECRET_KEY}".encode()).decode()
LAB = (
    "tests:\n"
    "  Bad: {takes: 0.02, verdict: failed, description: 486 Busy Here}\n"
    "  Odd: {takes: 0.02, verdict: stopped}\n"
    "  Slow: {takes: 30}\n"
    "  Unsure: {takes: 0.02, faults: [{on: status, flip: [queued]}]}\n"
    "  Mute: {takes: 0.02, faults: [{on: status, status: 500, error: 'bad key {key}'}]}\n"
    "  Html: {faults: [{on: launch, html: true}]}\n"
    "  Echo: {faults: [{on: launch, status: 400, error: 'bad key {key}'}]}\n"
    "  Echo pair: {faults: [{on: launch, status: 400, error: 'bad header Basic {pair}', error_key: plain}]}\n"
    "  Echo in a good answer: {faults: [{on: launch, body: {error: 'bad key {key}'}}]}\n"
    "  Echo in a description: {takes: 0.02, verdict: failed, description: 'bad header Basic {pair}'}\n"
    "  Echo in raw fields: {takes: 0.02, verdict: stopped, description: 'bad key {key}', tags: ['{pair}']}\n"
    "  Dropped: {faults: [{on: launch, drop: after}]}\n"
    "  Away: {faults: [{on: launch, set: {status_url: 'http://127.0.0.1:1/x?{key}'}}]}\n"
)
STYLES = [("--tb=native",), ("--tb=short", "-n1"), ("--tb=long", "--full-trace")]
MOST_VERBOSE = (
    "-l", "-vv", "-rA", "-o", "junit_logging=all", "--log-level=DEBUG", "--log-file-level=DEBUG",
    "--log-cli-level=DEBUG", "--durations=0", "--setup-show", "--sipfront-heartbeat=0.01", "--sipfront-retry-for=0.2",
)  # fmt: skip


def run_verbosely(run: Callable[..., pytest.RunResult], suite: Suite, *options: str) -> tuple[pytest.RunResult, str]:
    """Run the suite with the most verbose options and return all that it printed and wrote."""
    suite.pytester.makeconftest(CONFTEST)
    log = suite.pytester.path / "session.log"
    result = run(*MOST_VERBOSE, f"--log-file={log}", *options)
    texts = [result.stdout.str(), result.stderr.str()]
    texts += [path.read_text() for path in (suite.junit, suite.pytester.path / "reports.log", log)]
    assert all(texts[2:4])
    warned = suite.pytester.path / "warnings.log"
    texts += [warned.read_text()] if warned.exists() else []
    return result, "\n".join(texts)


def secrets_in(text: str) -> list[str]:
    """Return the parts of the key and of the authorization header that occur in a text."""
    parts = (SECRET_KEY, PAIR, SECRET_KEY[:12], SECRET_KEY[-12:], PAIR[:16], PAIR[-16:])
    return [part for part in parts if part in text]


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES, ids=" ".join)
def test_no_output_of_failing_runs_has_the_secret(suite: Suite, style: tuple[str, ...]) -> None:
    """Terminal with local variables, tracebacks, JUnit, log file at DEBUG, warnings and serialized reports."""
    suite.configure(LAB.replace("{key}", SECRET_KEY).replace("{pair}", PAIR))
    suite.write(FAILING)
    result, text = run_verbosely(suite.run_in_subprocess, suite, *style)
    result.assert_outcomes(failed=6, errors=13, passed=1, xfailed=1, warnings=2)
    assert text.count("bad key [secret]") >= 4
    assert "bad header Basic [secret]" in text
    assert "test_warning" in text
    assert not secrets_in(text)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"SIPFRONT_PUBLIC_KEY": ""},
        {"SIPFRONT_BASE_URL": "http://127.0.0.1:1"},
        {"HTTPS_PROXY": "http://127.0.0.1:1", "SIPFRONT_BASE_URL": "https://sipfront.example"},
        {"SSL_CERT_FILE": "/nowhere/ca.pem"},
    ],
    ids=["refused", "half a pair", "unreachable", "proxy", "certificate authorities"],
)
def test_no_output_of_a_session_without_a_platform_has_the_secret(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    """This includes the launches that are skipped after the first errors."""
    suite.configure(
        f"tests: {{Basic call: {{}}}}\nfaults: [{{on: launch, status: 401, error: 'bad key {SECRET_KEY}'}}]\n"
    )
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    suite.write(
        "@marked(test='Basic call')\n@pytest.mark.parametrize('n', range(4))\n"
        "def test_marked(n, sipfront_run): pass\n"
        "def test_body(sipfront): sipfront.run(test='Basic call')\n"
        "def test_lists(sipfront): sipfront.tests()\n"
    )
    base_url = environment.get("SIPFRONT_BASE_URL", suite.lab.url)
    result, text = run_verbosely(
        suite.run, suite, f"--sipfront-base-url={base_url}", "--sipfront-retry-for=0", *STYLES[-1]
    )
    assert result.parseoutcomes().get("passed", 0) <= 1
    assert result.parseoutcomes()["errors"] >= 5
    assert not secrets_in(text)
