"""The front of a run: the candidates that no simpler one beats, each a functional of its own.

At the end of a run every member is brought to its normal form and fitted in it, and all are kept in one file, so that
"RUN:7" means the same wherever a functional can be named.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..common.errors import InputError
from ..common.files import plain, write_text
from ..common.runfolder import FRONT
from ..evolve.island import Individual
from ..functionals.functional import Functional

__all__ = ["Front", "format_front", "front_rows", "write_front"]

COLUMNS = ("complexity", "parameters", "train", "validation", "fitness")
"""Of the table, beside the terms of the fitness."""

Made = Callable[[int, Individual], "tuple[Functional, Mapping[str, float]]"]
"""The functional of a member with its place on the front, fitted, and its training loss "before" and "after"."""


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


def front_rows(archive: Sequence[Individual], best: Individual, made: Made) -> list[dict[str, Any]]:
    """What the file of the front holds: figures and functional of every member, the pick marked."""
    rows = []
    for index, member in enumerate(archive):
        functional, losses = made(index, member)
        rows.append(
            {
                "index": index,
                "island": member.island,
                "candidate": member.number,
                "picked": (member.island, member.number) == (best.island, best.number),
                "complexity": functional.complexity,
                "parameters": len(functional.parameters),
                **plain({"train": losses["after"], "validation": losses.get("validation", member.validation)}),
                "fitness": member.fitness,
                "terms": plain(dict(member.terms)),
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
            *(_cell(row[c]) for c in COLUMNS),
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
    return str(int(value)) if value == int(value) and abs(value) < 1e6 else f"{value:.4f}"
