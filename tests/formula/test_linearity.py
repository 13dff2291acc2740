"""Which parameters are linear: one analysis for fits and families, decided by numerical differentiation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastsfes import Expression, _core
from fastsfes.formula.expression import operators
from fastsfes.formula.family import channel_dimension, channel_fingerprint, linear_parameters

PROBES = [
    "a + b*w",
    "(a + b*w)*(c + d*x2)",
    "a*(b + c)",
    "(a + b)*c*x2 + d",
    "a*b*w",
    "a*w/b",
    "c/w + fma(a, w, b)",
    "(a + b*w)**2 + c",
    "a*a*w + b",
    "exp(a*w)*b + c*u(x2, d)",
    "exp(a*w)*b + c*log1p(a*x2)",
    "select(w, a, b)",
    "select(w, a*x2, b*w)",
    "select(w, a, b) + select(c, w, d)",
    "select(w, a*x2 + b, c)",
    "select(w, a*(x2 + 1) + b, c)",
    "select(w, exp(a*x2), b)*c",
    "max(a, b*w)",
    "sqrt(1 + a*w**2)",
    "-(a - b)*w",
    "pbe_x(x2, a, b)*c + d",
]


def interactions(function, count: int, points: int = 7) -> np.ndarray:
    """Which pairs of arguments have a second derivative somewhere, by central differences at several points.
    One of the points is the origin, where conditions change sign.
    A step of 1e-3 leaves 1e-6 of the curvature as the error of the formula and 1e-10 as that of rounding; what is
    linear gives the rounding alone.
    """
    rng = np.random.default_rng(1)
    found = np.zeros((count, count), dtype=bool)
    step = 1e-3
    for at in [np.zeros(count), *rng.uniform(0.3, 1.7, (points, count))]:
        for p, q in itertools.combinations_with_replacement(range(count), 2):
            mixed, size = 0.0, 0.0
            for s, t in itertools.product((1, -1), repeat=2):
                moved = at.copy()
                moved[p] += s * step
                moved[q] += t * step
                value = function(moved)
                with np.errstate(invalid="ignore"):
                    mixed, size = mixed + s * t * value, np.maximum(size, np.abs(value))
            found[p, q] |= bool(np.any(np.isfinite(mixed) & (np.abs(mixed) > 1e-9 * (1 + size))))
            found[q, p] = found[p, q]
    return found


def numerical(text: str) -> tuple[list[str], np.ndarray]:
    """Parameters of an expression and which of them interact."""
    expression = Expression.parse(text)
    rng = np.random.default_rng(2)
    features = {"x2": rng.uniform(0.1, 2, 60), "w": rng.uniform(-0.9, 0.9, 60)}
    names = list(expression.parameters)

    def values(parameters: np.ndarray) -> np.ndarray:
        return expression.evaluate(features, dict(zip(names, parameters.tolist(), strict=True)))

    return names, interactions(values, len(names))


def fitted_as_linear(text: str) -> set[str]:
    """The parameters that a fit eliminates."""
    expression = Expression.parse(text)
    rng = np.random.default_rng(3)
    features = {"x2": rng.uniform(0.1, 2, 12), "w": rng.uniform(-0.9, 0.9, 12)}
    problem = _core.FitProblem([("x", features, rng.normal(size=(12, 12)))], rng.normal(size=12), np.ones(12))
    start = np.full(len(expression.parameters), 0.5)
    fit = _core.fit_batch(problem, [[expression._handle]], [start], _core.FitOptions(max_evaluations=1))[0]
    return {n for n, flag in zip(expression.parameters, fit.linear, strict=True) if flag}


@pytest.mark.parametrize("text", PROBES)
def test_the_linear_parameters_are_a_maximal_set_without_interactions(text: str) -> None:
    names, interact = numerical(text)
    linear = [names.index(n) for n in linear_parameters(Expression.parse(text))]
    assert not interact[np.ix_(linear, linear)].any()
    for p in set(range(len(names))) - set(linear):
        assert interact[p, [*linear, p]].any(), f"{names[p]} could be linear too"
    assert fitted_as_linear(text) == {names[p] for p in linear}


@pytest.mark.parametrize("row", [r for r in operators() if r["kind"] == "primitive"], ids=lambda r: r["name"])
def test_the_interactions_of_an_operator_are_its_second_derivatives(row) -> None:
    letters = "abc"[: row["arity"]]
    expression = Expression.apply(row["name"], *map(Expression.parse, letters))

    def value(arguments: np.ndarray) -> np.ndarray:
        return expression.evaluate({}, dict(zip(letters, arguments.tolist(), strict=True)))

    stated = {frozenset(row["interactions"][k : k + 2]) for k in range(0, len(row["interactions"]), 2)}
    found = interactions(value, len(letters))
    expected = {frozenset((letters[p], letters[q])) for p in range(len(letters)) for q in range(p + 1) if found[p, q]}
    if row["name"] == "select":
        expected |= {frozenset("a"), frozenset("ab"), frozenset("ac")}  # at the origin both branches are zero
    assert stated == expected


def test_both_branches_of_a_choice_are_linear_and_known_as_one_family() -> None:
    same = ["select(w, a*x2 + b, c)", "select(w, a*(x2 + 1) + b, c)", "select(w, a + 2*b*x2, c - 3*c)"]
    assert len({channel_fingerprint(Expression.parse(t)) for t in same}) == 1
    assert {channel_dimension(Expression.parse(t)) for t in same} == {3}
