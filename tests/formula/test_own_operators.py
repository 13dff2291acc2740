"""Own operators: macros of the text that expand into the grammar, in formulas and as instructions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.evolve.genome import ChannelGenome, Instruction, Workspace
from fastsfes.formula.instructions import instruction_kind
from fastsfes.run.config import SearchConfig
from fastsfes.run.setup import prepare

SQUASH = "squash(a, b) = a/sqrt(1 + b*a**2)"
BELL = "bell(a) = exp(-k*a**2)"


def test_calls_stand_for_their_formulas() -> None:
    got = fs.Expression.parse(
        f"{SQUASH}; {BELL}; twice(a) = bell(bell(a)); q = u(x2, g); c*squash(q + w, 2) + twice (q)"
    )
    bell = "exp(-k*exp(-k*u(x2, g)**2)**2)"
    plain = fs.Expression.parse(f"c*((u(x2, g) + w)/sqrt(1 + 2*(u(x2, g) + w)**2)) + {bell}")
    assert got == plain
    assert got.derivative("x2") == plain.derivative("x2")
    # the letters of arguments are names like others outside, and numbers hold none
    assert fs.Expression.parse("own(e1) = 1e1*e1; own(e1 + w)") == fs.Expression.parse("1e1*(e1 + w)")
    assert fs.load(f"{SQUASH}; x = squash(w, b); css = squash(u(x2, 1), 2); x.b = 3").channels[
        "x"
    ].expression.features == ("w",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tanh(a) = a; 1", "tanh is taken"),
        ("a(b) = b; 1", "two letters or more"),
        ("own(w) = w; 1", "the argument w is the name of a feature"),
        ("own(a) = a*x2; 1", "x2 is a feature; an operator has arguments and parameters alone"),
        ("own(a, b) = a; 1", "the argument b does not matter"),
        ("own(a, a) = a; 1", '"a" is no argument'),
        ("own(a, b, c, d) = a*b*c*d; 1", "has 4 arguments; expected at most 3"),
        ("own(a) = a + (; own(w)", "operator \"own.*expected a number, a name"),
        ("own(a) = a*k; two(k) = own(k); two(w)", "the argument k has the name of a parameter of own"),
        ("own(a) = exp(a); own(a) = a; own(w)", 'operator "own" is defined twice'),
        ("own(a) = exp(a); own(w, w)", "own takes 1 arguments, got 2"),
        ("own(a) = exp(a); own(w", "a parenthesis is not closed"),
        ("own(a) = exp(a)", "no formula after them"),
        ("own(a) = a*a; " + "own(" * 30 + "w" + ")" * 30, "more than 1,000,000 characters"),
    ],
)  # fmt: skip
def test_mistakes_are_sentences(text: str, message: str) -> None:
    with pytest.raises(fs.InputError, match=message):
        fs.Expression.parse(text)


def test_an_own_operator_is_an_instruction() -> None:
    kind = instruction_kind("bell", (SQUASH, BELL))
    assert (kind.inputs, kind.bound, kind.spelling) == (1, ("k",), "a = bell(b, k)")
    workspace = Workspace({"w": fs.Expression.parse("w")}, ("c0",), ("v0",))
    squash = instruction_kind("squash", (SQUASH,)).name
    genome = ChannelGenome(
        (
            Instruction(kind.name, "v0", ("w",), ("k1",)),
            Instruction(squash, "out", ("v0", "c0")),
            Instruction("fma", "out", ("v0", "v0")),
        )
    )
    assert str(genome) == "v0 = bell(w, k1); out = squash(v0, c0); out += v0*v0"
    assert ChannelGenome.from_list(genome.to_list()) == genome
    assert genome.effective() == (0, 1, 2)
    got = genome.expression(workspace)
    assert got is not None
    w = np.linspace(-1, 1, 9)
    bell = np.exp(-0.7 * w**2)
    np.testing.assert_allclose(
        got.evaluate({"w": w}, {"k1": 0.7, "c0": 1.3}), bell / np.sqrt(1 + 1.3 * bell**2) + bell**2, rtol=1e-14
    )


def test_a_search_knows_them_everywhere() -> None:
    config = SearchConfig.make(
        operator=[SQUASH, BELL], instruction_pool={"bell": 1, "squash": 2, "add": 1},
        features_x=["q = squash(x2, g)", "w"], template="x = 1 + bell(w)*F", base="x = squash(w, 2); css = 1; cos = 1",
    )  # fmt: skip
    assert config.instructions().weights == {BELL: 1.0, SQUASH: 2.0, "add": 1.0}
    assert SearchConfig.from_text(config.to_toml(), "text") == config
    parts = prepare(config)
    workspace = parts.mutator.workspaces["x"]
    assert workspace.features["q"] == fs.Expression.parse("x2/sqrt(1 + g*x2**2)")
    start = parts.bases[0][1].channels["x"].expression(workspace)
    w = np.linspace(-1, 1, 5)
    assert start is not None
    np.testing.assert_allclose(
        start.evaluate({"w": w}, {"k": 0.5, "k0": 2.0}), 1 + np.exp(-0.5 * w**2) * w / np.sqrt(1 + 2 * w**2), rtol=1e-14
    )
    with pytest.raises(fs.InputError, match='there is no instruction "bel"; did you mean "bell"'):
        SearchConfig.make(operator=BELL, instruction_pool={"bel": 1})


def test_a_search_finds_with_them(tmp_path: Path) -> None:
    x2 = np.geomspace(0.01, 100, 40)
    values = x2 / np.sqrt(1 + 0.3 * x2**2)
    run = fs.search_points(
        {"x2": x2}, values, operator=SQUASH, instruction_pool={"squash": 1, "add": 1},
        max_instructions=2, candidates=200, output=tmp_path / "run",
    )  # fmt: skip
    np.testing.assert_allclose(run.best.channels["x"].evaluate({"x2": x2}), values, rtol=1e-7)
    assert run.config.operator == (SQUASH,)
    assert SQUASH in {i.name for s in run.states for m in s.population for i in m.genome.channels["x"].instructions}


def test_calls_in_calls_have_a_limit() -> None:
    with pytest.raises(fs.InputError, match="nested more than 200 deep"):
        fs.Expression.parse("same(a, b) = a + b; " + "same(w, " * 300 + "w" + ")" * 300)
