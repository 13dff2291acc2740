"""The same enhancement factor in fewer words: sums of products multiplied out and collected.

Evolution leaves factors like (1 + c0*u)*(c1 + u*c2) + c3. Multiplied out they are sums of monomials of features and
of what is no polynomial (u(x2, g), roots, quotients), each with one coefficient. That is adopted when it needs no more
parameters than the original, or up to two more and fewer nodes; the values are the same up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..expression import Expression
from .family import linear_parameters

__all__ = ["tidied_nodes", "tidy"]

Monomial = tuple[tuple[str, int], ...]
Polynomial = dict[Monomial, float]

_MOST_TERMS = 40
_LARGEST_POWER = 32
_MORE_PARAMETERS = 2
_LARGEST_INTEGER = 9


class _TooLong(Exception):
    """The expression has too many terms to be worth writing out."""


def tidy(expression: Expression, parameters: Mapping[str, float]) -> tuple[Expression, dict[str, float]]:
    """An equal expression with parameters c0, c1, ... (coefficients) and g0, g1, ... (inside functions).

    Args:
        expression: any expression.
        parameters: a value for every parameter that occurs.

    Returns:
        The shorter of the expression itself and its expanded form, and the values of its parameters.
    """
    try:
        written = _written_out(expression, parameters)
    except (_TooLong, OverflowError):
        written = None
    if written is not None:
        new, values = written
        more = len(new.parameters) - len(expression.parameters)
        if more <= 0 or (more <= _MORE_PARAMETERS and new.complexity < expression.complexity):
            return _renamed(new, values)
    return _renamed(expression, parameters)


def tidied_nodes(text: str) -> list[str]:
    """Names of the distinct nodes of an expression (as text) after `tidy`: what redundancy does not change."""
    expression = Expression.parse(text)
    # any values do, as long as no coefficient vanishes by accident
    values = {p: 0.6180339887498949 + 0.4142135623730951 * k for k, p in enumerate(expression.parameters)}
    return [name for name, _, _ in tidy(expression, values)[0].nodes()]


def _renamed(expression: Expression, parameters: Mapping[str, float]) -> tuple[Expression, dict[str, float]]:
    linear = set(linear_parameters(expression))
    names: dict[str, str] = {}
    for stem, group in (("c", True), ("g", False)):
        chosen = [p for p in expression.parameters if (p in linear) is group]
        names |= {p: f"{stem}{k}" for k, p in enumerate(chosen)}
    renamed = expression.substitute({a: Expression.parse(b) for a, b in names.items()})
    return renamed, {b: float(parameters[a]) for a, b in names.items()}


def _written_out(expression: Expression, values: Mapping[str, float]) -> tuple[Expression, dict[str, float]]:
    polynomial = _polynomial(expression, values)
    # a coefficient that does not move with the parameters belongs to the form
    moved = _polynomial(expression, {p: 1.37 * v + 0.11 for p, v in values.items()})
    names = {p: f"inner_{k}" for k, p in enumerate(expression.parameters)}
    result: Expression | None = None
    found: dict[str, float] = {}
    for number, (monomial, coefficient) in enumerate(sorted(polynomial.items(), key=_order)):
        term: Expression | None = None
        for text, power in monomial:
            factor = Expression.parse(text)
            factor = factor.substitute({p: Expression.parse(names[p]) for p in factor.parameters})
            found |= {names[p]: float(values[p]) for p in Expression.parse(text).parameters}
            factor = factor if power == 1 else factor ** float(power)
            term = factor if term is None else term * factor
        negative = False
        fixed = moved.get(monomial) == coefficient
        if fixed and coefficient == int(coefficient) and abs(coefficient) <= _LARGEST_INTEGER:
            negative, weight = coefficient < 0, Expression.constant(abs(coefficient))
            term = weight if term is None else (term if abs(coefficient) == 1.0 else weight * term)
        else:
            name = f"outer_{number}"
            found[name] = coefficient
            weight = Expression.parse(name)
            term = weight if term is None else weight * term
        if result is None:
            result = -term if negative else term
        else:
            result = result - term if negative else result + term
    if result is None:
        return Expression.constant(0.0), {}
    result = result.simplify()
    return result, {p: found[p] for p in result.parameters}


def _order(item: tuple[Monomial, float]) -> tuple[int, Monomial]:
    return sum(power for _, power in item[0]), item[0]


def _polynomial(expression: Expression, values: Mapping[str, float]) -> Polynomial:
    nodes = expression.nodes()
    texts: list[Expression] = []
    found: list[Polynomial] = []
    for name, args, payload in nodes:
        if name == "constant":
            texts.append(Expression.constant(float(payload)))
            found.append(_number(float(payload)))
            continue
        if name == "parameter":
            texts.append(Expression.parse(str(payload)))
            found.append(_number(float(values[str(payload)])))
            continue
        if name == "feature":
            texts.append(Expression.parse(str(payload)))
            found.append({((str(payload), 1),): 1.0})
            continue
        inner = [found[a] for a in args]
        texts.append(Expression.apply(name, *(texts[a] for a in args)))
        polynomial = _combined(name, inner)
        found.append({((texts[-1].text, 1),): 1.0} if polynomial is None else polynomial)
    return found[-1]


def _combined(name: str, inner: list[Polynomial]) -> Polynomial | None:
    """The polynomial of an operator on polynomials; None when it is none."""
    if name == "+":
        return _sum(inner[0], inner[1], 1.0)
    if name == "-":
        return _sum(inner[0], inner[1], -1.0)
    if name == "neg":
        return _sum({}, inner[0], -1.0)
    if name == "*":
        return _product(inner[0], inner[1])
    if name in ("fma", "fms", "fnma"):
        product = _product(inner[0], inner[1])
        if name == "fnma":
            return _sum(inner[2], product, -1.0)
        return _sum(product, inner[2], 1.0 if name == "fma" else -1.0)
    constant = _constant(inner[1]) if len(inner) == 2 else None
    if name == "/" and constant:
        return {m: c / constant for m, c in inner[0].items()}
    if name == "**" and constant is not None and constant == int(constant) and 0 < constant <= _LARGEST_POWER:
        result = _number(1.0)
        for _ in range(int(constant)):
            result = _product(result, inner[0])
        return result
    return None


def _number(value: float) -> Polynomial:
    return {(): value} if value != 0.0 else {}


def _constant(polynomial: Polynomial) -> float | None:
    if not polynomial:
        return 0.0
    return polynomial[()] if len(polynomial) == 1 and () in polynomial else None


def _sum(a: Polynomial, b: Polynomial, sign: float) -> Polynomial:
    total = dict(a)
    for monomial, coefficient in b.items():
        value = total.get(monomial, 0.0) + sign * coefficient
        if value == 0.0:
            total.pop(monomial, None)
        else:
            total[monomial] = value
    return total


def _product(a: Polynomial, b: Polynomial) -> Polynomial:
    if len(a) * len(b) > 4 * _MOST_TERMS:
        raise _TooLong
    total: Polynomial = {}
    for m1, c1 in a.items():
        for m2, c2 in b.items():
            powers = dict(m1)
            for text, power in m2:
                powers[text] = powers.get(text, 0) + power
            total = _sum(total, {tuple(sorted(powers.items())): c1 * c2}, 1.0)
    if len(total) > _MOST_TERMS or not all(math.isfinite(c) for c in total.values()):
        raise _TooLong
    return total
