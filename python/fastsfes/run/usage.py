"""What a run takes: time per phase, processor time and memory of the processes that work on it."""

from __future__ import annotations

import os
import resource
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["PHASES", "Clock", "Totals", "Usage", "resources_line"]

PHASES = ("mutation", "recognition", "fit", "selection", "commit", "report")
"""The phases of a run: the first four in the workers, the others in the coordinator."""

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


class Totals:
    """What a run has taken so far, earlier sessions of a resumed run included.

    Args:
        earlier: `to_dict` of the sessions before; empty for a new run.
    """

    def __init__(self, earlier: Mapping[str, Any]) -> None:
        self.clock = Clock()
        self._own = self.clock.usage().process
        self._earlier = earlier
        self._phases: dict[str, float] = dict.fromkeys(PHASES, 0.0)
        self._count(earlier.get("phases", {}))
        self._cpu = 0.0
        self._memory: dict[str, int] = {}

    def add(self, usage: Usage) -> None:
        """Count a task of a worker. Of one that ran in this process only the phases: its processor time counts here."""
        self._count(usage.phases)
        if usage.process != self._own:
            self._cpu += usage.cpu
            self._memory[usage.process] = max(usage.memory, self._memory.get(usage.process, 0))

    def _count(self, phases: Mapping[str, float]) -> None:
        for name, seconds in phases.items():
            self._phases[name] = self._phases.get(name, 0.0) + float(seconds)

    def to_dict(self) -> dict[str, Any]:
        """Plain data.

        "phases": seconds of wall time, added up over the workers; "coordinator" and "workers": processes (the largest
        number in a session), cpu_seconds, peak_memory (bytes of the largest process).
        """
        own = self.clock.usage()
        phases = {name: s + own.phases.get(name, 0.0) for name, s in self._phases.items()}
        largest = max(self._memory.values(), default=0)
        return {
            "phases": phases,
            "coordinator": self._group("coordinator", 1, own.cpu, own.memory),
            "workers": self._group("workers", len(self._memory), self._cpu, largest),
        }

    def _group(self, name: str, processes: int, cpu: float, memory: int) -> dict[str, Any]:
        before = self._earlier.get(name, {})
        return {
            "processes": max(processes, int(before.get("processes", 0))),
            "cpu_seconds": float(before.get("cpu_seconds", 0.0)) + cpu,
            "peak_memory": max(memory, int(before.get("peak_memory", 0))),
        }


def resources_line(resources: Mapping[str, Any]) -> str:
    """Shares of the phases, processor time and memory in words; empty when nothing is known."""
    phases = {name: s for name, s in resources.get("phases", {}).items() if s > 0}
    if not phases:
        return ""
    spent = ", ".join(f"{name} {s:.1f} s" for name, s in phases.items())
    coordinator, workers = resources["coordinator"], resources["workers"]
    parts = [spent, f"coordinator {_process(coordinator)}"]
    if workers["processes"]:
        parts.append(f"{workers['processes']} workers {_process(workers)}")
    return "; ".join(parts)


def _process(group: Mapping[str, Any]) -> str:
    return f"{group['cpu_seconds']:.1f} s CPU, {group['peak_memory'] / 2**20:.0f} MiB"
