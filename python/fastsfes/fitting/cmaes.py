"""CMA-ES on the same problem: the global check of the local fit, and SyFES's way."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .. import _core

__all__ = ["CmaSettings", "Losses", "minimise_cma"]

_FAILED = 1e30
"""Stands for a loss that is not finite: CMA-ES ranks, so any large number will do."""

_MOST_FAILURES = 20


@dataclass(frozen=True)
class CmaSettings:
    """Settings of CMA-ES; the defaults are those of SyFES (10.1126/sciadv.abq0279, supplement; its public code).

    sigma0: first standard deviation, the same for all parameters.
    max_evaluations: losses per trial.
    trials: independent runs; the best counts.
    random_start: draw the first mean from a standard normal distribution, as SyFES does, not the given start.
    """

    sigma0: float = 1.0
    max_evaluations: int = 50_000
    trials: int = 1
    random_start: bool = False


class Losses(Protocol):
    """What CMA-ES minimises: the core's `FitProblem`, or anything that computes losses in its place."""

    def losses(
        self, candidate: Sequence[_core.Expression], parameters: npt.ArrayLike, threads: int = 0
    ) -> npt.NDArray[np.float64]:
        """Losses of parameter vectors, (n, parameters) -> (n,); infinite where they cannot be computed."""


def minimise_cma(
    problem: Losses,
    candidate: Sequence[_core.Expression],
    start: npt.NDArray[np.float64],
    settings: CmaSettings,
    seed: int,
    threads: int = 1,
    positive: npt.NDArray[np.bool_] | None = None,
) -> tuple[npt.NDArray[np.float64], float, int]:
    """Minimise the loss over all parameters (Hansen, 10.48550/arXiv.1604.00772, package ``cma``).

    Points with a value that is not positive where ``positive`` says so are outside the domain and count as failed.

    Returns:
        parameters, root of the squared loss with penalties (kcal/mol), number of losses computed.
    """
    if start.size == 0:
        return start, float(problem.losses(candidate, start[None, :])[0]), 1
    # cma imports plotting helpers and warns about them; neither is used here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import cma

    best, best_loss, evaluations = start, float(problem.losses(candidate, start[None, :])[0]), 1
    rng = np.random.default_rng(seed)
    trials = failures = 0
    while trials < settings.trials and failures < _MOST_FAILURES:
        # CMA-ES needs at least two dimensions: a second one that no loss depends on.
        n = max(2, start.size)
        mean = np.zeros(n)
        mean[: start.size] = rng.normal(size=start.size) if settings.random_start else start
        options = {
            "maxfevals": settings.max_evaluations,
            "seed": int(rng.integers(1, 2**31 - 1)),
            "verbose": -9,
            "verb_log": 0,
            "verb_disp": 0,
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            strategy = cma.CMAEvolutionStrategy(mean, settings.sigma0, options)
            finite = False
            while not strategy.stop():
                points = strategy.ask()
                matrix = np.ascontiguousarray(np.array(points)[:, : start.size])
                losses = problem.losses(candidate, matrix, threads)
                if positive is not None:
                    losses[np.any(matrix[:, positive] <= 0.0, axis=1)] = np.inf
                evaluations += len(losses)
                k = int(np.argmin(losses))
                if losses[k] < best_loss:
                    best, best_loss = matrix[k].copy(), float(losses[k])
                finite = finite or bool(np.isfinite(losses).any())
                strategy.tell(points, [x if math.isfinite(x) else _FAILED for x in losses.tolist()])
        # A first generation that lies outside the domain as a whole looks flat and ends the run: draw another.
        trials, failures = (trials + 1, 0) if finite else (trials, failures + 1)
    return best, best_loss, evaluations
