from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol, TypeVar

import pytest

from pytest_sipfront.clients.http import HttpClient, Timeouts
from pytest_sipfront.clients.sipfront.client import SipfrontClient
from pytest_sipfront.lab.process import LabProcess, start_lab
from tests.support import FakeTime, plain_environment, talk

T = TypeVar("T")


class UseClient(Protocol):
    """Calls a method of the client; time does not pass by itself."""

    def __call__(
        self,
        method: Callable[[SipfrontClient], Awaitable[T]],
        /,
        *,
        url: str = "",
        time: FakeTime | None = None,
        form: bool = False,
    ) -> T: ...


@pytest.fixture(scope="session")
def lab_process() -> Iterator[LabProcess]:
    with start_lab() as lab:
        yield lab


@pytest.fixture
def lab(lab_process: LabProcess, monkeypatch: pytest.MonkeyPatch) -> LabProcess:
    """The running lab with a quick test in a project."""
    plain_environment(monkeypatch)
    lab_process.configure(
        """
        tests:
          Basic call: {takes: 0, id: 101, parameters: {step.1.0.dial_destination: "100"}}
          Never ran: {takes: 0, id: 102, project: Elsewhere}
          Slow: {takes: 60}
        """
    )
    return lab_process


@pytest.fixture
def use_client(lab: LabProcess) -> UseClient:
    def use(
        method: Callable[[SipfrontClient], Awaitable[T]],
        /,
        *,
        url: str = "",
        time: FakeTime | None = None,
        form: bool = False,
    ) -> T:
        async def main(http: HttpClient) -> T:
            return await method(SipfrontClient(http, form=form))

        return talk(url or lab.url, main, time=time, limits=Timeouts(retry=5), trust_env=False)

    return use
