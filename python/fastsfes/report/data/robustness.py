"""Terms, parameters, health, whole enhancement factors, and self-consistent validation, as plain data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...analysis import bootstrap, enhancement_curves, optimum, parameter_uncertainties, sensitivity, term_contributions
from ...common.errors import FastsfesError
from ...common.runfolder import VALIDATION, VALIDATION_RESULT
from ...datasets import Dataset
from ...functionals.functional import Functional
from ...health import check
from ...health.conditions.exact import Level
from ...validation.result import read_validation

__all__ = ["RESULT", "health", "insight", "validation", "whole_factors"]

Tell = Callable[[str], None]

RESULT = Path(VALIDATION) / VALIDATION_RESULT
"""Where `fastsfes validate RUN` leaves its result in the run directory."""

_POINTS = 81


def insight(winner: Functional, dataset: Dataset, samples: int, seed: int) -> dict[str, Any]:
    """Terms, uncertainties, bootstrap and sensitivity at the winner's own parameters (`fastsfes.analysis`)."""
    at = optimum(winner, dataset, refit=False)
    parts = {
        "terms": term_contributions(at).to_dict(),
        "uncertainties": parameter_uncertainties(at).to_dict(),
        "sensitivity": sensitivity(at).to_dict(),
        "bootstrap": None,
    }
    if samples:
        parts["bootstrap"] = bootstrap(at, samples=samples, seed=seed).to_dict()
    return parts


def health(winner: Functional, level: Level, tell: Tell) -> dict[str, Any]:
    """The table of checks, known functionals beside."""
    return check(winner, level=level, progress=tell).to_dict()


def whole_factors(winner: Functional) -> dict[str, Any]:
    """Curves of F_x, F_c and F_xc of the whole functional beside known ones."""
    found = enhancement_curves(winner, points=_POINTS).to_dict()
    return {key: found[key] for key in ("name", "beside", "curves")}


def validation(path: Path) -> dict[str, Any]:
    """The result of `fastsfes validate`, without the records of the species.

    Raises:
        FastsfesError: when there is none, or it is damaged or newer.
    """
    file = path / RESULT
    if not file.is_file():
        raise FastsfesError(f"no self-consistent calculation has been made with it; run: fastsfes validate {path}")
    data = read_validation(file, f"run again: fastsfes validate {path}")
    return {key: data[key] for key in ("dataset", "settings", "functionals", "reactions", "excluded")}
