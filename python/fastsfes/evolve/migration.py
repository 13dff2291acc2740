"""What passes between islands: migrants from other populations and from the archive.

They are drawn when a round is complete and arrive after the next one, so that no island waits for the slowest: one that
has ended its epoch goes on while others are one behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .island import Individual, IslandState

__all__ = ["Migration", "migrants", "receive"]

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


def migrants(
    states: Sequence[IslandState], archive: Sequence[Individual], rules: Migration, seed: int, round_: int
) -> tuple[tuple[Individual, ...], ...]:
    """Who sets out for every island after a round: a pure function; nobody where no migration is due."""
    if len(states) < 2 or rules.migrants == 0 or (round_ + 1) % rules.every:
        return ((),) * len(states)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(_STREAM, round_))))
    return tuple(
        tuple(_draw(index, states, archive, rules, rng) for _ in range(rules.migrants)) for index in range(len(states))
    )


def receive(state: IslandState, came: Sequence[Individual], rules: Migration) -> IslandState:
    """The island after migrants have come; one of a family that lives there already does not come twice."""
    population = list(state.population)
    here = {m.fingerprint for m in population}
    for migrant in came:
        if migrant.fingerprint not in here:
            here.add(migrant.fingerprint)
            population.append(migrant)
    return replace(state, population=tuple(population[max(0, len(population) - rules.population) :])) if came else state


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
