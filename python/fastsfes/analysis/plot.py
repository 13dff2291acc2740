"""Pictures of enhancement factors; matplotlib is an optional extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..common.errors import FastsfesError, InputError
from ..formula.features import CHANNELS
from .curves import Curve, EnhancementCurves, Surface

__all__ = ["plot_curves", "plot_surfaces", "write_plots"]

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


def write_plots(found: EnhancementCurves, folder: str | Path, form: str = "svg") -> list[Path]:
    """Write the curves and the surfaces as one picture each; returns their paths.

    Raises:
        InputError: the folder cannot be made.
        FastsfesError: matplotlib is not installed.
    """
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target}: this folder for pictures cannot be made: {error.strerror}") from None
    paths = []
    for name, make in (("curves", plot_curves), ("surfaces", plot_surfaces)):
        path = target / f"{found.name.replace(':', '-').replace('/', '-')}-{name}.{form}"
        make(found).savefig(path, metadata={"Date": None} if form == "svg" else None, dpi=150)
        paths.append(path)
    return paths


def plot_curves(found: EnhancementCurves) -> Any:
    """A matplotlib figure with a panel per curve."""
    figure, panels = _panels(len(found.curves), 3)
    for panel, curve in zip(panels, found.curves, strict=True):
        _draw_curve(panel, curve, found.name)
    handles, labels = panels[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5), frameon=False)
    return figure


def plot_surfaces(found: EnhancementCurves) -> Any:
    """A matplotlib figure with a panel per surface of the functional itself."""
    own = [surface for surface in found.surfaces if found.name in surface.values]
    figure, panels = _panels(len(own), 3)
    for panel, surface in zip(panels, own, strict=True):
        _draw_surface(figure, panel, surface, found.name)
    return figure


def _panels(number: int, columns: int) -> tuple[Any, list[Any]]:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise FastsfesError(
            "pictures need matplotlib, which is not installed; run: pip install 'fastsfes[plot]'"
        ) from None
    columns = min(columns, max(number, 1))
    rows = -(-number // columns)
    figure = Figure(figsize=(4.2 * columns, 3.3 * rows + 0.5), layout="constrained")
    panels = [figure.add_subplot(rows, columns, k + 1) for k in range(number)]
    return figure, panels


def _draw_curve(panel: Any, curve: Curve, name: str) -> None:
    for label, values in curve.values.items():
        own = label == name
        style = {"color": "black", "linewidth": 2.2, "zorder": 3} if own else {"linewidth": 1.2}
        panel.plot(curve.x, values, label=label, **style)
    panel.set_xlabel(_LABELS.get(curve.axis, curve.axis))
    panel.set_ylabel(_LABELS.get(curve.quantity, curve.quantity))
    panel.set_title(curve.fixed.replace("alpha", r"$\alpha$").replace("rs", "$r_s$"), fontsize="medium")
    if curve.axis == "rs":
        panel.set_xscale("log")
    panel.set_ylim(*_limits(np.concatenate(list(curve.values.values()))))
    panel.grid(alpha=0.25)


def _draw_surface(figure: Any, panel: Any, surface: Surface, name: str) -> None:
    values = surface.values[name]
    low, high = _limits(values.ravel())
    mesh = panel.pcolormesh(
        surface.x, surface.y, np.clip(values, low, high).T, shading="gouraud", cmap="viridis", rasterized=True
    )
    if high > low:
        lines = panel.contour(surface.x, surface.y, values.T, levels=np.linspace(low, high, 9)[1:-1], colors="white")
        panel.clabel(lines, fontsize="x-small", fmt="%.3g")
    figure.colorbar(mesh, ax=panel)
    panel.set_xlabel(_LABELS.get(surface.axes[0], surface.axes[0]))
    panel.set_ylabel(_LABELS.get(surface.axes[1], surface.axes[1]))
    panel.set_title(_LABELS.get(surface.name, surface.name), fontsize="medium")
    if surface.axes[0] == "x2":
        panel.set_xscale("log")


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
