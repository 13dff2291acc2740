"""SyFES's other loss: fit a factor to given values (or to another functional's) on a weighted set of features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .. import _core
from ..common.errors import FastsfesError, InputError
from ..formula.features import channel
from ..functionals.frame import Hybrid
from ..functionals.functional import Channel, Functional
from ..functionals.load import load
from .conditions import parse_conditions
from .problem import FitSettings
from .rows import FitRows

__all__ = ["FactorFit", "feature_grid", "fit_factor"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FactorFit:
    """What `fit_factor` returns: the channel with fitted parameters, and the weighted RMSD of its values."""

    channel: Channel
    rmsd: float
    status: str
    evaluations: int
    linear: tuple[str, ...]


def feature_grid(**axes: npt.ArrayLike) -> dict[str, FloatArray]:
    """All combinations of the given axes as flat arrays: ``feature_grid(x2=..., w=...)``."""
    arrays = np.meshgrid(*(np.asarray(a, dtype=float) for a in axes.values()), indexing="ij")
    return {name: np.ascontiguousarray(a.ravel()) for name, a in zip(axes, arrays, strict=True)}


def fit_factor(
    form: Channel,
    kind: str,
    features: Mapping[str, npt.ArrayLike],
    target: npt.ArrayLike | Functional | str,
    *,
    weights: npt.ArrayLike | None = None,
    prefactor: npt.ArrayLike | None = None,
    constraints: Sequence[str] = (),
    settings: FitSettings | None = None,
) -> FactorFit:
    """Fit an enhancement factor (or, with a prefactor, an energy density) point by point.

    Minimises sqrt(mean(weights * (prefactor * (F - F_target))^2)), SyFES's loss on features
    (10.1126/sciadv.abq0279), by the same method as `fastsfes.fit`.

    Args:
        form: expression with start values.
        kind: channel whose features it uses.
        features: name -> values, each (n,); see `feature_grid`.
        target: values of the factor, (n,), or a functional (or its name) whose channel ``kind`` is the target.
        weights: of the squared deviations, (n,); 1 by default.
        prefactor: energy per volume that the factor multiplies, (n,), e.g. hartree/bohr^3; the RMSD has its unit.
        constraints: conditions on the factor as text, see `fastsfes.fitting.conditions`; they need features x2 and w.
        settings: starts, tolerances.

    Raises:
        InputError: shapes that do not fit, features that the channel does not have.
        FastsfesError: no finite loss.
    """
    known = channel(kind).features
    arrays: dict[str, FloatArray] = {}
    for name, values in features.items():
        if name not in known:
            raise InputError(f'feature "{name}" does not exist in channel "{kind}"; it has {", ".join(known)}')
        arrays[name] = np.ascontiguousarray(values, dtype=float)
    sizes = {a.shape for a in arrays.values()}
    if len(sizes) != 1 or len(next(iter(sizes))) != 1:
        raise InputError(f"features: expected vectors of one length, got shapes {sorted(sizes)}")
    (n,) = next(iter(sizes))
    missing = [name for name in form.expression.features if name not in arrays]
    if missing:
        raise InputError(f'feature "{missing[0]}" of "{form.expression}" has no values; give it in features')
    if isinstance(target, str | Functional):
        functional = load(target)
        if kind not in functional.channels:
            raise InputError(f'functional "{functional.name}" has no channel "{kind}"')
        values_of = functional.channels[kind].evaluate(
            {f: arrays[f] for f in functional.channels[kind].expression.features if f in arrays}
        )
        wanted = np.broadcast_to(values_of, (n,)).astype(float)
    else:
        wanted = np.asarray(target, dtype=float)
    scale = np.ones(n) if prefactor is None else np.asarray(prefactor, dtype=float)
    weight = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
    for name, array in (("target", wanted), ("prefactor", scale), ("weights", weight)):
        if array.shape != (n,):
            raise InputError(f"{name}: expected {n} values like the features, got shape {array.shape}")
    conditions = parse_conditions(tuple(constraints), (kind,), Hybrid())
    problem = FitRows([(kind, arrays, scale)], scale * wanted, weight, conditions=conditions).problem()
    start = np.array(list(form.parameters.values()))
    (fit,) = _core.fit_batch(
        problem, [[form.expression._handle]], [start], (settings or FitSettings(max_evaluations=200)).core()
    )
    loss = float(fit.losses[0])
    if not math.isfinite(loss):
        raise FastsfesError(f'"{form.expression}" cannot be fitted: {fit.message}')
    names = list(form.parameters)
    return FactorFit(
        Channel(form.expression, dict(zip(names, fit.parameters.tolist(), strict=True))),
        loss,
        fit.status,
        fit.evaluations,
        tuple(name for name, flag in zip(names, fit.linear, strict=True) if flag),
    )
