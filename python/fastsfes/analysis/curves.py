"""Enhancement factors along lines and over planes of their features, beside those of other functionals: plain arrays.

F = e/(n eps_x^unif(n)) of exchange, correlation and both. Exact exchange counts as it is in the uniform gas, and VV10
is left out, as in `fastsfes.health.conditions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.files import plain
from ..common.notebook import axes
from ..energies.quadrature.nodes import derived_features
from ..formula.features import CHANNELS
from ..functionals.functional import Functional
from ..functionals.load import Comparison
from ..functionals.names import display_name
from ..health.conditions import Evaluable, FeaturePoints, Subject, as_subjects, enhancement, feature_points

__all__ = ["BESIDE", "Curve", "EnhancementCurves", "Surface", "enhancement_curves"]

FloatArray = npt.NDArray[np.float64]

BESIDE = ("pbe", "wb97m_v", "gas22", "libxc:scan")
"""The functionals that are shown beside, unless others are asked for."""

RS, S, ALPHA = 2.0, 0.5, 1.0
"""Values of the features that a curve holds fixed: a valence density."""

_LABELS = {
    "s": "reduced gradient $s$",
    "alpha": r"$\alpha$",
    "rs": r"$r_s$ (bohr)",
    "x2": "$x^2$",
    "w": "$w$",
    "F_x": r"$F_\mathrm{x}$",
    "F_c": r"$F_\mathrm{c}$",
    "F_xc": r"$F_\mathrm{xc}$",
    **{f"f_{kind}": rf"channel {kind}: $f_\mathrm{{{kind}}}$" for kind in CHANNELS},
}
"""Features and quantities in pictures."""


@dataclass(frozen=True)
class Curve:
    """Factors of several functionals along a line.

    Attributes:
        quantity: "F_x", "F_c" or "F_xc".
        axis: name of the feature that varies.
        fixed: the other features, as text.
        x: values of the feature, (n,).
        values: functional -> factor, (n,); functionals without this part are not there.
    """

    quantity: str
    axis: str
    fixed: str
    x: FloatArray
    values: Mapping[str, FloatArray]

    def __repr__(self) -> str:
        return f"Curve({self.quantity} along {self.axis}, {self.fixed}: {', '.join(self.values)}; {len(self.x)} points)"

    def plot(self, ax: Any = None, own: str = "") -> Any:
        """Draw the curve on `ax` or on new axes of matplotlib, `own` as the functional in question; returns them."""
        target = axes(ax)
        for label, values in self.values.items():
            style = {"color": "black", "linewidth": 2.2, "zorder": 3} if label == own else {"linewidth": 1.2}
            target.plot(self.x, values, label=display_name(label), **style)
        target.set_xlabel(_LABELS.get(self.axis, self.axis))
        target.set_ylabel(_LABELS.get(self.quantity, self.quantity))
        target.set_title(self.fixed.replace("alpha", r"$\alpha$").replace("rs", "$r_s$"), fontsize="medium")
        if self.axis == "rs":
            target.set_xscale("log")
        target.set_ylim(*_limits(np.concatenate(list(self.values.values()))))
        target.grid(alpha=0.25)
        if ax is None:
            target.legend(frameon=False, fontsize="small")
        return target

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; what is not finite becomes None."""
        data = {
            "quantity": self.quantity,
            "axis": self.axis,
            "fixed": self.fixed,
            "x": self.x.tolist(),
            "values": {name: v.tolist() for name, v in self.values.items()},
        }
        return dict(plain(data))


@dataclass(frozen=True)
class Surface:
    """A factor over a plane.

    Attributes:
        name: what it is the factor of: "F_x", "F_xc", or a channel such as "f_css".
        axes: names of the two features.
        x, y: their values, (n,) and (m,).
        values: functional -> (n, m).
    """

    name: str
    axes: tuple[str, str]
    x: FloatArray
    y: FloatArray
    values: Mapping[str, FloatArray]

    def __repr__(self) -> str:
        size = f"{len(self.x)} x {len(self.y)} points"
        return f"Surface({self.name} over {self.axes[0]}, {self.axes[1]}: {', '.join(self.values)}; {size})"

    def plot(self, ax: Any = None, own: str = "") -> Any:
        """Draw the factor of a functional, by default the first, on `ax` or on new axes of matplotlib; returns them."""
        target = axes(ax)
        values = self.values[own or next(iter(self.values))]
        low, high = _limits(values.ravel())
        mesh = target.pcolormesh(
            self.x, self.y, np.clip(values, low, high).T, shading="gouraud", cmap="viridis", rasterized=True
        )
        if high > low:
            lines = target.contour(self.x, self.y, values.T, levels=np.linspace(low, high, 9)[1:-1], colors="white")
            target.clabel(lines, fontsize="x-small", fmt="%.3g")
        target.figure.colorbar(mesh, ax=target)
        target.set_xlabel(_LABELS.get(self.axes[0], self.axes[0]))
        target.set_ylabel(_LABELS.get(self.axes[1], self.axes[1]))
        target.set_title(_LABELS.get(self.name, self.name), fontsize="medium")
        if self.axes[0] == "x2":
            target.set_xscale("log")
        return target

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; what is not finite becomes None."""
        data = {
            "name": self.name,
            "axes": self.axes,
            "x": self.x.tolist(),
            "y": self.y.tolist(),
            "values": {name: v.tolist() for name, v in self.values.items()},
        }
        return dict(plain(data))


@dataclass(frozen=True)
class EnhancementCurves:
    """Curves and surfaces of a functional and of others beside it."""

    name: str
    beside: tuple[str, ...]
    curves: tuple[Curve, ...]
    surfaces: tuple[Surface, ...]

    def __repr__(self) -> str:
        return f"EnhancementCurves({self.name!r}: {len(self.curves)} curves, {len(self.surfaces)} surfaces)"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "name": self.name,
            "beside": list(self.beside),
            "curves": [c.to_dict() for c in self.curves],
            "surfaces": [s.to_dict() for s in self.surfaces],
        }


def enhancement_curves(
    functional: Comparison | str, beside: Sequence[Comparison | str] = BESIDE, *, points: int = 101
) -> EnhancementCurves:
    """Factors along s, alpha and rs, and over the planes (s, alpha); of ours also every channel over (x2, w).

    Args:
        functional: ours or one of libxc.
        beside: others for comparison.
        points: values along a line; surfaces have about half as many along each axis.
    """
    subjects = as_subjects((functional, *beside))
    s, alpha = np.linspace(0.0, 5.0, points), np.linspace(0.0, 5.0, points)
    rs = np.geomspace(0.01, 20.0, points)
    curves = [
        _curve(subjects, "F_x", "s", s, {"rs": RS, "alpha": ALPHA}),
        _curve(subjects, "F_x", "alpha", alpha, {"rs": RS, "s": S}),
        _curve(subjects, "F_c", "s", s, {"rs": RS, "alpha": ALPHA}),
        _curve(subjects, "F_c", "alpha", alpha, {"rs": RS, "s": S}),
        _curve(subjects, "F_c", "rs", rs, {"s": S, "alpha": ALPHA}),
        *(_curve(subjects, "F_xc", "s", s, {"rs": r, "alpha": ALPHA}) for r in (0.5, 2.0, 10.0)),
    ]
    first = next(iter(subjects.values()))
    coarse = (points + 1) // 2
    axis = np.linspace(0.0, 5.0, coarse)
    surfaces = [_surface(subjects, quantity, axis) for quantity in ("F_x", "F_xc")]
    if isinstance(first.whole, Functional):
        surfaces += _channels(first.whole, coarse)
    names = list(subjects)
    return EnhancementCurves(
        names[0], tuple(names[1:]), tuple(c for c in curves if c.values), tuple(f for f in surfaces if f.values)
    )


def _parts(subject: Subject, quantity: str) -> tuple[Evaluable, ...]:
    exact = subject.exact_exchange_in_gas()
    if quantity == "F_xc":
        return ((*subject.exchange, *subject.correlation) if subject.separable else (subject.whole,)) + exact
    if quantity == "F_x":
        return (*subject.exchange, *exact) if subject.exchange else ()
    return subject.correlation


def _at(subject: Subject, quantity: str, **features: npt.ArrayLike) -> FloatArray | None:
    """The factor at zeta = 0 and all combinations of the features; None when the functional has no such part.

    What a functional does not depend on is varied all the same, so that every curve has the same points.
    """
    parts = _parts(subject, quantity)
    if not parts:
        return None
    points: FeaturePoints = feature_points("mgga", zeta=0.0, **features)
    return enhancement(parts, points, order=0).value


def _curve(
    subjects: Mapping[str, Subject], quantity: str, axis: str, x: FloatArray, fixed: Mapping[str, float]
) -> Curve:
    found = {name: _at(subject, quantity, **{axis: x}, **fixed) for name, subject in subjects.items()}
    text = ", ".join(f"{k} = {v:g}" for k, v in fixed.items())
    return Curve(quantity, axis, text, x, {n: v for n, v in found.items() if v is not None})


def _surface(subjects: Mapping[str, Subject], quantity: str, axis: FloatArray) -> Surface:
    found = {name: _at(subject, quantity, rs=RS, s=axis, alpha=axis) for name, subject in subjects.items()}
    values = {n: v.reshape(len(axis), len(axis)) for n, v in found.items() if v is not None}
    return Surface(quantity, ("s", "alpha"), axis, axis, values)


def _channels(functional: Functional, points: int) -> list[Surface]:
    """The factor of every channel over x2 and w, where it depends on no more than those."""
    x2 = np.geomspace(1e-2, 1e4, points)
    w = np.linspace(-1.0, 1.0, points)
    grid = {"x2": np.repeat(x2, points), "w": np.tile(w, points)}
    surfaces = []
    for kind, channel in functional.channels.items():
        known = derived_features(kind, grid)
        if not set(channel.expression.features) <= set(known):
            continue
        values = channel.evaluate({name: known[name] for name in channel.expression.features} or grid)
        values = np.broadcast_to(values, (points * points,)).reshape(points, points)
        surfaces.append(Surface(f"f_{kind}", ("x2", "w"), x2, w, {functional.name: values}))
    return surfaces


def _limits(values: Any) -> tuple[float, float]:
    """What to show: all of it, unless a functional runs away; then the middle with some room."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return -1.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    inner = np.percentile(finite, [10.0, 90.0])
    room = 1.5 * max(float(inner[1] - inner[0]), 0.05)
    low, high = max(low, float(inner[0]) - room), min(high, float(inner[1]) + room)
    margin = 0.04 * max(high - low, 1e-3)
    return low - margin, high + margin
