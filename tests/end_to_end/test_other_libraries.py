"""Tests that patch their process, beside runs in flight: no library may reach a launch or a poll, or record one.

Libraries that are not installed are skipped; the tox environment `plugins` installs all of them.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import pytest

from tests.end_to_end.conftest import SECRET_KEY
from tests.end_to_end.suite import Suite

LAB = (
    "tests:\n  Fast: {takes: 0.05}\n  Slow: {takes: 1.2}\n"
    "  Broken: {takes: 0.6, verdict: failed, description: 503 Service Unavailable}\n"
)
BEFORE = "import threading\nhold = threading.Event().wait\n@marked(test='Fast')\ndef test_first(): pass\n"
AFTER = "@marked(test='Broken')\ndef test_trunk(): pass\n@marked(test='Slow', timeout=60)\ndef test_last(): pass\n"
VERDICT = '{"run": {"status": "passed", "has_passed": 1, "is_failed": 0, "is_finished": 1, "result_description": ""}}'


@dataclass(frozen=True)
class Beside:
    """A test beside the runs.

    Attributes:
        code: Its module code.
        needs: The module that it needs.
        options: Options of the session.
        conftest: Code of the conftest.
    """

    code: str
    needs: str = ""
    options: tuple[str, ...] = ()
    conftest: str = ""


CASES = {
    "httpx_mock, catch-all": Beside(
        "import httpx, json\ndef test_unit(httpx_mock):\n"
        f"    httpx_mock.add_response(json=json.loads('{VERDICT}'), is_reusable=True)\n"
        "    for _ in range(4):\n        httpx.get('https://unit.example/')\n        hold(0.2)\n",
        "pytest_httpx",
    ),
    "httpx_mock, exact": Beside(
        "import httpx\ndef test_unit(httpx_mock):\n    httpx_mock.add_response(url='https://unit.example/')\n"
        "    hold(0.8)\n    httpx.get('https://unit.example/')\n",
        "pytest_httpx",
    ),
    "respx": Beside(
        "import httpx, respx\n@respx.mock\ndef test_unit():\n    respx.get('https://unit.example/')\n"
        "    hold(0.8)\n    httpx.get('https://unit.example/')\n",
        "respx",
    ),
    "freezegun": Beside(
        "from freezegun import freeze_time\n@freeze_time('2020-01-01')\ndef test_unit(): hold(0.8)\n", "freezegun"
    ),
    "freezegun, real asyncio": Beside(
        "from freezegun import freeze_time\n@freeze_time('2020-01-01', real_asyncio=True)\n"
        "def test_unit(): hold(0.8)\n",
        "freezegun",
    ),
    "freezegun, ticking, around the whole session": Beside(
        "def test_unit(): hold(0.8)\n",
        "freezegun",
        conftest="import pytest\nfrom freezegun import freeze_time\n@pytest.fixture(autouse=True, scope='session')\n"
        "def frozen():\n    with freeze_time('2020-01-01', tick=True): yield\n",
    ),
    "pytest-socket": Beside("def test_unit(): hold(0.8)\n", "pytest_socket", ("--disable-socket",)),
    "pyfakefs": Beside(
        "def test_unit(fs):\n    fs.create_file('/x')\n    hold(0.8)\n"
        "@marked(test='Fast')\ndef test_with_files(fs): fs.create_file('/y')\n",
        "pyfakefs",
    ),
    "vcr": Beside(
        "import vcr\ndef test_unit():\n    with vcr.use_cassette('cassette.yaml', record_mode='all'): hold(0.8)\n"
        "@vcr.use_cassette('marked.yaml', record_mode='all')\ndef recorded(sipfront): sipfront.run(test='Fast')\n"
        "def test_recorded(sipfront): recorded(sipfront)\n",
        "vcr",
    ),
    "gevent": Beside(
        "import gevent\ndef test_unit(): gevent.sleep(0.8)\n",
        "gevent",
        conftest="from gevent import monkey\nmonkey.patch_all()\n",
    ),
    "trio": Beside("import trio\ndef test_unit(): trio.run(trio.sleep, 0.8)\n", "trio"),
    "asyncio": Beside("import asyncio\ndef test_unit(): asyncio.run(asyncio.sleep(0.8))\n"),
    "fork": Beside(
        "import os\ndef test_unit():\n    child = os.fork()\n    if child == 0: os._exit(0)\n"
        "    assert os.waitpid(child, 0)[1] == 0\n    hold(0.8)\n"
    ),
    "pytest-forked": Beside("def test_unit(): hold(0.8)\n", "pytest_forked", ("--forked",)),
    "a held interpreter": Beside("import ctypes\ndef test_unit(): ctypes.PyDLL(None).usleep(900_000)\n"),
    "patched standard library": Beside(
        "import socket, subprocess, time\nfrom unittest.mock import patch\ndef test_unit():\n"
        "    with patch('time.monotonic', return_value=0.0), patch('time.sleep'), patch('socket.socket'), \\\n"
        "            patch('subprocess.Popen'), patch('builtins.open'):\n        hold(0.8)\n"
    ),
}
MODES = {
    "alone": (),
    "concurrent": ("--sipfront-concurrency=4",),
    "workers": ("-n2", "--sipfront-concurrency=4"),
}


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CASES)
def test_a_library_beside_a_run_changes_nothing(suite: Suite, name: str, mode: str) -> None:
    """The outcomes and the number of launches are those of a suite without the library, and nothing was recorded."""
    beside = CASES[name]
    if beside.needs and importlib.util.find_spec(beside.needs) is None:
        pytest.skip(f"{beside.needs} is not installed")
    if name == "pytest-forked" and pytest.version_tuple >= (9,):
        pytest.skip("pytest-forked does not work with this version of pytest")
    if name == "pytest-forked" and mode == "workers":
        pytest.skip("pytest-forked and pytest-xdist exclude one another")
    suite.configure(LAB)
    suite.pytester.makeconftest(beside.conftest)
    suite.write(BEFORE + beside.code + AFTER)
    additional = beside.code.count("def test_") - 1
    launches = 3 + (beside.code.count("@marked") + beside.code.count("sipfront.run"))
    result = suite.run_in_subprocess(*MODES[mode], *beside.options)
    result.assert_outcomes(passed=3 + additional, failed=1)
    result.stdout.fnmatch_lines(["*RunFailed: 503 Service Unavailable*"])
    assert suite.lab.launches == launches
    assert suite.report("test_last").duration < 60
    for path in suite.pytester.path.rglob("*"):
        assert not path.is_file() or SECRET_KEY.encode() not in path.read_bytes(), path
