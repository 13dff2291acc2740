"""Signals that come at an awkward moment stop the work all the same."""

import signal
import time
import weakref
from pathlib import Path

import pytest

from fastsfes.common.signals import STOPPING, Stopped, stopping_signals
from fastsfes.run.interrupt import SearchInterrupted, signals


class Thing:
    """Something that weak references can point to."""


class Last:
    """Its destructor sends a signal."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)


def _wait() -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        time.sleep(0.001)


def _signal_in_a_callback(number: int) -> None:
    thing = Thing()
    watcher = weakref.ref(thing, lambda _: signal.raise_signal(number))
    del thing
    assert watcher() is None
    _wait()


def _signal_in_a_destructor(number: int) -> None:
    Last(number)
    _wait()


@pytest.mark.parametrize("number", STOPPING)
def test_a_stop_that_python_drops_comes_again(number: signal.Signals, tmp_path: Path) -> None:
    with pytest.raises(SearchInterrupted) as stop, signals(tmp_path):
        _signal_in_a_callback(number)
    assert stop.value.signal == number
    with pytest.raises(Stopped) as end, stopping_signals():
        _signal_in_a_destructor(number)
    assert end.value.signal == number


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_other_exceptions_that_python_drops_are_not_touched(tmp_path: Path) -> None:
    def fail(_: object) -> None:
        raise ValueError("dropped")

    with signals(tmp_path) as state:
        thing = Thing()
        watcher = weakref.ref(thing, fail)
        del thing
        time.sleep(0.05)
    assert watcher() is None
    assert not state.received
