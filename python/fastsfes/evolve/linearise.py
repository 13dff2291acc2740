"""Expressions written as instructions, so that any functional can be where a search starts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..formula.expression import Expression, Node
from ..formula.instructions import INSTRUCTIONS
from .genome import OUTPUT, ChannelGenome, Instruction

__all__ = ["Linearised", "linearise"]

_BINARY = {"+": "add", "-": "sub", "*": "mul", "/": "div", "**": "pow"}
_POWERS = {2: "square", 3: "cube", 4: "pow4", 6: "pow6"}
_ROOTS = {2: "sqrt", 3: "cbrt"}
_LARGEST_POWER = 64


@dataclass(frozen=True)
class Linearised:
    """An expression as instructions.

    Attributes:
        genome: the instructions; evaluating them gives the expression back.
        features: features that occur.
        parameters: value of every parameter: those of the expression and one for each number in it that no
            instruction provides. Parameters that an instruction carries itself are among them.
        shared: those parameters that are workspace names.
        variables: temporaries needed.
    """

    genome: ChannelGenome
    features: tuple[str, ...]
    parameters: Mapping[str, float]
    shared: tuple[str, ...]
    variables: tuple[str, ...]


def linearise(
    expression: Expression, parameters: Mapping[str, float], named: Mapping[str, Expression] | None = None
) -> Linearised:
    """Write an expression as instructions with few temporaries.

    Numbers other than those that the instructions know (powers, adding 1) become parameters with that value:
    a search may fit them, which is what starting from a known functional means.

    Args:
        expression: any expression.
        parameters: a value for every parameter that occurs.
        named: features of a workspace, which are read by name where they occur.
    """
    return _Writer(expression.fold(), parameters, named or {}).finish()


def _with_names(nodes: Sequence[Node], named: Mapping[str, Expression]) -> list[Node]:
    """The nodes that are left when some subexpressions are read by name."""
    numbers: dict[Any, int] = {}

    def numbered(some: Sequence[Node]) -> list[int]:
        """Equal subexpressions have equal numbers."""
        found: list[int] = []
        for name, args, payload in some:
            found.append(numbers.setdefault((name, tuple(found[a] for a in args), payload), len(numbers)))
        return found

    names = {numbered(e.nodes())[-1]: name for name, e in named.items()}
    short: list[Node] = [
        ("feature", (), names[k]) if k in names else node for node, k in zip(nodes, numbered(nodes), strict=True)
    ]
    used = {len(short) - 1}
    for k in range(len(short) - 1, -1, -1):
        if k in used:
            used.update(short[k][1])
    place = {k: n for n, k in enumerate(sorted(used))}
    return [(short[k][0], tuple(place[a] for a in short[k][1]), short[k][2]) for k in place]


class _Writer:
    def __init__(
        self, expression: Expression, values: Mapping[str, float], named: Mapping[str, Expression] | None = None
    ) -> None:
        self.nodes = _with_names(expression.nodes(), named or {})
        self.features = tuple(dict.fromkeys(str(n[2]) for n in self.nodes if n[0] == "feature"))
        self.values = {name: float(values[name]) for name in expression.parameters}
        self.lines: list[Instruction] = []
        self.names: dict[int, str] = {}
        self.free: list[str] = []
        self.variables: list[str] = []
        self.constants: dict[float, str] = {}
        self.zero: str | None = None
        self.users: list[list[int]] = [[] for _ in self.nodes]
        self.fused: dict[int, int] = {}
        self._plan()

    def _plan(self) -> None:
        """Who uses whom, after absorbing products into the sums that alone use them."""
        for index, (_, args, _) in enumerate(self.nodes):
            for a in args:
                self.users[a].append(index)
        for index, (name, args, _) in enumerate(self.nodes):
            if name != "+":
                continue
            left, right = args
            for total, product in ((left, right), (right, left)):
                # a += b*c overwrites a, so a must be a temporary that nobody needs afterwards
                if (
                    self.nodes[product][0] == "*"
                    and self.users[product] == [index]
                    and self.users[total] == [index]
                    and self._is_operation(total)
                ):
                    self.fused[index] = product
                    break
        absorbed = set(self.fused.values())
        for index in sorted(absorbed, reverse=True):
            sum_ = self.users[index][0]
            for a in self.nodes[index][1]:
                self.users[a] = [sum_ if u == index else u for u in self.users[a]]
        self.absorbed = absorbed

    def _is_operation(self, index: int) -> bool:
        return self.nodes[index][0] not in ("constant", "feature", "parameter")

    def _new(self) -> str:
        if self.free:
            return self.free.pop()
        self.variables.append(f"v{len(self.variables)}")
        return self.variables[-1]

    def _emit(self, name: str, output: str, inputs: Sequence[str], bound: Sequence[str] = ()) -> None:
        self.lines.append(Instruction(name, output, tuple(inputs), tuple(bound)))

    def _read(self, index: int) -> str:
        """Name that holds the value of a node."""
        kind, _, payload = self.nodes[index]
        if kind == "constant":
            return self._constant(float(payload))
        return str(payload) if kind in ("feature", "parameter") else self.names[index]

    def _constant(self, value: float) -> str:
        if value not in self.constants:
            name = f"k{len(self.constants)}"
            while name in self.values or name in self.features:
                name += "_"
            self.constants[value] = name
            self.values[name] = value
        return self.constants[value]

    def _release(self, index: int, arguments: Sequence[int]) -> None:
        for a in dict.fromkeys(arguments):
            if self._is_operation(a) and self.users[a] and max(self.users[a]) == index:
                self.free.append(self.names[a])

    def finish(self) -> Linearised:
        """Write all lines and name the last result `OUTPUT`."""
        for index in range(len(self.nodes)):
            if self._is_operation(index) and index not in self.absorbed:
                self._write(index)
        last = len(self.nodes) - 1
        if self._is_operation(last):
            # every variable starts at 0, so two names may be exchanged throughout
            swap = {self.names[last]: OUTPUT}
        else:
            swap = {}
            value = self.nodes[last]
            if value[0] == "constant" and value[2] == 1.0:
                self._emit("add1", OUTPUT, (OUTPUT,))
            elif not (value[0] == "constant" and value[2] == 0.0):
                self._emit("add", OUTPUT, (OUTPUT, self._read(last)))
        lines = tuple(
            Instruction(i.name, swap.get(i.output, i.output), tuple(swap.get(n, n) for n in i.inputs), i.bound)
            for i in self.lines
        )
        genome = ChannelGenome(lines)
        shared = tuple(name for name in self.values if name not in genome.bound)
        variables = tuple(v for v in self.variables if v not in swap)
        return Linearised(genome, self.features, self.values, shared, variables)

    def _write(self, index: int) -> None:
        name, args, _ = self.nodes[index]
        if index in self.fused:
            product = self.fused[index]
            total = args[0] if args[1] == product else args[1]
            factors = self.nodes[product][1]
            inputs = [self._read(a) for a in factors]
            self.names[index] = self.names[total]
            self._emit("fma", self.names[index], inputs)
            self._release(index, factors)
            return
        if name in ("fma", "fms", "fnma"):
            self._multiply_add(index, name, args)
            return
        if name == "**" and self._power(index, args):
            return
        if name == "+" and 1.0 in (self._number(a) for a in args):
            other = args[0] if self._number(args[1]) == 1.0 else args[1]
            self._assign(index, "add1", (other,), args)
            return
        short = _BINARY.get(name, name)
        if short in INSTRUCTIONS and not INSTRUCTIONS[short].bound:
            self._assign(index, short, args, args)
        else:
            self._block(index, name, args)

    def _assign(self, index: int, short: str, used: Sequence[int], args: Sequence[int]) -> None:
        inputs = [self._read(a) for a in used]
        self._release(index, args)
        self.names[index] = self._new()
        self._emit(short, self.names[index], inputs)

    def _power(self, index: int, args: Sequence[int]) -> bool:
        """Powers p/q with small p, q as products and roots; False when the exponent is another."""
        exponent = self._number(args[1])
        for q in (1, 2, 3):
            p = round(exponent * q) if math.isfinite(exponent) else 0
            if 0 < p <= _LARGEST_POWER and p / q == exponent:
                break
        else:
            return False
        base = self._read(args[0])
        result = self._new()  # before the release: the base is read more than once
        if q > 1:
            self._emit(_ROOTS[q], result, (base,))
            base = result
        if p in _POWERS:
            self._emit(_POWERS[p], result, (base,))
        elif p > 1:
            if base == result:
                base = self._new()
                self._emit(_ROOTS[q], base, (self._read(args[0]),))
                self.lines.pop(-2)
                self.free.append(base)
            # square and multiply, from the leading digit
            current = base
            for digit in bin(p)[3:]:
                self._emit("square", result, (current,))
                current = result
                if digit == "1":
                    self._emit("mul", result, (result, base))
        elif q == 1:
            self._emit("add", result, (base, self._constant(0.0)))
        self._release(index, args)
        self.names[index] = result
        return True

    def _number(self, index: int) -> float:
        name, _, payload = self.nodes[index]
        return float(payload) if name == "constant" else math.nan

    def _multiply_add(self, index: int, name: str, args: Sequence[int]) -> None:
        a, b, c = (self._read(i) for i in args)
        product = self._new()  # before the release: the third argument must survive the product
        self._emit("mul", product, (a, b))
        self._emit(
            {"fma": "add", "fms": "sub", "fnma": "sub"}[name], product, (c, product) if name == "fnma" else (product, c)
        )
        self._release(index, args)
        self.names[index] = product

    def _block(self, index: int, name: str, args: Sequence[int]) -> None:
        """An operator with parameters of its own, or one that no instruction has."""
        kind = INSTRUCTIONS.get(name)
        count = len(kind.bound) if kind else 0
        owned = (
            [self._own(a, row) for a, row in zip(args[len(args) - count :], kind.bound, strict=True)] if kind else []
        )
        if not all(owned) or len(set(owned)) != count:
            owned = []
        if not owned:
            self._spell_out(index, name, args)
            return
        used = args[: len(args) - count]
        inputs = [self._read(a) for a in used]
        self._release(index, used)
        self.names[index] = self._new()
        self._emit(name, self.names[index], inputs, [str(o) for o in owned])

    def _own(self, index: int, row_name: str) -> str | None:
        """The parameter's name, when the node is one that only such blocks use; a new one for a number."""
        kind, _, payload = self.nodes[index]
        if kind == "constant":
            name = row_name
            while name in self.values or name in self.features:
                name += "_"
            self.values[name] = float(payload)
            return name
        if kind != "parameter":
            return None
        for user in self.users[index]:
            row = INSTRUCTIONS.get(self.nodes[user][0])
            if row is None or not row.bound or index in self.nodes[user][1][: row.inputs]:
                return None
        return str(payload)

    def _spell_out(self, index: int, name: str, args: Sequence[int]) -> None:
        """Write the formula of a defined operator in place."""
        arguments = [Expression.parse(f"arg{k}") for k in range(len(args))]
        formula = Expression.apply(name, *arguments).define()
        inner = _Writer(formula, dict.fromkeys(formula.parameters, 0.0))
        outside = {f"arg{k}": self._read(a) for k, a in enumerate(args)}
        rename = dict(outside)
        # temporaries of the formula must not overwrite what is still alive out here
        alive = {self.names[i] for i in self.names if self._is_operation(i) and any(u >= index for u in self.users[i])}
        done = inner.finish()
        for v in (*done.variables, OUTPUT):
            self.variables.append(f"v{len(self.variables)}")
            rename[v] = self.variables[-1]
            assert rename[v] not in alive
        for value, constant in inner.constants.items():
            rename[constant] = self._constant(value)
        for i in done.genome.instructions:
            self._emit(i.name, rename[i.output], [rename.get(n, n) for n in i.inputs], i.bound)
        self._release(index, args)
        self.free.extend(rename[v] for v in done.variables)
        self.names[index] = rename[OUTPUT]
