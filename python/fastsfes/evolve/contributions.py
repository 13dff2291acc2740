"""What each term of a functional contributes: its losses when the term is left out and the rest fitted again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ..common.files import plain
from ..formula.expression import Expression
from ..functionals.functional import Channel
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
    """For every additive term: its channel, its text, and the channel's expression without it.

    Evolved sums repeat terms whose parameters are one: the copies are one term, with their number as its factor.
    """
    for kind, channel in channels.items():
        terms = [(str(term), term) for term in additive_terms(channel.expression)]
        copies = Counter(text for text, _ in terms)
        for text, term in dict(terms).items():
            rest = Expression.constant(0.0)
            for other_text, other in terms:
                if other_text != text:
                    rest = rest + other
            factor = Expression.constant(float(copies[text]))
            yield kind, text if copies[text] == 1 else str(factor * term), rest.fold()


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
