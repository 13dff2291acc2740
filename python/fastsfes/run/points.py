"""Searches on points: the values of factors, or of an energy density, in place of energies of molecules.

A point is a reaction of one point. Errors are measured in units of the spread of the training values, so that
penalties and goals mean the same whatever the values are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from .._core import __version__
from ..common.errors import InputError
from ..common.files import plain
from ..datasets.model import SPLITS, Reaction
from ..datasets.points import PointTable
from ..energies.quadrature.nodes import derived_features
from ..evolve.fitter import LARGEST_PARAMETER, FitEvaluator
from ..evolve.terms import ConditionTerm, CrossValidation
from ..fitting import FitProblem, FitRows, FitSettings, folds_of, parse_conditions
from ..functionals.frame import Frame, Hybrid
from ..functionals.functional import Functional
from .assess import Assessed, Checked, OnGrid
from .config import QUOTIENTS, SearchConfig
from .digests import digest
from .fittable import SELECTION, Fittable
from .progress import Progress
from .quotients import quotient_base

__all__ = ["PointProblem", "make_point_problem", "of_points"]

MOST = 3000
"""Values that candidates are fitted to: the matrix from points to values grows with their square."""

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PointProblem(Fittable):
    """Values on points.

    Attributes:
        table: the points.
        known: channel -> its features at the points, those included that follow from others.
        scale: the spread of the training values, in their unit.
        folds: fits that leave out a part of the points each.
    """

    table: PointTable
    known: Mapping[str, Mapping[str, FloatArray]]
    scale: float
    folds: CrossValidation

    def describe(self) -> str:
        """One line for the log."""
        c, table = self.counts, self.table
        factors = ", ".join(f"f_{kind}" for kind in table.kinds)
        return (
            f"{c['train']} training and {c['validation']} validation values of {factors} "
            f"at points ({', '.join(table.features)}); errors in units of their spread, {self.scale:.6g}"
        )

    def digests(self) -> dict[str, str]:
        """Digests of the points."""
        table = self.table
        arrays = [*table.features.values(), *table.prefactors.values(), table.target, table.weights, table.splits]
        return {"fastsfes": __version__, "points": digest([*table.features, *table.prefactors], *arrays)}

    def assess(self, members: Sequence[Functional], progress: Progress, *, on_grid: OnGrid = "sample") -> Assessed:
        """Cross-validated errors; the points themselves are all there is to be checked on."""
        found = []
        for member in members:
            candidate, values = self._candidate(member)
            found.append(Checked(left_out=self.folds.by_subset(candidate, values)))
        return Assessed(tuple(found))

    def errors(self, functional: Functional) -> FloatArray:
        """Values of a functional less those given, (points,)."""
        error = -self.table.target
        for kind, prefactor in self.table.prefactors.items():
            error = error + prefactor * functional.channels[kind].evaluate(self.known[kind])
        return error

    def report(self, winner: Functional, progress: Progress, assessed: Assessed | None = None) -> dict[str, Any]:
        """Root mean square errors of the winner in the unit of the values."""
        table, error = self.table, self.errors(winner)
        errors = {}
        for split in SPLITS:
            rows = table.rows(split)
            weights = table.weights[rows]
            errors[split] = float(np.sqrt(np.average(error[rows] ** 2, weights=weights))) if weights.any() else np.nan
        row = {"name": winner.name, "parameters": len(winner.parameters), **plain(errors)}
        return {
            "kind": "points",
            "dataset": f"{len(table.target)} points",
            "unit": "root mean square error in the unit of the values",
            "rows": [row],
            "grid": None,
            "largest_difference": None,
            "scale": self.scale,
        }


def of_points(config: SearchConfig) -> SearchConfig:
    """The configuration with what it leaves to its points: channels, features, and the base "quotients"."""
    table = PointTable.read(config.points, config.channels, seed=config.seed)
    changes: dict[str, Any] = {"channels": table.kinds}
    for kind in table.kinds:
        if not getattr(config, f"features_{kind}"):
            changes[f"features_{kind}"] = tuple(table.features)
    found = replace(config, **changes)
    if QUOTIENTS not in config.base:
        return found
    quotient = quotient_base(found, table)
    bases = [quotient if b == QUOTIENTS else b for b in config.base]
    return replace(found, base=tuple(b for b in bases if b is not None) or ("empty",))


def make_point_problem(config: SearchConfig) -> PointProblem:
    """The problem of a file of points; the configuration is one of `of_points`."""
    table = PointTable.read(config.points, config.channels, seed=config.seed)
    used = np.concatenate([table.rows(s) for s in SELECTION])
    if len(used) > MOST:
        raise InputError(
            f"{config.points}: {len(used)} values are for training and validation; at most {MOST} are taken"
        )
    counts = {s: len(table.rows(s)) for s in SELECTION}
    scale = _spread(table.target[table.rows("train")], table.weights[table.rows("train")])
    weights = np.concatenate([_normalised(table.weights[table.rows(s)]) for s in SELECTION]) / scale**2
    blocks = [("train", np.arange(counts["train"])), ("validation", np.arange(counts["train"], len(used)))]
    conditions = parse_conditions(config.constraints, config.channels, Hybrid())
    known = {k: _derived(k, table) for k in config.channels}
    rows = FitRows(
        [_nodes(k, known[k], table.prefactors[k], used) for k in config.channels],
        table.target[used],
        weights,
        blocks,
        conditions=conditions,
        ridge=config.ridge,
    )
    settings = FitSettings(starts=config.starts, seed=config.seed, max_evaluations=config.max_evaluations)
    evaluate = FitEvaluator(
        config.channels, rows.problem(), settings, config.threads, max_scale=config.max_scale,
        largest=LARGEST_PARAMETER * max(1.0, scale),
    )  # fmt: skip
    if conditions.penalties:
        names = {k: list(values) for k, values in known.items()}
        evaluate.terms = {"conditions": ConditionTerm.make(conditions.penalties, names)}
    frame = Functional("points", {}).frame
    problems = lru_cache(maxsize=1)(partial(_problems, rows, config.channels, frame))
    folds = _folds(rows, config, settings)
    return PointProblem(
        config, evaluate, counts, frame, {}, problems, lambda: problems()[0], table, known, scale, folds
    )


def _nodes(
    kind: str, known: Mapping[str, FloatArray], prefactor: FloatArray, used: npt.NDArray[np.int64]
) -> tuple[str, dict[str, FloatArray], FloatArray]:
    """A channel of the rows: its nodes are the points that ask for it."""
    rows = np.flatnonzero(prefactor[used])
    if not rows.size:
        raise InputError(f"points: no value depends on channel {kind}; its prefactor is 0 everywhere")
    matrix = np.zeros((len(used), len(rows)))
    matrix[rows, np.arange(len(rows))] = prefactor[used][rows]
    return kind, {n: np.ascontiguousarray(v[used][rows]) for n, v in known.items()}, matrix


def _derived(kind: str, table: PointTable) -> dict[str, FloatArray]:
    """The columns, and what follows from them by the feature table where it is defined."""
    with np.errstate(all="ignore"):
        found = derived_features(kind, table.features)
    return {n: np.ascontiguousarray(v) for n, v in found.items() if np.isfinite(v).all()}


def _spread(values: FloatArray, weights: FloatArray) -> float:
    """The weighted standard deviation; of values that are all one their size."""
    mean = float(np.average(values, weights=weights))
    spread = float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))
    return spread if spread > 1e-12 * abs(mean) else abs(mean) or 1.0


def _normalised(weights: FloatArray) -> FloatArray:
    """With a mean of 1."""
    if not weights.any():
        raise InputError("points: all weights of the training or the validation points are 0")
    normalised: FloatArray = weights / weights.mean()
    return normalised


def _problems(rows: FitRows, kinds: Sequence[str], frame: Frame) -> tuple[FitProblem, None]:
    """Of the final fits; every point is a reaction."""
    assert rows.blocks is not None
    reactions = {
        split: tuple(
            Reaction(f"point {i}", "", "", split, w, {f"point {i}": 1.0}, t)
            for i, w, t in zip(part.tolist(), rows.weights[part].tolist(), rows.target[part].tolist(), strict=True)
        )
        for split, part in rows.blocks
    }
    return FitProblem(rows.problem(), tuple(kinds), frame, False, reactions, rows), None


def _folds(rows: FitRows, config: SearchConfig, settings: FitSettings) -> CrossValidation:
    """Fits that leave out one part of the points each."""
    count = len(rows.target)
    parts = np.random.default_rng(config.seed).permutation(count) % min(config.folds, count)
    names = [f"part {k}" for k in parts]
    problems, left_out = [], []
    for fold in folds_of(names, config.folds):
        kept = np.setdiff1d(np.arange(count), fold)
        problems.append(replace(rows, blocks=[("kept", kept), ("left_out", fold)]).problem())
        left_out.append(([names[k] for k in fold], rows.weights[fold]))
    return CrossValidation(tuple(problems), tuple(left_out), replace(settings, starts=1), config.threads)
