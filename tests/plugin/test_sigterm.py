from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from pytest_sipfront.plugin.sigterm import SigtermHandler


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """SIGTERM as a plain Python process has it, and afterwards as it was."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def _handler() -> object:
    return signal.getsignal(signal.SIGTERM)


def test_sigterm_interrupts_like_ctrl_c_while_a_run_is_live() -> None:
    """pytest then tears down and writes its reports."""
    SigtermHandler().follow(live=True)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)


def test_sigterm_is_put_back_when_no_run_is_live() -> None:
    """It is nobody's business then."""
    interrupts = SigtermHandler()
    for _ in range(2):
        interrupts.follow(live=True)
        interrupts.follow(live=True)
        assert _handler() is not signal.SIG_DFL
        interrupts.follow(live=False)
        interrupts.follow(live=False)
        assert _handler() is signal.SIG_DFL


def test_nothing_is_mapped_before_a_run_is_live() -> None:
    """A session without a run is as without this plugin."""
    SigtermHandler().follow(live=False)
    assert _handler() is signal.SIG_DFL


@pytest.mark.parametrize("other", [signal.SIG_IGN, lambda *_: None], ids=["ignored", "handled"])
def test_a_handler_of_somebody_else_s_stays(other: signal.Handlers) -> None:
    """Before, meanwhile and after: who set it knows why."""
    interrupts = SigtermHandler()
    signal.signal(signal.SIGTERM, other)
    interrupts.follow(live=True)
    assert _handler() is other
    interrupts.follow(live=False)
    assert _handler() is other


def test_a_handler_that_somebody_sets_meanwhile_stays() -> None:
    """It is not ours to put back."""

    def other(*_: object) -> None: ...

    interrupts = SigtermHandler()
    interrupts.follow(live=True)
    signal.signal(signal.SIGTERM, other)
    interrupts.follow(live=False)
    assert _handler() is other
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    interrupts.follow(live=True)
    assert _handler() is not signal.SIG_DFL


def test_another_thread_than_the_main_one_maps_nothing() -> None:
    """Python allows it to the main thread alone."""
    interrupts, errors = SigtermHandler(), list[BaseException]()

    def follow() -> None:
        try:
            interrupts.follow(live=True)
            interrupts.follow(live=False)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            errors.append(error)

    thread = threading.Thread(target=follow)
    thread.start()
    thread.join(timeout=30)
    assert errors == []
    assert _handler() is signal.SIG_DFL
