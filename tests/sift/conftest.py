"""The Sift side of the lab, served over real HTTP from a thread, and clients for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from textwrap import indent
from typing import Any

import pytest

from pytest_sipfront.clients.http import Basic, HttpClient
from pytest_sipfront.clients.sift import SiftClient
from pytest_sipfront.engine.routine_responses import KEEP_UP
from pytest_sipfront.lab.backend import ScriptedBackend
from pytest_sipfront.lab.file.loading import load
from pytest_sipfront.lab.lab import Lab
from pytest_sipfront.lab.sift.service import SiftService
from pytest_sipfront.lab.web.app import build_app
from pytest_sipfront.lab.web.server import LabServer, bind, url_of
from pytest_sipfront.secret import Secret
from pytest_sipfront.sift.call import Call
from pytest_sipfront.sift.call_control import CallControl
from pytest_sipfront.sift.runtime import SiftRuntime
from pytest_sipfront.sift.wait_policy import CallTimeouts
from tests.loop_thread import LoopThread
from tests.sift_runtime import open_runtime
from tests.support import TIMEOUT

BANK = "+15550100200"
QUICK = CallTimeouts(callback=60.0, poll_interval=0.2, settle=0.15)
HASTY = CallTimeouts(callback=0.3, poll_interval=0.1, settle=0.1)
ACCOUNT = "account: {public_key: lab-public, secret_key: lab-secret}"


class SiftLab:
    """A running lab with its Sift service; `configure` replaces the `sift:` section."""

    def __init__(self) -> None:
        self.needs_routine = False
        engine = ScriptedBackend()
        self.lab = Lab(load(lab_file("page_size: 20"), engine), engine)
        listening = bind("127.0.0.1", 0)
        self.url = f"{url_of(listening)}/v0"
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._server = LabServer(build_app(self.lab, ""), ready.set, self.lab.release)
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._server.serve([listening])))
        self._thread.start()
        assert ready.wait(TIMEOUT)

    @property
    def service(self) -> SiftService:
        """The current Sift service."""
        return self.lab.sift

    def configure(self, text: str) -> None:
        """End all calls and replace the `sift:` section."""
        text += "\nneeds_routine: true" if self.needs_routine else ""
        asyncio.run_coroutine_threadsafe(self.lab.configure(lab_file(text)), self._loop).result(TIMEOUT)

    def close(self) -> None:
        """Stop the server and its thread."""
        self._server.stop()
        self._thread.join(TIMEOUT)
        self._loop.close()

    @property
    def commands(self) -> list[dict[str, Any]]:
        """The commands of all connections, in order, without those that keep a call up."""
        commands = [command for leg in self.service.calls.connections for command in leg.commands]
        return [command for command in commands if command not in KEEP_UP]

    def posted(self, kind: str) -> list[Any]:
        """The sent callbacks of a kind."""
        return [posted for posted in self.service.calls.callbacks.sent if posted.kind == kind]


def lab_file(sift: str) -> str:
    """Return a lab file with this `sift:` section."""
    return f"{ACCOUNT}\nsift:\n{indent(sift, '  ')}\n"


@pytest.fixture(scope="session")
def running_sift_lab() -> Iterator[SiftLab]:
    sift_lab = SiftLab()
    yield sift_lab
    sift_lab.close()


@pytest.fixture
def sift_lab(running_sift_lab: SiftLab) -> SiftLab:
    """The lab without callees."""
    running_sift_lab.configure("page_size: 20")
    return running_sift_lab


@pytest.fixture(params=["empty", pytest.param("routine", marks=pytest.mark.slow)])
def callback_response(request: pytest.FixtureRequest, running_sift_lab: SiftLab) -> Iterator[str]:
    """The setting `callback_response`. With "routine", the lab hangs up if a response contains none."""
    running_sift_lab.needs_routine = request.param == "routine"
    yield request.param
    running_sift_lab.needs_routine = False


@pytest.fixture
def account(callback_response: str, sift_lab: SiftLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account at the lab in the environment, without other Sift settings."""
    monkeypatch.setenv("SIFT_CALLBACK_RESPONSE", callback_response)
    for name in ("SIFT_BEARER_TOKEN", "SIFT_CALLBACK_URL", "SIFT_CALLBACK_TOKEN", "SIPFRONT_LAB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SIFT_BASE_URL", sift_lab.url)
    monkeypatch.setenv("SIFT_ACCOUNT_ID", "lab-public")
    monkeypatch.setenv("SIFT_AUTH_TOKEN", "lab-secret")


@pytest.fixture(scope="session")
def background() -> Iterator[LoopThread]:
    """An event loop in a thread."""
    loop = LoopThread()
    yield loop
    loop.close()


@pytest.fixture(scope="session")
def use_client(running_sift_lab: SiftLab, background: LoopThread) -> Iterator[Callable[..., Any]]:
    """Call the asynchronous client: `use_client(lambda client: client.connection("..."))`."""
    http = HttpClient(running_sift_lab.url, Basic(Secret("lab-public"), Secret("lab-secret")), service="Sift")
    client = SiftClient(http)
    yield lambda request: background.wait(lambda: request(client))
    background.wait(client.close)


@pytest.fixture(scope="session")
def runtimes(running_sift_lab: SiftLab) -> Iterator[Callable[[str], SiftRuntime]]:
    """Return the access to the lab's Sift for a `callback_response`, shared by all tests."""
    with ExitStack() as stack:
        yield cache(lambda form: stack.enter_context(open_runtime(running_sift_lab.url, QUICK, callback_response=form)))


@pytest.fixture
def runtime(callback_response: str, runtimes: Callable[[str], SiftRuntime]) -> SiftRuntime:
    """Access to the lab's Sift."""
    return runtimes(callback_response)


@pytest.fixture
def dial(runtime: SiftRuntime) -> Iterator[Callable[..., Call]]:
    """Place calls; calls that are still active at the end are hung up."""
    calls: list[Call] = []

    def place(phone_number: str = BANK, patience: CallTimeouts = QUICK) -> Call:
        calls.append(Call(CallControl(runtime, phone_number, patience), {"phone_number": phone_number}))
        calls[-1].dial()
        return calls[-1]

    yield place
    for call in calls:
        call.close()


by_request = pytest.mark.parametrize("callback_response", ["empty"], indirect=True)
"""For tests of the request that sets a routine: all commands are sent by it."""


def bank(*turns: str, **more: object) -> str:
    """Return a `sift:` section in which BANK follows a script. Each turn is YAML such as "says: hello"."""
    script = "".join(f"\n      - {{{turn}}}" for turn in turns)
    extra = "".join(f"\n{key}: {value}" for key, value in more.items())
    return f'callees:\n  "{BANK}":\n    script:{script or " []"}{extra}'
