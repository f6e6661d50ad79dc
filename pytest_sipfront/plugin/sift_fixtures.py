"""The fixtures for Sift."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_sipfront.errors import CallFailed, ConfigurationError, SipfrontError
from pytest_sipfront.plugin.reports.error_details import raise_in
from pytest_sipfront.plugin.sift_marker import is_marked, read_order
from pytest_sipfront.plugin.sift_state import SIFT

if TYPE_CHECKING:
    from pytest_sipfront.sift.call import Call
    from pytest_sipfront.sift.calls import Calls, Incoming, Sift

FIXTURE = "sift_connection"


@pytest.fixture(scope="session")
def sift(request: pytest.FixtureRequest) -> Sift:
    """The account at Sift: `connections()`, `connection(id)`, `conversations()`, `applications()`, `request(...)`."""
    from pytest_sipfront.plugin import sift_runtest_hooks  # noqa: PLC0415 - only who asks pays for it
    from pytest_sipfront.sift.calls import Sift  # noqa: PLC0415

    sift_runtest_hooks.watch(request.config)
    return Sift(request.config.stash[SIFT].session)


@pytest.fixture
def sift_call(request: pytest.FixtureRequest) -> Iterator[Calls]:
    """Place calls with Sift; what a test leaves open is hung up at its end.

    `with sift_call("+15550100200") as call: call.expect_connected()`
    """
    from pytest_sipfront.plugin import sift_runtest_hooks  # noqa: PLC0415
    from pytest_sipfront.sift.calls import Calls  # noqa: PLC0415

    __tracebackhide__ = True
    state = request.config.stash[SIFT]
    calls = Calls(state.session)
    sift_runtest_hooks.watch(request.config)
    state.keep(request.node, calls)
    yield calls
    try:
        calls.close()
    except SipfrontError as error:
        raise_in(request.node.obj, error)


@pytest.fixture
def sift_incoming(request: pytest.FixtureRequest, sift_call: Calls) -> Incoming:
    """Wait for calls to a number of ours.

    `with sift_incoming(to="+15550100300", within=30) as call: call.say("hello")`
    """
    from pytest_sipfront.sift.calls import Incoming  # noqa: PLC0415

    __tracebackhide__ = True
    try:
        return Incoming(request.config.stash[SIFT].session, sift_call)
    except SipfrontError as error:
        raise_in(request.node.obj, error)


@pytest.fixture
def sift_connection(request: pytest.FixtureRequest, sift_call: Calls) -> Call:
    """The connected call of a test marked with `@pytest.mark.sift(phone_number=...)`; it is hung up at the end."""
    __tracebackhide__ = True
    item = request.node
    try:
        if not is_marked(item):
            raise ConfigurationError(
                f"{FIXTURE} has no call to give: the test has no @pytest.mark.sift(phone_number=...)"
            )
        order = read_order(item)
        call = sift_call(order.phone_number, client_name=order.client_name)
        _connect(item, call, order.connect_within)
    except SipfrontError as error:
        raise_in(item.obj, error)
    return call


def _connect(item: pytest.Item, call: Call, within: float) -> None:
    """A call that is not picked up is the test's failure, and so is kept for when the test itself is called."""
    try:
        call.expect_connected(within)
    except CallFailed as failure:
        item.config.stash[SIFT].keep_failure(item, failure)
