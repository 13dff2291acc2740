"""Members of JSON objects whose format is closed: what is not in it is refused, and so is another type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InputError

__all__ = ["closed", "object_member", "text_member"]


def closed(data: Mapping[str, Any], where: str, members: tuple[str, ...]) -> None:
    """Refuse what the format does not have: a misspelt member would silently mean something else.

    Raises:
        InputError: names the member, after `where`.
    """
    for key in data:
        if key not in members:
            raise InputError(f'{where}"{key}" is not a member of the format; expected only {", ".join(members)}')


def object_member(data: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    """A member that is an object, or None where it is null or absent."""
    value = data.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise InputError(f'"{key}" is {repr(value)[:80]}; expected an object or null')
    return value


def text_member(data: Mapping[str, Any], key: str, default: str) -> str:
    """A member that is a text."""
    value = data.get(key, default)
    if not isinstance(value, str):
        raise InputError(f'"{key}" is {repr(value)[:80]}; expected a text')
    return value
