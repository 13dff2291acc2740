"""Rules on operators, nesting, depth and dimensions; weights of the complexity."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_problem import three_channels
from test_island import SMALL, advance, start

from fastsfes import Expression, InputError, SearchConfig
from fastsfes.evolve.rules import Rules, complexity_of
from fastsfes.run.setup import prepare


def allowed(text: str, **options: object) -> bool:
    given = {"operators": {}, "nesting": (), "depth": 0, "dimensions": False, "weights": {}, **options}
    return Rules.make(**given).allow({"x": Expression.parse(text)})


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("exp(w) + exp(x2)", {"operators": {"exp": 1}}, False),
        ("exp(w)*(1 + exp(w))", {"operators": {"exp": 1}}, True),  # one distinct node
        ("w/x2", {"operators": {"/": 0}}, False),
        ("w*x2", {"operators": {"/": 0}}, True),
        ("exp(w*exp(x2))", {"nesting": ("exp in exp",)}, False),
        ("exp(w) + exp(x2)", {"nesting": ("exp in exp",)}, True),
        ("log1p(exp(w))", {"nesting": ("exp in log1p",)}, False),
        ("exp(log1p(x2))", {"nesting": ("exp in log1p",)}, True),
        ("c0 + c1*w", {"depth": 2}, True),
        ("c0 + c1*w*x2", {"depth": 2}, False),
        ("c0", {"depth": 1}, True),
        ("1 + exp(w)", {}, True),
    ],
)
def test_operators_nesting_depth(text: str, options: dict[str, object], expected: bool) -> None:
    assert allowed(text, **options) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sigma/rho**(8/3)", True),
        ("c0 + c1*sigma/(rho*rho*cbrt(rho*rho))", True),
        ("tau/cbrt(rho)**5", True),
        ("sqrt(sigma)/cbrt(rho)**4", True),
        ("exp(-sigma/(rho*tau))", True),
        ("u(sigma/rho**(8/3), g)", True),
        ("max(rho, rho)/rho", True),
        ("select(w, rho, rho)/rho", True),
        ("rs*cbrt(rho)", True),
        ("rho", False),
        ("1 + rho", False),
        ("rho + sigma", False),
        ("exp(rho)", False),
        ("u(sigma, g)", False),
        ("sigma/rho**2", False),
        ("rho**c0", False),
        ("fma(rho, rho, sigma)", False),
        ("min(rho, tau)", False),
        ("select(w, rho, tau)", False),
    ],
)
def test_dimensions(text: str, expected: bool) -> None:
    assert allowed(text, dimensions=True) is expected
    assert allowed(text)


def test_weights_of_the_complexity() -> None:
    text = "c0 + c1*exp(w)"  # +, *, exp, two parameters, one feature
    assert complexity_of(text) == 6.0
    assert complexity_of(text, (("exp", 3.0), ("parameter", 0.5))) == 7.0
    # multiplied out first: two forms of one family cost the same
    assert complexity_of("(1 + w)*c0 + c1*w") == complexity_of("c0 + c1*w")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"operator_limits": {"epx": 1}}, 'operator_limits: there is no operator "epx"; did you mean "exp"'),
        ({"operator_limits": {"exp": 1.5}}, "expected a whole number"),
        ({"complexity_weights": {"exq": 1}}, 'complexity_weights: there is no operator "exq"'),
        ({"complexity_weights": {"exp": -1}}, "expected a number of at least 0"),
        ({"forbid_nesting": ("exp exp",)}, 'expected "inner in outer"'),
        ({"forbid_nesting": ("exp in foo",)}, 'there is no operator "foo"'),
        ({"base": "wb97m_v", "max_instructions": -1, "max_depth": 1}, 'base "wb97m_v" breaks'),
    ],
)
def test_wrong_rules_get_one_sentence(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepare(SearchConfig.make(**options))


def test_every_candidate_of_a_search_keeps_the_rules() -> None:
    config = replace(
        SMALL,
        instruction_pool={"add": 1.0, "mul": 1.0, "exp": 2.0, "fma": 1.0},
        operator_limits={"exp": 1},
        forbid_nesting=("* in exp",),
        max_depth=5,
        complexity_weights={"exp": 4.0},
    )
    parts, problem = prepare(config), three_channels(config)
    state, known = start(parts, problem)
    some = 0
    for _ in range(4):
        result = advance(parts, problem, state, known)
        for r in result.records:
            expressions = {k: Expression.parse(t) for k, t in r.expressions.items()}
            assert parts.settings.rules.allow(expressions)
            some += any("exp" in t for t in r.expressions.values())
        state = result.state
    assert some > 3


def test_dimension_rules_find_reduced_gradients() -> None:
    """From bare densities, every factor that is made is a pure number."""
    config = replace(
        SMALL,
        channels=("x",),
        base=("lda",),
        features_x=("rho", "sigma"),
        instruction_pool={"mul": 2.0, "div": 2.0, "cbrt": 2.0, "square": 1.0, "add": 1.0, "fma": 1.0},
        dimensions=True,
    )
    parts = prepare(config)
    problem = three_channels(config)
    problem.features |= {"rho": problem.features["x2"], "sigma": problem.features["x2"] ** 2}
    problem.matrices = {"x": problem.matrices["x"]}
    state, known = start(parts, problem)
    texts: set[str] = set()
    for _ in range(6):
        result = advance(parts, problem, state, known)
        texts |= {r.expressions["x"] for r in result.records if r.expressions}
        state = result.state
    assert len(texts) > 3
    assert all(allowed(t, dimensions=True) for t in texts)
