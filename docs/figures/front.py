"""Draw the front of a run with the formulas of some members: ``python docs/figures/front.py RUN OUTPUT.svg 2 6 21``.

docs/_static/front.svg is that of ``fastsfes search`` without arguments.
"""

from __future__ import annotations

import sys

import matplotlib as mpl
import matplotlib.pyplot as plt

import fastsfes as fs

COLOURS = {"front": "#3b6ea5", "pick": "#c8553d", "known": "#6b7280"}
KNOWN = {"wB97M-V": "bottom", "GAS22": "top"}
"""Rows of the final table that are drawn as lines, and which side of the line their text touches."""


def draw(run: fs.Run, labelled: list[int], output: str) -> None:
    """Cross-validation error against complexity; members without faults alone."""
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "fastsfes", "font.family": "sans-serif"})
    members = [m for m in run.members if not m["faults"]]
    figure, axes = plt.subplots(figsize=(9.2, 4.6), layout="constrained")
    axes.plot(
        [m["complexity"] for m in members], [m["cross_validation"] for m in members],
        "o-", color=COLOURS["front"], markersize=5, linewidth=1,
    )  # fmt: skip
    for place, index in zip((0.97, 0.73, 0.49), labelled, strict=True):
        member = next(m for m in members if m["index"] == index)
        colour = COLOURS["pick" if member["picked"] else "front"]
        at = (member["complexity"], member["cross_validation"])
        axes.plot(*at, "o", color=colour, markersize=9)
        text = "\n".join(f"f_{k} = {c.expression}" for k, c in run.functional(index).channels.items())
        head = f"{member['parameters']} parameters{', the pick' if member['picked'] else ''}"
        axes.annotate(
            f"{head}\n{text}", at, xytext=(0.42, place), textcoords="axes fraction", va="top", fontsize=9.5,
            family="monospace", color=colour,
            arrowprops={"arrowstyle": "-", "color": colour, "alpha": 0.5, "relpos": (0.0, 0.5)},
        )  # fmt: skip
    for row in run.summary["report"]["rows"]:
        if row["name"] in KNOWN:
            error = row["terms"]["cross_validation"]
            axes.axhline(error, color=COLOURS["known"], linestyle=":", linewidth=1)
            axes.annotate(
                f"{row['name']}, {row['parameters']} parameters", (0.01, error), xycoords=("axes fraction", "data"),
                va=KNOWN[row["name"]], fontsize=8.5, color=COLOURS["known"],
            )  # fmt: skip
    axes.set_yscale("log")
    axes.set_yticks([4, 5, 6, 8, 10, 14], ["4", "5", "6", "8", "10", "14"])
    axes.minorticks_off()
    axes.set_xlabel("complexity: nodes of the formulas")
    axes.set_ylabel("cross-validation error, kcal/mol")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(output, metadata={"Date": None}, facecolor="white")


if __name__ == "__main__":
    draw(fs.Run(sys.argv[1]), [int(index) for index in sys.argv[3:]], sys.argv[2])
