"""A functional at the optimum of a dataset: what all parts of the analysis start from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..common.errors import FastsfesError, InputError
from ..datasets.dataset import Dataset
from ..fitting import FitProblem, FitSettings
from ..functionals.functional import Functional
from ..functionals.load import load

__all__ = ["FIT", "SEARCH", "Optimum", "optimum"]

FloatArray = npt.NDArray[np.float64]

FIT = FitSettings(max_evaluations=300, ftol=1e-13, xtol=1e-12)
"""Fits near a known optimum: from the parameters that the functional has."""

SEARCH = replace(FIT, starts=4)
"""Fits that have to find their optimum: also from three random starts."""


@dataclass(frozen=True)
class Optimum:
    """A functional with its problem.

    Attributes
    ----------
    functional: with fitted parameters, in the frame of the dataset, unless no refit was asked for.
    problem: rows of the splits; the first is the one that is fitted.
    losses: split -> WRMSD in kcal/mol.
    refitted: whether the parameters were fitted to this dataset.
    """

    functional: Functional
    problem: FitProblem
    losses: dict[str, float]
    refitted: bool

    @property
    def names(self) -> list[str]:
        """Names of the parameters, "channel.name"."""
        return self.problem.names(self.functional)

    @property
    def split(self) -> str:
        """The split that is fitted."""
        return next(iter(self.problem.reactions))


def optimum(
    functional: Functional | str,
    dataset: Dataset | str = "builtin",
    *,
    refit: bool = True,
    level: str = "reduced",
    test: bool = False,
    threads: int = 0,
) -> Optimum:
    """Fit a functional to the training reactions of a dataset, from its parameters and three random starts.

    Parameters
    ----------
    functional: with start values; anything that `fastsfes.functionals.load` reads.
    dataset: with densities and a quadrature, or its name.
    refit: False keeps the parameters as they are.
    level: nodes of the quadrature.
    test: also evaluate the test split; it is not read otherwise.
    threads: 0 for OpenMP's own choice.

    Raises
    ------
    InputError: a functional without parameters.
    FastsfesError: it cannot be fitted.
    """
    given = load(functional)
    if not given.parameters:
        raise InputError(f'functional "{given.name}" has no parameters, so there is nothing to fit or to analyse')
    splits = ["train", "validation", *(["test"] if test else [])]
    problem = FitProblem.from_dataset(dataset, tuple(given.channels), splits=splits, level=level)
    made = given.with_frame(problem.frame)
    if refit:
        (found,) = problem.fit([made], SEARCH, threads=threads)
        if not math.isfinite(found.losses["train"]):
            raise FastsfesError(f'functional "{given.name}" cannot be fitted: {found.message}')
        made = found.functional
    losses = {split: problem.loss(made, split) for split in problem.reactions}
    return Optimum(made, problem, losses, refit)
