"""The normal form of a formula: what is shown, counted, limited and exported.

Evolution leaves factors like c0 + (c0*w + (c0*u + c0*w)). In normal form sums are collected and factorised, equal
factors are powers, numbers are folded, and parameters that others can stand in for are gone. All of it happens in the
core.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from .. import _core
from .expression import Expression

__all__ = ["normal", "normal_form"]


def normal_form(expression: Expression, parameters: Mapping[str, float]) -> tuple[Expression, dict[str, float]]:
    """The normal form, and the values with which it is the same function.

    Args:
        expression: any expression.
        parameters: a value for every parameter that occurs.

    Returns:
        An expression of the same family with at most as many nodes and parameters, these called c0, c1, ... (linear)
        and g0, g1, ... (the others) in reading order; and their values.
    """
    handle, values = _core.normal_form(expression._handle, {p: float(parameters[p]) for p in expression.parameters})
    return Expression(handle), values


@lru_cache(maxsize=65536)
def normal(text: str) -> Expression:
    """The normal form of an expression given as text; it does not depend on the values of parameters."""
    return Expression(_core.normal_form(_core.Expression.parse(text), {})[0])
