"""What a run takes: time per phase, processor time and memory of the processes that work on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..common.clock import Clock, Usage

__all__ = ["PHASES", "Totals", "resources_line"]

PHASES = ("mutation", "recognition", "fit", "selection", "checks", "commit", "report")
"""The phases of a run: the first five in the workers, the others in the coordinator."""


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
