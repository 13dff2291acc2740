"""How a functional depends on each kind of data, and what each kind of data says about its parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.files import plain
from .minimum import FIT, Optimum
from .uncertainty import ParameterUncertainties, parameter_uncertainties

__all__ = ["Sensitivity", "TypeSensitivity", "sensitivity"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TypeSensitivity:
    """One data type.

    Attributes:
        data_type: "TCE", "BH", ...
        reactions: split -> number.
        rmsd: split -> unweighted RMS error at the optimum, kcal/mol.
        spread: split -> RMS over its reactions of the standard error that the parameters' covariance gives their
            energies, kcal/mol.
        share: part of the training loss (of its square) that comes from the type.
        pull: parameter -> part of its variance that comes from the type's training reactions; the parts of all types
            add up to 1. The estimate of a parameter is, to first order, a weighted sum of the reactions' errors; this
            is the type's part of the squared weights.
        left_out: RMS error of the training reactions of the type when they are not fitted, kcal/mol; None when all
            training reactions are of the type or the fit fails.
        others: WRMSD of the other training reactions then, and with all data, kcal/mol.
    """

    data_type: str
    reactions: Mapping[str, int]
    rmsd: Mapping[str, float]
    spread: Mapping[str, float]
    share: float
    pull: Mapping[str, float]
    left_out: float | None
    others: tuple[float, float] | None


@dataclass(frozen=True)
class Sensitivity:
    """All data types of a dataset, for one functional."""

    name: str
    types: tuple[TypeSensitivity, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; what is not finite becomes None."""
        return dict(plain(asdict(self)))

    def __str__(self) -> str:
        splits = list(dict.fromkeys(s for t in self.types for s in t.reactions))
        lines = [
            f"per data type, kcal/mol: {self.name}",
            f"{'type':6}{'share of loss':>14}{'left out':>11}  "
            + "  ".join(f"{s:>10}{'rmsd':>9}{'spread':>9}" for s in splits)
            + "  determines most",
        ]
        for t in self.types:
            cells = [
                f"{t.reactions[s]:10d}{t.rmsd[s]:9.3f}{t.spread[s]:9.3f}" if s in t.reactions else " " * 28
                for s in splits
            ]
            best = sorted(t.pull, key=lambda n: -t.pull[n])[:3]
            left = f"{t.left_out:.3f}" if t.left_out is not None else "-"
            named = ", ".join(f"{n} {100 * t.pull[n]:.0f} %" for n in best if t.pull[n] > 0.005)
            lines.append(f"{t.data_type:6}{100 * t.share:12.1f} %{left:>11}  " + "  ".join(cells) + f"  {named}")
        return "\n".join(lines)


def sensitivity(best: Optimum, *, uncertainties: ParameterUncertainties | None = None, threads: int = 0) -> Sensitivity:
    """Errors, spread and pull per data type at an `optimum`, and fits that leave each type out.

    `uncertainties` are those of the same optimum, when they are known.
    """
    known = uncertainties or parameter_uncertainties(best)
    covariance = np.where(np.isfinite(known.covariance), known.covariance, 0.0)
    weights = best.problem.weights(best.split)
    jacobian = best.problem.jacobian(best.functional, best.split)
    root = np.sqrt(weights)[:, None] * jacobian
    scale = np.linalg.norm(root, axis=0)
    scale[scale == 0.0] = 1.0
    pulls = np.linalg.pinv(root / scale, rcond=1e-10) ** 2  # (J^T w J)^-1 J^T w^(1/2), squared
    pulls /= np.maximum(pulls.sum(axis=1, keepdims=True), 1e-300)
    per_split = {s: _split(best, s, covariance) for s in best.losses}
    squares = weights * best.problem.errors(best.functional, best.split) ** 2
    labels = np.array([r.data_type for r in best.problem.reactions[best.split]])
    all_types = sorted({r.data_type for rows in best.problem.reactions.values() for r in rows})
    found = []
    for name in all_types:
        mine = labels == name
        parts = pulls[:, mine].sum(axis=1)
        left_out, others = _without(best, mine, threads)
        found.append(
            TypeSensitivity(
                name,
                {s: table[name][0] for s, table in per_split.items() if name in table},
                {s: table[name][1] for s, table in per_split.items() if name in table},
                {s: table[name][2] for s, table in per_split.items() if name in table},
                float(squares[mine].sum() / squares.sum()),
                dict(zip(best.names, parts.tolist(), strict=True)),
                left_out,
                others,
            )
        )
    return Sensitivity(best.functional.name, tuple(found))


def _split(best: Optimum, split: str, covariance: FloatArray) -> dict[str, tuple[int, float, float]]:
    """Data type -> number of reactions, RMS error, RMS standard error."""
    errors = best.problem.errors(best.functional, split)
    jacobian = best.problem.jacobian(best.functional, split)
    variances = np.einsum("ik,kl,il->i", jacobian, covariance, jacobian)
    labels = np.array([r.data_type for r in best.problem.reactions[split]])
    table = {}
    for name in sorted(set(labels.tolist())):
        mine = labels == name
        rms = math.sqrt(float(np.mean(errors[mine] ** 2)))
        table[name] = (int(mine.sum()), rms, math.sqrt(max(float(np.mean(variances[mine])), 0.0)))
    return table


def _without(
    best: Optimum, mine: npt.NDArray[np.bool_], threads: int
) -> tuple[float | None, tuple[float, float] | None]:
    if not mine.any() or mine.all():
        return None, None
    (fitted,) = best.problem.reweighted(~mine).fit([best.functional], FIT, threads=threads)
    if not math.isfinite(fitted.losses[best.split]):
        return None, None
    weights = best.problem.weights(best.split)
    errors = best.problem.errors(fitted.functional, best.split)
    before = best.problem.errors(best.functional, best.split)

    def others(values: FloatArray) -> float:
        return math.sqrt(float(np.mean(weights[~mine] * values[~mine] ** 2)))

    return math.sqrt(float(np.mean(errors[mine] ** 2))), (others(errors), others(before))
