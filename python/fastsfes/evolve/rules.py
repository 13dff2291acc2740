"""Rules that every candidate keeps, and the measure of complexity.

Both speak of the normal form of a factor, which is what is reported. Complexity is the sum of the weights of its
distinct nodes (see `Expression.complexity`); a weight is 1 unless the configuration gives another one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from .. import _core
from ..common.arguments import meant
from ..common.errors import InputError
from ..formula.expression import Expression, Node
from ..formula.normal_form import normal

__all__ = ["Rules", "complexity_of", "parse_nesting", "scales_within"]

LEAVES = ("feature", "parameter", "constant")

STEEP = frozenset({"u", "exp", "expm1", "tanh", "erf", "logistic", "sin", "cos", "atan", "sinh", "cosh"})
"""Operators that turn a high power of a feature into a step, a steep rise or fast waves."""


@dataclass(frozen=True)
class Rules:
    """Limits on what an enhancement factor may contain.

    Attributes:
        operators: largest number of occurrences (distinct nodes) of operators per factor.
        nesting: pairs (inner, outer): the inner operator may not occur inside an argument of the outer one.
        depth: largest number of operators from the factor to a leaf; 0 for no limit.
        dimensions: whether sums must be of like dimensions and the factor a pure number; parameters are numbers.
        sharpness: largest degree, in the features, of what stands in a `STEEP` operator; 0 for no limit.
        weights: weight of operators (and "feature", "parameter", "constant") in the complexity; 1 where none is given.
    """

    operators: tuple[tuple[str, int], ...] = ()
    nesting: tuple[tuple[str, str], ...] = ()
    depth: int = 0
    dimensions: bool = False
    weights: tuple[tuple[str, float], ...] = ()
    sharpness: float = 0.0

    @classmethod
    def make(
        cls,
        operators: Mapping[str, float],
        nesting: Sequence[str],
        depth: int,
        dimensions: bool,
        weights: Mapping[str, float],
        sharpness: float = 0.0,
    ) -> Rules:
        """From a configuration; raises `InputError` for unknown operators."""
        for name, limit in operators.items():
            _operator(name, "operator_limits")
            if limit != int(limit) or limit < 0:
                raise InputError(f'operator_limits: "{name}" = {limit:g}; expected a whole number of at least 0')
        for name, weight in weights.items():
            if name not in LEAVES:
                _operator(name, "complexity_weights")
            if not weight >= 0:
                raise InputError(f'complexity_weights: "{name}" = {weight:g}; expected a number of at least 0')
        return cls(
            tuple((n, int(v)) for n, v in operators.items()),
            tuple(parse_nesting(text) for text in nesting),
            depth,
            dimensions,
            tuple(weights.items()),
            sharpness,
        )

    def allow(self, expressions: Mapping[str, Expression]) -> bool:
        """Whether every factor keeps the rules."""
        if not (self.operators or self.nesting or self.depth or self.dimensions or self.sharpness):
            return True
        return all(_keeps(e.text, self) for e in expressions.values())

    def complexity(self, expressions: Mapping[str, Expression]) -> float:
        """Complexity of all factors together."""
        return sum(complexity_of(e.text, self.weights) for e in expressions.values())


def parse_nesting(text: str) -> tuple[str, str]:
    """The pair of "inner in outer"."""
    words = text.split()
    if len(words) != 3 or words[1] != "in":
        raise InputError(f'forbid_nesting: "{text}" is not understood; expected "inner in outer", as in "exp in exp"')
    for name in (words[0], words[2]):
        _operator(name, "forbid_nesting")
    return words[0], words[2]


@lru_cache(maxsize=65536)
def complexity_of(text: str, weights: tuple[tuple[str, float], ...] = ()) -> float:
    """Complexity of one expression."""
    expression = normal(text)
    if not weights:
        return float(expression.complexity)
    given = dict(weights)
    return sum(given.get(n[0], 1.0) * count for n, count in zip(expression.nodes(), expression.counts(), strict=True))


@lru_cache(maxsize=1)
def _operators() -> tuple[str, ...]:
    return tuple(row["name"] for row in _core.operators() if row["name"] not in LEAVES)


def _operator(name: str, where: str) -> None:
    if name not in _operators():
        hint = meant(name, _operators(), "the operators are")
        raise InputError(f'{where}: there is no operator "{name}"; {hint}')


@lru_cache(maxsize=65536)
def _keeps(text: str, rules: Rules) -> bool:
    nodes = normal(text).nodes()
    names = [name for name, _, _ in nodes]
    if any(names.count(name) > limit for name, limit in rules.operators):
        return False
    if rules.sharpness and _sharpness(nodes) > rules.sharpness:
        return False
    if rules.nesting and _nests(nodes, rules.nesting):
        return False
    if rules.depth and _depth(nodes) > rules.depth:
        return False
    return not rules.dimensions or _dimension(nodes) == 0


def _nests(nodes: Sequence[Node], pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether an inner operator stands in an outer one."""
    inside: list[frozenset[str]] = []
    for name, args, _ in nodes:
        below = frozenset().union(*(inside[a] for a in args))
        if any(name == outer and inner in below for inner, outer in pairs):
            return True
        inside.append(below | {name} if args else below)
    return False


def _depth(nodes: Sequence[Node]) -> int:
    """Operators from the root to a leaf, at most."""
    depth: list[int] = []
    for _, args, _ in nodes:
        depth.append(1 + max(depth[a] for a in args) if args else 0)
    return depth[-1]


def _sharpness(nodes: Sequence[Node]) -> float:
    """The largest degree of the first argument of a steep operator.

    The degree of a feature is 1, of its root 1/2; products add degrees, powers multiply them, and nothing else makes
    one larger: d ln u(a)/d ln a lies between 0 and 1.
    """
    degrees: list[float] = []
    worst = 0.0
    for name, args, payload in nodes:
        inner = [degrees[a] for a in args]
        if name == "feature":
            degrees.append(0.5 if payload in ("x", "s") else 1.0)
        elif name in ("*", "fma", "fms", "fnma"):
            degrees.append(max([inner[0] + inner[1], *inner[2:]]))
        elif name == "**":
            base = nodes[args[1]]
            degrees.append(inner[0] * abs(float(base[2])) if base[0] == "constant" else inner[0])
        else:
            degrees.append({"sqrt": 1 / 2, "cbrt": 1 / 3}.get(name, 1.0) * max(inner, default=0.0))
        if name in STEEP:
            worst = max(worst, inner[0])
    return worst


def scales_within(
    expressions: Mapping[str, Expression], parameters: Mapping[str, Mapping[str, float]], limit: float
) -> bool:
    """Whether all scales in a u lie between 0, below which it has a pole, and a limit, above which it is a step."""
    for kind, expression in expressions.items():
        names, low, high = _scales(expression.text)
        values = [parameters[kind][name] for name in names]
        if min([low, *values]) < 0.0 or max([high, *values]) > limit:
            return False
    return True


@lru_cache(maxsize=65536)
def _scales(text: str) -> tuple[tuple[str, ...], float, float]:
    """The parameters that are scales in a u, and the smallest and largest number that is one (0 when there is none)."""
    nodes = Expression.parse(text).nodes()
    scales = [nodes[args[1]] for name, args, _ in nodes if name == "u"]
    numbers = [float(n[2]) for n in scales if n[0] == "constant"]
    return (
        tuple(str(n[2]) for n in scales if n[0] == "parameter"),
        min(numbers, default=0.0),
        max(numbers, default=0.0),
    )


_TERM = re.compile(r"([-+]?)\s*([a-e])(?:/(\d))?")


@lru_cache(maxsize=1)
def _lengths() -> dict[str, Fraction]:
    rows = {row["name"]: Fraction(row["length"]) for row in _core.features()}
    return rows | dict.fromkeys(_core.COLUMNS, Fraction(0))


@lru_cache(maxsize=1)
def _dimension_rules() -> dict[str, str]:
    """Of the operator table; what has none there takes and gives pure numbers."""
    return {row["name"]: row["dimension"] or "0" for row in _core.operators()}


def _dimension(nodes: Sequence[Node]) -> Fraction | None:
    """Power of a length that the expression has; None when it adds what cannot be added."""
    found: list[Fraction | None] = []
    for name, args, payload in nodes:
        inner = [found[a] for a in args]
        if name == "feature":
            found.append(_lengths()[str(payload)])
        elif not args:
            found.append(Fraction(0))
        elif any(d is None for d in inner):
            return None
        else:
            exponent = float(nodes[args[1]][2]) if len(args) > 1 and nodes[args[1]][0] == "constant" else None
            found.append(_combined(_dimension_rules()[name], [d for d in inner if d is not None], exponent))
    return found[-1]


def _combined(rule: str, inner: Sequence[Fraction], exponent: float | None) -> Fraction | None:
    """By a rule of the operator table: "a = b", "a + b = c", "a/2", ..."""
    if rule == "a*b" and exponent is not None:
        return inner[0] * Fraction(exponent).limit_denominator(1000)
    if rule in ("0", "a*b"):
        return Fraction(0) if not any(inner) else None
    values = {
        sum(
            (Fraction(f"{sign}1") / int(part or 1) * inner["abcde".index(letter)] for sign, letter, part in terms),
            Fraction(0),
        )
        for terms in map(_TERM.findall, rule.split("="))
    }
    return values.pop() if len(values) == 1 else None
