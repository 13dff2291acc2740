"""Parts of HDF5 files that may come from strangers.

HDF5 can point out of the file (external links, external storage, virtual datasets), unpack a few bytes to gigabytes,
and ask for filters that are loaded from shared libraries. `child`, `read` and `attributes` follow and read none of it.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5z

from .vlen import check_attributes, check_values

__all__ = ["attributes", "check_tree", "child", "open_file", "read", "read_text"]

MOST = 2**31
"""Bytes of one array that are read at most."""

_FREE = 64 * 2**20
_RATIO = 300
"""An array may have `_FREE` bytes, and beyond that `_RATIO` times the bytes that are stored; matrices of quadratures
have 2 times, sparse ones 20 times as many."""

_ATTRIBUTE = 2**20
"""Bytes of one attribute at most."""

_FILTERS = {h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32}


@contextmanager
def open_file(path: Path | str) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Raises:
        OSError: when it is no HDF5 file.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError("it is not a regular file")
    with h5py.File(path, "r") as file:
        yield file


def child(group: Any, path: str) -> Any:
    """The group or dataset at this path.

    Raises:
        KeyError: when it is absent.
        RuntimeError: when it, or anything on the way, is not a hard link, when a group is expected and is none, or
            when it is neither a group nor a dataset.
    """
    found = _open(group.id, path)
    return h5py.Group(found) if isinstance(found, h5g.GroupID) else h5py.Dataset(found)


def _open(place: h5g.GroupID, path: str) -> h5g.GroupID | h5d.DatasetID:
    """As `child`, by HDF5's own handles: the many objects of a file are opened in a third of the time."""
    for name in path.split("/"):
        if not isinstance(place, h5g.GroupID):
            raise RuntimeError(f"what holds {name} is not a group")
        key = name.encode("utf-8", "surrogateescape")
        if not key or not place.links.exists(key):
            raise KeyError(f"{name} is absent")
        if place.links.get_info(key).type != h5l.TYPE_HARD:
            raise RuntimeError(f"{name} is a link to another place, which is not followed")
        place = h5o.open(place, key)
    if not isinstance(place, h5g.GroupID | h5d.DatasetID):
        raise RuntimeError(f"{path} is neither a group nor a dataset")
    return place


def read(group: Any, path: str) -> npt.NDArray[Any]:
    """The values of the dataset at this path.

    Raises:
        KeyError, OSError, RuntimeError: when it is absent, damaged, stored outside the file, or unpacks to far more
            than is stored.
    """
    dataset = _open(group.id, path)
    if not isinstance(dataset, h5d.DatasetID):
        raise RuntimeError(f"{path} is not a dataset")
    values = np.zeros(*_check_dataset(dataset, path))
    if values.size:
        dataset.read(h5s.ALL, h5s.ALL, values)
    return np.asarray(values[()])


def check_tree(file: h5py.File) -> None:
    """Check everything in a file as `read` and `attributes` do, before HDF5 copies or changes it.

    Raises:
        OSError, RuntimeError: see `read`.
    """
    seen, open_ = set(), [file]
    while open_:
        thing = open_.pop()
        address = h5o.get_info(thing.id).addr
        if address in seen:
            continue
        seen.add(address)
        attributes(thing)
        if isinstance(thing, h5py.Group):
            open_ += [child(thing, name) for name in thing]
        else:
            _check_dataset(thing.id, thing.name)


def _check_dataset(dataset: h5d.DatasetID, path: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of a dataset that may be read."""
    properties = dataset.get_create_plist()
    layout = properties.get_layout()
    if layout == h5d.VIRTUAL or properties.get_external_count():
        raise RuntimeError(f"{path} is stored in another file, which is not followed")
    for k in range(properties.get_nfilters()):
        if properties.get_filter(k)[0] not in _FILTERS:
            raise RuntimeError(f"{path} is packed with a filter that is not used here")
    dtype, space = dataset.dtype, dataset.get_space()
    _check_type(dtype, path)
    if space.get_simple_extent_type() == h5s.NULL:
        raise RuntimeError(f"{path} has no value")
    shape: tuple[int, ...] = space.get_simple_extent_dims()
    chunk = properties.get_chunk() if layout == h5d.CHUNKED else ()
    size = max(_bytes(dtype, shape, path), _bytes(dtype, chunk, path))
    stored = dataset.get_storage_size()
    allowed = min(MOST, _FREE + _RATIO * stored)
    if size > allowed:
        raise RuntimeError(f"{path} unpacks to {size} bytes, more than the {allowed} that are plausible")
    if chunk and dataset.chunk_iter(lambda found: None if found.size else True):  # HDF5 dies of unpacking nothing
        raise RuntimeError(f"{path} has a chunk without bytes")
    if dtype.kind == "O":
        check_values(dataset, math.prod(shape), path)
    return shape, dtype


def attributes(group: Any) -> dict[str, Any]:
    """The attributes of a group or file, as numbers and texts of Python; arrays as they are.

    Raises:
        OSError, RuntimeError: when one is damaged, of a type that is not used here, or larger than `_ATTRIBUTE`.
    """
    given, texts = [], {}
    for k in range(h5a.get_num_attrs(group.id)):
        attribute = h5a.open(group.id, index=k)
        name, dtype, shape = attribute.name, attribute.dtype, attribute.shape
        where = f"attribute {name!r}"
        _check_type(dtype, where)
        if _bytes(dtype, shape, where) > _ATTRIBUTE:
            raise RuntimeError(f"{where} is too large")
        if dtype.kind == "O":
            texts[name] = math.prod(shape)
        given.append((name.decode("utf-8", "surrogateescape"), attribute, np.zeros(shape, dtype)))
    if texts:
        check_attributes(group, texts)
    found = {}
    for name, attribute, values in given:
        attribute.read(values)
        found[name] = _plain(values)
    return found


def _plain(values: npt.NDArray[Any]) -> Any:
    if values.dtype.kind not in "OS":
        return values if values.ndim else values.item()
    texts = [text.decode("utf-8", "replace") for text in values.ravel()]
    return np.array(texts, dtype=object).reshape(values.shape) if values.ndim else texts[0]


def _bytes(dtype: np.dtype[Any], shape: tuple[int, ...] | None, where: str) -> int:
    if shape is None:
        raise RuntimeError(f"{where} has no value")
    return dtype.itemsize * math.prod(shape)


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
