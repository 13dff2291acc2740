"""Convergence of atomic energies with the radial grid (the protocol of Lehtola & Marques, 10.1063/5.0121187)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .atoms import ATOMS, hartree_fock
from .conditions.row import Row
from .conditions.subject import Evaluable, Subject

__all__ = ["ACCEPTED", "BANDS", "SIZES", "AtomConvergence", "atomic_convergence", "convergence_rows"]

Array = NDArray[np.float64]

GROUP = "atomic grids"

SIZES = tuple(round(25 * 2 ** (k / 4)) for k in range(29))
"""Numbers of radial points, 25 to 3200 in steps of a factor 2^(1/4)."""

TOLERANCE = 1e-6
"""Energies that differ by less count as converged, hartree."""

BANDS = ((50, "trivial"), (150, "normal"), (350, "medium"), (1000, "hard"), (math.inf, "pathological"))
"""(upper limit of N0, name); usual grids have 50 to a few hundred radial points, so "hard" and worse fail."""

ACCEPTED = 350
"""Radial points that an atom may need: usual grids have that many."""


@dataclass(frozen=True)
class AtomConvergence:
    """Energies of one atom on all grids.

    Attributes:
        atom: symbol.
        sizes: numbers of radial points.
        energies: semilocal exchange-correlation energies in hartree, one per size.
        n0: the smallest size from which on all energies are within 1e-6 hartree of the last; None when even the last
            but one is not.
        band: "trivial", "normal", "medium", "hard" or "pathological".
    """

    atom: str
    sizes: tuple[int, ...]
    energies: tuple[float, ...]
    n0: int | None
    band: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def atomic_convergence(functional: Evaluable, atoms: Sequence[str] = tuple(ATOMS)) -> tuple[AtomConvergence, ...]:
    """Energies of fixed Hartree-Fock densities of atoms on radial grids of 25 to 3200 points.

    The quadrature is PySCF's default: Gauss-Chebyshev points of the second kind, mapped by Treutler and Ahlrichs
    (M4, 10.1063/1.469408) with their scale for each element. The densities are spherical, so that there is no angular
    error.
    """
    return tuple(_converge(functional, atom) for atom in atoms)


def _converge(functional: Evaluable, symbol: str) -> AtomConvergence:
    rho, sigma, tau, weights, starts = _points(symbol)
    with np.errstate(all="ignore"):
        values = weights * functional.energy_density(rho, sigma, tau).exc
    energies = np.array([values[a:b].sum() for a, b in pairwise(starts)])
    wrong = ~(np.abs(energies - energies[-1]) <= TOLERANCE)
    first = int(np.flatnonzero(wrong)[-1]) + 1 if wrong.any() else 0
    n0 = SIZES[first] if first < len(SIZES) - 1 else None
    band = next(name for limit, name in BANDS if (n0 or math.inf) < limit or limit == math.inf)
    return AtomConvergence(symbol, SIZES, tuple(energies.tolist()), n0, band)


@lru_cache(maxsize=len(ATOMS))
def _points(symbol: str) -> tuple[Array, Array, Array, Array, tuple[int, ...]]:
    """The density on the points of all grids one after the other, their weights, and where each grid starts."""
    from pyscf.dft import radi

    grids = [radi.treutler_ahlrichs(n, ATOMS[symbol].charge) for n in SIZES]
    r = np.concatenate([grid[0] for grid in grids])
    weights = 4.0 * math.pi * r**2 * np.concatenate([grid[1] for grid in grids])
    density = hartree_fock(symbol).density(r)
    starts = np.cumsum([0, *SIZES])
    return density.rho, density.sigma, density.tau, weights, tuple(starts.tolist())


def convergence_rows(subject: Subject) -> tuple[Row, ...]:
    """One row per atom; the value is N0, the margin its distance to the limit of "medium"."""
    rows = []
    for found in atomic_convergence(subject.whole):
        n0 = found.n0 if found.n0 is not None else math.inf
        margin = ACCEPTED - n0
        deviation = np.abs(np.array(found.energies) - found.energies[-1])
        at_100 = float(deviation[found.sizes.index(100)])
        detail = f"N0 = {found.n0 or f'beyond {SIZES[-2]}'}; error with 100 points {at_100:.1e} hartree"
        rows.append(Row(GROUP, f"{found.atom} atom", bool(margin > 0), margin, "points", found.band, detail, float(n0)))
    return tuple(rows)
