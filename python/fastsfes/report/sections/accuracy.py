"""The sections of accuracy: final table, data types beside the baselines, parity, the largest errors."""

from __future__ import annotations

import math
from typing import Any

from ...common.runfolder import resume_command
from ...datasets.model import SPLITS
from ...functionals.names import display_name, in_words
from ...run.physics import verdict
from ..draw.axis import Axis, number
from ..draw.chart import Chart, figure, legend, sample
from ..html import Content, Markup, tag
from .parts import SPLIT_NAMES, cell, details, error_text, grid, missing, section, series, shaded, table

__all__ = ["accuracy_section", "tiles"]

_TOOLTIPS = 250


def tiles(data: dict[str, Any]) -> Markup:
    """The figures that one wants to see first."""
    made: list[Markup] = []
    report = data["summary"].get("report")
    if report:
        row, *others = [{**r, **(r.get("grid") or {})} for r in report["rows"]]
        for split in SPLITS:
            beside = min((r for r in others if r[split] is not None), key=lambda r: r[split], default=None)
            note = f"{display_name(beside['name'])} {error_text(beside[split])}" if beside else report["unit"]
            made.append(_tile(error_text(row[split]), f"{SPLIT_NAMES[split]}, kcal/mol", note, split == "test"))
    elif "best" in data["summary"]:
        best = data["summary"]["best"]
        for split in ("train", "validation"):
            made.append(_tile(error_text(best[split]), f"{SPLIT_NAMES[split]}, kcal/mol", "during the search"))
    parameters = sum(len(c["parameters"]) for c in data["functional"]["channels"].values())
    made.append(_tile(str(parameters), "parameters", f"complexity {data['complexity']}"))
    seconds = data["summary"].get("seconds")
    note = f"in {duration(seconds)}" if seconds else "so far"
    made.append(_tile(grouped(data["search"]["candidates"]), "candidates", note))
    return tag("div", made, class_="tiles")


def _tile(value: str, name: str, note: str, strong: bool = False) -> Markup:
    return tag(
        "div",
        tag("span", value, class_="value"),
        tag("span", name, class_="name"),
        tag("span", note, class_="beside"),
        class_="tile strong" if strong else "tile",
    )


def grouped(count: int) -> str:
    """Digits in groups of three."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 7200:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:.3g} h"


def accuracy_section(data: dict[str, Any]) -> Markup:
    """Final table of the run, then errors by data type and reaction."""
    content: list[Content] = [_final(data)]
    errors = data["errors"]
    if errors is None:
        content.append(missing(data["problems"].get("errors") or data["problems"].get("dataset", "")))
    else:
        content += [
            tag("h3", "By data type"),
            _types(errors, "type"),
            grid(_dots(errors), _parity(errors), _residuals(errors), _worst(errors)),
        ]
        subsets = {g["name"] for g in errors["groups"] if g["kind"] == "subset"}
        content.append(details(f"By subset ({len(subsets)})", _types(errors, "subset")))
    return section(
        "accuracy",
        "Accuracy",
        *content,
        lead="Errors of reaction energies on frozen densities, in kcal/mol. The known functionals stand in the same "
        "frame, with their published parameters or, where it says so, fitted to the same training split. No search "
        "reads the test split.",
    )


def _checks(summary: dict[str, Any]) -> list[str]:
    """What was checked, in sentences."""
    said, report = [], summary["report"]
    if report["largest_difference"] is not None:
        compared = report.get("compared") or {"done": 0, "of": 0}
        some = compared["done"] < compared["of"]
        where = f" in the {compared['done']} of {compared['of']} that are least certain" if some else ""
        said.append(
            f"Quadrature and full grid differ by at most {number(report['largest_difference'], 2)} kcal/mol{where}."
        )
    elif report.get("kind") != "points":
        said.append("The dataset is folded and holds no densities, so nothing was checked on a grid.")
    grids = report.get("grids")
    if grids and grids["change"] is not None:
        said.append(
            f"From the integration grid of the densities to {grids['to']} a reaction energy changes by at most "
            f"{number(grids['change'], 2)} kcal/mol ({grids['where']})."
        )
    nodes = report.get("nodes")
    if nodes:
        said.append(
            f"Errors of the nodes were measured: at most {number(nodes['measured'], 2)} kcal/mol for the energy of a "
            f"species in a channel, half of the species below {number(nodes['median'], 2)}."
        )
    if (pick := summary.get("pick")) is not None:
        said.append(f"Picked by the rule {pick['rule']} of {pick['of']} on the front. {_sentence(verdict(pick))}")
    if report.get("test_readings") is not None:
        readings = report["test_readings"]
        said.append(f"The sealed test split had been read {readings} time{'' if readings == 1 else 's'} then.")
    return said


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _final(data: dict[str, Any]) -> Markup:
    report = data["summary"].get("report")
    if not report:
        why = "was made without final figures" if data["summary"].get("complete") else "is not complete"
        return missing(f"The run {why}. They are made by ", tag("code", resume_command("RUN")), ".")
    rows: list[list[Content]] = []
    on_grid = report["grid"] is not None
    errors = [r.get("grid") or r for r in report["rows"]]
    best = {s: min((e[s] for e in errors if e[s] is not None), default=None) for s in SPLITS}
    left_out = [(row.get("terms") or {}).get("cross_validation") for row in report["rows"]]
    crossed = any(value is not None for value in left_out)
    least = min((value for value in left_out if value is not None), default=None)
    for position, (row, error) in enumerate(zip(report["rows"], errors, strict=True)):
        cells: list[Content] = [
            tag("th", row["name"], scope="row"), cell(row["parameters"]),
        ]  # fmt: skip
        cells += [cell(_error(error[s]), best=error[s] is not None and error[s] == best[s]) for s in SPLITS]
        if crossed:
            value = left_out[position]
            cells.append(cell(_error(value), best=value is not None and value == least))
        rows.append(cells)
        if position == 0 and on_grid:
            rows.append(
                [
                    tag("th", "on the nodes of the search", scope="row", class_="sub"),
                    cell(row["parameters"]),
                    *(cell(_error(row[s])) for s in SPLITS),
                    *([cell("")] if crossed else []),
                ]
            )
    return tag(
        "div",
        table(
            ["", "parameters", *(SPLIT_NAMES[s] for s in SPLITS), *([in_words("cross_validation")] if crossed else [])],
            rows,
            caption=f"{report['unit']} on {report['dataset']}" + (", on the full integration grid" if on_grid else ""),
        ),
        tag(
            "p",
            " ".join(_checks(data["summary"])),
            class_="note",
        ),
    )


def _error(value: float | None) -> str:
    """As `fastsfes show` prints it."""
    if value is None:
        return "–"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e6 else number(value, 3)


def _types(errors: dict[str, Any], kind: str) -> Markup:
    names = [display_name(n) for n in errors["functionals"]]
    rows: list[Markup | list[Content]] = []
    for split in SPLITS:
        groups = [g for g in errors["groups"] if g["split"] == split and g["kind"] == kind]
        if not groups:
            continue
        rows.append(tag("tr", tag("th", SPLIT_NAMES[split], scope="colgroup", colspan=len(names) + 2), class_="group"))
        for g in groups:
            values = [s["rmsd"] for s in g["statistics"]]
            finite = [v for v in values if math.isfinite(v)]
            low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
            span = math.log(high / low) if 0 < low < high else 1.0
            cells: list[Content] = [g["name"], cell(g["statistics"][0]["reactions"])]
            for value, s in zip(values, g["statistics"], strict=True):
                title = f"MAE {number(s['mae'])}, mean {number(s['mse'])}, largest {number(s['largest'])}"
                strength = math.log(value / low) / span if 0 < low <= value < math.inf else 0.0
                cells.append(shaded(value, strength, best=value == low, title=title))
            rows.append(cells)
    word = "data type" if kind == "type" else "subset"
    return table([word, "n", *names], rows, caption=f"RMSD per {word}, kcal/mol (unweighted; more colour is worse)")


def _dots(errors: dict[str, Any]) -> Markup:
    """RMSD per data type of the last split there is, one row per type."""
    split = next(s for s in reversed(SPLITS) if any(g["split"] == s for g in errors["groups"]))
    groups = [g for g in errors["groups"] if g["split"] == split and g["kind"] in ("type", "split")]
    groups.sort(key=lambda g: g["kind"] == "split")
    labels = tuple("all" if g["kind"] == "split" else str(g["name"]) for g in reversed(groups))
    x = Axis.over("RMSD (kcal/mol)", [s["rmsd"] for g in groups for s in g["statistics"]], log=True, pad=0.08)
    chart = Chart(
        x,
        Axis.names("", labels),
        f"RMSD of the functionals per data type, {SPLIT_NAMES[split]} split",
        height=max(300.0, 80.0 + 34.0 * len(labels)),
    )
    for row, g in enumerate(reversed(groups)):
        values = [s["rmsd"] for s in g["statistics"]]
        finite = [v for v in values if math.isfinite(v) and v > 0]
        if finite:
            chart.span(min(finite), max(finite), float(row))
    for k in range(len(errors["functionals"]) - 1, -1, -1):
        name = display_name(errors["functionals"][k])
        chart.points(
            [g["statistics"][k]["rmsd"] for g in reversed(groups)],
            [float(i) for i in range(len(groups))],
            series(errors["functionals"][k], k),
            titles=[
                f"{label}, {name}: {number(g['statistics'][k]['rmsd'])}"
                for label, g in zip(labels, reversed(groups), strict=True)
            ],
            size=6.0 if k == 0 else 4.2,
        )
    marks = [(sample(series(n, k), "dot"), display_name(n)) for k, n in enumerate(errors["functionals"])]
    return figure(f"Data types, {SPLIT_NAMES[split]} split", chart.svg(), legend=legend(marks))


def _parity(errors: dict[str, Any]) -> Markup:
    reactions = errors["reactions"]
    values = [(r["reference"], r["reference"] + r["errors"][0]) for r in reactions]
    flat = [v for pair in values for v in pair]
    chart = Chart(
        Axis.signed("reference (kcal/mol)", flat),
        Axis.signed("calculated (kcal/mol)", flat),
        f"Calculated against reference energies of {len(reactions)} reactions",
    )
    chart.rule(diagonal=True)
    _scatter(chart, reactions, [a for a, _ in values], [b for _, b in values])
    return figure(
        f"Parity, {len(reactions)} reactions",
        chart.svg(),
        legend=_splits_legend(reactions),
        caption="On the line: exact.",
    )


def _residuals(errors: dict[str, Any]) -> Markup:
    reactions = errors["reactions"]
    chart = Chart(
        Axis.signed("reference (kcal/mol)", [r["reference"] for r in reactions]),
        Axis.over("error (kcal/mol)", [r["errors"][0] for r in reactions], zero=True),
        f"Errors of {len(reactions)} reaction energies against their reference",
    )
    chart.rule(y=0.0)
    _scatter(chart, reactions, [r["reference"] for r in reactions], [r["errors"][0] for r in reactions])
    return figure("Errors, calculated minus reference", chart.svg(), legend=_splits_legend(reactions))


def _scatter(chart: Chart, reactions: list[dict[str, Any]], xs: list[float], ys: list[float]) -> None:
    """A cloud per split; the largest errors can be read by the pointer, all of them where there are few."""
    order = sorted(range(len(reactions)), key=lambda i: -_size(reactions[i]["errors"][0]))
    told = set(order[:_TOOLTIPS])
    size = 3.4 if len(reactions) <= 200 else 2.3
    for number_, split in enumerate(SPLITS):
        rest = [i for i, r in enumerate(reactions) if r["split"] == split and i not in told]
        if rest:
            chart.points([xs[i] for i in rest], [ys[i] for i in rest], number_, size=1.6)
        told_here = [i for i, r in enumerate(reactions) if r["split"] == split and i in told]
        chart.points(
            [xs[i] for i in told_here],
            [ys[i] for i in told_here],
            number_,
            titles=[
                f"{reactions[i]['name']} ({reactions[i]['type']}): reference {number(reactions[i]['reference'], 6)}, "
                f"error {number(reactions[i]['errors'][0])}"
                for i in told_here
            ],
            size=size,
        )


def _size(error: float) -> float:
    return abs(error) if math.isfinite(error) else math.inf


def _splits_legend(reactions: list[dict[str, Any]]) -> Markup:
    there = {r["split"] for r in reactions}
    return legend([(sample(k, "dot"), SPLIT_NAMES[s]) for k, s in enumerate(SPLITS) if s in there])


def _worst(errors: dict[str, Any]) -> Markup:
    rows: list[list[Content]] = []
    k = len(errors["functionals"]) - 2
    for r in sorted(errors["reactions"], key=lambda r: -_size(r["errors"][0]))[:8]:
        rows.append(
            [
                r["name"],
                SPLIT_NAMES[r["split"]],
                error_text(r["reference"]),
                error_text(r["errors"][0]),
                error_text(r["errors"][k]),
            ]
        )
    beside = display_name(errors["functionals"][k])
    return tag(
        "div",
        tag("h4", "Largest errors"),
        table(
            ["reaction", "split", "reference", "error", beside],
            rows,
            caption="Reactions with the largest errors of the winner, kcal/mol",
            text_columns=2,
        ),
    )
