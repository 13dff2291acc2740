"""Energies of many candidates on integration grids in one pass.

Candidates of one frame share prefactors, features and, in one program, all common parts of their factors. Nothing is
compiled for them, which would cost more than the pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from .. import _core
from ..datasets.dataset import Dataset
from ..formula.expression import Expression
from .grid import GridBlock, cached_blocks, density_key, keep, kept
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
    again: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> FloatArray:
    """Semilocal energies in hartree on the grid that each density was made on, (candidates, species).

    Equal to those of `fastsfes.energies.evaluate.grid_energies` to rounding.

    Args:
        candidates: their factors; measures that a candidate does not name contribute nothing.
        dataset: where the densities are.
        species: names.
        again: whether these species will be asked for again and again, as in a search: prefactors and features, which
            cost ten times what a candidate does, are then kept in memory like the densities.
        progress: called with (name, number done, number of species) after every species.
    """
    programs = {key: _Program(key, candidates) for key in dict.fromkeys(k for c in candidates for k in c)}
    out = np.zeros((len(candidates), len(species)))
    for column, name in enumerate(species):
        sums = {key: np.zeros(len(program.rows)) for key, program in programs.items()}
        if again:
            for key, program in programs.items():
                for weights, features in _kept_points(key, program.features, dataset, name):
                    sums[key] += program.sums(weights, features)
        else:
            for block in cached_blocks(dataset, name):
                for key, program in programs.items():
                    for weights, values in channel_points(key, program.features, block):
                        sums[key] += program.sums(weights, list(values))
        for key, program in programs.items():
            out[program.rows, column] += sums[key]
        if progress is not None:
            progress(name, column + 1, len(species))
    return out


class _Program:
    """The factors of one measure, evaluated together."""

    def __init__(self, key: str, candidates: Sequence[Factors]) -> None:
        self.rows = [row for row, c in enumerate(candidates) if key in c]
        self.program = _core.Program([candidates[row][key]._handle for row in self.rows])
        self.features = tuple(self.program.features)

    def sums(self, weights: FloatArray, features: Sequence[FloatArray]) -> FloatArray:
        """The integrals over some points, (rows,)."""
        if not len(weights):
            return np.zeros(len(self.rows))
        sums = self.program.segment_sums(list(features), [], weights, [0, len(weights)], threads=1)
        return np.asarray(sums)[:, 0]


def _kept_points(
    key: str, names: Sequence[str], dataset: Dataset, species: str
) -> Iterable[tuple[FloatArray, list[FloatArray]]]:
    """`channel_points` of all blocks of a species; weights and features are computed once, if memory allows."""
    where = (*density_key(dataset, species), key)
    known: dict[str, list[FloatArray]] = kept(where) or {}
    missing = [name for name in names if name not in known]
    if missing or not known:
        blocks: Iterable[GridBlock] = cached_blocks(dataset, species)
        pieces = [piece for block in blocks for piece in channel_points(key, missing, block)]
        more = {name: [features[k] for _, features in pieces] for k, name in enumerate(missing)}
        known = {"": [weights for weights, _ in pieces], **known, **more}
        keep(where, known, sum(a.nbytes for arrays in known.values() for a in arrays))
    return [(weights, [known[name][k] for name in names]) for k, weights in enumerate(known[""])]
