"""Signals that stop work: Ctrl-C, and those of batch systems, which end a command as Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = ["BATCH", "STOPPING", "Stopped", "exit_status", "handled", "ignore", "stopping_signals"]

BATCH = (signal.SIGTERM, signal.SIGUSR1)
"""Signals by which batch systems end a job; Python gives them no meaning of its own."""

STOPPING = (signal.SIGINT, *BATCH)
"""All signals that stop work."""

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
def handled(numbers: Sequence[signal.Signals], handler: Callable[[int], None], *, once: bool = False) -> Iterator[None]:
    """Call `handler` with the number when one of these signals comes; outside the main thread nothing is changed.

    With `once`, a second signal of the same number acts as it did before.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old: dict[int, Any] = {}

    def act(number: int, frame: object) -> None:
        if once:
            signal.signal(number, old[number])
        handler(number)

    for each in numbers:
        old[each] = signal.signal(each, act)
    try:
        yield
    finally:
        for number, before in old.items():
            signal.signal(number, before)


@contextmanager
def stopping_signals() -> Iterator[None]:
    """Raise `Stopped` on SIGTERM and SIGUSR1."""

    def stop(number: int) -> None:
        raise Stopped(number)

    with handled(BATCH, stop):
        yield


def ignore() -> None:
    """Let signals to the whole job reach its coordinator alone, which ends its workers when it is ready."""
    for number in (*STOPPING, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
