"""What each term of a functional contributes: its losses when the term is left out and the rest fitted again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..expression import Expression
from ..files import plain
from ..functional import Channel
from .evaluation import Evaluate, FitRequest

__all__ = ["additive_terms", "contributions", "without_each_term"]


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
    """For every additive term: its channel, its text, and the channel's expression without it."""
    for kind, channel in channels.items():
        terms = additive_terms(channel.expression)
        for index, term in enumerate(terms):
            rest = Expression.constant(0.0)
            for other in terms[:index] + terms[index + 1 :]:
                rest = rest + other
            yield kind, str(term), rest.simplify()


def contributions(channels: Mapping[str, Channel], evaluate: Evaluate) -> list[dict[str, Any]]:
    """Losses without each term, all other parameters fitted anew from their values.

    Returns:
        One dict per term, in order: channel, term (text), train and validation (kcal/mol; None when it could not be
        fitted); first the whole functional, whose channel and term are empty.
    """
    whole = {k: c.expression for k, c in channels.items()}
    cases = [("", "", whole), *((k, term, {**whole, k: rest}) for k, term, rest in without_each_term(channels))]
    start = {k: dict(c.parameters) for k, c in channels.items()}
    requests = [FitRequest(e, {k: {p: start[k][p] for p in e[k].parameters} for k in e}) for _, _, e in cases]
    found = []
    for (kind, text, _), outcome in zip(cases, evaluate(requests), strict=True):
        losses = {"train": outcome.known.train, "validation": outcome.known.validation}
        found.append({"channel": kind, "term": text, **plain(losses)})
    return found
