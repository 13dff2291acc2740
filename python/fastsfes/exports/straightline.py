"""From expressions to straight-line code: the one walk that every exporter shares.

Several expressions become one graph (`_core.straight_line`), every value that is used more than once or would make a
line too long gets a name, and each operator is spelled as the operator table says. A `Language` differs in what its
functions, numbers and names look like, and in nothing else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from string import Template

from .. import _core
from ..common.errors import InputError
from ..formula.expression import Expression, operators

__all__ = ["Code", "Language", "straight_line"]

_LONGEST = 90
"""Characters of a value that is still written in place."""

_CALL = re.compile(r"vm::(\w+)|__builtin_(\w+)")


@dataclass(frozen=True)
class Language:
    """How operators, numbers and names are written.

    Attributes:
        functions: what the functions of the table's C++ spelling are called here.
        helpers: definitions of those functions that the language lacks, by the name in the table.
        number: text of a finite number, parenthesised where it needs to be.
        nan: text of a number that is not one.
        column: the column of the operator table that holds the spelling.
        powers: whether constant powers stay powers; otherwise they become products and roots.
        calls: operators that are called as one of `functions` instead of being spelled as the column says.
    """

    functions: Mapping[str, str] = field(default_factory=dict)
    helpers: Mapping[str, str] = field(default_factory=dict)
    number: Callable[[float], str] = lambda v: repr(v) if math.copysign(1.0, v) > 0 else f"({v!r})"
    nan: str = "NAN"
    column: str = "cpp"
    powers: bool = False
    calls: Mapping[str, str] = field(default_factory=dict)

    def pattern(self, operator: str) -> tuple[str, tuple[str, ...]]:
        """The spelling with $a, $b, ... for the arguments, and the table's names of the functions in it."""
        row = _TABLE[operator]
        if operator in self.calls:
            arguments = ", ".join("$" + letter for letter in "abcde"[: int(row["arity"])])
            return f"{self.functions[self.calls[operator]]}({arguments})", (self.calls[operator],)
        spelling = row[self.column]
        if spelling is None:
            raise InputError(f"operator {operator} has no spelling in {self.column}")
        if self.column != "cpp":
            return str(spelling), tuple(name for name in self.helpers if f"{name}(" in spelling)
        used: list[str] = []

        def call(found: re.Match[str]) -> str:
            name = found[1] or found[2]
            used.append(name)
            return self.functions[name]

        return _CALL.sub(call, str(spelling)), tuple(used)


_TABLE = {str(row["name"]): row for row in operators()}


@dataclass(frozen=True)
class Code:
    """Statements in order of evaluation, and where the results are.

    Attributes:
        steps: per group of outputs (name, value) of what it needs beyond the groups before it.
        results: per group of outputs the texts of their values.
        helpers: definitions that the statements need.
    """

    steps: tuple[tuple[tuple[str, str], ...], ...]
    results: tuple[tuple[str, ...], ...]
    helpers: tuple[str, ...]


def straight_line(
    groups: Sequence[Sequence[Expression]], language: Language, names: Mapping[str, str], temporary: str = "t"
) -> Code:
    """Code for groups of expressions; a group needs the statements of all groups up to itself.

    Args:
        groups: for example energy, first and second derivatives.
        language: how it is written.
        names: what features and parameters are called there.
        temporary: first letter of the names of values; no name of `names` may be it followed by digits.
    """
    nodes, roots = _core.straight_line([e._handle for g in groups for e in g], not language.powers)
    group_of_root = [k for k, g in enumerate(groups) for _ in g]
    last = len(groups)
    group = [last] * len(nodes)  # the first group that needs the node; `last`: none
    uses = [0] * len(nodes)
    for root, k in zip(roots, group_of_root, strict=True):
        group[root] = min(group[root], k)
        uses[root] += 1
    for i in range(len(nodes) - 1, -1, -1):
        if group[i] < last:
            for j in nodes[i][1]:
                group[j] = min(group[j], group[i])
                uses[j] += 1
    text = [""] * len(nodes)
    steps: list[list[tuple[str, str]]] = [[] for _ in groups]
    helpers: dict[str, str] = {}
    patterns: dict[str, tuple[str, tuple[str, ...]]] = {}
    count = 0
    for i, (operator, arguments, payload) in enumerate(nodes):
        if group[i] == last:
            continue
        if operator == "constant":
            text[i] = language.number(payload) if math.isfinite(payload) else _not_finite(payload, language)
            continue
        if operator in ("feature", "parameter"):
            text[i] = names[payload]
            continue
        if operator not in patterns:
            patterns[operator] = language.pattern(operator)
            for name in patterns[operator][1]:
                if name in language.helpers:
                    helpers[name] = language.helpers[name]
        value = Template(patterns[operator][0]).substitute(
            dict(zip("abcde", map(text.__getitem__, arguments), strict=False))
        )
        if uses[i] == 1 and len(value) <= _LONGEST and i not in roots:
            text[i] = value
        else:
            count += 1
            text[i] = f"{temporary}{count}"
            steps[group[i]].append((text[i], _bare(value)))
    results: list[list[str]] = [[] for _ in groups]
    for root, k in zip(roots, group_of_root, strict=True):
        results[k].append(text[root])
    return Code(tuple(map(tuple, steps)), tuple(map(tuple, results)), tuple(helpers.values()))


def _not_finite(value: float, language: Language) -> str:
    if math.isnan(value):
        return language.nan
    raise InputError("the functional holds an infinite number, which cannot be exported")


def _bare(text: str) -> str:
    """Without parentheses around the whole."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for k, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0 and k < len(text) - 1:
            return text
    return text[1:-1]
