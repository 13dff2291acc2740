"""Functions on which the error of a quadrature is measured.

The registered functionals show what is wanted; the panel shows what a search may come up with: roots, logarithms,
exponentials and poles of both features, with parameters from gentle to steep.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...formula.expression import Expression
from ...functionals.registry import get_functional

#: Rough expressions of x2, w and rho; those with features that the nodes do not have are left out.
PANEL: tuple[str, ...] = (
    "sqrt(u(x2, 0.004))",
    "cbrt(u(x2, 0.2))",
    "sqrt(1 + 0.01*x2)/(1 + 0.01*x2)",
    "w**2*cbrt(x2)/(1 + 0.1*x2)",
    "log1p(0.05*x2)/(1 + 0.05*x2)",
    "log1p(x2)*w**2/(1 + 0.02*x2)",
    "exp(-0.02*x2)",
    "exp(-w**2)*u(x2, 0.02)",
    "exp(2*w)*u(x2, 0.005)",
    "1/(1 + 0.5*w)",
    "u(x2, 0.5)**4",
    "u(x2, 0.001)/(1 + 2*w**2)",
    "cbrt(rho)/(1 + cbrt(rho))",
    "u(x2, 0.004)*exp(-cbrt(rho))",
    "w*log1p(10*cbrt(rho))/(1 + log1p(10*cbrt(rho)))",
    "u(x2, 0.02)*w**2*cbrt(rho)/(0.5 + cbrt(rho))",
    "exp(-w**2)/(1 + 3*sqrt(rho))",
)

FUNCTIONALS = (
    "lda_x", "pw92", "lda", "b88_x", "pbe_x", "rpbe_x", "pbe_c", "pbe", "rpbe", "revpbe_x", "revpbe", "pbe0",
    "tpss", "scan", "r2scan", "m06_l", "b97_x", "b97", "wb97x_v", "b97m_v", "wb97m_v", "gas22", "gas22_syfes",
)  # fmt: skip
"""Registered functionals that nodes are measured with. A list of its own: what is registered later changes no nodes."""

Labelled = tuple[str, Expression]


def measured_expressions(kind: str, features: Sequence[str]) -> list[Labelled]:
    """Expressions on which a channel is measured: (label, expression without parameters).

    Labels are names of `FUNCTIONALS`, then the texts of the panel, and "1" for the measure itself.
    """
    known = set(features)
    found: list[Labelled] = [("1", Expression.constant(1.0))]
    for name in FUNCTIONALS:
        channel = get_functional(name).channels.get(kind)
        if channel is not None and known.issuperset(channel.expression.features):
            found.append((name, channel.bound()))
    for text in PANEL:
        expression = Expression.parse(text)
        if known.issuperset(expression.features):
            found.append((text, expression))
    return found
