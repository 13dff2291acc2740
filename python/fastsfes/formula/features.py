"""Channels: what an enhancement factor multiplies and which features it may use.

A functional is a sum of channels, each the integral of a prefactor times an expression of features. Prefactors and
features are formulas of the spin densities, written here once, in fastsfes' own syntax; the energy density of a whole
functional, its derivatives and the features on a grid are all made from this table.

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
from .expression import Expression

__all__ = [
    "CHANNELS",
    "DENSITY_THRESHOLD",
    "ChannelKind",
    "ChannelTerm",
    "channel_features",
    "channel_terms",
]

DENSITY_THRESHOLD = 1e-20
"""Spin densities below this (electrons/bohr^3) count as zero: their channels contribute exactly nothing."""

CORRELATION = ("pw92_mod", "pw92")
"""Versions of the constants in the PW92 prefactors: libxc's B97 has those of 1992, wB97M-V and PBE the modified."""

ABSENT = 0.25 * DENSITY_THRESHOLD
"""What stands for the density of a spin that is absent, with |grad rho| = tau = rho: a shape as wide as one bohr. Both
spins' together are below the threshold."""

SIGMA_FLOOR = 1e-40
"""Smallest squared gradient that reaches a formula: keeps derivatives with respect to sigma finite at zero gradient."""

TAU_FLOOR = 1e-40
"""Smallest kinetic energy density that reaches a formula."""

# t_s = (3/10)(6 pi^2)^(2/3) rho_s^(5/3) / tau_s
_TAU_UEG = "4.5577998723455971"
_K_F = "3.897777089720754"  # (6 pi^2)^(1/3)


def _spin(s: str) -> dict[str, str]:
    t_num = f"{_TAU_UEG}*rho_{s}**(5/3)"
    return {
        "rho": f"rho_{s}",
        "sigma": f"sigma_{s}{s}",
        "tau": f"tau_{s}",
        "x2": f"sigma_{s}{s}/rho_{s}**(8/3)",
        "x": f"sqrt(sigma_{s}{s})/rho_{s}**(4/3)",
        "s2": f"0.016455307846020562*sigma_{s}{s}/rho_{s}**(8/3)",
        "t": f"{t_num}/tau_{s}",
        "w": f"({t_num} - tau_{s})/({t_num} + tau_{s})",
    }


def _pair() -> dict[str, str]:
    a, b = _spin("a"), _spin("b")
    mean = {k: f"0.5*({a[k]} + {b[k]})" for k in ("rho", "x2", "t", "s2")}
    return {**mean, "x": f"sqrt({mean['x2']})", "w": f"t_ab = {mean['t']}; (t_ab - 1)/(t_ab + 1)"}


_RAW = ("rho_a", "rho_b", "sigma_aa", "sigma_ab", "sigma_bb", "tau_a", "tau_b")
_TOTAL = {
    **{name: name for name in _RAW},
    "rho": "rho_a + rho_b",
    "sigma": "sigma_aa + 2*sigma_ab + sigma_bb",
    "tau": "tau_a + tau_b",
    "zeta": "(rho_a - rho_b)/(rho_a + rho_b)",
    "rs": "0.6203504908994001/cbrt(rho_a + rho_b)",
}


@dataclass(frozen=True)
class ChannelKind:
    """A kind of term: its prefactor, its features, and where it vanishes.

    `terms` holds (prefactor, features, density that must not vanish) per integral: one for each spin, or one in all.
    """

    kind: str
    summary: str
    terms: tuple[tuple[str, Mapping[str, str], str], ...]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that an expression of this channel may use."""
        return tuple(self.terms[0][1])


CHANNELS: dict[str, ChannelKind] = {
    c.kind: c
    for c in (
        ChannelKind(
            "x",
            "exchange: LDA exchange of each spin (attenuated when omega > 0) times f(features of that spin)",
            tuple((f"lda_x(rho_{s})", _spin(s), f"rho_{s}") for s in "ab"),
        ),
        ChannelKind(
            "css",
            "same-spin correlation: PW92 of each spin alone (Stoll partition) times f(features of that spin)",
            tuple((f"pw92_ferro(rho_{s})", _spin(s), f"rho_{s}") for s in "ab"),
        ),
        ChannelKind(
            "cos",
            "opposite-spin correlation: PW92 less its same-spin parts times f(mean features of both spins)",
            (
                (
                    "pw92(rho_a, rho_b) - pw92_ferro(rho_a) - pw92_ferro(rho_b)",
                    _pair(),
                    "min(rho_a, rho_b)",
                ),
            ),
        ),
        ChannelKind(
            "c",
            "correlation: full PW92 LDA correlation times f(features)",
            (
                (
                    "pw92(rho_a, rho_b)",
                    {**_TOTAL, **{k: v for k, v in _pair().items() if k in ("x2", "w")}},
                    "rho_a + rho_b",
                ),
            ),
        ),
        ChannelKind(
            "one",
            "prefactor 1: the expression is the energy per volume itself, of rho, sigma and tau",
            (("1", _TOTAL, "rho_a + rho_b"),),
        ),
    )
}


@dataclass(frozen=True)
class ChannelTerm:
    """One integral of a channel as expressions of rho_a, rho_b, sigma_aa, sigma_ab, sigma_bb, tau_a, tau_b."""

    prefactor: Expression
    features: Mapping[str, Expression]
    density: Expression
    """The term is zero where this falls below `DENSITY_THRESHOLD`."""


def channel(kind: str) -> ChannelKind:
    """The channel of this name, or `InputError`."""
    try:
        return CHANNELS[kind]
    except KeyError:
        raise InputError(f'channel "{kind}" is unknown; the channels are {", ".join(CHANNELS)}') from None


@lru_cache(maxsize=64)
def channel_terms(kind: str, omega: float = 0.0, correlation: str = "pw92_mod") -> tuple[ChannelTerm, ...]:
    """The integrals of a channel.

    `omega` (1/bohr) attenuates the exchange prefactor (erfc short range); `correlation` names the constants of the
    correlation prefactors: "pw92_mod", or "pw92" as printed in 1992.
    """
    if correlation not in CORRELATION:
        raise InputError(f'LDA correlation "{correlation}" is unknown; expected one of {", ".join(CORRELATION)}')
    terms = []
    for prefactor, features, density in channel(kind).terms:
        if correlation == "pw92":
            prefactor = prefactor.replace("pw92", "pw92_paper")
        pre = Expression.parse(prefactor)
        if kind == "x" and omega > 0.0:
            s = density[-1]
            pre = pre * Expression.parse(f"erf_attenuation({omega!r}/({_K_F}*cbrt(rho_{s})))")
        parsed = {name: Expression.parse(text) for name, text in features.items()}
        terms.append(ChannelTerm(pre, parsed, Expression.parse(density)))
    return tuple(terms)


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
        correlation: constants of the PW92 prefactors, "pw92_mod" or "pw92".
        threads: OpenMP threads, 0 for OpenMP's own choice.

    Returns:
        One (prefactor (n,), features (len(names), n)) per integral: two (spin a, spin b) for "x" and "css", else one.
        Where the density vanishes the prefactor is exactly 0 and the features are finite.
    """
    inputs = clamp(np.asarray(rho, float), np.asarray(sigma, float), None if tau is None else np.asarray(tau, float))
    out = []
    for term in range(len(channel(kind).terms)):
        program = _feature_program(kind, tuple(names), float(omega), correlation, term)
        missing = [f for f in program.features if f not in inputs]
        if missing:
            raise InputError(f'channel "{kind}" with features {", ".join(names)} needs tau, which is not given')
        values = program.evaluate([inputs[f] for f in program.features], (), n=inputs["rho_a"].size, threads=threads)
        prefactor = np.where(values[1] < DENSITY_THRESHOLD, 0.0, values[0])
        out.append((prefactor, values[2:]))
    return out
