"""The section of the search: convergence, Pareto front, the winner's ancestors, mutations."""

from __future__ import annotations

import math
from typing import Any

from ...common.errors import InputError
from ...formula.expression import Expression
from ...functionals.names import in_words
from ...run.front import COLUMNS
from ..draw.axis import Axis, number
from ..draw.chart import Chart, figure, legend, sample
from ..html import Content, Markup, tag
from ..mathml import terms
from .accuracy import grouped
from .parts import CHANNEL_NAMES, grid, missing, section, table

__all__ = ["search_section"]

_LONGEST = 400
"""Characters of LaTeX beyond which an ancestor's formula is shown as text that scrolls."""


def search_section(data: dict[str, Any]) -> Markup:
    """How the winner was found."""
    return section(
        "search",
        "The search",
        tag("h3", "Progress"),
        grid(_convergence(data), _pareto(data), _ancestors(data), _mutations(data)),
        tag("h3", "Lineage of the winner"),
        _milestones(data),
        _front(data),
        lead="Candidates are made by mutation, recognised when they repeat a known family, fitted, and selected by "
        "their fitness: weighted training and validation errors plus penalties for parameters and length.",
    )


def _convergence(data: dict[str, Any]) -> Markup:
    rows = data["search"]["convergence"]
    if not rows:
        return figure("Convergence", missing("No candidate has a finite fitness yet."))
    made = [float(r["made"]) for r in rows]
    total = float(max(data["search"]["candidates"], made[-1] + 1))
    series = (("fitness", "fitness of the best"), ("train", "training"), ("validation", "validation"))
    chart = Chart(
        Axis("candidates", 1.0, total, log=True),
        Axis.over("kcal/mol", [r[k] for r in rows for k, _ in series], log=True),
        f"Best fitness and its errors against the number of candidates, from {number(rows[0]['fitness'])} to "
        f"{number(rows[-1]['fitness'])} kcal/mol",
    )
    for k, (key, name) in reversed(list(enumerate(series))):
        values = [r[key] for r in rows]
        chart.line([*made, total], [*values, values[-1]], k, step=True, strong=k == 0, title=name)
    chart.points(
        made,
        [r["fitness"] for r in rows],
        0,
        titles=[f"candidate {r['number']}: fitness {number(r['fitness'], 6)} kcal/mol" for r in rows],
        hidden=True,
    )
    marks = [(sample(k, strong=k == 0), name) for k, (_, name) in enumerate(series)]
    return figure("Convergence", chart.svg(), legend=legend(marks))


def _pareto(data: dict[str, Any]) -> Markup:
    front, cloud = data["search"]["pareto"], data["search"]["cloud"]
    if not front:
        return figure("Pareto front", missing("No candidate has a finite fitness yet."))
    low = front[-1]["error"]
    top = max(front[0]["error"], low * 1.5)
    near = [row for row in cloud if row[1] <= top * 1.05]
    chart = Chart(
        Axis.over(
            "complexity (distinct nodes)", [*(float(r["complexity"]) for r in front), *(float(c[0]) for c in near)]
        ),
        Axis.over("error (kcal/mol)", [low, top], log=True),
        f"Pareto front of complexity and error, {len(front)} candidates",
    )
    most = math.log1p(max((n for _, _, n in near), default=1))
    for strength in range(1, 6):
        chosen = [c for c in near if math.ceil(5 * math.log1p(c[2]) / most) == strength]
        chart.points([c[0] for c in chosen], [c[1] for c in chosen], 7, size=0.7 + 0.42 * strength)
    chart.line(
        [float(r["complexity"]) for r in front], [r["error"] for r in front], 0, step=True, strong=True, title="front"
    )
    members = data.get("front", [])
    if members:  # of a complete run, in their normal forms; the pick last, above its neighbours
        for picked in (False, True):
            chosen = [m for m in members if bool(m["picked"]) == picked]
            chart.points(
                [float(m["complexity"]) for m in chosen],
                [m["error"] for m in chosen],
                int(picked),
                titles=[_member_title(m) for m in chosen],
                size=6.5 if picked else 3.4,
                links=[f"member-{m['index']}" for m in chosen],
            )
    else:
        chart.points(
            [float(r["complexity"]) for r in front],
            [r["error"] for r in front],
            0,
            titles=[_title(r["complexity"], r["error"], r["expressions"]) for r in front],
        )
    return figure(
        "Pareto front",
        chart.svg(),
        caption="Error: the fitness without its penalties."
        + (" A point leads to its row in the table of the front." if members else ""),
        legend=legend(
            [
                (sample(0, strong=True), "no simpler one has a smaller error"),
                *([(sample(1, "dot"), "the pick")] if members else []),
                (sample(7, "cloud"), "fitted candidates, larger for more"),
            ]
        ),
    )


def _title(complexity: float, error: float, expressions: dict[str, str]) -> str:
    text = "; ".join(f"f_{kind} = {expression}" for kind, expression in expressions.items())
    return f"complexity {number(complexity)}, error {number(error)}: {text}"


def _member_title(member: dict[str, Any]) -> str:
    expressions = {kind: c["expression"] for kind, c in member["functional"]["channels"].items()}
    return f"{member['index']}: {_title(member['complexity'], member['error'], expressions)}"


def _ancestors(data: dict[str, Any]) -> Markup:
    steps = data["ancestors"]
    known = [s for s in steps if s["fitness"] is not None]
    chart = Chart(
        Axis("candidate", 1.0, float(max([2, *(s["number"] + 1 for s in known)])), log=True),
        Axis.over("fitness (kcal/mol)", [s["fitness"] for s in known], log=True),
        f"Fitness along the {len(steps)} ancestors of the winner",
    )
    chart.line([s["number"] + 1.0 for s in known], [s["fitness"] for s in known], 0, title="fitness of the ancestors")
    marked = [s for s in known if "expressions" in s]
    chart.points(
        [s["number"] + 1.0 for s in marked],
        [s["fitness"] for s in marked],
        0,
        titles=[f"candidate {s['number']} ({s['mutation']}): fitness {number(s['fitness'])} kcal/mol" for s in marked],
    )
    return figure(
        "Ancestors of the winner",
        chart.svg(),
        legend=legend([(sample(0, "dot"), "clear improvement, listed below")]),
    )


def _mutations(data: dict[str, Any]) -> Markup:
    rows: list[list[Content]] = []
    for m in data["mutations"]:
        share = m["better"] / m["made"] if m["made"] else 0.0
        rows.append(
            [
                in_words(m["mutation"]),
                grouped(m["made"]),
                f"{100 * m['new'] / max(m['made'], 1):.0f} %",
                f"{100 * share:.1f} %",
            ]
        )
    return tag(
        "div",
        tag("h4", "Mutations"),
        table(
            ["mutation", "children", "new", "better"],
            rows,
            caption="Children per mutation, and which share was new or better than its parent",
        ),
        tag("p", "A child of several mutations counts for each.", class_="note"),
    )


def _milestones(data: dict[str, Any]) -> Markup:
    steps = data["ancestors"]
    items: list[Markup] = []
    several = data["config"].get("islands", 1) > 1
    since = 0
    last = len(steps) - 1
    for position, step in enumerate(steps):
        since += 1
        if "expressions" not in step:
            continue
        between = since - 1
        since = 0
        formulas = [_changed(kind, step["expressions"][kind]) for kind in step["changed"]]
        words = in_words(step["mutation"]).replace("+", ", ")
        where = f"island {step['island']}, " if several else ""
        label = "base" if position == 0 else ("winner: " if position == last else "") + words
        items.append(
            tag(
                "li",
                tag(
                    "div",
                    tag("span", where + grouped(step["number"]), class_="number"),
                    tag("span", label, class_="what"),
                    tag("span", f"{between} {'step' if between == 1 else 'steps'} in between", class_="between")
                    if between > 0
                    else None,
                    tag(
                        "span",
                        f"train {number(step['train'], 3)} · validation {number(step['validation'], 3)} · complexity "
                        f"{number(step['complexity'])}",
                        class_="errors",
                    ),
                    class_="head",
                ),
                formulas or tag("p", "the same functions in other words", class_="note"),
            )
        )
    return tag(
        "div",
        tag("ol", items, class_="lineage"),
        tag(
            "p",
            "Candidate, mutation, and the factors that changed; parameters are fitted anew at every step.",
            class_="note",
        ),
        class_="scroll tall",
        tabindex=0,
        role="region",
        aria_label="Lineage of the winner",
    )


def _changed(kind: str, text: str) -> Markup:
    typeset: Content
    try:
        expression = Expression.parse(text)
        short = len(expression.to_latex()) <= _LONGEST
        typeset = [[term, " "] for term in terms(expression)] if short else tag("code", text)
    except InputError:
        typeset = tag("code", text)
    return tag(
        "p",
        tag("span", CHANNEL_NAMES.get(kind, kind).split()[0].lower(), class_="kind"),
        " ",
        typeset,
        class_="formula small",
    )


def _front(data: dict[str, Any]) -> Markup:
    """The members of the front by their index, as `fastsfes show RUN --pareto` names them; the pick is marked."""
    members = data.get("front", [])
    if not members:
        return tag("p", "Members of the front get their names when the run is complete.", class_="note")
    terms_of = list(dict.fromkeys(name for m in members for name in m["terms"]))
    rows: list[Markup] = []
    for m in members:
        channels = m["functional"]["channels"]
        text = [[tag("b", f"{kind} "), c["expression"], "  "] for kind, c in channels.items()]
        cells = [
            tag("th", m["index"], " ★" if m["picked"] else None, scope="row"),
            *(tag("td", _figure(m.get(column))) for column in COLUMNS),
            *(tag("td", _figure(m["terms"].get(name))) for name in terms_of),
            tag("td", tag("code", text), class_="text long"),
        ]
        rows.append(tag("tr", cells, class_="pick" if m["picked"] else None, id=f"member-{m['index']}"))
    names = (in_words(n) for n in (*COLUMNS, *terms_of))
    head = ["", *names, "factors"]
    words = f"Members of the front, errors in kcal/mol; ★ is the functional of this page, {data['run']}:INDEX names one"
    return table(head, rows, caption=words)


def _figure(value: float | str | None) -> str:
    if isinstance(value, str):
        return value
    return number(value) if value is None or value != int(value) else str(int(value))
