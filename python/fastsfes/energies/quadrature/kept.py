"""Measures of species kept in a work folder, so that a build that was ended goes on where it was.

One small file per species and integration grid, named by a hash of everything that determines it: the orbitals, the
molecule, the node grids and the expressions measured. A file that is absent or damaged is made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from ...common.errors import FastsfesError
from ...common.reading import DAMAGE
from ...common.reading.hdf5 import attributes, child, open_file, read
from ...densities.hdf5 import write_array, write_atomically
from ...densities.record import DensityRecord, GridRecord
from .measure import SparseRow, SpeciesMeasure, measure_species, measured
from .nodes import NodeGrid

__all__ = ["kept_measure"]

_VERSION = 1


def kept_measure(
    folder: Path | None,
    record: DensityRecord | GridRecord,
    grids: Mapping[str, Sequence[NodeGrid]],
    integration_grid: str | None = None,
) -> SpeciesMeasure:
    """`measure_species`, or what the folder holds of it; without a folder nothing is kept.

    Args:
        folder: the work folder; made when absent.
        record, grids, integration_grid: as for `measure_species`.

    Returns:
        The measure, bit for bit the same whether it was made or found.
    """
    if folder is None:
        return measure_species(record, grids, integration_grid)
    path = folder / f"{_key(record, grids, integration_grid)}.h5"
    if path.exists():
        try:
            return _read(path, grids)
        except (FastsfesError, *DAMAGE):
            pass  # made again
    measure = measure_species(record, grids, integration_grid)
    write_atomically(path, lambda file: _write(file, measure))
    return measure


def _key(
    record: DensityRecord | GridRecord, grids: Mapping[str, Sequence[NodeGrid]], integration_grid: str | None
) -> str:
    where = integration_grid or str(record.attributes["grid"])
    plan = {
        key: [[grid.to_list() for grid in some], [(t, str(e)) for t, e in measured(key, some[0].features)]]
        for key, some in grids.items()
    }
    digest = hashlib.sha256(json.dumps([_VERSION, record.mole, where, plan]).encode())
    for name in ("mo_coeff", "mo_occ", "weights", "rho", "sigma", "tau"):
        if name in record.arrays:
            digest.update(np.ascontiguousarray(record.arrays[name]).tobytes())
    return digest.hexdigest()[:24]


def _write(file: h5py.File, measure: SpeciesMeasure) -> None:
    file.attrs["points"] = measure.points
    for key, rows in measure.rows.items():
        group = file.create_group(key)
        group.attrs["outside"] = measure.outside[key]
        write_array(group, "truth", measure.truth[key])
        for k, row in enumerate(rows):
            write_array(group, f"index{k}", row.index)
            write_array(group, f"values{k}", row.values)


def _read(path: Path, grids: Mapping[str, Sequence[NodeGrid]]) -> SpeciesMeasure:
    with open_file(path) as file:
        groups = {key: child(file, key) for key in grids}
        rows = {
            key: [SparseRow(read(groups[key], f"index{k}"), read(groups[key], f"values{k}")) for k in range(len(some))]
            for key, some in grids.items()
        }
        truth = {key: read(group, "truth") for key, group in groups.items()}
        outside = {key: int(attributes(group)["outside"]) for key, group in groups.items()}
        return SpeciesMeasure(rows, truth, outside, int(attributes(file)["points"]))
