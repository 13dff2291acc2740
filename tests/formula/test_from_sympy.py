"""Expressions of SymPy: every operator there and back, and what has no operator."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

import fastsfes as fs
from fastsfes.formula.expression import operators

ROWS = {row["name"]: row for row in operators()}
SPELLED = [name for name, row in ROWS.items() if row["sympy"] is not None]


@pytest.mark.parametrize("name", SPELLED)
def test_every_operator_comes_back_with_its_value(name: str) -> None:
    letters = ["x2", "c1", "w"][: ROWS[name]["arity"]]
    e = fs.Expression.apply(name, *(fs.Expression.parse(x) for x in letters))
    again = fs.Expression.from_sympy(e.to_sympy())
    rng = np.random.default_rng(3)
    for x2, c1, w in rng.uniform(0.2, 1.8, (20, 3)) * [1.0, 1.0, 0.5]:
        at, values = {"x2": x2, "w": w}, {"c1": c1}

        def value(form: fs.Expression, at: dict = at, values: dict = values) -> float:
            return float(form.evaluate({f: at[f] for f in form.features}, {p: values[p] for p in form.parameters}))

        assert value(again) == pytest.approx(value(e), rel=4e-15, abs=4e-15)  # expm1 is exp - 1 there


@pytest.mark.parametrize("functional", ["wb97m_v", "gas22", "pbe_x", "b88_x", "rpbe_x"])
def test_factors_of_functionals_come_back(functional: str) -> None:
    channel = fs.get_functional(functional).channels["x"]
    again = fs.Expression.from_sympy(channel.expression.to_sympy())
    assert set(again.parameters) == set(channel.expression.parameters)
    at = {"x2": np.geomspace(1e-6, 1e4, 50), "w": np.linspace(-1, 1, 50)}
    found, expected = (
        e.evaluate({f: at[f] for f in e.features}, channel.parameters) for e in (again, channel.expression)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_what_people_write() -> None:
    x2, c0, c1 = sympy.symbols("x2 c0 c1", positive=True)
    for made, text in (
        (c0 + c1 * x2 / (1 + x2), "c0 + c1*x2/(1 + x2)"),
        (sympy.exp(-c0 * x2) * sympy.sqrt(x2), "exp(-c0*x2)*sqrt(x2)"),
        (x2 ** sympy.Rational(4, 3), "x2**1.3333333333333333"),
        (1 / x2, "1/x2"),
        (sympy.pi * x2, "3.141592653589793*x2"),
        (sympy.Integer(3), "3"),
        (2.5, "2.5"),
    ):
        found, wanted = fs.Expression.from_sympy(made), fs.Expression.parse(text)
        at = {"x2": np.linspace(0.1, 3, 9)}
        values = {"c0": 0.7, "c1": 1.9}

        def value(e: fs.Expression, at: dict = at, values: dict = values) -> np.ndarray:
            return e.evaluate({f: at[f] for f in e.features}, {p: values[p] for p in e.parameters})

        np.testing.assert_allclose(value(found), value(wanted), rtol=1e-15)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (sympy.besselj(0, sympy.Symbol("x2")), r"besselj of SymPy has no operator here; there are \+, \*"),
        (sympy.Symbol("x2") + sympy.I, "I: expected a real number"),
        (sympy.Symbol("exp(x2)"), r'symbol "exp\(x2\)": expected the name of a feature or a parameter'),
        (sympy.Piecewise((sympy.Symbol("w"), sympy.Symbol("w") < 0), (1, True)), "expected Piecewise"),
        ("x2 + 1", "str: expected an expression of SymPy or a number"),
    ],
)
def test_what_has_no_operator_is_one_sentence(made: object, message: str) -> None:
    with pytest.raises(fs.InputError, match=message):
        fs.Expression.from_sympy(made)
