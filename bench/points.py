"""Grid points of real molecules: densities of MGCDB84 species, or of the packaged dataset when those are absent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fastsfes.common.errors import FastsfesError
from fastsfes.datasets import Dataset
from fastsfes.densities import DensityRecord
from fastsfes.densities.chkfile import chkfile_index, read_chkfile
from fastsfes.energies.grid import grid_blocks

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Points:
    """Densities of several molecules, one after the other; molecule m owns offsets[m]:offsets[m + 1].

    rho (n,), sigma (n,), tau (n,) of closed shells, or (2, n), (3, n), (2, n) of open shells; weights (n,).
    """

    source: str
    offsets: npt.NDArray[np.int64]
    weights: FloatArray
    rho: FloatArray
    sigma: FloatArray
    tau: FloatArray

    def __len__(self) -> int:
        """Number of points."""
        return int(self.weights.size)

    def head(self, count: int) -> Points:
        """The first `count` points; the last molecule may be cut."""
        count = min(count, len(self))
        offsets = np.append(self.offsets[self.offsets < count], count)
        arrays = (np.ascontiguousarray(a[..., :count]) for a in (self.weights, self.rho, self.sigma, self.tau))
        return Points(self.source, offsets, *arrays)


def load(count: int, *, polarised: bool) -> Points:
    """At least `count` points of whole molecules (fewer when the data have no more)."""
    source, records = _records()
    parts = []
    bounds = [0]
    for record in records:
        blocks = list(grid_blocks(record, "level 3"))
        if not blocks or blocks[0].polarised != polarised:
            continue
        parts.extend(blocks)
        bounds.append(bounds[-1] + sum(len(b) for b in blocks))
        if bounds[-1] >= count:
            break
    if not parts:
        raise FastsfesError(f"no {'open' if polarised else 'closed'}-shell densities found in {source}")
    joined = {
        name: np.ascontiguousarray(np.concatenate([getattr(b, name) for b in parts], axis=-1))
        for name in ("weights", "rho", "sigma", "tau")
    }
    return Points(f"{len(bounds) - 1} molecules of {source}", np.array(bounds), **joined)


def _records() -> tuple[str, Iterator[DensityRecord]]:
    shared = os.environ.get("FASTSFES_SHARED")
    folder = Path(shared if shared else "../shared") / "mgcdb84" / "densities"
    if folder.is_dir():
        # Every seventh species: a mixture of small and large molecules whatever their order.
        index = sorted(chkfile_index(folder).items())
        chosen = [index[i] for k in range(7) for i in range(k, len(index), 7)]
        return "MGCDB84", (read_chkfile(path, name) for name, path in chosen)
    dataset = Dataset.open("builtin")
    return "the packaged dataset", (dataset.density(name) for name in dataset.density_names)
