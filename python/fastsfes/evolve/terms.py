"""Further terms of the fitness, beside the losses of the fixed split: each a number of kcal/mol per fitted candidate.

A term looks at a batch of fitted candidates and is, like the fit, a pure function of each of them alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..energies.quadrature.reduce import pivot_nodes
from ..fitting import FitRows, FitSettings, Penalty
from ..fitting.losses import Loss
from ..fitting.rows import Channels, Vector

__all__ = ["ConditionTerm", "CrossValidation", "ErrorTerm", "GridTerm", "Term", "reduced_difference"]

Candidate = Sequence[_core.Expression]

GRID_NODES = 150
"""Nodes per channel that stand for the difference of two integration grids."""


class Term(Protocol):
    """A term of the fitness."""

    def __call__(self, candidates: Sequence[Candidate], values: Sequence[Vector]) -> list[float]:
        """Its value in kcal/mol, not negative, for candidates with these parameters."""


@dataclass(frozen=True)
class GridTerm:
    """Grid sensitivity: the weighted RMS change of the reaction energies between two integration grids.

    Attributes:
        problem: rows whose energies are the differences, target 0.
        weights: of the rows.
    """

    problem: _core.FitProblem
    weights: Vector

    @classmethod
    def make(cls, channels: Channels, weights: Vector) -> GridTerm:
        """From the differences of the matrices of two integration grids."""
        return cls(FitRows(channels, np.zeros(len(weights)), weights).problem(), weights)

    def __call__(self, candidates: Sequence[Candidate], values: Sequence[Vector]) -> list[float]:
        """See `Term`."""
        errors = (self.problem.errors(c, v) for c, v in zip(candidates, values, strict=True))
        return [float(np.sqrt(np.mean(self.weights * e**2))) for e in errors]


def reduced_difference(features: Sequence[str], nodes: Vector, difference: Vector) -> tuple[NDArray[np.int64], Vector]:
    """Few nodes that stand for the difference of two quadratures.

    Args:
        features, nodes: names (d) and values (n, d) at the nodes of both.
        difference: hartree, (species, n).

    Returns:
        Positions of the nodes that are kept, and the matrix on them.
    """
    if len(nodes) <= GRID_NODES:
        return np.arange(len(nodes)), difference
    pivots = pivot_nodes(features, nodes, difference, GRID_NODES)
    count = len(pivots.triangle)
    return pivots.order[:count], pivots.matrix(difference, count)


@dataclass(frozen=True)
class ConditionTerm:
    """How far graded conditions are violated: sqrt(sum of weight * distance^2)."""

    problem: _core.FitProblem
    lower: Vector
    upper: Vector
    weights: Vector

    @classmethod
    def make(cls, penalties: Sequence[Penalty], features: Mapping[str, Sequence[str]]) -> ConditionTerm:
        """From the penalties of the fit; `features` names the features of every channel, in its order."""
        channels = []
        for kind, names in features.items():
            points = [(row, p) for row, q in enumerate(penalties) for p in q.terms if p.kind == kind]
            known = [p.all_features() for _, p in points]
            matrix = np.zeros((len(penalties), max(1, len(points))))
            for column, (row, point) in enumerate(points):
                matrix[row, column] = point.coefficient
            # a channel without conditions still has to be there: at one point that does not count
            used = {n: np.array([k[n] for k in known]) if known else np.full(1, 0.5) for n in names}
            channels.append((kind, used, matrix))
        count = len(penalties)
        return cls(
            FitRows(channels, np.zeros(count), np.ones(count)).problem(),
            np.array([p.lower for p in penalties]),
            np.array([p.upper for p in penalties]),
            np.array([p.weight for p in penalties]),
        )

    def __call__(self, candidates: Sequence[Candidate], values: Sequence[Vector]) -> list[float]:
        """See `Term`."""
        found = []
        for c, v in zip(candidates, values, strict=True):
            reached = self.problem.errors(c, v)
            outside = np.maximum(np.maximum(self.lower - reached, reached - self.upper), 0.0)
            found.append(float(np.sqrt(np.sum(self.weights * outside**2))))
        return found


@dataclass(frozen=True)
class ErrorTerm:
    """Another loss of the training and validation reactions, with the parameters of the fit.

    Attributes:
        problem: with both as its one block, "train".
        scale: square roots of the weights.
        loss: of the scaled residuals.
    """

    problem: _core.FitProblem
    scale: Vector
    loss: Loss

    def __call__(self, candidates: Sequence[Candidate], values: Sequence[Vector]) -> list[float]:
        """See `Term`."""
        errors = (self.scale * self.problem.errors(c, v) for c, v in zip(candidates, values, strict=True))
        return [self.loss.value(e) if np.all(np.isfinite(e)) else math.inf for e in errors]


@dataclass(frozen=True)
class CrossValidation:
    """Loss of reactions whose subset was left out of the fit.

    Attributes:
        problems: one per fold, with blocks "kept", which is fitted, and "left_out".
        left_out: subset and weight of each reaction that a fold leaves out.
        options: of the fits, which start from the candidate's parameters.
        threads: threads of the fits.
    """

    problems: tuple[_core.FitProblem, ...]
    left_out: tuple[tuple[Sequence[str], Vector], ...]
    options: FitSettings
    threads: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Reactions left out per fold."""
        return tuple(len(weights) for _, weights in self.left_out)

    def by_subset(self, candidate: Candidate, values: Vector) -> dict[str, tuple[int, float]]:
        """Number of reactions of every subset and the sum of their weighted squared errors, (kcal/mol)^2."""
        found: dict[str, tuple[int, float]] = {}
        for problem, (subsets, weights) in zip(self.problems, self.left_out, strict=True):
            fit = _core.fit_batch(problem, [candidate], [values], self.options.core(), self.threads)[0]
            squares = np.full(len(weights), np.inf)
            if math.isfinite(fit.objective):
                squares = weights * problem.errors(candidate, np.asarray(fit.parameters), "left_out") ** 2
            for name, square in zip(subsets, squares.tolist(), strict=True):
                count, total = found.get(name, (0, 0.0))
                found[name] = (count + 1, total + square)
        return found

    def __call__(self, candidates: Sequence[Candidate], values: Sequence[Vector]) -> list[float]:
        """WRMSD in kcal/mol over all reactions, each from the fit that did not see its subset."""
        total = np.zeros(len(candidates))
        for problem, size in zip(self.problems, self.sizes, strict=True):
            fits = _core.fit_batch(problem, candidates, values, self.options.core(), self.threads)
            total += [size * f.losses[1] ** 2 if math.isfinite(f.objective) else np.inf for f in fits]
        return [float(x) for x in np.sqrt(total / sum(self.sizes))]
