from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import WORKSPACE, genomes, smooth_genomes

from fastsfes import Expression
from fastsfes.formula.family import channel_dimension, channel_fingerprint, fingerprint, linear_parameters

SAME = [
    # renamed, permuted, rescaled, shifted, redundant; Horner's scheme; products instead of powers
    [
        "c0 + c1*u(x2, 0.004) + c2*u(x2, 0.004)**2",
        "a*u(x2, 0.004)*u(x2, 0.004) + b*(1 + u(x2, 0.004)) + c*u(x2, 0.004)",
        "(c0*u(x2, 0.004) + c1)*u(x2, 0.004) + c2",
        "c0 + 3*c1*u(x2, 0.004) - c2*u(x2, 0.004)**2/7",
        "c0 + c3 + (c0 + c1)*u(x2, 0.004) + c2*u(x2, 0.004)**2",
    ],
    ["a*u(x2, g) + b*u(w + 1, h)", "c*u(w + 1, q) + d*u(x2, p)", "2*c*u(w + 1, q) - d*u(x2, p)"],
    ["c0*x2", "c0*c1*x2", "c0*x2*c1*c2", "-x2*c0"],
    ["1 + c0*w", "1 + 2*w*c0", "1 - c0*w", "1 + c0*(c1*w)"],
    ["1 - w", "-(w - 1)"],
    # scales and shifts of parameters inside of functions
    ["exp(c0*x2)", "exp(2*c0*x2)", "exp(x2*(c0/3))", "exp((c0 + c1)*x2)", "exp(c0*c1*x2)", "exp((2*c0 + 1)*x2)"],
    ["c1*exp(-c0*x2)", "c0*exp(-c1*x2)", "c0*c2*exp(-c1*x2/5)", "(c0 + c2)*exp(-(3*c1*x2))"],
    ["u(x2, g) + w*u(x2, h)", "u(x2, 2*h) + w*u(x2, g/3)"],
    ["pbe_x(x2, kappa, mu)", "pbe_x(x2, 4*a, b*c)"],
    ["c0*u(x2, g)*u(w + 1, h)", "h*u(w + 1, c0)*u(x2, c1*g)"],
    ["c0/c1", "(0 + 2*c1)/(3*c0)", "c0"],
]
DIFFERENT = [
    "c0*c0*x2",
    "1",
    "2",
    "w",
    "x2",
    "c0*w",
    "c0 + c1*w",
    "c0*x2**4",
    "c0*x2**6",
    "exp(-c0*x2)",
    "exp(0 - c0*x2) + exp(c0*x2)",
    "exp(2*c0*x2) + c0*w",
    "exp(c0*x2)*exp(c1*w)",
    "u(x2, g)*u(w + 1, g)",
    "u(x2, g)*u(x2, h)",
    "c0 + c1*exp(-c2*x2)",
    "c0 + c1*u(x2, 0.004)",
    "c0 + c1*u(x2, 0.005)",
    "c0 + c1*u(x2, g)",
    "1 + c0*w**2",
    "u(x2, g) + c0*w",
]


def test_equivalent_families_share_a_fingerprint() -> None:
    for group in SAME:
        assert len({channel_fingerprint(Expression.parse(t)) for t in group}) == 1, group


def test_different_families_do_not() -> None:
    texts = DIFFERENT + [group[0] for group in SAME]
    prints = [channel_fingerprint(Expression.parse(t)) for t in texts]
    assert len(set(prints)) == len(texts)


def test_redundant_parameters_do_not_count() -> None:
    dimensions = (3, 4, 1, 1, 0, 1, 2, 2, 2, 3, 1)
    for group, dimension in zip(SAME, dimensions, strict=True):
        assert {channel_dimension(Expression.parse(t)) for t in group} == {dimension}
    assert channel_dimension(Expression.parse("w")) == 0


def test_channels_are_told_apart() -> None:
    one, w = Expression.parse("1"), Expression.parse("w")
    assert fingerprint({"x": one, "css": w}) != fingerprint({"x": w, "css": one})
    assert fingerprint({"x": one, "css": w}) == fingerprint({"css": w, "x": one})


@pytest.mark.parametrize(
    ("text", "linear"),
    [
        ("c0 + c1*u(x2, g) + c2*w**2", {"c0", "c1", "c2"}),
        ("exp(c0*w)", set()),
        ("c0**2", set()),
        ("w/c0", set()),
        ("c0/w + fma(c1, w, c2)", {"c0", "c1", "c2"}),
        ("select(w, c0, c1)", {"c0", "c1"}),
        ("c0*c0*w + c1", {"c1"}),
    ],
)
def test_linear_parameters(text: str, linear: set[str]) -> None:
    assert set(linear_parameters(Expression.parse(text))) == linear


@given(genomes)
@settings(max_examples=200, deadline=None)
def test_the_expression_is_affine_in_the_linear_parameters(genome) -> None:
    expression = genome.expression(WORKSPACE)
    if expression is None:
        return
    linear = linear_parameters(expression)
    # no derivative with respect to a linear parameter contains a linear parameter
    for name in linear:
        assert not set(expression.derivative(name).fold().parameters) & set(linear)


@given(genomes, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_renaming_never_changes_the_fingerprint(genome, random) -> None:
    expression = genome.expression(WORKSPACE)
    if expression is None:
        return
    names = list(expression.parameters)
    others = [f"q{k}" for k in range(len(names))]
    random.shuffle(others)
    renamed = expression.substitute({a: Expression.parse(b) for a, b in zip(names, others, strict=True)})
    assert channel_fingerprint(renamed) == channel_fingerprint(expression)


@given(smooth_genomes, st.integers(0, 9999))
@settings(max_examples=150, deadline=None)
def test_other_parameters_of_the_same_family_share_its_fingerprint_and_dimension(genome, seed: int) -> None:
    expression = genome.expression(WORKSPACE)
    if expression is None:
        return
    rng = np.random.default_rng(seed)
    some = {"x2": rng.uniform(0.02, 12, 99), "w": rng.uniform(-0.95, 0.95, 99)}
    with np.errstate(all="ignore"):
        if not np.isfinite(expression.evaluate(some, dict.fromkeys(expression.parameters, 0.2))).all():
            return  # recognised by its text alone
    linear = linear_parameters(expression)
    # linear parameters: an invertible mixture; the others: positive factors; all: new names in another order
    names = [f"q{k}" for k in rng.permutation(len(expression.parameters)).tolist()]
    new = dict(zip(expression.parameters, names, strict=True))
    changed: dict[str, Expression] = {}
    for p in expression.parameters:
        changed[p] = Expression.parse(new[p])
        if p not in linear:
            changed[p] = Expression.constant(float(rng.uniform(0.2, 5))) * changed[p]
    mixture = np.eye(len(linear)) * 3 + rng.uniform(-1, 1, (len(linear), len(linear)))
    for p, row in zip(linear, mixture.tolist(), strict=True):
        changed[p] = sum(
            (Expression.constant(x) * Expression.parse(new[q]) for x, q in zip(row, linear, strict=True)),
            Expression.constant(0.0),
        )
    other = expression.substitute(changed)
    assert channel_dimension(other) == channel_dimension(expression)
    assert channel_fingerprint(other) == channel_fingerprint(expression)
    assert channel_fingerprint(other.fold()) == channel_fingerprint(expression)


@given(st.lists(smooth_genomes, min_size=6, max_size=12))
@settings(max_examples=60, deadline=None)
def test_a_shared_fingerprint_means_the_same_functions(drawn) -> None:
    """Where all parameters are linear: the spaces of functions agree at features that no fingerprint has seen."""
    rng = np.random.default_rng(1)
    features = {"x2": rng.uniform(0.1, 3, 40), "w": rng.uniform(-0.9, 0.9, 40)}
    by_print: dict[str, list[np.ndarray]] = {}
    for genome in drawn:
        e = genome.expression(WORKSPACE)
        if e is None or set(linear_parameters(e)) != set(e.parameters):
            continue
        with np.errstate(all="ignore"):
            zero = np.broadcast_to(e.evaluate(features, dict.fromkeys(e.parameters, 0.0)), 40)
            columns = [
                np.broadcast_to(e.evaluate(features, {q: float(q == p) for q in e.parameters}), 40) - zero
                for p in e.parameters
            ]
        affine = np.array([zero, *columns]).T
        if np.isfinite(affine).all() and np.abs(affine).max() < 1e6:
            by_print.setdefault(channel_fingerprint(e), []).append(affine)
    for spaces in by_print.values():
        for one, two in itertools.combinations(spaces, 2):
            # every member of one is a member of the other: their difference lies in the span of its columns
            for a, b in ((one, two), (two, one)):
                for member in (a[:, 0], a[:, 0] + a[:, 1:] @ rng.uniform(-1, 1, a.shape[1] - 1)):
                    target = member - b[:, 0]
                    fit = b[:, 1:] @ np.linalg.lstsq(b[:, 1:], target, rcond=1e-12)[0] if b.shape[1] > 1 else 0.0
                    assert np.abs(target - fit).max() <= 1e-6 * max(1.0, np.abs(member).max())


def test_probe_values_are_plain_numbers() -> None:
    # undefined at the probes: falls back on the text, and says so by being different from anything else
    a, b = (channel_fingerprint(Expression.parse(t)) for t in ("log(0 - x2)", "log(0 - 2*x2)"))
    assert a != b
    assert not np.isfinite(Expression.parse("log(0 - x2)").evaluate({"x2": 1.0}))


def test_an_affine_space_is_recognised_where_it_has_no_value_at_the_origin() -> None:
    """pbe_x at x2 = 0 is 1 for every kappa but 0, where it is 0/0."""
    one = Expression.parse("pbe_x(0, k, m)")
    other = Expression.parse("pbe_x(0, 3*a - 2*b, a + b)")
    assert channel_fingerprint(one) == channel_fingerprint(other) == channel_fingerprint(Expression.parse("1"))


def test_saturated_functions_keep_their_parameters() -> None:
    """At common parameters their derivative rounds to 0; that does not make them constants."""
    saturated = Expression.parse("tanh(4*(2 + 2*a + (a + b)**2)**2)")
    assert channel_dimension(saturated) > 0
