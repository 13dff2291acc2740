"""The final figures of a search: the winner and known functionals on all splits, by quadrature and on the grid.

This is the only part of a search that reads the test split.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.files import plain
from ..datasets import HARTREE_TO_KCAL, SPLITS, Dataset
from ..energies.evaluate import FrameChoice, evaluate_many
from ..energies.quadrature import Quadrature, is_binding, reaction_targets
from ..formula.expression import Expression
from ..functionals.functional import Channel, Functional
from ..functionals.names import B97_X_LDA, display_name
from ..functionals.registry import get_functional
from .assess import Checked

__all__ = ["PUBLISHED", "Row", "baselines", "grid_losses", "node_errors", "quadrature_rows", "species_rows"]


PUBLISHED = ("wb97m_v", "gas22")
"""The published forms that a winner stands beside, as published and refitted."""


@dataclass(frozen=True)
class Row:
    """One line of the final table: errors in kcal/mol per split."""

    name: str
    parameters: int
    errors: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is not finite becomes None."""
        return {"name": self.name, "parameters": self.parameters, **plain(self.errors)}


def baselines() -> list[tuple[str, Functional]]:
    """The known functionals that a winner stands beside, with the names of their rows."""
    one = Channel(Expression.constant(1.0))
    lda = {"x": one, "css": one, "cos": one}
    b97_x = {**lda, "x": get_functional("b97_x").channels["x"]}
    return [
        (display_name("lda"), Functional("lda", lda)),
        (B97_X_LDA, Functional("b97_x", b97_x)),
        *((display_name(name), get_functional(name)) for name in PUBLISHED),
    ]


def quadrature_rows(
    dataset: Dataset, named: Sequence[tuple[str, Functional]], *, frame: FrameChoice = "dataset"
) -> list[Row]:
    """WRMSD per split of several functionals on the dense quadrature."""
    found: list[dict[str, float]] = [{} for _ in named]
    for split in SPLITS:
        if not dataset.split(split):
            continue
        for errors, result in zip(
            found, evaluate_many([f for _, f in named], dataset, split, frame=frame), strict=True
        ):
            errors[split] = result.wrmsd
    return [
        Row(name, len(f.parameters), {s: e.get(s, math.nan) for s in SPLITS})
        for (name, f), e in zip(named, found, strict=True)
    ]


def grid_losses(quadrature: Quadrature, dataset: Dataset, energies: NDArray[np.float64]) -> dict[str, float]:
    """WRMSD per split from the energies of the quadrature's species on the full grid, kcal/mol."""
    reactions = dataset.available
    errors = quadrature.stoichiometry(dataset, reactions) @ energies - reaction_targets(dataset, reactions)
    found: dict[str, float] = {}
    for split in SPLITS:
        rows = [i for i, r in enumerate(reactions) if r.split == split]
        weights = np.array([reactions[i].weight for i in rows])
        found[split] = float(np.sqrt(np.mean(weights * errors[rows] ** 2))) if rows else math.nan
    return found


def node_errors(quadrature: Quadrature, functional: Functional, checked: Checked) -> dict[str, Any]:
    """What the nodes leave of accuracy, kcal/mol per species: measured once, and for this functional.

    Returns:
        "measured": the largest measured error of a species' energy in one channel, over all registered functionals and
        rough expressions, with "species" and "label"; "median" over species of their largest; "estimate": the largest
        difference between the reduced and the coarse nodes for this functional, None where there is one set only;
        "own": the check of this functional: its method, the largest error of a species with "species", the median, and
            the "count" of species.
    """
    worst = np.zeros(len(quadrature.species))
    where: tuple[float, str] = (0.0, "")
    for key in quadrature.keys(functional).values():
        rule = quadrature.channels[key]
        for label, errors in rule.errors["full"].items():
            if is_binding(key, label):
                worst = np.maximum(worst, np.abs(errors))
                where = max(where, (float(np.abs(errors).max()), label))
    estimate: float | None = None
    if all("coarse" in quadrature.channels[key].levels for key in quadrature.keys(functional).values()):
        change = quadrature.energies(functional, "reduced") - quadrature.energies(functional, "coarse")
        estimate = HARTREE_TO_KCAL * float(np.abs(change).max())
    return {
        "measured": float(worst.max()),
        "species": quadrature.species[int(worst.argmax())],
        "label": where[1],
        "median": float(np.median(worst)),
        "estimate": estimate,
        "own": _own_errors(checked),
    }


def _own_errors(checked: Checked) -> dict[str, Any] | None:
    if not checked.species:
        return None
    worst = max(checked.species, key=lambda name: abs(checked.species[name]))
    errors = [abs(e) for e in checked.species.values()]
    largest = {"largest": max(errors), "species": worst, "median": float(np.median(errors))}
    return {"method": checked.method, "count": len(errors), **plain(largest)}


def species_rows(
    quadrature: Quadrature,
    winner: Functional,
    target: Functional,
    splits: Mapping[str, NDArray[np.int64]],
    checked: Checked,
) -> tuple[Row, Row | None]:
    """Errors of species energies against another functional's: by quadrature and, where checked there, on the grid."""
    nodes = HARTREE_TO_KCAL * (quadrature.energies(winner) - quadrature.energies(target))

    def row(error: NDArray[np.float64]) -> Row:
        losses = {s: float(np.sqrt(np.mean(error[rows] ** 2))) for s, rows in splits.items()}
        return Row(winner.name, len(winner.parameters), losses)

    if checked.method != "grid" or len(checked.species) < len(quadrature.species):
        return row(nodes), None
    return row(nodes), row(nodes - np.array([checked.species[name] for name in quadrature.species]))
