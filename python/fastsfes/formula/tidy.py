"""The same enhancement factor in fewer words: sums of products multiplied out and collected, in the core.

Evolution leaves factors like (1 + c0*u)*(c1 + u*c2) + c3. Multiplied out they are sums of monomials of features and
of what is no polynomial (u(x2, g), roots, quotients), each with one coefficient. That is adopted when it needs no more
parameters than the original, or up to two more and fewer nodes; the values are the same up to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping

from .. import _core
from .expression import Expression

__all__ = ["tidied_nodes", "tidy"]


def tidy(expression: Expression, parameters: Mapping[str, float]) -> tuple[Expression, dict[str, float]]:
    """An equal expression with parameters c0, c1, ... (coefficients) and g0, g1, ... (inside functions).

    Args:
        expression: any expression.
        parameters: a value for every parameter that occurs.

    Returns:
        The shorter of the expression itself and its expanded form, and the values of its parameters.
    """
    handle, values = _core.tidy(expression._handle, {p: float(parameters[p]) for p in expression.parameters})
    return Expression(handle), values


def tidied_nodes(text: str) -> list[str]:
    """Names of the distinct nodes of an expression (as text) after `tidy`: what redundancy does not change."""
    return _core.tidied_nodes(text)
