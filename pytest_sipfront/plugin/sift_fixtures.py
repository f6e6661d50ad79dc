"""The fixtures for Sift."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_sipfront.errors import CallFailed, ConfigurationError, SipfrontError
from pytest_sipfront.plugin.reports.error_details import raise_in
from pytest_sipfront.plugin.sift_marker import is_marked, read_call_spec
from pytest_sipfront.plugin.sift_session import SIFT

if TYPE_CHECKING:
    from pytest_sipfront.sift.call import Call
    from pytest_sipfront.sift.calls import Calls, Incoming, Sift

FIXTURE = "sift_connection"


@pytest.fixture(scope="session")
def sift(request: pytest.FixtureRequest) -> Sift:
    """The account at Sift: `connections()`, `connection(id)`, `conversations()`, `applications()`, `request(...)`."""
    from pytest_sipfront.plugin import sift_runtest_hooks  # noqa: PLC0415 - only tests with a call need it
    from pytest_sipfront.sift.calls import Sift  # noqa: PLC0415

    sift_runtest_hooks.register(request.config)
    return Sift(request.config.stash[SIFT].runtime)


@pytest.fixture
def sift_call(request: pytest.FixtureRequest) -> Iterator[Calls]:
    """Place calls with Sift. Calls that are still active at the end of the test are hung up.

    `with sift_call("+15550100200") as call: call.expect_connected()`
    """
    from pytest_sipfront.plugin import sift_runtest_hooks  # noqa: PLC0415
    from pytest_sipfront.sift.calls import Calls  # noqa: PLC0415

    __tracebackhide__ = True
    session = request.config.stash[SIFT]
    calls = Calls(session.calling_runtime)
    sift_runtest_hooks.register(request.config)
    session.keep(request.node, calls)
    yield calls
    try:
        calls.close()
    except SipfrontError as error:
        raise_in(request.node.obj, error)


@pytest.fixture
def sift_incoming(request: pytest.FixtureRequest, sift_call: Calls) -> Incoming:
    """Wait for calls to a number of the account.

    `with sift_incoming(to="+15550100300", within=30) as call: call.say("hello")`
    """
    from pytest_sipfront.sift.calls import Incoming  # noqa: PLC0415

    __tracebackhide__ = True
    try:
        return Incoming(request.config.stash[SIFT].calling_runtime(), sift_call)
    except SipfrontError as error:
        raise_in(request.node.obj, error)


@pytest.fixture
def sift_connection(request: pytest.FixtureRequest, sift_call: Calls) -> Call:
    """The connected call of a test with `@pytest.mark.sift(phone_number=...)`. It is hung up at the end of the test."""
    __tracebackhide__ = True
    item = request.node
    try:
        if not is_marked(item):
            raise ConfigurationError(f"the fixture {FIXTURE} requires @pytest.mark.sift(phone_number=...) on the test")
        spec = read_call_spec(item)
        call = sift_call(spec.phone_number, client_name=spec.client_name)
        try:
            call.expect_connected(spec.connect_within)
        except CallFailed as failure:  # the test fails, not its setup, so it is raised when the test is called
            request.config.stash[SIFT].keep_failure(item, failure)
    except SipfrontError as error:
        raise_in(item.obj, error)
    return call
