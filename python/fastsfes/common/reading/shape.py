"""The shape of JSON data: what must be where before anything is computed or printed from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InputError

__all__ = ["shaped"]


def shaped(data: Any, pattern: Any, where: str, remedy: str) -> Any:
    """The data, when they have the shape of the pattern.

    Args:
        data: of `parse_json`.
        pattern: a type (float takes whole numbers too); None for null; a tuple of alternatives; [p] for a list of p;
            {str: p} for an object of any keys; {"key": p, "other?": p} for one with these, of which those with a
            question mark may be absent, and any more.
        where: the file, for the error.
        remedy: what to do, for the error.

    Raises:
        InputError: names the place in the data and what was expected there.
    """
    problem = _problem(data, pattern, "")
    if problem:
        raise InputError(f"{where} is damaged: {problem}; {remedy}")
    return data


def _problem(data: Any, pattern: Any, place: str) -> str:
    """What is wrong first, or nothing."""
    found = f"{place or 'it'} is {repr(data)[:60]}, expected"
    if isinstance(pattern, tuple):
        problems = [_problem(data, each, place) for each in pattern]
        return problems[0] if all(problems) else ""
    if pattern is None:
        return "" if data is None else f"{found} null"
    if isinstance(pattern, list):
        if not isinstance(data, list):
            return f"{found} a list"
        return next(filter(None, (_problem(v, pattern[0], f"{place}[{k}]") for k, v in enumerate(data))), "")
    if isinstance(pattern, Mapping):
        return _object(data, pattern, place) if isinstance(data, Mapping) else f"{found} an object"
    good = isinstance(data, (int, float) if pattern is float else pattern)
    if isinstance(data, bool):
        good = pattern is bool
    elif good and isinstance(data, int):  # beyond that it is no double, or too long to print
        good = abs(data) < (10**308 if pattern is float else 2**63)
    return "" if good else f"{found} {_NAMES[pattern]}"


_NAMES = {float: "a number", int: "a whole number", str: "a text", bool: "true or false"}


def _object(data: Mapping[str, Any], pattern: Mapping[Any, Any], place: str) -> str:
    dot = f"{place}." if place else ""
    if str in pattern:
        return next(filter(None, (_problem(v, pattern[str], f"{dot}{k[:40]}") for k, v in data.items())), "")
    for key, part in pattern.items():
        name = key.removesuffix("?")
        if name in data:
            if problem := _problem(data[name], part, f"{dot}{name}"):
                return problem
        elif not key.endswith("?"):
            return f"{dot}{name} is absent"
    return ""
