"""Expressions: syntax, canonical text, derivatives, evaluation, errors."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import fastsfes as fs
from fastsfes.formula.expression import operators

FUNCTIONS = [(row["name"], row["arity"]) for row in operators() if row["name"].isidentifier() and row["kind"] != "leaf"]
FUNCTIONS = [(name, arity) for name, arity in FUNCTIONS if name != "neg"]


def expressions() -> st.SearchStrategy[fs.Expression]:
    """Random trees over every operator, with awkward constants."""
    leaves = st.one_of(
        st.sampled_from(["x2", "w", "rho", "c0", "c1", "gamma"]).map(fs.Expression.parse),
        st.floats(allow_nan=False, allow_infinity=False).map(fs.Expression.constant),
        st.sampled_from([0.0, -0.0, 1.0, -2.0, 1 / 3, 5e-324, 1.7976931348623157e308]).map(fs.Expression.constant),
    )

    def extend(children: st.SearchStrategy[fs.Expression]) -> st.SearchStrategy[fs.Expression]:
        infix = st.builds(fs.Expression.apply, st.sampled_from(["+", "-", "*", "/", "**"]), children, children)
        negation = st.builds(lambda a: fs.Expression.apply("neg", a), children)
        calls = st.sampled_from(FUNCTIONS).flatmap(
            lambda f: st.tuples(*[children] * f[1]).map(lambda args: fs.Expression.apply(f[0], *args))
        )
        return st.one_of(infix, negation, calls)

    return st.recursive(leaves, extend, max_leaves=12)


@settings(max_examples=300, deadline=None)
@given(expressions())
def test_canonical_text_round_trips(e: fs.Expression) -> None:
    again = fs.Expression.parse(str(e))
    assert str(again) == str(e)
    assert again.nodes() == e.nodes() or again == e
    assert hash(again) == hash(e)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-2**2", -4.0),
        ("(-2)**2", 4.0),
        ("2**-1", 0.5),
        ("2**3**2", 512.0),
        ("(2**3)**2", 64.0),
        ("8/4/2", 1.0),
        ("8/(4/2)", 4.0),
        ("1 - 2 - 3", -4.0),
        ("1 - (2 - 3)", 2.0),
        ("--3", 3.0),
        ("-3*-2", 6.0),
        ("+4", 4.0),
        ("1.5e+1", 15.0),
        (".5", 0.5),
        ("a = 2; b = a*a; b + a", 6.0),
        ("a = 2; a;", 2.0),
        ("select(-1, 2, 3)", 3.0),
        ("select(0, 2, 3)", 2.0),
        ("min(2, max(1, 5))", 2.0),
        ("8**(1/3)", 2.0),
        ("16**0.75", 8.0),
        ("4**-1.5", 0.125),
        ("27**(-2/3)", 1 / 9),
    ],
)
def test_values_of_the_grammar(text: str, value: float) -> None:
    assert fs.Expression.parse(text).evaluate({}) == pytest.approx(value, rel=1e-15)


def test_contract_of_names() -> None:
    e = fs.Expression.parse("c0 + c1*u(x2, g) + c2*w**2")
    assert e.features == ("x2", "w")
    assert set(e.parameters) == {"c0", "c1", "g", "c2"}
    assert e.complexity == 12  # the exponent belongs to the power
    x2, w = np.linspace(0, 50, 1001), np.linspace(-1, 1, 1001)
    p = {"c0": 1.1, "c1": -0.3, "c2": 2.5, "g": 0.004}
    expected = 1.1 - 0.3 * (0.004 * x2 / (1 + 0.004 * x2)) + 2.5 * w**2
    # three roundings in the sum, each at most half an ulp of a number below 4
    np.testing.assert_allclose(e.evaluate({"x2": x2, "w": w}, p), expected, rtol=0, atol=2e-15)


def test_evaluate_broadcasts_and_keeps_the_shape() -> None:
    e = fs.Expression.parse("x2*w + c")
    out = e.evaluate({"x2": np.ones((3, 1)), "w": np.arange(4.0)}, {"c": 2.0})
    assert out.shape == (3, 4)
    np.testing.assert_array_equal(out, np.broadcast_to(np.arange(4.0) + 2.0, (3, 4)))
    assert fs.Expression.parse("7").evaluate({"x2": np.zeros(5)}).shape == (5,)
    assert fs.Expression.parse("7").evaluate({}).shape == ()


@pytest.mark.parametrize("n", [0, 1, 7, 255, 256, 257, 1000])
def test_lengths_that_are_no_multiple_of_the_block(n: int) -> None:
    x2 = np.linspace(0.0, 9.0, n)
    out = fs.Expression.parse("exp(-x2) + w").evaluate({"x2": x2, "w": np.full(n, 0.25)})
    np.testing.assert_allclose(out, np.exp(-x2) + 0.25, rtol=4e-16)


def test_the_result_does_not_depend_on_the_number_of_threads() -> None:
    rng = np.random.default_rng(3)
    x2, w = rng.uniform(0, 100, 50_001), rng.uniform(-1, 1, 50_001)
    e = fs.Expression.parse("exp(-x2)*log1p(x2) + cbrt(w)*tanh(x2*w) + x2**0.3")
    one = e.evaluate({"x2": x2, "w": w}, threads=1)
    np.testing.assert_array_equal(one, e.evaluate({"x2": x2, "w": w}, threads=2))


def test_nan_and_infinity_survive() -> None:
    x2 = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324])
    out = fs.Expression.parse("x2*2").evaluate({"x2": x2})
    np.testing.assert_array_equal(out, x2 * 2)
    out = fs.Expression.parse("1/x2").evaluate({"x2": x2})
    np.testing.assert_array_equal(out, [np.nan, 0.0, -0.0, np.inf, -np.inf, np.inf])
    out = fs.Expression.parse("sqrt(x2) + log(x2)").evaluate({"x2": np.array([-1.0, 0.0])})
    assert np.isnan(out[0])
    assert out[1] == -np.inf
    # the branch that is not taken does not matter
    assert fs.Expression.parse("select(x2, 1, sqrt(w))").evaluate({"x2": 1.0, "w": -1.0}) == 1.0


def test_a_broken_power_of_a_negative_number_is_nan() -> None:
    for text in ("w**(1/3)", "w**0.5", "w**(2/3)", "w**0.1", "w**(-1/3)"):
        assert np.isnan(fs.Expression.parse(text).evaluate({"w": -0.5})), text
    assert fs.Expression.parse("cbrt(w)").evaluate({"w": -8.0}) == -2.0


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("c0 + c1*u(x2, g) + c2*w**2", ("x2", "w", "g", "c1")),
        ("exp(-x2*a)*tanh(w) + x2**1.7", ("x2", "w", "a")),
        ("cbrt(x2)/(1 + log1p(x2))**2", ("x2",)),
        ("b88_x(x2, b) + pbe_x(x2, k, m)*rpbe_x(x2, k, m)", ("x2", "b", "k", "m")),
        ("erf_attenuation(0.3*x2) + asinh(x2) + logistic(w) + expm1(w)", ("x2", "w")),
        ("pbe_c(rho, sigma, b, g)", ("rho", "sigma", "b", "g")),
        ("a**w + max(x2, w)*min(x2, w)*abs(w)", ("a", "x2", "w")),
        ("select(w, sqrt(x2), x2**3)", ("x2",)),
    ],
)
def test_derivatives_against_central_differences(text: str, at: tuple[str, ...]) -> None:
    e = fs.Expression.parse(text)
    values = {"x2": 1.7, "w": 0.35, "rho": 0.4, "sigma": 0.3, "g": 0.031, "b": 0.067}
    values |= {p: 0.6 + 0.1 * i for i, p in enumerate(e.parameters) if p not in values}

    def f(**changed: float) -> float:
        v = values | changed
        return float(e.evaluate({k: v[k] for k in e.features}, {k: v[k] for k in e.parameters}))

    for name in at:
        d = e.derivative(name)
        exact = float(d.evaluate({k: values[k] for k in d.features}, {k: values[k] for k in d.parameters}))
        # Richardson-extrapolated central differences: error O(h^4), about 1e-11 of the value at this step
        h = 1e-3 * values[name]
        slopes = [(f(**{name: values[name] + s}) - f(**{name: values[name] - s})) / (2 * s) for s in (h, h / 2)]
        assert exact == pytest.approx((4 * slopes[1] - slopes[0]) / 3, rel=2e-9, abs=1e-11), (text, name)


def test_derivative_of_what_does_not_occur_is_zero() -> None:
    assert str(fs.Expression.parse("c0*w").derivative("x2")) == "0"
    assert str(fs.Expression.parse("c0*w").derivative("c9")) == "0"


def test_substitution_happens_all_at_once() -> None:
    e = fs.Expression.parse("x2 + w")
    swapped = e.substitute({"x2": fs.Expression.parse("w"), "w": fs.Expression.parse("x2")})
    assert str(swapped) == "w + x2"
    assert str(fs.Expression.parse("a*x2").substitute({"a": 2.0})) == "2*x2"


def test_common_subexpressions_are_one_node() -> None:
    assert fs.Expression.parse("(w + 1)*(w + 1)").complexity == 3  # w, +, *
    assert fs.Expression.parse("exp(w)*exp(w) + exp(w)").program.instructions <= 3


def test_shared_structure_does_not_explode() -> None:
    text = "v0 = w*w; " + " ".join(f"v{i + 1} = v{i}*v{i} + v{i};" for i in range(40)) + " v40"
    e = fs.Expression.parse(text)
    assert e.complexity < 100
    assert np.isfinite(e.evaluate({"w": 1e-3}))
    with pytest.raises(fs.InputError, match="longer than 1000000 characters"):
        str(e)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the expression is empty"),
        ("c0 +", r"at the end \(column 5\).*expected a number, a name or"),
        ("foo(x2)", r'"foo" is not an operator; known: .*cbrt'),
        ("u(x2)", "u takes 2 arguments, got 1"),
        ("x2^2", r"powers are written \*\*"),
        ("1e999", "outside double precision"),
        ("a b", r'at "b" \(column 3\)'),
        ("w = 2; w", '"w" is a feature and cannot be assigned'),
        ("exp = 2; exp", '"exp" is an operator and cannot be assigned'),
        ("a = 1; a = 2; a", "assigned twice"),
        ("(((", "expected a number"),
        ("3x", "write \\* for a product"),
        ("a = b", "ends with ;"),
        ("exp", "needs arguments in parentheses"),
        ("x2 $ 3", "no meaning here"),
        ("c0 é", "no meaning here"),
        ("__import__('os')", '"__import__" is not an operator'),
        ("u(x2, g", r'expected "," or "\)"'),
        ("(" * 300 + "w" + ")" * 300, "nested more than"),
    ],
)
def test_errors_say_where_and_what(text: str, sentence: str) -> None:
    with pytest.raises(fs.InputError, match=sentence):
        fs.Expression.parse(text)


def test_size_is_bounded() -> None:
    with pytest.raises(fs.InputError, match="at most 1000000"):
        fs.Expression.parse("w" * 1_000_001)
    with pytest.raises(fs.InputError, match="more than 5000 operations"):
        fs.Expression.parse("+".join(f"c{i}" for i in range(3000)))


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="xw2c01.e+-*/()=;, ^u\x00é", max_size=60))
def test_any_text_parses_or_raises_input_error(text: str) -> None:
    try:
        e = fs.Expression.parse(text)
    except fs.InputError:
        return
    assert str(fs.Expression.parse(str(e))) == str(e)


def test_missing_values_are_named() -> None:
    e = fs.Expression.parse("c0*x2")
    with pytest.raises(fs.InputError, match='parameter "c0" of expression "c0\\*x2" has no value; given: none'):
        e.evaluate({"x2": 1.0})
    with pytest.raises(fs.InputError, match='feature "x2"'):
        e.evaluate({"w": 1.0}, {"c0": 1.0})


def test_sympy_and_latex() -> None:
    e = fs.Expression.parse("c0 + c1*u(x2, g)**2 + cbrt(x2)*w**(4/3) - 0.1")
    s = e.to_sympy()
    values = {"c0": 0.7, "c1": 1.3, "g": 0.2, "x2": 2.5, "w": 0.4}
    exact = s.subs({sym: sympy.Float(values[sym.name], 30) for sym in s.free_symbols}).evalf(25)
    mine = e.evaluate({k: values[k] for k in ("x2", "w")}, {k: values[k] for k in ("c0", "c1", "g")})
    assert float(mine) == pytest.approx(float(exact), rel=4e-16)
    latex = e.to_latex()
    assert latex.count("{") == latex.count("}")
    assert r"c_{0}" in latex
    assert r"\gamma" in latex


def test_pickle_goes_through_the_text() -> None:
    e = fs.Expression.parse("c0*w + 0.1")
    assert pickle.loads(pickle.dumps(e)) == e


@pytest.mark.parametrize(
    "text", ["((-1.238)**(1/3))**3/abs(0.265)*x2", "1e200*(1e200*x2)", "(-2.5)**0.5*((-2.5)**0.5*x2)"]
)
def test_constants_that_are_no_finite_numbers_do_not_stop_lowering(text: str) -> None:
    value = fs.Expression.parse(text).evaluate({"x2": np.array([0.0, 1e-300])})
    assert np.array_equal(value, [0.0, 1e100]) if text.startswith("1e200") else np.isnan(value).all()


def test_towers_of_numbers_stay_towers_in_sympy() -> None:
    """9**9**9 has 369 million digits, which SymPy would write out."""
    assert str(fs.Expression.parse("w**9**9**9").to_sympy()) == "w**(9**387420489)"
    assert str(fs.Expression.parse("9**9").to_sympy()) == "387420489"


def test_deep_powers_reach_sympy() -> None:
    """SymPy takes twice as long for every further power of a power: 40 would never end."""
    text = "w"
    for _ in range(40):
        text = f"({text})**1.5"
    e = fs.Expression.parse(text)
    x = 1.0 + 2.0**-30
    made = e.to_sympy()
    value = sympy.lambdify(sorted(made.free_symbols, key=str), made)(x)
    # each of the 40 powers rounds once on either side, and an error of one grows by 1.5 with each that follows
    expected = e.evaluate({"w": np.array([x])}, {})[0]
    assert abs(np.log(value / expected)) < 40 * 1.5**40 * 2.0**-53
