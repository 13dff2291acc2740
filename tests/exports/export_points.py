"""Densities that exported code is evaluated on, and the functionals that are exported."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.densities.chkfile import read_chkfile
from fastsfes.energies.grid import grid_blocks

#: Closed and open shells, an anion, an atom without beta electrons.
SHARED = ("43_H2O_BH76", "11_H_AE18", "29_S2-_EA13", "20_Ne_AE18")
PACKAGED = ("g2_H2O", "g2_H", "g2_S2", "g2_NH3")
"""Where the shared ones are absent."""

OUTERMOST = {False: 1.9e-9, True: 6.4e-9}
"""Density of closed shells and of a spin (electrons/bohr^3) with which the shared grids end. The packaged ones go
further out, where derivatives of a saturated factor are differences of equal numbers."""

#: A searched functional: every operator of the table, shared parts, powers of all kinds.
ODD = (
    "x = q = u(x2, g); 1 + a*tanh(w) + b*erf(0.3*w)*q + 1e-3*select(w - 0.1, q**2, cbrt(w)) + c*logistic(w)*q**(2/3)"
    " + 0.02*beta*s2/(1 + s2);"
    "css = v = min(x2, 50*exp(-w)); 0.1*log1p(v) + d*abs(w)**1.37 + max(w, 0.02)*0.2 + expm1(-w**2)*e;"
    "cos = r = 0.03*sqrt(x2); 1/(1 + r*asinh(r)) + f*log(2 + w)*u(x2, g)**3*w**(-2) - fma(w, w, 0.1)*h;"
    "c = 0.01*zeta**2*w + 0.02*rs/(1 + rs) + 1e-3*(sin(3*w) + cos(2*w)*atan(rs) + sinh(w)/cosh(zeta));"
    "one = 1e-2*pbe_c_spin(rho_a, rho_b, sigma, b, gamma) + 1e-4*pbe_c(rho, sigma, b, gamma)*fms(zeta, zeta, k)"
    " + 1e-6*fnma(zeta, 2, rs)*sigma_ab/(1 + sigma_aa + sigma_bb) ;"
    "x.g = 0.004; x.a = 0.1; x.b = -0.2; x.c = 0.05; css.d = 0.3; css.e = -0.12;"
    "cos.f = 1e-3; cos.g = 0.006; cos.h = 0.02;"
    "one.b = 0.0667; one.gamma = 0.031; one.k = 0.3;"
    "hybrid.omega = 0.25; hybrid.short_range = 0.1; hybrid.long_range = 0.9"
)
NAMES = ("lda", "pbe", "b97", "wb97m_v", "gas22", "odd")
ALL = (*NAMES, pytest.param("fs26", marks=pytest.mark.slow))
"""Those of every export; by default, what is found here is exported as text only (tests of text formats)."""


def functional(name: str) -> fs.Functional:
    return fs.load(ODD if name == "odd" else name)


def renamed(name: str) -> fs.Functional:
    """The functional under a name that no program has."""
    return replace(functional(name), name=f"my_{name}")


@dataclass(frozen=True)
class Points:
    """Grid points of one spin case, rows by libxc's components, and the grid's weights."""

    weights: np.ndarray
    rho: np.ndarray
    sigma: np.ndarray
    tau: np.ndarray
    species: np.ndarray

    @property
    def polarised(self) -> bool:
        return self.rho.ndim == 2

    def where(self, chosen: np.ndarray) -> Points:
        """Some of the points."""
        return Points(*(getattr(self, k)[..., chosen] for k in ("weights", "rho", "sigma", "tau", "species")))

    def energies(self, exc: np.ndarray) -> np.ndarray:
        """Energy of every species, hartree."""
        return np.bincount(self.species, self.weights * exc)[np.unique(self.species)]

    def check(self, f: fs.Functional, exc: np.ndarray, tolerance: float = 1e-12) -> None:
        """Energies agree to the relative tolerance, and so does every point relative to the LDA energy there."""
        exact = f.energy_density(self.rho, self.sigma, self.tau).exc
        assert np.shape(exc) == exact.shape
        assert np.all(np.abs(self.energies(exc) / self.energies(exact) - 1.0) < tolerance)
        density = self.rho.sum(axis=0) if self.polarised else self.rho
        # channels of either sign cancel in single points, not in the energy density of the uniform gas
        scale = np.maximum(np.abs(exact), 1e-2 * density ** (4 / 3))
        assert np.max(np.abs(exc - exact) / scale) < 10 * tolerance


def edges() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """rho (2, n), sigma (3, n), tau (2, n) where formulas are at the edge of their domain.

    No gradient (in either spin, in both), tau equal to von Weizsaecker's, full polarisation, one spin absent, none.
    """
    rho, sigma, tau = [], [], []
    for a, b in ((0.3, 0.3), (0.3, 0.1), (1e-4, 2e-3), (0.3, 1e-12), (0.3, 0.0), (0.0, 0.3), (0.0, 0.0)):
        for x, y in ((0.0, 0.0), (0.0, 2.0), (2.0, 0.0), (2.0, 2.0)):
            g = np.array([x * a ** (4 / 3) * (a > 0), y * b ** (4 / 3) * (b > 0)])
            for least in (1.0, 3.0):
                rho.append((a, b))
                sigma.append((g[0] ** 2, 0.5 * g[0] * g[1], g[1] ** 2))
                weizsaecker = [g[k] ** 2 / (8 * r) if r else 0.0 for k, r in enumerate((a, b))]
                uniform = [4.557799872345597 * r ** (5 / 3) for r in (a, b)]
                tau.append([w if least == 1.0 else w + 0.5 * u for w, u in zip(weizsaecker, uniform, strict=True)])
    return np.array(rho).T, np.array(sigma).T, np.array(tau).T


def _records():
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "mgcdb84" / "densities"
    if folder.is_dir():
        index = json.loads((folder / "index.json").read_text())
        return [read_chkfile(folder / index[name]) for name in SHARED]
    data = fs.Dataset.open("builtin")
    return [data.density(name) for name in PACKAGED]


def made_points() -> tuple[Points, Points]:
    """Unpolarised and polarised points of a few species on coarse grids."""
    found: dict[bool, list] = {False: [], True: []}
    for number, record in enumerate(_records()):
        for block in grid_blocks(record, "level 0"):
            found[block.polarised].append((number, block))
    made = []
    for polarised in (False, True):
        blocks = found[polarised]
        arrays = [
            np.concatenate([getattr(b, k) for _, b in blocks], axis=-1) for k in ("weights", "rho", "sigma", "tau")
        ]
        made.append(Points(*arrays, np.concatenate([np.full(len(b), n) for n, b in blocks])))
    made = [p.where(np.all(np.atleast_2d((p.rho == 0.0) | (p.rho > OUTERMOST[p.polarised])), axis=0)) for p in made]
    assert all(len(p.weights) > 3000 for p in made)
    return made[0], made[1]
