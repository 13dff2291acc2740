"""Poles and jumps between the points of any grid: lines through feature space, bisected where F_xc changes most."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .conditions.exact import enhancement
from .conditions.points import feature_points
from .conditions.row import Row
from .conditions.subject import Subject

__all__ = ["continuity_row"]

Array = NDArray[np.float64]

GROUP = "limits"
POINTS = 2001
"""Points along each line before bisection."""

INTERVALS = 8
"""Intervals of every line that are bisected: those in which the factor changes most."""

BISECTIONS = 36
"""After these an interval is 1e-13 wide; a smooth factor changes by no more than rounding there."""

LIMIT = 1e-3
"""Change of F_xc left over that counts as a jump or a pole."""

_RANGE = (1e-3, 10.0)
"""Of s and alpha. At s = alpha = 0 some functionals (TPSS) have different limits from different sides."""


def continuity_row(subject: Subject) -> Row:
    """Lines along s and alpha at two densities and two polarisations."""
    family = subject.family
    name = "no poles or jumps between points"
    if family == "lda":
        return Row(GROUP, name, None, None, "", "", "it depends on the density alone")
    worst, place, lines = 0.0, "", 0
    for rs in (0.5, 3.0):
        for zeta in (0.0, 0.6):
            fixed_alpha = (0.0, 0.3, 1.0, 1.5, 3.0) if family == "mgga" else (1.0,)
            for axis, other, values in (("s", "alpha", fixed_alpha), ("alpha", "s", (0.1, 0.5, 1.0, 3.0))):
                if axis == "alpha" and family != "mgga":
                    continue
                for value in values:
                    lines += 1
                    change, where = _largest_jump(partial(_factor, subject, rs, zeta, axis, value))
                    if not change <= worst:
                        worst, place = change, f"{axis}={where:.6g} rs={rs:g} zeta={zeta:g} {other}={value:g}"
    margin = LIMIT - worst
    detail = f"change of F_xc that is left in an interval of 1e-13 on {lines} lines along s and alpha"
    return Row(GROUP, name, bool(worst <= LIMIT), margin, "", place, detail, worst)


def _factor(subject: Subject, rs: float, zeta: float, axis: str, fixed: float, x: Array) -> Array:
    """F_xc where the axis, "s" or "alpha", has the values x and the other of the two is fixed."""
    s, alpha = (x.ravel(), fixed) if axis == "s" else (fixed, x.ravel())
    points = feature_points("mgga", rs=rs, s=s, zeta=zeta, alpha=alpha)
    return enhancement((subject.whole,), points, order=0).value.reshape(x.shape)


def _largest_jump(factor: Callable[[Array], Array]) -> tuple[float, float]:
    """The largest change that bisection does not shrink, and where; infinite where the factor is not a number."""
    x = np.linspace(*_RANGE, POINTS)
    y = factor(x)
    if not np.all(np.isfinite(y)):
        return np.inf, float(x[np.argmax(~np.isfinite(y))])
    chosen = np.argsort(-np.abs(np.diff(y)))[:INTERVALS]
    left, right, low, high = x[chosen], x[chosen + 1], y[chosen], y[chosen + 1]
    for _ in range(BISECTIONS):
        middle = 0.5 * (left + right)
        value = factor(middle)
        go_left = ~(np.abs(value - low) < np.abs(high - value))
        right, high = np.where(go_left, middle, right), np.where(go_left, value, high)
        left, low = np.where(go_left, left, middle), np.where(go_left, low, value)
    change = np.abs(high - low)
    change = np.where(np.isfinite(change), change, np.inf)
    worst = int(np.argmax(change))
    return float(change[worst]), float(left[worst])
