"""Every reader of untrusted input under random and structured inputs (hypothesis): nothing but fastsfes' own errors.

The campaigns of campaign.py (`nox -s fuzz`) run the same targets a million times.
"""

from __future__ import annotations

import contextlib
import json

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
