"""What `fastsfes search` prints at the end and `fastsfes show` prints again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..functional import Functional

__all__ = ["format_run"]

SPLITS = ("train", "validation", "test")


def format_run(functional: Functional, summary: Mapping[str, Any], path: str) -> str:
    """The winner's formulas and parameters, the table of errors, and how the run went."""
    lines = []
    for kind, channel in functional.channels.items():
        lines.append(f"f_{kind} = {channel.expression}")
        lines += [f"    {name} = {value!r}" for name, value in channel.parameters.items()]
    lines.append("")
    if not summary or not summary.get("report"):
        lines.append("The run is not complete: no final figures yet.")
        lines.append(f"Continue with: fastsfes search --resume {path}")
        return "\n".join(lines)
    report = summary["report"]
    head = ("", "parameters", *SPLITS)
    body = [_cells(row) for row in report["rows"]]
    body.insert(1, _cells({**report["grid"], "name": "  on the full grid"}))
    widths = [max(len(row[k]) for row in (head, *body)) for k in range(len(head))]
    lines.append(f"{report['unit']} on {report['dataset']}")
    for row in (head, *body):
        lines.append(
            "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        )
    lines.append("")
    lines.append(f"quadrature against full grid: largest difference {report['largest_difference']:.2g} kcal/mol")
    rate = summary["candidates"] / summary["seconds"] if summary["seconds"] > 0 else math.inf
    lines.append(
        f"{summary['candidates']} candidates ({summary['fitted']} fitted) in {summary['seconds']:.1f} s, {rate:.0f}/s"
    )
    if summary.get("reached") is not None:
        lines.append(f"goal reached by candidate {summary['reached']}")
    if not summary["complete"]:
        lines.append(f"stopped before the budget was spent; continue with: fastsfes search --resume {path}")
    lines.append(f"run: {path}")
    return "\n".join(lines)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    def number(value: float | None) -> str:
        if value is None:
            return "-"
        return f"{value:.4f}" if 1e-3 <= abs(value) < 1e6 else f"{value:.3g}"

    return (str(row["name"]), str(row["parameters"]), *(number(row[s]) for s in SPLITS))
