"""What `fastsfes search` prints at the end and `fastsfes show` prints again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..common.runfolder import resume_command
from ..datasets.model import SPLITS
from ..functionals.functional import Functional
from ..functionals.load import FACTS
from ..functionals.names import in_words
from .physics import verdict
from .usage import resources_line

__all__ = ["NOTHING", "SHAPE", "format_functional", "format_run"]

NOTHING = "no subset of independent terms keeps the rules and conditions"
"""What is said of a size of a selection that has no subset."""

_VALUE = (float, None)
_SPLITS = dict.fromkeys(SPLITS, _VALUE)
_ROW = {"name": str, "parameters": int, **_SPLITS, "terms?": {str: _VALUE}, "grid?": _SPLITS}
_OWN = {"method": str, "largest": _VALUE, "species": str, "median": _VALUE, "count?": int}
_PROCESS = {"processes": int, "cpu_seconds": float, "peak_memory": float}
SHAPE = {
    "candidates": int,
    "fitted": int,
    "seconds": float,
    "complete": bool,
    "best": {"train": _VALUE, "validation": _VALUE, "terms": {str: _VALUE}, "fitness": _VALUE, "complexity": float},
    "refit?": ({"before": float, "after": float}, None),
    "pick?": {"rule": str, "index": int, "of": int, "checked": FACTS, "faults": [str]},
    "resources?": ({"phases": {str: float}, "coordinator": _PROCESS, "workers": _PROCESS}, {str: None}, None),
    "reached?": (int, None),
    "unit?": str,
    "selection?": [
        {"size": int, "criterion": str, "value": _VALUE, "train": _VALUE, "validation": _VALUE, "certificate": str}
    ],
    "without?": [str],
    "report": (
        {
            "dataset": str,
            "unit": str,
            "rows": [_ROW],
            "grid": ({**_ROW, "name?": str}, None),
            "largest_difference": _VALUE,
            "compared?": ({"done": int, "of": int}, None),
            "grids?": (FACTS["grids?"], None),
            "frame?": (str, None),
            "nodes?": ({"measured": float, "median": float, "own?": (_OWN, None)}, None),
            "test_readings?": (int, None),
            "contributions?": [{"channel": str, "term": str, "train": _VALUE, "validation": _VALUE}],
        },
        None,
    ),
}
"""What must be in summary.json before anything is printed from it."""


def format_functional(functional: Functional, printed: Mapping[str, str] | None = None) -> str:
    """Formulas and parameters, a line each; `printed` has the texts of parameters by "channel.name"."""
    texts = printed or {}
    lines = []
    for kind, channel in functional.channels.items():
        lines.append(f"f_{kind} = {channel.expression.named}")
        lines += [f"    {n} = {texts.get(f'{kind}.{n}', repr(v))}" for n, v in channel.parameters.items()]
    return "\n".join(lines)


def format_run(
    functional: Functional,
    summary: Mapping[str, Any],
    path: str,
    printed: Mapping[str, str] | None = None,
    note: str = "",
) -> str:
    """The winner's formulas and parameters, the table of errors, and how the run went.

    `printed` has the texts of parameters, as in `format_functional`, and `note` says what they are.
    """
    command = resume_command(path)
    picked = _picked(summary.get("pick"), path)
    lines = [format_functional(functional, printed), *([note] if note else []), *picked, ""]
    if not summary:
        lines.append("The run is not complete: no final figures yet.")
        lines.append(f"Continue with: {command}")
        return "\n".join(lines)
    report = summary.get("report")
    if report:
        lines += _figures(report, summary)
    else:
        best = summary["best"]
        unit = summary.get("unit", "kcal/mol")
        where = ", on the nodes" if unit == "kcal/mol" else ""
        lines.append(f"train {_number(best['train'])}, validation {_number(best['validation'])} {unit}{where}")
        lines += _sizes(summary)
        lines.append(f"without a report; it is made by: {command}")
    rate = summary["candidates"] / summary["seconds"] if summary["seconds"] > 0 else math.inf
    lines.append(
        f"{summary['candidates']} candidates ({summary['fitted']} fitted) in {summary['seconds']:.1f} s, {rate:.0f}/s"
    )
    taken = resources_line(summary.get("resources") or {})
    if taken:
        lines.append(taken)
    if summary.get("reached") is not None:
        lines.append(f"goal reached by candidate {summary['reached']}")
    if not summary["complete"]:
        lines.append(f"stopped before the budget was spent; continue with: {command}")
    lines.append(f"run: {path}")
    return "\n".join(lines)


def _figures(report: Mapping[str, Any], summary: Mapping[str, Any]) -> list[str]:
    """The table of errors, and what goes with it."""
    terms = dict.fromkeys(name for row in report["rows"] for name in row.get("terms", {}))
    on_grid = report["grid"] is not None
    body = [_cells(row, row.get("grid") or row, terms) for row in report["rows"]]
    if on_grid:
        first = report["rows"][0]
        body.insert(1, ("  on the nodes of the search", *_cells(first, first, terms)[1:]))
    frame = f"; all in the frame of {report['frame']}" if report.get("frame") else ""
    where = ", on the full integration grid" if on_grid else ""
    lines = [f"{report['unit']} on {report['dataset']}{where}{frame}"]
    lines += _table([("", "parameters", *SPLITS, *(in_words(name) for name in terms)), *body])
    lines += _sizes(summary)
    refit = summary.get("refit")
    if refit:
        lines.append(
            f"parameters fitted again in this form, on all nodes: train {refit['before']:.6g} -> {refit['after']:.6g}"
        )
    parts = report.get("contributions", [])
    if parts:
        lines += [
            "",
            "without one term, all parameters that are left fitted again to the training reactions",
        ]
        lines += _table(
            [("", "train", "validation")]
            + [
                (
                    f"f_{p['channel']}: {p['term']}" if p["channel"] else "all terms, fitted again",
                    _number(p["train"]),
                    _number(p["validation"]),
                )
                for p in parts
            ]
        )
    lines.append("")
    return lines + _accuracy(report)


def _picked(pick: Mapping[str, Any] | None, path: str) -> list[str]:
    """How the winner was chosen, and what holds for it."""
    if not pick:
        return []
    return ["", f"picked by {pick['rule']} of {pick['of']} on the front: {path}:{pick['index']}", verdict(pick)]


def _sizes(summary: Mapping[str, Any]) -> list[str]:
    """The best subset of every size of a selection, and the sizes that have none."""
    rows: Sequence[Mapping[str, Any]] = summary.get("selection", [])
    if not rows:
        return []
    body = [
        (str(r["size"]), in_words(r["criterion"]), _number(r["value"]), _number(r["train"]),
         _number(r["validation"]), str(r["certificate"]))
        for r in rows
    ]  # fmt: skip
    without = [f"{what}: {NOTHING}" for what in summary.get("without", [])]
    return ["", *_table([("terms", "by", "value", "train", "validation", "certificate"), *body]), *without]


def _accuracy(report: Mapping[str, Any]) -> list[str]:
    """How far the figures can be trusted."""
    lines = []
    compared = report.get("compared")
    if report["largest_difference"] is not None:
        lines.append(
            f"quadrature against full grid: largest difference {report['largest_difference']:.2g} kcal/mol"
            f"{_of_how_many(report, compared)}"
        )
    nodes = report.get("nodes")
    if nodes:
        lines.append(
            f"nodes: measured errors of a species' energy in a channel at most {nodes['measured']:.2g} kcal/mol, half "
            f"of the species below {nodes['median']:.2g}"
        )
        own = nodes.get("own")
        if own and own["largest"] is not None:
            sampled = compared is not None and compared["done"] < compared["of"]
            which = f"the {own.get('count')} species" if sampled else "the species"
            how = "measured on the grid" if own["method"] == "grid" else "estimated by fewer nodes"
            lines.append(
                f"nodes, for this functional: error of a species' energy at most {own['largest']:.2g} "
                f"({own['species']}), half of {which} below {own['median']:.2g}, {how}"
            )
    if grids := report.get("grids"):
        change = "unknown" if grids["change"] is None else f"at most {grids['change']:.2g} kcal/mol"
        lines.append(
            f"integration grids, on the nodes: a reaction energy changes by {change} ({grids['where']}) from the grid "
            f"of the densities to {grids['to']}"
        )
    if report["grid"] is None and not compared and report.get("kind") != "points":
        lines.append("not checked on a grid: the dataset is folded and holds no densities")
    if report.get("test_readings") is not None:
        lines.append(f"the sealed test split has been read {report['test_readings']} times, this table included")
    return lines


def _of_how_many(report: Mapping[str, Any], compared: Mapping[str, int] | None) -> str:
    """What was compared, when it was not all."""
    if not compared or compared["done"] == compared["of"]:
        return ""
    what = "species" if report.get("kind") == "species" else "reactions"
    return f" in the {compared['done']} of {compared['of']} {what} that are least certain; --verify compares all"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table, the first column left, the others right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e6 or value == 0 else f"{value:.3g}"


def _cells(row: Mapping[str, Any], errors: Mapping[str, Any], terms: Iterable[str]) -> tuple[str, ...]:
    found = row.get("terms", {})
    return (
        str(row["name"]),
        str(row["parameters"]),
        *(_number(errors[s]) for s in SPLITS),
        *(_number(found.get(name)) for name in terms),
    )
