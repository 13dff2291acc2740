"""CMA-ES on the same problem: the global check of the local fit, and SyFES's way."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .. import _core

__all__ = ["SYFES_CMA", "CmaSettings", "Losses", "minimise_cma"]

_FAILED = 1e30
"""Stands for a loss that is not finite: CMA-ES ranks, so any large number will do."""

_MOST_FAILURES = 20


@dataclass(frozen=True)
class CmaSettings:
    """Settings of CMA-ES; `SYFES_CMA` are those of SyFES (10.1126/sciadv.abq0279).

    sigma0: first standard deviation, the same for all parameters.
    max_evaluations: losses per trial.
    trials: independent runs; the best counts.
    random_start: draw the first mean from a standard normal distribution, as SyFES does, not the given start.
    tolerance: a trial ends when its losses of late differ by less, kcal/mol (``tolfun`` of the package).
    population: losses per generation; 0 for 4 + 3 ln(parameters).
    bound: largest absolute value of a parameter.
    l1: l1 times the sum of absolute parameters joins the loss, kcal/mol.
    hopeless: (loss in kcal/mol, evaluations): a trial whose best loss is larger after so many evaluations is given up.
    """

    sigma0: float = 1.0
    max_evaluations: int = 50_000
    trials: int = 1
    random_start: bool = False
    tolerance: float = 1e-11
    population: int = 0
    bound: float = math.inf
    l1: float = 0.0
    hopeless: tuple[float, int] = (math.inf, 0)


SYFES_CMA = CmaSettings(max_evaluations=100_000, random_start=True, tolerance=1e-5, hopeless=(50.0, 5_000))
"""As in SyFES's runs: 100,000 losses, ended when they differ by 1e-5 or stay above 50 kcal/mol after 5,000."""


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

    def penalised(losses: npt.NDArray[np.float64], matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(losses + settings.l1 * np.abs(matrix).sum(axis=1))

    first = problem.losses(candidate, start[None, :])
    best, best_loss, lowest, evaluations = start, float(first[0]), float(penalised(first, start[None, :])[0]), 1
    rng = np.random.default_rng(seed)
    trials = failures = 0
    while trials < settings.trials and failures < _MOST_FAILURES:
        # CMA-ES needs at least two dimensions: a second one that no loss depends on.
        n = max(2, start.size)
        mean = np.zeros(n)
        mean[: start.size] = rng.normal(size=start.size) if settings.random_start else start
        options: dict[str, Any] = {
            "maxfevals": settings.max_evaluations,
            "seed": int(rng.integers(1, 2**31 - 1)),
            "tolfun": settings.tolerance,
            "verbose": -9,
            "verb_log": 0,
            "verb_disp": 0,
        }
        if settings.population:
            options["popsize"] = settings.population
        if math.isfinite(settings.bound):
            options["bounds"] = [-settings.bound, settings.bound]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            strategy = cma.CMAEvolutionStrategy(mean, settings.sigma0, options)
            finite, trial, spent = False, math.inf, 0
            while not strategy.stop() and not (spent >= settings.hopeless[1] and trial > settings.hopeless[0]):
                points = strategy.ask()
                matrix = np.ascontiguousarray(np.array(points)[:, : start.size])
                losses = problem.losses(candidate, matrix, threads)
                if positive is not None:
                    losses[np.any(matrix[:, positive] <= 0.0, axis=1)] = np.inf
                evaluations += len(losses)
                spent += len(losses)
                told = penalised(losses, matrix)
                k = int(np.argmin(told))
                if told[k] < lowest:
                    best, best_loss, lowest = matrix[k].copy(), float(losses[k]), float(told[k])
                trial = min(trial, float(losses.min()))
                finite = finite or bool(np.isfinite(losses).any())
                strategy.tell(points, [x if math.isfinite(x) else _FAILED for x in told.tolist()])
        # A first generation that lies outside the domain as a whole looks flat and ends the run: draw another.
        trials, failures = (trials + 1, 0) if finite else (trials, failures + 1)
    return best, best_loss, evaluations
