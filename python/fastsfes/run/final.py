"""The final figures of a search: the winner and known functionals on all splits, by quadrature and on the grid.

This is the only part of a search that reads the test split.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.files import plain
from ..datasets import HARTREE_TO_KCAL, SPLITS, Dataset
from ..energies.evaluate import evaluate_many, grid_energies
from ..energies.quadrature import Quadrature, is_binding, reaction_targets
from ..formula.expression import Expression
from ..functionals.functional import Channel, Functional
from ..functionals.registry import get_functional

__all__ = ["Row", "baselines", "grid_row", "node_errors", "quadrature_rows", "species_rows"]

Tell = Callable[[str, int, int], None]


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
    return [
        ("LDA", Functional("lda", lda)),
        ("B97 exchange, LDA correlation", Functional("b97_x", {**lda, "x": get_functional("b97_x").channels["x"]})),
        ("wB97M-V form", get_functional("wb97m_v")),
        ("GAS22 form", get_functional("gas22")),
    ]


def quadrature_rows(dataset: Dataset, named: Sequence[tuple[str, Functional]]) -> list[Row]:
    """WRMSD per split of several functionals on the dense quadrature."""
    found: list[dict[str, float]] = [{} for _ in named]
    for split in SPLITS:
        if not dataset.split(split):
            continue
        for errors, result in zip(found, evaluate_many([f for _, f in named], dataset, split), strict=True):
            errors[split] = result.wrmsd
    return [
        Row(name, len(f.parameters), {s: e.get(s, math.nan) for s in SPLITS})
        for (name, f), e in zip(named, found, strict=True)
    ]


def grid_row(dataset: Dataset, functional: Functional, tell: Tell | None = None) -> tuple[Row, float]:
    """WRMSD per split on the full integration grid, and the largest difference of a reaction energy (kcal/mol).

    One pass over the densities; `tell` hears (species, number done, number in all).
    """
    reactions = dataset.available
    names = sorted({dataset.representative(name) for r in reactions for name in r.coefficients})
    energies = dict(zip(names, grid_energies([functional], dataset, names, progress=tell)[0].tolist(), strict=True))
    values = [sum(c * energies[dataset.representative(name)] for name, c in r.coefficients.items()) for r in reactions]
    errors = HARTREE_TO_KCAL * np.array(values) - reaction_targets(dataset, reactions)
    nodes = evaluate_many([functional], dataset, reactions)[0].errors
    found: dict[str, float] = {}
    for split in SPLITS:
        rows = [i for i, r in enumerate(reactions) if r.split == split]
        weights = np.array([reactions[i].weight for i in rows])
        found[split] = float(np.sqrt(np.mean(weights * errors[rows] ** 2))) if rows else math.nan
    return Row(functional.name, len(functional.parameters), found), float(np.abs(errors - nodes).max())


def node_errors(quadrature: Quadrature, functional: Functional) -> dict[str, Any]:
    """What the nodes leave of accuracy, kcal/mol per species: measured once, and estimated for this functional.

    Returns:
        "measured": the largest measured error of a species' energy in one channel, over all registered functionals and
        rough expressions, with "species" and "label"; "median" over species of their largest; "estimate": the largest
        difference between the reduced and the coarse nodes for this functional, None where there is one set only.
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
    }


def species_rows(
    dataset: Dataset,
    quadrature: Quadrature,
    winner: Functional,
    target: Functional,
    splits: Mapping[str, NDArray[np.int64]],
    tell: Tell | None = None,
    *,
    on_grid: bool = True,
) -> tuple[Row, Row | None, float | None]:
    """Errors of species energies against another functional's: by quadrature, on the grid, largest difference.

    The last two are None without densities (`on_grid` False).
    """
    nodes = HARTREE_TO_KCAL * (quadrature.energies(winner) - quadrature.energies(target))

    def row(name: str, error: NDArray[np.float64]) -> Row:
        return Row(
            name, len(winner.parameters), {s: float(np.sqrt(np.mean(error[rows] ** 2))) for s, rows in splits.items()}
        )

    if not on_grid:
        return row(winner.name, nodes), None, None
    energies = HARTREE_TO_KCAL * grid_energies([winner, target], dataset, quadrature.species, progress=tell)
    grid = energies[0] - energies[1]
    return row(winner.name, nodes), row(winner.name, grid), float(np.abs(nodes - grid).max())
