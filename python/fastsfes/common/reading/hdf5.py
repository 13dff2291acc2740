"""Parts of HDF5 files that may come from strangers.

HDF5 can point out of the file (external links, external storage, virtual datasets), unpack a few bytes to gigabytes,
and ask for filters that are loaded from shared libraries. `child`, `read` and `attributes` follow and read none of it.
"""

from __future__ import annotations

import mmap
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

__all__ = ["attributes", "child", "open_file", "read", "read_text"]

MOST = 2**31
"""Bytes of one array that are read at most."""

_FREE = 64 * 2**20
_RATIO = 300
"""An array may have `_FREE` bytes, and beyond that `_RATIO` times the bytes that are stored; matrices of quadratures
have 2 times, sparse ones 20 times as many."""

_ATTRIBUTE = 2**20
"""Bytes of one attribute at most."""

_HEAP = b"GCOL\x01"

_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}


@contextmanager
def open_file(path: Path | str) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Raises:
        OSError: when it is no HDF5 file, or one whose heaps are damaged.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is not a regular file")
    _check_heaps(Path(path), status.st_ino, status.st_mtime_ns, status.st_size)
    with h5py.File(path, "r") as file:
        yield file


@lru_cache(maxsize=64)
def _check_heaps(path: Path, inode: int, changed: int, size: int) -> None:
    """Walk the global heaps, where texts of variable length are: HDF5 1.14 never comes back from one whose objects do
    not end. Layout: HDF5 file format specification 3.0, III.E.
    """
    if size == 0:
        return
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(_HEAP)
        while at >= 0:
            length = int.from_bytes(data[at + 8 : at + 16], "little")
            end = at + length
            if length >= 4096 and end <= size:
                place = at + 16
                while place + 16 <= end:
                    index, needed = struct.unpack_from("<H6xQ", data, place)
                    if index > 0:
                        needed = 16 + (needed + 7) // 8 * 8
                    if needed < 16 or place + needed > end:
                        raise OSError(f"the heap at byte {at} is damaged")
                    place += needed
            at = data.find(_HEAP, at + 1)


def child(group: Any, path: str) -> Any:
    """The group or dataset at this path.

    Raises:
        KeyError: when it is absent.
        RuntimeError: when it, or anything on the way, is not a hard link, or when a group is expected and is none.
    """
    for name in path.split("/"):
        if not isinstance(group, h5py.Group):
            raise RuntimeError(f"{group.name} is not a group")
        link = group.get(name, getlink=True)
        if link is None:
            raise KeyError(f"{name} is absent from {group.name}")
        if not isinstance(link, h5py.HardLink):
            raise RuntimeError(f"{name} in {group.name} is a link to another place, which is not followed")
        group = group[name]
    return group


def read(group: Any, path: str) -> npt.NDArray[Any]:
    """The values of the dataset at this path.

    Raises:
        KeyError, OSError, RuntimeError: when it is absent, damaged, stored outside the file, or unpacks to far more
            than is stored.
    """
    dataset = child(group, path)
    if not isinstance(dataset, h5py.Dataset):
        raise RuntimeError(f"{path} is not a dataset")
    if dataset.is_virtual or dataset.external:
        raise RuntimeError(f"{path} is stored in another file, which is not followed")
    _check_type(dataset.dtype, path)
    properties = dataset.id.get_create_plist()
    for k in range(properties.get_nfilters()):
        if properties.get_filter(k)[0] not in _FILTERS:
            raise RuntimeError(f"{path} is packed with a filter that is not used here")
    size = dataset.dtype.itemsize * int(np.prod(dataset.shape or (), dtype=object))
    chunk = dataset.dtype.itemsize * int(np.prod(dataset.chunks or (), dtype=object))
    allowed = min(MOST, _FREE + _RATIO * int(dataset.id.get_storage_size()))
    if max(size, chunk) > allowed:
        raise RuntimeError(f"{path} unpacks to {max(size, chunk)} bytes, more than the {allowed} that are plausible")
    return np.asarray(dataset[()])


def attributes(group: Any) -> dict[str, Any]:
    """The attributes of a group or file, as numbers and texts of Python; arrays as they are.

    Raises:
        OSError, RuntimeError: when one is damaged, of a type that is not used here, or larger than `_ATTRIBUTE`.
    """
    found = {}
    for name in group.attrs:
        attribute = group.attrs.get_id(name)
        _check_type(attribute.dtype, f"attribute {name}")
        if attribute.dtype.itemsize * int(np.prod(attribute.shape or (), dtype=object)) > _ATTRIBUTE:
            raise RuntimeError(f"attribute {name} is too large")
        found[name] = _plain(group.attrs[name])
    return found


def _check_type(dtype: np.dtype[Any], where: str) -> None:
    """Numbers and texts only: HDF5 takes a damaged type of variable length for another one, and dies of it."""
    if not (dtype.kind in "biufS" or (dtype.kind == "O" and h5py.check_string_dtype(dtype) is not None)):
        raise RuntimeError(f"{where} has a type that is not used here")


def read_text(group: Any, path: str) -> str:
    """Text that is stored as bytes (uint8) or as one string."""
    values = read(group, path)
    if values.dtype.kind in "OS" and values.ndim == 0:
        value: Any = values[()]
        return value.decode("utf-8") if isinstance(value, bytes) else str(value)
    if values.dtype != np.uint8:
        raise RuntimeError(f"{path} is {values.dtype}, not text")
    return bytes(values).decode("utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return value.item() if isinstance(value, np.generic) else value
