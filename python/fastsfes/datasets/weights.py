"""Weights of MGCDB84 reactions (Eq. 33 and table of 10.1063/1.4952647; 10.1126/sciadv.abq0279)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from ..common.errors import InputError
from .model import Reaction

#: Data types that are scaled together, and their factor.
GROUPS: tuple[tuple[frozenset[str], float], ...] = (
    (frozenset({"TCD"}), 0.1),
    (frozenset({"TCE", "AE18"}), 1.0),
    (frozenset({"NCD"}), 10.0),
    (frozenset({"ID"}), 10.0),
    (frozenset({"BH"}), 10.0),
    (frozenset({"NCED", "NCEC"}), 100.0),
    (frozenset({"IE"}), 100.0),
    (frozenset({"RG10"}), 1.0e4),
)

#: The rare-gas curves: weights are not compressed, and repulsive points hardly count.
RARE_GAS = "RG10"
_REPULSIVE = 1.0e-4

#: Validation points count twice.
VALIDATION_FACTOR = 2.0


def subset_weights(references: Mapping[str, Iterable[float]]) -> dict[str, float]:
    """Raw weight 1/(N rms(reference)) of every subset; references in any one unit."""
    weights: dict[str, float] = {}
    for subset, values in references.items():
        array = np.asarray(list(values), dtype=float)
        with np.errstate(over="ignore"):
            rms = math.sqrt(float(np.mean(array**2)))
        if not 0.0 < rms < math.inf:
            raise InputError(f"subset {subset!r}: references of rms {rms:g} give no weight 1/(N rms); correct them")
        weights[subset] = 1.0 / (len(array) * rms)
    return weights


def compress(weights: Mapping[str, float]) -> dict[str, float]:
    """Divide by the smallest and raise to ln2/ln(max), so that all lie in [1, 2]."""
    if not weights:
        return {}
    smallest = min(weights.values())
    scaled = {name: value / smallest for name, value in weights.items()}
    largest = max(scaled.values())
    exponent = math.log(2.0) / math.log(largest) if largest > 1.0 else 1.0
    return {name: float(value**exponent) for name, value in scaled.items()}


def apply_weights(reactions: Iterable[Reaction]) -> tuple[Reaction, ...]:
    """Return the reactions with MGCDB84 weights; all reactions of a subset must be present."""
    reactions = tuple(reactions)
    references: dict[str, list[float]] = {}
    data_types: dict[str, str] = {}
    for reaction in reactions:
        references.setdefault(reaction.subset, []).append(reaction.reference)
        data_types[reaction.subset] = reaction.data_type
    raw = subset_weights(references)
    final: dict[str, float] = {}
    for types, factor in GROUPS:
        members = {name: raw[name] for name in raw if data_types[name] in types}
        final.update({name: factor * value for name, value in compress(members).items()})
    weighted = []
    for reaction in reactions:
        if reaction.subset not in final:
            known = ", ".join(sorted(name for types, _ in GROUPS for name in types))
            raise InputError(
                f"subset {reaction.subset!r}: data type {reaction.data_type!r} has no weight; known are {known}"
            )
        weight = final[reaction.subset]
        if reaction.data_type == RARE_GAS and reaction.reference > 0:
            weight *= _REPULSIVE
        if reaction.split == "validation":
            weight *= VALIDATION_FACTOR
        weighted.append(replace(reaction, weight=weight))
    return tuple(weighted)
