"""Hartree-Fock atoms in Slater functions: fixed, accurate, spherical densities for tests of radial grids.

Restricted open-shell Hartree-Fock for atoms whose s and p shells are closed or half filled, so that every density is
spherical. Slater functions have the cusp at the nucleus and the exponential tail that Gaussian functions lack; the
protocol of Lehtola & Marques (10.1063/5.0121187) uses such wave functions. Exponents are even-tempered; energies come
within a microhartree of the Hartree-Fock limit (tests/health/test_atoms.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from ..common.errors import FastsfesError, InputError

__all__ = ["ATOMS", "Atom", "RadialDensity", "hartree_fock"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Configuration:
    """Nuclear charge, doubly occupied s and p shells, half-filled s and p shells, and exponents of s and p functions.

    Exponents are (smallest, ratio, number).
    """

    charge: int
    closed: tuple[int, int]
    half: tuple[int, int]
    s: tuple[float, float, int]
    p: tuple[float, float, int]


ATOMS: dict[str, _Configuration] = {
    "Li": _Configuration(3, (1, 0), (1, 0), (0.39, 1.462, 9), (1.0, 1.5, 0)),
    "N": _Configuration(7, (2, 0), (0, 1), (0.944, 1.398, 10), (0.79, 1.402, 8)),
    "Ne": _Configuration(10, (2, 1), (0, 0), (1.441, 1.39, 10), (1.065, 1.522, 8)),
    "Na": _Configuration(11, (2, 1), (1, 0), (0.561, 1.397, 13), (1.228, 1.342, 9)),
    "P": _Configuration(15, (3, 1), (0, 1), (0.861, 1.346, 14), (0.702, 1.461, 11)),
    "Ar": _Configuration(18, (3, 2), (0, 0), (1.107, 1.339, 14), (0.943, 1.457, 11)),
}
"""The atoms of the protocol: from a smooth two-shell atom to three shells, closed and open."""


@dataclass(frozen=True)
class RadialDensity:
    """A spherical density on radial points, per spin: rho, sigma, tau as `Functional.energy_density` takes them."""

    rho: Array
    sigma: Array
    tau: Array


@dataclass(frozen=True)
class Atom:
    """A Hartree-Fock atom.

    Attributes:
        symbol: chemical symbol.
        energy: Hartree-Fock energy in hartree.
        exponents: of the s and the p functions r^l exp(-zeta r), per bohr.
        orbitals: coefficients of the occupied radial orbitals in them, [l][functions, shells], closed shells first.
        closed: number of closed shells of each l.
    """

    symbol: str
    energy: float
    exponents: tuple[Array, Array]
    orbitals: tuple[Array, Array]
    closed: tuple[int, int]

    def density(self, r: Array) -> RadialDensity:
        """Spin densities, gradient products and kinetic energy densities at distances r in bohr, (n,)."""
        rho, slope, tau = np.zeros((2, r.size)), np.zeros((2, r.size)), np.zeros((2, r.size))
        for angular, (zeta, coefficients) in enumerate(zip(self.exponents, self.orbitals, strict=True)):
            basis = np.exp(-np.outer(r, zeta))
            value = basis @ coefficients  # R(r)/r^l
            first = -(basis * zeta) @ coefficients
            # orbital R(r) Y with R = r^l f: sum over m of |phi|^2 is (2l+1)/(4 pi) R^2
            radial = r[:, None] ** angular * value
            derivative = r[:, None] ** angular * first + (value if angular else 0.0)
            centrifugal = angular * (angular + 1) * value**2  # l(l+1) R^2/r^2 for l of 0 and 1
            weight = (2 * angular + 1) / (4.0 * math.pi)
            for spin in (0, 1):
                shells = slice(None) if spin == 0 else slice(self.closed[angular])
                rho[spin] += weight * (radial[:, shells] ** 2).sum(axis=1)
                slope[spin] += weight * 2.0 * (radial * derivative)[:, shells].sum(axis=1)
                tau[spin] += weight * 0.5 * (derivative**2 + centrifugal)[:, shells].sum(axis=1)
        return RadialDensity(rho, np.array([slope[0] ** 2, slope[0] * slope[1], slope[1] ** 2]), tau)


@cache
def hartree_fock(symbol: str) -> Atom:
    """Solve one of `ATOMS`; the result is kept.

    Raises:
        InputError: another atom.
        FastsfesError: the iterations did not converge.
    """
    if symbol not in ATOMS:
        raise InputError(f'atom "{symbol}" is not among {", ".join(ATOMS)}')
    set_up = ATOMS[symbol]
    exponents: list[Array] = [
        smallest * ratio ** np.arange(n, dtype=float) for smallest, ratio, n in (set_up.s, set_up.p)
    ]
    integrals = _Integrals(exponents)
    core = [integrals.kinetic[angular] - set_up.charge * integrals.nuclear[angular] for angular in (0, 1)]
    orbitals = [np.zeros((len(z), 0)) for z in exponents]
    focks: list[list[Array]] = []
    residuals: list[Array] = []
    energy = 0.0
    fock = core
    for _ in range(200):
        orbitals = [
            eigh(fock[ell], integrals.overlap[ell])[1][:, : set_up.closed[ell] + set_up.half[ell]]
            if len(exponents[ell])
            else c
            for ell, c in enumerate(orbitals)
        ]
        matrices = [
            [c @ c.T, c[:, : set_up.closed[ell]] @ c[:, : set_up.closed[ell]].T] for ell, c in enumerate(orbitals)
        ]
        alpha, beta = ([m[spin] for m in matrices] for spin in (0, 1))
        f_alpha, f_beta, energy = integrals.spin_focks(core, alpha, beta)
        fock = [_roothaan(f_alpha[ell], f_beta[ell], alpha[ell], beta[ell], integrals.overlap[ell]) for ell in (0, 1)]
        occupied = [0.5 * (a + b) for a, b in zip(alpha, beta, strict=True)]
        residual = np.concatenate(
            [(f @ d @ s - s @ d @ f).ravel() for f, d, s in zip(fock, occupied, integrals.overlap, strict=True)]
        )
        if np.abs(residual).max() < 1e-9 * set_up.charge**2:
            radial: list[Array] = [n[:, None] * c for n, c in zip(integrals.norms, orbitals, strict=True)]
            return Atom(symbol, energy, (exponents[0], exponents[1]), (radial[0], radial[1]), set_up.closed)
        focks, residuals = [*focks, fock][-8:], [*residuals, residual][-8:]
        fock = _extrapolate(focks, residuals)
    raise FastsfesError(f"the Hartree-Fock iterations of {symbol} did not converge")


def _roothaan(f_alpha: Array, f_beta: Array, alpha: Array, beta: Array, overlap: Array) -> Array:
    """One matrix for closed, open and virtual shells (Guest & Saunders, 10.1080/00268977400102171)."""
    mean = 0.5 * (f_alpha + f_beta)
    closed, half = beta @ overlap, (alpha - beta) @ overlap
    virtual = np.eye(len(overlap)) - alpha @ overlap
    result = mean.copy()
    for left, right, block in ((closed, half, f_beta), (half, virtual, f_alpha)):
        change = left.T @ (block - mean) @ right
        result = result + change + change.T
    return result


def _extrapolate(focks: list[list[Array]], residuals: list[Array]) -> list[Array]:
    """DIIS (Pulay, 10.1002/jcc.540030413)."""
    n = len(focks)
    matrix = np.ones((n + 1, n + 1))
    matrix[n, n] = 0.0
    matrix[:n, :n] = [[a @ b for b in residuals] for a in residuals]
    scale = np.sqrt(np.maximum(np.diag(matrix)[:n], 1e-300))
    matrix[:n, :n] /= np.outer(scale, scale)
    matrix[:n, n] /= scale
    matrix[n, :n] /= scale
    weights = np.linalg.lstsq(matrix, np.append(np.zeros(n), 1.0), rcond=1e-14)[0][:n] / scale
    return [sum(w * f[ell] for w, f in zip(weights, focks, strict=True)) for ell in (0, 1)]


class _Integrals:
    """Radial integrals of functions N r^l exp(-zeta r); all shells of one l share their radial functions."""

    def __init__(self, exponents: list[Array]) -> None:
        self.sizes = [len(z) for z in exponents]
        norms = [np.sqrt((2 * z) ** (2 * ell + 3) / math.factorial(2 * ell + 2)) for ell, z in enumerate(exponents)]
        self.norms = norms
        self.overlap, self.kinetic, self.nuclear = [], [], []
        for ell, (z, n) in enumerate(zip(exponents, norms, strict=True)):
            total, both = z[:, None] + z, np.outer(n, n)
            power = 2 * ell + 2

            def moment(k: int, total: Array = total, both: Array = both) -> Array:
                """Integral of r^k exp(-total r)."""
                return both * math.factorial(k) / total ** (k + 1)

            self.overlap.append(moment(power))
            self.nuclear.append(moment(power - 1))
            # <f|T|g> by parts: (1/2) int (f' g' + l(l+1) f g/r^2) r^2; for f = r^l e^{-ar} the rest cancels to
            # (1/2) [a b <r^2l+2> - l (a + b) <r^2l+1> + l (2l + 1) <r^2l>]
            kinetic = np.multiply.outer(z, z) * moment(power) - ell * total * moment(power - 1)
            if ell:
                kinetic = kinetic + ell * (2 * ell + 1) * moment(power - 2)
            self.kinetic.append(0.5 * kinetic)
        pairs = [z[:, None] + z for z in exponents]
        cross = exponents[0][:, None] + exponents[1]
        ns, np_ = norms
        ss, pp, sp = np.outer(ns, ns), np.outer(np_, np_), np.outer(ns, np_)
        self.direct = {
            (0, 0): _slater(pairs[0], ss, 2, pairs[0], ss, 2, 0),
            (0, 1): _slater(pairs[0], ss, 2, pairs[1], pp, 4, 0),
            (1, 1): _slater(pairs[1], pp, 4, pairs[1], pp, 4, 0),
        }
        self.exchange_sp = _slater(cross, sp, 3, cross, sp, 3, 1)
        self.exchange_pp = _slater(pairs[1], pp, 4, pairs[1], pp, 4, 2)

    def spin_focks(
        self, core: list[Array], alpha: list[Array], beta: list[Array]
    ) -> tuple[list[Array], list[Array], float]:
        """Fock matrices of both spins and the energy from density matrices per l, each of one orbital per shell."""
        total = [(2 * ell + 1) * (alpha[ell] + beta[ell]) for ell in (0, 1)]
        coulomb = [
            np.einsum("ijkl,kl->ij", self.direct[0, 0], total[0])
            + np.einsum("ijkl,kl->ij", self.direct[0, 1], total[1]),
            np.einsum("klij,kl->ij", self.direct[0, 1], total[0])
            + np.einsum("ijkl,kl->ij", self.direct[1, 1], total[1]),
        ]
        energy = 0.0
        focks = []
        for density in (alpha, beta):
            # (2l'+1) times the squared 3j symbol (l k l'; 000): 1, 1 and 1/3, 1 and 2/5
            exchange = [
                np.einsum("ikjl,kl->ij", self.direct[0, 0], density[0])
                + np.einsum("ikjl,kl->ij", self.exchange_sp, density[1]),
                np.einsum("kilj,kl->ij", self.exchange_sp, density[0]) / 3.0
                + np.einsum("ikjl,kl->ij", self.direct[1, 1], density[1])
                + 0.4 * np.einsum("ikjl,kl->ij", self.exchange_pp, density[1]),
            ]
            fock = [c + j - k for c, j, k in zip(core, coulomb, exchange, strict=True)]
            energy += sum(0.5 * (2 * ell + 1) * float(np.sum(density[ell] * (core[ell] + fock[ell]))) for ell in (0, 1))
            focks.append(fock)
        return focks[0], focks[1], energy


def _slater(a: Array, norm_a: Array, p: int, b: Array, norm_b: Array, q: int, k: int) -> Array:
    """Integrals over r and r' of r^p exp(-a r) r'^q exp(-b r') min(r, r')^k / max(r, r')^(k+1), normalised.

    Indexed by the pair of a, then the pair of b.
    """
    left, right = a.reshape(*a.shape, 1, 1), b.reshape(1, 1, *b.shape)
    inner = _inside(left, p - k - 1, right, q + k) + _inside(right, q - k - 1, left, p + k)
    result: Array = norm_a.reshape(left.shape) * norm_b.reshape(right.shape) * inner
    return result


def _inside(a: Array, m: int, b: Array, n: int) -> Array:
    """Integral over r of r^m exp(-a r) times that over r' < r of r'^n exp(-b r').

    The inner one is n!/b^(n+1) exp(-b r) sum over j > n of (b r)^j/j!, a series without cancellation, which converges
    like (b/(a+b))^j; for b > a it is the whole less the sum to n.
    """
    shape = np.broadcast_shapes(a.shape, b.shape)
    a, b = np.broadcast_to(a, shape), np.broadcast_to(b, shape)
    total = a + b
    ratio = b / total

    def term(j: int) -> Array:
        """b^j/j! (m+j)!/(a+b)^(m+j+1), over m!/(a+b)^(m+1)."""
        return math.comb(m + j, j) * ratio**j

    head = sum(term(j) for j in range(n + 1))
    tail = np.zeros(shape)
    for j in range(n + 1, n + 90):
        tail = tail + term(j)
    # the sum over all j is (a+b)^(m+1)/a^(m+1)
    series = np.where(b <= a, tail, (total / a) ** (m + 1) - head)
    return math.factorial(n) / b ** (n + 1) * math.factorial(m) / total ** (m + 1) * series
