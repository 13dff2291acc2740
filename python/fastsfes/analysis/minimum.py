"""A functional at the optimum of a dataset: what all parts of the analysis start from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..common.errors import FastsfesError, InputError
from ..datasets.dataset import Dataset
from ..fitting import FitProblem, find_minimum
from ..fitting.minimum import SETTINGS
from ..functionals.functional import Functional
from ..functionals.load import load

__all__ = ["FIT", "Optimum", "optimum"]

FloatArray = npt.NDArray[np.float64]

FIT = SETTINGS
"""Fits near a known optimum: from the parameters that the functional has."""


@dataclass(frozen=True)
class Optimum:
    """A functional with its problem.

    Attributes:
        functional: with fitted parameters, in the frame of the dataset, unless no refit was asked for.
        problem: rows of the splits; the first is the one that is fitted.
        reduced: the same on few nodes, where starts are tried; None where there are none.
        losses: split -> WRMSD in kcal/mol.
        refitted: whether the parameters were fitted to this dataset.
        notes: doubts about the minimum, and about the frame, a sentence each.
    """

    functional: Functional
    problem: FitProblem
    reduced: FitProblem | None
    losses: dict[str, float]
    refitted: bool
    notes: tuple[str, ...] = ()

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
    level: str = "full",
    test: bool = False,
    threads: int = 0,
) -> Optimum:
    """Fit a functional to the training reactions of a dataset: the minimum that `fastsfes.fit` finds.

    Args:
        functional: with start values; anything that `fastsfes.functionals.load` reads.
        dataset: with densities and a quadrature, or its name.
        refit: False keeps the parameters as they are.
        level: nodes of the quadrature.
        test: also evaluate the test split; it is not read otherwise.
        threads: 0 for OpenMP's own choice.

    Raises:
        InputError: a functional without parameters.
        FastsfesError: it cannot be fitted.
    """
    given = load(functional)
    if not given.parameters:
        raise InputError(f'functional "{given.name}" has no parameters, so there is nothing to fit or to analyse')
    splits = ["train", "validation", *(["test"] if test else [])]
    data = Dataset.open(dataset) if isinstance(dataset, str) else dataset
    problem, reduced = FitProblem.pair(
        data, tuple(given.channels), splits=splits, level=level, correlation=given.correlation
    )
    made = given.with_frame(problem.frame)
    notes = tuple(problem.frame_notes(given))
    if refit:
        found = find_minimum(problem, made, reduced=reduced, threads=threads)
        if not math.isfinite(found.loss):
            raise FastsfesError(f'functional "{given.name}" cannot be fitted: {found.fitted.message}')
        made, notes = found.functional, (*notes, *found.notes)
    losses = {split: problem.loss(made, split) for split in problem.reactions}
    return Optimum(made, problem, reduced, losses, refit, notes)
