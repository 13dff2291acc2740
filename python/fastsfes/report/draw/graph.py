"""The graph of an expression's operations as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping

from ...formula.expression import Expression
from ..html import Markup, tag
from .layered import layered
from .operations import operations

__all__ = ["draw_operations"]

_LARGEST = 160
_MARGIN = 8.0
_LINE = 13.0  # height of a label


def draw_operations(expression: Expression, values: Mapping[str, float], name: str) -> Markup:
    """The operations from the result (top) to features and parameters (bottom), coefficients on the edges."""
    graph, root = operations(expression, values)
    if len(graph) > _LARGEST:
        return tag("p", f"{len(graph)} operations are too many to be drawn legibly.", class_="empty")
    widths = [max(30.0, 16.0 + 8.0 * len(o.label)) for o in graph]
    plan = layered([[e.child for e in o.edges] for o in graph], root, widths)
    edges: list[Markup] = []
    taken: list[tuple[float, float, float]] = []  # centre and width of the labels
    for index, o in enumerate(graph):
        for child in dict.fromkeys(e.child for e in o.edges):
            route = plan.routes[index, child]
            edges.append(tag("path", d=_curve(route), class_="edge"))
            same = [e for e in o.edges if e.child == child]
            label = _coefficient(o.kind, [e.label for e in same])
            title = ", ".join(f"{p} = {values[p]!r}" for e in same for p in e.parameters if p in values)
            if label:
                x, y = _free_place(route[0], route[1], 7.5 * len(label), taken)
                edges.append(
                    tag(
                        "text",
                        tag("title", title) if title else None,
                        label,
                        x=x,
                        y=y + 3,
                        text_anchor="middle",
                        class_="coefficient",
                    )
                )
    nodes = [
        tag(
            "g",
            tag("title", o.title),
            tag("rect", x=x - w / 2, y=y - 14, width=w, height=28, rx=14 if o.kind in ("sum", "product") else 7),
            tag("text", o.label, x=x, y=y + 5, text_anchor="middle"),
            class_=f"node {o.kind}",
        )
        for o, w, (x, y) in zip(graph, widths, plan.places, strict=True)
    ]
    width, height = plan.width + 2 * _MARGIN, plan.height + 2 * _MARGIN
    inputs = ", ".join(dict.fromkeys(o.label for o in graph if o.kind == "feature")) or "no feature"
    return tag(
        "svg",
        edges,
        nodes,
        viewBox=f"{-_MARGIN:.0f} {-_MARGIN:.0f} {width:.0f} {height:.0f}",
        style=f"max-width:{1.15 * width:.0f}px;min-width:{0.72 * width:.0f}px",
        role="img",
        aria_label=f"Graph of the {len(graph)} operations of {name}, from {inputs} to the factor",
        class_="graph",
    )


def _free_place(
    start: tuple[float, float], end: tuple[float, float], width: float, taken: list[tuple[float, float, float]]
) -> tuple[float, float]:
    """Where on an edge a label has room: below the middle, where edges of one sum have come apart, if it can be."""
    places = [(start[0] + (end[0] - start[0]) * t, start[1] + (end[1] - start[1]) * t) for t in (0.55, 0.72, 0.38)]

    def free(x: float, y: float) -> bool:
        return all(abs(x - a) >= (width + w) / 2 or abs(y - b) >= _LINE for a, b, w in taken)

    x, y = next((p for p in places if free(*p)), places[0])
    taken.append((x, y, width))
    return x, y


def _coefficient(kind: str, labels: list[str]) -> str:
    """One label for all edges between two nodes: terms of a sum add up, factors of a product are a power."""
    if len(labels) == 1:
        return labels[0]
    if kind == "sum":
        named = [{"": "1", "−": "−1"}.get(text, text) for text in labels]
        return str(len(named)) if set(named) == {"1"} else " + ".join(named).replace("+ −", "− ")
    return {2: "squared", 3: "cubed"}.get(len(labels), f"power {len(labels)}")


def _curve(route: list[tuple[float, float]]) -> str:
    (x, y), *rest = route
    words = [f"M{x:.1f} {y:.1f}"]
    for nx, ny in rest:
        middle = (y + ny) / 2
        words.append(f"C{x:.1f} {middle:.1f} {nx:.1f} {middle:.1f} {nx:.1f} {ny:.1f}")
        x, y = nx, ny
    return "".join(words)
