"""What each term contributes: losses when it is left out, before and after fitting the rest again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..common.files import plain
from ..fitting.removal import lowered, removals
from ..functionals.functional import Functional
from .minimum import Optimum

__all__ = ["TermContribution", "TermContributions", "term_contributions"]


@dataclass(frozen=True)
class TermContribution:
    """One term.

    Attributes:
        channel, term: where it stands, and its text.
        removed: split -> WRMSD without the term, the other parameters as they were, kcal/mol.
        refitted: split -> WRMSD with the others fitted again; infinite when that fit failed.
        by_type: data type -> change of the training WRMSD of that type after the refit, kcal/mol.
        status: how the fit ended.
    """

    channel: str
    term: str
    removed: Mapping[str, float]
    refitted: Mapping[str, float]
    by_type: Mapping[str, float]
    status: str


@dataclass(frozen=True)
class TermContributions:
    """All terms of a functional.

    Attributes:
        name: of the functional.
        losses: split -> WRMSD with all terms, kcal/mol.
        terms: in the order of the formulas.
    """

    name: str
    losses: Mapping[str, float]
    terms: tuple[TermContribution, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; losses that are not finite become None."""
        return dict(plain(asdict(self)))

    def __str__(self) -> str:
        splits = list(self.losses)
        width = max([len(f"{t.channel}: {t.term}") for t in self.terms] + [9])
        head = "".join(f"{s:>12}" for s in splits)
        lines = [
            f"losses without each term, WRMSD in kcal/mol: {self.name}",
            f"{'':{width}}  {'others refitted':>{12 * len(splits)}}  {'others kept':>{12 * len(splits)}}",
            f"{'term':{width}}  {head}  {head}",
            f"{'(none)':{width}}  " + "".join(f"{v:12.4f}" for v in self.losses.values()),
        ]
        for t in self.terms:
            refitted = "".join(f"{t.refitted[s]:12.4f}" for s in splits)
            removed = "".join(f"{t.removed[s]:12.4g}" for s in splits)
            lines.append(f"{t.channel + ': ' + t.term:{width}}  {refitted}  {removed}")
        return "\n".join(lines)


def term_contributions(best: Optimum, *, threads: int = 0) -> TermContributions:
    """Leave out each additive term of every channel of an `optimum` and fit the rest again.

    Each fit is the minimum of its form (`fastsfes.fitting.minimum`). Where one lies below the loss of a refitted whole,
    the whole was not at its minimum: it is fitted again from there, and `losses` are those of the lower one.
    """
    found = removals(best.problem, best.functional, reduced=best.reduced, threads=threads)
    if best.refitted:
        whole = lowered(best.problem, best.functional, found, threads=threads)
        best = replace(best, functional=whole, losses={s: best.problem.loss(whole, s) for s in best.losses})
    before = _by_type(best, best.functional)
    rows = []
    for r in found:
        after = _by_type(best, r.fitted.functional) if math.isfinite(r.fitted.losses[best.split]) else {}
        rows.append(
            TermContribution(
                r.channel,
                r.term,
                {s: best.problem.loss(r.kept, s) for s in best.losses},
                {s: r.fitted.losses[s] for s in best.losses},
                {t: after[t] - before[t] for t in after},
                r.fitted.status,
            )
        )
    return TermContributions(best.functional.name, best.losses, tuple(rows))


def _by_type(best: Optimum, functional: Functional) -> dict[str, float]:
    errors = best.problem.errors(functional, best.split)
    squares: dict[str, list[float]] = {}
    for reaction, error in zip(best.problem.reactions[best.split], errors.tolist(), strict=True):
        squares.setdefault(reaction.data_type, []).append(reaction.weight * error**2)
    return {t: math.sqrt(sum(v) / len(v)) for t, v in sorted(squares.items())}
