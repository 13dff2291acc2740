"""The section of self-consistent validation: errors with self-consistent and with frozen densities, convergence."""

from __future__ import annotations

import math
from typing import Any

from ...functionals.names import display_name
from ..draw.axis import Axis, number
from ..draw.chart import Chart, figure
from ..html import Content, Markup, tag
from .accuracy import duration
from .parts import cell, details, error_text, grid, missing, section, table

__all__ = ["validation_section"]


def validation_section(data: dict[str, Any]) -> Markup:
    """Tables of a validation beside frozen densities."""
    found = data["validation"]
    content: list[Content]
    if found is None:
        content = [missing(data["problems"]["validation"])]
    else:
        content = [
            _errors(found),
            tag("h3", "Self-consistency"),
            grid(_change(found), _course(found)),
            _excluded(found),
        ]
    return section(
        "validation",
        "Self-consistent validation",
        *content,
        lead="Energies from self-consistent calculations in PySCF, beside those on the frozen densities of searches.",
    )


def _errors(found: dict[str, Any]) -> Markup:
    functionals = found["functionals"]
    first = functionals[0]["scf"]
    if first is None:
        return missing("No reaction has all its energies.")
    frozen = all(f["frozen"] is not None for f in functionals)
    head: list[Content] = ["data type", "n"]
    for f in functionals:
        head += [f"{display_name(f['name'])}, SCF", "frozen"] if frozen else [display_name(f["name"])]
    rows: list[list[Content]] = []
    labels: list[tuple[str, str | None, str]] = [(kind, kind, "rmsd") for kind in first["by_type"]]
    labels += [("all", None, "rmsd"), ("all, MAE", None, "mae"), ("all, WRMSD", None, "wrmsd")]
    for label, kind, key in labels:
        whole = first["total"] if kind is None else first["by_type"][kind]
        cells: list[Content] = [label, cell(whole["reactions"])]
        for f in functionals:
            for table_name in ("scf", "frozen") if frozen else ("scf",):
                part = f[table_name]["total"] if kind is None else f[table_name]["by_type"][kind]
                cells.append(error_text(part[key]))
        rows.append(cells)
    return table(head, rows, caption=f"RMSD in kcal/mol on {len(found['reactions'])} reactions of {found['dataset']}")


def _change(found: dict[str, Any]) -> Markup | None:
    """Error with self-consistent against error with frozen densities, of the first functional."""
    name = found["functionals"][0]["name"]
    pairs = [(r, r["errors"][name]["frozen"], r["errors"][name]["scf"]) for r in found["reactions"]]
    both = [(r, a, b) for r, a, b in pairs if a is not None and b is not None]
    if not both:
        return None
    flat = [v for _, a, b in both for v in (a, b)]
    chart = Chart(
        Axis.over("error, frozen densities (kcal/mol)", flat),
        Axis.over("error, self-consistent (kcal/mol)", flat),
        f"Self-consistent against frozen-density errors of {name} for {len(both)} reactions",
    )
    chart.rule(diagonal=True)
    chart.points(
        [a for _, a, _ in both],
        [b for _, _, b in both],
        0,
        titles=[f"{r['name']}: frozen {number(a)}, self-consistent {number(b)} kcal/mol" for r, a, b in both],
    )
    change = math.sqrt(sum((b - a) ** 2 for _, a, b in both) / len(both))
    return figure(
        f"What self-consistency changes, {name}",
        chart.svg(),
        caption=f"Root mean square change {number(change, 3)} kcal/mol.",
    )


def _course(found: dict[str, Any]) -> Markup:
    rows: list[list[Content]] = []
    for f in found["functionals"]:
        c = f["convergence"]
        rungs = ", ".join(f"{rung} {count}" for rung, count in c["rungs"].items())
        rows.append(
            [
                display_name(f["name"]),
                rungs,
                f"{c['converged']} of {c['species']}",
                number(c["cycles_mean"], 3),
                c["cycles_max"],
                duration(c["seconds"]),
            ]
        )
    return tag(
        "div",
        tag("h4", "Convergence"),
        table(
            ["functional", "rungs", "converged", "mean cycles", "most", "time"],
            rows,
            caption="How the calculations went; rungs of the convergence ladder",
            text_columns=2,
        ),
    )


def _excluded(found: dict[str, Any]) -> Markup | None:
    reasons = found["excluded"]
    if not reasons:
        return None
    rows = [[name, tag("td", why, class_="text long")] for name, why in reasons.items()]
    return details(
        f"Left out ({len(reasons)} reactions)",
        table(["reaction", "why"], rows, caption="Reactions without all energies", text_columns=2),
    )
