"""Charts as inline SVG: axes, lines, points, bands, heat maps.

Colours are the style sheet's variables by series number, so that one page serves light and dark, screen and print; the
dash and the shape of the marker repeat what the colour says. Tooltips are `title` elements.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

from ..html import Content, Markup, tag
from .axis import Axis, number

__all__ = ["Chart", "figure", "legend", "sample"]

WIDTH, HEIGHT = 480.0, 330.0
_SHAPES = ("circle", "square", "diamond", "triangle")
_DASHES = (None, "7 3", "2 3", "9 3 2 3", "1 4")


class Chart:
    """A chart that is filled by calls and becomes markup in the end.

    Args:
        x, y: the axes.
        describe: what a reader who cannot see it is told.
        height: of the drawing; the width is 480 units and fills the column.
    """

    def __init__(self, x: Axis, y: Axis, describe: str, *, height: float = HEIGHT, ticks: int = 5) -> None:
        self.x, self.y, self.describe = x, y, describe
        self.marks_y = y.ticks(ticks)
        self.left = 36.0 + 7.4 * max((len(t) for _, t in self.marks_y), default=1)
        self.right, self.top, self.bottom = 12.0, 10.0, 46.0
        self.wide = WIDTH - self.left - self.right
        self.high = height - self.top - self.bottom
        self.height = height
        self._mapped = False
        self._under: list[Markup] = []
        self._items: list[Markup] = []

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Coordinates inside the plot area."""
        return self.x.at(x) * self.wide, (1.0 - self.y.at(y)) * self.high

    def line(
        self,
        xs: Iterable[float],
        ys: Iterable[float],
        series: int = 0,
        *,
        title: str = "",
        step: bool = False,
        strong: bool = False,
        dash: int | None = None,
    ) -> None:
        """A line through the points; it breaks where a value is not finite. `step` draws a staircase."""
        words: list[str] = []
        for run in _runs(map(self.place, xs, ys)):
            (px, py), *rest = run if step else _thinned(run)
            words.append(f"M{px:.1f} {py:.1f}")
            words += (f"H{px:.1f}V{py:.1f}" if step else f"L{px:.1f} {py:.1f}" for px, py in rest)
        dashes = _DASHES[(series if dash is None else dash) % len(_DASHES)]
        self._items.append(
            tag(
                "path",
                tag("title", title) if title else None,
                d="".join(words),
                class_=f"line s{series}{' strong' if strong else ''}",
                stroke_dasharray=dashes,
            )
        )

    def points(
        self,
        xs: Sequence[float],
        ys: Sequence[float],
        series: int = 0,
        *,
        titles: Sequence[str] | None = None,
        size: float = 3.4,
        hidden: bool = False,
        links: Sequence[str] | None = None,
    ) -> None:
        """Markers, each with its tooltip; without titles, all in one path. `hidden`: seen by the pointer only.

        With `links`, identifiers of elements of the page, a marker leads to its element; a finger can hit it.
        """
        if titles is None:
            places = [p for p in map(self.place, xs, ys) if all(map(math.isfinite, p))]
            words = _dots({(round(10 * px), round(10 * py)) for px, py in places})
            self._items.append(tag("path", d=words, class_=f"cloud s{series}", stroke_width=2 * size))
            return
        last = (math.inf, math.inf)
        for k, (x, y, title) in enumerate(zip(xs, ys, titles, strict=True)):
            px, py = self.place(x, y)
            if hidden and math.hypot(px - last[0], py - last[1]) < _APART:
                continue
            if math.isfinite(px) and math.isfinite(py):
                last = px, py
                kind = f"hit s{series}" if hidden else f"dot s{series}"
                told = tag("title", title)
                marker = _marker(series, px, py, 7.0 if hidden else size, kind, None if links else told)
                if links is not None:
                    reach = _marker(series, px, py, 11.0, f"hit s{series}")
                    marker = tag("a", told, reach, marker, href=f"#{links[k]}", aria_label=title)
                self._items.append(marker)

    def cells(
        self,
        xs: Sequence[float],
        ys: Sequence[float],
        values: Sequence[Sequence[float]],
        largest: float,
        *,
        titles: int = 0,
        shift: float = 0.0,
    ) -> None:
        """A heat map: values[j][i] belongs to the cell between xs[i], xs[i+1] and ys[j], ys[j+1], all equally large.

        Negative values have one colour, positive ones another, zero none; full strength is `largest`. With `titles`,
        every so many cells of both directions share a tooltip, which adds `shift` to the value in their middle.
        """
        self._mapped = True
        paths: dict[int, list[str]] = {}
        for j, row in enumerate(values):
            start = 0
            for level, same in itertools.groupby(_level(v, largest) for v in row):
                length = len(list(same))
                if level:
                    paths.setdefault(level, []).append(f"M{start} {j}h{length}")
                start += length
        # broad strokes in units of a cell; rows rise from the bottom
        (left, bottom), (right, top) = self.place(xs[0], ys[0]), self.place(xs[-1], ys[-1])
        wide, high = (right - left) / (len(xs) - 1), (top - bottom) / (len(ys) - 1)
        strokes = [
            tag("path", d="".join(words), class_="pos" if level > 0 else "neg", stroke_opacity=abs(level) / _LEVELS)
            for level, words in sorted(paths.items())
        ]
        place = f"translate({left:.1f} {bottom:.1f})scale({wide:.4f} {high:.4f})translate(0 .5)"
        self._under.append(tag("g", strokes, class_="cells", transform=place))
        for j in range(0, len(values) if titles else 0, titles or 1):
            for i in range(0, len(values[j]), titles):
                jj, ii = min(j + titles, len(values)), min(i + titles, len(values[j]))
                middle = values[(j + jj) // 2 if jj - j > 1 else j][(i + ii) // 2 if ii - i > 1 else i]
                text = (
                    f"{self.x.label} ≈ {number((xs[i] + xs[ii]) / 2, 3)}, {self.y.label} ≈ "
                    f"{number((ys[j] + ys[jj]) / 2, 2)}: {number(middle + shift, 4)}"
                )
                self.hit(xs[i], xs[ii], ys[j], ys[jj], text)

    def hit(self, x1: float, x2: float, y1: float, y2: float, title: str) -> None:
        """A tooltip for the pointer anywhere in a rectangle."""
        (left, bottom), (right, top) = self.place(x1, y1), self.place(x2, y2)
        self._items.append(
            tag("rect", tag("title", title), x=left, y=top, width=right - left, height=bottom - top, class_="hit")
        )

    def rule(self, *, x: float | None = None, y: float | None = None, diagonal: bool = False) -> None:
        """A thin line at a value of one axis, or where both axes have the same value."""
        if diagonal:
            low, high = max(self.x.low, self.y.low), min(self.x.high, self.y.high)
            (x1, y1), (x2, y2) = self.place(low, low), self.place(high, high)
        elif x is not None:
            x1 = x2 = self.x.at(x) * self.wide
            y1, y2 = 0.0, self.high
        else:
            assert y is not None
            y1 = y2 = (1.0 - self.y.at(y)) * self.high
            x1, x2 = 0.0, self.wide
        self._under.append(tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="rule"))

    def span(self, x1: float, x2: float, y: float) -> None:
        """A broad pale line from one value of x to another."""
        (a, b), (c, _) = self.place(x1, y), self.place(x2, y)
        self._under.append(tag("line", x1=a, y1=b, x2=c, y2=b, class_="span"))

    def note(self, x: float, y: float, text: str, *, anchor: str = "start", series: int | None = None) -> None:
        """Words beside a point."""
        px, py = self.place(x, y)
        shift = {"start": 7, "end": -7, "middle": 0}[anchor]
        lift = -9 if anchor == "middle" else 3.5
        self._items.append(
            tag(
                "text",
                text,
                x=px + shift,
                y=py + lift,
                text_anchor=anchor,
                class_="note" if series is None else f"note s{series}",
            )
        )

    def svg(self, *, tilted: bool = False) -> Markup:
        """The drawing; `tilted` turns the labels below the axis, for names."""
        across: list[str] = []
        down: list[str] = []
        words: list[Markup] = []
        for value, text in self.marks_y:
            y = self.top + (1 - self.y.at(value)) * self.high
            across.append(f"M{self.left:.1f} {y:.1f}h{self.wide:.1f}")
            words.append(tag("text", text, x=self.left - 7, y=y + 4, class_="tick end"))
        foot = self.top + self.high
        free = -math.inf
        for value, text in self.x.ticks():
            x = self.left + self.x.at(value) * self.wide
            down.append(f"M{x:.1f} {foot:.1f}v4")
            half = _LETTER * len(text) / 2
            if not tilted and x - half < free:  # on a telephone it would touch the one before
                continue
            free = x + half
            turn = f"rotate(-35 {x:.0f} {foot + 14:.0f})" if tilted else None
            y, kind = (foot + 14, "tick end") if tilted else (foot + 18, "tick")
            words.append(tag("text", text, x=x, y=y, class_=kind, transform=turn))
        grid = [
            None if self._mapped else tag("path", d="".join(across), class_="grid"),
            tag("path", d="".join(down), class_="axis"),
            *words,
        ]
        middle = self.top + self.high / 2
        labels = [
            tag("line", x1=self.left, x2=self.left + self.wide, y1=foot, y2=foot, class_="axis"),
            tag("text", self.x.label, x=self.left + self.wide / 2, y=foot + 37, text_anchor="middle", class_="label"),
            tag(
                "text",
                self.y.label,
                x=13.0,
                y=middle,
                text_anchor="middle",
                class_="label",
                transform=f"rotate(-90 13 {middle:.0f})",
            ),
        ]
        # a nested svg clips what it draws, without identifiers that would have to be unique on the page
        plot = tag("svg", self._under, x=self.left, y=self.top, width=self.wide, height=self.high)
        items = tag("svg", self._items, x=self.left, y=self.top, width=self.wide, height=self.high)
        return tag(
            "svg",
            plot,
            grid,
            labels,
            items,
            viewBox=f"0 0 {WIDTH:.0f} {self.height:.0f}",
            role="img",
            aria_label=self.describe,
            class_="chart",
        )


_LETTER = 8.6
"""Width of a letter of a tick on a telephone, in units of the drawing."""

_APART = 5.0
"""Distance between what the pointer finds along a line, in units of the drawing."""

_VISIBLE = 0.05
"""Distance from a line, in units of the drawing, below which a point of it need not be written."""


def _runs(points: Iterable[tuple[float, float]]) -> Iterator[list[tuple[float, float]]]:
    """The points in pieces without values that are not finite; what is far outside stands near the edge."""
    for finite, run in itertools.groupby(points, lambda p: math.isfinite(p[0]) and math.isfinite(p[1])):
        if finite:
            yield [(min(max(x, -1e4), 1e4), min(max(y, -1e4), 1e4)) for x, y in run]


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Without the points that a straight line between others passes (Douglas and Peucker's method)."""
    kept = {0, len(points) - 1}
    stack = [(0, len(points) - 1)]
    while stack:
        first, last = stack.pop()
        (x1, y1), (x2, y2) = points[first], points[last]
        length = math.hypot(x2 - x1, y2 - y1) or 1.0
        far, where = 0.0, first
        for k in range(first + 1, last):
            x, y = points[k]
            away = abs((x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)) / length
            if away > far:
                far, where = away, k
        if far > _VISIBLE:
            kept.add(where)
            stack += [(first, where), (where, last)]
    return [points[k] for k in sorted(kept)]


def _dots(places: set[tuple[int, int]]) -> str:
    """Dots at tenths of a unit, from left to right, each from the one before it."""
    words, x, y = [], 0, 0
    for px, py in sorted(places):
        words.append(f"m{_tenths(px - x)} {_tenths(py - y)}h0")
        x, y = px, py
    return "".join(words)


def _tenths(value: int) -> str:
    return f"{value / 10:g}"


_LEVELS = 20


def _level(value: float, largest: float) -> int:
    if not math.isfinite(value):
        return 0
    scaled = max(-1.0, min(1.0, value / largest)) * _LEVELS
    return round(scaled)


def _marker(series: int, x: float, y: float, size: float, kind: str, title: Content = None) -> Markup:
    shape = _SHAPES[series % len(_SHAPES)]
    if shape == "circle" or kind.startswith("hit"):
        return tag("circle", title, cx=x, cy=y, r=size, class_=kind)
    if shape == "square":
        half = 0.88 * size
        side = f"{2 * half:.1f}"
        return tag("path", title, d=f"M{x - half:.1f} {y - half:.1f}h{side}v{side}h-{side}z", class_=kind)
    if shape == "diamond":
        half = 1.25 * size
        d = f"M{x:.1f} {y - half:.1f}l{half:.1f} {half:.1f}l{-half:.1f} {half:.1f}l{-half:.1f} {-half:.1f}z"
    else:
        half = 1.2 * size
        d = f"M{x:.1f} {y - half:.1f}l{half:.1f} {1.8 * half:.1f}h{-2 * half:.1f}z"
    return tag("path", title, d=d, class_=kind)


def sample(series: int, kind: str = "line", *, strong: bool = False, dash: int | None = None) -> Markup:
    """A small piece of a series for a legend: its line or its marker."""
    if kind == "dot":
        inside = _marker(series, 9.0, 7.0, 4.0, f"dot s{series}")
    elif kind == "cloud":
        inside = tag("path", d="M9 7h0", class_=f"cloud s{series}", stroke_width=6)
    else:
        dashes = _DASHES[(series if dash is None else dash) % len(_DASHES)]
        strength = " strong" if strong else ""
        inside = tag("path", d="M0 7H26", class_=f"line s{series}{strength}", stroke_dasharray=dashes)
    width = 26 if kind == "line" else 18
    return tag("svg", inside, viewBox=f"0 0 {width} 14", width=width, height=14, aria_hidden="true", class_="sample")


def legend(entries: Iterable[tuple[Markup, Content]]) -> Markup:
    """A list of samples with their names."""
    return tag("ul", [tag("li", mark, " ", name) for mark, name in entries], class_="legend")


def figure(title: Content, drawing: Content, *, legend: Content = None, caption: Content = None) -> Markup:
    """A drawing with its title above, legend, and words below."""
    return tag(
        "figure",
        tag("h4", title),
        legend,
        drawing,
        tag("figcaption", caption) if caption is not None else None,
    )


def colour_bar(low: str, middle: str, high: str) -> Markup:
    """The scale of a heat map."""
    steps = range(-_LEVELS, _LEVELS + 1, 2)
    bars = [
        tag(
            "rect",
            x=4.0 * k,
            y=0,
            width=4,
            height=10,
            class_="pos" if level > 0 else "neg",
            fill_opacity=abs(level) / _LEVELS,
        )
        for k, level in enumerate(steps)
    ]
    drawing = tag("svg", bars, viewBox=f"0 0 {4 * len(bars)} 10", width=4 * len(bars), height=10, aria_hidden="true")
    return tag("p", tag("span", low), drawing, tag("span", high), f" ({middle})", class_="colourbar")
