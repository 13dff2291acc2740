"""Reading and writing one density record as an HDF5 group."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..common.errors import FastsfesError
from ..common.files import make_parent, written
from ..common.reading import damage
from ..common.reading.hdf5 import attributes as read_attributes
from ..common.reading.hdf5 import read, read_text
from .record import ENERGY_NAMES, DensityRecord, Energies, GridRecord

_ARRAYS = ("mo_coeff", "mo_occ", "mo_energy")

#: Bytes of an array that are compressed at once; HDF5 holds as much in memory.
_CHUNK = 2**24

#: Bytes of room beyond the arrays, for what HDF5 writes about them.
_MARGIN = 2**19


class RecordError(FastsfesError):
    """A stored record is damaged or incomplete; the message names file and record."""


def write_atomically(path: Path, fill: Callable[[h5py.File], None]) -> None:
    """Write an HDF5 file through a temporary file in the same folder, so that a kill leaves no half file."""
    make_parent(path)
    with written(path) as part, open_to_write(part, "w", libver=("earliest", "v112")) as file:
        fill(file)


@contextmanager
def open_to_write(path: Path, mode: str, **options: Any) -> Iterator[h5py.File]:
    """An HDF5 file for writing, with room on the disk (`_reserve`) for what `write_array` adds.

    HDF5 dies of a disk that is full when it writes (1.14), so that it must never meet one.

    Raises:
        OSError: when there is no room.
    """
    with open(path, "rb+") as stream:
        _reserve(stream.fileno(), os.fstat(stream.fileno()).st_size)
    with h5py.File(path, mode, **options) as file:
        _reserve_in(file, 0)
        yield file
        file.flush()
        size = file.id.get_filesize()
    if size < os.stat(path).st_size:
        os.truncate(path, size)


def _reserve_in(file: h5py.File, size: int) -> None:
    """Room for `size` bytes more."""
    _reserve(file.id.get_vfd_handle(), file.id.get_filesize() + size)


def _reserve(handle: int, end: int) -> None:
    end += _MARGIN
    if hasattr(os, "posix_fallocate") and os.fstat(handle).st_size < end:
        os.posix_fallocate(handle, 0, end)


def write_array(group: h5py.Group, name: str, values: Any) -> None:
    """Store an array compressed (shuffle, gzip) and with a checksum; tiny ones as they are."""
    array = np.asarray(values)
    _reserve_in(group.file, array.nbytes)
    if array.size < 64:
        group.create_dataset(name, data=array)
    else:
        group.create_dataset(
            name,
            data=array,
            chunks=(max(1, min(len(array), _CHUNK * len(array) // array.nbytes)), *array.shape[1:]),
            compression="gzip",
            compression_opts=4,
            shuffle=True,
            fletcher32=True,
        )


def write_record(group: h5py.Group, record: DensityRecord | GridRecord) -> None:
    """Store a density in a group; `read_record` and `read_source` return it bit for bit."""
    if record.mole:
        write_array(group, "mol", np.frombuffer(record.mole.encode("utf-8"), dtype=np.uint8))
    for name, array in record.arrays.items():
        write_array(group, name, array)
    for name in ENERGY_NAMES:
        group.attrs[name] = np.float64(getattr(record.energies, name))
    for name, value in record.attributes.items():
        group.attrs[name] = value


def read_source(group: h5py.Group, *, file: str, name: str) -> DensityRecord | GridRecord:
    """Read a density, or values on a grid; errors as `read_record`."""
    if "weights" not in group:
        return read_record(group, file=file, name=name)
    where = f"{file}: grid data of {name!r}"
    with damage(where, "import them again", RecordError):
        attributes = read_attributes(group)
        energies = Energies(**{key: float(attributes.pop(key)) for key in ENERGY_NAMES})
        arrays = {key: np.asarray(read(group, key), dtype=np.float64) for key in ("weights", "rho", "sigma", "tau")}
        record = GridRecord(**arrays, energies=energies, attributes=attributes)
    check_grid_record(record, where)
    return record


def check_grid_record(record: GridRecord, where: str) -> None:
    """Shapes that belong together, and finite values; raises RecordError."""
    count = record.weights.shape
    shapes = (record.rho.shape, record.sigma.shape, record.tau.shape)
    if len(count) != 1 or not count[0] or shapes not in ((count, count, count), tuple((k, *count) for k in (2, 3, 2))):
        raise RecordError(
            f"{where}: weights, rho, sigma and tau have shapes {count}, {', '.join(map(str, shapes))}; expected (n,) "
            f"each, or (n,), (2, n), (3, n), (2, n) for spin densities"
        )
    for key, array in record.arrays.items():
        if not np.all(np.isfinite(array)):
            raise RecordError(f"{where}: {key} holds NaN or infinity")
    negative = [key for key in ("rho", "tau") if np.any(record.arrays[key] < 0.0)]
    if negative or np.any((record.sigma if record.sigma.ndim == 1 else record.sigma[::2]) < 0.0):
        raise RecordError(f"{where}: {', '.join(negative) or 'sigma'} is negative somewhere; leave such points out")
    if not np.isfinite(record.energies.e_frozen):
        raise RecordError(f"{where}: the energy that does not change is NaN or infinite")


def read_record(group: h5py.Group, *, file: str, name: str) -> DensityRecord:
    """Read a density; raises RecordError with file and record when it is damaged."""
    where = f"{file}: density of {name!r}"
    with damage(where, "compute or import it again", RecordError):
        return _read_record(group, where)


def _read_record(group: h5py.Group, where: str) -> DensityRecord:
    mole = read_text(group, "mol")
    arrays = {key: read(group, key) for key in _ARRAYS}
    attributes = read_attributes(group)
    for key, array in arrays.items():
        if array.dtype != np.float64:
            raise RecordError(f"{where}: {key} is stored as {array.dtype}, expected float64; import it again")
        if not np.all(np.isfinite(array)):
            raise RecordError(f"{where}: {key} holds NaN or infinity; compute or import it again")
    absent = [key for key in (*ENERGY_NAMES, "converged", "charge", "spin") if key not in attributes]
    if absent:
        raise RecordError(f"{where} lacks {', '.join(absent)}; compute or import it again")
    energies = {key: float(attributes.pop(key)) for key in ENERGY_NAMES}
    if not all(np.isfinite(value) for value in energies.values()):
        raise RecordError(f"{where}: an energy is NaN or infinite; compute or import it again")
    coeff, occ = arrays["mo_coeff"], arrays["mo_occ"]
    if coeff.ndim != occ.ndim + 1 or coeff.shape[-1] != occ.shape[-1] or arrays["mo_energy"].shape != occ.shape:
        raise RecordError(
            f"{where}: shapes of mo_coeff {coeff.shape}, mo_occ {occ.shape} and mo_energy "
            f"{arrays['mo_energy'].shape} do not belong together; compute or import it again"
        )
    return DensityRecord(mole, coeff, occ, arrays["mo_energy"], Energies(**energies), attributes)
