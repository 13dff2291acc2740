"""Exact and graded conditions: what their text means, and that fits and fitness obey."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from test_problem import request

from fastsfes import Expression, InputError, SearchConfig
from fastsfes.energies.quadrature.nodes import derived_features
from fastsfes.evolve.terms import ConditionTerm
from fastsfes.fitting import parse_conditions
from fastsfes.functionals.frame import Hybrid
from fastsfes.run.problem import make_problem
from fastsfes.run.setup import prepare

KINDS = ("x", "css", "cos")
FRAME = Hybrid(omega=0.3, short_range=0.15, long_range=1.0)


def test_uniform_gas_accounts_for_exact_exchange() -> None:
    made = parse_conditions(["uniform_gas"], KINDS, FRAME)
    assert not made.penalties
    assert [(e.terms[0].kind, e.value) for e in made.equalities] == [("x", 0.85), ("css", 1.0), ("cos", 1.0)]
    graded = parse_conditions(["uniform_gas weight 4"], ("x",), Hybrid())
    assert not graded.equalities
    (penalty,) = graded.penalties
    assert (penalty.lower, penalty.upper, penalty.weight) == (1.0, 1.0, 4.0)


def test_bounds_and_monotonicity_lie_on_grids() -> None:
    both = parse_conditions(["0 <= f_x <= 1.804"], KINDS, FRAME).penalties
    assert len(both) > 50
    assert sum(p.weight for p in both) == pytest.approx(100.0)
    assert {(p.lower, p.upper) for p in both} == {(0.0, 1.804)}
    (x2, w) = ({p.terms[0].features[n] for p in both} for n in ("x2", "w"))
    assert min(w) == -1
    assert max(w) == 1
    assert min(x2) == 0
    one = parse_conditions(["f_x(w=0) <= 1.5 weight 2"], KINDS, FRAME).penalties
    assert {p.terms[0].features["w"] for p in one} == {0.0}
    assert {p.lower for p in one} == {-math.inf}
    rising = parse_conditions(["f_css falls with w"], KINDS, FRAME).penalties
    for p in rising:
        high, low = p.terms
        assert high.features["w"] > low.features["w"]
        assert (high.coefficient, low.coefficient) == (-1.0, 1.0)
        assert high.features["x2"] == low.features["x2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("f_x < 3", "is not understood; expected uniform_gas"),
        ("f_c(x2=0, w=0) = 1", "f_c is not searched; searched are x, css, cos"),
        ("f_x(w=0) = 1", "give x2 and w"),
        ("f_x(q=0, w=0) = 1", "expected values of x2 or w"),
        ("2 <= f_x <= 1", "an upper one above it"),
        ("f_x", "expected a lower bound"),
        ("f_x rises with q", "rises or falls with x2 or w"),
        ("f_x(w=1) falls with w", "rises or falls with x2"),
        ("uniform_gas weight -1", "the weight must be a positive number"),
    ],
)
def test_other_texts_get_one_sentence(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_conditions([text], KINDS, FRAME)
    with pytest.raises(InputError, match=message):
        prepare(SearchConfig.make(constraints=(text,)))


def test_exact_conditions_hold_after_every_fit_and_cost_something() -> None:
    asked = request("c0 + c1*u(x2, g) + c2*w", {"g": 0.004}, css="c0 + c1*w", cos="c0 + c1*w**2")
    free = make_problem(SearchConfig.make(dataset="builtin")).evaluate([asked])[0]
    bound = make_problem(SearchConfig.make(dataset="builtin", constraints=("uniform_gas",))).evaluate
    held, impossible = bound([asked, request("c0*u(x2, g)", {"g": 0.004}, css="c0", cos="c0")])
    short_range = 0.15  # of the functional that made the packaged densities, wB97M-V
    for kind, value in (("x", 1 - short_range), ("css", 1.0), ("cos", 1.0)):
        at_origin = asked.expressions[kind].evaluate({"x2": 0.0, "w": 0.0}, held.parameters[kind])
        assert at_origin == pytest.approx(value, abs=1e-12)
    assert free.known.train < held.known.train < math.inf
    assert impossible.known.train == math.inf


def test_the_term_is_the_distance_from_what_is_allowed() -> None:
    texts = ["0.9 <= f_x <= 1.1 weight 10", "f_x rises with w weight 3", "f_cos(x2=0, w=0) = 1 weight 7"]
    made = parse_conditions(texts, KINDS, FRAME)
    names = ("x2", "w", "s2", "x", "t")
    term = ConditionTerm.make(made.penalties, dict.fromkeys(KINDS, names))
    factors = ("c0 - 0.2*w + 0.1*sqrt(u(x2, 1))", "1", "0.5 + w")
    found = term([[Expression.parse(t)._handle for t in factors]], [np.array([1.0])])[0]

    x2 = np.array([0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1e3, 1e4, 1e6])
    w = np.linspace(-1, 1, 9)
    f = 1.0 - 0.2 * w[None, :] + 0.1 * np.sqrt(x2 / (1 + x2))[:, None]
    outside = np.maximum(0.9 - f, 0) + np.maximum(f - 1.1, 0)
    falls = np.maximum(-np.diff(f, axis=1), 0)
    expected = np.sqrt(10 * np.mean(outside**2) + 3 * np.mean(falls**2) + 7 * 0.5**2)
    assert found == pytest.approx(expected, rel=1e-12)
    assert set(names) <= set(derived_features("x", {"x2": x2, "w": np.zeros_like(x2)}))


def test_graded_conditions_pull_the_fit_and_count_in_the_fitness() -> None:
    asked = request("c0 + c1*u(x2, g) + c2*w", {"g": 0.004}, css="c0 + c1*w", cos="c0 + c1*w**2")
    found = []
    for weight in ("0.01", "1000"):
        config = SearchConfig.make(dataset="builtin", constraints=(f"0.5 <= f_css weight {weight}",))
        outcome = make_problem(config).evaluate([asked])[0]
        values = [
            float(asked.expressions["css"].evaluate({"x2": x2, "w": w}, outcome.parameters["css"]))
            for x2, w in itertools.product((0.0, 1.0), (-1.0, 0.0, 1.0))
        ]
        found.append((min(values), outcome.known.train, outcome.known.terms["conditions"] / math.sqrt(float(weight))))
        fitness = prepare(config).fitness
        assert fitness.error(outcome.known) == pytest.approx(
            0.7 * outcome.known.train + 0.3 * outcome.known.validation + sum(outcome.known.terms.values()), rel=1e-12
        )
    (free, cheap, far), (held, dear, near) = found
    assert free < -0.5
    assert held > 0.4
    assert cheap < dear
    assert far > 10 * near


def test_conditions_need_reactions() -> None:
    with pytest.raises(InputError, match="constraints needs reactions"):
        SearchConfig.make("b97x", constraints=("uniform_gas",))
