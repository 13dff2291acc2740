"""Hypothesis strategies for genomes."""

from __future__ import annotations

from hypothesis import strategies as st

from fastsfes import Expression
from fastsfes.evolve.genome import ChannelGenome, Instruction, Workspace
from fastsfes.formula.instructions import INSTRUCTIONS

WORKSPACE = Workspace(
    {"u": Expression.parse("u(x2, gf)"), "w": Expression.parse("w")}, ("c0", "c1", "c2"), ("v0", "v1")
)


@st.composite
def instructions(draw: st.DrawFn, names: tuple[str, ...]) -> Instruction:
    kind = INSTRUCTIONS[draw(st.sampled_from(names))]
    return Instruction(
        kind.name,
        draw(st.sampled_from(WORKSPACE.writable)),
        tuple(draw(st.sampled_from(WORKSPACE.readable)) for _ in range(kind.inputs)),
        tuple(f"{b}{draw(st.integers(0, 1))}" for b in kind.bound),
    )


def _genomes(names: tuple[str, ...]) -> st.SearchStrategy[ChannelGenome]:
    return st.lists(instructions(names), max_size=8).map(lambda lines: ChannelGenome(tuple(lines)))


genomes = _genomes(tuple(sorted(INSTRUCTIONS)))
# Steps and domain edges (the PBE energy at density 0) turn a rounding into any value: not for comparing numbers.
smooth_genomes = _genomes(tuple(sorted(set(INSTRUCTIONS) - {"select", "min", "max", "pbe_c"})))
