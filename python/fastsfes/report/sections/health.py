"""The section of numerical health and exact conditions: one table, and where the functional fails."""

from __future__ import annotations

import re
from typing import Any

from ...functionals.names import display_name
from ..draw.axis import number
from ..html import Content, Markup, tag
from .parts import details, missing, section, table

__all__ = ["health_section"]


def health_section(data: dict[str, Any]) -> Markup:
    """Verdicts and margins of all checks, the winner first."""
    found = data["health"]
    content: list[Content] = [missing(data["problems"]["health"])] if found is None else _table(found)
    return section(
        "health",
        "Numerical health and exact conditions",
        *content,
        lead="Each check passes (✓) or fails (✗), with its margin: how far the worst point is from the limit, negative "
        "by as much as it fails. Of atoms, the radial points after which the energy stands still to 1e-6 hartree.",
    )


def _table(found: dict[str, Any]) -> list[Content]:
    columns: dict[str, list[dict[str, Any]]] = {found["name"]: found["rows"], **found["beside"]}
    rows: list[Markup | list[Content]] = []
    group = ""
    for k, row in enumerate(found["rows"]):
        if row["group"] != group:
            group = row["group"]
            rows.append(tag("tr", tag("th", group, scope="colgroup", colspan=len(columns) + 1), class_="group"))
        head = tag("th", _name(row["name"]), scope="row", title=row["detail"])
        rows.append([head, *(_verdict(checks[k]) for checks in columns.values())])
    counts = [
        f"{sum(r['passed'] is True for r in checks)} of {sum(r['passed'] is not None for r in checks)}"
        for checks in columns.values()
    ]
    rows.append([tag("th", tag("strong", "passed"), scope="row"), *(tag("td", tag("strong", c)) for c in counts)])
    failed = [r for r in found["rows"] if r["passed"] is False]
    names = [display_name(name) for name in columns]
    content: list[Content] = [table(["check", *names], rows, caption=f"Checks at level {found['level']}")]
    if failed:
        where = [
            [r["name"], tag("td", r["where"], class_="text"), tag("td", r["detail"], class_="text long")]
            for r in failed
        ]
        content.append(
            details(
                f"Where {display_name(found['name'])} fails ({len(failed)})",
                table(["check", "worst point", "what was tested"], where, caption="Failed checks", text_columns=3),
            )
        )
    return content


def _name(text: str) -> list[Content]:
    """E_c with a subscript, <= as one sign."""
    parts = re.split(r"\b([A-Z])_(xc|x|c)\b", text.replace("<=", "≤").replace(">=", "≥"))
    return [tag("sub", part) if k % 3 == 2 else part for k, part in enumerate(parts)]


def _verdict(row: dict[str, Any]) -> Markup:
    title = f"{row['where']}: {row['detail']}" if row["where"] else row["detail"]
    if row["passed"] is None:
        return tag("td", "–", title=title)
    passed = row["passed"]
    mark = tag(
        "span",
        "✓" if passed else "✗",
        class_="pass" if passed else "fail",
        aria_label="passes" if passed else "fails",
        role="img",
    )
    if row["unit"] == "points" and row["value"] is not None:
        value = f" {row['value']:.0f} points"
    elif not row["margin"]:  # none, or that of a check that is simply fulfilled
        value = ""
    else:
        value = f" {'+' if row['margin'] >= 0 else ''}{number(row['margin'], 2)}"
    return tag("td", mark, value, title=title)
