"""Products taken apart into their factors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import mul

from .expression import Expression

__all__ = ["without_number"]


def _nodes(expression: Expression) -> Iterator[tuple[str, Sequence[int], Expression]]:
    """Operator, arguments and expression of every node, arguments first."""
    made: list[Expression] = []
    for name, args, payload in expression.nodes():
        if name == "constant":
            made.append(Expression.constant(float(payload)))
        elif name in ("feature", "parameter"):
            made.append(Expression.parse(str(payload)))
        else:
            made.append(Expression.apply(name, *(made[a] for a in args)))
        yield name, args, made[-1]


def without_number(term: Expression) -> Expression:
    """A product without its constant factors, 1 for a constant."""
    factors: list[list[Expression]] = []
    for name, args, own in _nodes(term):
        if name == "constant":
            factors.append([])
        elif name == "*":
            factors.append([*factors[args[0]], *factors[args[1]]])
        elif name == "neg":
            factors.append(factors[args[0]])
        else:
            factors.append([own])
    return reduce(mul, factors[-1]) if factors[-1] else Expression.constant(1.0)
