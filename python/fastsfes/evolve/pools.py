"""Pools: names with probabilities, and drawing from them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ..common.errors import InputError

__all__ = ["Pool"]


class Pool:
    """Names and their weights; weights need not sum to 1, those that are 0 are left out."""

    def __init__(self, weights: Mapping[str, float], what: str) -> None:
        for name, weight in weights.items():
            if not math.isfinite(weight) or weight < 0:
                raise InputError(f'{what}: the weight of "{name}" is {weight}; expected a number >= 0')
        self.weights = {name: float(w) for name, w in weights.items() if w > 0}
        if not self.weights:
            raise InputError(f"{what}: no name has a weight above 0; give at least one, for example add=1")
        self.names = tuple(self.weights)
        self._cumulative = np.cumsum(list(self.weights.values()))

    def draw(self, rng: np.random.Generator, among: frozenset[str] | None = None) -> str | None:
        """A name by weight, of those `among`; None when no name of the pool is there."""
        if among is None:
            cumulative, names = self._cumulative, self.names
        else:
            names = tuple(n for n in self.names if n in among)
            if not names:
                return None
            cumulative = np.cumsum([self.weights[n] for n in names])
        index = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
        return names[min(index, len(names) - 1)]
