"""Mutations of genomes: the four of SyFES, crossover, simplification, and reselection (`reselect`).

Every mutation is a function of (genome, random generator) and returns a new genome; nothing is changed in place.
The first `fixed` instructions of a channel are never touched. Limits on instructions and own parameters hold for
every result. SyFES: 10.1126/sciadv.abq0279.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..common.arguments import meant
from ..common.errors import InputError
from ..formula.family import channel_fingerprint
from ..formula.instructions import kind_of
from .genome import OUTPUT, ChannelGenome, Genome, Instruction, Workspace
from .pools import Pool

__all__ = ["MUTATIONS", "SYFES_MUTATIONS", "Limits", "Mutator"]

MUTATIONS = (
    "insert", "remove", "replace", "change_argument", "crossover_channels", "crossover_lines", "simplify", "reselect",
)  # fmt: skip
"""Names for the mutation pool."""

SYFES_MUTATIONS = {f"{name}_instruction": name for name in ("insert", "remove", "replace")}
"""What SyFES calls them, where the names differ."""

NEUTRAL = ("simplify",)
"""Mutations that leave the family as it is, so that another one follows."""

_ATTEMPTS = 100


@dataclass(frozen=True)
class Limits:
    """What a channel's genome may hold.

    Attributes:
        instructions: largest number of instructions per channel; negative for no limit.
        bound: largest number of own parameters of instructions per channel; negative for no limit.
        fixed: leading instructions that no mutation touches.
        share_bound: when True all instructions of one kind share their own parameters, as in SyFES; else each new
            one brings its own as long as the limit allows and shares those of an existing one afterwards.
    """

    instructions: int = -1
    bound: int = -1
    fixed: int = 0
    share_bound: bool = False


class Mutator:
    """Draws mutations.

    Args:
        workspaces: channel kind to workspace.
        instructions: pool of instruction names.
        mutations: pool of `MUTATIONS`.
        channels: pool of channel kinds.
        limits: limits per channel.
    """

    def __init__(
        self,
        workspaces: Mapping[str, Workspace],
        instructions: Pool,
        mutations: Pool,
        channels: Pool,
        limits: Limits,
    ) -> None:
        self.workspaces = dict(workspaces)
        self.instructions = instructions
        self.mutations = mutations
        self.channels = channels
        self.limits = limits
        for name in mutations.names:
            if name not in MUTATIONS:
                raise InputError(
                    f'mutation pool: there is no mutation "{name}"; {meant(name, MUTATIONS, "the mutations are")}'
                )
        for name in channels.names:
            if name not in self.workspaces:
                raise InputError(f'channel pool: "{name}" is not searched; searched are {", ".join(self.workspaces)}')
        self._by_inputs = {
            count: frozenset(n for n in instructions.names if kind_of(n).inputs == count) for count in (1, 2, 3)
        }

    def check(self, genome: Genome) -> None:
        """Raise `InputError` when a genome breaks the limits or the workspace, so that no mutation of it could hold."""
        for kind, channel in genome.channels.items():
            channel.check(self.workspaces[kind])
            count, most = len(channel.instructions), self.limits.instructions
            if 0 <= most < count:
                raise InputError(
                    f"channel {kind}: the starting point has {count} instructions, more than "
                    f"max_instructions = {most}; raise the limit or start from something shorter"
                )
            if count < self.limits.fixed:
                raise InputError(
                    f"channel {kind}: the starting point has {count} instructions, fewer than fixed_instructions = "
                    f"{self.limits.fixed}; lower it"
                )
            if 0 <= self.limits.bound < len(channel.bound):
                raise InputError(
                    f"channel {kind}: the starting point has {len(channel.bound)} parameters of instructions, "
                    f"more than max_bound_parameters = {self.limits.bound}; raise the limit"
                )

    def mutate(
        self,
        parent: Genome,
        mates: Sequence[Genome],
        rng: np.random.Generator,
        reselect: Callable[[str], ChannelGenome | None] | None = None,
    ) -> tuple[Genome, str]:
        """One random mutation that changes the genome.

        Args:
            parent: the genome to start from.
            mates: genomes that crossover may take from; may be empty.
            rng: the only source of randomness.
            reselect: the mutation of that name of a channel; None where its parent has not been fitted.

        Returns:
            The child and the name of the mutation; the parent itself and "none" when every attempt left it as it was
            (an empty genome of which only removals are allowed, say).
        """
        for _ in range(_ATTEMPTS):
            name = str(self.mutations.draw(rng))
            if name == "crossover_channels":
                child = self._crossover_channels(parent, mates, rng)
            elif name == "reselect":
                kind = str(self.channels.draw(rng))
                chosen = None if reselect is None else reselect(kind)
                child = None if chosen is None else parent.with_channel(kind, chosen)
            else:
                kind = str(self.channels.draw(rng))
                lines = list(parent.channels[kind].instructions)
                if name == "crossover_lines":
                    changed = self._crossover_lines(kind, lines, mates, rng)
                else:
                    changed = getattr(self, f"_{name}")(kind, lines, rng)
                child = None if changed is None else parent.with_channel(kind, ChannelGenome(tuple(changed)))
            if child is not None and child != parent:
                return child, name
        return parent, "none"

    # -- the mutations of SyFES ------------------------------------------------------------------------------

    def _insert(self, kind: str, lines: list[Instruction], rng: np.random.Generator) -> list[Instruction] | None:
        if 0 <= self.limits.instructions <= len(lines):
            return None
        at = self.limits.fixed + int(rng.integers(max(0, len(lines) - self.limits.fixed) + 1))
        new = self._random(kind, lines, rng)
        return None if new is None else [*lines[:at], new, *lines[at:]]

    def _remove(self, kind: str, lines: list[Instruction], rng: np.random.Generator) -> list[Instruction] | None:
        at = self._position(lines, rng)
        return None if at is None else [*lines[:at], *lines[at + 1 :]]

    def _replace(self, kind: str, lines: list[Instruction], rng: np.random.Generator) -> list[Instruction] | None:
        """Another instruction with the same arguments."""
        at = self._position(lines, rng)
        if at is None:
            return None
        old = lines[at]
        others = [*lines[:at], *lines[at + 1 :]]
        name = self.instructions.draw(rng, self._by_inputs[len(old.inputs)])
        bound = None if name is None else self._bound(name, others, rng, self.workspaces[kind])
        if name is None or bound is None:
            return None
        return [*lines[:at], Instruction(name, old.output, old.inputs, bound), *lines[at + 1 :]]

    def _change_argument(
        self, kind: str, lines: list[Instruction], rng: np.random.Generator
    ) -> list[Instruction] | None:
        at = self._position(lines, rng)
        if at is None:
            return None
        old, workspace = lines[at], self.workspaces[kind]
        which = int(rng.integers(1 + len(old.inputs)))
        if which == 0:
            new = Instruction(old.name, _choice(workspace.writable, rng), old.inputs, old.bound)
        else:
            inputs = list(old.inputs)
            inputs[which - 1] = _choice(workspace.readable, rng)
            new = Instruction(old.name, old.output, tuple(inputs), old.bound)
        return [*lines[:at], new, *lines[at + 1 :]]

    # -- crossover -------------------------------------------------------------------------------------------

    def _crossover_channels(self, parent: Genome, mates: Sequence[Genome], rng: np.random.Generator) -> Genome | None:
        """One channel of the parent replaced by the same channel of another genome."""
        if not mates or len(parent.channels) < 2:
            return None
        mate = mates[int(rng.integers(len(mates)))]
        kind = str(self.channels.draw(rng))
        return parent.with_channel(kind, mate.channels[kind])

    def _crossover_lines(
        self, kind: str, lines: list[Instruction], mates: Sequence[Genome], rng: np.random.Generator
    ) -> list[Instruction] | None:
        """The beginning of one list and the end of another's, cut at a random place each."""
        if not mates:
            return None
        other = mates[int(rng.integers(len(mates)))].channels[kind].instructions
        fixed = self.limits.fixed
        if len(lines) < fixed or len(other) < fixed:
            return None
        head = lines[: fixed + int(rng.integers(len(lines) - fixed + 1))]
        tail = other[fixed + int(rng.integers(len(other) - fixed + 1)) :]
        child = [*head, *tail]
        if 0 <= self.limits.instructions < len(child):
            return None
        if 0 <= self.limits.bound < len(ChannelGenome(tuple(child)).bound):
            return None
        return child

    # -- simplification --------------------------------------------------------------------------------------

    def _simplify(self, kind: str, lines: list[Instruction], rng: np.random.Generator) -> list[Instruction] | None:
        """Without the instructions that the family of factors does not need, in the order of a random draw."""
        workspace = self.workspaces[kind]
        effective = set(ChannelGenome(tuple(lines)).effective())
        kept = [i for k, i in enumerate(lines) if k in effective or k < self.limits.fixed]
        family = _family(kept, workspace)
        if family is None:
            return None
        for line in [kept[k] for k in rng.permutation(len(kept)).tolist() if k >= self.limits.fixed]:
            at = next((k for k in range(self.limits.fixed, len(kept)) if kept[k] is line), None)
            if at is not None and _family([*kept[:at], *kept[at + 1 :]], workspace) == family:
                del kept[at]
        return kept

    def random(self, count: int, rng: np.random.Generator) -> Genome:
        """Random lists of at most `count` instructions; fewer where nothing without own parameters is in the pool."""
        channels = {}
        for kind in self.workspaces:
            lines: list[Instruction] = []
            for _ in range(count):
                drawn = (self._random(kind, lines, rng) for _ in range(_ATTEMPTS))
                lines += [line for line in [next(filter(None, drawn), None)] if line is not None]
            channels[kind] = ChannelGenome(tuple(lines))
        return Genome(channels)

    # -- drawing ---------------------------------------------------------------------------------------------

    def _position(self, lines: Sequence[Instruction], rng: np.random.Generator) -> int | None:
        free = len(lines) - self.limits.fixed
        return None if free <= 0 else self.limits.fixed + int(rng.integers(free))

    def _random(self, kind: str, lines: Sequence[Instruction], rng: np.random.Generator) -> Instruction | None:
        workspace = self.workspaces[kind]
        name = str(self.instructions.draw(rng))
        bound = self._bound(name, lines, rng, workspace)
        if bound is None:
            return None
        output = _choice(workspace.writable, rng)
        inputs = tuple(_choice(workspace.readable, rng) for _ in range(kind_of(name).inputs))
        return Instruction(name, output, inputs, bound)

    def _bound(
        self, name: str, others: Sequence[Instruction], rng: np.random.Generator, workspace: Workspace
    ) -> tuple[str, ...] | None:
        """Own parameters for a new instruction beside `others`; None when the limit leaves none."""
        stems = kind_of(name).bound
        if not stems:
            return ()
        used = {b for i in others for b in i.bound}
        existing = list(dict.fromkeys(i.bound for i in others if i.name == name))
        room = self.limits.bound < 0 or len(used) + len(stems) <= self.limits.bound
        if existing and (self.limits.share_bound or not room):
            return existing[int(rng.integers(len(existing)))]
        if not room:
            return None
        taken = used | set(workspace.readable) | workspace.scales
        number = 0
        while any(f"{s}{number}" in taken for s in stems):
            number += 1
        return tuple(f"{s}{number}" for s in stems)


def _family(lines: Sequence[Instruction], workspace: Workspace) -> str | None:
    expression = ChannelGenome(tuple(lines)).expression(workspace)
    return None if expression is None else channel_fingerprint(expression)


def _choice(names: Sequence[str], rng: np.random.Generator) -> str:
    return names[int(rng.integers(len(names)))]


def empty_genome(kinds: Sequence[str]) -> Genome:
    """No instructions in any channel: every enhancement factor is 0."""
    return Genome({kind: ChannelGenome() for kind in kinds})


def lda_genome(kinds: Sequence[str]) -> Genome:
    """Every enhancement factor is 1: the local density approximation."""
    one = ChannelGenome((Instruction("add1", OUTPUT, (OUTPUT,)),))
    return Genome(dict.fromkeys(kinds, one))
