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
from ..common.runfolder import BEST, FRONT
from ..evolve.island import Individual
from ..formula.expression import Expression
from ..formula.normal_form import normal_form
from ..functionals.functional import Functional
from ..functionals.names import in_words
from .assess import Checked
from .choose import cross_validated, pick
from .physics import faults

__all__ = ["Front", "Member", "format_front", "front_rows", "run_summary", "write_best", "write_front"]

COLUMNS = ("complexity", "parameters", "train", "validation", "cross_validation", "grid", "conditions", "fitness")
"""Of the table, beside the terms of the fitness."""

_SAME = 1e-6
"""Losses of final fits that differ by less, relatively, are the same; they are printed with five digits."""

FINAL = ("cross_validation", "grid", "conditions", "picked", "faults")
"""What is known of a member when its run is complete."""

_TOLD = ("checked", "faults")
"""What the summary says of the pick, beside its figures."""

_SHOWN = ("nodes", "cross_validation")
"""Terms of the fitness that another column says better."""


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

    def gains_nothing_on(self, simpler: Member) -> bool:
        """Whether a simpler member errs as little: fits of a search differ by more than forms that are the same do."""
        pairs = (simpler.losses["after"], self.losses["after"]), (simpler.validation, self.validation)
        return all(theirs <= ours * (1.0 + _SAME) for theirs, ours in pairs)

    @property
    def validation(self) -> float:
        """Loss after the final fit, kcal/mol."""
        return self.losses.get("validation", self.individual.validation)


def write_best(path: Path, functional: Functional) -> None:
    """Keep the best functional of a run in its directory."""
    write_text(path / BEST, json.dumps(functional.to_dict(), indent=2, allow_nan=False) + "\n")


def run_summary(
    picked: Member,
    winner: Functional,
    rows: Sequence[Mapping[str, Any]],
    rule: str,
    *,
    counts: tuple[int, int],
    seconds: float,
    complete: bool,
    report: Mapping[str, Any] | None,
    **more: Any,
) -> dict[str, Any]:
    """What summary.json says of a run.

    Args:
        picked: the member that was chosen.
        winner: its functional under the run's name.
        rows: the front, see `front_rows`.
        rule: by which it was chosen.
        counts: candidates made and fitted.
        seconds, complete, report: of the run.
        more: further members.
    """
    best = picked.individual
    index = next(k for k, row in enumerate(rows) if row["picked"])
    return {
        "candidates": counts[0],
        "fitted": counts[1],
        "seconds": seconds,
        "complete": complete,
        "best": {
            "island": best.island,
            "candidate": best.number,
            "train": best.train,
            "validation": best.validation,
            "terms": dict(best.terms),
            "fitness": best.fitness,
            "complexity": winner.complexity,
        },
        "pick": {"rule": rule, "index": index, "of": len(rows), **{k: rows[index][k] for k in _TOLD}},
        **more,
        "report": report,
    }


class Front(list[dict[str, Any]]):
    """Rows of the candidates that no simpler one beats in error, in order of complexity.

    Each row has island, number, complexity, train, validation, error, fitness, expressions, parameters and more; of a
    complete run also cross_validation, grid, conditions, faults and whether it was picked, and the losses are those of
    the final fit. Formulas are in normal form. Its place is its index in `Run.functional` and in "RUN:7".
    """

    @classmethod
    def of(cls, archive: Sequence[Mapping[str, Any]], members: Sequence[Mapping[str, Any]]) -> Front:
        """Rows of the store, with what the front's file says of the same candidates."""
        known = {(m["island"], m["candidate"]): m for m in members}
        return cls({**row, **_shown(row, known.get((row["island"], row["number"])))} for row in archive)

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
            final = {k: row[k] for k in FINAL if k in row}
            rows.append({**plain_values, **counts, **row["terms"], **final, **formulas, "number": row["number"]})
        return pandas.DataFrame(rows, index=pandas.RangeIndex(len(rows), name="index"))


def _shown(row: Mapping[str, Any], member: Mapping[str, Any] | None) -> dict[str, Any]:
    """What of a row the final fit replaces; without one, the formulas in normal form."""
    texts, values = row["expressions"], row["parameters"]
    if member is None:
        forms: dict[str, tuple[Expression, Mapping[str, float]]] = {
            k: normal_form(Expression.parse(text), values[k]) for k, text in texts.items()
        }
        final: dict[str, Any] = {}
    else:
        channels = Functional.from_dict(member["functional"]).channels
        forms = {k: (channels[k].expression, channels[k].parameters) for k in texts}
        final = {k: member[k] for k in ("train", "validation", *FINAL) if k in member}
    expressions = {k: str(expression) for k, (expression, _) in forms.items()}
    return {
        **final,
        "expressions": expressions,
        "parameters": {**values, **{k: dict(v) for k, (_, v) in forms.items()}},
    }


def front_rows(members: Sequence[Member], tolerance: float, reactions: int, rule: str) -> list[dict[str, Any]]:
    """What the file of the front holds: figures and functional of every member, the pick marked.

    Args:
        members: of the front.
        tolerance: for the difference between nodes and grid, kcal/mol; 0 for any.
        reactions: how many were fitted.
        rule: of the pick, see `fastsfes.run.choose`.
    """
    rows = []
    for index, member in enumerate(members):
        one, functional, losses, checked = member.individual, member.functional, member.losses, member.checked
        facts = checked.facts()
        conditions = facts.get("conditions")
        rows.append(
            {
                "index": index,
                "island": one.island,
                "candidate": one.number,
                "picked": False,
                "complexity": functional.complexity,
                "parameters": len(functional.parameters),
                **plain({"train": losses["after"], "validation": member.validation}),
                "cross_validation": cross_validated(checked.left_out),
                "grid": facts["deviation"],
                "conditions": conditions and f"{conditions['met']}/{conditions['of']}",
                "faults": faults(facts, tolerance),
                "fitness": one.fitness,
                "error": one.error,
                "reactions": reactions,
                "terms": plain(dict(one.terms)),
                "checked": facts,
                "left_out": plain({k: list(v) for k, v in checked.left_out.items()}),
                "functional": functional.to_dict(),
            }
        )
    rows[pick(rows, rule)]["picked"] = True
    return rows


def write_front(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep the front in the folder of a run."""
    write_text(folder / FRONT, json.dumps({"members": list(rows)}, indent=1, allow_nan=False) + "\n")


def format_front(rows: Sequence[Mapping[str, Any]], width: int = 100) -> str:
    """A table: index, figures, formulas in short; * marks the pick, ! who has faults and is not picked."""
    terms = [t for t in dict.fromkeys(name for row in rows for name in row["terms"]) if t not in _SHOWN]
    head = ["", *(in_words(name) for name in (*COLUMNS, *terms))]
    body = [
        [
            f"{row['index']}{'*' if row['picked'] else '!' if row.get('faults') else ' '}",
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


def _cell(value: float | str | None) -> str:
    if isinstance(value, str):
        return value
    if value is None or not math.isfinite(value):
        return "-"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.4f}" if abs(value) >= 1e-3 else f"{value:.1e}"
