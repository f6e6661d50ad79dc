"""The difference of a failing real call from its last passing one."""

from __future__ import annotations

import pytest

from pytest_sipfront.lab import examine
from tests.end_to_end.suite import Suite

CALL = """\
phones: {{desk: {{number: "100"{rejects}}}}}
tests:
  Call:
    steps:
      - [{{action: wait}}]
      - [{{action: call, dial_destination: "100"}}, {{action: hold, seconds: 0.2}}]
"""


@pytest.mark.slow
def test_a_failing_call_is_compared_with_the_last_passing_one(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The closing section names the first SIP message that differs, and the measures."""
    if not examine().sound:
        pytest.skip("the lab can place no calls on this machine")
    suite.write("@marked(test='Call')\ndef test_call(): pass\n")
    monkeypatch.delenv("SIPFRONT_BASE_URL", raising=False)
    sections = []
    for rejects in ("", ", reject: 486"):
        (suite.pytester.path / "lab.yaml").write_text(CALL.format(rejects=rejects))
        result = suite.pytester.runpytest_subprocess("--sipfront-lab=lab.yaml", "--sipfront-history=history.jsonl")
        sections.append(result)
    sections[0].assert_outcomes(passed=1)
    sections[1].assert_outcomes(failed=1)
    sections[1].stdout.fnmatch_lines(
        [
            "since the last session: 1 newly failing",
            "FAILED test_it.py::test_call - 486 Busy Here* - newly failing - *",
            "  last passed ????-??-??; SIP message *; *sip_code: 486 (then 200); *",
        ]
    )
