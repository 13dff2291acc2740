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

from ..datasets import HARTREE_TO_KCAL, SPLITS, Dataset
from ..functional import Functional
from ..objective import evaluate_many, grid_energies
from ..quadrature import Quadrature

__all__ = ["Row", "grid_row", "quadrature_rows", "species_rows"]

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Row:
    """One line of the final table: errors in kcal/mol per split."""

    name: str
    parameters: int
    errors: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is not finite becomes None."""
        errors = {s: (e if math.isfinite(e) else None) for s, e in self.errors.items()}
        return {"name": self.name, "parameters": self.parameters, **errors}


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


def grid_row(dataset: Dataset, functional: Functional) -> tuple[Row, float]:
    """WRMSD per split on the full integration grid, and the largest difference of a reaction energy (kcal/mol)."""
    errors: dict[str, float] = dict.fromkeys(SPLITS, math.nan)
    worst = 0.0
    for split in SPLITS:
        if not dataset.split(split):
            continue
        grid = evaluate_many([functional], dataset, split, "grid")[0]
        nodes = evaluate_many([functional], dataset, split)[0]
        errors[split] = grid.wrmsd
        worst = max(worst, float(np.abs(grid.errors - nodes.errors).max()))
    return Row(functional.name, len(functional.parameters), errors), worst


def species_rows(
    dataset: Dataset,
    quadrature: Quadrature,
    winner: Functional,
    target: Functional,
    splits: Mapping[str, NDArray[np.int64]],
) -> tuple[Row, Row, float]:
    """Errors of species energies against another functional's: by quadrature, on the grid, largest difference."""
    nodes = HARTREE_TO_KCAL * (quadrature.energies(winner) - quadrature.energies(target))
    energies = HARTREE_TO_KCAL * grid_energies([winner, target], dataset, quadrature.species)
    grid = energies[0] - energies[1]

    def row(name: str, error: NDArray[np.float64]) -> Row:
        return Row(
            name, len(winner.parameters), {s: float(np.sqrt(np.mean(error[rows] ** 2))) for s, rows in splits.items()}
        )

    return row(winner.name, nodes), row(winner.name, grid), float(np.abs(nodes - grid).max())
