"""Analytic derivatives against finite differences, with the density scaled over many orders of magnitude."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from ..functionals.formulas import VARIABLES, derivative_keys
from ..functionals.load import Comparison
from .conditions.points import FeaturePoints, feature_points
from .conditions.row import Row
from .conditions.subject import Subject

__all__ = ["derivative_rows"]

Array = NDArray[np.float64]

GROUP = "derivatives"
SCALES = (1e-2, 0.1, 1.0, 10.0, 100.0)
"""Factors gamma of uniform scaling: the density is multiplied by gamma^3, 1e-6 to 1e6."""

LIMITS = {1: 1e-7, 2: 1e-6}
"""Allowed error of first and second derivatives, relative to the largest of a point (in logarithmic variables)."""

_STEPS = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5)
_RULE = {-2: 1.0 / 12.0, -1: -2.0 / 3.0, 1: 2.0 / 3.0, 2: -1.0 / 12.0}
"""Central differences of fourth order: step -> weight."""

_USED = {"lda": ("rho",), "gga": ("rho", "sigma"), "mgga": ("rho", "sigma", "tau")}


def derivative_rows(subject: Subject) -> tuple[Row, ...]:
    """First derivatives against differences of the energy, second ones against differences of the first.

    Central differences of fourth order in relative steps; of several steps the one that agrees best counts, since a
    long one fails near a kink and a short one to rounding.
    """
    f = subject.whole
    points = feature_points(
        f.family, rs=[0.3, 1.0, 3.0], s=[0.1, 0.6, 1.7], zeta=[0.0, 0.4, 0.85], alpha=[0.15, 0.9, 2.2]
    )
    with np.errstate(all="ignore"):
        return (_row(f, points, 1), _row(f, points, 2))


def _row(f: Comparison, points: FeaturePoints, order: int) -> Row:
    worst, place, per_scale = -1.0, "", []
    for scale in SCALES:
        scaled = points.at_rs(points.rs / scale)
        errors = _errors(f, scaled, order)
        errors = np.where(np.isfinite(errors), errors, np.inf)
        index = int(np.argmax(errors))
        per_scale.append(f"{scale:g}: {errors[index]:.1e}")
        if errors[index] > worst:
            worst, place = float(errors[index]), f"gamma={scale:g} {scaled.where(index, f.family)}"
    limit = LIMITS[order]
    name = f"{'first' if order == 1 else 'second'} derivatives"
    detail = f"largest relative difference by gamma, density x gamma^3: {', '.join(per_scale)}"
    return Row(GROUP, name, bool(worst <= limit), limit - worst, "relative", place, detail, worst)


def _errors(f: Comparison, points: FeaturePoints, order: int) -> Array:
    """Largest error at each point, relative to the largest derivative there (logarithmic variables)."""
    inputs = points.named()
    # gradients of the two spins at an angle: no step leaves sigma_ab^2 <= sigma_aa sigma_bb
    inputs["sigma_ab"] = 0.5 * inputs["sigma_ab"]
    groups = {g: VARIABLES[True][g] for g in _USED[f.family]}
    names = [name for group in groups.values() for name in group]
    values = _evaluate(f, inputs, groups, order)
    below = {
        (name, step): {factor: _evaluate(f, _moved(inputs, name, factor * step), groups, order - 1) for factor in _RULE}
        for name in names
        for step in _STEPS
    }
    exact, errors = [], []
    for chosen in combinations_with_replacement(names, order):
        *others, last = chosen
        product = np.prod([inputs[name] for name in chosen], axis=0)
        rest = np.prod([inputs[name] for name in others], axis=0) if others else 1.0
        analytic = product * values[chosen]
        by_step = [
            rest * sum(weight * below[last, step][factor][tuple(others)] for factor, weight in _RULE.items()) / step
            for step in _STEPS
        ]
        exact.append(analytic)
        errors.append(np.abs(np.array(by_step) - analytic))
    # the energy itself counts as well: where all derivatives vanish, differences are rounding of the energy
    scale = np.maximum(np.abs(exact).max(axis=0), np.abs(values[()]))
    best: Array = (np.array(errors) / scale).min(axis=1).max(axis=0)
    return best


def _moved(inputs: dict[str, Array], name: str, step: float) -> dict[str, Array]:
    return {**inputs, name: (1.0 + step) * inputs[name]}


def _evaluate(
    f: Comparison, inputs: dict[str, Array], groups: dict[str, tuple[str, ...]], order: int
) -> dict[tuple[str, ...], Array]:
    """The energy density () and its derivatives by the names of their variables."""
    rho, sigma, tau = (np.array([inputs[name] for name in names]) for names in VARIABLES[True].values())
    values = f.energy_density(rho, sigma, tau, deriv=order)
    found: dict[tuple[str, ...], Array] = {(): values.exc}
    for key, components in derivative_keys(groups, order).items():
        rows = getattr(values, key)
        found |= dict(zip(components, np.zeros((len(components), rho.shape[1])) if rows is None else rows, strict=True))
    return found
