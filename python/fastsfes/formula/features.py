"""Channels: what an enhancement factor multiplies and which features it may use.

A functional is a sum of channels, each the integral of a prefactor times an expression of features. Prefactors
stand here, features in the feature table of the core, as formulas of the spin densities in fastsfes' own syntax. The
energy density of a whole functional, its derivatives and the features on a grid are all made from these.

Atomic units. Per spin s: rho_s, sigma_ss = |grad rho_s|^2, tau_s = 1/2 sum |grad phi|^2. The forms are those of the
B97 family (10.1063/1.475007, 10.1063/1.4952647); range separation 10.1063/1.1383587.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from ..common.errors import InputError
from .expression import COLUMNS, Expression, features

__all__ = [
    "CHANNELS",
    "DENSITY_THRESHOLD",
    "SEARCHED",
    "ChannelKind",
    "ChannelTerm",
    "channel_features",
    "channel_terms",
    "listed",
    "of_nodes",
    "pair_features",
    "spin_features",
]

DENSITY_THRESHOLD = 1e-20
"""Spin densities below this (electrons/bohr^3) count as zero: their channels contribute exactly nothing."""

SEARCHED = ("x", "css", "cos")
"""Channels whose factors are evolved or selected by energies."""

SCAN_ALPHA1 = "scan_alpha1"
_PW92 = {
    "pw92_mod": ("pw92", "pw92_ferro"),
    "pw92": ("pw92_paper", "pw92_paper_ferro"),
    SCAN_ALPHA1: ("pw92", "pw92_ferro"),
}
CORRELATION = tuple(_PW92)
"""What the correlation channels have as prefactor: PW92 with the modified constants of wB97M-V and PBE, or with those
of 1992 as in libxc's B97, or the correlation of SCAN at alpha = 1 (10.1103/PhysRevLett.115.036402), as in COACH."""

ABSENT = 0.25 * DENSITY_THRESHOLD
"""What stands for the density of a spin that is absent, with |grad rho| = tau = rho: a shape as wide as one bohr. Both
spins' together are below the threshold."""

SIGMA_FLOOR = 1e-40
"""Smallest squared gradient that reaches a formula: keeps derivatives with respect to sigma finite at zero gradient."""

TAU_FLOOR = 1e-40
"""Smallest kinetic energy density that reaches a formula."""

_K_F = "3.897777089720754"  # (6 pi^2)^(1/3)
_SPINS = ("a", "b")
_ROWS = {row["name"]: row for row in features()}


def _defined(column: str) -> tuple[str, ...]:
    return tuple(name for name, row in _ROWS.items() if row[column] is not None)


_SPIN, _PAIR, _TOTAL = _defined("spin"), _defined("pair"), _defined("total")
_OF_PAIR = ("x2", "w")
"""What the full correlation channel has of the pair: where a spin is absent, most means over both say nothing."""


@dataclass(frozen=True)
class ChannelKind:
    """A kind of term: its prefactor times an expression of its features.

    Attributes:
        kind: short name.
        summary: what it is.
        features: names of the features that an expression of this channel may use.
        per_spin: whether it is the sum of an integral for each spin, or one in all.
    """

    kind: str
    summary: str
    features: tuple[str, ...]
    per_spin: bool = False


CHANNELS: dict[str, ChannelKind] = {
    c.kind: c
    for c in (
        ChannelKind(
            "x",
            "exchange: LDA exchange of each spin (attenuated when omega > 0) times f(features of that spin)",
            _SPIN,
            per_spin=True,
        ),
        ChannelKind(
            "css",
            "same-spin correlation: PW92 of each spin alone (Stoll partition) times f(features of that spin)",
            _SPIN,
            per_spin=True,
        ),
        ChannelKind(
            "cos",
            "opposite-spin correlation: PW92 less its same-spin parts times f(mean features of both spins)",
            _PAIR,
        ),
        ChannelKind(
            "c",
            "correlation: full PW92 LDA correlation times f(features)",
            (*_TOTAL, *_OF_PAIR),
        ),
        ChannelKind(
            "one", "prefactor 1: the expression is the energy per volume itself, of rho, sigma and tau", _TOTAL
        ),
        ChannelKind("y", "no energy: a formula by itself, of features or the columns X0, X1, ...", (*_ROWS, *COLUMNS)),
    )
}


@dataclass(frozen=True)
class ChannelTerm:
    """One integral of a channel as expressions of rho_a, rho_b, sigma_aa, sigma_ab, sigma_bb, tau_a, tau_b."""

    prefactor: Expression
    features: Mapping[str, Expression]
    density: Expression
    """The term is zero where this falls below `DENSITY_THRESHOLD`."""
    of_pair: frozenset[str] = frozenset()
    """Features that are those of the pair of spins: of two equal spins they are those of one."""


def listed(names: Sequence[str]) -> str:
    """Names of features for a message, the columns in short."""
    own = [n for n in names if n not in COLUMNS]
    return ", ".join(own if len(own) == len(names) else [*own, f"{COLUMNS[0]} to {COLUMNS[-1]}"])


def channel(kind: str) -> ChannelKind:
    """The channel of this name, or `InputError`."""
    try:
        return CHANNELS[kind]
    except KeyError:
        raise InputError(f'channel "{kind}" is unknown; the channels are {", ".join(CHANNELS)}') from None


def spin_features(variables: Mapping[str, Expression], column: str = "spin") -> dict[str, Expression]:
    """The features of one spin by a column of the feature table, with expressions for the variables in it."""
    rows = {name: row[column] for name, row in _ROWS.items() if row[column] is not None}
    return {name: Expression.parse(text).substitute(variables) for name, text in rows.items()}


def of_nodes(values: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """The features given and all that follow from them as from a node's: x, s, s2, t, alpha, beta of x2 and w."""
    out = dict(values)
    for name, relation in _relations().items():
        if name not in values and set(relation.features) <= set(values):
            out[name] = relation.evaluate(values)
    return out


@lru_cache(maxsize=1)
def _relations() -> dict[str, Expression]:
    return {name: Expression.parse(row["nodes"]) for name, row in _ROWS.items() if row["nodes"] is not None}


def pair_features(a: Mapping[str, Expression], b: Mapping[str, Expression]) -> dict[str, Expression]:
    """The features of the pair of spins that have these features."""
    rows = {name: _ROWS[name]["pair"] for name in _PAIR if name in a}
    made = {name: 0.5 * (a[name] + b[name]) for name, text in rows.items() if text == "mean"}
    return made | {n: Expression.parse(text).substitute(made) for n, text in rows.items() if text != "mean"}


def _of_spin(s: str) -> dict[str, Expression]:
    names = {"rho": f"rho_{s}", "sigma": f"sigma_{s}{s}", "tau": f"tau_{s}"}
    return spin_features({name: Expression.parse(text) for name, text in names.items()})


_TOTALS = (
    "(rho_a + rho_b)",
    "(sigma_aa + 2*sigma_ab + sigma_bb)",
    "0.5*((2*rho_a/(rho_a + rho_b))**(2/3) + (2*rho_b/(rho_a + rho_b))**(2/3))",
)
_SCAN = {"gamma": 0.031091, "beta": 0.066725}
"""As published; libxc's SCAN has more digits of both."""


def _gradient_part(local: Expression, rho: str, sigma: str, phi: str) -> Expression:
    """H1 of SCAN per volume: n gamma phi^3 log(1 + w (1 - g)), w = exp(-local/(n gamma phi^3)) - 1.

    g = (1 + 4 A t^2)^(-1/4), A t^2 = beta(rs) t^2/(gamma w), t^2 = pi sigma/(16 k_F phi^2 n^2).

    Args:
        local: the energy per volume of the uniform gas.
        rho, sigma: the density and its squared gradient, of both spins together or of one alone.
        phi: spin scaling.
    """
    gamma, beta = _SCAN["gamma"], _SCAN["beta"]
    rs = f"(0.6203504908994001/cbrt({rho}))"  # (3/(4 pi))^(1/3)
    # pi/(16 (3 pi^2)^(1/3))
    t2 = f"0.0634682060977037*{sigma}/(({phi})**2*{rho}**(7/3))"
    scale = Expression.parse(f"{gamma!r}*({phi})**3")
    w = Expression.apply("expm1", -local / (Expression.parse(rho) * scale))
    a_t2 = Expression.parse(f"{beta!r}*(1 + 0.1*{rs})/(1 + 0.1778*{rs})*{t2}/{gamma!r}") / w
    shrunk = -Expression.apply("expm1", -0.25 * Expression.apply("log1p", 4.0 * a_t2))
    return Expression.parse(rho) * scale * Expression.apply("log1p", w * shrunk)


@lru_cache(maxsize=64)
def channel_terms(kind: str, omega: float = 0.0, correlation: str = "pw92_mod") -> tuple[ChannelTerm, ...]:
    """The integrals of a channel.

    `omega` (1/bohr) attenuates the exchange prefactor (erfc short range); `correlation` names the prefactor of the
    correlation channels, one of `CORRELATION`.
    """
    if correlation not in _PW92:
        raise InputError(f'correlation "{correlation}" is unknown; expected one of {", ".join(CORRELATION)}')
    if kind == "y":
        raise InputError("channel y is a formula by itself, not a part of an energy; it can only be evaluated")
    both, alone = _PW92[correlation]
    rho = {s: Expression.parse(f"rho_{s}") for s in _SPINS}
    one = {s: Expression.apply(alone, rho[s]) for s in _SPINS}
    whole = Expression.apply(both, rho["a"], rho["b"])
    if correlation == SCAN_ALPHA1:
        one = {s: one[s] + _gradient_part(one[s], f"rho_{s}", f"sigma_{s}{s}", "2**(-1/3)") for s in _SPINS}
        whole += _gradient_part(whole, *_TOTALS)
    if channel(kind).per_spin:
        prefactors = one if kind == "css" else {s: Expression.apply("lda_x", rho[s]) for s in _SPINS}
        if kind == "x" and omega > 0.0:
            for s in _SPINS:
                k_f = f"{_K_F}*cbrt(rho_{s})"
                prefactors[s] = prefactors[s] * Expression.parse(f"erf_attenuation({omega!r}/({k_f}))")
        return tuple(ChannelTerm(prefactors[s], _of_spin(s), rho[s]) for s in _SPINS)
    pair = pair_features(_of_spin("a"), _of_spin("b"))
    total = {name: Expression.parse(_ROWS[name]["total"]) for name in _TOTAL}
    density = rho["a"] + rho["b"]
    if kind == "cos":
        prefactor = whole - one["a"] - one["b"]
        return (ChannelTerm(prefactor, pair, Expression.apply("min", rho["a"], rho["b"]), frozenset(pair)),)
    if kind == "c":
        return (ChannelTerm(whole, total | {n: pair[n] for n in _OF_PAIR}, density, frozenset(_OF_PAIR)),)
    return (ChannelTerm(Expression.constant(1.0), total, density),)


def clamp(
    rho: NDArray[np.float64], sigma: NDArray[np.float64] | None, tau: NDArray[np.float64] | None
) -> dict[str, NDArray[np.float64]]:
    """Spin-resolved inputs (2, n), (3, n), (2, n) by the names that the formulas use, with floors applied."""
    named = {"rho_a": np.maximum(rho[0], ABSENT), "rho_b": np.maximum(rho[1], ABSENT)}
    absent = [r < DENSITY_THRESHOLD for r in rho]
    if sigma is not None:
        least = [np.where(gone, ABSENT**2, SIGMA_FLOOR) for gone in absent]
        named["sigma_aa"] = np.maximum(sigma[0], least[0])
        named["sigma_ab"] = np.ascontiguousarray(sigma[1])
        named["sigma_bb"] = np.maximum(sigma[2], least[1])
    if tau is not None:
        least = [np.where(gone, ABSENT, TAU_FLOOR) for gone in absent]
        named |= {"tau_a": np.maximum(tau[0], least[0]), "tau_b": np.maximum(tau[1], least[1])}
    return named


@lru_cache(maxsize=64)
def _feature_program(kind: str, names: tuple[str, ...], omega: float, correlation: str, term: int) -> _core.Program:
    t = channel_terms(kind, omega, correlation)[term]
    for name in names:
        if name not in t.features:
            raise InputError(f'feature "{name}" does not exist in channel "{kind}"; it has {", ".join(t.features)}')
    return _core.Program([t.prefactor._handle, t.density._handle, *(t.features[n]._handle for n in names)])


def channel_features(
    kind: str,
    names: Sequence[str],
    rho: ArrayLike,
    sigma: ArrayLike,
    tau: ArrayLike | None = None,
    *,
    omega: float = 0.0,
    correlation: str = "pw92_mod",
    threads: int = 0,
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Prefactor and features of a channel on grid points.

    Args:
        kind: "x", "css", "cos", "c" or "one".
        names: the features wanted, for example ("x2", "w").
        rho: (2, n) spin densities in electrons/bohr^3.
        sigma: (3, n) aa, ab, bb products of density gradients.
        tau: (2, n) kinetic energy densities, needed by t, w and tau.
        omega: range-separation parameter in 1/bohr for the exchange prefactor.
        correlation: prefactor of the correlation channels, one of `CORRELATION`.
        threads: OpenMP threads, 0 for OpenMP's own choice.

    Returns:
        One (prefactor (n,), features (len(names), n)) per integral: two (spin a, spin b) for "x" and "css", else one.
        Where the density vanishes the prefactor is exactly 0 and the features are finite.
    """
    inputs = clamp(np.asarray(rho, float), np.asarray(sigma, float), None if tau is None else np.asarray(tau, float))
    out = []
    for term in range(2 if channel(kind).per_spin else 1):
        program = _feature_program(kind, tuple(names), float(omega), correlation, term)
        missing = [f for f in program.features if f not in inputs]
        if missing:
            raise InputError(f'channel "{kind}" with features {", ".join(names)} needs tau, which is not given')
        values = program.evaluate([inputs[f] for f in program.features], (), n=inputs["rho_a"].size, threads=threads)
        prefactor = np.where(values[1] < DENSITY_THRESHOLD, 0.0, values[0])
        out.append((prefactor, values[2:]))
    return out
