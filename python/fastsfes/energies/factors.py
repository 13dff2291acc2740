"""Energies of many candidates on integration grids in one pass.

Candidates of one frame share prefactors, features and, in one program, all common parts of their factors. Nothing is
compiled for them, which would cost more than the pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from .. import _core
from ..datasets.dataset import Dataset
from ..formula.expression import Expression
from .grid import cached_blocks
from .quadrature import channel_points

__all__ = ["Factors", "factor_energies"]

FloatArray = npt.NDArray[np.float64]

Factors = Mapping[str, Expression]
"""Measure ("x@0.3", "css", "cos", see `fastsfes.energies.quadrature.channel_key`) -> factor without parameters."""


def factor_energies(
    candidates: Sequence[Factors],
    dataset: Dataset,
    species: Sequence[str],
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> FloatArray:
    """Semilocal energies in hartree on the grid that each density was made on, (candidates, species).

    Equal to those of `fastsfes.energies.evaluate.grid_energies` to rounding.

    Args:
        candidates: their factors; measures that a candidate does not name contribute nothing.
        dataset: where the densities are.
        species: names.
        progress: called with (name, number done, number of species) after every species.
    """
    programs = {key: _Program(key, candidates) for key in dict.fromkeys(k for c in candidates for k in c)}
    out = np.zeros((len(candidates), len(species)))
    for column, name in enumerate(species):
        for block in cached_blocks(dataset, name):
            for key, program in programs.items():
                for weights, features in channel_points(key, program.features, block):
                    program.add(out[:, column], weights, features)
        if progress is not None:
            progress(name, column + 1, len(species))
    return out


class _Program:
    """The factors of one measure, evaluated together."""

    def __init__(self, key: str, candidates: Sequence[Factors]) -> None:
        self.rows = [row for row, c in enumerate(candidates) if key in c]
        self.program = _core.Program([candidates[row][key]._handle for row in self.rows])
        self.features = tuple(self.program.features)

    def add(self, energies: FloatArray, weights: FloatArray, features: FloatArray) -> None:
        """Add the integrals over some points to the energies of all candidates."""
        if len(weights):
            sums = self.program.segment_sums(list(features), [], weights, [0, len(weights)], threads=1)
            energies[self.rows] += np.asarray(sums)[:, 0]
