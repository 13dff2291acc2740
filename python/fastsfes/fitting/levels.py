"""One fit on two sets of nodes: starts are tried on few nodes, and what they find is refined on all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from ..functionals.functional import Functional
from .problem import FitProblem, FitSettings, Fitted

__all__ = ["fit_through_levels"]

#: The loss on all nodes may be this much above that on the reduced ones, kcal/mol. A minimum where it is not lies where
#: the reduced nodes see nothing.
_HOLDS = 1e-2


def fit_through_levels(
    full: FitProblem,
    reduced: FitProblem | None,
    functional: Functional,
    settings: FitSettings,
    *,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    threads: int = 0,
) -> Fitted:
    """Fit a functional on all nodes; ``evaluations`` counts those on both sets.

    Args:
        full, reduced: the same problem on all nodes, and on few (None: there are none).
        functional, settings, bounds, threads: see `FitProblem.fit`.
    """
    limits = [bounds or {}]
    if reduced is None or settings.starts == 1:
        return full.fit([functional], settings, bounds=limits, threads=threads)[0]
    (rough,) = reduced.fit([functional], settings, bounds=limits, threads=threads)
    spent = rough.evaluations
    found: list[Fitted] = []
    if math.isfinite(rough.losses["train"]):
        (fine,) = full.fit([rough.functional], replace(settings, starts=1), bounds=limits, threads=threads)
        found.append(fine)
        spent += fine.evaluations
    if not found or not found[0].losses["train"] <= rough.losses["train"] + _HOLDS:
        (again,) = full.fit([functional], settings, bounds=limits, threads=threads)
        found.append(again)
        spent += again.evaluations
    return replace(min(found, key=lambda f: f.losses["train"]), evaluations=spent)
