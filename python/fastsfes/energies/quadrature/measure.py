"""One species: its weights on node grids, and the energies of the measured expressions on its integration grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ... import _core
from ...densities.record import DensityRecord, GridRecord
from ...formula.features import channel_features
from ..grid import GridBlock, grid_blocks
from .nodes import NodeGrid, parse_channel_key
from .panel import Labelled, measured_expressions

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SparseRow:
    """The nonzero node weights of one species: positions in the tensor grid and values in hartree."""

    index: npt.NDArray[np.int64]
    values: FloatArray


@dataclass(frozen=True)
class SpeciesMeasure:
    """What one pass over the grid points of a species yields.

    Attributes:
        rows: measure -> one row per node grid asked for.
        truth: measure -> energies in hartree of the measured expressions on the integration grid.
        outside: measure -> number of weighted points beyond the bounds, on the first grid.
        points: weighted points of the integration grid.
    """

    rows: dict[str, list[SparseRow]]
    truth: dict[str, FloatArray]
    outside: dict[str, int]
    points: int


def channel_points(key: str, features: Sequence[str], block: GridBlock) -> list[tuple[FloatArray, FloatArray]]:
    """Weights times prefactor (n,) and features (d, n) of a block, one pair per integral of the channel.

    Points without weight are left out. The two equal spins of a restricted density are one integral of double weight.
    """
    kind, omega, correlation = parse_channel_key(key)
    rho, sigma, tau = block.rho, block.sigma, block.tau
    if not block.polarised:
        rho, sigma, tau = 0.5 * np.stack([rho] * 2), 0.25 * np.stack([sigma] * 3), 0.5 * np.stack([tau] * 2)
    terms = channel_features(kind, features, rho, sigma, tau, omega=omega, correlation=correlation, threads=1)
    factor = 1.0
    if not block.polarised and len(terms) == 2:
        terms, factor = terms[:1], 2.0
    out = []
    for prefactor, values in terms:
        weights = factor * block.weights * prefactor
        keep = weights != 0.0
        out.append((weights[keep], np.ascontiguousarray(values[:, keep])))
    return out


def measure_species(
    record: DensityRecord | GridRecord, grids: Mapping[str, Sequence[NodeGrid]], integration_grid: str | None = None
) -> SpeciesMeasure:
    """Move a density onto node grids; ``grids`` holds for each measure the grids, all with the same features."""
    dense = {key: [np.zeros(_nodes(grid).size) for grid in some] for key, some in grids.items()}
    truth = {key: np.zeros(len(measured(key, some[0].features))) for key, some in grids.items()}
    outside = dict.fromkeys(grids, 0)
    points = 0
    for block in grid_blocks(record, integration_grid):
        points += len(block)
        for key, some in grids.items():
            features = some[0].features
            for weights, values in channel_points(key, features, block):
                if not len(weights):
                    continue
                coordinates = np.ascontiguousarray(values.T)
                for k, grid in enumerate(some):
                    moved, beyond = _nodes(grid).scatter(coordinates, weights[None, :])
                    dense[key][k] += moved[0]
                    outside[key] += beyond if k == 0 else 0
                truth[key] += integrals(measured(key, features), features, weights, values)
    rows = {key: [SparseRow(np.flatnonzero(row), row[row != 0.0]) for row in some] for key, some in dense.items()}
    return SpeciesMeasure(rows, truth, outside, points)


def integrals(
    expressions: Sequence[Labelled], features: Sequence[str], weights: FloatArray, values: FloatArray
) -> FloatArray:
    """Sums over points of weights times each expression, (expressions,)."""
    program = _program(tuple(expressions))
    arrays = [values[list(features).index(name)] for name in program.features]
    sums = program.segment_sums(arrays, [], weights, [0, len(weights)], threads=1)
    return np.asarray(sums[:, 0])


@lru_cache(maxsize=32)
def _nodes(grid: NodeGrid) -> _core.TensorNodes:
    return grid.core()


@lru_cache(maxsize=64)
def measured(key: str, features: tuple[str, ...]) -> tuple[Labelled, ...]:
    """What a channel is measured on, see `measured_expressions`."""
    return tuple(measured_expressions(parse_channel_key(key)[0], features))


@lru_cache(maxsize=64)
def _program(expressions: tuple[Labelled, ...]) -> _core.Program:
    return _core.Program([expression._handle for _, expression in expressions])
