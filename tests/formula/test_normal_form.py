"""The normal form: what it is for known cases, and what it never does."""

from __future__ import annotations

import numpy as np
import pytest
from normal_forms import check, features

from fastsfes import Expression
from fastsfes.formula.normal_form import normal

CASES = [
    # sums collected and factorised, numbers folded, equal factors as powers
    ("2*3*w + w", "7*w"),
    ("w*w*w*w", "w**4"),
    ("-(-w)", "w"),
    ("a - a", "0"),
    ("(u(x2, g) + w)*(u(x2, g) - w)*c0", "c0*(u(x2, g0)**2 - w**2)"),
    ("w*w + (a*w + w*w) - x2 - x2", "c0*w - 2*x2 + 2*w**2"),
    ("(u(x2, g)*a + b)*u(x2, g) + c", "c0 + u(x2, g0)*(c1 + c2*u(x2, g0))"),
    ("sqrt(w + x2)*w*sqrt(w + x2)", "w**2 + w*x2"),
    ("(w + x2)/(1 + x2)*(1 + x2)", "w + x2"),
    ("w**0.5*w**1.5", "w**2"),
    ("x2/(1 + x2) + w/(1 + x2)", "(w + x2)/(1 + x2)"),
    # products of sums stay where they are shorter
    ("(1 + w + u(x2, g))**4", "(1 + u(x2, g0) + w)**4"),
    ("(a + w)**2", "(g0 + w)**2"),
    ("exp(a*w)*(b + c*w)", "exp(g0*w)*(c0 + c1*w)"),
    # ties are kept: one parameter stays one
    ("c0*w + (c0*u(x2, g) + c0*w)", "c0*(u(x2, g0) + 2*w)"),
    ("1 + c0 + c0*u(x2, g) + c0*w", "1 + c0*(1 + u(x2, g0) + w)"),
    ("c0*(c0 + u(x2, g))", "g0*(g0 + u(x2, g1))"),
    ("c0*(c0 + (c0 + u(x2, g)))", "g0*(2*g0 + u(x2, g1))"),
    # ... and are printed once where that takes no more nodes
    ("c0 - c0*u(x2, g) + (u(x2, g) + w)**2", "c0*(1 - u(x2, g0)) + (u(x2, g0) + w)**2"),
    ("a + b*x2 - a*u(x2, g)*w", "c0*(1 - u(x2, g0)*w) + c1*x2"),
    ("a + b*w - a*u(x2, g)*w", "c0 + w*(c1 - c0*u(x2, g0))"),
    ("1 - a**2 + a**2*u(x2, g)", "1 - g0**2*(1 - u(x2, g1))"),
    ("a + b + a*w + b*u(x2, g)", "c0*(1 + w) + c1*(1 + u(x2, g0))"),
    ("a + a/u(x2, g) - a*w/u(x2, g)", "c0*(1 + (1 - w)/u(x2, g0))"),
    # of the forms with no more nodes than the input the one that is easiest to read
    ("c0 + u(x2, g)*w + (w*c1 + w*u(x2, g))", "c0 + w*(c1 + 2*u(x2, g0))"),
    ("u(x2, g) + c + c*(u(x2, g) + c + u(x2, g)*c) + c*c**2", "(g0 + u(x2, g1))*(1 + g0 + g0**2)"),
    ("(1 + a*u(x2, g))*(b + c*u(x2, g)) + d", "c0 + c1*u(x2, g0) + c2*u(x2, g0)**2"),
    ("c0 + (c0*u(x2, g) + c0*w + w*c5) + u(x2, g)*w", "c0 + c1*w + u(x2, g0)*(c0 + w)"),
    ("c0*u(x2, g) + c0*u(x2, g)*w", "c0*u(x2, g0)*(1 + w)"),
    ("c - u(x2, g) + 2*w**2*(c - u(x2, g))", "(1 + 2*w**2)*(c0 - u(x2, g0))"),
    # coefficients that are one up to a whole number are one parameter
    ("c0 + u(x2, g) + u(x2, g)*w + (c0 + u(x2, g) + u(x2, g)*w)*c5", "c0 + c1*u(x2, g0)*(1 + w)"),
    ("w + u(x2, g) + w*u(x2, g) + c5*(w + u(x2, g) + w*u(x2, g))", "c0*(u(x2, g0) + w + u(x2, g0)*w)"),
    ("c + (1 + b)*w + 2*u(x2, g)*(1 + b)", "c0 + c1*(2*u(x2, g0) + w)"),
    # blocks of numbers are numbers where that saves a parameter
    ("c + u(0, g)*w", "c0"),
    ("pbe_x(0, k, m)*w + c", "c0 + w"),
    ("u(1, g)*w", "u(1, g0)*w"),
    # superfluous parameters
    ("exp(c0 + w)*c1", "c0*exp(w)"),
    ("u(c0*x2, g)", "u(x2, g0)"),
    ("(c0 + c1*w)/(c2 + c3*w)", "(c0 + c1*w)/(g0 + w)"),
    ("c0/(c1*w)", "c0/w"),
    ("c0*(c1*(c2*w))", "c0*w"),
    ("c0*c1 + c2*w*c3", "c0 + c1*w"),
    ("(w + x2)*c0 + (w + x2)*c1", "c0*(w + x2)"),
    ("c0*u(u(x2, g), h)", "c0*u(x2, g0)"),
    ("a + b*u(u(x2, g), h)*w**6", "c0 + c1*u(x2, g0)*w**6"),
    ("u(u(x2, g), 3)", "u(u(x2, g0), 3)"),
    ("exp(3*g*h*x2/5)", "exp(g0*x2)"),
    ("1 - c0*w", "1 + c0*w"),
    # a square has no sign, an exponential neither: these are no free coefficients; a cube is one
    ("c0*c0*w", "g0**2*w"),
    ("exp(c0)*w", "exp(g0)*w"),
    ("(exp(a) + b)/b*w", "w + w/g0"),
    ("(b + d)*(b - d)*w", "w*(g0**2 - g1**2)"),
    ("c1*c1*c1 + w*c0*c1", "c0 + c1*w"),
    ("a*u(x2, g) + b*(b + b*c + b**3*c**7 + w)", "c0 + c1*u(x2, g0) + c2*w"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_known_forms(text: str, expected: str) -> None:
    assert normal(text).text == expected


LEAVES = ("w", "u(x2, g)", "u(x2, h)", "x2", "a", "b", "c", "d", "a", "b", "1", "2", "0.5")
UNARY = ("exp", "sqrt", "cbrt", "log1p", "tanh", "neg", "expm1")


def random_form(rng: np.random.Generator, size: int) -> Expression:
    """A random graph: every line takes its arguments from the lines and leaves before it, as evolution's do."""
    pool = [Expression.parse(t) for t in rng.choice(LEAVES, 4)]
    for _ in range(size):
        first, second = (pool[-1 - min(int(rng.exponential(2.5)), len(pool) - 1)] for _ in range(2))
        kind = rng.random()
        if kind < 0.4:
            made = first + second
        elif kind < 0.75:
            made = first * second
        elif kind < 0.8:
            made = first - second
        elif kind < 0.85:
            made = first / second
        elif kind < 0.92:
            made = first ** float(rng.choice([2, 3, 4, 0.5, -1, -2]))
        else:
            made = Expression.apply(str(rng.choice(UNARY)), first)
        pool += [made] if rng.random() < 0.6 else [made, Expression.parse(str(rng.choice(LEAVES)))]
    return pool[-1] if pool[-1].nodes()[-1][1] else pool[-2]


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_properties_of_random_forms(count: int) -> None:
    for seed in range(count):
        rng = np.random.default_rng([20220909, seed])
        expression = random_form(rng, int(rng.integers(1, 14)))
        values = {p: float(rng.uniform(0.2, 1.5) * rng.choice((1, 1, -1))) for p in expression.parameters}
        for name in {"g", "h"} & values.keys():
            values[name] = abs(values[name])
        check(expression, values, features(rng))


@pytest.mark.parametrize(
    "text",
    ["c*u(u(x2, g), h) + d", "c*u(u(x2, g), 3)*w + d*u(u(x2, g), 3)**2", "u(u(u(x2, g), 2), h)*c", "u(u(x2, g), 2)"],
)
def test_nested_saturation_keeps_its_values(text: str) -> None:
    """u(u(a, g), h) = h/(1 + h)*u(a, (1 + h)*g)."""
    check(Expression.parse(text), {"c": -0.7, "d": 1.3, "g": 0.4, "h": 2.5}, features(np.random.default_rng(1)))


def test_the_same_form_every_time() -> None:
    """The order of lines and the names of parameters do not matter."""
    assert normal("a*w + b*u(x2, g) + c") == normal("q + (p*u(x2, k) + w*r)")
    assert normal("exp(-w*a)*w + exp(-x2*b)") == normal("exp(-x2*c)+exp(-w*d)*w")


def test_simplify_keeps_parameters() -> None:
    assert str(Expression.parse("c0*w + c0*w + c0*w").simplify()) == "3*c0*w"
    assert str(Expression.parse("w + x2 - w").simplify()) == "x2"
    assert str(Expression.parse("exp(b + w)*a + b*exp(w + b)").simplify()) == "exp(b + w)*(b + a)"


def test_expand() -> None:
    assert str(Expression.parse("(w + a)**2*(1 + x2)").expand()) == (
        "a**2 + 2*a*w + a**2*x2 + w**2 + 2*a*w*x2 + w**2*x2"
    )
    assert str(Expression.parse("(w + a)**40").expand()) == "(a + w)**40"


def test_whole_numbers_in_sums_and_products_and_exponents_do_not_count() -> None:
    pairs = (("w + w", "2*w"), ("w*w", "w**2"), ("a*w + a*w", "2*(a*w)"), ("a + a*w", "a*(1 + w)"))
    for one, other in pairs:
        assert Expression.parse(one).complexity == Expression.parse(other).complexity
    assert Expression.parse("1 + w").complexity == 2
    assert Expression.parse("0.5 + w").complexity == 3
    assert Expression.parse("0.5*w").complexity == 3
    assert Expression.parse("fma(a, w, x2)").complexity == 5
