"""Rows of a least-squares problem as plain arrays, and the core's problem of all of them or some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .. import _core
from .conditions import NONE, Conditions
from .constraints import Point

__all__ = ["Blocks", "Channels", "FitRows", "Vector"]

Vector = npt.NDArray[np.float64]
Channels = Sequence[tuple[str, Mapping[str, Vector], Vector]]
"""Per channel: kind, features at the nodes, matrix (rows, nodes), or (rows,) where every row is a point."""

Blocks = Sequence[tuple[str, npt.NDArray[np.int64]]]
"""Names and positions of rows whose loss is one number; the first block is fitted."""


@dataclass(frozen=True)
class FitRows:
    """What the core needs to know of a fit: error = sum over channels of matrix @ F(nodes) + extra - target.

    Attributes:
        channels: see `Channels`.
        target: (rows,); what the channels have to give.
        weights: of the squared errors, (rows,).
        blocks: see `Blocks`; by default all rows are one.
        extra: columns of further linear parameters, (rows, parameters).
        conditions: on the factors; the rows of a part keep them.
        ridge: ridge * sum(linear parameter^2) joins the squared loss.
        cache_bytes: memory for columns and analysed expressions that candidates share.
    """

    channels: Channels
    target: Vector
    weights: Vector
    blocks: Blocks | None = None
    extra: Vector | None = None
    conditions: Conditions = NONE
    ridge: float = 0.0
    cache_bytes: int = 64 << 20

    def part(self, rows: npt.NDArray[np.int64], weights: Vector, blocks: Blocks) -> FitRows:
        """Some of the rows, with these weights and blocks."""
        whole = np.array_equal(rows, np.arange(len(self.target)))
        channels = self.channels if whole else [(kind, values, m[rows]) for kind, values, m in self.channels]
        extra = None if self.extra is None else self.extra[rows]
        return replace(self, channels=channels, target=self.target[rows], weights=weights, blocks=blocks, extra=extra)

    def problem(self) -> _core.FitProblem:
        """The core's problem."""
        return _core.FitProblem(
            [(kind, dict(values), matrix) for kind, values, matrix in self.channels],
            self.target,
            self.weights,
            blocks=self.blocks,
            extra=self.extra,
            equalities=[(_terms(e.terms), e.value) for e in self.conditions.equalities],
            penalties=[(_terms(p.terms), p.lower, p.upper, p.weight) for p in self.conditions.penalties],
            ridge=self.ridge,
            cache_bytes=self.cache_bytes,
        )


def _terms(points: Sequence[Point]) -> list[tuple[str, dict[str, float], float]]:
    return [(point.kind, point.all_features(), point.coefficient) for point in points]
