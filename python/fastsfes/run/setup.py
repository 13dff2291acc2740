"""From a configuration to the parts of a search: workspaces, base genome, mutator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from ..common.errors import InputError
from ..evolve.evaluation import Evaluate, Fitness, Parameters
from ..evolve.genome import ChannelGenome, Genome, Workspace
from ..evolve.island import EvolutionSettings, Individual
from ..evolve.linearise import Linearised, linearise
from ..evolve.migration import Migration
from ..evolve.mutate import Limits, Mutator, empty_genome, lda_genome
from ..evolve.pools import Pool
from ..evolve.rules import Rules
from ..fitting import parse_conditions
from ..formula import features as channel_table
from ..formula.expression import Expression
from ..formula.instructions import instruction_kind
from ..functionals.frame import Hybrid
from ..functionals.functional import Functional
from ..functionals.load import load

if TYPE_CHECKING:
    from .config import SearchConfig
    from .progress import Progress

__all__ = ["Problem", "SearchParts", "parse_features", "prepare"]

# Where the fit of a feature's own parameter starts: wB97M-V's (10.1063/1.4952647), B97's for exchange.
_FEATURE_PARAMETERS = {"x": 0.004, "css": 0.2, "cos": 0.006}


@dataclass(frozen=True)
class SearchParts:
    """The rules of a search.

    Attributes:
        bases: starting points: name, genome, and where their parameters start.
        islands: number of islands.
        defaults: where parameters start that neither a base nor a parent gives.
        mutator, settings, fitness, migration: of evolution.
    """

    bases: tuple[tuple[str, Genome, Parameters], ...]
    islands: int
    defaults: Parameters
    mutator: Mutator
    settings: EvolutionSettings
    fitness: Fitness
    migration: Migration

    def bases_of(self, island: int) -> list[tuple[Genome, Parameters]]:
        """The bases that an island starts from: dealt out in turn, at least one each."""
        return [(genome, defaults) for _, genome, defaults in self._dealt(island)]

    def names_of(self, island: int) -> list[str]:
        """Their names."""
        return [name for name, _, _ in self._dealt(island)]

    def _dealt(self, island: int) -> tuple[tuple[str, Genome, Parameters], ...]:
        return self.bases[island :: self.islands] or (self.bases[island % len(self.bases)],)


class Problem(Protocol):
    """What is searched: how candidates are fitted, and how the winner is reported."""

    @property
    def evaluate(self) -> Evaluate:
        """Fits a batch of candidates."""

    def describe(self) -> str:
        """One line: data set, numbers of reactions, nodes."""

    def functional(self, name: str, best: Individual, parts: SearchParts) -> Functional:
        """The winner as a functional."""

    def report(self, winner: Functional, progress: Progress) -> dict[str, Any]:
        """Final figures, the test split and the full grid included; plain data for summary.json."""


def parse_features(kind: str, texts: Sequence[str]) -> dict[str, Expression]:
    """Feature definitions: "w" is itself, "u = u(x2, g)" has free names that are parameters."""
    known = channel_table.channel(kind).features
    found: dict[str, Expression] = {}
    for text in texts:
        name, equals, definition = (part.strip() for part in text.partition("="))
        if not equals and name == "u":
            definition = f"u(x2, {_FEATURE_PARAMETERS.get(kind, 0.004)!r})"
        elif not equals:
            definition = name
        if not name.isidentifier() or (equals and not definition):
            raise InputError(f'features_{kind}: "{text}" is not a feature; expected a name or "name = expression"')
        try:
            expression = Expression.parse(definition)
        except InputError as error:
            raise InputError(f"features_{kind}: {error}") from None
        for used in expression.features:
            if used not in known:
                raise InputError(f'features_{kind}: channel {kind} has no feature "{used}"; it has {", ".join(known)}')
        if not equals and name != "u" and expression.parameters:
            raise InputError(f'features_{kind}: "{name}" is not a feature of channel {kind}; it has {", ".join(known)}')
        if name in found:
            raise InputError(f'features_{kind}: "{name}" is given twice')
        found[name] = expression
    return found


def prepare(config: SearchConfig) -> SearchParts:
    """Workspaces, bases and mutator of a search; raises `InputError` when the options do not go together."""
    kinds = config.channels
    starts = [_starting_point(name, kinds) for name in config.base]
    workspaces: dict[str, Workspace] = {}
    defaults: dict[str, dict[str, float]] = {}
    channels: list[dict[str, ChannelGenome]] = [{} for _ in starts]
    values: list[dict[str, Mapping[str, float]]] = [{} for _ in starts]
    for kind in kinds:
        features = parse_features(kind, getattr(config, f"features_{kind}"))
        own = {p: _FEATURE_PARAMETERS[kind] for e in features.values() for p in e.parameters}
        reserved = {*own, *features}
        written = [_written(s, kind, reserved) for s in starts]
        shared = list(dict.fromkeys(name for w in written for name in w.shared))
        for name in (f for w in written for f in w.features):
            features.setdefault(name, Expression.parse(name))
            if features[name].text != name:
                raise InputError(
                    f'features_{kind}: "{name}" is redefined but the base uses the feature; choose another name'
                )
        for index, w in enumerate(written):
            # a parameter that belongs to instructions of one base and to all of another gets another name
            channels[index][kind], given = _apart(w, set(shared))
            values[index][kind] = {**own, **given}
        variables = list(dict.fromkeys(name for w in written for name in w.variables))
        taken = {*features, *own, *shared, *(name for v in values for name in v.get(kind, ()))}
        shared += _fresh("c", config.parameters - len(shared), taken)
        variables += _fresh("v", config.variables - len(variables), {*taken, *variables})
        workspaces[kind] = Workspace(features, tuple(shared), tuple(variables))
        defaults[kind] = {name: v for per in reversed(values) for name, v in per[kind].items()}
    pool = Pool({instruction_kind(n).name: w for n, w in config.instruction_pool.items()}, "instruction_pool")
    mutator = Mutator(
        workspaces,
        pool,
        Pool(config.mutation_pool, "mutation_pool"),
        Pool(config.channel_pool or dict.fromkeys(kinds, 1.0), "channel_pool"),
        Limits(config.max_instructions, config.max_bound_parameters, config.fixed_instructions, config.share_bound),
    )
    bases = tuple((n, Genome(c), v) for n, c, v in zip(config.base, channels, values, strict=True))
    for _, genome, _ in bases:
        mutator.check(genome)
    rules = Rules.make(
        config.operator_limits, config.forbid_nesting, config.max_depth, config.dimensions, config.complexity_weights
    )
    for name, genome, _ in bases:
        expressions = genome.expressions(workspaces)
        if expressions is None or not rules.allow(expressions):
            raise InputError(
                f'base "{name}" breaks operator_limits, forbid_nesting, max_depth or dimensions; loosen them or start '
                f"from another base"
            )
    settings = EvolutionSettings(
        population=config.population,
        tournament=config.tournament,
        generation=config.generation,
        generations=config.generations,
        repeat=config.repeat,
        keep_duplicates=config.keep_duplicates,
        rejoin=config.rejoin,
        restart=config.restart,
        max_complexity=config.max_complexity,
        max_parameters=config.max_parameters,
        rules=rules,
    )
    weights = {
        "conditions": 1.0 if parse_conditions(config.constraints, kinds, Hybrid()).penalties else 0.0,
        "grid": config.grid_coefficient,
        "cross_validation": config.cross_validation_coefficient,
    }
    fitness = Fitness(
        config.train_coefficient, config.validation_coefficient, config.parameter_penalty, config.complexity_penalty,
        {name: weight for name, weight in weights.items() if weight > 0},
    )  # fmt: skip
    migration = Migration(
        config.migrate_every, config.migrants, config.migrate_archive, config.tournament, config.population
    )
    return SearchParts(bases, config.islands, defaults, mutator, settings, fitness, migration)


def _starting_point(name: str, kinds: Sequence[str]) -> Genome | Functional:
    if name == "empty":
        return empty_genome(kinds)
    if name == "lda":
        return lda_genome(kinds)
    functional = load(name, where="base")
    if not set(functional.channels) & set(kinds):
        raise InputError(
            f'base: functional "{name}" has channels {", ".join(functional.channels)}, none of those searched '
            f"({', '.join(kinds)})"
        )
    return functional


def _written(start: Genome | Functional, kind: str, reserved: set[str]) -> Linearised:
    """A channel of a starting point as instructions, with parameter names beside the reserved ones."""
    if isinstance(start, Genome):
        return Linearised(start.channels[kind], (), {}, (), ())
    channel = start.channels.get(kind)
    if channel is None:
        return Linearised(ChannelGenome(), (), {}, (), ())
    expression = channel.expression
    clash = {p: f"b_{p}" for p in expression.parameters if p in reserved}
    renamed = expression.substitute({a: Expression.parse(b) for a, b in clash.items()})
    return linearise(renamed, {clash.get(p, p): v for p, v in channel.parameters.items()})


def _apart(written: Linearised, shared: set[str]) -> tuple[ChannelGenome, dict[str, float]]:
    """Genome and values, with instructions' own parameters renamed that would meet a shared one."""
    names = {p: p for p in written.parameters}
    for p in written.genome.bound:
        while names[p] in shared:
            names[p] += "_"
    lines = tuple(replace(i, bound=tuple(names[p] for p in i.bound)) for i in written.genome.instructions)
    return ChannelGenome(lines), {names[p]: v for p, v in written.parameters.items()}


def _fresh(stem: str, count: int, taken: set[str]) -> list[str]:
    names: list[str] = []
    number = 0
    while len(names) < count:
        if f"{stem}{number}" not in taken:
            names.append(f"{stem}{number}")
        number += 1
    return names
