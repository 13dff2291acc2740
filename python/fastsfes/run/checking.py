"""Checks of the archive while a search goes on: its members on integration grids, a few species at a time.

A check belongs to a round: it begins when the round is complete and counts at the end of the next one, whoever did it
and however long it took. So a run's result does not depend on its executor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..evolve.evaluation import NODES
from ..evolve.island import Individual, IslandState

__all__ = ["AT_ONCE", "MOST", "FrontChecks", "wanted", "without"]

AT_ONCE = 2
"""Reactions of a check: the ones whose energies change most from few to dense nodes and have not been looked at."""

MOST = 6
"""Reactions that a doubtful member is checked on."""

_DOUBTFUL = 0.1
"""Members whose estimated error is below this part of the tolerance are checked once."""


def wanted(estimate: float, tolerance: float) -> int:
    """Reactions that a member is checked on, by the estimated error of its nodes; both in kcal/mol."""
    return MOST if estimate > _DOUBTFUL * tolerance else AT_ONCE


@dataclass
class FrontChecks:
    """What has been checked.

    Attributes:
        tolerance: largest error of a reaction energy that is accepted, kcal/mol; 0 for no checks.
        done: "island:number" of members of the archive -> reactions checked.
        banned: fingerprints of families that were found out.
    """

    tolerance: float
    done: dict[str, int] = field(default_factory=dict)
    banned: frozenset[str] = frozenset()

    @classmethod
    def of(cls, tolerance: float, kept: Mapping[str, Any]) -> FrontChecks:
        """From `to_dict`'s form."""
        return cls(tolerance, dict(kept.get("done", {})), frozenset(kept.get("banned", ())))

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"done": self.done, "banned": sorted(self.banned)}

    def next(self, archive: Sequence[Individual]) -> tuple[Individual, int] | None:
        """Who is to be checked next, and how many of its reactions have been: the most doubtful first."""
        if not self.tolerance:
            return None
        waiting = [m for m in archive if self.done.get(_name(m), 0) < wanted(_estimate(m), self.tolerance)]
        if not waiting:
            return None
        member = min(waiting, key=lambda m: (-_estimate(m), m.fitness, m.island, m.number))
        return member, self.done.get(_name(member), 0)

    def take(self, member: Individual, error: float) -> bool:
        """Note a check's largest error in kcal/mol; whether the member may stay."""
        self.done[_name(member)] = self.done.get(_name(member), 0) + AT_ONCE
        if error <= self.tolerance:
            return True
        self.banned |= {member.fingerprint}
        return False

    def forget(self, archive: Iterable[Individual]) -> None:
        """Keep what was done for members of the archive only."""
        names = {_name(m) for m in archive}
        self.done = {name: count for name, count in self.done.items() if name in names}


def without(state: IslandState, banned: frozenset[str]) -> IslandState:
    """The island without members of some families; its founders stay."""
    if not any(m.fingerprint in banned for m in (*state.population, state.best)):
        return state
    kept = tuple(m for m in state.population if m.fingerprint not in banned)
    best = state.best
    if best.fingerprint in banned:
        best = min((*kept, *state.founders), key=lambda m: (m.fitness, m.island, m.number))
    return replace(state, population=kept or state.founders, best=best, record=max(state.record, best.fitness))


def _name(member: Individual) -> str:
    return f"{member.island}:{member.number}"


def _estimate(member: Individual) -> float:
    return member.terms.get(NODES, 0.0)
