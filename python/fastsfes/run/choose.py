"""Which member of a front is the result: rules that look at the whole front after the search.

Members that break physics or the tolerance of the nodes (their "faults") are no candidates while one is without.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..common.errors import InputError
from ..formula.expression import Expression

__all__ = ["RULES", "cross_validated", "pick", "within_one_error"]

Row = Mapping[str, Any]
"""A row of the front's file (docs/file-formats.md)."""

Squares = Mapping[str, Sequence[float]]
"""Subset -> number of its reactions and the sum of their weighted squared errors, from fits that left it out."""


def pick(rows: Sequence[Row], rule: str) -> int:
    """The place of the member that a rule chooses.

    Args:
        rows: of the front, by rising complexity.
        rule: one of `RULES`. Where a rule has nothing to go by (no cross-validation), it is "best".

    Raises:
        InputError: an unknown rule, or an empty front.
    """
    if rule not in RULES:
        raise InputError(f'select: rule "{rule}" is unknown; the rules are {", ".join(RULES)}')
    if not rows:
        raise InputError("the front is empty; nothing can be picked")
    fewest = min(len(r.get("faults", ())) for r in rows)
    eligible = [k for k, r in enumerate(rows) if len(r.get("faults", ())) == fewest]
    return eligible[RULES[rule]([rows[k] for k in eligible])]


def cross_validated(squares: Squares) -> float | None:
    """WRMSD over all reactions, each from the fit that did not see its subset, kcal/mol; None when there is none."""
    count = sum(n for n, _ in squares.values())
    total = sum(s for _, s in squares.values())
    return math.sqrt(total / count) if count and math.isfinite(total) else None


def within_one_error(squares: Squares, best: Squares) -> bool:
    """Whether a mean squared error is above the best one's by no more than the standard error of the difference.

    Reactions are compared one by one with those of the best, since hard ones are hard for all; whole subsets are left
    out together and count together (a cluster-robust standard error; Cameron & Miller, 10.3368/jhr.50.2.317).
    """
    count = sum(n for n, _ in best.values())
    differences = {name: squares[name][1] - s for name, (_, s) in best.items()}
    mean = sum(differences.values()) / count
    rest = sum((d - best[name][0] * mean) ** 2 for name, d in differences.items())
    groups = len(best)
    error = math.sqrt(groups / (groups - 1) * rest) / count if groups > 1 else 0.0
    return mean <= error


def _best(rows: Sequence[Row]) -> int:
    return min(range(len(rows)), key=lambda k: (_number(rows[k]["fitness"]), k))


def _one_error(rows: Sequence[Row]) -> int:
    known = [k for k, r in enumerate(rows) if r.get("cross_validation") is not None]
    if not known:
        return _best(rows)
    best = rows[min(known, key=lambda k: (rows[k]["cross_validation"], k))]["left_out"]
    near = [k for k in known if within_one_error(rows[k]["left_out"], best)]
    return min(near, key=lambda k: (rows[k]["complexity"], rows[k]["parameters"], rows[k]["cross_validation"]))


def _knee(rows: Sequence[Row]) -> int:
    """The member farthest below the line from the first to the last one, in complexity and the logarithm of the error
    (Satopaa et al., 10.1109/ICDCSW.2011.20)."""
    x = [float(r["complexity"]) for r in rows]
    y = [math.log(max(_number(r["error"]), 1e-300)) for r in rows]
    if len(rows) < 3 or x[0] == x[-1] or y[0] <= y[-1]:
        return _best(rows)
    below = [(y[0] - b) / (y[0] - y[-1]) - (a - x[0]) / (x[-1] - x[0]) for a, b in zip(x, y, strict=True)]
    return max(range(len(rows)), key=lambda k: (below[k], -k))


def _bic(rows: Sequence[Row]) -> int:
    """n ln(loss^2) + p ln n, and for the formula twice its description length, its nodes times ln(kinds of nodes)
    (Bartlett, Desmond & Ferreira, 10.1109/TEVC.2023.3280250)."""
    kinds = {
        (name, payload if name == "feature" else None)
        for r in rows
        for c in r["functional"]["channels"].values()
        for name, _, payload in Expression.parse(c["expression"]).nodes()
    }

    def criterion(row: Row) -> float:
        n = max(2, int(row.get("reactions") or 2))
        loss = max(_number(row["train"]), 1e-150)
        size = 2.0 * float(row["complexity"]) * math.log(max(2, len(kinds)))
        return n * math.log(loss**2) + int(row["parameters"]) * math.log(n) + size

    return min(range(len(rows)), key=lambda k: (criterion(rows[k]), k))


def _number(value: float | None) -> float:
    return math.inf if value is None else value


RULES: dict[str, Callable[[Sequence[Row]], int]] = {
    "best": _best,
    "one-se": _one_error,
    "knee": _knee,
    "bic": _bic,
}
"""Name -> what chooses: the lowest fitness; the simplest whose cross-validation is within one standard error of the
best; the knee of complexity against error; Bayes' criterion with a term for the formula."""
