"""What each term contributes: losses when it is left out, before and after fitting the rest again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..common.files import plain
from ..evolve.contributions import without_each_term
from ..fitting import find_minimum
from ..fitting.minimum import confirmed
from ..functionals.functional import Channel, Functional
from .optimum import FIT, Optimum

__all__ = ["TermContribution", "TermContributions", "term_contributions"]


_ROUNDING = 1e-9
"""Relative difference of losses that are one."""


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
    cases = list(_cases(best.functional))
    found = [find_minimum(best.problem, c, reduced=best.reduced, threads=threads).fitted for _, _, c in cases]
    if best.refitted:
        limit = best.losses[best.split] * (1.0 - _ROUNDING)
        best = _lowered(best, [f.functional for f in found if f.losses[best.split] < limit], threads)
    whole = _by_type(best, best.functional)
    rows = []
    for (channel, term, case), fitted in zip(cases, found, strict=True):
        after = _by_type(best, fitted.functional) if math.isfinite(fitted.losses[best.split]) else {}
        rows.append(
            TermContribution(
                channel,
                term,
                {s: best.problem.loss(case, s) for s in best.losses},
                {s: fitted.losses[s] for s in best.losses},
                {t: after[t] - whole[t] for t in after},
                fitted.status,
            )
        )
    return TermContributions(best.functional.name, best.losses, tuple(rows))


def _lowered(best: Optimum, without: list[Functional], threads: int) -> Optimum:
    """The whole fitted from the parameters of forms that lack a term: with it the loss cannot be higher."""
    if not without:
        return best
    starts = [best.functional.with_parameters(f.parameters) for f in without]
    fitted = [confirmed(best.problem, f) for f in best.problem.fit(starts, FIT, threads=threads)]
    lowest = min(fitted, key=lambda f: f.losses[best.split])
    if not lowest.losses[best.split] < best.losses[best.split]:
        return best
    return replace(best, functional=lowest.functional, losses=dict(lowest.losses))


def _by_type(best: Optimum, functional: Functional) -> dict[str, float]:
    errors = best.problem.errors(functional, best.split)
    squares: dict[str, list[float]] = {}
    for reaction, error in zip(best.problem.reactions[best.split], errors.tolist(), strict=True):
        squares.setdefault(reaction.data_type, []).append(reaction.weight * error**2)
    return {t: math.sqrt(sum(v) / len(v)) for t, v in sorted(squares.items())}


def _cases(functional: Functional) -> Iterator[tuple[str, str, Functional]]:
    for kind, term, rest in without_each_term(functional.channels):
        kept = Channel(rest, {n: functional.channels[kind].parameters[n] for n in rest.parameters})
        yield kind, term, replace(functional, channels={**functional.channels, kind: kept})
