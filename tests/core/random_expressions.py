"""Random expressions and their exact values: what interpreter and kernels are compared with."""

from __future__ import annotations

import mpmath as mp
import numpy as np

from fastsfes import Expression
from fastsfes.formula.expression import operators

FEATURES = ("x2", "w", "s2", "zeta")
UNARY = (
    "neg",
    "abs",
    "sqrt",
    "cbrt",
    "exp",
    "expm1",
    "log",
    "log1p",
    "tanh",
    "erf",
    "asinh",
    "logistic",
    "sin",
    "cos",
    "atan",
    "sinh",
    "cosh",
)
BINARY = ("+", "-", "*", "/", "min", "max", "u")
POWERS = (2.0, 3.0, 4.0, 6.0, 0.5, 1 / 3, 2 / 3, 4 / 3, -1.0, -1 / 3, 0.25, 1.5, 0.37)


def random_expression(rng: np.random.Generator, depth: int = 4) -> Expression:
    """An expression of FEATURES, two parameters and constants."""
    if depth == 0 or rng.random() < 0.1:
        kind = rng.integers(4)
        if kind == 0:
            return Expression.constant(float(np.round(rng.normal(), 3)))
        if kind == 1:
            return Expression.parse(("p", "q")[rng.integers(2)])
        return Expression.parse(FEATURES[rng.integers(len(FEATURES))])
    kind = rng.random()
    if kind < 0.45:
        return Expression.apply(
            BINARY[rng.integers(len(BINARY))], random_expression(rng, depth - 1), random_expression(rng, depth - 1)
        )
    if kind < 0.85:
        return Expression.apply(UNARY[rng.integers(len(UNARY))], random_expression(rng, depth - 1))
    if kind < 0.95:
        return random_expression(rng, depth - 1) ** POWERS[rng.integers(len(POWERS))]
    parts = [random_expression(rng, depth - 1) for _ in range(3)]
    return Expression.apply("select", *parts)


def covered_operators() -> set[str]:
    """Names of the operators that random expressions are made of."""
    return {*UNARY, *BINARY, "**", "select"}


def primitive_names() -> list[str]:
    """Names of all operators with a kernel of their own."""
    return [str(row["name"]) for row in operators() if row["kind"] == "primitive"]


class Undecided(ArithmeticError):
    """The exact value leaves the range of doubles, the reals, or hangs on a comparison that rounding decides."""


def _select(a: mp.mpf, b: mp.mpf, c: mp.mpf) -> mp.mpf:
    return b if a >= 0 else c


_EXACT = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: mp.power(a, b),
    "neg": lambda a: -a,
    "fma": lambda a, b, c: a * b + c,
    "fms": lambda a, b, c: a * b - c,
    "fnma": lambda a, b, c: c - a * b,
    "select": _select,
    "min": min,
    "max": max,
    "abs": abs,
    "sqrt": mp.sqrt,
    "cbrt": lambda a: mp.sign(a) * mp.cbrt(abs(a)),
    "exp": mp.exp,
    "expm1": mp.expm1,
    "log": mp.log,
    "log1p": mp.log1p,
    "tanh": mp.tanh,
    "erf": mp.erf,
    "asinh": mp.asinh,
    "sin": mp.sin,
    "cos": mp.cos,
    "atan": mp.atan,
    "sinh": mp.sinh,
    "cosh": mp.cosh,
}


def exact(expression: Expression, values: dict[str, float]) -> tuple[mp.mpf, mp.mpf]:
    """The value with 50 digits and a bound of the error of double arithmetic.

    The bound carries 4 ulp of every operation through the derivatives of those that follow (differences in 50 digits).
    """
    ulp = mp.mpf(2) ** -52
    results: list[tuple[mp.mpf, mp.mpf]] = []
    for name, args, payload in expression.define().nodes():
        if name == "constant":
            results.append((mp.mpf(payload), mp.mpf(0)))
            continue
        if name in ("feature", "parameter"):
            results.append((mp.mpf(values[str(payload)]), mp.mpf(0)))
            continue
        f = _EXACT[name]
        x = [results[i][0] for i in args]
        error = [results[i][1] for i in args]
        if name == "select" and abs(x[0]) <= 4 * error[0] and error[0] > 0:
            raise Undecided
        try:
            value = f(*x)
            if isinstance(value, mp.mpc) or not mp.isfinite(value):
                raise Undecided
            bound = 4 * ulp * abs(value)
            for i, e in enumerate(error):
                if e == 0 or (name == "select" and i == 0):
                    continue
                for step in (e, -e):
                    moved = f(*[v + step if j == i else v for j, v in enumerate(x)])
                    if isinstance(moved, mp.mpc):
                        raise Undecided
                    bound += abs(moved - value)
        except (ValueError, ZeroDivisionError, OverflowError) as problem:
            raise Undecided from problem
        if abs(value) > mp.mpf("1e100") or 0 < abs(value) < mp.mpf("1e-100") or bound > mp.mpf("1e80"):
            raise Undecided
        results.append((value, bound))
    return results[-1]
