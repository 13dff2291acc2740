"""The front of a run: the candidates that no simpler one beats, each a functional of its own.

At the end of a run every member is brought to its normal form and fitted in it, and all are kept in one file, so that
"RUN:7" means the same wherever a functional can be named.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..common.errors import InputError
from ..common.files import plain, write_text
from ..common.runfolder import FRONT
from ..evolve.island import Individual
from ..functionals.functional import Functional
from .assess import Checked

__all__ = ["Front", "Member", "format_front", "front_rows", "pick", "write_front"]

COLUMNS = ("complexity", "parameters", "train", "validation", "fitness", "grid")
"""Of the table, beside the terms of the fitness."""


@dataclass(frozen=True)
class Member:
    """A member of the front at the end of a run.

    Attributes:
        individual: as the search left it.
        functional: in normal form, fitted in it.
        losses: what fitting it brought: training loss "before" and "after", and "validation", kcal/mol.
        checked: how far its figures can be trusted.
    """

    individual: Individual
    functional: Functional
    losses: Mapping[str, float]
    checked: Checked = field(default_factory=Checked)


def pick(members: Sequence[Member], tolerance: float) -> int:
    """Which member is the result: the one of lowest fitness whose figures can be trusted.

    When none's can, the one whose figures come nearest to that.
    """
    trusted = [k for k, m in enumerate(members) if m.checked.within(tolerance)]
    if not trusted:
        return min(range(len(members)), key=lambda k: members[k].checked.deviation or 0.0)
    return min(trusted, key=lambda k: (members[k].individual.fitness, k))


class Front(list[dict[str, Any]]):
    """Rows of the candidates that no simpler one beats in error, in order of complexity.

    Each row has island, number, complexity, train, validation, error, fitness, expressions, parameters and more; its
    place is its index in `Run.functional` and in "RUN:7".
    """

    def to_dataframe(self) -> Any:
        """A pandas.DataFrame with a row per member; needs pandas."""
        try:
            import pandas
        except ImportError:
            raise InputError("a data frame needs pandas, which is absent; pip install pandas") from None
        rows = []
        for row in self:
            formulas = {f"f_{k}": text for k, text in row["expressions"].items()}
            plain_values = {k: row[k] for k in ("complexity", "train", "validation", "error", "fitness")}
            counts = {"parameters": sum(len(p) for p in row["parameters"].values())}
            rows.append({**plain_values, **counts, **row["terms"], **formulas, "number": row["number"]})
        return pandas.DataFrame(rows, index=pandas.RangeIndex(len(rows), name="index"))


def front_rows(members: Sequence[Member], picked: int) -> list[dict[str, Any]]:
    """What the file of the front holds: figures and functional of every member, the pick marked."""
    rows = []
    for index, member in enumerate(members):
        one, functional, losses = member.individual, member.functional, member.losses
        rows.append(
            {
                "index": index,
                "island": one.island,
                "candidate": one.number,
                "picked": index == picked,
                "complexity": functional.complexity,
                "parameters": len(functional.parameters),
                **plain({"train": losses["after"], "validation": losses.get("validation", one.validation)}),
                "fitness": one.fitness,
                "grid": plain(member.checked.deviation),
                "terms": plain(dict(one.terms)),
                "functional": functional.to_dict(),
            }
        )
    return rows


def write_front(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep the front in the folder of a run."""
    write_text(folder / FRONT, json.dumps({"members": list(rows)}, indent=1, allow_nan=False) + "\n")


def format_front(rows: Sequence[Mapping[str, Any]], width: int = 100) -> str:
    """A table: index, figures, formulas in short; * marks the pick."""
    terms = list(dict.fromkeys(name for row in rows for name in row["terms"]))
    head = ["", *COLUMNS, *(name.replace("_", " ") for name in terms)]
    body = [
        [
            f"{row['index']}{'*' if row['picked'] else ' '}",
            *(_cell(row.get(c)) for c in COLUMNS),
            *(_cell(row["terms"].get(t)) for t in terms),
        ]
        for row in rows
    ]
    widths = [max(len(line[k]) for line in [head, *body]) for k in range(len(head))]
    room = max(30, width - sum(widths) - 2 * len(widths))
    lines = ["  ".join(c.rjust(w) for c, w in zip(head, widths, strict=True)) + "  formulas"]
    for row, cells in zip(rows, body, strict=True):
        channels = row["functional"]["channels"]
        short = "; ".join(f"f_{kind} = {c['expression']}" for kind, c in channels.items())
        short = short if len(short) <= room else short[: room - 3] + "..."
        lines.append("  ".join(c.rjust(w) for c, w in zip(cells, widths, strict=True)) + f"  {short}")
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.4f}" if abs(value) >= 1e-3 else f"{value:.1e}"
