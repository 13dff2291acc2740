"""What passes between islands after a round: migrants from other populations and from the archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .island import Individual, IslandState

__all__ = ["Migration", "migrate"]

_STREAM = 0x4D494752
"""Spawn key of the random numbers of migration, beside those of islands."""


@dataclass(frozen=True)
class Migration:
    """Rules of migration.

    Attributes:
        every: rounds between two migrations.
        migrants: members that an island receives each time; they take the place of its oldest.
        archive: part of the migrants that come from the archive; the others win a tournament on another island.
        tournament: members drawn for that.
        population: largest size of a population.
    """

    every: int
    migrants: int
    archive: float
    tournament: int
    population: int


def migrate(
    states: Sequence[IslandState], archive: Sequence[Individual], rules: Migration, seed: int, round_: int
) -> tuple[IslandState, ...]:
    """The islands after the migration that follows a round: a pure function.

    All islands give before any receives; an individual that lives on an island already does not come twice.
    """
    if len(states) < 2 or rules.migrants == 0 or (round_ + 1) % rules.every:
        return tuple(states)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(_STREAM, round_))))
    changed = []
    for index, state in enumerate(states):
        population = list(state.population)
        here = {m.fingerprint for m in population}
        for _ in range(rules.migrants):
            migrant = _draw(index, states, archive, rules, rng)
            if migrant.fingerprint not in here:
                here.add(migrant.fingerprint)
                population.append(migrant)
        changed.append(replace(state, population=tuple(population[max(0, len(population) - rules.population) :])))
    return tuple(changed)


def _draw(
    index: int,
    states: Sequence[IslandState],
    archive: Sequence[Individual],
    rules: Migration,
    rng: np.random.Generator,
) -> Individual:
    if archive and rng.random() < rules.archive:
        return archive[int(rng.integers(len(archive)))]
    other = int(rng.integers(len(states) - 1))
    population = states[other + (other >= index)].population
    drawn: list[Individual] = [population[i] for i in rng.integers(len(population), size=rules.tournament).tolist()]
    return min(drawn, key=lambda m: (m.fitness, m.island, m.number))
