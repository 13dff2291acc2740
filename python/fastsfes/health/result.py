"""What `check` returns: a table of rows for a functional and for others beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..functionals.names import display_name
from .conditions.row import Row

__all__ = ["HealthResult"]


@dataclass(frozen=True)
class HealthResult:
    """Rows of a functional and of those beside it.

    Attributes:
        name: of the functional.
        level: "quick" or "full".
        rows: its checks.
        beside: name -> rows of another functional, the same checks in the same order.
        seconds: name -> time of its checks.
    """

    name: str
    level: str
    rows: tuple[Row, ...]
    beside: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[Row, ...]:
        """The rows that fail."""
        return tuple(row for row in self.rows if row.passed is False)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "name": self.name,
            "level": self.level,
            "rows": [row.to_dict() for row in self.rows],
            "beside": {name: [row.to_dict() for row in rows] for name, rows in self.beside.items()},
            "seconds": dict(self.seconds),
        }

    def __str__(self) -> str:
        """The table: verdict and margin of every check, of every functional; then where the functional fails."""
        columns = {self.name: self.rows, **self.beside}
        width = max(len(row.name) for row in self.rows)
        wide = {name: max(len(display_name(name)), *(len(_cell(r)) for r in rows)) for name, rows in columns.items()}
        header = f"{'':{width}}  " + "  ".join(f"{display_name(name):>{wide[name]}}" for name in columns)
        lines = [header.rstrip()]
        group = ""
        for k, row in enumerate(self.rows):
            if row.group != group:
                group = row.group
                lines.append(group)
            lines.append(f"{row.name:{width}}  " + "  ".join(f"{_cell(r[k]):>{wide[n]}}" for n, r in columns.items()))
        counts = [
            f"{sum(r.passed is True for r in rows)} of {sum(r.passed is not None for r in rows)}"
            for rows in columns.values()
        ]
        lines.append(
            f"{'passed':{width}}  " + "  ".join(f"{c:>{wide[n]}}" for c, n in zip(counts, columns, strict=True))
        )
        if self.failed:
            lines += ["", f"where {display_name(self.name)} fails"]
            lines += [f"  {row.name}: {row.where}: {row.detail}" for row in self.failed]
        return "\n".join(lines)


def _cell(row: Row) -> str:
    """Verdict and margin; of radial grids the number of points that are needed."""
    if row.margin is None or (row.passed and row.margin == 0.0):
        return row.verdict
    if row.unit == "points" and row.value is not None:
        return f"{row.verdict}  N0 = {row.value:.0f}"
    return f"{row.verdict} {row.margin:+.1e}"
