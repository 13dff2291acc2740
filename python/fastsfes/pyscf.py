"""Functionals in PySCF's self-consistent calculations.

    mf = fastsfes.pyscf.attach(dft.RKS(mol), "gas22")
    mf.kernel()

PySCF asks libxc for a functional's family, exact exchange, range separation and nonlocal correlation by the *name* in
``mf.xc``, and its numerical integrator for the values. `attach` therefore registers a libxc functional that answers the
first kind of question and overrides `NumInt.eval_xc1` for the second, which SCF, second-order SCF, density fitting,
nuclear gradients, TDDFT and Hessians all go through. The registered functional's own values are scaled by 1e300:
should a calculation ever lose the override, it overflows instead of silently computing another functional.
"""

from __future__ import annotations

import hashlib
import json
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyscf.dft import libxc, numint

from .errors import InputError
from .functional import VARIABLES, EnergyDensity, Functional, derivative_keys
from .load import load

__all__ = ["NumInt", "attach"]

# A libxc functional of each family, of one component and without exact exchange, without and with VV10: only its
# family matters.
_PARENT = {"lda": "lda_x", "gga": "gga_x_pbe", "mgga": "mgga_x_tpss"}
_PARENT_NLC = {"lda": "gga_xc_vv10", "gga": "gga_xc_vv10", "mgga": "mgga_xc_b97m_v"}
_POISON = 1e300
_GROUPS = {"LDA": ("rho",), "GGA": ("rho", "sigma"), "MGGA": ("rho", "sigma", "tau")}


class NumInt(numint.NumInt):  # type: ignore[misc]
    """PySCF's numerical integrator with the values of a fastsfes functional."""

    def __init__(self, functional: Functional, xc_code: str, xctype: str) -> None:
        super().__init__()
        self.functional = functional
        self.xc_code = xc_code
        self.xctype = xctype
        self.calls = 0
        """How often the functional has been evaluated."""

    def eval_xc1(
        self,
        xc_code: str,
        rho: NDArray[np.float64],
        spin: int = 0,
        deriv: int = 1,
        omega: float | None = None,
    ) -> NDArray[np.float64]:
        """Energy per electron and derivatives in PySCF's order: (number of components, number of points)."""
        if xc_code != self.xc_code:  # for example the nonlocal part, or a second functional of the same calculation
            other: NDArray[np.float64] = self.libxc.eval_xc1(xc_code, rho, spin, deriv, omega)
            return other
        self.calls += 1
        density, sigma, tau = _variables(np.asarray(rho, dtype=float), spin, self.xctype)
        result = self.functional.energy_density(density, sigma, tau, deriv=deriv)
        return _pyscf_layout(result, density, self.xctype, spin, deriv)

    def nlc_coeff(self, xc_code: str) -> tuple[tuple[tuple[float, float], float], ...]:
        """VV10's b and C with their weight."""
        nlc = self.functional.nlc
        return () if nlc is None else (((nlc.b, nlc.C), 1.0),)


def _variables(
    rho: NDArray[np.float64], spin: int, xctype: str
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Density, gradient products and tau from PySCF's rows (density, three gradients, tau) of each spin."""
    if xctype == "LDA":
        return (rho[:, 0] if rho.ndim == 3 else rho) if spin else (rho[0] if rho.ndim == 2 else rho), None, None
    if spin:
        a, b = rho[0, 1:4], rho[1, 1:4]
        sigma = np.array([(a * a).sum(axis=0), (a * b).sum(axis=0), (b * b).sum(axis=0)])
        return rho[:, 0], sigma, rho[:, 4] if xctype == "MGGA" else None
    gradient = rho[1:4]
    return rho[0], (gradient * gradient).sum(axis=0), rho[4] if xctype == "MGGA" else None


def _pyscf_layout(
    values: EnergyDensity, density: NDArray[np.float64], xctype: str, spin: int, deriv: int
) -> NDArray[np.float64]:
    """Rows as PySCF's eval_xc1 orders them: energy per electron, then the derivatives of every order, those of order k
    with respect to all sorted k-tuples of rho_a, rho_b, sigma_aa, ..., tau_b."""
    polarised = bool(spin)
    n = density.shape[-1]
    total = density.sum(axis=0) if polarised else density
    groups = {g: VARIABLES[polarised][g] for g in _GROUPS[xctype]}
    found: dict[tuple[str, ...], NDArray[np.float64]] = {}
    found[()] = np.divide(values.exc, total, out=np.zeros(n), where=values.exc != 0.0)
    for key, components in derivative_keys(groups, deriv).items():
        array: NDArray[np.float64] | None = getattr(values, key)
        if array is None:  # the functional does not depend on this variable
            array = np.zeros((len(components), n))
        found |= dict(zip(components, array.reshape(-1, n), strict=True))
    variables = [name for names in groups.values() for name in names]
    return np.array([found[t] for k in range(deriv + 1) for t in combinations_with_replacement(variables, k)])


def attach(mf: Any, functional: Functional | str) -> Any:
    """Make a PySCF Kohn-Sham object use a functional; returns the same object.

    Args:
        mf: RKS, UKS or ROKS object (density-fitted or not), before its kernel runs.
        functional: a `Functional`, or text that `load` reads (a registered name, a file, a run, a formula).

    Global and range-separated hybrids and VV10 follow the functional. Needs PySCF 2.11 or later.

    Raises:
        InputError: when `mf` is not a Kohn-Sham object.
    """
    functional = load(functional)
    if not hasattr(mf, "_numint") or not hasattr(mf, "xc"):
        raise InputError(f"expected a PySCF Kohn-Sham object such as dft.RKS(mol), got {type(mf).__name__}")
    # PySCF parses names: lower case, and no substring that it takes for a basis of its own; digits are safe.
    digest = hashlib.sha256(json.dumps(functional.to_dict(), sort_keys=True).encode()).digest()
    name = f"fastsfes:{int.from_bytes(digest[:8], 'big')}"
    hybrid = functional.hybrid
    parents = _PARENT if functional.nlc is None else _PARENT_NLC
    libxc.register_custom_functional_(
        name,
        parents[functional.family],
        hyb=(hybrid.short_range, hybrid.long_range, hybrid.omega),
        facs=(_POISON,),
    )
    xctype = libxc.xc_type(name)
    mf.xc = name
    mf._numint = NumInt(functional, name, xctype)
    return mf
