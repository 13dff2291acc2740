"""The operations of an expression as a reader sees them: sums and products of many, coefficients on the edges.

The graph of the core has binary sums and products, fused operations and one node per parameter. Here a chain of sums is
one node, a product with a coefficient is an edge that carries it, and what is shared stays shared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ... import _core
from ...formula.expression import Expression, operators
from .axis import number

__all__ = ["Edge", "Operation", "operations", "symbol"]

_SUPER = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Edge:
    """From an operation to one of its arguments, by index: it is multiplied by sign, parameters and numbers."""

    child: int
    sign: float = 1.0
    parameters: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()

    @property
    def label(self) -> str:
        """The coefficient in print; empty when it is 1."""
        return ("−" if self.sign < 0 else "") + _product_text(self.parameters, self.numbers)


@dataclass
class Operation:
    """A node.

    Attributes:
        kind: "sum", "product", "function", "feature" or "value".
        label, title: what it is called, and in full.
        edges: to the arguments; those of a function in order, without parameters and numbers (see `source`).
        source: index of the node of the core that it stands for, -1 for a product or value made for the drawing.
        parameters, numbers: of a "value", their product.
    """

    kind: str
    label: str
    title: str
    edges: list[Edge] = field(default_factory=list)
    source: int = -1
    parameters: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()


def _product_text(parameters: Sequence[str], numbers: Sequence[float]) -> str:
    return " ".join([*map(symbol, parameters), *(number(v, 4) for v in numbers)])


def symbol(name: str) -> str:
    """A feature's or parameter's name in print: x2 as x², c10 as c₁₀, g as γ."""
    return _core.symbol(name)


def operations(expression: Expression, values: Mapping[str, float]) -> tuple[list[Operation], int]:
    """The graph, and the index of its result."""
    return _Builder(expression, values).build()


class _Builder:
    def __init__(self, expression: Expression, values: Mapping[str, float]) -> None:
        self.nodes = expression.nodes()
        self.values = values
        self.rows = {row["name"]: row for row in operators()}
        self.users = [0] * len(self.nodes)
        for _, args, _ in self.nodes:
            for a in args:
                self.users[a] += 1
        self.terms: dict[int, list[tuple[float, tuple[int, ...]]]] = {}
        self.made: list[Operation] = []
        self.places: dict[object, int] = {}

    def build(self) -> tuple[list[Operation], int]:
        # sums and products of the core's nodes, children first, so that no depth of nesting is a problem
        for index, (name, args, _) in enumerate(self.nodes):
            self.terms[index] = self._terms(index, name, args)
        wanted, stack = set(), [len(self.nodes) - 1]
        while stack:
            index = stack.pop()
            if index not in wanted:
                wanted.add(index)
                stack.extend(self._children(index))
        for index in sorted(wanted):
            self._operation(index)
        return self.made, self.places[len(self.nodes) - 1]

    def _terms(self, index: int, name: str, args: tuple[int, ...]) -> list[tuple[float, tuple[int, ...]]]:
        """The node as a sum of products: signs and factors."""
        signs = {"+": (1.0, 1.0), "-": (1.0, -1.0), "neg": (-1.0,)}
        if name in signs:
            found: list[tuple[float, tuple[int, ...]]] = []
            for a, sign in zip(args, signs[name], strict=True):
                inner = self.terms[a] if self.users[a] == 1 and self._is_sum(a) else [(1.0, self._product(a))]
                found += [(sign * s, factors) for s, factors in inner]
            return found
        if name in ("fma", "fms", "fnma"):
            a, b, c = args
            sign, other = {"fma": (1.0, 1.0), "fms": (1.0, -1.0), "fnma": (-1.0, 1.0)}[name]
            inner = self.terms[c] if self.users[c] == 1 and self._is_sum(c) else [(1.0, self._product(c))]
            return [(sign, (*self._product(a), *self._product(b))), *((other * s, f) for s, f in inner)]
        if name == "*":
            return [(1.0, (*self._product(args[0]), *self._product(args[1])))]
        return [(1.0, (index,))]

    def _is_sum(self, index: int) -> bool:
        return self.nodes[index][0] in ("+", "-", "neg", "fma", "fms", "fnma")

    def _product(self, index: int) -> tuple[int, ...]:
        """Factors of a node that is a product used once, else the node itself."""
        if self.nodes[index][0] == "*" and self.users[index] == 1:
            return self.terms[index][0][1]
        return (index,)

    def _children(self, index: int) -> list[int]:
        name, args, _ = self.nodes[index]
        if self._is_sum(index) or name == "*":
            args = tuple(f for _, factors in self.terms[index] for f in factors)
        return [a for a in args if self.nodes[a][0] not in ("parameter", "constant")]

    def _operation(self, index: int) -> int:
        name, args, payload = self.nodes[index]
        if index in self.places:
            return self.places[index]
        if self._is_sum(index):
            edges = [self._edge(sign, factors) for sign, factors in self.terms[index]]
            lone = len(edges) == 1 and not edges[0].label
            made = edges[0].child if lone else self._add(Operation("sum", "+", "sum of what is below", edges, index))
        elif name == "*":
            ((sign, factors),) = self.terms[index]
            edge = self._edge(sign, factors)
            scaled = Operation("product", "×", "product with the coefficient", [edge], index)
            made = self._add(scaled) if edge.label else edge.child
        elif name == "feature":
            made = self._add(Operation("feature", symbol(str(payload)), f"feature {payload}", source=index))
        elif name in ("parameter", "constant"):
            made = self._value(*self._split((index,))[:2])
        else:
            made = self._add(self._function(index, name, args))
        self.places[index] = made
        return made

    def _split(self, factors: tuple[int, ...]) -> tuple[tuple[str, ...], tuple[float, ...], tuple[int, ...]]:
        """Parameters, numbers, and the other factors of a product."""
        kinds = [self.nodes[f][0] for f in factors]
        parameters = tuple(str(self.nodes[f][2]) for f, k in zip(factors, kinds, strict=True) if k == "parameter")
        numbers = tuple(float(self.nodes[f][2]) for f, k in zip(factors, kinds, strict=True) if k == "constant")
        rest = tuple(f for f, k in zip(factors, kinds, strict=True) if k not in ("parameter", "constant"))
        return parameters, numbers, rest

    def _edge(self, sign: float, factors: tuple[int, ...]) -> Edge:
        """A term of a sum: its parameters and numbers become the coefficient, the rest the child."""
        parameters, numbers, rest = self._split(factors)
        if not rest:
            return Edge(self._value(parameters, numbers), sign)
        child = self._operation(rest[0]) if len(rest) == 1 else self._times(rest)
        return Edge(child, sign, parameters, numbers)

    def _value(self, parameters: tuple[str, ...], numbers: tuple[float, ...]) -> int:
        key = ("value", parameters, numbers)
        if key not in self.places:
            title = " × ".join([*map(self._told, parameters), *map(repr, numbers)])
            text = _product_text(parameters, numbers)
            self.places[key] = self._add(Operation("value", text, title, parameters=parameters, numbers=numbers))
        return self.places[key]

    def _times(self, factors: tuple[int, ...]) -> int:
        children = tuple(self._operation(f) for f in factors)
        key = ("product", tuple(sorted(children)))
        if key not in self.places:
            edges = [Edge(c) for c in children]
            self.places[key] = self._add(Operation("product", "×", "product of what is below", edges))
        return self.places[key]

    def _function(self, index: int, name: str, args: tuple[int, ...]) -> Operation:
        # what a function is of stands first and is always drawn; parameters and numbers after it go into its label
        fixed = [a for a in args[1:] if self.nodes[a][0] in ("parameter", "constant")]
        title = str(self.rows[name]["summary"])
        label = str(self.rows[name]["label"])
        if name == "**" and self.nodes[args[1]][0] == "constant":
            power = float(self.nodes[args[1]][2])
            raised = str(int(power)).translate(_SUPER) if power == int(power) else f"^{number(power, 4)}"
            return Operation("function", f"·{raised}", f"power {power:g}", [Edge(self._operation(args[0]))], index)
        if name in ("/", "**", "select", "min", "max"):  # every place of these means something: none is left out
            return Operation("function", label, title, [Edge(self._operation(a)) for a in args], index)
        inner = ", ".join(map(self._short, fixed))
        told = [self._told(str(self.nodes[a][2])) for a in fixed if self.nodes[a][0] == "parameter"]
        edges = [Edge(self._operation(a)) for k, a in enumerate(args) if k == 0 or a not in fixed]
        return Operation(
            "function", f"{label}(·; {inner})" if inner else label, "; ".join([title, *told]), edges, index
        )

    def _short(self, index: int) -> str:
        name, _, payload = self.nodes[index]
        return symbol(str(payload)) if name == "parameter" else number(float(payload), 3)

    def _told(self, name: str) -> str:
        value = self.values.get(name)
        return name if value is None else f"{name} = {value!r}"

    def _add(self, operation: Operation) -> int:
        self.made.append(operation)
        return len(self.made) - 1
