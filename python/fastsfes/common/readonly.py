"""Mappings of values that do not change: they can be copied, pickled and hashed, as `types.MappingProxyType` cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

__all__ = ["ReadOnly"]

K = TypeVar("K")
V = TypeVar("V", covariant=True)


class ReadOnly(Mapping[K, V]):
    """A copy of a mapping, in its order."""

    __slots__ = ("_data",)

    def __init__(self, data: Mapping[K, V]) -> None:
        self._data = dict(data)

    def __getitem__(self, key: K) -> V:
        return self._data[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __hash__(self) -> int:
        return hash(frozenset(self._data.items()))

    def __repr__(self) -> str:
        return repr(self._data)

    def __reduce__(self) -> tuple[Any, ...]:
        return ReadOnly, (self._data,)
