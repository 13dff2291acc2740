"""The batched fit of candidates, and what is measured of them afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..fitting import FitSettings
from ..fitting.rows import Vector
from ..functionals.functional import Channel
from .evaluation import NODES, FitOutcome, FitRequest, Known
from .rules import scales_within
from .terms import Candidate, Term

__all__ = ["ESTIMATE", "FitEvaluator", "Rows", "Sample"]

ESTIMATE = "estimate"
"""The block of rows whose errors estimate those of the quadrature: energies on the few nodes less those on a part of
them, weighted such that the block's loss is the root of the sum of their squares."""

Sample = Callable[[Sequence[Channel], Vector], float]
"""The largest error of the dense nodes (kcal/mol) among some reactions, on their integration grids, for a candidate's
channels and the differences between dense and few nodes, (reactions,)."""

TRUSTED = 0.01
"""Estimated error of a reaction energy (kcal/mol) up to which the few nodes are good enough."""

LARGEST_PARAMETER = 1e6
"""Larger parameters cancel against each other and leave rounding errors: such a fit counts as failed."""

CONFIRMED = 1e-6
"""Relative difference between the loss of a fit and that of the fitted values up to which it is rounding."""

_FAILED = ("not_finite", "infeasible", "invalid")
"""Ends of a fit without a result: see `fastsfes.fitting.Fitted`."""


@dataclass(frozen=True)
class Rows:
    """The rows of a problem on some nodes, and their weights by block."""

    problem: _core.FitProblem
    weights: Mapping[str, NDArray[np.float64]]

    def errors(self, candidate: Candidate, values: Vector) -> list[Vector]:
        """Errors of every block for given parameters, kcal/mol."""
        return [self.problem.errors(candidate, values, b) for b in self.weights]

    def losses(self, candidate: Candidate, values: Vector) -> list[float]:
        """WRMSD of every block for given parameters."""
        return self.losses_of(self.errors(candidate, values))

    def losses_of(self, errors: Sequence[Vector]) -> list[float]:
        """WRMSD of every block from its errors."""
        return [float(np.sqrt(np.mean(w * e**2))) for w, e in zip(self.weights.values(), errors, strict=True)]


@dataclass
class FitEvaluator:
    """Fits batches of candidates; the outcome of each depends on it alone.

    Candidates are fitted on few nodes. The block `ESTIMATE` says how far reaction energies on them can be trusted.
    Where one cannot, the losses are those of the dense nodes for the same parameters, whose error is at most about what
    changes from few to dense nodes. Where that is more than the tolerance too, some reactions are evaluated on their
    integration grids, if there are any; a candidate that errs there counts as failed.

    Attributes:
        kinds: channel kinds in the order of the candidates' expressions.
        problem: blocks "train", "validation" and, unless it is dense already, `ESTIMATE`.
        options: of the fits.
        threads: of the batch of fits.
        dense: makes the training and validation rows on the dense nodes; called when first needed.
        terms: further terms by name.
        tolerance: largest error of a reaction energy (kcal/mol) that the quadrature may have for a candidate.
        sample: the dense nodes against the grid, for some reactions.
        max_scale: largest scale in a u; 0 for no limit.
        largest: largest absolute value of a parameter.
    """

    kinds: tuple[str, ...]
    problem: _core.FitProblem
    options: FitSettings
    threads: int = 0
    dense: Callable[[], Rows] | None = None
    terms: Mapping[str, Term] = field(default_factory=dict)
    tolerance: float = math.inf
    sample: Sample | None = None
    max_scale: float = 0.0
    largest: float = LARGEST_PARAMETER

    def __post_init__(self) -> None:
        self.dense = None if self.dense is None else lru_cache(maxsize=1)(self.dense)

    def __call__(self, requests: Sequence[FitRequest]) -> list[FitOutcome]:
        """Fit every request from its starting values."""
        candidates = [[r.expressions[k]._handle for k in self.kinds] for r in requests]
        names = [[(k, p) for k in self.kinds for p in r.expressions[k].parameters] for r in requests]
        starts = [np.array([r.start[k][p] for k, p in n]) for r, n in zip(requests, names, strict=True)]
        fits = _core.fit_batch(self.problem, candidates, starts, self.options.core(), self.threads)
        values = [np.asarray(f.parameters, dtype=float) for f in fits]
        losses = [self._losses(*each) for each in zip(requests, candidates, values, fits, strict=True)]
        good = [i for i, pair in enumerate(losses) if pair is not None]
        terms: list[dict[str, float]] = [{} for _ in requests]
        for name, term in self.terms.items():
            for i, value in zip(good, term([candidates[i] for i in good], [values[i] for i in good]), strict=True):
                terms[i][name] = value
        found = []
        for request, fit, pair, vector, extra in zip(requests, fits, losses, values, terms, strict=True):
            if pair is None:
                found.append(FitOutcome.failed(request.start, fit.evaluations))
                continue
            if len(pair) > 2:
                extra[NODES] = pair[2]
            known = Known(pair[0], pair[1], extra)
            found.append(FitOutcome(known, self._parameters(request, vector), fit.evaluations))
        return found

    def _parameters(self, request: FitRequest, values: Vector) -> dict[str, dict[str, float]]:
        """A vector of parameters by channel and name."""
        numbers = iter(values.tolist())
        return {k: {p: next(numbers) for p in request.expressions[k].parameters} for k in self.kinds}

    def _losses(
        self, request: FitRequest, candidate: Candidate, values: Vector, fit: _core.Fit
    ) -> tuple[float, ...] | None:
        """Losses of training and validation, and the estimated error of the nodes; None without finite ones."""
        losses = fit.losses.tolist()
        if fit.status in _FAILED or not (np.abs(values) <= self.largest).all():
            return None
        if not (math.isfinite(losses[0]) and math.isfinite(losses[1])):
            return None
        # columns that are huge and cancel lose the target in rounding errors: what the fitted values really give counts
        if not abs(fit.confirmed - losses[0]) <= CONFIRMED * (1.0 + losses[0]):
            return None
        if self.max_scale and not scales_within(request.expressions, self._parameters(request, values), self.max_scale):
            return None
        if self.dense is None or losses[2] <= TRUSTED:
            return tuple(losses)
        estimate = _largest(self.problem.errors(candidate, values, ESTIMATE))
        if estimate <= TRUSTED:
            return losses[0], losses[1], estimate
        return self._on_dense_nodes(self.dense(), request, candidate, values)

    def _on_dense_nodes(
        self, dense: Rows, request: FitRequest, candidate: Candidate, values: Vector
    ) -> tuple[float, ...] | None:
        """See `_losses`; None for candidates that err by more than the tolerance."""
        errors = dense.errors(candidate, values)
        losses = dense.losses_of(errors)
        if not (math.isfinite(losses[0]) and math.isfinite(losses[1])):
            return None
        few = [self.problem.errors(candidate, values, block) for block in dense.weights]
        change = np.abs(np.concatenate(errors) - np.concatenate(few))
        estimate = _largest(change)
        if not estimate <= self.tolerance and self.sample is not None:
            parameters = self._parameters(request, values)
            estimate = self.sample([Channel(request.expressions[k], parameters[k]) for k in self.kinds], change)
        return (*losses, estimate) if estimate <= self.tolerance else None


def _largest(values: Vector) -> float:
    """The largest absolute value; infinite when one is not finite."""
    return float(np.abs(values).max()) if np.isfinite(values).all() else math.inf
