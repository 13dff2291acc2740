"""Factors as polynomials of what they are made of: w, x2, u(x2, 0.004), cbrt(x2), ... with numbers as coefficients."""

from __future__ import annotations

from collections.abc import Mapping

from ..formula.expression import Expression

__all__ = ["Monomial", "polynomial", "spelled"]

Monomial = frozenset[tuple[str, int]]
"""Powers of atoms by their texts; empty for 1."""

_Polynomial = dict[Monomial, float]
_ONE: Monomial = frozenset()
_LONGEST = 4096
"""Terms of a polynomial; a longer one stays an atom."""


def polynomial(expression: Expression, parameters: Mapping[str, float]) -> dict[Monomial, float]:
    """The coefficients of the monomials of an expression, with these values of its parameters.

    Sums, differences, products, quotients by numbers and whole powers are multiplied out; whatever else there is
    becomes an atom. No coefficient is rounded where no sum of numbers is.
    """
    made: list[_Polynomial] = []
    for name, arguments, payload in expression.nodes():
        made.append(_node(name, [made[a] for a in arguments], payload, parameters))
    return {m: c for m, c in made[-1].items() if c != 0.0} or {_ONE: 0.0}


def spelled(monomial: Monomial) -> str:
    """A monomial as a formula."""
    return "*".join(a if n == 1 else f"{a}**{n}" for a, n in sorted(monomial)) or "constant"


def _node(name: str, arguments: list[_Polynomial], payload: object, parameters: Mapping[str, float]) -> _Polynomial:
    if name == "constant":
        return {_ONE: float(str(payload))}
    if name == "parameter":
        return {_ONE: float(parameters[str(payload)])}
    if name == "feature":
        return _atom(str(payload))
    if name in ("+", "-"):
        return _sum(arguments[0], arguments[1], 1.0 if name == "+" else -1.0)
    if name == "neg":
        return _sum({}, arguments[0], -1.0)
    if name == "*" and len(arguments[0]) * len(arguments[1]) <= _LONGEST:
        return _product(arguments[0], arguments[1])
    number = arguments[-1].get(_ONE, 0.0) if set(arguments[-1]) <= {_ONE} else None
    if name == "/" and number:
        return {m: c / number for m, c in arguments[0].items()}
    if name == "**" and number is not None and number == int(number) and 0 <= number <= 12:
        power: _Polynomial = {_ONE: 1.0}
        for _ in range(int(number)):
            power = _product(power, arguments[0])
        return power
    return _atom(f"{name}({', '.join(map(_text, arguments))})")


def _atom(text: str) -> _Polynomial:
    return {frozenset({(text, 1)}): 1.0}


def _text(made: _Polynomial) -> str:
    terms = sorted((spelled(m) if m else "", c) for m, c in made.items())
    return " + ".join(repr(c) if not m else m if c == 1.0 else f"{c!r}*{m}" for m, c in terms)


def _sum(a: _Polynomial, b: _Polynomial, sign: float) -> _Polynomial:
    total = dict(a)
    for monomial, coefficient in b.items():
        value = sign * coefficient
        total[monomial] = total[monomial] + value if monomial in total else value
    return total


def _product(a: _Polynomial, b: _Polynomial) -> _Polynomial:
    total: _Polynomial = {}
    for one, c in a.items():
        for other, d in b.items():
            powers = dict(one)
            for atom, n in other:
                powers[atom] = powers.get(atom, 0) + n
            monomial = frozenset(powers.items())
            total[monomial] = total.get(monomial, 0.0) + c * d
    return total
