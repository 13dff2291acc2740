"""What is left of a functional without one of its terms: the minimum of the rest, one answer for all who ask."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..formula.expression import Expression
from ..formula.family import linear_parameters
from ..functionals.functional import Channel, Functional
from .minimum import SETTINGS, confirmed, find_minimum
from .problem import FitProblem, Fitted

__all__ = ["Removal", "additive_terms", "lowered", "removals", "without_each_term"]

_ROUNDING = 1e-9
"""Relative difference of losses that are one."""


def additive_terms(expression: Expression) -> list[Expression]:
    """The terms whose sum is the expression; one for what is no sum."""
    nodes = expression.nodes()
    made: list[Expression] = []
    terms: list[list[Expression]] = []
    for name, args, payload in nodes:
        if name == "constant":
            made.append(Expression.constant(float(payload)))
        elif name in ("feature", "parameter"):
            made.append(Expression.parse(str(payload)))
        else:
            made.append(Expression.apply(name, *(made[a] for a in args)))
        if name == "+":
            terms.append([*terms[args[0]], *terms[args[1]]])
        elif name == "-":
            terms.append([*terms[args[0]], *(-t for t in terms[args[1]])])
        elif name == "neg":
            terms.append([-t for t in terms[args[0]]])
        elif name in ("fma", "fms", "fnma"):
            product, third = made[args[0]] * made[args[1]], terms[args[2]]
            if name == "fms":
                third = [-t for t in third]
            terms.append([-product if name == "fnma" else product, *third])
        else:
            terms.append([made[-1]])
    return terms[-1]


def without_each_term(channels: Mapping[str, Channel]) -> Iterator[tuple[str, str, Expression]]:
    """For every additive term: its channel, its text, and the channel's expression without it.

    Terms that one parameter multiplies, c0 and -(c0*u) for example, are one term, c0*(1 - u): none of them could go
    alone while the others stay. So are copies, which evolved sums have.
    """
    for kind, channel in channels.items():
        linear = linear_parameters(channel.expression)
        terms = [(_owner(term, linear), term) for term in additive_terms(channel.expression)]
        for owner in dict.fromkeys(owner for owner, _ in terms):
            own = [term for other, term in terms if other == owner]
            rest = sum((term for other, term in terms if other != owner), Expression.constant(0.0))
            yield kind, str(own[0] if len(own) == 1 else sum(own[1:], own[0]).simplify()), rest.fold()


def _owner(term: Expression, linear: Collection[str]) -> str:
    """The linear parameter that multiplies a term; the term's text where none does."""
    for name in linear:
        if name in term.parameters:
            operator, _, value = term.substitute({name: 0.0}).fold().nodes()[-1]
            if operator == "constant" and value == 0.0:
                return name
    return str(term)


@dataclass(frozen=True)
class Removal:
    """A functional without one term.

    Attributes:
        channel, term: where the term stood, and its text.
        kept: the rest with its parameters as they were.
        fitted: the minimum of the rest.
    """

    channel: str
    term: str
    kept: Functional
    fitted: Fitted


def removals(
    problem: FitProblem,
    functional: Functional,
    *,
    reduced: FitProblem | None = None,
    kinds: Collection[str] | None = None,
    threads: int = 0,
) -> list[Removal]:
    """Leave out each additive term in turn; what is left is at its minimum (`find_minimum`).

    Args:
        problem: with the reactions, on the nodes of the result.
        functional: the whole.
        reduced: the same problem on few nodes, where starts are tried.
        kinds: channels whose terms are left out; None: of all.
        threads: OpenMP threads; the result does not depend on it.
    """
    found = []
    chosen = {k: c for k, c in functional.channels.items() if kinds is None or k in kinds}
    for kind, term, rest in without_each_term(chosen):
        left = Channel(rest, {n: functional.channels[kind].parameters[n] for n in rest.parameters})
        kept = replace(functional, channels={**functional.channels, kind: left})
        found.append(Removal(kind, term, kept, find_minimum(problem, kept, reduced=reduced, threads=threads).fitted))
    return found


def lowered(problem: FitProblem, whole: Functional, found: Sequence[Removal], *, threads: int = 0) -> Functional:
    """The whole, or a better one where a rest without a term lies below it.

    With the term the loss cannot be higher, so the whole was not at its minimum; it is fitted from the rest's
    parameters. A term without a coefficient is an exception: without it the form is none of the whole's.
    """
    block = next(iter(problem.reactions))
    loss = problem.loss(whole, block)
    starts = [
        whole.with_parameters(r.fitted.functional.parameters)
        for r in found
        if r.fitted.losses[block] < loss * (1.0 - _ROUNDING)
    ]
    fits = [confirmed(problem, f) for f in problem.fit(starts, SETTINGS, threads=threads)] if starts else []
    lowest = min(fits, key=lambda f: f.losses[block], default=None)
    if lowest is None or not math.isfinite(lowest.losses[block]) or not lowest.losses[block] < loss:
        return whole
    return lowest.functional
