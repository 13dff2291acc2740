"""Pictures of enhancement factors; matplotlib is an optional extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..common.errors import FastsfesError, InputError
from .curves import EnhancementCurves

__all__ = ["plot_curves", "plot_surfaces", "write_plots"]


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
        curve.plot(panel, own=found.name)
    handles, labels = panels[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5), frameon=False)
    return figure


def plot_surfaces(found: EnhancementCurves) -> Any:
    """A matplotlib figure with a panel per surface of the functional itself."""
    own = [surface for surface in found.surfaces if found.name in surface.values]
    figure, panels = _panels(len(own), 3)
    for panel, surface in zip(panels, own, strict=True):
        surface.plot(panel, own=found.name)
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
