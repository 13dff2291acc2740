"""One island of regularised evolution, and one epoch of it as a pure function.

Regularised evolution (Real et al., AAAI 2019, 10.1609/aaai.v33i01.33014780): the best of a random tournament is
mutated, the child joins the population, the oldest member leaves. Here a generation is a batch of children, drawn
from one population and fitted together. The random numbers of an epoch come from (seed, island, epoch) alone, so
that an epoch can be run again anywhere with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..common.clock import Clock, Usage
from ..formula.expression import Expression
from ..formula.family import channel_dimension, fingerprint
from ..formula.instructions import kind_of
from .evaluation import Evaluate, Fitness, FitOutcome, FitRequest, Known, Parameters
from .genome import ChannelGenome, Genome, Workspace
from .mutate import NEUTRAL, Mutator
from .reselect import Reselect
from .rules import Rules

__all__ = ["EpochResult", "EvolutionSettings", "Individual", "IslandState", "Record", "epoch", "pareto_front", "settle"]

_ATTEMPTS = 20
"""Children drawn until one keeps the rules."""

BETTER = 1.0 - 1e-9
"""A candidate is better only beyond the rounding errors of its fit."""


@dataclass(frozen=True)
class Individual:
    """A candidate with a finite fitness: a member of a population or of the archive.

    Attributes:
        island, number: where it was made; together they name it.
        genome: instructions.
        fingerprint: of its family.
        parameters: values by channel, of parameters that the expressions do not use too.
        train, validation: WRMSD in kcal/mol.
        terms: further terms of the fitness in kcal/mol, by name.
        complexity: see `rules`.
        error: the part of the fitness that measures errors, in kcal/mol.
        fitness: error and penalties for size, in kcal/mol.
    """

    island: int
    number: int
    genome: Genome
    fingerprint: str
    parameters: Parameters
    train: float
    validation: float
    terms: Mapping[str, float]
    complexity: float
    error: float
    fitness: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            **{f.name: getattr(self, f.name) for f in fields(self)},
            "genome": self.genome.to_dict(),
            "parameters": {k: dict(v) for k, v in self.parameters.items()},
            "terms": dict(self.terms),
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
        best: the best individual that was made here so far.
        founders: the fitted bases, from which a stale population starts again.
        record: best fitness since the last start.
        improved: number of candidates when `record` was reached.
        restarts: how often the population has started again.
    """

    island: int
    epoch: int
    candidates: int
    population: tuple[Individual, ...]
    best: Individual
    founders: tuple[Individual, ...]
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
            "founders": [i.to_dict() for i in self.founders],
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
            tuple(Individual.from_dict(i) for i in data["founders"]),
            data["record"],
            data["improved"],
            data["restarts"],
        )


@dataclass(frozen=True)
class Record:
    """One candidate as the history keeps it; `duplicate` means that the losses are those of a known family."""

    number: int
    parent_island: int
    parent: int
    mutation: str
    fingerprint: str
    duplicate: bool
    expressions: Mapping[str, str]
    parameters: Parameters
    complexity: float
    train: float
    validation: float
    terms: Mapping[str, float]
    error: float
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
        keep_parent: probability that a child is its parent, not mutated.
        keep_duplicates: whether a child of a known family joins the population, with the family's losses.
        rejoin: whether such a child joins when no member of the population is of its family.
        restart: start again from the base after this many candidates without a better one; 0 for never.
        max_complexity: candidates with more distinct nodes are not fitted; 0 for no limit.
        max_parameters: candidates with more independent parameters are not fitted; 0 for no limit.
        rules: what factors may contain; children that break a rule are drawn again.
    """

    population: int = 100
    tournament: int = 10
    generation: int = 32
    generations: int = 8
    repeat: float = 0.2
    keep_parent: float = 0.0
    keep_duplicates: bool = True
    rejoin: bool = False
    restart: int = 0
    max_complexity: int = 0
    max_parameters: int = 0
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True)
class EpochResult:
    """The state after an epoch, the candidates made in it, in order, and the best of them for the archive.

    `usage` says what making it took; it is no part of the result.
    """

    state: IslandState
    records: tuple[Record, ...]
    front: tuple[Individual, ...]
    usage: Usage | None = field(default=None, compare=False)


def pareto_front(members: Iterable[Individual]) -> tuple[Individual, ...]:
    """Members that none at most as complex beats in error: complexity rises, error falls."""
    front: list[Individual] = []
    for member in sorted(members, key=lambda m: (m.complexity, m.error, m.island, m.number)):
        if np.isfinite(member.error) and (not front or member.error < front[-1].error * BETTER):
            front.append(member)
    return tuple(front)


def start_parameters(
    genome: Genome, workspaces: Mapping[str, Workspace], inherited: Parameters, defaults: Parameters
) -> dict[str, dict[str, float]]:
    """Starting values: inherited ones by name, else the run's defaults, else the instruction's, else 1."""
    start = {}
    for kind, channel in genome.channels.items():
        values = dict(workspaces[kind].values)
        for i in channel.instructions:
            if i.bound:
                values.update(zip(i.bound, kind_of(i.name).defaults, strict=True))
        first, second = inherited.get(kind, {}), defaults.get(kind, {})
        start[kind] = {name: first.get(name, second.get(name, v)) for name, v in values.items()}
    return start


def settle(
    bases: Sequence[tuple[Genome, Parameters]],
    island: int,
    workspaces: Mapping[str, Workspace],
    rules: Rules,
    fitness: Fitness,
    evaluate: Evaluate,
) -> EpochResult:
    """The first state of an island: a population of the fitted bases (genomes and where their parameters start)."""
    children = []
    for genome, defaults in bases:
        expressions = genome.expressions(workspaces)
        if expressions is None:
            raise ValueError("the base of a search is defined everywhere")
        start = start_parameters(genome, workspaces, {}, defaults)
        children.append(_Child(None, genome, "base", expressions, start, rules))
    outcomes = evaluate([c.request() for c in children])
    made = [
        _candidate(c, island, number, outcome, None, fitness)
        for number, (c, outcome) in enumerate(zip(children, outcomes, strict=True))
    ]
    members = tuple(member for _, member in made)
    best = min(members, key=lambda m: (m.fitness, m.number))
    state = IslandState(island, 0, len(members), members, best, members, best.fitness, len(members), 0)
    return EpochResult(state, tuple(record for record, _ in made), pareto_front(members))


class _Child:
    """A genome with what can be said of it before it is fitted."""

    def __init__(
        self,
        parent: Individual | None,
        genome: Genome,
        mutation: str,
        expressions: dict[str, Expression] | None,
        start: dict[str, dict[str, float]],
        rules: Rules,
    ) -> None:
        self.parent = parent
        self.genome = genome
        self.mutation = mutation
        self.expressions = expressions
        self.start = start
        self.fingerprint = "undefined"
        self.dimension = 0
        self.complexity = 0.0
        if expressions is not None:
            self.fingerprint = fingerprint(expressions)
            self.dimension = sum(channel_dimension(e) for e in expressions.values())
            self.complexity = rules.complexity(expressions)

    def request(self) -> FitRequest:
        """What is to be fitted."""
        assert self.expressions is not None
        return FitRequest(
            self.expressions, {k: {p: self.start[k][p] for p in e.parameters} for k, e in self.expressions.items()}
        )


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
    reselect: Reselect | None = None,
    limit: int | None = None,
    clock: Clock | None = None,
) -> EpochResult:
    """Run one epoch: a pure function of its arguments (the clock only watches).

    Args:
        state: where the island stands.
        known: families fitted here before. Those that could not be fitted are not among them: another member may start
            where it can. Families of migrants are known while these live here.
        seed: of the run.
        settings, mutator, fitness, evaluate, defaults: the rules of the run.
        reselect: the mutation of that name; takes terms from the front of the population, where archived migrants are.
        limit: the number of candidates, the island's earlier ones included, at which the run ends.
        clock: counts the time of mutation, recognition, fit and selection.
    """
    clock = clock or Clock()
    sequence = np.random.SeedSequence(seed, spawn_key=(state.island, state.epoch))
    rng = np.random.Generator(np.random.PCG64(sequence))
    migrants = (m for m in state.population if m.island != state.island)
    local = {m.fingerprint: Known(m.train, m.validation, m.terms) for m in migrants}
    records: list[Record] = []
    front: tuple[Individual, ...] = ()
    for _ in range(settings.generations):
        room = settings.generation if limit is None else min(settings.generation, limit - state.candidates)
        if room <= 0:
            break
        with clock.phase("mutation"):
            tournament = _Tournament(state.population, settings.tournament)
            made = [_mutant(tournament, mutator, settings, defaults, rng, reselect) for _ in range(room)]
        with clock.phase("recognition"):
            children = [_Child(*mutant, settings.rules) for mutant in made]
            wanted: dict[str, int] = {}
            for index, child in enumerate(children):
                new = child.fingerprint not in known and child.fingerprint not in local
                if new and child.fingerprint not in wanted and _fits(child, settings):
                    wanted[child.fingerprint] = index
        with clock.phase("fit"):
            requests = [children[i].request() for i in wanted.values()]
            outcomes = dict(zip(wanted.values(), evaluate(requests) if requests else [], strict=True))
        with clock.phase("selection"):
            for index, outcome in outcomes.items():
                if outcome.known.finite:
                    local[children[index].fingerprint] = outcome.known
            state, members = _join(state, children, outcomes, known, local, settings, fitness, records)
            front = pareto_front((*front, *members))
    return EpochResult(replace(state, epoch=state.epoch + 1), tuple(records), front)


def _fits(child: _Child, settings: EvolutionSettings) -> bool:
    if child.expressions is None:
        return False
    if settings.max_complexity and child.complexity > settings.max_complexity:
        return False
    return not (settings.max_parameters and child.dimension > settings.max_parameters)


_Mutant = tuple[Individual, Genome, str, dict[str, Expression] | None, dict[str, dict[str, float]]]
"""Parent, genome, mutations, expressions (None when they have no values), and where the parameters start."""


class _Tournament:
    """Draws the best of some members, with replacement."""

    def __init__(self, population: Sequence[Individual], size: int) -> None:
        order = sorted(
            range(len(population)), key=lambda k: (population[k].fitness, population[k].island, population[k].number)
        )
        self.ranked = [population[k] for k in order]
        self.rank = np.argsort(order)
        self.size = size

    @cached_property
    def front(self) -> list[tuple[Genome, Parameters]]:
        """Genomes and parameters of the members that no simpler one beats."""
        return [(m.genome, m.parameters) for m in pareto_front(self.ranked)]

    def winner(self, rng: np.random.Generator) -> Individual:
        """The best of the members drawn."""
        return self.ranked[int(self.rank[rng.integers(len(self.ranked), size=self.size)].min())]


def _mutant(
    tournament: _Tournament,
    mutator: Mutator,
    settings: EvolutionSettings,
    defaults: Parameters,
    rng: np.random.Generator,
    reselect: Reselect | None,
) -> _Mutant:
    parent, mate = tournament.winner(rng), tournament.winner(rng)

    def reselected(kind: str) -> ChannelGenome | None:
        return None if reselect is None else reselect(kind, (parent.genome, parent.parameters), tournament.front, rng)

    kept = settings.keep_parent > 0.0 and rng.random() < settings.keep_parent
    for _ in range(0 if kept else _ATTEMPTS):
        genome, names = _mutated(parent.genome, mate.genome, mutator, settings.repeat, rng, reselected)
        expressions = genome.expressions(mutator.workspaces)
        if expressions is None or settings.rules.allow(expressions):
            break
    else:  # no child of this parent keeps the rules: the parent again, which is known
        genome, names, expressions = parent.genome, ["none"], parent.genome.expressions(mutator.workspaces)
    inherited: Parameters = parent.parameters
    if any(n.startswith("crossover") for n in names):
        inherited = {k: {**mate.parameters.get(k, {}), **v} for k, v in parent.parameters.items()}
    start = start_parameters(genome, mutator.workspaces, inherited, defaults)
    return parent, genome, "+".join(names), expressions, start


def _mutated(
    genome: Genome,
    mate: Genome,
    mutator: Mutator,
    repeat: float,
    rng: np.random.Generator,
    reselect: Callable[[str], ChannelGenome | None],
) -> tuple[Genome, list[str]]:
    names: list[str] = []
    while True:
        genome, name = mutator.mutate(genome, [mate], rng, None if names else reselect)
        names.append(name)
        if name not in NEUTRAL and rng.random() >= repeat:
            return genome, names


def _candidate(
    child: _Child, island: int, number: int, outcome: FitOutcome | None, seen: Known | None, fitness: Fitness
) -> tuple[Record, Individual]:
    """A child with its losses: those of its own fit, else those of the known family."""
    source = outcome.known if outcome is not None else seen
    assert source is not None  # a child that was not fitted repeats one that was
    error = fitness.error(source)
    value = fitness(source, child.dimension, child.complexity)
    fitted = outcome.parameters if outcome is not None else {}
    parent = (child.parent.island, child.parent.number) if child.parent is not None else (-1, -1)
    texts = {} if outcome is None or child.expressions is None else {k: e.text for k, e in child.expressions.items()}
    record = Record(
        number, *parent, child.mutation, child.fingerprint, outcome is None, texts, fitted, child.complexity,
        source.train, source.validation, source.terms, error, value, outcome.evaluations if outcome else 0,
    )  # fmt: skip
    parameters = {k: {**v, **fitted.get(k, {})} for k, v in child.start.items()}
    member = Individual(
        island, number, child.genome, child.fingerprint, parameters,
        source.train, source.validation, source.terms, child.complexity, error, value,
    )  # fmt: skip
    return record, member


def _join(
    state: IslandState,
    children: Sequence[_Child],
    outcomes: Mapping[int, FitOutcome],
    known: Mapping[str, Known],
    local: Mapping[str, Known],
    settings: EvolutionSettings,
    fitness: Fitness,
    records: list[Record],
) -> tuple[IslandState, list[Individual]]:
    """Losses to the children, children to the population, the oldest out; the new state and the fitted children."""
    population, best, number = list(state.population), state.best, state.candidates
    top, improved = state.record, state.improved
    new: list[Individual] = []
    present = {m.fingerprint for m in population}
    for index, child in enumerate(children):
        outcome = outcomes.get(index)
        seen = known.get(child.fingerprint) or local.get(child.fingerprint)
        if outcome is None and (seen is None or not _fits(child, settings)):
            outcome = FitOutcome.failed({})
        record, member = _candidate(child, state.island, number, outcome, seen, fitness)
        records.append(record)
        if np.isfinite(member.fitness) and (
            outcome is not None or settings.keep_duplicates or (settings.rejoin and child.fingerprint not in present)
        ):
            population.append(member)
            present.add(child.fingerprint)
            if outcome is not None:
                new.append(member)
                if member.fitness < best.fitness * BETTER:
                    best = member
            if member.fitness < top * BETTER:
                top, improved = member.fitness, number
        number += 1
    excess = max(0, len(population) - settings.population)
    state = replace(
        state, population=tuple(population[excess:]), best=best, candidates=number, record=top, improved=improved
    )
    if settings.restart and number - improved >= settings.restart:
        record_ = min(f.fitness for f in state.founders)
        state = replace(state, population=state.founders, record=record_, improved=number, restarts=state.restarts + 1)
    return state, new
