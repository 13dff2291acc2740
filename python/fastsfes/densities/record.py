"""One computed density: occupied orbitals and the energies that a search never changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Energies:
    """Energies of one density in hartree.

    Attributes
    ----------
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

    Attributes
    ----------
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

    def density_matrix(self) -> FloatArray:
        """Density matrix in the atomic-orbital basis, (nao, nao) or (2, nao, nao)."""
        scaled = self.mo_coeff * self.mo_occ[..., None, :]
        return np.asarray(scaled @ np.swapaxes(self.mo_coeff, -1, -2))
