from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import WORKSPACE, genomes

from fastsfes import Expression
from fastsfes.evolve.family import channel_dimension, channel_fingerprint, fingerprint, linear_parameters

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
    "c1*exp(-c0*x2)",
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
    for group, dimension in zip(SAME[:2], (3, 4), strict=True):
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
        ("select(w, c0, c1)", set()),
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
        assert not set(expression.derivative(name).simplify().parameters) & set(linear)


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


def test_probe_values_are_plain_numbers() -> None:
    # undefined at the probes: falls back on the text, and says so by being different from anything else
    a, b = (channel_fingerprint(Expression.parse(t)) for t in ("log(0 - x2)", "log(0 - 2*x2)"))
    assert a != b
    assert not np.isfinite(Expression.parse("log(0 - x2)").evaluate({"x2": 1.0}))
