"""The section of enhancement factors: slices beside known functionals, and the winner's surface."""

from __future__ import annotations

import math
from typing import Any

from ..draw.axis import Axis, number
from ..draw.chart import Chart, colour_bar, figure, legend, sample
from ..html import Content, Markup, tag
from .parts import CHANNEL_NAMES, grid, missing, section

__all__ = ["factors_section"]

_SHOWN = {
    "wb97m_v": "ωB97M-V",
    "gas22": "GAS22",
    "b97_x": "B97",
    "b97": "B97",
    "pbe_x": "PBE",
    "b88_x": "B88",
}
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
    low, high = (min(own), max(own)) if own else (0.0, 1.0)
    room = max(0.5 * (high - low), 0.25)
    rest = [v for curves in others for row in curves for v in row if v is not None]
    return (
        max(low - room, min([low, *rest])) if rest else low - room,
        min(high + room, max([high, *rest])) if rest else high + room,
    )


def _slice(item: dict[str, Any], k: int, low: float, high: float) -> Markup:
    w = item["w"][k]
    s = item["s"]
    chart = Chart(
        Axis("s", s[0], s[-1]),
        Axis.over("factor", [low, high]),
        f"Enhancement factors at w = {w:g} against s from {s[0]:g} to {s[-1]:g}: {', '.join(item['curves'])}",
        height=300.0,
    )
    marks: list[tuple[Markup, Content]] = []
    for series, (name, rows) in reversed(list(enumerate(item["curves"].items()))):
        shown = _SHOWN.get(name, name) if series else name
        values = [math.nan if v is None else v for v in rows[k]]
        chart.line(s, values, series, title=shown, strong=series == 0)
        chart.points(
            s[::_HOVER],
            values[::_HOVER],
            series,
            titles=[
                f"{shown}: s = {number(a, 3)}, factor {number(b)}"
                for a, b in zip(s[::_HOVER], values[::_HOVER], strict=True)
            ],
            hidden=True,
        )
        marks.insert(0, (sample(series, strong=series == 0), shown))
    return figure(f"w = {number(w)}: {_SLICES.get(w, '')}", chart.svg(), legend=legend(marks))


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
    chart.cells(surface["s"], surface["w"], excess, largest, 4, shift=1.0)
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
