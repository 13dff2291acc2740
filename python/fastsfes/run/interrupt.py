"""Signals that stop a search at once; the round that runs is given up and run again later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..common.runfolder import CONFIG
from ..common.signals import STOPPING, Stopped, handled

__all__ = ["SearchInterrupted", "Signals", "signals"]


class SearchInterrupted(Stopped):
    """The search was stopped by a signal; what it had is stored, once it has a directory.

    It is a `KeyboardInterrupt`, so that ``except Exception`` in a loop over seeds does not go on with the next one.

    Attributes:
        signal: its number.
        path: the directory of the run, to be resumed.
    """

    def __init__(self, message: str, signal: int, path: Path) -> None:
        super().__init__(signal, message)
        self.path = path


class Signals:
    """The first stopping signal; a second one acts as usual."""

    def __init__(self, path: Path, command: str = "fastsfes search") -> None:
        self.path, self.command = path, command
        self.received = 0
        self._deferred = False

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Only note signals inside; who works there looks at `received` and leaves at a good moment."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        self.stop()

    def note(self, number: int) -> None:
        """Called by the handler."""
        self.received = number
        if not self._deferred:
            self.stop()

    def stop(self, done: str = "") -> None:
        """Raise SearchInterrupted when there was a signal."""
        if not self.received:
            return
        kept = "nothing was stored yet"
        if (self.path / CONFIG).is_file():
            kept = f"what was found is stored; continue with: {self.command} --resume {self.path}"
        raise SearchInterrupted(f"interrupted{done}; {kept}", self.received, self.path)


@contextmanager
def signals(path: Path, command: str = "fastsfes search") -> Iterator[Signals]:
    """Handle SIGINT, SIGTERM and SIGUSR1 while a command works in the run directory `path`."""
    state = Signals(path, command)
    with handled(STOPPING, state.note, once=True):
        yield state
