"""Exchange and correlation of a functional that is known as a sum only.

Under uniform scaling to high densities exchange grows like gamma and correlation hardly at all, so that
e_x = lim gamma^-4 e_xc(gamma^3 rho, gamma^8 sigma, gamma^5 tau): the conventional partition. It does not exist for
range-separated functionals, whose exchange does not scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...functionals.formulas import VARIABLES, derivative_keys
from ...functionals.frame import Hybrid
from ...functionals.functional import EnergyDensity
from ...functionals.libxc import LibxcFunctional

__all__ = ["SCALING", "Part"]

SCALING = {"rho": 3.0, "sigma": 8.0, "tau": 5.0}
"""Powers of gamma by which the variables grow when the density is scaled uniformly, n_gamma(r) = gamma^3 n(gamma r)."""

LIMIT_RS = 3e-8
"""Wigner-Seitz radius (bohr) that stands for 0: the correlation factor is 3e-8 there. From 1e-8 on powers overflow in
libxc's B97."""


@dataclass(frozen=True)
class Part:
    """The exchange or the correlation part of a sum, evaluated like a functional."""

    whole: LibxcFunctional
    kind: str
    """"exchange" or "correlation"."""

    @property
    def name(self) -> str:
        """Name for tables."""
        return f"{self.whole.name} ({self.kind})"

    @property
    def family(self) -> str:
        """ "lda", "gga" or "mgga"."""
        return self.whole.family

    @property
    def hybrid(self) -> Hybrid:
        """Exact exchange is no part of it."""
        return Hybrid()

    @property
    def nlc(self) -> None:
        """Neither is VV10."""
        return None

    def energy_density(
        self,
        rho: ArrayLike,
        sigma: ArrayLike | None = None,
        tau: ArrayLike | None = None,
        deriv: int = 0,
        *,
        threads: int = 0,
    ) -> EnergyDensity:
        """See `Functional.energy_density`."""
        density = np.asarray(rho, dtype=float)
        polarised = density.ndim == 2
        total = density.sum(axis=0) if polarised else density
        # gamma may differ from point to point, since the limit does not depend on it
        gamma = np.cbrt(3.0 / (4.0 * np.pi * np.maximum(total, 1e-30))) / LIMIT_RS
        limit = self.whole.energy_density(
            gamma ** SCALING["rho"] * density,
            None if sigma is None else gamma ** SCALING["sigma"] * np.asarray(sigma, dtype=float),
            None if tau is None else gamma ** SCALING["tau"] * np.asarray(tau, dtype=float),
            deriv,
            threads=threads,
        )
        exchange = _each(limit, polarised, deriv, lambda key, rows, power: gamma ** (power - 4.0) * rows)
        if self.kind == "exchange":
            return exchange
        both = self.whole.energy_density(rho, sigma, tau, deriv, threads=threads)
        return _each(both, polarised, deriv, lambda key, rows, power: rows - getattr(exchange, key))


def _each(
    values: EnergyDensity,
    polarised: bool,
    deriv: int,
    change: Callable[[str, NDArray[np.float64], float], NDArray[np.float64]],
) -> EnergyDensity:
    """Apply (name, rows, power of gamma by which the variables of the derivative grow) to every quantity."""
    powers = {"exc": 0.0}
    for key, components in derivative_keys(VARIABLES[polarised], deriv).items():
        powers[key] = sum(SCALING[name.partition("_")[0]] for name in components[0])
    arrays = {key: getattr(values, key) for key in powers}
    return EnergyDensity(**{k: change(k, rows, powers[k]) for k, rows in arrays.items() if rows is not None})
