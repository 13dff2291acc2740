"""What a build gathers from the species, without keeping their node weights in memory.

A species puts weights on some ten thousand nodes of each tensor grid; for large datasets that is many gigabytes. Rows
go to a file as they come, matrices are mapped from files. These files have no name, so nothing is left behind by a
build that is killed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from .measure import SpeciesMeasure
from .nodes import NodeGrid

FloatArray = npt.NDArray[np.float64]

#: A node on which no species puts this much energy (hartree) is dropped.
_INACTIVE = 1e-12

#: Weights are rounded to multiples of this (hartree), far below what they are known to; it halves the file.
_QUANTUM = 2.0**-43


class Measures:
    """The measures of all species, appended one by one in the order of the rows; a context manager.

    Attributes:
        truth: measure -> energies in hartree of the measured expressions, one array per species.
        outside: measure -> number of weighted points beyond the bounds, one per species.
    """

    def __init__(self, grids: Mapping[str, Sequence[NodeGrid]], folder: Path) -> None:
        self.truth: dict[str, list[FloatArray]] = {key: [] for key in grids}
        self.outside: dict[str, list[int]] = {key: [] for key in grids}
        self._folder = folder if os.access(folder, os.W_OK) else None
        self._largest = {(key, k): np.zeros(g.core().size) for key, some in grids.items() for k, g in enumerate(some)}
        self._place: dict[tuple[str, int], list[tuple[int, int]]] = {which: [] for which in self._largest}
        self._file = self._open()

    def __len__(self) -> int:
        """Number of species so far."""
        return len(next(iter(self.outside.values())))

    def __enter__(self) -> Measures:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def append(self, measure: SpeciesMeasure) -> None:
        """Take in the next species."""
        for key, rows in measure.rows.items():
            self.truth[key].append(measure.truth[key])
            self.outside[key].append(measure.outside[key])
            for position, row in enumerate(rows):
                largest = self._largest[key, position]
                largest[row.index] = np.maximum(largest[row.index], np.abs(row.values))
                self._place[key, position].append((self._file.seek(0, os.SEEK_END), len(row.index)))
                self._file.write(row.index.astype(np.int64).tobytes())
                self._file.write(row.values.tobytes())

    def active(self, key: str, position: int) -> npt.NDArray[np.int64]:
        """Nodes of a grid on which a species puts energy."""
        return np.flatnonzero(self._largest[key, position] > _INACTIVE)

    def matrix(self, key: str, position: int, nodes: npt.NDArray[np.int64]) -> FloatArray:
        """Weights of all species on some nodes of a grid, (species, nodes), rounded; mapped from a file."""
        matrix = self._map((len(self), len(nodes)))
        dense = np.zeros(len(self._largest[key, position]))
        for line, (start, count) in zip(matrix, self._place[key, position], strict=True):
            self._file.seek(start)
            data = self._file.read(16 * count)
            index = np.frombuffer(data, dtype=np.int64, count=count)
            dense[index] = np.frombuffer(data, dtype=np.float64, offset=8 * count)
            line[:] = quantise(dense[nodes])
            dense[index] = 0.0
        return matrix

    def _map(self, shape: tuple[int, int]) -> FloatArray:
        if 0 in shape:
            return np.zeros(shape)
        with self._open() as file:
            return np.asarray(np.memmap(file, dtype=np.float64, mode="w+", shape=shape))

    def _open(self) -> IO[bytes]:
        return tempfile.TemporaryFile(dir=self._folder)


def quantise(values: FloatArray) -> FloatArray:
    """Round weights to multiples of 2^-43 hartree (7e-11 kcal/mol): the low bits hold only rounding noise."""
    return np.asarray(np.round(values / _QUANTUM) * _QUANTUM)
