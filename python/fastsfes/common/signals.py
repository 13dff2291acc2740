"""Signals that stop work: Ctrl-C, and those of batch systems, which end a command as Ctrl-C does."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = [
    "BATCH",
    "STOPPING",
    "Stopped",
    "answering_signals",
    "exit_status",
    "handled",
    "hold",
    "ignore",
    "release",
    "stopping_signals",
]

BATCH = (signal.SIGTERM, signal.SIGUSR1)
"""Signals by which batch systems end a job; Python gives them no meaning of its own."""

STOPPING = (signal.SIGINT, *BATCH)
"""All signals that stop work."""

REQUEUE = 75
"""Exit status after SIGUSR1 (EX_TEMPFAIL of sysexits.h): nothing is wrong, the job should be queued again."""

_LATER = 0.01
"""Seconds until a signal comes again whose exception was dropped."""

_COMMANDS = ("fastsfes", "fastsfes-bench")


class Stopped(KeyboardInterrupt):
    """One of `STOPPING` came."""

    def __init__(self, number: int, message: str = "") -> None:
        super().__init__(message)
        self.signal = number


def exit_status(number: int) -> int:
    """Exit status of a command that a signal ended."""
    return REQUEUE if number == signal.SIGUSR1 else 128 + number


@contextmanager
def handled(
    numbers: Sequence[signal.Signals], handler: Callable[[int], None], *, once: bool = False, last: bool = False
) -> Iterator[None]:
    """Call `handler` with the number when one of these signals comes; outside the main thread nothing is changed.

    With `once`, a second signal of the same number acts as it did before; with `last`, they mean nothing after the
    block. A `Stopped` that `handler` raises where Python drops exceptions (in a destructor, in the callback of a weak
    reference) is not lost: its signal comes again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old: dict[int, Any] = {}
    dropping = False

    def act(number: int, frame: object) -> None:
        if dropping:
            come_again(number)
            return
        if once:
            signal.signal(number, old[number])
        handler(number)

    def come_again(number: int) -> None:
        # from another thread, since what is raised before this returns is dropped too
        signal.signal(number, act)
        threading.Timer(_LATER, signal.pthread_kill, (threading.main_thread().ident, number)).start()

    def dropped(drop: sys.UnraisableHookArgs) -> None:
        nonlocal dropping
        if not isinstance(drop.exc_value, Stopped):
            dropped_before(drop)
            return
        dropping = True
        come_again(drop.exc_value.signal)
        dropping = False

    dropped_before = sys.unraisablehook
    for each in numbers:
        old[each] = signal.signal(each, act)
    sys.unraisablehook = dropped
    try:
        yield
    finally:
        sys.unraisablehook = dropped_before
        for number, before in old.items():
            signal.signal(number, signal.SIG_IGN if last else before)


def hold() -> None:
    """Keep `STOPPING` waiting while a command of ours is imported, until it can answer and calls `release`.

    The first import of all, so that threads which libraries start have them blocked too. Without it SIGTERM would end
    the process without a word, and an interrupt within an import can be lost. Programs that import the package are not
    touched.
    """
    module = sys.orig_argv[sys.orig_argv.index("-m") + 1 :][:1] if "-m" in sys.orig_argv else []
    by_name = os.path.basename(sys.argv[0]) in _COMMANDS if sys.argv else False
    if by_name or (sys.argv[:1] == ["-m"] and module in [[name] for name in ("fastsfes", "fastsfes.bench")]):
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)


def release() -> None:
    """End `hold`: what was waiting comes now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


@contextmanager
def stopping_signals(last: bool = False) -> Iterator[Callable[[], None]]:
    """Raise `Stopped` on `STOPPING`; what it gives, when called, makes further ones mean nothing.

    Args:
        last: the process ends after the block, so that signals mean nothing from there on.
    """
    ended = False

    def stop(number: int) -> None:
        if not ended:
            raise Stopped(number)

    def end() -> None:
        nonlocal ended
        ended = True

    # a shell that starts a job in the background lets it ignore Ctrl-C
    numbers = [n for n in STOPPING if signal.getsignal(n) is not signal.SIG_IGN]
    # ignored at the end, not blocked: a thread that still runs would take them, and act as if nobody had handled them
    with handled(numbers, stop, last=last):
        try:
            yield end
        finally:
            end()


def answering_signals(work: Callable[[], int], said: str, *, last: bool) -> int:
    """The exit status of a command's work, or of the signal that stopped it, which is said.

    Args:
        work: what the command does.
        said: the program's name and what remains, as in "fastsfes: {}; what is finished is kept".
        last: see `stopping_signals`.
    """
    with stopping_signals(last=last) as end:
        try:
            release()
            status = work()
        except Stopped as stop:
            end()
            what = "interrupted" if stop.signal == signal.SIGINT else f"stopped by {signal.Signals(stop.signal).name}"
            print(said.format(what), file=sys.stderr)
            status = exit_status(stop.signal)
        end()
        return status


def ignore() -> None:
    """Let signals to the whole job reach its coordinator alone, which ends its workers when it is ready."""
    for number in (*STOPPING, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
