"""Fitting: parameters of enhancement factors against reference energies at frozen densities.

`fit` fits one functional; `FitProblem` fits any number of candidates to the same rows, in parallel.
"""

from .cmaes import SYFES_CMA, CmaSettings, minimise_cma
from .conditions import Conditions, parse_conditions
from .constraints import Equality, Penalty, Point, bounded, uniform_gas
from .factor import FactorFit, feature_grid, fit_factor
from .folds import folds_of
from .functional import OPTIMIZERS, FitResult, Optimizer, fit
from .levels import fit_through_levels
from .losses import minimise_loss, parse_loss
from .minimum import Minimum, find_minimum
from .problem import EXACT_EXCHANGE, FitProblem, FitSettings, Fitted
from .rows import FitRows

__all__ = [
    "EXACT_EXCHANGE",
    "OPTIMIZERS",
    "SYFES_CMA",
    "CmaSettings",
    "Conditions",
    "Equality",
    "FactorFit",
    "FitProblem",
    "FitResult",
    "FitRows",
    "FitSettings",
    "Fitted",
    "Minimum",
    "Optimizer",
    "Penalty",
    "Point",
    "bounded",
    "feature_grid",
    "find_minimum",
    "fit",
    "fit_factor",
    "fit_through_levels",
    "folds_of",
    "minimise_cma",
    "minimise_loss",
    "parse_conditions",
    "parse_loss",
    "uniform_gas",
]
