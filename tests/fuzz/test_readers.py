"""Every reader of untrusted input under random and structured inputs (hypothesis): nothing but fastsfes' own errors.

The campaigns of campaign.py (`nox -s fuzz`) run the same targets a million times.
"""

from __future__ import annotations

import contextlib
import json
import math
import operator

import numpy as np
import pytest
from fuzz_targets import TARGETS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastsfes as fs
from fastsfes.formula.expression import Expression, feature_names, operators
from fastsfes.functionals.syfes import is_syfes

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module", params=[t for t in TARGETS if t != "kernel"])
def target(request, tmp_path_factory):
    return TARGETS[request.param](tmp_path_factory.mktemp(request.param))


@given(data=st.data())
@QUICK
def test_honest_inputs_with_a_piece_replaced(target, data):
    run, seeds = target
    seed = data.draw(st.sampled_from(seeds))
    begin = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(begin, min(len(seed), begin + 200)))
    changed = seed[:begin] + data.draw(st.binary(max_size=50)) + seed[end:]
    with contextlib.suppress(fs.FastsfesError):
        run(changed)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["c0 + c1*w", "x"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [
        "format",
        "version",
        "name",
        "channels",
        "x",
        "css",
        "expression",
        "parameters",
        "hybrid",
        "omega",
        "nlc",
        "b",
        "C",
        "f_x",
        "f_css",
        "feature_names",
        "variable_names",
        "instructions",
        "shared_parameter_names",
        "parameters_x",
    ]
)
SHAPED = st.dictionaries(KEYS, JSON | st.dictionaries(KEYS, JSON | st.dictionaries(KEYS, JSON, max_size=3), max_size=4))


@given(data=SHAPED)
@settings(max_examples=300, deadline=None)
def test_json_of_any_shape(data):
    for given_ in (data, {"format": "fastsfes-functional", "version": 1, **data}):
        try:
            f = fs.Functional.from_text(json.dumps(given_))
        except fs.InputError:
            continue
        assert fs.Functional.from_text(f.to_text()) == f
        assert is_syfes(given_) or set(f.channels) == set(given_["channels"])


LEAVES = st.sampled_from(["a", "b", "k", "1.5", "0.25"])
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.tuples(st.sampled_from([*"+-*", "one", "two"]), inner, inner)
        | st.tuples(st.sampled_from(["tanh", "exp"]), inner.map(lambda tree: ("tanh", tree)))
    ),
    max_leaves=8,
)


def _written(tree, names) -> str:
    """A tree as text; leaves by other names where they have some."""
    if isinstance(tree, str):
        return names.get(tree, tree)
    of = [_written(part, names) for part in tree[1:]]
    return f"({of[0]} {tree[0]} {of[1]})" if tree[0] in "+-*" else f"{tree[0]}({', '.join(of)})"


def _value(tree, values, own) -> float:
    """What it is worth, by calls of Python functions."""
    if isinstance(tree, str):
        return values[tree] if tree in values else float(tree)
    of = [_value(part, values, own) for part in tree[1:]]
    known = {"+": operator.add, "-": operator.sub, "*": operator.mul, "tanh": math.tanh, "exp": math.exp, **own}
    return known[tree[0]](*of)


def _without(tree, *names):
    """The tree with a sum in place of calls of these."""
    if isinstance(tree, str):
        return tree
    return ("+" if tree[0] in names else tree[0], *(_without(part, *names) for part in tree[1:]))


@given(one=TREES, two=TREES, formula=TREES)
@settings(max_examples=150, deadline=None)
def test_own_operators_are_worth_what_functions_are(one, two, formula):
    product = ("tanh", ("*", "a", "b"))  # with both arguments
    one, two = ("+", product, _without(one, "one", "two")), ("-", _without(two, "two"), product)
    text = f"one(a, b) = {_written(one, {})}; two(q, r) = {_written(two, {'a': 'q', 'b': 'r'})}; "
    try:
        e = Expression.parse(text + _written(formula, {"a": "x2", "b": "w"}))
    except fs.InputError as error:
        if "does not matter" not in str(error):  # an argument that cancels
            raise
        return
    own = {"one": lambda a, b: _value(one, {"a": a, "b": b, "k": 0.7}, {})}
    own["two"] = lambda a, b: _value(two, {"a": a, "b": b, "k": 0.7}, own)
    try:
        expected = _value(formula, {"a": 0.3, "b": -0.4, "k": 0.7}, own)
    except OverflowError:
        return
    features = {name: np.array([{"x2": 0.3, "w": -0.4}[name]]) for name in e.features}
    found = float(np.ravel(e.evaluate(features, dict.fromkeys(e.parameters, 0.7)))[0])
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


FUNCTIONS = [str(o["name"]) for o in operators() if o["kind"] != "leaf" and str(o["name"])[0].isalpha()]
SYMBOLS = [*"+-*/(),;=", "**", "c0", "1.5", "2e308", "1e-400", "-0", ".", "^", "é"]
WORDS = st.sampled_from([*FUNCTIONS, *feature_names(), *SYMBOLS])


@given(words=st.lists(WORDS, max_size=40))
@settings(max_examples=500, deadline=None)
def test_words_of_the_grammar_in_any_order(words):
    try:
        e = Expression.parse(" ".join(words))
    except fs.InputError:
        return
    assert Expression.parse(str(e)) == e
    e.to_latex()
