"""Interaction curves of rare-gas dimers on three integration grids (after Johnson et al., 10.1063/1.3177061).

Densities are Hartree-Fock's, computed once for each distance; what changes from grid to grid is the semilocal energy
alone. Curves of functionals that depend on the kinetic energy density oscillate on coarse grids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.errors import FastsfesError
from ..datasets.model import HARTREE_TO_KCAL
from ..densities import DensityRecord, ScfSettings, compute_density, load_mole
from ..densities.scf import OMEGA
from ..energies.grid import grid_blocks
from ..functionals.frame import VV10, Hybrid
from ..functionals.load import Comparison
from .conditions.row import Row
from .conditions.subject import Subject
from .grids import GRIDS, TRUTH

__all__ = ["DIMERS", "DimerCurve", "dimer_curve", "dimer_rows"]

Array = NDArray[np.float64]

GROUP = "rare-gas dimers"

DIMERS: Mapping[str, tuple[float, ...]] = {
    "Ne": tuple(np.round(np.arange(2.6, 4.61, 0.2), 3).tolist()),
    "Ar": tuple(np.round(np.arange(3.2, 5.61, 0.24), 3).tolist()),
}
"""Element -> distances in angstrom, around the minimum (3.09 and 3.76) and beyond."""

LIMITS = {"coarse": 0.05, "default": 0.01}
"""Allowed deviation from the large grid, kcal/mol; the wells are 0.08 (Ne) and 0.28 (Ar) deep."""

BASIS = "aug-cc-pvtz"


@dataclass(frozen=True)
class DimerCurve:
    """Interaction energies E(dimer) - 2 E(atom) of a functional.

    Attributes:
        element: chemical symbol.
        distances: angstrom.
        energies: grid name -> kcal/mol at the distances.
    """

    element: str
    distances: tuple[float, ...]
    energies: Mapping[str, tuple[float, ...]]

    def turning_points(self, grid: str) -> int:
        """Changes of direction along the curve: one in a smooth well, more where it oscillates."""
        steps = np.sign(np.diff(self.energies[grid]))
        return int(np.sum(steps[1:] * steps[:-1] < 0))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "element": self.element,
            "distances": list(self.distances),
            "energies": {name: list(values) for name, values in self.energies.items()},
        }


def dimer_curve(
    functional: Comparison,
    element: str,
    distances: Sequence[float] | None = None,
    *,
    grids: Mapping[str, str] = GRIDS,
    basis: str = BASIS,
    progress: Callable[[str], None] | None = None,
) -> DimerCurve:
    """The interaction curve of a functional on Hartree-Fock densities, exact exchange and VV10 included.

    Args:
        functional: ours or one of libxc.
        element: a rare gas (any closed-shell atom works).
        distances: angstrom; those of `DIMERS` when not given.
        grids: name -> "level N" or "(radial,angular)".
        basis: of the Hartree-Fock calculations; no counterpoise correction, since grids are compared.
        progress: called with a line per distance.
    """
    where = tuple(distances if distances is not None else DIMERS[element])
    atom = _energies(functional, element, 0.0, grids, basis)
    table = []
    for r in where:
        if progress is not None:
            progress(f"{functional.name}: {element}2 at {r:g} angstrom")
        table.append(_energies(functional, element, r, grids, basis) - 2.0 * atom)
    columns = HARTREE_TO_KCAL * np.array(table).T
    return DimerCurve(element, where, {n: tuple(c.tolist()) for n, c in zip(grids, columns, strict=True)})


def dimer_rows(subject: Subject, progress: Callable[[str], None] | None = None) -> tuple[Row, ...]:
    """Two rows per dimer: deviations from the large grid; and one on the shape of the curve."""
    rows = []
    for element in DIMERS:
        curve = dimer_curve(subject.whole, element, progress=progress)
        truth = np.array(curve.energies[TRUTH])
        for grid, limit in LIMITS.items():
            deviation = np.abs(np.array(curve.energies[grid]) - truth)
            worst = int(np.argmax(deviation))
            value = float(deviation[worst])
            detail = (
                f"largest deviation of the curve on {GRIDS[grid]} from {GRIDS[TRUTH]}, limit {limit:g} kcal/mol; "
                f"turning points {curve.turning_points(grid)} against {curve.turning_points(TRUTH)}"
            )
            place = f"R={curve.distances[worst]:g} angstrom"
            name = f"{element}2, {grid} grid"
            rows.append(Row(GROUP, name, bool(value <= limit), limit - value, "kcal/mol", place, detail, value))
        count = curve.turning_points(TRUTH)
        lowest = int(np.argmin(truth))
        detail = (
            f"{count} turning point{'' if count == 1 else 's'} on the large grid; lowest {truth[lowest]:.3f} kcal/mol"
        )
        place = f"R={curve.distances[lowest]:g} angstrom"
        rows.append(
            Row(GROUP, f"{element}2, one well at most", count <= 1, float(1 - count), "turns", place, detail, count)
        )
    return tuple(rows)


def _energies(functional: Comparison, element: str, distance: float, grids: Mapping[str, str], basis: str) -> Array:
    """Total energies in hartree on every grid; distance 0 means the atom."""
    record = _density(element, distance, basis)
    rest = _frozen(element, distance, basis, functional.hybrid, functional.nlc)
    semilocal = []
    for grid in grids.values():
        blocks = _blocks(element, distance, basis, grid)
        parts = [np.sum(w * functional.energy_density(rho, sigma, tau).exc) for w, rho, sigma, tau in blocks]
        semilocal.append(float(np.sum(parts)))
    return record.energies.e_tot - record.energies.e_xx + rest + np.array(semilocal)


@lru_cache(maxsize=64)
def _density(element: str, distance: float, basis: str) -> DensityRecord:
    atoms = 1 if distance == 0.0 else 2
    settings = ScfSettings(xc="hf", basis=basis, grid="level 0", conv_tol=1e-10)
    record = compute_density(
        (element,) * atoms,
        np.array([[0.0, 0.0, distance * k] for k in range(atoms)]),
        0,
        0,
        settings,
        name=f"{element}{atoms} at {distance:g} angstrom",
    )
    if not record.converged:
        raise FastsfesError(
            f"the Hartree-Fock calculation of {element}{atoms} at {distance:g} angstrom did not converge"
        )
    return record


@lru_cache(maxsize=256)
def _frozen(element: str, distance: float, basis: str, hybrid: Hybrid, nlc: VV10 | None) -> float:
    """Exact exchange and VV10 of the Hartree-Fock density, hartree."""
    record = _density(element, distance, basis)
    e = record.energies
    long_range = e.e_xx
    if hybrid.omega > 0.0:
        long_range = e.e_xx_lr if hybrid.omega == OMEGA else _long_range(record, hybrid.omega)
    short_range = e.e_xx - long_range if hybrid.omega > 0.0 else 0.0
    total = hybrid.short_range * short_range + hybrid.long_range * long_range
    return total + (0.0 if nlc is None else _vv10(record, nlc))


def _long_range(record: DensityRecord, omega: float) -> float:
    from pyscf import scf

    mol = load_mole(record.mole)
    dm = record.density_matrix()
    return -0.25 * float(np.sum(scf.RHF(mol).get_k(mol, dm, omega=omega) * dm))


def _vv10(record: DensityRecord, nlc: VV10) -> float:
    """VV10 on PySCF's default nonlocal grid."""
    from pyscf import dft

    mol = load_mole(record.mole)
    mf = dft.RKS(mol)
    integrator = mf._numint
    integrator.nlc_coeff = lambda xc_code: (((nlc.b, nlc.C), 1.0),)
    mf.nlcgrids.build()
    return float(integrator.nr_nlc_vxc(mol, mf.nlcgrids, "", record.density_matrix())[1])


@lru_cache(maxsize=96)
def _blocks(element: str, distance: float, basis: str, grid: str) -> tuple[tuple[Array, Array, Array, Array], ...]:
    record = _density(element, distance, basis)
    return tuple((b.weights, b.rho, b.sigma, b.tau) for b in grid_blocks(record, grid))
