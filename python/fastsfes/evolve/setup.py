"""From a configuration to the parts of a search: workspaces, base genome, mutator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import features as channel_table
from ..errors import InputError
from ..expression import Expression
from ..load import load
from .evaluation import Fitness
from .genome import ChannelGenome, Genome, Workspace
from .instructions import instruction_kind
from .island import EvolutionSettings
from .linearise import linearise
from .mutate import Limits, Mutator, empty_genome, lda_genome
from .pools import Pool

if TYPE_CHECKING:
    from ..config import SearchConfig
    from ..functional import Functional

__all__ = ["SearchParts", "parse_features", "prepare"]

# Where the fit of a feature's own parameter starts: wB97M-V's (10.1063/1.4952647), B97's for exchange.
_FEATURE_PARAMETERS = {"x": 0.004, "css": 0.2, "cos": 0.006}


@dataclass(frozen=True)
class SearchParts:
    """What an epoch needs besides the state."""

    base: Genome
    defaults: Mapping[str, Mapping[str, float]]
    mutator: Mutator
    settings: EvolutionSettings
    fitness: Fitness


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
    """Workspaces, base and mutator of a search; raises `InputError` when the options do not go together."""
    kinds = config.channels
    start = _starting_point(config)
    workspaces: dict[str, Workspace] = {}
    defaults: dict[str, dict[str, float]] = {}
    channels: dict[str, ChannelGenome] = {}
    for kind in kinds:
        features = parse_features(kind, getattr(config, f"features_{kind}"))
        own = {p: _FEATURE_PARAMETERS[kind] for e in features.values() for p in e.parameters}
        values: dict[str, float] = {}
        shared: list[str] = []
        variables: list[str] = []
        if isinstance(start, Genome):
            channels[kind] = start.channels[kind]
        else:
            channel = start.channels.get(kind)
            if channel is None:
                channels[kind] = ChannelGenome()
            else:
                expression = channel.expression
                # the base's own names must not meet those of the features' definitions or of the features themselves
                clash = {p: f"b_{p}" for p in expression.parameters if p in own or p in features}
                values = {clash.get(p, p): v for p, v in channel.parameters.items()}
                written = linearise(expression.substitute({a: Expression.parse(b) for a, b in clash.items()}), values)
                channels[kind], values = written.genome, dict(written.parameters)
                shared, variables = list(written.shared), list(written.variables)
                for name in written.features:
                    features.setdefault(name, Expression.parse(name))
                    if features[name].text != name:
                        raise InputError(
                            f'features_{kind}: "{name}" is redefined but the base uses the feature; choose another name'
                        )
        taken = {*features, *own, *values, *shared}
        shared += _fresh("c", config.parameters - len(shared), taken)
        variables += _fresh("v", config.variables - len(variables), {*taken, *variables})
        workspaces[kind] = Workspace(features, tuple(shared), tuple(variables))
        defaults[kind] = {**own, **values}
    base = Genome(channels)
    pool = Pool({instruction_kind(n).name: w for n, w in config.instruction_pool.items()}, "instruction_pool")
    mutator = Mutator(
        workspaces,
        pool,
        Pool(config.mutation_pool, "mutation_pool"),
        Pool(config.channel_pool or dict.fromkeys(kinds, 1.0), "channel_pool"),
        Limits(config.max_instructions, config.max_bound_parameters, config.fixed_instructions, config.share_bound),
    )
    mutator.check(base)
    settings = EvolutionSettings(
        population=config.population,
        tournament=config.tournament,
        generation=config.generation,
        generations=config.generations,
        repeat=config.repeat,
        keep_duplicates=config.keep_duplicates,
        restart=config.restart,
        max_complexity=config.max_complexity,
        max_parameters=config.max_parameters,
    )
    fitness = Fitness(
        config.train_coefficient, config.validation_coefficient, config.parameter_penalty, config.complexity_penalty
    )
    return SearchParts(base, defaults, mutator, settings, fitness)


def _starting_point(config: SearchConfig) -> Genome | Functional:
    if config.base == "empty":
        return empty_genome(config.channels)
    if config.base == "lda":
        return lda_genome(config.channels)
    functional = load(config.base, where="base")
    if not set(functional.channels) & set(config.channels):
        raise InputError(
            f'base: functional "{config.base}" has channels {", ".join(functional.channels)}, none of those searched '
            f"({', '.join(config.channels)})"
        )
    return functional


def _fresh(stem: str, count: int, taken: set[str]) -> list[str]:
    names: list[str] = []
    number = 0
    while len(names) < count:
        if f"{stem}{number}" not in taken:
            names.append(f"{stem}{number}")
        number += 1
    return names
