"""Losses other than least squares: Huber's, the worst data type, or one type or subset alone.

All look at scaled residuals r = sqrt(weight) * error, whose root mean square is the WRMSD. A fit minimises them by
iterated reweighting: every step is a least-squares fit with weights that follow from the residuals before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..common.arguments import nearest
from ..common.errors import InputError
from ..common.reading import positive
from ..datasets.chosen import matching
from ..datasets.model import Reaction
from ..functionals.functional import Functional
from .problem import FitProblem, FitSettings, Fitted

__all__ = ["LOSSES", "Loss", "minimise_loss", "parse_loss"]

Vector = npt.NDArray[np.float64]

LOSSES = '"huber:LIMIT" (kcal/mol of weighted error), "worst-type", or a data type or subset (patterns)'
"""What `parse_loss` reads, for messages and options."""

_STEPS = 200
_SAME = 1e-10  # relative change of the loss at which reweighting has converged


class Loss(Protocol):
    """A number of kcal/mol, not negative, and the weights that lead a least-squares fit to its minimum."""

    @property
    def step(self) -> float:
        """How far weights move at a time, on a logarithmic scale."""

    def value(self, residuals: Vector) -> float:
        """Of scaled residuals, (reactions,)."""

    def smooth(self, residuals: Vector) -> float:
        """What reweighting minimises: the value, or what stands for it."""

    def factors(self, residuals: Vector) -> Vector:
        """Of the weights, (reactions,)."""


@dataclass(frozen=True)
class _Huber:
    """sqrt(mean h(r)) with h = r^2 up to the limit and 2 limit |r| - limit^2 beyond (10.1214/aoms/1177703732)."""

    limit: float
    step: float = 1.0

    def value(self, residuals: Vector) -> float:
        size = np.abs(residuals)
        beyond = self.limit * (2.0 * size - self.limit)
        return math.sqrt(float(np.mean(np.where(size <= self.limit, size**2, beyond))))

    smooth = value

    def factors(self, residuals: Vector) -> Vector:
        return self.limit / np.maximum(np.abs(residuals), self.limit)


_POWER = 12
"""Of the norm that stands for the largest one in fits."""


@dataclass(frozen=True)
class _WorstType:
    """The largest WRMSD of a data type; fits minimise the 12-norm of the types' WRMSDs, which is smooth."""

    rows: tuple[npt.NDArray[np.int64], ...]
    step: float = 1.0 / (_POWER - 1)

    def _of_types(self, residuals: Vector) -> Vector:
        return np.array([math.sqrt(float(np.mean(residuals[k] ** 2))) for k in self.rows])

    def value(self, residuals: Vector) -> float:
        return float(self._of_types(residuals).max())

    def smooth(self, residuals: Vector) -> float:
        losses = self._of_types(residuals)
        largest = max(float(losses.max()), np.finfo(float).tiny)
        return largest * math.pow(float(np.sum((losses / largest) ** _POWER)), 1.0 / _POWER)

    def factors(self, residuals: Vector) -> Vector:
        losses = self._of_types(residuals)
        out = np.empty(len(residuals))
        for rows, loss in zip(self.rows, losses / max(float(losses.max()), np.finfo(float).tiny), strict=True):
            out[rows] = max(float(loss) ** (_POWER - 2), 1e-12) * len(residuals) / len(rows)
        return out


@dataclass(frozen=True)
class _Part:
    """WRMSD of some of the reactions."""

    rows: npt.NDArray[np.int64]
    step: float = 1.0

    def value(self, residuals: Vector) -> float:
        return math.sqrt(float(np.mean(residuals[self.rows] ** 2)))

    smooth = value

    def factors(self, residuals: Vector) -> Vector:
        out = np.zeros(len(residuals))
        out[self.rows] = len(residuals) / len(self.rows)
        return out


def parse_loss(text: str, reactions: Sequence[Reaction]) -> Loss:
    """The loss that a text means for these reactions.

    Raises:
        InputError: says what was expected.
    """
    name, colon, number = (part.strip() for part in text.partition(":"))
    if name == "huber":
        return _Huber(positive(number, f'loss "{text}": expected a limit above 0 in kcal/mol, as in huber:2'))
    types = [r.data_type for r in reactions]
    if text.strip() == "worst-type":
        return _WorstType(tuple(np.flatnonzero([t == one for t in types]) for one in dict.fromkeys(types)))
    found = matching(reactions, name)
    if colon or not found:
        near = nearest(name, ["huber", "worst-type", *types])
        raise InputError(
            f'loss "{text}" is unknown; expected {LOSSES}; the types are {", ".join(sorted(dict.fromkeys(types)))}'
            + (f'; did you mean "{near}"?' if near else "")
        )
    return _Part(np.array(found))


def minimise_loss(
    problem: FitProblem, start: Functional, loss: Loss, settings: FitSettings, threads: int = 0
) -> tuple[Fitted, Vector, float]:
    """The parameters that minimise a loss of the fitted reactions, from those of a least-squares fit.

    Returns:
        The fit, the factors of the weights that it is the least-squares fit with, and its smooth loss in kcal/mol.
    """
    block = next(iter(problem.reactions))
    scale = np.sqrt(problem.weights(block))
    residuals = scale * problem.errors(start, block)
    factors = loss.factors(residuals) if loss.step == 1.0 else np.ones(len(residuals))
    best: tuple[Fitted, Vector, float] | None = None
    current, last = start, math.inf
    for _ in range(_STEPS):
        (fitted,) = problem.reweighted(factors).fit([current], settings, threads=threads)
        residuals = scale * problem.errors(fitted.functional, block)
        value = loss.smooth(residuals) if np.all(np.isfinite(residuals)) else math.inf
        if best is None or value < best[2]:
            best = fitted, factors, value
        if not math.isfinite(value) or abs(value - last) <= _SAME * value:
            break
        current, last = fitted.functional, value
        factors = factors ** (1.0 - loss.step) * loss.factors(residuals) ** loss.step
    assert best is not None
    return best
