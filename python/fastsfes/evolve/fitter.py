"""The batched fit of candidates, and what is measured of them afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..fitting import FitSettings
from ..fitting.rows import Vector
from ..functionals.functional import Channel
from .evaluation import FitOutcome, FitRequest, Known
from .terms import Candidate, Term

__all__ = ["FitEvaluator", "Rows"]

TRUSTED = 0.01
"""Difference of the losses of two rules (kcal/mol) up to which the finer one is taken as it is."""

LARGEST_PARAMETER = 1e6
"""Larger parameters cancel against each other and leave rounding errors: such a fit counts as failed."""

CONFIRMED = 1e-6
"""Relative difference between the loss of a fit and that of the fitted values up to which it is rounding."""

_POLISH = 200
"""Evaluations of a fit to the last digit."""

_FAILED = ("not_finite", "infeasible", "invalid")
"""Ends of a fit without a result: see `fastsfes.fitting.Fitted`."""


@dataclass(frozen=True)
class Rows:
    """The rows of a problem on some nodes, and their weights by block."""

    problem: _core.FitProblem
    weights: Mapping[str, NDArray[np.float64]]

    def losses(self, candidate: Candidate, values: Vector) -> Vector:
        """WRMSD of every block for given parameters, (blocks,)."""
        errors = {b: self.problem.errors(candidate, values, b) for b in self.weights}
        return np.array([np.sqrt(np.mean(w * errors[b] ** 2)) for b, w in self.weights.items()])


@dataclass
class FitEvaluator:
    """Fits batches of candidates; the outcome of each depends on it alone.

    Candidates are fitted on few nodes. The block "coarse" holds the training rows on a part of these nodes: it says
    how far the losses can be trusted. Where the two differ, the losses are those of the dense nodes for the same
    parameters.

    Attributes:
        kinds: channel kinds in the order of the candidates' expressions.
        problem: blocks "train", "validation" and, unless it is dense already, "coarse".
        options: of the fits.
        threads: of the batch of fits.
        dense: makes the training and validation rows on the dense nodes; called when first needed.
        terms: further terms by name.
    """

    kinds: tuple[str, ...]
    problem: _core.FitProblem
    options: FitSettings
    threads: int = 0
    dense: Callable[[], Rows] | None = None
    terms: Mapping[str, Term] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dense = None if self.dense is None else lru_cache(maxsize=1)(self.dense)

    def polished(self, channels: Mapping[str, Channel]) -> FitOutcome:
        """A fit from given parameters, on the dense nodes if there are any, that ends only where rounding ends it."""
        request = FitRequest(
            {k: c.expression for k, c in channels.items()}, {k: c.parameters for k, c in channels.items()}
        )
        problem = self.problem if self.dense is None else self.dense().problem
        options = FitSettings(max_evaluations=_POLISH, ftol=0.0, xtol=0.0)
        return replace(self, problem=problem, dense=None, options=options)([request])[0]

    def training_loss(self, channels: Mapping[str, Channel]) -> float:
        """WRMSD of the training rows for given parameters, on the dense nodes where there are any."""
        candidate = [channels[k].expression._handle for k in self.kinds]
        values = np.array([v for k in self.kinds for v in channels[k].parameters.values()])
        if self.dense is not None:
            return float(self.dense().losses(candidate, values)[0])
        errors = self.problem.errors(candidate, values, "train")
        return float(np.sqrt(np.mean(errors**2)))

    def __call__(self, requests: Sequence[FitRequest]) -> list[FitOutcome]:
        """Fit every request from its starting values."""
        candidates = [[r.expressions[k]._handle for k in self.kinds] for r in requests]
        names = [[(k, p) for k in self.kinds for p in r.expressions[k].parameters] for r in requests]
        starts = [np.array([r.start[k][p] for k, p in n]) for r, n in zip(requests, names, strict=True)]
        fits = _core.fit_batch(self.problem, candidates, starts, self.options.core(), self.threads)
        values = [np.asarray(f.parameters, dtype=float) for f in fits]
        losses = [self._losses(c, v, f) for c, v, f in zip(candidates, values, fits, strict=True)]
        good = [i for i, pair in enumerate(losses) if pair is not None]
        terms: list[dict[str, float]] = [{} for _ in requests]
        for name, term in self.terms.items():
            for i, value in zip(good, term([candidates[i] for i in good], [values[i] for i in good]), strict=True):
                terms[i][name] = value
        found = []
        for request, wanted, fit, pair, vector, extra in zip(requests, names, fits, losses, values, terms, strict=True):
            if pair is None:
                found.append(FitOutcome.failed(request.start, fit.evaluations))
                continue
            parameters: dict[str, dict[str, float]] = {k: {} for k in self.kinds}
            for (kind, name), number in zip(wanted, vector.tolist(), strict=True):
                parameters[kind][name] = number
            found.append(FitOutcome(Known(pair[0], pair[1], extra), parameters, fit.evaluations))
        return found

    def _losses(self, candidate: Candidate, values: Vector, fit: _core.Fit) -> tuple[float, float] | None:
        """Losses of training and validation, or None without finite ones."""
        losses = fit.losses.tolist()
        if fit.status in _FAILED or not (np.abs(values) <= LARGEST_PARAMETER).all():
            return None
        if not (math.isfinite(losses[0]) and math.isfinite(losses[1])):
            return None
        # columns that are huge and cancel lose the target in rounding errors: what the fitted values really give counts
        if not abs(fit.confirmed - losses[0]) <= CONFIRMED * (1.0 + losses[0]):
            return None
        if self.dense is not None and not abs(losses[2] - losses[0]) <= TRUSTED:
            losses = self.dense().losses(candidate, values).tolist()
            if not (math.isfinite(losses[0]) and math.isfinite(losses[1])):
                return None
        return losses[0], losses[1]
