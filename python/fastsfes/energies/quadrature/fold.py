"""Folded datasets: what a search needs of a dataset, without its densities, in a few kilobytes per species.

The weights of every species on all nodes of a quadrature (thousands) are carried over to some hundred of them by the
interpolation that pivoted QR implies (see `reduce`), on one integration grid or on two, so that grid sensitivity needs
no second build. Errors are measured again for every species.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...common.errors import InputError
from ...datasets.dataset import Dataset
from ...datasets.model import HARTREE_TO_KCAL
from ...datasets.storage import write_folded
from .build import COARSE_SHARE, REDUCED_SIZES, is_binding, worst_error
from .nodes import parse_channel_key
from .panel import measured_expressions
from .quadrature import Quadrature
from .reduce import pivot_nodes
from .rule import ChannelRule, NodeSet
from .storage import save_quadrature

__all__ = ["FOLDED_NODES", "fold_dataset", "fold_quadratures"]

FloatArray = npt.NDArray[np.float64]

FOLDED_NODES = 600
"""Nodes per channel that stand for all in a folded dataset."""

#: Weights are rounded to multiples of this (hartree), divided by how large factors become at a node: 600 roundings of
#: 4e-9 hartree each change an energy by some 7e-5 kcal/mol, a third of what the nodes do, and halve the file.
_QUANTUM = 2.0**-26


def fold_quadratures(base: Quadrature, fine: Quadrature | None = None, nodes: int = FOLDED_NODES) -> list[Quadrature]:
    """Quadratures on a few nodes each, with measured errors.

    Args:
        base: the quadrature to fold, with its full nodes.
        fine: a second one on the same nodes (`like`), say on a finer integration grid; channels it lacks are left out.
        nodes: how many stay per channel; they are the level "full" of the result, of which "reduced" and "coarse" are
            parts.

    Returns:
        One quadrature for each one given, on the same nodes.

    Raises:
        InputError: when the two do not belong together.
    """
    if fine is not None and fine.species != base.species:
        raise InputError(f'quadratures "{base.name}" and "{fine.name}" have other species; build them again')
    folded: dict[str, ChannelRule] = {}
    second: dict[str, ChannelRule] = {}
    for key, rule in base.channels.items():
        partner = None if fine is None else fine.channels.get(key)
        folded[key], other = _fold_rule(rule, partner, nodes, base.tolerance / 3.0)
        if other is not None:
            second[key] = other
    made = [replace(base, channels=folded)]
    if fine is not None:
        made.append(replace(fine, channels=second))
    return made


def fold_dataset(
    dataset: Dataset,
    output: Path | str,
    *,
    name: str = "",
    nodes: int = FOLDED_NODES,
    quadrature: str = "default",
    fine: str | None = None,
    sealed: bool = False,
) -> list[Quadrature]:
    """Write a dataset file without densities: reactions, energies, and quadratures on a few nodes.

    Args:
        dataset: a dataset file with densities and a quadrature.
        output: the file to write.
        name: of the new dataset; by default that of the old one.
        nodes, quadrature, fine: what to fold, see `fold_quadratures`; both are names in the file.
        sealed: whether the test split is for final reports only (see `Dataset.unsealed`); a seal stays in any case.

    Returns:
        The quadratures that were stored.
    """
    base = Quadrature.load(dataset, quadrature)
    made = fold_quadratures(base, None if fine is None else Quadrature.load(dataset, fine), nodes)
    usable = set(dataset.density_names)
    reactions = tuple(r for r in dataset.contents.reactions if usable.issuperset(r.coefficients))
    used = {species for reaction in reactions for species in reaction.coefficients}
    contents = replace(
        dataset.contents,
        name=name or dataset.name,
        reactions=reactions,
        species={n: s for n, s in dataset.species.items() if n in used},
        missing={},
        dropped={},
        matches={n: text for n, text in dataset.contents.matches.items() if n in used},
        sources={
            subset: text for subset, text in dataset.contents.sources.items() if subset in {r.subset for r in reactions}
        },
        sealed=sealed or dataset.contents.sealed,
    )
    # A density is called after the first of its species; those that no reaction needs are gone.
    first: dict[str, str] = {}
    for species in sorted(used):
        first.setdefault(dataset.representative(species), species)
    summaries = {n: s for n, s in dataset.summaries.items() if n in used}
    summaries = {n: replace(s, representative=first[s.representative]) for n, s in summaries.items()}
    made = [_of_species(item, first) for item in made]
    write_folded(Path(output), contents, summaries)
    for item in made:
        save_quadrature(output, item)
    return made


def _of_species(quadrature: Quadrature, names: Mapping[str, str]) -> Quadrature:
    """The rows of some species only, under new names: old name -> new name."""
    kept = [k for k, name in enumerate(quadrature.species) if name in names]
    channels = {}
    for key, rule in quadrature.channels.items():
        levels = {level: replace(nodes, matrix=nodes.matrix[kept]) for level, nodes in rule.levels.items()}
        errors = {level: {label: e[kept] for label, e in some.items()} for level, some in rule.errors.items()}
        channels[key] = replace(rule, levels=levels, errors=errors, outside=rule.outside[kept])
    return replace(quadrature, species=tuple(names[quadrature.species[k]] for k in kept), channels=channels)


def _fold_rule(
    rule: ChannelRule, partner: ChannelRule | None, count: int, share: float
) -> tuple[ChannelRule, ChannelRule | None]:
    full = rule.level("full")
    # A finer grid's nodes begin with those of the coarser one.
    all_ = full if partner is None else partner.level("full")
    if len(all_) < len(full) or not np.array_equal(all_.nodes[: len(full)], full.nodes):
        raise InputError(f"channel {rule.key}: the second quadrature has other nodes; build it again with --like")
    matrix = np.zeros((len(full.matrix), len(all_)))
    matrix[:, : len(full)] = full.matrix
    pivots = pivot_nodes(all_.features, all_.nodes, np.concatenate([matrix, all_.matrix]), min(count, len(all_)))
    count = min(count, len(pivots.triangle))

    def node_set(weights: FloatArray, size: int) -> NodeSet:
        chosen = np.ascontiguousarray(all_.nodes[pivots.order[:size]])
        quanta = _QUANTUM / _magnitudes(rule.key, full.features, chosen)
        return NodeSet(rule.key, full.features, chosen, np.round(pivots.matrix(weights, size) / quanta) * quanta)

    truth = _truth(rule)
    levels = {"full": node_set(matrix, count)}
    errors = {"full": _errors(levels["full"], truth)}
    for size in [s for s in REDUCED_SIZES[min(3, len(full.features))] if s < count]:
        for level, part in (("reduced", size), ("coarse", int(COARSE_SHARE * size))):
            levels[level] = node_set(matrix, part)
            errors[level] = _errors(levels[level], truth)
        made = ChannelRule(rule.key, rule.grid, dict(levels), dict(errors), rule.outside)
        if worst_error(made, "reduced") <= share:
            break
    made = ChannelRule(rule.key, rule.grid, levels, errors, rule.outside)
    if partner is None:
        return made, None
    other = node_set(all_.matrix, count)
    return made, ChannelRule(
        rule.key, rule.grid, {"full": other}, {"full": _errors(other, _truth(partner))}, partner.outside
    )


def _magnitudes(key: str, features: tuple[str, ...], nodes: FloatArray) -> FloatArray:
    """Powers of two, at least 1, that bound the factors of known functionals at every node, (nodes,)."""
    kind = parse_channel_key(key)[0]
    largest = np.ones(len(nodes))
    values = {name: nodes[:, k] for k, name in enumerate(features)}
    for label, expression in measured_expressions(kind, features):
        if is_binding(kind, label):
            largest = np.maximum(largest, np.abs(expression.evaluate({n: values[n] for n in expression.features}, {})))
    return np.exp2(np.ceil(np.log2(largest)))


def _truth(rule: ChannelRule) -> dict[str, FloatArray]:
    """Energies on the integration grid in kcal/mol by label: those on the full nodes less their measured errors."""
    full = rule.level("full")
    return {
        label: HARTREE_TO_KCAL * full.energies(expression) - rule.errors["full"][label]
        for label, expression in measured_expressions(parse_channel_key(rule.key)[0], full.features)
        if label in rule.errors["full"]
    }


def _errors(nodes: NodeSet, truth: dict[str, FloatArray]) -> dict[str, FloatArray]:
    known = dict(measured_expressions(parse_channel_key(nodes.key)[0], nodes.features))
    return {label: HARTREE_TO_KCAL * nodes.energies(known[label]) - energies for label, energies in truth.items()}
