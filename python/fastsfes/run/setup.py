"""From a configuration to the parts of a search: workspaces, base genome, mutator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..common.arguments import meant
from ..common.errors import InputError
from ..evolve.evaluation import Evaluate, Fitness, Parameters
from ..evolve.genome import HOLE, ChannelGenome, Genome, Workspace
from ..evolve.island import EvolutionSettings, Individual
from ..evolve.linearise import Linearised, linearise
from ..evolve.migration import Migration
from ..evolve.mutate import Limits, Mutator, empty_genome, lda_genome
from ..evolve.pools import Pool
from ..evolve.rules import Rules
from ..fitting import parse_conditions
from ..formula import features as channel_table
from ..formula.expression import Expression
from ..functionals.frame import Hybrid
from ..functionals.functional import Channel, Functional
from ..functionals.gammas import GAMMAS
from ..functionals.load import load

if TYPE_CHECKING:
    from ..fitting import FitProblem
    from .assess import Assessed, OnGrid
    from .config import SearchConfig
    from .progress import Progress, Reference

__all__ = ["Problem", "SearchParts", "parse_features", "prepare", "rules_of"]


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

    @property
    def counts(self) -> Mapping[str, int]:
        """How many reactions (or species) are in "train" and "validation"."""

    def rows(self) -> FitProblem:
        """The training and validation rows on the nodes of the search, as terms are chosen on them."""

    def describe(self) -> str:
        """One line: data set, numbers of reactions, nodes."""

    def references(self) -> Sequence[Reference]:
        """Known functionals to compare errors with while the search goes on."""

    def digests(self) -> Mapping[str, str]:
        """Digests of the data that the result depends on; resuming on others is refused."""

    def functional(self, name: str, best: Individual, parts: SearchParts) -> Functional:
        """The winner in normal form as a functional."""

    @property
    def on_grids(self) -> bool:
        """Whether `node_error` can be asked."""

    def node_error(self, member: Individual, parts: SearchParts, done: int, count: int) -> float:
        """The largest error of a member's reaction energies on nodes, kcal/mol: of some reactions, on their grids.

        They are the `count` ones after the first `done` in the order of their doubtfulness.
        """

    def refitted(self, winner: Functional) -> tuple[Functional, dict[str, float]]:
        """The winner with parameters that are best for its form, and the training loss "before" and "after"."""

    def without_terms(self, winner: Functional) -> tuple[Functional, list[dict[str, Any]]]:
        """The losses without each term, for the report, and the winner, or a better one that a rest led to."""

    def assess(self, members: Sequence[Functional], progress: Progress, *, on_grid: OnGrid = "sample") -> Assessed:
        """How far the figures of members on nodes can be trusted: on the integration grids of so many species, where
        there are any, beside the known functionals."""

    def report(self, winner: Functional, progress: Progress, assessed: Assessed | None = None) -> dict[str, Any]:
        """Final figures, the test split and the full grid included; plain data for summary.json.

        `assessed` is of the winner alone, with the known functionals, when it was made already.
        """


_BASE_NODES, _BASE_PARAMETERS = 1000, 200
"""Of a factor that a search starts from: bringing it to its normal form takes seconds then, far more beyond."""

_RANDOM_LENGTH, _RANDOM_TRIALS = 6, 1000
"""Instructions of a random factor, and lists that are drawn until one will do."""

_STREAM = 0x42415345
"""Apart from the random numbers of islands and migration."""


_OF_NODES = {"sigma": "x2*rho**(8/3)", "tau": "4.5577998723455971*rho**(5/3)/t"}
"""What the density of one spin has beside rho, by the features of nodes."""


def parse_features(kind: str, config: SearchConfig) -> dict[str, Expression]:
    """Feature definitions: "w" is itself, "u = u(x2, g)" has free names that are parameters."""
    texts: Sequence[str] = getattr(config, f"features_{kind}")
    known = channel_table.channel(kind).features
    found: dict[str, Expression] = {}
    for text in texts:
        name, equals, definition = (part.strip() for part in text.partition("="))
        if not equals and name == "u":
            definition = f"u(x2, {GAMMAS[kind]!r})"
        elif not equals and name in _OF_NODES and kind in ("x", "css") and not config.points:
            definition = _OF_NODES[name]
        elif not equals:
            definition = name
        if not name.isidentifier() or (equals and not definition):
            raise InputError(f'features_{kind}: "{text}" is not a feature; expected a name or "name = expression"')
        try:
            expression = Expression.parse(config.formula(definition))
        except InputError as error:
            raise InputError(f"features_{kind}: {error}") from None
        for used in expression.features:
            if used not in known:
                raise InputError(f'features_{kind}: channel {kind} has no feature "{used}"; it has {", ".join(known)}')
        if not equals and name != "u" and expression.parameters:
            raise InputError(
                f'features_{kind}: "{name}" is not a feature of channel {kind}; {meant(name, known, "it has")}'
            )
        if name in found:
            raise InputError(f'features_{kind}: "{name}" is given twice')
        found[name] = expression
    return found


def parse_templates(config: SearchConfig) -> dict[str, Expression]:
    """Forms of factors: "x = 1 + u(x2, g)*F" or "f_x = ..."."""
    kinds = config.channels
    found: dict[str, Expression] = {}
    for text in config.template:
        head, equals, formula = text.partition("=")
        kind = head.strip().removeprefix("f_")
        if not equals or kind not in kinds:
            raise InputError(
                f'template: "{text}" is not a form; expected "CHANNEL = FORMULA" with one of the channels '
                f"{', '.join(kinds)}, such as x = 1 + u(x2, g)*{HOLE}"
            )
        if kind in found:
            raise InputError(f'template: channel "{kind}" has two forms; give one')
        try:
            form = Expression.parse(config.formula(formula))
        except InputError as error:
            raise InputError(f"template: {error}") from None
        known = channel_table.channel(kind).features
        for used in form.features:
            if used not in known:
                raise InputError(f'template: channel {kind} has no feature "{used}"; it has {", ".join(known)}')
        if HOLE not in form.parameters:
            raise InputError(f'template: "{text}" has no {HOLE}, which stands for what evolves; where does it belong?')
        found[kind] = form
    return found


def _starts(form: Expression, kind: str) -> dict[str, float]:
    """Where the parameters of a form start: scales of a u at the channel's usual one, others at 1."""
    nodes = form.nodes()
    scales = {nodes[args[1]][2] for operator, args, _ in nodes if operator == "u"}
    return {p: GAMMAS[kind] if p in scales else 1.0 for p in form.parameters if p != HOLE}


def prepare(config: SearchConfig) -> SearchParts:
    """Workspaces, bases and mutator of a search; raises `InputError` when the options do not go together."""
    kinds = config.channels
    exact = bool(parse_conditions(config.constraints, kinds, Hybrid()).equalities)
    starts = [_starting_point(name, config, exact) for name in config.base]
    written = {kind: _factors(config, kind, starts) for kind in kinds}
    workspaces = {kind: factors.workspace for kind, factors in written.items()}
    bases = tuple(
        (name, Genome({k: f.channels[i] for k, f in written.items()}), {k: f.values[i] for k, f in written.items()})
        for i, name in enumerate(config.base)
    )
    defaults = {k: {n: v for values in reversed(f.values) for n, v in values.items()} for k, f in written.items()}
    mutator, rules = _mutator(config, workspaces), rules_of(config)
    bases = tuple(
        (name, genome if _random_length(name) is None else _random(config, i, mutator, rules), values)
        for i, (name, genome, values) in enumerate(bases)
    )
    for name, genome, _ in bases:
        mutator.check(genome)
        expressions = genome.expressions(workspaces)
        if expressions is None or not rules.allow(expressions):
            raise InputError(
                f'base "{name}" breaks operator_limits, forbid_nesting, max_depth, dimensions or max_sharpness; loosen '
                f"them or start from another base"
            )
    migration = Migration(
        config.migrate_every, config.migrants, config.migrate_archive, config.tournament, config.population
    )
    return SearchParts(bases, config.islands, defaults, mutator, _settings(config, rules), _fitness(config), migration)


@dataclass(frozen=True)
class _Factors:
    """A factor of every base as instructions in one workspace, and where its parameters start."""

    workspace: Workspace
    channels: tuple[ChannelGenome, ...]
    values: tuple[Mapping[str, float], ...]


def _factors(config: SearchConfig, kind: str, starts: Sequence[Genome | Functional]) -> _Factors:
    features = parse_features(kind, config)
    template = parse_templates(config).get(kind)
    own = {p: GAMMAS[kind] for e in features.values() for p in e.parameters}
    if template is not None:
        own = {**_starts(template, kind), **own}
    reserved = {*own, *features}
    written = [_written(s, kind, reserved) for s in starts]
    for name in (f for w in written for f in w.features):
        features.setdefault(name, Expression.parse(name))
        if features[name].text != name:
            raise InputError(
                f'features_{kind}: "{name}" is redefined but the base uses the feature; choose another name'
            )
    shared = list(dict.fromkeys(name for w in written for name in w.shared))
    # a parameter that belongs to instructions of one base and to all of another gets another name
    apart = [_apart(w, set(shared)) for w in written]
    values = tuple({**own, **given} for _, given in apart)
    variables = list(dict.fromkeys(name for w in written for name in w.variables))
    taken = {*features, *own, *shared, *(name for v in values for name in v)}
    shared += _fresh("c", config.parameters - len(shared), taken)
    variables += _fresh("v", config.variables - len(variables), {*taken, *variables})
    workspace = Workspace(features, tuple(shared), tuple(variables), template)
    return _Factors(workspace, tuple(c for c, _ in apart), values)


def _mutator(config: SearchConfig, workspaces: Mapping[str, Workspace]) -> Mutator:
    return Mutator(
        workspaces,
        config.instructions(),
        config.mutations(),
        Pool(config.channel_pool or dict.fromkeys(config.channels, 1.0), "channel_pool"),
        Limits(config.max_instructions, config.max_bound_parameters, config.fixed_instructions, config.share_bound),
    )


def rules_of(config: SearchConfig) -> Rules:
    """What the factors of a search may contain."""
    return Rules.make(
        config.operator_limits, config.forbid_nesting, config.max_depth, config.dimensions, config.complexity_weights,
        config.max_sharpness,
    )  # fmt: skip


def _settings(config: SearchConfig, rules: Rules) -> EvolutionSettings:
    shared = {f.name: getattr(config, f.name) for f in fields(EvolutionSettings) if f.name != "rules"}
    return EvolutionSettings(**shared, rules=rules)


def _fitness(config: SearchConfig) -> Fitness:
    graded = parse_conditions(config.constraints, config.channels, Hybrid()).penalties
    weights = {
        "conditions": 1.0 if graded else 0.0,
        "grid": config.grid_coefficient,
        "cross_validation": config.cross_validation_coefficient,
        **config.error_terms,
    }
    return Fitness(
        config.train_coefficient, config.validation_coefficient, config.parameter_penalty, config.complexity_penalty,
        {name: weight for name, weight in weights.items() if weight > 0},
        config.losses == "root",
    )  # fmt: skip


def _random_length(name: str) -> int | None:
    """How many instructions a factor of the base "random:N" has; None for other bases."""
    head, _, length = name.partition(":")
    if head != "random":
        return None
    if length and not (length.isdecimal() and 0 < int(length) <= _BASE_NODES):
        raise InputError(f'base: "{name}"; expected random:N with a number of instructions from 1 to {_BASE_NODES}')
    return int(length or _RANDOM_LENGTH)


def _random(config: SearchConfig, index: int, mutator: Mutator, rules: Rules) -> Genome:
    """Random lists of instructions that keep the rules and whose factors are no numbers."""
    name = config.base[index]
    rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(_STREAM, index)))
    for _ in range(_RANDOM_TRIALS):
        genome = mutator.random(_random_length(name) or 0, rng)
        found = genome.expressions(mutator.workspaces)
        factors = [] if found is None else [e.simplify() for e in found.values()]
        if found is not None and all(e.features or e.parameters for e in factors) and rules.allow(found):
            return genome
    raise InputError(f'base: no lists of "{name}" keep the rules of the search; loosen them or give more instructions')


def _starting_point(name: str, config: SearchConfig, exact: bool) -> Genome | Functional:
    kinds = config.channels
    if name == "empty" or _random_length(name) is not None:  # random lists are drawn in the workspace of all bases
        return empty_genome(kinds)
    if name == "lda" and exact:
        # Exact conditions fix values of the factors, which takes a parameter: beside exact exchange, the uniform gas
        # wants less than 1.
        return Functional("lda", {k: Channel(Expression.parse("c0"), {"c0": 1.0}) for k in kinds})
    if name == "lda":
        return lda_genome(kinds)
    functional = load(config.formula(name) if "=" in name else name, where="base")
    for kind in kinds:
        if kind in functional.channels:
            factor = functional.channels[kind].expression
            nodes, free = factor.complexity, len(factor.parameters)
            if nodes > _BASE_NODES or free > _BASE_PARAMETERS:
                raise InputError(
                    f'base: f_{kind} of "{functional.name}" has {nodes:g} nodes and {free} parameters; a search starts '
                    f"from at most {_BASE_NODES} nodes and {_BASE_PARAMETERS} parameters a factor"
                )
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
