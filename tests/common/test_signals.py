"""Signals that come at an awkward moment stop the work all the same."""

import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest

from fastsfes.common.runfolder import CONFIG
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


def test_what_remains_of_an_interrupted_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(SearchInterrupted, match="nothing was stored yet"), signals(tmp_path):
        signal.raise_signal(signal.SIGTERM)
    (tmp_path / CONFIG).touch()
    with pytest.raises(SearchInterrupted, match=f"stored; continue with: .* --resume {tmp_path}"), signals(tmp_path):
        signal.raise_signal(signal.SIGTERM)


def test_signals_mean_nothing_to_a_command_that_has_ended() -> None:
    """Also where a thread that a library started goes on, which may take them in the place of the main one."""
    done = subprocess.run([sys.executable, "-c", ENDED], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (7, "")


ENDED = """
import os, sys, threading, time
from fastsfes.common.runfolder import CONFIG
from fastsfes.common.signals import STOPPING, answering_signals
threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
answering_signals(lambda: 0, "{}", last=True)
for number in STOPPING:
    os.kill(os.getpid(), number)
time.sleep(0.1)
sys.exit(7)
"""


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
