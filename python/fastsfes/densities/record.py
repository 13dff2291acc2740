"""One computed density: occupied orbitals and the energies that a search never changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Energies:
    """Energies of one density in hartree.

    Attributes:
        e_tot: total energy, VV10 included.
        e_xc_semilocal: semilocal exchange-correlation energy of the functional that made the density.
        e_xx: full-range exact exchange energy, not scaled.
        e_xx_lr: its long-range part, attenuated by erf(0.3 r12), not scaled.
        e_nlc: VV10 energy.
        e_nuc: nuclear repulsion.
    """

    e_tot: float
    e_xc_semilocal: float
    e_xx: float
    e_xx_lr: float
    e_nlc: float
    e_nuc: float

    @property
    def e_frozen(self) -> float:
        """What does not change when the semilocal part is searched: e_tot - e_xc_semilocal."""
        return self.e_tot - self.e_xc_semilocal


#: Names of the energies, in the order in which they are stored.
ENERGY_NAMES = ("e_tot", "e_xc_semilocal", "e_xx", "e_xx_lr", "e_nlc", "e_nuc")


@dataclass(frozen=True)
class DensityRecord:
    """A density as it is stored: occupied orbitals, frozen energies, and how they were made.

    Attributes:
        mole: JSON of PySCF's ``Mole.dumps()``; `fastsfes.densities.load_mole` rebuilds the molecule from it.
        mo_coeff: occupied orbitals, (nao, nocc) restricted or (2, nao, n) unrestricted, where the
            spin with fewer electrons is padded with zero columns.
        mo_occ, mo_energy: occupations and orbital energies (hartree), (nocc,) or (2, n).
        energies: see `Energies`.
        attributes: xc, basis, ecp, charge, spin, converged, rung, grid, density_fit, nlc, pyscf, and more.
    """

    mole: str
    mo_coeff: FloatArray
    mo_occ: FloatArray
    mo_energy: FloatArray
    energies: Energies
    attributes: dict[str, Any]

    @property
    def converged(self) -> bool:
        """Whether the SCF converged; a density that did not is never used by a dataset."""
        return bool(self.attributes["converged"])

    @property
    def reference(self) -> str:
        """Kind of Kohn-Sham object that the density came from: "RKS", "UKS" or "ROKS"."""
        kind = str(self.attributes.get("reference", ""))
        return kind if kind in ("RKS", "UKS", "ROKS") else ("UKS" if self.mo_occ.ndim == 2 else "RKS")

    @property
    def arrays(self) -> dict[str, FloatArray]:
        """What is stored beside the molecule, by name."""
        return {"mo_coeff": self.mo_coeff, "mo_occ": self.mo_occ, "mo_energy": self.mo_energy}

    def density_matrix(self) -> FloatArray:
        """Density matrix in the atomic-orbital basis, (nao, nao) or (2, nao, nao)."""
        scaled = self.mo_coeff * self.mo_occ[..., None, :]
        return np.asarray(scaled @ np.swapaxes(self.mo_coeff, -1, -2))


@dataclass(frozen=True)
class GridRecord:
    """A density as values on an integration grid, from any program; there are no orbitals.

    Attributes:
        weights: quadrature weights in bohr^3, (n,).
        rho: spin densities, (2, n); restricted: the total density, (n,).
        sigma: grad rho_a . grad rho_a, a . b, b . b, (3, n); restricted: |grad rho|^2, (n,).
        tau: (1/2) sum_i |grad phi_i|^2 per spin, (2, n); restricted: the total, (n,).
        energies: ``e_tot - e_xc_semilocal`` is the energy that does not change.
        attributes: xc (whose exact exchange and nonlocal correlation are in that energy), charge, spin, converged,
            grid.
    """

    weights: FloatArray
    rho: FloatArray
    sigma: FloatArray
    tau: FloatArray
    energies: Energies
    attributes: dict[str, Any]
    #: No molecule either: a solid has none.
    mole: ClassVar[str] = ""

    @property
    def converged(self) -> bool:
        """Whether the density may be used."""
        return bool(self.attributes["converged"])

    @property
    def arrays(self) -> dict[str, FloatArray]:
        """What is stored, by name."""
        return {"weights": self.weights, "rho": self.rho, "sigma": self.sigma, "tau": self.tau}

    @property
    def electrons(self) -> float:
        """Number of electrons on the grid."""
        return float(np.sum(self.weights * (self.rho if self.rho.ndim == 1 else self.rho.sum(axis=0))))
