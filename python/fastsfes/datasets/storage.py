"""The HDF5 dataset file: geometries, reactions and densities (docs/file-formats.md)."""

from __future__ import annotations

import errno
import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from .._core import __version__
from ..common.errors import FastsfesError, InputError
from ..common.files import beside, plain
from ..common.reading import DAMAGE, damage, parse_json, short
from ..common.reading.hdf5 import attributes as read_attributes
from ..common.reading.hdf5 import check_tree, child, open_file, read
from ..densities.hdf5 import RecordError, open_to_write, read_source, write_array, write_atomically, write_record
from ..densities.record import ENERGY_NAMES, DensityRecord, Energies, GridRecord
from .model import DatasetContents, Reaction, Species
from .packaged import DATA

FORMAT = "fastsfes-dataset"
VERSION = 1

#: Names that share one density, and the density.
NamedDensity = tuple[Sequence[str], DensityRecord | GridRecord]


@dataclass(frozen=True)
class DensitySummary:
    """What is known of a stored density without reading its orbitals."""

    energies: Energies
    converged: bool
    #: Name that identical species share: the alphabetically first of them.
    representative: str
    attributes: dict[str, Any]


def write_dataset(path: Path | str, contents: DatasetContents, densities: Iterable[NamedDensity] = ()) -> None:
    """Write a dataset file atomically; densities are streamed, one in memory at a time.

    A density given with several names is stored once and linked under the others.
    """

    def fill(file: h5py.File) -> None:
        _write_contents(file, contents)
        group = file.create_group("species")
        for names, record in densities:
            first, *others = sorted(names)
            write_record(group.create_group(first), record)
            for name in others:
                group[name] = group[first]

    write_atomically(Path(path), fill)


def write_folded(path: Path | str, contents: DatasetContents, summaries: Mapping[str, DensitySummary]) -> None:
    """Write a dataset file without densities, atomically: of every species its energies and how they were made."""
    names = [name for name, summary in summaries.items() if name in contents.species and summary.converged]
    first = list(dict.fromkeys(summaries[name].representative for name in names))

    def fill(file: h5py.File) -> None:
        _write_contents(file, replace(contents, folded=True))
        group = file.create_group("folded")
        _write_texts(group, "density", first)
        write_array(
            group, "energies", np.array([[getattr(summaries[n].energies, e) for e in ENERGY_NAMES] for n in first])
        )
        _write_texts(group, "attributes", [json.dumps(plain(summaries[n].attributes), sort_keys=True) for n in first])
        _write_texts(group, "name", names)
        write_array(group, "index", np.array([first.index(summaries[n].representative) for n in names], dtype=np.int32))

    write_atomically(Path(path), fill)


@contextmanager
def open_dataset_file(path: Path | str) -> Iterator[h5py.File]:
    """Open a dataset file for reading; anything else than such a file gets one clear sentence."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file; expected a dataset file (.h5) or a folder")
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open_file(path))
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES, errno.EPERM):
                why = "is not yours to read"
                if error.errno == errno.EAGAIN:
                    why = "is locked by a program that writes it; wait until that has closed it"
                raise InputError(f"{path}: {why}") from error
            raise InputError(
                f"{path}: not a readable HDF5 file (foreign or truncated); expected a dataset file of fastsfes"
            ) from error
        with damage(str(path), "make the file again"):
            given = read_attributes(file)
            kind, version = given.get("format"), given.get("version")
        if not isinstance(kind, str) or kind != FORMAT:
            raise InputError(
                f"{path}: an HDF5 file without the attribute format = {FORMAT!r}; "
                f"PySCF chkfiles are read by 'fastsfes dataset import'"
            )
        if not isinstance(version, int) or version < 1:
            raise InputError(f"{path}: format version {version!r} is not a positive integer; make the file again")
        if version > VERSION:
            raise InputError(
                f"{path}: format version {version} is newer than {VERSION}, the newest that this "
                f"fastsfes reads; update fastsfes"
            )
        with damage(str(path), "make the file again"):  # whatever is asked of the file, "in" too, reads it
            yield file


def read_contents(path: Path | str) -> DatasetContents:
    """Read geometries and reactions of a dataset file."""
    path = Path(path)
    with open_dataset_file(path) as file:
        species, missing = _read_geometries(_Table(path, file, "geometries"))
        reactions = _read_reactions(_Table(path, file, "reactions"))
        dropped = _read_pairs(_Table(path, file, "dropped"))
        given = read_attributes(file)
        return DatasetContents(
            name=str(given.get("name", path.stem)),
            species=species,
            reactions=reactions,
            missing=missing,
            provenance=str(given.get("provenance", "")),
            dropped=dropped,
            matches=_read_pairs(_Table(path, file, "matches")) if "matches" in file else {},
            sources=_read_pairs(_Table(path, file, "sources")) if "sources" in file else {},
            licence=str(given.get("licence", "")),
            sealed=bool(given.get("sealed", False)),
            folded="folded" in file,
        )


def read_summaries(path: Path | str) -> tuple[dict[str, DensitySummary], dict[str, str]]:
    """Energies and state of every stored density, and for damaged records the reason."""
    path = Path(path)
    summaries: dict[str, DensitySummary] = {}
    problems: dict[str, str] = {}
    with open_dataset_file(path) as file:
        if "folded" in file:
            return _read_folded(_Table(path, file, "folded")), {}
        try:
            group = child(file, "species")
            names = sorted(group)
        except DAMAGE as error:
            raise InputError(f"{path}: group /species is absent or damaged; make the file again") from error
        first_at: dict[Any, str] = {}
        for name in names:
            try:
                record = child(group, name)
                address = h5py.h5o.get_info(record.id).addr
                attributes = read_attributes(record)
                energies = Energies(**{key: float(attributes.pop(key)) for key in ENERGY_NAMES})
                converged = bool(attributes["converged"])
                parts = ("weights", "rho", "sigma", "tau"), ("mol", "mo_coeff", "mo_occ", "mo_energy")
                if not any(all(part in record for part in some) for some in parts):
                    raise KeyError("orbitals")
            except DAMAGE as error:
                problems[name] = f"{path}: density of {name!r} is damaged ({short(error)}); compute or import it again"
                continue
            representative = first_at.setdefault(address, name)
            summaries[name] = DensitySummary(energies, converged, representative, attributes)
    return summaries, problems


def _read_folded(table: _Table) -> dict[str, DensitySummary]:
    first, names, texts = table.texts("density"), table.texts("name"), table.texts("attributes")
    energies, index = table.numbers("energies"), table.numbers("index", np.int64)
    table.same_length(len(first), attributes=texts)
    table.same_length(len(names), index=index)
    if energies.shape != (len(first), len(ENERGY_NAMES)) or not np.all(np.isfinite(energies)):
        raise table.error("energies", f"has shape {energies.shape} or holds NaN, expected {len(first)} rows of numbers")
    if len(index) and (index.min() < 0 or index.max() >= len(first)):
        raise table.error("index", f"points outside the {len(first)} densities")
    found = []
    for name, row, text in zip(first, energies.tolist(), texts, strict=True):
        attributes = parse_json(text, f"attributes of {name!r}")
        if not isinstance(attributes, dict) or not {"xc", "converged"} <= attributes.keys():
            raise table.error("attributes", f"of {name!r} are not those of a density")
        values = Energies(**dict(zip(ENERGY_NAMES, row, strict=True)))
        found.append(DensitySummary(values, bool(attributes["converged"]), name, attributes))
    return {name: found[k] for name, k in sorted(zip(names, index.tolist(), strict=True))}


def read_density(path: Path | str, name: str) -> DensityRecord | GridRecord:
    """Read one density: its orbitals, or its values on a grid; raises RecordError when it is absent or damaged."""
    with open_dataset_file(path) as file:
        try:
            group = child(child(file, "species"), name)
        except DAMAGE as error:
            raise RecordError(f"{path}: no density of {name!r}; compute it with 'fastsfes dataset build'") from error
        return read_source(group, file=str(path), name=name)


def update_dataset(path: Path | str, change: Callable[[h5py.File], None]) -> None:
    """Change a dataset file through a copy that replaces it, so that a kill leaves the old file whole."""
    path = Path(path)
    if path.resolve().parent == DATA:
        raise InputError(f"{path}: belongs to the installed package, which is never changed; copy it first")
    with open_dataset_file(path) as file:
        check_tree(file)
    with beside(path) as copy:
        shutil.copyfile(path, copy)
        with open_to_write(copy, "r+") as file:
            change(file)
        # HDF5 does not give back the space of what was replaced; a copy object by object does.
        with h5py.File(copy, "r") as changed:
            write_atomically(path, lambda file: _copy_all(changed, file))


def _copy_all(source: h5py.File, target: h5py.File) -> None:
    """Copy everything; within a group, links that share an object go on sharing it."""
    for key, value in source.attrs.items():
        target.attrs[key] = value
    for name in source:
        source.copy(name, target)


class _Table:
    """A group of equally long columns; damage is reported with file, group and column."""

    def __init__(self, path: Path, file: h5py.File, group: str) -> None:
        self._where = f"{path}: /{group}"
        try:
            self._group = child(file, group)
        except DAMAGE as error:
            raise InputError(f"{self._where} is absent or damaged; make the file again") from error

    def numbers(self, column: str, dtype: type[np.generic] = np.float64) -> npt.NDArray[Any]:
        try:
            array = read(self._group, column)
        except DAMAGE as error:
            raise self.error(column, f"is absent or damaged ({short(error)})") from error
        if array.dtype.kind not in "iuf" or (dtype is np.float64 and array.dtype != np.float64):
            raise self.error(column, f"has type {array.dtype}, expected {np.dtype(dtype)}")
        return array.astype(dtype)

    def texts(self, column: str) -> list[str]:
        try:
            values = read(self._group, column)
            if values.dtype.kind != "S" or values.ndim != 1:
                raise TypeError("it is not a column of texts")
            return [value.decode("utf-8") for value in values.tolist()]
        except DAMAGE as error:
            raise self.error(column, f"is absent or damaged ({short(error)})") from error

    def slices(self, column: str, count: int, total: int) -> list[slice]:
        offsets = self.numbers(column, np.int64)
        if len(offsets) != count + 1 or offsets[0] != 0 or offsets[-1] != total or np.any(np.diff(offsets) < 0):
            raise self.error(column, f"does not divide {total} entries among {count} records")
        return [slice(int(a), int(b)) for a, b in itertools.pairwise(offsets)]

    def same_length(self, length: int, **columns: Sequence[Any] | npt.NDArray[Any]) -> None:
        for column, values in columns.items():
            if len(values) != length:
                raise self.error(column, f"has {len(values)} entries, expected {length}")

    def error(self, column: str, what: str) -> InputError:
        return InputError(f"{self._where}/{column} {what}; make the file again")


def _write_contents(file: h5py.File, contents: DatasetContents) -> None:
    """What files with and without densities have in common."""
    file.attrs["format"] = FORMAT
    file.attrs["version"] = VERSION
    for name in ("name", "provenance", "licence", "sealed"):
        file.attrs[name] = getattr(contents, name)
    file.attrs["created_by"] = f"fastsfes {__version__}"
    _write_geometries(file.create_group("geometries"), contents)
    _write_reactions(file.create_group("reactions"), contents.reactions)
    for name in ("dropped", "matches", "sources"):
        _write_pairs(file.create_group(name), getattr(contents, name))


def _write_texts(group: h5py.Group, column: str, values: Sequence[str]) -> None:
    encoded = [value.encode("utf-8") for value in values]
    width = max([1, *(len(value) for value in encoded)])
    array = np.array(encoded, dtype=h5py.string_dtype("utf-8", width))
    if len(values) < 8:
        group.create_dataset(column, data=array)
    else:
        group.create_dataset(column, data=array, chunks=True, compression="gzip", shuffle=True, fletcher32=True)


def _write_geometries(group: h5py.Group, contents: DatasetContents) -> None:
    names = [*contents.species, *(name for name in contents.missing if name not in contents.species)]
    found = [contents.species.get(name) for name in names]
    sizes = [len(species.symbols) if species else 0 for species in found]
    _write_texts(group, "name", names)
    _write_texts(group, "problem", [contents.missing.get(name, "") for name in names])
    write_array(group, "offset", np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))
    write_array(group, "charge", np.array([s.charge if s else 0 for s in found], dtype=np.int32))
    write_array(group, "spin", np.array([s.spin if s else 0 for s in found], dtype=np.int32))
    _write_texts(group, "symbol", [symbol for s in found if s for symbol in s.symbols])
    coordinates = [s.coordinates for s in found if s]
    write_array(group, "coordinates", np.concatenate(coordinates) if coordinates else np.zeros((0, 3)))


def _read_geometries(table: _Table) -> tuple[dict[str, Species], dict[str, str]]:
    names, problems = table.texts("name"), table.texts("problem")
    charge, spin = table.numbers("charge", np.int64), table.numbers("spin", np.int64)
    symbols, coordinates = table.texts("symbol"), table.numbers("coordinates")
    table.same_length(len(names), problem=problems, charge=charge, spin=spin)
    if coordinates.shape != (len(symbols), 3):
        raise table.error("coordinates", f"has shape {coordinates.shape}, expected ({len(symbols)}, 3)")
    species: dict[str, Species] = {}
    missing: dict[str, str] = {}
    for index, part in enumerate(table.slices("offset", len(names), len(symbols))):
        name = names[index]
        if part.stop == part.start:
            missing[name] = problems[index]
            continue
        # One damaged geometry must not cost the others.
        try:
            species[name] = Species(name, tuple(symbols[part]), coordinates[part], int(charge[index]), int(spin[index]))
        except FastsfesError as error:
            missing[name] = str(error)
    return species, missing


def _write_reactions(group: h5py.Group, reactions: Sequence[Reaction]) -> None:
    species = sorted({name for reaction in reactions for name in reaction.coefficients})
    position = {name: index for index, name in enumerate(species)}
    for column in ("name", "subset", "data_type", "split"):
        _write_texts(group, column, [getattr(reaction, column) for reaction in reactions])
    for column in ("weight", "reference"):
        write_array(group, column, np.array([getattr(reaction, column) for reaction in reactions], dtype=float))
    sizes = [len(reaction.coefficients) for reaction in reactions]
    write_array(group, "offset", np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))
    pairs = [pair for reaction in reactions for pair in reaction.coefficients.items()]
    _write_texts(group, "species", species)
    write_array(group, "species_index", np.array([position[name] for name, _ in pairs], dtype=np.int32))
    write_array(group, "coefficient", np.array([value for _, value in pairs], dtype=float))


def _read_reactions(table: _Table) -> tuple[Reaction, ...]:
    names, subsets, types, splits, species = (
        table.texts(column) for column in ("name", "subset", "data_type", "split", "species")
    )
    weight, reference, coefficient = (table.numbers(c) for c in ("weight", "reference", "coefficient"))
    index = table.numbers("species_index", np.int64)
    count = len(names)
    table.same_length(count, subset=subsets, data_type=types, split=splits, weight=weight, reference=reference)
    table.same_length(len(coefficient), species_index=index)
    if len(index) and (index.min() < 0 or index.max() >= len(species)):
        raise table.error("species_index", f"points outside the {len(species)} species")
    return tuple(
        Reaction(
            names[i],
            subsets[i],
            types[i],
            splits[i],
            float(weight[i]),
            {species[k]: float(c) for k, c in zip(index[part], coefficient[part], strict=True)},
            float(reference[i]),
        )
        for i, part in enumerate(table.slices("offset", count, len(coefficient)))
    )


def _write_pairs(group: h5py.Group, pairs: Any) -> None:
    _write_texts(group, "name", list(pairs))
    _write_texts(group, "reason", list(pairs.values()))


def _read_pairs(table: _Table) -> dict[str, str]:
    names, reasons = table.texts("name"), table.texts("reason")
    table.same_length(len(names), reason=reasons)
    return dict(zip(names, reasons, strict=True))
