"""One island of regularised evolution, and one epoch of it as a pure function.

Regularised evolution (Real et al., AAAI 2019, 10.1609/aaai.v33i01.33014780): the best of a random tournament is
mutated, the child joins the population, the oldest member leaves. Here a generation is a batch of children, drawn
from one population and fitted together. The random numbers of an epoch come from (seed, island, epoch) alone, so
that an epoch can be run again anywhere with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .evaluation import Evaluate, Fitness, FitOutcome, FitRequest, Parameters
from .family import channel_dimension, fingerprint
from .genome import Genome, Workspace
from .instructions import INSTRUCTIONS
from .mutate import Mutator
from .tidy import tidied_complexity

__all__ = ["EpochResult", "EvolutionSettings", "Individual", "IslandState", "Known", "Record", "epoch", "found"]

BETTER = 1.0 - 1e-9
"""A candidate is better only beyond the rounding errors of its fit."""


@dataclass(frozen=True)
class Individual:
    """A member of the population; losses in kcal/mol."""

    number: int
    genome: Genome
    fingerprint: str
    parameters: Parameters
    train: float
    validation: float
    fitness: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "number": self.number,
            "genome": self.genome.to_dict(),
            "fingerprint": self.fingerprint,
            "parameters": {k: dict(v) for k, v in self.parameters.items()},
            "train": self.train,
            "validation": self.validation,
            "fitness": self.fitness,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Individual:
        """The individual of `to_dict`'s form."""
        return cls(**{**data, "genome": Genome.from_dict(data["genome"])})


@dataclass(frozen=True)
class IslandState:
    """Everything an epoch starts from, besides the settings and the known fingerprints.

    Attributes:
        island: index of the island, part of the random seed.
        epoch: number of epochs done.
        candidates: number of genomes made so far.
        population: members, oldest first.
        best: the best individual so far.
        founder: the fitted base, from which a stale population starts again.
        record: best fitness since the last start.
        improved: number of candidates when `record` was reached.
        restarts: how often the population has started again.
    """

    island: int
    epoch: int
    candidates: int
    population: tuple[Individual, ...]
    best: Individual
    founder: Individual
    record: float
    improved: int
    restarts: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "island": self.island,
            "epoch": self.epoch,
            "candidates": self.candidates,
            "population": [i.to_dict() for i in self.population],
            "best": self.best.to_dict(),
            "founder": self.founder.to_dict(),
            "record": self.record,
            "improved": self.improved,
            "restarts": self.restarts,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> IslandState:
        """The state of `to_dict`'s form."""
        return cls(
            data["island"],
            data["epoch"],
            data["candidates"],
            tuple(Individual.from_dict(i) for i in data["population"]),
            Individual.from_dict(data["best"]),
            Individual.from_dict(data["founder"]),
            data["record"],
            data["improved"],
            data["restarts"],
        )


@dataclass(frozen=True)
class Known:
    """What is remembered of a family that was fitted before."""

    train: float
    validation: float


@dataclass(frozen=True)
class Record:
    """One candidate as the history keeps it; `duplicate` means that the losses are those of a known family."""

    number: int
    parent: int
    mutation: str
    fingerprint: str
    duplicate: bool
    expressions: Mapping[str, str]
    parameters: Parameters
    complexity: int
    train: float
    validation: float
    fitness: float
    evaluations: int


@dataclass(frozen=True)
class EvolutionSettings:
    """Sizes and rules of regularised evolution.

    Attributes:
        population: members of an island.
        tournament: members drawn, with replacement, per selection.
        generation: children per generation, fitted together.
        generations: generations per epoch.
        repeat: probability that a child is mutated once more (again and again).
        keep_duplicates: whether a child of a known family joins the population, with the family's losses.
        restart: start again from the base after this many candidates without a better one; 0 for never.
        max_complexity: candidates with more distinct nodes are not fitted; 0 for no limit.
        max_parameters: candidates with more parameters are not fitted; 0 for no limit.
    """

    population: int = 100
    tournament: int = 10
    generation: int = 32
    generations: int = 8
    repeat: float = 0.2
    keep_duplicates: bool = True
    restart: int = 0
    max_complexity: int = 0
    max_parameters: int = 0


@dataclass(frozen=True)
class EpochResult:
    """The state after an epoch and the candidates made in it, in order."""

    state: IslandState
    records: tuple[Record, ...]


def start_parameters(
    genome: Genome, workspaces: Mapping[str, Workspace], inherited: Parameters, defaults: Parameters
) -> dict[str, dict[str, float]]:
    """Starting values: inherited ones by name, else the run's defaults, else the instruction's, else 1."""
    start = {}
    for kind, channel in genome.channels.items():
        values = dict.fromkeys(workspaces[kind].parameters, 1.0)
        values |= {p: 1.0 for e in workspaces[kind].features.values() for p in e.parameters}
        for i in channel.instructions:
            values |= dict(zip(i.bound, INSTRUCTIONS[i.name].defaults, strict=True))
        for source in (defaults.get(kind, {}), inherited.get(kind, {})):
            values |= {name: v for name, v in source.items() if name in values}
        start[kind] = values
    return start


def found(
    base: Genome,
    island: int,
    workspaces: Mapping[str, Workspace],
    fitness: Fitness,
    evaluate: Evaluate,
    defaults: Parameters,
) -> EpochResult:
    """The first state of an island: a population of the base alone, fitted."""
    expressions = base.expressions(workspaces)
    if expressions is None:
        raise ValueError("the base of a search is defined everywhere")
    start = start_parameters(base, workspaces, {}, defaults)
    used = {k: {p: start[k][p] for p in e.parameters} for k, e in expressions.items()}
    outcome = evaluate([FitRequest(expressions, used)])[0]
    parameters = {k: {**start[k], **outcome.parameters.get(k, {})} for k in start}
    dimension = sum(channel_dimension(e) for e in expressions.values())
    complexity = sum(tidied_complexity(e.text) for e in expressions.values())
    value = fitness(outcome.train, outcome.validation, dimension, complexity)
    print_ = fingerprint(expressions)
    first = Individual(0, base, print_, parameters, outcome.train, outcome.validation, value)
    record = Record(
        0,
        -1,
        "base",
        print_,
        False,
        {k: e.text for k, e in expressions.items()},
        outcome.parameters,
        complexity,
        outcome.train,
        outcome.validation,
        value,
        outcome.evaluations,
    )
    return EpochResult(IslandState(island, 0, 1, (first,), first, first, value, 1, 0), (record,))


@dataclass
class _Child:
    parent: Individual
    genome: Genome
    mutation: str
    expressions: dict[str, Any] | None
    print: str
    start: dict[str, dict[str, float]]
    parameters: int = 0
    dimension: int = 0
    complexity: int = 0


def epoch(
    state: IslandState,
    known: Mapping[str, Known],
    seed: int,
    settings: EvolutionSettings,
    mutator: Mutator,
    fitness: Fitness,
    evaluate: Evaluate,
    defaults: Parameters,
    *,
    limit: int | None = None,
    tick: Callable[[IslandState, int], None] | None = None,
) -> EpochResult:
    """Run one epoch: a pure function of its arguments (`tick` only watches).

    Args:
        state: where the island stands.
        known: families fitted before, here or on other islands, up to the last epoch.
        seed: of the run.
        settings, mutator, fitness, evaluate, defaults: the rules of the run.
        limit: the number of candidates, the island's earlier ones included, at which the run ends.
        tick: called after every generation with the state and the number of candidates fitted in it.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(state.island, state.epoch))
    rng = np.random.Generator(np.random.PCG64(sequence))
    local: dict[str, Known] = {}
    records: list[Record] = []
    for _ in range(settings.generations):
        room = settings.generation if limit is None else min(settings.generation, limit - state.candidates)
        if room <= 0:
            break
        children = [_child(state.population, mutator, settings, defaults, rng) for _ in range(room)]
        wanted: dict[str, int] = {}
        for index, child in enumerate(children):
            new = child.print not in known and child.print not in local
            if new and child.print not in wanted and _fits(child, settings):
                wanted[child.print] = index
        requests = [
            FitRequest(e, {k: {p: children[i].start[k][p] for p in e[k].parameters} for k in e})
            for i in wanted.values()
            if (e := children[i].expressions) is not None
        ]
        outcomes = dict(zip(wanted.values(), evaluate(requests) if requests else [], strict=True))
        for index, outcome in outcomes.items():
            local[children[index].print] = Known(outcome.train, outcome.validation)
        state = _join(state, children, outcomes, known, local, settings, fitness, records)
        if tick is not None:
            tick(state, len(outcomes))
    return EpochResult(replace(state, epoch=state.epoch + 1), tuple(records))


def _fits(child: _Child, settings: EvolutionSettings) -> bool:
    if child.expressions is None:
        return False
    if settings.max_complexity and child.complexity > settings.max_complexity:
        return False
    return not (settings.max_parameters and child.parameters > settings.max_parameters)


def _child(
    population: Sequence[Individual],
    mutator: Mutator,
    settings: EvolutionSettings,
    defaults: Parameters,
    rng: np.random.Generator,
) -> _Child:
    parent = _tournament(population, settings.tournament, rng)
    mate = _tournament(population, settings.tournament, rng)
    genome, names = parent.genome, []
    while True:
        genome, name = mutator.mutate(genome, [mate.genome], rng)
        names.append(name)
        if rng.random() >= settings.repeat:
            break
    inherited: Parameters = parent.parameters
    if any(n.startswith("crossover") for n in names):
        inherited = {k: {**mate.parameters.get(k, {}), **v} for k, v in parent.parameters.items()}
    expressions = genome.expressions(mutator.workspaces)
    start = start_parameters(genome, mutator.workspaces, inherited, defaults)
    child = _Child(parent, genome, "+".join(names), expressions, "undefined", start)
    if expressions is not None:
        child.print = fingerprint(expressions)
        child.parameters = sum(len(e.parameters) for e in expressions.values())
        child.dimension = sum(channel_dimension(e) for e in expressions.values())
        child.complexity = sum(tidied_complexity(e.text) for e in expressions.values())
    return child


def _tournament(population: Sequence[Individual], size: int, rng: np.random.Generator) -> Individual:
    drawn = rng.integers(len(population), size=size).tolist()
    chosen: list[Individual] = [population[i] for i in drawn]
    return min(chosen, key=lambda i: (i.fitness, i.number))


def _join(
    state: IslandState,
    children: Sequence[_Child],
    outcomes: Mapping[int, FitOutcome],
    known: Mapping[str, Known],
    local: Mapping[str, Known],
    settings: EvolutionSettings,
    fitness: Fitness,
    records: list[Record],
) -> IslandState:
    """Losses to the children, children to the population, the oldest out."""
    population, best, number = list(state.population), state.best, state.candidates
    top, improved = state.record, state.improved
    for index, child in enumerate(children):
        outcome = outcomes.get(index)
        seen = known.get(child.print) or local.get(child.print)
        if outcome is None and (seen is None or not _fits(child, settings)):
            outcome = FitOutcome.failed({})
        source = outcome or seen
        assert source is not None  # a child that was not fitted repeats one that was
        train, validation = source.train, source.validation
        value = fitness(train, validation, child.dimension, child.complexity)
        fitted = outcome.parameters if outcome else {}
        parameters = {k: {**v, **fitted.get(k, {})} for k, v in child.start.items()}
        records.append(
            Record(
                number,
                child.parent.number,
                child.mutation,
                child.print,
                outcome is None,
                {}
                if outcome is None or child.expressions is None
                else {k: e.text for k, e in child.expressions.items()},
                fitted,
                child.complexity,
                train,
                validation,
                value,
                outcome.evaluations if outcome else 0,
            )
        )
        if np.isfinite(value) and (outcome is not None or settings.keep_duplicates):
            member = Individual(number, child.genome, child.print, parameters, train, validation, value)
            population.append(member)
            if outcome is not None and value < best.fitness * BETTER:
                best = member
            if value < top * BETTER:
                top, improved = value, number
        number += 1
    excess = max(0, len(population) - settings.population)
    state = replace(
        state, population=tuple(population[excess:]), best=best, candidates=number, record=top, improved=improved
    )
    if settings.restart and number - improved >= settings.restart:
        founder = state.founder
        state = replace(
            state, population=(founder,), record=founder.fitness, improved=number, restarts=state.restarts + 1
        )
    return state
