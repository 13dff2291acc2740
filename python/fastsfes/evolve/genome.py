"""Genomes: functionals as lists of instructions on a small workspace.

A workspace names what instructions may read: features, shared parameters, and variables, which start at 0.
One variable, `OUTPUT`, is the enhancement factor. Instructions whose results are never used are allowed:
they are the raw material of later mutations and vanish in the expression.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from .. import _core
from ..common.errors import InputError
from ..formula.expression import Expression, feature_names
from ..formula.instructions import ZERO, InstructionKind, kind_of

__all__ = ["HOLE", "OUTPUT", "ChannelGenome", "Genome", "Instruction", "Workspace"]

OUTPUT = "out"
"""Name of the variable that holds the enhancement factor in the end."""

HOLE = "F"
"""What the instructions make, in a template."""


@dataclass(frozen=True)
class Instruction:
    """One line: the row of the instruction table, output variable, inputs, and names of its own parameters."""

    name: str
    output: str
    inputs: tuple[str, ...]
    bound: tuple[str, ...] = ()

    @cached_property
    def code(self) -> list[_core.PlainLine]:
        """The lines that it is as the core reads it, nearly always one."""
        return self.kind.lines(self.output, self.inputs, self.bound)

    @property
    def kind(self) -> InstructionKind:
        """The row of the instruction table."""
        return kind_of(self.name)

    def __str__(self) -> str:
        names = dict(zip("bcd", self.inputs, strict=False)) | {"a": self.output}
        names |= dict(zip(self.kind.bound, self.bound, strict=True))
        words, word = [], ""
        for character in self.kind.spelling + " ":
            if character.isalnum() or character == "_":
                word += character
                continue
            words.append(names.get(word, word))
            words.append(character)
            word = ""
        return "".join(words).strip()

    def to_list(self) -> list[Any]:
        """Plain data: name, output, inputs, and, when there are any, a list of own parameters."""
        plain: list[Any] = [self.name, self.output, *self.inputs]
        return [*plain, list(self.bound)] if self.bound else plain

    @classmethod
    def from_list(cls, data: Sequence[Any]) -> Instruction:
        """The instruction of `to_list`'s form; raises `InputError` when it is none."""
        if not isinstance(data, Sequence) or isinstance(data, str) or not data or not isinstance(data[0], str):
            raise InputError(f"{data!r} is not an instruction: expected [name, output, inputs..., [parameters...]]")
        try:
            kind = kind_of(data[0])
        except InputError as error:
            raise InputError(
                f"{data!r} is not an instruction: expected [name, output, inputs..., [parameters...]]; {error}"
            ) from None
        items = list(data[1:])
        bound = items.pop() if kind.bound and items else []
        if len(items) != 1 + kind.inputs or len(bound) != len(kind.bound) or isinstance(bound, str):
            raise InputError(
                f"{data!r}: {kind.name} takes an output, {kind.inputs} inputs and {len(kind.bound)} own parameters"
            )
        return cls(kind.name, items[0], tuple(items[1:]), tuple(bound))


@dataclass(frozen=True)
class Workspace:
    """What the instructions of one channel may name.

    Args:
        features: name to expression in the channel's features, for example u: u(x2, 0.004); free names in it are
            parameters that the fit adjusts.
        parameters: shared parameters.
        variables: temporaries besides `OUTPUT`.
        template: the factor as an expression of `HOLE`, which stands for what the instructions make; by default that is
            the factor. Other free names in it are parameters that the fit adjusts.
    """

    features: Mapping[str, Expression]
    parameters: tuple[str, ...]
    variables: tuple[str, ...]
    template: Expression | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", MappingProxyType(dict(self.features)))
        reserved = set(self.parameters) & set(feature_names())
        if reserved:
            raise InputError(f'workspace: "{min(reserved)}" names a feature; choose another name for the parameter')
        names = [*self.features, *self.parameters, *self.variables, OUTPUT]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f'workspace: the name "{name}" is used twice; rename one')

    @cached_property
    def readable(self) -> tuple[str, ...]:
        """Names that an instruction may read."""
        return (*self.features, *self.parameters, *self.variables, OUTPUT)

    @cached_property
    def writable(self) -> tuple[str, ...]:
        """Names that an instruction may write."""
        return (*self.variables, OUTPUT)

    @cached_property
    def scales(self) -> frozenset[str]:
        """Parameters that no instruction names: those of the features and of the template."""
        around = () if self.template is None else self.template.parameters
        return frozenset((*(p for e in self.features.values() for p in e.parameters), *around)) - {HOLE}

    @cached_property
    def values(self) -> Mapping[str, float]:
        """Where parameters start of which nothing else is known: 1."""
        return dict.fromkeys((*self.parameters, *sorted(self.scales)), 1.0)

    @cached_property
    def assembler(self) -> _core.Assembler:
        """What makes expressions of instructions, from the value of every readable name before the first one."""
        zero = Expression.constant(0.0)
        start = {
            **self.features,
            **{p: Expression.parse(p) for p in self.parameters},
            **dict.fromkeys((*self.writable, ZERO), zero),
        }
        return _core.Assembler({name: e._handle for name, e in start.items()})

    def __reduce__(self) -> tuple[Any, ...]:
        return Workspace, (dict(self.features), self.parameters, self.variables, self.template)


@dataclass(frozen=True)
class ChannelGenome:
    """The instructions of one channel."""

    instructions: tuple[Instruction, ...] = ()

    @property
    def bound(self) -> tuple[str, ...]:
        """Names of the instructions' own parameters, each once, in order of appearance."""
        return tuple(dict.fromkeys(name for i in self.instructions for name in i.bound))

    def check(self, workspace: Workspace) -> None:
        """Raise `InputError` when an argument is not in the workspace."""
        readable, writable = set(workspace.readable), set(workspace.writable)
        clash = readable & set(self.bound)
        if clash:
            raise InputError(f'genome: "{min(clash)}" is both an own parameter and a name of the workspace')
        for i in self.instructions:
            if i.output not in writable:
                raise InputError(
                    f'genome: "{i}" writes "{i.output}"; the variables are {", ".join(workspace.writable)}'
                )
            for name in i.inputs:
                if name not in readable:
                    raise InputError(f'genome: "{i}" reads "{name}"; the names are {", ".join(workspace.readable)}')

    def effective(self) -> tuple[int, ...]:
        """Indices of the instructions that the output depends on."""
        needed, kept = {OUTPUT}, []
        for index in range(len(self.instructions) - 1, -1, -1):
            i = self.instructions[index]
            if i.output not in needed:
                continue
            kept.append(index)
            if not i.kind.accumulates:
                needed.discard(i.output)
            needed.update(i.inputs)
        return tuple(reversed(kept))

    def expression(self, workspace: Workspace) -> Expression | None:
        """The enhancement factor, simplified; None when it is undefined (a division by zero, say)."""
        # most channels pass from parent to child as they are: the object remembers its expression
        known = self.__dict__.get("_expression")
        if known is None or known[0] is not workspace:
            known = (workspace, self._expression_in(workspace))
            object.__setattr__(self, "_expression", known)
        return known[1]

    def _expression_in(self, workspace: Workspace) -> Expression | None:
        handle = workspace.assembler.run([line for i in self.instructions for line in i.code], OUTPUT)
        if handle is None or workspace.template is None:
            return None if handle is None else Expression(handle)
        return workspace.template.substitute({HOLE: Expression(handle)}).fold()

    def to_list(self) -> list[list[Any]]:
        """Plain data."""
        return [i.to_list() for i in self.instructions]

    @classmethod
    def from_list(cls, data: Iterable[Sequence[Any]]) -> ChannelGenome:
        """The genome of `to_list`'s form."""
        return cls(tuple(Instruction.from_list(item) for item in data))

    def __str__(self) -> str:
        return "; ".join(str(i) for i in self.instructions) or "(empty)"

    def __reduce__(self) -> tuple[Any, ...]:
        return ChannelGenome, (self.instructions,)  # without the remembered expression


@dataclass(frozen=True)
class Genome:
    """One `ChannelGenome` per channel kind."""

    channels: Mapping[str, ChannelGenome]

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", MappingProxyType(dict(self.channels)))

    def with_channel(self, kind: str, channel: ChannelGenome) -> Genome:
        """The same genome with one channel replaced."""
        return Genome({**self.channels, kind: channel})

    def expressions(self, workspaces: Mapping[str, Workspace]) -> dict[str, Expression] | None:
        """The enhancement factor of every channel; None when one is undefined."""
        found = {}
        for kind, channel in self.channels.items():
            expression = channel.expression(workspaces[kind])
            if expression is None:
                return None
            found[kind] = expression
        return found

    @property
    def size(self) -> int:
        """Number of instructions in all channels."""
        return sum(len(c.instructions) for c in self.channels.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {kind: c.to_list() for kind, c in self.channels.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Genome:
        """The genome of `to_dict`'s form."""
        return cls({kind: ChannelGenome.from_list(c) for kind, c in data.items()})

    def __hash__(self) -> int:
        return hash(tuple(self.channels.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Genome) and dict(self.channels) == dict(other.channels)

    def __reduce__(self) -> tuple[Any, ...]:
        return Genome, (dict(self.channels),)
