"""JSON as SyFES writes and reads it: an instruction list per enhancement factor, and parameters.

The file knows no frame: SyFES multiplies the factors with PW92 as printed, in the exact exchange and VV10 of wB97M-V.
Its instructions share their own parameters within a factor, so that a second scale of `u` is written with arithmetic.
Its exchange blocks take x of the total density, the root of x2 over 2^(2/3). SyFES: 10.1126/sciadv.abq0279.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..common.errors import InputError
from ..formula.expression import Expression
from ..formula.instructions import INSTRUCTIONS
from ..functionals.functional import Channel, Functional
from ..functionals.syfes import BOUND, FACTORS, RESULT, SPINS, TAKES_X
from .describe import identifier

__all__ = ["files"]

_FEATURES = ("rho", "x2", "w")
_SPELLED = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
_BY_POWER = {kind.constant: kind.syfes for kind in INSTRUCTIONS.values() if kind.operator == "**" and kind.syfes}
_LARGEST_POWER = 64
_LONGEST_NAME = 60


def files(functional: Functional, stem: str) -> dict[str, str]:
    """One JSON file.

    Raises:
        InputError: for channels, prefactors, features or operators that SyFES has not.
    """
    if functional.correlation not in ("pw92", "pw92_mod"):
        raise InputError(f'SyFES has PW92 as correlation; "{functional.name}" has {functional.correlation}')
    kinds = {kind: (factor, group) for factor, (kind, group) in FACTORS.items()}
    for kind in functional.channels:
        if kind not in kinds:
            raise InputError(f'SyFES has the factors of {", ".join(kinds)}; "{functional.name}" has a channel {kind}')
    made: dict[str, Any] = {"name": identifier(functional.name), "parameters": {}}
    for kind, (factor, group) in kinds.items():
        writer = _Writer(kind, functional.channels.get(kind, Channel(Expression.constant(0.0))))
        made[factor], made["parameters"][group] = writer.finish()
    return {"": json.dumps(made, indent=1) + "\n"}


class _Writer:
    """Writes a factor, a variable for every node."""

    def __init__(self, kind: str, channel: Channel) -> None:
        self.kind, self.channel = kind, channel
        self.lines: list[list[str]] = []
        self.values: dict[str, float] = {}
        self.shared: list[str] = []
        self.variables = [RESULT]
        self.owned: dict[str, tuple[float, ...]] = {}

    def finish(self) -> tuple[dict[str, Any], dict[str, float]]:
        """The factor and the values of its parameters."""
        features = self.channel.expression.features
        for name in features:
            if name not in _FEATURES:
                raise InputError(f'SyFES has the features {", ".join(_FEATURES)}; f_{self.kind} has "{name}"')
        last = self._written(self.channel.expression)
        self._line("AdditionInstruction", RESULT, self._zero(), last)
        return {
            "feature_names": list(features),
            "shared_parameter_names": self.shared,
            "variable_names": self.variables,
            "instructions": self.lines,
        }, self.values

    def _written(self, expression: Expression, given: Mapping[str, str] = MappingProxyType({})) -> str:
        """The name of what holds the value of an expression; `given` are names that stand for its parameters."""
        names: list[str] = []
        nodes = expression.nodes()
        for operator, arguments, payload in nodes:
            if operator == "constant":
                names.append(self._number(float(payload)))
            elif operator == "parameter":
                names.append(given.get(payload) or self._parameter(payload))
            elif operator == "feature":
                names.append(payload)
            else:
                leaves = [nodes[a][2] if nodes[a][0] in ("constant", "parameter") else None for a in arguments]
                names.append(self._operation(operator, [names[a] for a in arguments], leaves))
        return names[-1]

    def _parameter(self, name: str) -> str:
        """The shared parameter of a parameter, whose name is kept where it is not a text of its own."""
        short = len(name) <= _LONGEST_NAME
        label = f"p_{name}" if short else f"p{list(self.channel.parameters).index(name)}"
        return self._number(self.channel.parameters[name], label)

    def _number(self, value: float, name: str = "") -> str:
        """A shared parameter."""
        name = name or f"k{len(self.shared)}"
        if name not in self.values:
            self.shared.append(name)
            self.values[name] = value
        return name

    def _zero(self) -> str:
        """A variable that is never written."""
        if "zero" not in self.variables:
            self.variables.append("zero")
        return "zero"

    def _line(self, name: str, output: str, *inputs: str) -> str:
        self.lines.append([name, output, *inputs])
        return output

    def _new(self) -> str:
        self.variables.append(f"v{len(self.variables)}")
        return self.variables[-1]

    def _operation(self, operator: str, inputs: list[str], leaves: list[Any]) -> str:
        row = INSTRUCTIONS.get(_SPELLED.get(operator, operator))
        if operator == "**" and isinstance(leaves[1], float) and self._is_power(leaves[1]):
            return self._power(inputs[0], int(leaves[1]))
        if operator == "neg":
            return self._line("SubtractionInstruction", self._new(), self._zero(), inputs[0])
        if row is not None and row.syfes and not row.bound:
            return self._line(row.syfes, self._new(), *inputs)
        if row is not None and row.syfes and self._own(row.syfes, inputs[row.inputs :], leaves[row.inputs :]):
            arguments = inputs[: row.inputs]
            if row.syfes in TAKES_X:
                square = self._line("MultiplicationInstruction", self._new(), self._number(1 / SPINS), arguments[0])
                arguments = [self._line("SquareRootInstruction", self._new(), square)]
            return self._line(row.syfes, self._new(), *arguments)
        names = [f"arg{k}" for k in range(len(inputs))]
        spelled = Expression.apply(operator, *(Expression.parse(n) for n in names)).define()
        if any(name == operator for name, _, _ in spelled.nodes()):
            raise InputError(f'SyFES has no instruction for "{operator}", which f_{self.kind} has')
        return self._written(spelled, dict(zip(names, inputs, strict=True)))

    @staticmethod
    def _is_power(exponent: float) -> bool:
        return exponent == int(exponent) and 1 <= exponent <= _LARGEST_POWER

    def _power(self, base: str, exponent: int) -> str:
        """Square and multiply, from the leading digit; the powers that there are at once."""
        if exponent == 1:
            return base
        if exponent in _BY_POWER:
            return self._line(_BY_POWER[exponent], self._new(), base)
        half = self._line("Power2Instruction", self._new(), self._power(base, exponent // 2))
        return half if exponent % 2 == 0 else self._line("MultiplicationInstruction", self._new(), half, base)

    def _own(self, name: str, inputs: list[str], leaves: list[Any]) -> bool:
        """Whether a block can have its parameters: numbers that all blocks of its kind in the factor share."""
        if None in leaves:
            return False
        values = tuple(self.values[i] for i in inputs if i in self.values)
        if len(values) < len(inputs) or self.owned.setdefault(name, values) != values:
            return False
        self.values |= dict(zip(BOUND[name], values, strict=True))
        return True
