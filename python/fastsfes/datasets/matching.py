"""Matching of geometries: a density computed for one collection serves another that has the same species.

Two species are the same when charge, multiplicity and elements agree and some order of the atoms brings all pair
distances within the tolerance. Distances do not tell mirror images apart, and need not: their energies are equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .model import Species

__all__ = ["TOLERANCE", "Match", "deviation", "match_species"]

FloatArray = npt.NDArray[np.float64]

TOLERANCE = 0.01
"""Largest difference of a pair distance, angstrom: it changes energies by about 0.01 kcal/mol for a soft distance, and
less than 0.1 for a bond, when both geometries are near a stationary point."""

_STEPS = 100_000
"""Assignments of one atom to another that are tried at most for a pair; real molecules need a few hundred."""


@dataclass(frozen=True)
class Match:
    """The species that serves another: the nearest one, and others within the tolerance, nearest first.

    ``deviation`` is the largest difference of a pair distance in angstrom; ``others`` maps names to theirs.
    """

    name: str
    deviation: float
    others: Mapping[str, float]


def match_species(
    wanted: Mapping[str, Species], sources: Mapping[str, Species], tolerance: float = TOLERANCE
) -> dict[str, Match]:
    """For each wanted species the source of the same geometry, where there is one.

    Args:
        wanted, sources: species by name.
        tolerance: largest difference of a pair distance, angstrom.
    """
    by_formula: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for name, species in sources.items():
        by_formula[_formula(species)].append(name)
    spectra: dict[str, FloatArray] = {}
    found = {}
    for name, species in wanted.items():
        candidates = by_formula.get(_formula(species), [])
        if not candidates:
            continue
        own = _spectrum(species)
        near = {}
        for source in candidates:
            if source not in spectra:
                spectra[source] = _spectrum(sources[source])
            # Sorted distances differ no more than those of any assignment of the atoms: a quick look first.
            if np.max(np.abs(own - spectra[source]), initial=0.0) <= tolerance:
                distance = deviation(species, sources[source], tolerance)
                if distance is not None:
                    near[source] = distance
        if near:
            best, *others = sorted(near, key=lambda source: (near[source], source))
            found[name] = Match(best, near[best], {other: near[other] for other in others})
    return found


def deviation(one: Species, other: Species, tolerance: float = TOLERANCE) -> float | None:
    """Largest difference of a pair distance (angstrom) for the first order of the atoms that keeps it within the
    tolerance, or None when no order does, or charge, multiplicity or elements differ.
    """
    if _formula(one) != _formula(other):
        return None
    a, b = _distances(one), _distances(other)
    count = {symbol: one.symbols.count(symbol) for symbol in one.symbols}
    # Rare elements first, then atoms far from those that are placed: the choice is soon unique.
    order = [min(range(len(one.symbols)), key=lambda i: (count[one.symbols[i]], -a[i].max()))]
    while len(order) < len(one.symbols):
        rest = [i for i in range(len(one.symbols)) if i not in order]
        order.append(min(rest, key=lambda i: (count[one.symbols[i]], -a[i, order].min())))
    places: list[int] = []
    steps = 0

    def place() -> bool:
        nonlocal steps
        if len(places) == len(order):
            return True
        atom = order[len(places)]
        free = [j for j, symbol in enumerate(other.symbols) if symbol == one.symbols[atom] and j not in places]
        difference = np.abs(b[np.ix_(free, places)] - a[atom, order[: len(places)]]).max(axis=1, initial=0.0)
        for k in np.argsort(difference, kind="stable"):
            steps += 1
            if difference[k] > tolerance or steps > _STEPS:
                return False
            places.append(free[k])
            if place():
                return True
            places.pop()
        return False

    if not place():
        return None
    return float(np.abs(a[np.ix_(order, order)] - b[np.ix_(places, places)]).max(initial=0.0))


def _formula(species: Species) -> tuple[object, ...]:
    return species.charge, species.spin, tuple(sorted(species.symbols))


def _distances(species: Species) -> FloatArray:
    delta = species.coordinates[:, None] - species.coordinates[None]
    return np.asarray(np.sqrt((delta**2).sum(axis=-1)))


def _spectrum(species: Species) -> FloatArray:
    """Distances sorted within each pair of elements."""
    distances = _distances(species)
    where = {s: [i for i, t in enumerate(species.symbols) if t == s] for s in sorted(set(species.symbols))}
    pairs = [(p, q) for p in where for q in where if p <= q]
    return np.concatenate([np.sort(distances[np.ix_(where[p], where[q])], axis=None) for p, q in pairs])
