from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import WORKSPACE, smooth_genomes

from fastsfes import Expression
from fastsfes.formula.tidy import tidy

FEATURES = {name: np.random.default_rng(3).uniform(0.1, 0.9, 7) for name in ("x2", "w")}


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("(u(x2, g)*a + b)*u(x2, g) + c", {"g": 0.1, "a": 2, "b": 3, "c": 4}, "c0 + c1*u(x2, g0) + c2*u(x2, g0)**2"),
        ("(1 + a) + (1 + a)*b", {"a": 1.5, "b": 2.0}, "c0"),
        ("w + a*0.5*w - w", {"a": 3.0}, "c0*w"),
        ("u(x2, g) + a*w", {"g": 0.1, "a": 2}, "u(x2, g0) + c0*w"),
        ("exp(a*w)*(b + c*w)", {"a": 0.3, "b": 2, "c": 3}, None),
        ("a - a", {"a": 2.0}, "0"),
        ("w*w + (a*w + w*w) - x2 - x2", {"a": 2.5}, "c0*w - 2*x2 + 2*w**2"),
        # one parameter, three monomials: multiplying out would need more
        ("(a + w)**2", {"a": 0.3}, "(g0 + w)**2"),
        ("a + w + u(x2, b)*(a + w)*(a + w)", {"a": 0.3, "b": 2}, None),
        ("w/(a + x2)", {"a": 0.3}, "w/(g0 + x2)"),
    ],
)
def test_forms(text: str, values: dict[str, float], expected: str | None) -> None:
    original = Expression.parse(text)
    used = {p: values[p] for p in original.parameters}
    new, parameters = tidy(original, used)
    if expected is not None:
        assert new == Expression.parse(expected).simplify()
    assert set(parameters) == set(new.parameters)
    shape = FEATURES["w"].shape
    np.testing.assert_allclose(
        np.broadcast_to(new.evaluate(FEATURES, parameters), shape),
        np.broadcast_to(original.evaluate(FEATURES, used), shape),
        rtol=1e-13,  # sums in another order
        atol=1e-15,
    )


@given(smooth_genomes, st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_value_stays_and_parameters_do_not_grow(genome, seed: int) -> None:
    expression = genome.expression(WORKSPACE)
    if expression is None:
        return
    rng = np.random.default_rng(seed)
    values = {p: float(rng.uniform(0.2, 0.8)) for p in expression.parameters}
    new, parameters = tidy(expression, values)
    assert len(new.parameters) <= len(expression.parameters) + 2
    assert len(new.parameters) <= len(expression.parameters) or new.complexity < expression.complexity
    with np.errstate(all="ignore"):
        expected = np.broadcast_to(expression.evaluate(FEATURES, values), (7,))
        got = np.broadcast_to(new.evaluate(FEATURES, parameters), (7,))
    good = np.isfinite(expected) & (np.abs(expected) < 1e9)
    # terms may cancel after multiplying out
    np.testing.assert_allclose(got[good], expected[good], rtol=1e-8, atol=1e-8)
