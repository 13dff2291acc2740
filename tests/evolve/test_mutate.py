from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import WORKSPACE, genomes

from fastsfes import InputError
from fastsfes.evolve.genome import ChannelGenome, Genome, Instruction
from fastsfes.evolve.mutate import MUTATIONS, Limits, Mutator, empty_genome, lda_genome
from fastsfes.evolve.pools import Pool
from fastsfes.formula.family import channel_fingerprint
from fastsfes.formula.instructions import INSTRUCTIONS

KINDS = ("x", "css")


def mutator(limits: Limits, mutations: tuple[str, ...] = MUTATIONS, instructions: tuple[str, ...] = ()) -> Mutator:
    return Mutator(
        dict.fromkeys(KINDS, WORKSPACE),
        Pool(dict.fromkeys(instructions or tuple(INSTRUCTIONS), 1.0), "instruction pool"),
        Pool(dict.fromkeys(mutations, 1.0), "mutation pool"),
        Pool(dict.fromkeys(KINDS, 1.0), "channel pool"),
        limits,
    )


@given(
    genomes,
    genomes,
    st.integers(0, 10**6),
    st.integers(0, 3),
    st.integers(0, 4),
    st.booleans(),
    st.sampled_from(MUTATIONS),
)
@settings(max_examples=200, deadline=None)
def test_children_keep_workspace_limits_and_fixed_lines(
    a: ChannelGenome, b: ChannelGenome, seed: int, fixed: int, room: int, share: bool, only: str
) -> None:
    parent, mate = Genome({"x": a, "css": b}), Genome({"x": b, "css": a})
    lines = max(len(a.instructions), len(b.instructions)) + room
    bound = max(len(a.bound), len(b.bound)) + room
    fixed = min(fixed, len(a.instructions), len(b.instructions))
    limits = Limits(instructions=lines, bound=bound, fixed=fixed, share_bound=share)
    m = mutator(limits, (only,))
    m.check(parent)
    child, name = m.mutate(parent, [mate], np.random.default_rng(seed))
    assert name in (only, "none")
    assert (name == "none") == (child == parent)
    m.check(child)  # workspace and limits
    for kind in KINDS:
        old, new = parent.channels[kind].instructions, child.channels[kind].instructions
        if only != "crossover_channels":
            assert new[:fixed] == old[:fixed]
        if only == "insert":
            assert len(new) - len(old) in (0, 1)
        if only == "remove":
            assert len(new) - len(old) in (0, -1)
        if only in ("replace", "change_argument"):
            assert len(new) == len(old)
            assert sum(p != q for p, q in zip(new, old, strict=True)) <= 1
    changed = [k for k in KINDS if parent.channels[k] != child.channels[k]]
    assert len(changed) <= 1
    if only == "replace" and changed:
        pairs = zip(parent.channels[changed[0]].instructions, child.channels[changed[0]].instructions, strict=True)
        old_line, new_line = next((p, q) for p, q in pairs if p != q)
        assert (old_line.output, old_line.inputs) == (new_line.output, new_line.inputs)


def test_same_random_stream_same_child() -> None:
    m, parent = mutator(Limits()), lda_genome(KINDS)
    children = [m.mutate(parent, [parent], np.random.default_rng(5)) for _ in range(2)]
    assert children[0] == children[1]


def test_every_instruction_and_argument_is_reached() -> None:
    m, rng = mutator(Limits(), ("insert",)), np.random.default_rng(0)
    seen: set[tuple[str, str]] = set()
    for _ in range(3000):
        child, _ = m.mutate(empty_genome(KINDS), [], rng)
        for channel in child.channels.values():
            for line in channel.instructions:
                seen |= {(line.name, n) for n in (line.output, *line.inputs)}
    assert {name for name, _ in seen} == set(INSTRUCTIONS)
    assert {n for _, n in seen} == set(WORKSPACE.readable)


def test_weights_are_probabilities() -> None:
    pool, rng = Pool({"a": 1.0, "b": 3.0, "never": 0.0}, "pool"), np.random.default_rng(1)
    drawn = [pool.draw(rng) for _ in range(4000)]
    # 4 standard deviations of a binomial of 4000 with p = 1/4
    assert abs(drawn.count("a") - 1000) < 110
    assert "never" not in drawn


def test_removal_from_nothing_leaves_the_parent() -> None:
    parent = empty_genome(KINDS)
    assert mutator(Limits(), ("remove",)).mutate(parent, [], np.random.default_rng(0)) == (parent, "none")


def test_bound_parameters_are_own_until_the_limit_then_shared() -> None:
    m, rng = mutator(Limits(bound=2), ("insert",), ("u",)), np.random.default_rng(2)
    genome = empty_genome(KINDS)
    for _ in range(40):
        genome, _ = m.mutate(genome, [], rng)
    assert [set(c.bound) for c in genome.channels.values()] == [{"g0", "g1"}] * 2
    shared = mutator(Limits(share_bound=True), ("insert",), ("u",))
    genome = empty_genome(KINDS)
    for _ in range(40):
        genome, _ = shared.mutate(genome, [], rng)
    assert [set(c.bound) for c in genome.channels.values()] == [{"g0"}] * 2


def test_starting_points_beyond_the_limits_are_refused() -> None:
    long = Genome(dict.fromkeys(KINDS, ChannelGenome((Instruction("add1", "out", ("out",)),) * 3)))
    with pytest.raises(InputError, match="more than max_instructions = 2"):
        mutator(Limits(instructions=2)).check(long)
    with pytest.raises(InputError, match="fewer than fixed_instructions = 4"):
        mutator(Limits(fixed=4)).check(long)


def test_bad_pools_are_refused() -> None:
    with pytest.raises(InputError, match='weight of "a" is -1'):
        Pool({"a": -1.0}, "pool")
    with pytest.raises(InputError, match="no name has a weight above 0"):
        Pool({"a": 0.0}, "pool")
    with pytest.raises(InputError, match='no mutation "twist"'):
        mutator(Limits(), ("twist",))


def genome_of(channel: ChannelGenome) -> Genome:
    """With nothing in the other channel that could be simplified."""
    return Genome({"x": channel, "css": ChannelGenome((Instruction("add1", "out", ("out",)),))})


@given(genomes, st.integers(0, 999))
@settings(max_examples=100, deadline=None)
def test_simplification_keeps_the_family_and_drops_what_it_does_not_need(genome, seed: int) -> None:
    expression = genome.expression(WORKSPACE)
    child, name = mutator(Limits(), ("simplify",)).mutate(genome_of(genome), [], np.random.default_rng(seed))
    lines = child.channels["x"].instructions
    assert len(lines) <= len(genome.instructions)
    if expression is None:
        return
    assert name in ("simplify", "none")
    simple = child.channels["x"].expression(WORKSPACE)
    assert simple is not None
    assert channel_fingerprint(simple) == channel_fingerprint(expression)
    again, name = mutator(Limits(), ("simplify",)).mutate(child, [], np.random.default_rng(seed + 1))
    assert len(again.channels["x"].effective()) == len(again.channels["x"].instructions)


def test_simplification_by_example() -> None:
    line = Instruction
    lines = (
        line("square", "v0", ("u",)),
        line("add", "v1", ("w", "w")),  # never used
        line("fma", "out", ("c0", "v0")),
        line("mul", "v0", ("v0", "c1")),
        line("fma", "out", ("c2", "v0")),  # the same family of terms once more
        line("add1", "out", ("out",)),
    )
    child, _ = mutator(Limits(fixed=1), ("simplify",)).mutate(
        genome_of(ChannelGenome(lines)), [], np.random.default_rng(0)
    )
    kept = child.channels["x"].instructions
    assert len(kept) == 3
    assert kept[0] == lines[0]
    assert kept[-1] == lines[-1]
