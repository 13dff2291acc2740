"""What a process takes: wall time by phase, processor time, memory."""

from __future__ import annotations

import os
import resource
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Clock", "Usage"]

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes or KiB per unit of ru_maxrss


@dataclass(frozen=True)
class Usage:
    """What one process took for one task.

    Attributes:
        process: "host:pid".
        cpu: processor time, user and system, of all its threads, in seconds.
        memory: largest resident set size of the process so far, in bytes.
        phases: wall time per phase in seconds.
    """

    process: str
    cpu: float
    memory: int
    phases: Mapping[str, float]


class Clock:
    """Counts from when it was made."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self._cpu = _taken().cpu

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the wall time inside."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.phases[name] = self.phases.get(name, 0.0) + time.perf_counter() - started

    def usage(self) -> Usage:
        """What this process has taken since."""
        taken = _taken()
        return Usage(taken.process, taken.cpu - self._cpu, taken.memory, dict(self.phases))


def _taken() -> Usage:
    found = resource.getrusage(resource.RUSAGE_SELF)
    process = f"{socket.gethostname()}:{os.getpid()}"
    return Usage(process, found.ru_utime + found.ru_stime, found.ru_maxrss * _RSS_UNIT, {})
