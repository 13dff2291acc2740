"""Conditions on a fit: linear functionals of the enhancement factors with a value or limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..common.errors import InputError
from ..energies.quadrature.nodes import derived_features
from ..formula.features import channel

__all__ = ["Equality", "Penalty", "Point", "bounded", "uniform_gas"]


@dataclass(frozen=True)
class Point:
    """``coefficient`` times the factor of channel ``kind`` at these feature values, a term of a condition."""

    kind: str
    features: Mapping[str, float]
    coefficient: float = 1.0

    def __post_init__(self) -> None:
        known = channel(self.kind).features
        for name, value in self.features.items():
            if name not in known:
                raise InputError(
                    f'condition on channel "{self.kind}": "{name}" is not among its features, {", ".join(known)}'
                )
            if not math.isfinite(value):
                raise InputError(f'condition on channel "{self.kind}": {name} = {value} must be finite')

    def all_features(self) -> dict[str, float]:
        """The given features and those that follow from them."""
        import numpy as np

        given = {name: np.array([value]) for name, value in self.features.items()}
        return {name: float(value[0]) for name, value in derived_features(self.kind, given).items()}


@dataclass(frozen=True)
class Equality:
    """The sum of the terms equals ``value``, exactly."""

    terms: tuple[Point, ...]
    value: float


@dataclass(frozen=True)
class Penalty:
    """``weight`` * (distance of the sum of the terms from [lower, upper])^2 joins the squared WRMSD.

    The weight is in (kcal/mol)^2: with 1, a violation of 0.1 counts like 0.1 kcal/mol of error.
    """

    terms: tuple[Point, ...]
    lower: float
    upper: float
    weight: float = 1.0


def uniform_gas(*kinds: str, short_range: float = 0.0) -> list[Equality]:
    """The uniform-gas limit of channels: the factor is 1 at x2 = 0, w = 0.

    ``short_range`` is the fraction of short-range exact exchange, which brings its part of the gas' exchange: the
    factor of channel "x" is then 1 less this fraction. Attenuation leaves the factor at the origin.
    """
    limits = {"x": 1.0 - short_range}
    return [Equality((Point(kind, {"x2": 0.0, "w": 0.0}),), limits.get(kind, 1.0)) for kind in kinds]


def bounded(
    kind: str, lower: float, upper: float, weight: float = 1.0, *, x2: Sequence[float] = (), w: Sequence[float] = ()
) -> list[Penalty]:
    """Penalties that hold a factor in [lower, upper] on a grid of x2 and w, each point with weight / points."""
    x2 = x2 or (0.0, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4)
    w = w or (-1.0, -0.5, 0.0, 0.5, 1.0)
    points = [{"x2": float(a), "w": float(b)} for a in x2 for b in w]
    return [Penalty((Point(kind, p),), lower, upper, weight / len(points)) for p in points]
