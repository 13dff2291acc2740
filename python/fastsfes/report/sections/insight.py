"""The section of terms and parameters: what each contributes, how well it is known, and from which data."""

from __future__ import annotations

import math
from typing import Any

from ...common.errors import InputError
from ...formula.expression import Expression
from ..draw.axis import Axis, number
from ..draw.chart import Chart, colour_bar, figure, legend, sample
from ..html import Content, Markup, join, tag
from ..mathml import math as typeset
from ..mathml import mathml
from .parts import CHANNEL_NAMES, SPLIT_NAMES, details, error_text, grid, missing, section, shaded, table

__all__ = ["insight_section"]

_TYPESET = 300
"""Characters of LaTeX up to which a term is typeset."""


def insight_section(data: dict[str, Any]) -> Markup:
    """Terms left out, standard errors, correlations, and the data types' parts."""
    found = data["insight"]
    content: list[Content]
    if found is None:
        content = [missing(data["problems"]["insight"])]
    else:
        spread = found["uncertainties"]
        content = [
            tag("h3", "Without a term"),
            _terms(found["terms"]),
            tag("h3", "Parameters"),
            grid(_spreads(found), _correlations(spread)),
            _state(spread),
            details("Standard errors and intervals as a table", _errors(found)),
            tag("h3", "What the data determine"),
            _types(found["sensitivity"]),
        ]
    return section(
        "insight",
        "Terms and parameters",
        *content,
        lead="What the errors become when a term is left out and the rest is fitted again, how much the parameters "
        "would scatter with other reactions of the same kinds, and which kinds of data determine them.",
    )


def _terms(found: dict[str, Any]) -> Markup:
    losses = found["losses"]
    splits = list(losses)
    rows: list[list[Content]] = [["all terms", tag("td", "", class_="text"), *(error_text(losses[s]) for s in splits)]]
    largest = max((g for t in found["terms"] if (g := _growth(t, losses)) < math.inf), default=0.0)
    largest = largest if 0.0 < largest < math.inf else 1.0
    for t in sorted(found["terms"], key=lambda t: -_growth(t, losses)):
        kept = ", ".join(f"{s} {number(t['removed'][s])}" for s in splits)
        cells: list[Content] = [
            CHANNEL_NAMES.get(t["channel"], t["channel"]),
            tag("td", _formula(t["term"]), class_="text"),
        ]
        for s in splits:
            strength = _growth(t, losses) / largest if s == splits[0] else 0.0
            cells.append(shaded(t["refitted"][s], strength, title=f"with the others kept as they are: {kept} kcal/mol"))
        rows.append(cells)
    return table(
        ["without", "term", *(SPLIT_NAMES.get(s, s) for s in splits)],
        rows,
        caption="WRMSD in kcal/mol without each term, the other parameters fitted again; what costs most stands first",
        text_columns=2,
    )


def _growth(term: dict[str, Any], losses: dict[str, float]) -> float:
    """By what factor the training error grows, as a logarithm."""
    first = next(iter(losses))
    value = term["refitted"][first]
    return (
        math.inf if value is None else max(math.log(value / losses[first]), 0.0) if losses[first] > 0 < value else 0.0
    )


def _formula(text: str) -> Markup:
    try:
        expression = Expression.parse(text)
        return typeset(mathml(expression)) if len(expression.to_latex()) <= _TYPESET else tag("code", text)
    except InputError:
        return tag("code", text)


def _spreads(found: dict[str, Any]) -> Markup:
    """Relative standard errors, one row per parameter."""
    parameters = found["uncertainties"]["parameters"]
    drawn = {p["name"]: p for p in (found["bootstrap"] or {"parameters": []})["parameters"]}
    kinds: list[tuple[str, list[float | None]]] = [
        ("curvature of the loss", [_relative(p, p["standard_error"]) for p in parameters]),
        ("robust", [_relative(p, p["robust_error"]) for p in parameters]),
    ]
    if drawn:
        errors = [drawn.get(p["name"], {}).get("standard_error") for p in parameters]
        kinds.append(("bootstrap", [_relative(p, e) for p, e in zip(parameters, errors, strict=True)]))
    names = tuple(str(p["name"]) for p in reversed(parameters))
    chart = Chart(
        Axis.over("standard error / |value|", [v for _, values in kinds for v in values], log=True, pad=0.08),
        Axis.names("", names),
        f"Relative standard errors of {len(names)} parameters",
        height=max(260.0, 80.0 + 24.0 * len(names)),
    )
    for series, (kind, values) in enumerate(kinds):
        shown = [(math.nan if v is None else v) for v in reversed(values)]
        chart.points(
            shown,
            [float(k) for k in range(len(names))],
            series,
            titles=[f"{n}, {kind}: {number(100 * v, 3)} %" for n, v in zip(names, shown, strict=True)],
            size=4.2,
        )
    marks = [(sample(k, "dot"), kind) for k, (kind, _) in enumerate(kinds)]
    return figure("How well the parameters are known", chart.svg(), legend=legend(marks))


def _relative(parameter: dict[str, Any], error: float | None) -> float | None:
    value = abs(parameter["value"])
    return None if error is None or value == 0 else error / value


def _correlations(spread: dict[str, Any]) -> Markup:
    names = tuple(str(p["name"]) for p in spread["parameters"])
    edges = [k - 0.5 for k in range(len(names) + 1)]
    values = [[math.nan if v is None else v for v in row] for row in spread["correlation"]]
    chart = Chart(
        Axis.names("", names),
        Axis.names("", names),
        f"Correlation matrix of {len(names)} parameters",
        height=max(300.0, 90.0 + 24.0 * len(names)),
    )
    chart.cells(edges, edges, values, 1.0)
    for j, row in enumerate(values):
        for i, value in enumerate(row):
            chart.hit(i - 0.5, i + 0.5, j - 0.5, j + 0.5, f"{names[j]} and {names[i]}: {number(value, 3)}")
    return figure(
        "Correlations of the parameters", chart.svg(tilted=True), caption=colour_bar("−1", "no colour: none", "1")
    )


def _state(spread: dict[str, Any]) -> Markup:
    where = "at a minimum" if spread["minimum"] else "not at a minimum"
    return tag(
        "p",
        f"{spread['reactions']} training reactions, s = {number(spread['sigma'])} kcal/mol, condition number "
        f"{number(spread['condition'], 2)}; the parameters are {where} of the training loss. Reactions that share "
        f"species are not independent, so that standard errors are rather too small.",
        class_="note",
    )


def _errors(found: dict[str, Any]) -> Markup:
    drawn = {p["name"]: p for p in (found["bootstrap"] or {"parameters": []})["parameters"]}
    rows: list[list[Content]] = []
    for p in found["uncertainties"]["parameters"]:
        row: list[Content] = [
            p["name"],
            number(p["value"], 6),
            number(p["standard_error"], 3),
            number(p["robust_error"], 3),
        ]
        if drawn:
            other = drawn.get(p["name"], {})
            low, high = other.get("low"), other.get("high")
            row += [number(other.get("standard_error"), 3), join(number(low, 4), " … ", number(high, 4))]
        rows.append(row)
    head = ["parameter", "value", "standard error", "robust", *(["bootstrap", "95 % interval"] if drawn else [])]
    made = table(head, rows, caption="Standard errors of the parameters")
    if not drawn:
        return made
    info = found["bootstrap"]
    failed = f", {info['failed']} failed" if info["failed"] else ""
    return join(made, tag("p", f"{info['samples']} bootstrap samples of {info['unit']}s{failed}.", class_="note"))


def _types(found: dict[str, Any]) -> Markup:
    types = found["types"]
    parameters = list(dict.fromkeys(name for t in types for name in t["pull"]))
    rows: list[list[Content]] = []
    for t in types:
        count = sum(t["reactions"].values())
        cells: list[Content] = [t["data_type"], count, f"{100 * t['share']:.0f} %", error_text(t["left_out"])]
        cells += [
            tag(
                "td",
                f"{100 * t['pull'].get(p, 0.0):.0f}",
                class_="shade cool",
                style=f"--k:{min(max(t['pull'].get(p, 0.0), 0.0), 1.0):.2f}",
            )
            for p in parameters
        ]
        rows.append(cells)
    return table(
        ["data type", "n", "of the loss", "left out", *parameters],
        rows,
        caption="Per data type: its part of the training loss, the RMSD (kcal/mol) of its training reactions when they "
        "are not fitted, and its part (%) of the variance of every parameter",
    )
