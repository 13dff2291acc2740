"""Behaviour where gradients, densities or one spin vanish: finite, continuous, and with a bounded potential."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from ..functionals.functional import EnergyDensity
from ..functionals.load import Comparison
from ..functionals.registry import get_functional
from .conditions.row import Row
from .conditions.subject import Subject

__all__ = ["limit_rows"]

Array = NDArray[np.float64]

GROUP = "limits"
_EXPONENT = -0.5
_CONTINUITY = 1e-6
_SIGMA = np.concatenate([[0.0], np.logspace(-40, -2, 39)])
"""Squared gradients relative to (rho^(4/3))^2."""
_RHO = (1e-8, 1e-4, 1e-2, 1.0, 1e2)


def limit_rows(subject: Subject) -> tuple[Row, ...]:
    """All checks of this group; margins are in the units that each row names."""
    f = subject.whole
    with np.errstate(all="ignore"):
        return (
            _finite(f, "finite at vanishing gradient", *_vanishing_gradient()),
            _potential(f),
            _finite(f, "finite at vanishing density", *_vanishing_density()),
            _finite(f, "finite with one spin absent", *_one_spin(), order=1),
            _finite(f, "second derivatives, one spin absent", *_one_spin()),
            _continuous(f),
            _finite(f, "finite where all vanishes", *_nothing(), zero=True),
        )


Inputs = tuple[Array, Array, Array]


def _vanishing_gradient() -> tuple[Inputs, Callable[[int], str]]:
    rho, relative, alpha = (a.ravel() for a in np.meshgrid(_RHO, _SIGMA, (0.0, 1.0, 3.0), indexing="ij"))
    return _equal_spins(rho, relative, alpha), lambda i: f"rho={rho[i]:g} x2={relative[i]:g} alpha={alpha[i]:g}"


def _equal_spins(rho: Array, x2: Array, alpha: Array) -> Inputs:
    """Two equal spins of density rho each, sigma = x2 rho^(8/3)."""
    sigma = x2 * rho ** (8.0 / 3.0)
    tau = sigma / (8.0 * rho) + alpha * 0.3 * (6.0 * np.pi**2) ** (2.0 / 3.0) * rho ** (5.0 / 3.0)
    return np.array([rho] * 2), np.array([sigma] * 3), np.array([tau] * 2)


def _vanishing_density() -> tuple[Inputs, Callable[[int], str]]:
    """An exponential tail, rho = exp(-2 k r): sigma = (2 k rho)^2, tau = k^2 rho/2, down to underflow."""
    exponent, k = (a.ravel() for a in np.meshgrid(np.arange(1.0, 308.0, 2.0), (0.3, 1.0, 3.0), indexing="ij"))
    rho = 10.0**-exponent
    sigma, tau = (2.0 * k * rho) ** 2, 0.5 * k**2 * rho
    inputs = (np.array([rho, 0.3 * rho]), np.array([sigma, 0.3 * sigma, 0.09 * sigma]), np.array([tau, 0.3 * tau]))
    return inputs, lambda i: f"tail rho_a=1e-{exponent[i]:g} kappa={k[i]:g}"


def _one_spin() -> tuple[Inputs, Callable[[int], str]]:
    rho, s, alpha = (a.ravel() for a in np.meshgrid(_RHO, (0.0, 0.3, 1.0, 5.0), (0.0, 0.5, 1.0, 3.0), indexing="ij"))
    x2 = 4.0 * (6.0 * np.pi**2) ** (2.0 / 3.0) * s**2
    keep = np.array([[1.0], [0.0]])
    density, sigma, tau = _equal_spins(rho, x2, alpha)
    inputs = (keep * density, np.array([[1.0], [0.0], [0.0]]) * sigma, keep * tau)
    return inputs, lambda i: f"rho_a={rho[i]:g} rho_b=0 s={s[i]:g} alpha={alpha[i]:g}"


def _nothing() -> tuple[Inputs, Callable[[int], str]]:
    return (np.zeros((2, 3)), np.zeros((3, 3)), np.zeros((2, 3))), lambda i: "rho=sigma=tau=0"


def _arrays(values: EnergyDensity) -> Iterator[tuple[str, Array]]:
    for field in fields(values):
        array = getattr(values, field.name)
        if array is not None:
            yield field.name, array.reshape(-1, array.shape[-1])


def _finite(
    f: Comparison, name: str, inputs: Inputs, where: Callable[[int], str], order: int = 2, zero: bool = False
) -> Row:
    """Whether the energy and its derivatives are finite (or zero) at all points."""
    values = f.energy_density(*inputs, deriv=order)
    n = inputs[0].shape[1]
    bad = np.zeros(n, dtype=bool)
    guilty: list[str] = []
    for key, rows in _arrays(values):
        wrong = (rows != 0.0) if zero and key == "exc" else ~np.isfinite(rows)
        if wrong.any():
            guilty.append(key)
            bad |= wrong.any(axis=0)
    part = float(bad.mean())
    detail = f"energy and derivatives to order {order}; {n} points"
    if guilty:
        detail = f"{', '.join(guilty)} not {'zero or finite' if zero else 'finite'} at {100 * part:.3g} % of {n} points"
    margin, place = (-part, where(int(np.argmax(bad)))) if guilty else (0.0, "")
    return Row(GROUP, name, not guilty, margin, "part of points", place, detail, part, part)


def _potential(f: Comparison) -> Row:
    """How v_sigma grows as sigma vanishes; 2 v_sigma grad rho enters the potential, so sigma^(-1/2) is the limit."""
    name = "potential bounded at vanishing gradient"
    if f.family == "lda":
        return Row(GROUP, name, None, None, "", "", "it does not depend on gradients")
    worst, place = np.inf, ""
    for rho in (1e-2, 1.0):
        for alpha in (0.5, 1.0, 3.0):
            x2 = np.array([1e-14, 1e-12, 1e-10, 1e-8])
            got = f.energy_density(*_equal_spins(np.full(4, rho), x2, np.full(4, alpha)), deriv=1).vsigma
            if got is None:
                continue
            slope = np.abs(got[0]) + 1e-300
            exponents = np.diff(np.log(slope)) / np.diff(np.log(x2))
            exponent = float(np.min(exponents)) if np.all(np.isfinite(exponents)) else -np.inf
            if exponent < worst:
                worst, place = exponent, f"rho={rho:g} alpha={alpha:g}"
    margin = worst - _EXPONENT
    detail = f"v_sigma grows like sigma^({worst:.3g}); beyond sigma^(-1/2) the potential diverges at critical points"
    return Row(GROUP, name, bool(margin > 0.0), margin, "exponent", place, detail, worst)


def _continuous(f: Comparison) -> Row:
    """The energy with hardly any minority spin against that with none."""
    inputs, where = _one_spin()
    without = f.energy_density(*inputs).exc
    share = 1e-10
    rho, sigma, tau = (array.copy() for array in inputs)
    rho[1], tau[1] = share * rho[0], share * tau[0]
    sigma[1], sigma[2] = share * sigma[0], share**2 * sigma[0]
    exchange = get_functional("lda_x").energy_density(inputs[0]).exc
    difference = np.abs((f.energy_density(rho, sigma, tau).exc - without) / exchange)
    difference = np.where(np.isfinite(difference), difference, np.inf)
    worst = int(np.argmax(difference))
    value = float(difference[worst])
    detail = f"rho_b = 0 against rho_b = {share:g} rho_a, relative to LDA exchange; {len(without)} points"
    return Row(
        GROUP,
        "continuous as one spin vanishes",
        bool(value <= _CONTINUITY),
        _CONTINUITY - value,
        "relative",
        where(worst),
        detail,
        value,
    )
