"""How much reaction energies depend on the integration grid, at frozen densities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.errors import InputError
from ..datasets.dataset import Dataset
from ..datasets.model import HARTREE_TO_KCAL, Reaction
from ..energies.evaluate import grid_energies
from ..functionals.load import Comparison
from .conditions.row import Row
from .conditions.subject import Subject
from .grids import GRIDS, TRUTH

__all__ = ["GridSensitivity", "chosen_reactions", "grid_sensitivity", "reaction_rows"]

Array = NDArray[np.float64]

GROUP = "reaction energies"

REACTIONS = 12
"""How many reactions of the packaged dataset are looked at, half of them barrier heights."""

LIMITS = {"coarse": 1.0, "default": 0.1}
"""Allowed deviation from the large grid, kcal/mol."""


@dataclass(frozen=True)
class GridSensitivity:
    """Reaction energies' semilocal parts on several grids.

    Attributes:
        reactions: names.
        energies: grid name -> kcal/mol, one per reaction.
    """

    reactions: tuple[str, ...]
    energies: Mapping[str, tuple[float, ...]]

    def deviations(self, grid: str) -> Array:
        """Signed difference to the last grid, kcal/mol, (reactions,)."""
        *_, last = self.energies.values()
        difference: Array = np.array(self.energies[grid]) - np.array(last)
        return difference

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"reactions": list(self.reactions), "energies": {k: list(v) for k, v in self.energies.items()}}


def chosen_reactions(dataset: Dataset, number: int = REACTIONS) -> tuple[Reaction, ...]:
    """The reactions with the fewest atoms, the same number of every data type."""

    def size(reaction: Reaction) -> tuple[int, str]:
        return sum(len(dataset.species[name].symbols) for name in reaction.coefficients), reaction.name

    by_type: dict[str, list[Reaction]] = {}
    for reaction in sorted(dataset.available, key=size):
        by_type.setdefault(reaction.data_type, []).append(reaction)
    if not by_type:
        raise InputError(f'dataset "{dataset.name}" has no reaction whose densities are all there')
    each = max(1, number // len(by_type))
    return tuple(reaction for group in sorted(by_type) for reaction in by_type[group][:each])


def grid_sensitivity(
    functional: Comparison,
    dataset: Dataset | str = "builtin",
    *,
    number: int = REACTIONS,
    grids: Mapping[str, str] = GRIDS,
    progress: Callable[[str], None] | None = None,
) -> GridSensitivity:
    """Semilocal reaction energies of a functional on several grids, the last one the truth.

    Args:
        functional: ours or one of libxc.
        dataset: with densities, or its name.
        number: of reactions, see `chosen_reactions`.
        grids: name -> "level N" or "(radial,angular)".
        progress: called with a line per grid.
    """
    data = Dataset.open(dataset) if isinstance(dataset, str) else dataset
    reactions = chosen_reactions(data, number)
    names = sorted({data.representative(name) for reaction in reactions for name in reaction.coefficients})
    energies: dict[str, tuple[float, ...]] = {}
    for label, grid in grids.items():
        if progress is not None:
            progress(f"{functional.name}: {len(names)} species on the {label} grid")
        row = dict(zip(names, grid_energies([functional], data, names, grid=grid)[0].tolist(), strict=True))
        energies[label] = tuple(
            HARTREE_TO_KCAL * sum(c * row[data.representative(name)] for name, c in reaction.coefficients.items())
            for reaction in reactions
        )
    return GridSensitivity(tuple(reaction.name for reaction in reactions), energies)


def reaction_rows(subject: Subject, progress: Callable[[str], None] | None = None) -> tuple[Row, ...]:
    """One row per smaller grid: the largest deviation of a reaction energy from the large grid."""
    found = grid_sensitivity(subject.whole, progress=progress)
    rows = []
    for grid, limit in LIMITS.items():
        deviation = found.deviations(grid)
        worst = int(np.argmax(np.abs(deviation)))
        value = float(np.abs(deviation[worst]))
        mean = float(np.mean(np.abs(deviation)))
        detail = (
            f"{GRIDS[grid]} against {GRIDS[TRUTH]}, {len(deviation)} reactions at frozen densities, limit {limit:g} "
            f"kcal/mol; mean absolute deviation {mean:.1e}"
        )
        name = f"reactions, {grid} grid"
        rows.append(
            Row(GROUP, name, bool(value <= limit), limit - value, "kcal/mol", found.reactions[worst], detail, value)
        )
    return tuple(rows)
