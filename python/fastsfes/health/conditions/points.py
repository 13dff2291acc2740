"""Points in the space of a density's features, as densities, gradients and kinetic energy densities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...functionals.formulas import VARIABLES

__all__ = ["FeaturePoints", "feature_points", "search_grid"]

Array = NDArray[np.float64]

_TAU = 0.3 * (6.0 * np.pi**2) ** (2.0 / 3.0)


@dataclass(frozen=True)
class FeaturePoints:
    """Polarised points that have given features, atomic units.

    Attributes:
        rs, s, zeta, alpha: features of the points, (n,) each: Wigner-Seitz radius in bohr, reduced gradient
            |grad n|/(2 (3 pi^2)^(1/3) n^(4/3)), (n_a - n_b)/n, and (tau - tau_W)/tau_unif.
        rho, sigma, tau: (2, n), (3, n), (2, n). Both spins' gradients are those of the total density in proportion to
            their share, and both have the same alpha.
        exchange: energy per volume of the unpolarised uniform gas's exchange, (n,): what enhancement factors are
            relative to.
    """

    rs: Array
    s: Array
    zeta: Array
    alpha: Array
    rho: Array
    sigma: Array
    tau: Array
    exchange: Array

    @property
    def size(self) -> int:
        """Number of points."""
        return len(self.rs)

    def named(self) -> dict[str, Array]:
        """The variables by the names that formulas use, "rho_a" and so on, (n,) each."""
        groups = {"rho": self.rho, "sigma": self.sigma, "tau": self.tau}
        return {name: row for g, names in VARIABLES[True].items() for name, row in zip(names, groups[g], strict=True)}

    def where(self, index: int, family: str) -> str:
        """One point as text."""
        text = f"rs={self.rs[index]:.3g}"
        if family != "lda":
            text += f" s={self.s[index]:.3g}"
        text += f" zeta={self.zeta[index]:.3g}"
        return text + (f" alpha={self.alpha[index]:.3g}" if family == "mgga" else "")

    def at_rs(self, rs: float | Array) -> FeaturePoints:
        """The same points at another density."""
        return _make(np.broadcast_to(np.asarray(rs, float), self.s.shape), self.s, self.zeta, self.alpha)

    def only(self, indices: NDArray[np.intp]) -> FeaturePoints:
        """Some of the points."""
        return _make(self.rs[indices], self.s[indices], self.zeta[indices], self.alpha[indices])


def feature_points(family: str, *, rs: ArrayLike, s: ArrayLike, zeta: ArrayLike, alpha: ArrayLike) -> FeaturePoints:
    """All combinations of the given values; an LDA has s = 0, and what is no meta-GGA alpha = 1."""
    axes = [np.atleast_1d(np.asarray(axis, dtype=float)) for axis in (rs, s, zeta, alpha)]
    if family == "lda":
        axes[1] = np.zeros(1)
    if family != "mgga":
        axes[3] = np.ones(1)
    return _make(*(np.ravel(a) for a in np.meshgrid(*axes, indexing="ij")))


def search_grid(family: str, size: tuple[int, int, int, int]) -> FeaturePoints:
    """The region that Pederson & Burke search (10.1063/5.0172058): rs 1e-4..5, s 0..5, zeta 0..1, alpha 0..5.

    Half of the rs values are spaced evenly, half geometrically.
    """
    n_rs, n_s, n_zeta, n_alpha = size
    half = n_rs // 2
    rs = np.union1d(np.geomspace(1e-4, 5.0, n_rs - half), np.linspace(0.0, 5.0, half + 1)[1:])
    return feature_points(
        family,
        rs=rs,
        s=np.linspace(0.0, 5.0, n_s),
        zeta=np.linspace(0.0, 1.0, n_zeta),
        alpha=np.linspace(0.0, 5.0, n_alpha),
    )


def _make(rs: Array, s: Array, zeta: Array, alpha: Array) -> FeaturePoints:
    density = 3.0 / (4.0 * np.pi * rs**3)
    gradient = 2.0 * (3.0 * np.pi**2) ** (1.0 / 3.0) * density ** (4.0 / 3.0) * s
    share = np.array([0.5 * (1.0 + zeta), 0.5 * (1.0 - zeta)])
    rho = share * density
    slope = share * gradient
    sigma = np.array([slope[0] ** 2, slope[0] * slope[1], slope[1] ** 2])
    weizsaecker = share * gradient**2 / (8.0 * density)
    tau = weizsaecker + alpha * _TAU * rho ** (5.0 / 3.0)
    exchange = -0.75 * (3.0 / np.pi) ** (1.0 / 3.0) * density ** (4.0 / 3.0)
    return FeaturePoints(rs, s, zeta, alpha, rho, sigma, tau, exchange)
