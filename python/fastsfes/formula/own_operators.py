"""Own operators: ``sech(a) = 1/cosh(a)`` before a formula stands for its right side wherever sech is called.

A definition is a macro of the text: what is parsed, differentiated and exported is its expansion, so that nothing
else has to know of it. Free names in it are parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .. import _core
from ..common.errors import InputError

__all__ = ["MOST_ARGUMENTS", "OwnOperator", "expanded", "is_definition", "own_operators"]

MOST_ARGUMENTS = 3
"""Of an own operator: as many as an instruction has inputs."""

_LONGEST = 1_000_000
"""Characters of an expansion, as of any formula."""

_DEEPEST = 200
"""Levels of calls in calls, as of any formula."""

_DEFINITION = re.compile(r"\s*([A-Za-z_]\w*)\s*\(([^()]*)\)\s*=(.*)", re.DOTALL)
_OPENED = re.compile(r"\s*\(")
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_SHAPE = '"NAME(ARGUMENT, ...) = FORMULA" as in sech(a) = 1/cosh(a)'


@dataclass(frozen=True)
class OwnOperator:
    """A definition.

    Attributes:
        name: as it is called.
        arguments: their names.
        formula: in the grammar, with no own operator in it.
        parameters: free names of the formula.
    """

    name: str
    arguments: tuple[str, ...]
    formula: str
    parameters: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.arguments)}) = {self.formula}"

    def of(self, given: Sequence[str]) -> str:
        """The formula of these arguments, in parentheses."""
        values = {a: f"({g})" for a, g in zip(self.arguments, given, strict=True)}
        return f"({_NAME.sub(lambda m: values.get(m[0], m[0]), self.formula)})"


def is_definition(text: str) -> bool:
    """Whether a part of a text, between semicolons, defines an operator."""
    return _DEFINITION.fullmatch(text) is not None


@lru_cache(maxsize=256)
def own_operators(texts: tuple[str, ...]) -> tuple[OwnOperator, ...]:
    """Definitions; each may use those before it.

    Raises:
        InputError: what is no definition, or has a name that is taken.
    """
    known: dict[str, OwnOperator] = {}
    for text in texts:
        made = _defined(text, known)
        if made.name in known and known[made.name] != made:
            raise InputError(f'operator "{made.name}" is defined twice; rename one')
        known[made.name] = made
    return tuple(known.values())


def expanded(text: str) -> str:
    """The text without the definitions at its beginning, and with their formulas in place of their calls."""
    if ")" not in text or "=" not in text:  # as nearly all
        return text
    parts = text.split(";")
    count = next((k for k, part in enumerate(parts) if not is_definition(part)), len(parts))
    if count == 0:
        return text
    if count == len(parts):
        raise InputError(f'"{text.strip()}" defines operators but has no formula after them')
    known = {o.name: o for o in own_operators(tuple(parts[:count]))}
    return _expand(";".join(parts[count:]), known)


def _defined(text: str, known: Mapping[str, OwnOperator]) -> OwnOperator:
    found = _DEFINITION.fullmatch(text)
    if found is None:
        raise InputError(f'"{text.strip()}" defines no operator; expected {_SHAPE}')
    name, formula = found[1], found[3].strip()
    arguments = tuple(a.strip() for a in found[2].split(","))
    where = f'operator "{text.strip()}"'
    features = {row["name"] for row in _core.features()} | set(_core.COLUMNS)
    taken = features | {row["name"] for row in _core.operators()}
    if name in taken or len(name) < 2:
        raise InputError(f"{where}: {name} is taken; expected a name of two letters or more that is not used yet")
    for argument in arguments:
        if not argument.isidentifier() or not argument.isascii() or arguments.count(argument) > 1:
            raise InputError(f'{where}: "{argument}" is no argument; expected {_SHAPE}')
        if argument in features:
            raise InputError(f"{where}: the argument {argument} is the name of a feature; choose another")
    if len(arguments) > MOST_ARGUMENTS:
        raise InputError(f"{where}: has {len(arguments)} arguments; expected at most {MOST_ARGUMENTS}")
    for called in (known[m] for m in _NAME.findall(formula) if m in known):
        for argument in arguments:
            if argument in called.parameters:
                raise InputError(
                    f"{where}: the argument {argument} has the name of a parameter of {called.name}; choose another"
                )
    if ";" in formula or "=" in formula:
        raise InputError(f"{where}: expected one formula without names for its parts")
    try:
        formula = _expand(formula, known)
        body = _core.Expression.parse(formula)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    if body.features:
        raise InputError(f"{where}: {body.features[0]} is a feature; an operator has arguments and parameters alone")
    for argument in arguments:
        if argument not in body.parameters:
            raise InputError(f"{where}: the argument {argument} does not matter; leave it out")
    return OwnOperator(name, arguments, formula, tuple(p for p in body.parameters if p not in arguments))


def _expand(text: str, known: Mapping[str, OwnOperator], level: int = 0) -> str:
    """Every call of a known operator by its formula, inner ones first."""
    if level > _DEEPEST:
        raise InputError(f"own operators are nested more than {_DEEPEST} deep")
    done: list[str] = []
    at = length = 0
    for found in _NAME.finditer(text):
        operator = known.get(found[0])
        opened = _OPENED.match(text, found.end()) if operator is not None and found.start() >= at else None
        if operator is None or opened is None:
            continue
        given, end = _arguments(text, opened.end() - 1)
        if len(given) != len(operator.arguments):
            raise InputError(f"{operator.name} takes {len(operator.arguments)} arguments, got {len(given)}")
        inner = [_expand(g, known, level + 1) for g in given]
        done += [text[at : found.start()], operator.of(inner)]
        at = end
        length += len(done[-2]) + len(done[-1])
        if length > _LONGEST:
            raise InputError(f"the formula has more than {_LONGEST:,} characters with {operator.name} written out")
    return "".join([*done, text[at:]])


def _arguments(text: str, begin: int) -> tuple[Sequence[str], int]:
    """The arguments of the call whose parenthesis opens at `begin`, and where it has ended."""
    depth, start = 0, begin + 1
    parts = []
    for k in range(begin, len(text)):
        depth += (text[k] == "(") - (text[k] == ")")
        if depth == 0 or (depth == 1 and text[k] == ","):
            parts.append(text[start:k])
            start = k + 1
        if depth == 0:
            return parts, k + 1
    raise InputError(f'"{text[begin:].strip()}": a parenthesis is not closed')
