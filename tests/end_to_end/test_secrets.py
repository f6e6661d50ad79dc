"""The secret key shows nowhere, whatever fails and however much is asked to be shown."""

from __future__ import annotations

import base64
from pathlib import Path

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
    from pytest_sipfront.options import find_keys
    keys = find_keys()
    assert keys.secret_key == 'other', keys
"""


def written(root: Path) -> str:
    return "\n".join(path.read_text(errors="replace") for path in root.rglob("*") if path.suffix in {".xml", ".log"})


@pytest.mark.parametrize(
    "style", [("--tb=long",), ("--tb=native",), ("--tb=short", "-n1"), ("--tb=long", "--full-trace")], ids=" ".join
)
def test_no_output_of_failing_runs_holds_the_secret(suite: Suite, style: tuple[str, ...]) -> None:
    """Terminal with locals, every traceback style, JUnit with logs, log file at DEBUG: no secret, in no form."""
    pair = base64.b64encode(f"{PUBLIC_KEY}:{SECRET_KEY}".encode()).decode()
    suite.platform(
        "tests:\n"
        "  Bad: {takes: 0.02, verdict: failed, description: 486 Busy Here}\n"
        "  Odd: {takes: 0.02, verdict: stopped}\n"
        "  Slow: {takes: 30}\n"
        f"  Echo: {{faults: [{{on: launch, status: 400, error: 'bad key {SECRET_KEY}'}}]}}\n"
        f"  Echo pair: {{faults: [{{on: launch, status: 400, error: 'bad header Basic {pair}', error_key: plain}}]}}\n"
        "  Dropped: {faults: [{on: launch, drop: after}]}\n"
        "  Away: {faults: [{on: launch, set: {status_url: 'http://127.0.0.1:1/x'}}]}\n"
    )
    suite.write(FAILING)
    log = suite.pytester.path / "session.log"
    result = suite.run_in_subprocess(
        "-l", "-vv", "-rA", "-o", "junit_logging=all", f"--log-file={log}",
        "--log-file-level=DEBUG", "--log-level=DEBUG", *style,
    )  # fmt: skip
    result.assert_outcomes(failed=5, errors=8)
    everything = result.stdout.str() + result.stderr.str() + written(suite.pytester.path)
    assert "test_echo" in everything
    assert log.stat().st_size
    assert suite.junit.stat().st_size
    assert SECRET_KEY not in everything
    assert pair not in everything
