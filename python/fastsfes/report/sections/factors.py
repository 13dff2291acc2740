"""The section of enhancement factors: slices beside known functionals, and the winner's surface."""

from __future__ import annotations

import math
from typing import Any

from ...functionals.names import display_name
from ..draw.axis import Axis, number
from ..draw.chart import Chart, colour_bar, figure, legend, sample
from ..html import Content, Markup, tag
from .parts import CHANNEL_NAMES, details, grid, missing, section, series

__all__ = ["factors_section"]

_SLICES = {-0.5: "τ three times the uniform gas's", 0.0: "τ of the uniform gas", 0.5: "τ a third of the uniform gas's"}
_HOVER = 10


def factors_section(data: dict[str, Any]) -> Markup:
    """One block per channel."""
    blocks: list[Content] = []
    for kind, item in data["factors"].items():
        blocks.append(tag("h3", CHANNEL_NAMES[kind]))
        if "problem" in item:
            blocks.append(missing(item["problem"]))
            continue
        low, high = _range(item)
        slices = [_slice(item, k, low, high) for k in range(len(item["w"]))]
        blocks.append(grid(*slices, _surface(item, CHANNEL_NAMES[kind])))
    curves = data["curves"]["curves"]
    blocks += [
        tag("h3", "The whole functional"),
        grid(*(_curve(c) for c in curves[:4])),
        details("More lines", grid(*(_curve(c) for c in curves[4:]))),
        tag(
            "p",
            "F is the energy per volume over that of exchange in the uniform gas, unpolarised. Exact exchange counts "
            "as in the uniform gas, VV10 is left out. Other features: in the titles.",
            class_="note",
        ),
    ]
    return section(
        "factors",
        "Enhancement factors",
        *blocks,
        lead="Each factor against the reduced gradient s at three values of w, beside known functionals' factors of "
        "the same channel, and as a surface over both.",
    )


def _range(item: dict[str, Any]) -> tuple[float, float]:
    """What the winner needs and half as much again; others are cut off where they leave it."""
    winner, *others = item["curves"].values()
    own = [v for row in winner for v in row if v is not None]
    return _window(own, [v for curves in others for row in curves for v in row if v is not None])


def _window(own: list[float], others: list[float]) -> tuple[float, float]:
    low, high = (min(own), max(own)) if own else (0.0, 1.0)
    room = max(0.5 * (high - low), 0.25)
    return max(low - room, min([low, *others])), min(high + room, max([high, *others]))


def _slice(item: dict[str, Any], k: int, low: float, high: float) -> Markup:
    """The factor of one channel at one value of w."""
    w, s = item["w"][k], item["s"]
    curves = {name: rows[k] for name, rows in item["curves"].items()}
    axes = Axis("s", s[0], s[-1]), Axis.over("factor", [low, high])
    return _lines(f"w = {number(w)}: {_SLICES.get(w, '')}", *axes, s, curves)


_QUANTITIES = {"F_x": "Exchange", "F_c": "Correlation", "F_xc": "Exchange and correlation"}
_GREEK = {"alpha": "α", "rs": "rₛ"}


def _curve(curve: dict[str, Any]) -> Markup:
    """F of the whole functional along one feature."""
    fixed = curve["fixed"].replace("alpha", "α").replace("rs", "rₛ")
    x, curves = curve["x"], curve["values"]
    own, *others = ([v for v in values if v is not None] for values in curves.values())
    low, high = _window(own, [v for values in others for v in values])
    axis = Axis(_GREEK.get(curve["axis"], curve["axis"]), x[0], x[-1], log=curve["axis"] == "rs")
    return _lines(f"{_QUANTITIES[curve['quantity']]}, {fixed}", axis, Axis.over("F", [low, high]), x, curves)


def _lines(title: str, x: Axis, y: Axis, xs: list[float], curves: dict[str, list[float | None]]) -> Markup:
    """Lines of several functionals, the winner first and strong; every few points of it tell its values."""
    chart = Chart(x, y, f"{title}: {y.label} against {x.label} of {', '.join(curves)}", height=300.0)
    marks: list[tuple[Markup, Content]] = []
    for position, (name, values) in reversed(list(enumerate(curves.items()))):
        label, kind = display_name(name), series(name, position)
        ys = [math.nan if v is None else v for v in values]
        chart.line(xs, ys, kind, title=label, strong=position == 0)
        if position == 0:  # the others tell their names
            some = list(zip(xs, ys, strict=True))[::_HOVER]
            titles = [f"{label}: {x.label} = {number(a, 3)}, {y.label} {number(b)}" for a, b in some]
            chart.points([a for a, _ in some], [b for _, b in some], kind, titles=titles, hidden=True)
        marks.insert(0, (sample(kind, strong=position == 0), label))
    return figure(title, chart.svg(), legend=legend(marks))


def _surface(item: dict[str, Any], name: str) -> Markup:
    surface = item["surface"]
    values = [[math.nan if v is None else v for v in row] for row in surface["values"]]
    excess = [[v - 1.0 for v in row] for row in values]
    sizes = sorted(abs(v) for row in excess for v in row if math.isfinite(v))
    # one steep corner must not make the rest pale
    largest = max(sizes[int(0.98 * (len(sizes) - 1))], 1e-6) if sizes else 1.0
    chart = Chart(
        Axis("s", surface["s"][0], surface["s"][-1]),
        Axis("w", surface["w"][0], surface["w"][-1]),
        f"Heat map of the {name.lower()} factor minus one over s and w",
        height=300.0,
    )
    chart.cells(surface["s"], surface["w"], excess, largest, titles=8, shift=1.0)
    molecules = item["molecules"]
    if molecules:
        most = molecules[0][2]
        for size, (above, below) in ((2.6, (0.25, 2.0)), (1.7, (0.05, 0.25)), (0.9, (0.0, 0.05))):
            chosen = [m for m in molecules if above <= m[2] / most < below]
            chart.points([m[0] for m in chosen], [m[1] for m in chosen], 7, size=size)
    caption: list[Content] = [
        colour_bar(number(1.0 - largest, 3), "no colour: 1, the uniform gas", number(1.0 + largest, 3))
    ]
    if molecules:
        caption.append("Dots: where 99 % of the molecules' energy of this channel lies, larger for more.")
    return figure("Surface of the winner's factor", chart.svg(), caption=caption)
