from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import WORKSPACE, genomes, smooth_genomes

from fastsfes import Expression, InputError
from fastsfes.evolve.genome import OUTPUT, ChannelGenome, Genome, Instruction, Workspace
from fastsfes.evolve.linearise import linearise
from fastsfes.formula.instructions import INSTRUCTIONS, instruction_kind
from fastsfes.functionals.registry import get_functional, list_functionals

FEATURES = {name: np.random.default_rng(3).uniform(0.1, 0.9, 5) for name in ("x2", "w")}


def run(genome: ChannelGenome, parameters: dict[str, float]) -> np.ndarray:
    """The instructions carried out one by one on numbers: what the expression must agree with."""
    values = {n: np.asarray(e.evaluate(FEATURES, parameters)) for n, e in WORKSPACE.features.items()}
    values |= {p: np.asarray(parameters[p]) for p in WORKSPACE.parameters}
    values |= {v: np.asarray(0.0) for v in WORKSPACE.writable}
    for i in genome.instructions:
        arguments = [values[i.output], *(values[n] for n in i.inputs), *(np.asarray(parameters[b]) for b in i.bound)]
        names = (*"abcd"[: 1 + len(i.inputs)], *i.kind.bound)
        # as the line is spelled for people, one at a time, on numbers: no simplification can act
        target, formula = i.kind.spelling.split(" = ") if " = " in i.kind.spelling else i.kind.spelling.split(" += ")
        step = Expression.parse(formula if " = " in i.kind.spelling else f"{target} + {formula}")
        columns = np.broadcast_arrays(*arguments, np.zeros(5))[:-1]
        values[i.output] = np.array(
            [
                step.evaluate({}, {n: v for n, v in zip(names, map(float, row), strict=True) if n in step.parameters})
                for row in zip(*columns, strict=True)
            ]
        )
    return np.broadcast_to(values[OUTPUT], (5,))


def parameter_values(seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    names = ["gf", *WORKSPACE.parameters, *(f"{b}{k}" for i in INSTRUCTIONS.values() for b in i.bound for k in (0, 1))]
    return {n: float(rng.uniform(0.2, 0.8)) for n in names}


@given(smooth_genomes, st.integers(0, 100))
@settings(max_examples=150, deadline=None)
def test_expression_has_the_value_of_the_instructions(genome: ChannelGenome, seed: int) -> None:
    genome.check(WORKSPACE)
    values = parameter_values(seed)
    with np.errstate(all="ignore"):
        expected = run(genome, values)
    expression = genome.expression(WORKSPACE)
    if expression is None:  # undefined: a division by a constant 0, say
        assert not np.isfinite(expected).all() or np.abs(expected).max() > 1e300 or _has_bad_constant(genome)
        return
    got = np.broadcast_to(expression.evaluate(FEATURES, values), (5,))
    # the simplifier folds 0*a and a/a-like forms, so where the instructions give NaN the expression may be finite
    good = np.isfinite(expected) & (np.abs(expected) < 1e12)
    # sums may be reordered: a few roundings, amplified where terms cancel or functions are steep
    np.testing.assert_allclose(got[good], expected[good], rtol=1e-6, atol=1e-6)


def _has_bad_constant(genome: ChannelGenome) -> bool:
    return any(i.name in ("div", "log", "pow", "exp", "expm1") for i in genome.instructions)


@given(genomes)
@settings(max_examples=100, deadline=None)
def test_dropping_idle_instructions_changes_nothing(genome: ChannelGenome) -> None:
    short = ChannelGenome(tuple(genome.instructions[k] for k in genome.effective()))
    assert short.expression(WORKSPACE) == genome.expression(WORKSPACE)


@given(genomes)
def test_plain_data_round_trip(genome: ChannelGenome) -> None:
    both = Genome({"x": genome, "css": ChannelGenome()})
    assert Genome.from_dict(both.to_dict()) == both


@given(smooth_genomes, st.integers(0, 100))
@settings(max_examples=150, deadline=None)
def test_linearised_expression_has_the_same_value(genome: ChannelGenome, seed: int) -> None:
    expression = genome.expression(WORKSPACE)
    if expression is None:
        return
    values = parameter_values(seed)
    done = linearise(expression, {p: values[p] for p in expression.parameters})
    workspace = Workspace({f: Expression.parse(f) for f in done.features}, done.shared, done.variables)
    done.genome.check(workspace)
    back = done.genome.expression(workspace)
    assert back is not None
    expected = np.broadcast_to(expression.evaluate(FEATURES, values), (5,))
    got = np.broadcast_to(back.evaluate(FEATURES, done.parameters), (5,))
    good = np.isfinite(expected) & (np.abs(expected) < 1e12)
    np.testing.assert_allclose(got[good], expected[good], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", list_functionals())
def test_every_registered_functional_becomes_a_genome_and_back(name: str) -> None:
    for channel in get_functional(name).channels.values():
        done = linearise(channel.expression, channel.parameters)
        workspace = Workspace({f: Expression.parse(f) for f in done.features}, done.shared, done.variables)
        back = done.genome.expression(workspace)
        assert back is not None
        rng = np.random.default_rng(1)
        features = {f: rng.uniform(0.1, 0.9, 50) for f in channel.expression.features}
        expected = channel.evaluate(features)
        # the same operations in nearly the same order
        np.testing.assert_allclose(back.evaluate(features, done.parameters), expected, rtol=2e-14)


def test_lines_read_like_assignments() -> None:
    assert str(Instruction("fma", "out", ("c1", "u"))) == "out += c1*u"
    assert str(Instruction("u", "v0", ("x2",), ("g0",))) == "v0 = u(x2, g0)"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (["nonsense", "out", "u"], "is not an instruction"),
        (["add", "out", "u"], "takes an output, 2 inputs"),
        (["u", "out", "u"], "1 own parameters"),
        ("add", "is not an instruction"),
    ],
)
def test_malformed_instructions_are_refused(data: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Instruction.from_list(data)


def test_unknown_arguments_are_named() -> None:
    with pytest.raises(InputError, match='reads "nope"'):
        ChannelGenome((Instruction("add", "out", ("u", "nope")),)).check(WORKSPACE)
    with pytest.raises(InputError, match='writes "c0"'):
        ChannelGenome((Instruction("add", "c0", ("u", "w")),)).check(WORKSPACE)


def test_instruction_names_of_syfes_are_known_and_nearest_is_suggested() -> None:
    assert instruction_kind("MultiplicationAdditionInstruction").name == "fma"
    with pytest.raises(InputError, match='did you mean "square"'):
        instruction_kind("squaer")


def test_division_by_an_untouched_variable_is_undefined() -> None:
    genome = ChannelGenome((Instruction("div", "out", ("u", "v0")),))
    expression = genome.expression(WORKSPACE)
    assert expression is None or not math.isfinite(float(np.max(expression.evaluate(FEATURES, {"gf": 0.5}))))
