"""The group /quadrature of a dataset file (docs/file-formats.md)."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from ..._core import __version__
from ...common.errors import FastsfesError, InputError
from ...common.reading import DAMAGE, damage, parse_json, short
from ...common.reading.hdf5 import attributes, child, read, read_text
from ...datasets.dataset import Dataset
from ...datasets.packaged import PACKAGED
from ...datasets.storage import open_dataset_file, update_dataset
from ...densities.hdf5 import RecordError, write_array
from .nodes import NodeGrid
from .rule import LEVELS, ChannelRule, FloatArray, NodeSet, Rules

VERSION = 2

_Kind = TypeVar("_Kind", bound=Rules)


def save_quadrature(path: Path | str, quadrature: Rules) -> None:
    """Store a quadrature in a dataset file, replacing one of the same name; the file is swapped atomically."""

    def change(file: h5py.File) -> None:
        parent = file.require_group("quadrature")
        if quadrature.name in parent:
            del parent[quadrature.name]
        _write(parent.create_group(quadrature.name), quadrature)

    update_dataset(path, change)
    _read.cache_clear()


def load_rules(kind: type[_Kind], dataset: Dataset, name: str = "default", *, options: str = "") -> _Kind:
    """Read a stored quadrature as a `kind` of rules; it is kept in memory until the file changes.

    `options` says how it would be made, for the error where it is not there.
    """
    if dataset.path is None:
        raise InputError(f"dataset {dataset.name!r} was not opened from a dataset file and has no quadrature")
    path = Path(dataset.path).resolve()
    status = path.stat()
    try:
        found = _read(path, name, status.st_mtime_ns, status.st_ino)
    except _MissingError as error:
        words = ["fastsfes dataset quadrature", _typed(path), "" if name == "default" else f"--name {name}", options]
        raise InputError(f"{error}; make it with: {' '.join(w for w in words if w)}") from None
    return kind(**vars(found))


def _typed(path: Path) -> str:
    """What to type for a dataset: the name of a packaged one, else the file."""
    return next((name for name, file in PACKAGED.items() if file == path), str(path))


def list_quadratures(path: Path | str) -> list[str]:
    """Names of the quadratures in a dataset file."""
    with open_dataset_file(path) as file, damage(f"{path}: /quadrature", "make the file again"):
        return sorted(child(file, "quadrature")) if "quadrature" in file else []


def _write(group: h5py.Group, quadrature: Rules) -> None:
    group.attrs["version"] = VERSION
    group.attrs["created_by"] = f"fastsfes {__version__}"
    group.attrs["integration_grid"] = quadrature.integration_grid
    group.attrs["tolerance"] = quadrature.tolerance
    group.attrs["channels"] = json.dumps(list(quadrature.channels))
    write_array(group, "species", _text(json.dumps(list(quadrature.species))))
    for key, rule in quadrature.channels.items():
        part = group.create_group(key)
        part.attrs["axes"] = json.dumps(rule.grid.to_list())
        write_array(part, "outside", rule.outside)
        for level, nodes in rule.levels.items():
            inside = part.create_group(level)
            write_array(inside, "nodes", nodes.nodes)
            _write_matrix(inside, nodes.matrix)
            labels = list(rule.errors[level])
            write_array(inside, "labels", _text(json.dumps(labels)))
            write_array(inside, "errors", np.array([rule.errors[level][x] for x in labels], dtype=np.float32))


def _write_matrix(group: h5py.Group, matrix: FloatArray) -> None:
    """Weights as integers of a power of two where they are that, as rounded ones are: an eighth less to store."""
    mantissa, exponent = np.frexp(matrix)
    digits = np.rint(np.ldexp(mantissa, 53)).astype(np.int64)
    lowest = digits & -digits  # the last bit that is set
    last = exponent - 53 + np.log2(np.where(lowest > 0, lowest, 2.0**53)).astype(np.int64)
    unit = float(np.ldexp(1.0, int(last[matrix != 0.0].min(initial=0))))
    if np.abs(matrix).max(initial=0.0) / unit < 2.0**62:
        write_array(group, "matrix", np.ascontiguousarray(np.rint(matrix.T / unit).astype(np.int64)))
        group["matrix"].attrs["unit"] = unit
    else:
        write_array(group, "matrix", matrix)


def _read_matrix(group: h5py.Group, level: str) -> FloatArray:
    matrix = read(group, f"{level}/matrix")
    if np.issubdtype(matrix.dtype, np.integer):
        matrix = matrix.T * float(attributes(child(child(group, level), "matrix"))["unit"])
    return np.ascontiguousarray(matrix, dtype=np.float64)


def _text(text: str) -> Any:
    return np.frombuffer(text.encode("utf-8"), dtype=np.uint8)


class _MissingError(InputError):
    """The file has no quadrature of this name."""


@lru_cache(maxsize=4)
def _read(path: Path, name: str, changed: int, inode: int) -> Rules:
    where = f'{path}: quadrature "{name}"'
    with open_dataset_file(path) as file:
        with damage(where, "build it again with 'fastsfes dataset quadrature'"):
            parent = child(file, "quadrature") if "quadrature" in file else {}
            known = ", ".join(sorted(parent)) or "none"
        if name not in parent:
            raise _MissingError(f"{where} is not there (the file has: {known})")
        try:
            group = child(parent, name)
            given = attributes(group)
            version = int(given["version"])
            if version > VERSION:
                raise RecordError(f"{where} has version {version}, this fastsfes reads {VERSION}; update fastsfes")
            species = tuple(str(x) for x in parse_json(read_text(group, "species"), where))
            channels = {
                str(key): _read_rule(child(group, str(key)), str(key), len(species), where)
                for key in parse_json(str(given["channels"]), where)
            }
            return Rules(name, species, str(given["integration_grid"]), float(given["tolerance"]), channels)
        except FastsfesError:
            raise
        except DAMAGE as error:
            raise RecordError(
                f"{where} is damaged ({short(error)}); build it again with 'fastsfes dataset quadrature'"
            ) from error


def _read_rule(group: h5py.Group, key: str, species: int, where: str) -> ChannelRule:
    grid = NodeGrid.from_list(parse_json(str(attributes(group)["axes"]), where), f"{where}, channel {key}")
    levels, errors = {}, {}
    for level in LEVELS:
        if level not in group:
            continue
        nodes = np.ascontiguousarray(read(group, f"{level}/nodes"), dtype=np.float64)
        matrix = _read_matrix(group, level)
        labels = parse_json(read_text(group, f"{level}/labels"), where)
        table = np.asarray(read(group, f"{level}/errors"), dtype=np.float64)
        if (
            nodes.shape != (matrix.shape[1], len(grid.axes))
            or matrix.shape[0] != species
            or table.shape != (len(labels), species)
            or not np.all(np.isfinite(matrix))
            or not np.all(np.isfinite(nodes))
        ):
            raise RecordError(
                f"{where}, channel {key}, level {level}: arrays of shapes {nodes.shape}, {matrix.shape}, {table.shape} "
                f"do not fit {species} species or hold NaN; build it again with 'fastsfes dataset quadrature'"
            )
        levels[level] = NodeSet(key, grid.features, nodes, matrix)
        errors[level] = dict(zip(labels, table, strict=True))
    if "full" not in levels:
        raise RecordError(
            f"{where}, channel {key} has no full nodes; build it again with 'fastsfes dataset quadrature'"
        )
    return ChannelRule(key, grid, levels, errors, np.asarray(read(group, "outside"), dtype=np.int64))
