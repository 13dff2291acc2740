"""Signals of batch systems: they end a command as Ctrl-C does, with its files and workers tidied up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Stopped", "exit_status", "stopping_signals"]

REQUEUE = 75
"""Exit status after SIGUSR1 (EX_TEMPFAIL of sysexits.h): nothing is wrong, the job should be queued again."""


class Stopped(KeyboardInterrupt):
    """SIGTERM or SIGUSR1 came."""

    def __init__(self, number: int) -> None:
        self.signal = number


def exit_status(number: int) -> int:
    """Exit status of a command that a signal ended."""
    return REQUEUE if number == signal.SIGUSR1 else 128 + number


@contextmanager
def stopping_signals() -> Iterator[None]:
    """Raise `Stopped` on SIGTERM and SIGUSR1."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise Stopped(number)

    old = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
