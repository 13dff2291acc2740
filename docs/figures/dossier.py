"""Draw the factors of a functional beside wB97M-V's: ``python docs/figures/dossier.py FUNCTIONAL OUTPUT.svg``."""

from __future__ import annotations

import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

import fastsfes as fs

GRADIENTS = {0.0: "#1b4f72", 1.0: "#2e86c1", 3.0: "#e67e22"}
"""Reduced gradients s = x/(2 (6 pi^2)^(1/3)) of the curves."""
TITLES = {"x": "exchange", "css": "correlation, same spin", "cos": "correlation, opposite spins"}


def draw(own: fs.Functional, other: fs.Functional, output: str) -> None:
    """One panel per factor, against w; `other` dashed."""
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "fastsfes", "font.family": "sans-serif"})
    figure, panels = plt.subplots(1, 3, figsize=(9.6, 3.4), layout="constrained")
    w = np.linspace(-1.0, 1.0, 201)
    for (kind, title), panel in zip(TITLES.items(), panels, strict=True):
        for s, colour in GRADIENTS.items():
            x2 = np.full_like(w, (2.0 * (6.0 * np.pi**2) ** (1 / 3) * s) ** 2)
            for functional, style in ((own, "-"), (other, "--")):
                channel = functional.channels[kind]
                panel.plot(
                    w, np.broadcast_to(channel.evaluate({"x2": x2, "w": w}), w.shape), style, color=colour,
                    linewidth=1.6 if style == "-" else 1.0, label=f"s = {s:g}" if style == "-" else None,
                )  # fmt: skip
        panel.set_title(title, fontsize="medium")
        panel.set_xlabel("w")
        panel.set_xlim(-1.0, 1.0)
        panel.grid(alpha=0.25)
    panels[0].legend(frameon=False)
    figure.savefig(output, metadata={"Date": None})


def main() -> None:
    """Run the script."""
    draw(fs.load(sys.argv[1]), fs.load("wb97m_v"), sys.argv[2])


if __name__ == "__main__":
    main()
