"""Reader of GSCDB138 (arXiv:2508.13468, CC BY 4.0): the published archive (.tar.xz) or its unpacked folder.

Reactions, stoichiometry and sets are in Excel tables, geometries in ``xyz_files`` with charge, multiplicity, basis and
electric field on the second line. Rows that frozen densities cannot give are dropped with the reason.
"""

from __future__ import annotations

import io
import lzma
import re
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..common.errors import InputError
from ..common.reading import read_bytes
from .benchmark import BenchmarkReaction, Tables, read_tables
from .mgcdb84 import subset_table
from .model import HARTREE_TO_KCAL, DatasetContents, Reaction, Species
from .weights import apply_weights
from .xyz import atom_count, element, parse_number

__all__ = ["Archive", "is_gscdb138", "read_gscdb138", "split_of"]

PROVENANCE = (
    "GSCDB138: Liang and Head-Gordon, arXiv:2508.13468; rows with electric fields or vibrations left out, weights and "
    "splits added after MGCDB84 (10.1063/1.4952647)"
)

LICENCE = "CC BY 4.0"

_UNPACKED = 512 * 2**20
"""Bytes of an archive, unpacked, that are read at most; the published one has 40 MB."""

#: Types of GSCDB138 -> types of MGCDB84, which set the weights; for sets that MGCDB84 does not have.
_TYPES = {"BH": "BH", "I": "IE", "NC": "NCED", "TC": "TCE", "TM": "TCD"}

#: Sets of rare gases, whose weights are not compressed.
_RARE_GAS = {"RG10N", "RG18", "He3"}

_REFUSED = {
    "EF": "needs densities in an electric field, which the frozen ones are not",
    "F": "is a vibration: differences between geometries 0.01 angstrom apart, below what frozen densities resolve",
}

_HEADER = re.compile(r"(\w+)=(\{[^}]*\}|[^,]*)")


@dataclass(frozen=True)
class Header:
    """The second line of a geometry: charge, multiplicity, basis, and the electric field in its own notation."""

    charge: int
    multiplicity: int
    basis: str
    field: str


class Archive:
    """Files of a folder, or of a tar archive, by their path inside it; an archive is read once and kept in memory."""

    def __init__(self, source: Path | str) -> None:
        self.source = Path(source)
        self._files = None if self.source.is_dir() else _unpack(self.source)

    def __call__(self, name: str) -> bytes:
        """Content of a file; raises InputError when it is absent."""
        if self._files is None:
            return read_bytes(self.source / name, "a file of GSCDB138")
        if name not in self._files:
            raise InputError(f"{self.source}: holds no {name}; expected the archive of GSCDB138 as published")
        return self._files[name]

    def __contains__(self, name: str) -> bool:
        return (self.source / name).is_file() if self._files is None else name in self._files


def is_gscdb138(path: Path) -> bool:
    """Whether a folder, or a tar archive by its name, is GSCDB138."""
    if path.is_dir():
        return (path / "Info" / "DatasetEval.xlsx").is_file()
    return bool(re.search(r"\.tar(\.\w+)?$", path.name))


def read_gscdb138(source: Path | str, *, tables: Tables | None = None) -> DatasetContents:
    """Read GSCDB138.

    Args:
        source: the published archive or its unpacked folder.
        tables: its tables, when they were read before.

    Returns:
        Reactions with references in kcal/mol. Sets that MGCDB84 contains have its types, weights and splits, all
        others are "test". Rows in electric fields and vibrations are in ``dropped``.

    Raises:
        InputError: when a table is absent or damaged. Species with damaged geometries are in ``missing``.
    """
    archive = Archive(source)
    tables = tables or read_tables(archive)
    known = subset_table(archive.source)
    reactions, dropped = [], {}
    species: dict[str, Species] = {}
    missing: dict[str, str] = {}
    for row in tables.reactions:
        kind = tables.sets[row.set].kind
        fields = [] if kind in _REFUSED else [n for n in row.coefficients if _field(archive, n)]
        if kind in _REFUSED or fields:
            dropped[row.name] = _REFUSED[kind] if kind in _REFUSED else _REFUSED["EF"]
            continue
        reactions.append(_reaction(row, tables, known))
        for name in row.coefficients:
            if name not in species and name not in missing:
                try:
                    species[name] = read_geometry(archive, name)
                except InputError as error:
                    missing[name] = str(error)
    # Weights of what is trained on must not depend on what else there is.
    ours = [r for r in reactions if _mgcdb84(tables, r.subset, known)]
    others = [r for r in reactions if not _mgcdb84(tables, r.subset, known)]
    weighted = {r.name: r for part in (ours, others) for r in apply_weights(part)}
    return DatasetContents(
        name="gscdb138",
        species=species,
        reactions=tuple(weighted[r.name] for r in reactions),
        missing=missing,
        provenance=PROVENANCE,
        dropped=dropped,
        sources={name: _describe(tables, name) for name in sorted({r.subset for r in reactions})},
        licence=LICENCE,
    )


def split_of(tables: Tables, name: str, known: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """Data type and split of a set: MGCDB84's for those that it contains, else "test".

    ``known`` is MGCDB84's table, subset -> (type, split). A set made of subsets of several splits is "test", unless one
    of them has its name.
    """
    found = _mgcdb84(tables, name, known)
    if found is not None:
        return found
    return "RG10" if name in _RARE_GAS else _TYPES.get(tables.sets[name].kind, "TCE"), "test"


def _describe(tables: Tables, name: str) -> str:
    """What a set is, how its references were made, and what it was made from."""
    item = tables.sets[name]
    made = ", ".join(word for word in (item.theory, item.year) if word)
    origin = f"; from MGCDB84's {', '.join(item.mgcdb84)}" if item.mgcdb84 else ""
    return f"{item.description.rstrip(' .') or name}{f' ({made})' if made else ''}{origin}; GSCDB138, arXiv:2508.13468"


def _mgcdb84(tables: Tables, name: str, known: Mapping[str, tuple[str, str]]) -> tuple[str, str] | None:
    if name in known:
        return known[name]
    parts = [known[part] for part in tables.sets[name].mgcdb84 if part in known]
    return parts[0] if parts and len({split for _, split in parts}) == 1 else None


def _reaction(row: BenchmarkReaction, tables: Tables, known: Mapping[str, tuple[str, str]]) -> Reaction:
    data_type, split = split_of(tables, row.set, known)
    return Reaction(row.name, row.set, data_type, split, 0.0, row.coefficients, row.reference * HARTREE_TO_KCAL)


def read_header(line: str, where: str) -> Header:
    """Take apart the second line of a geometry: "charge=0, multiplicity=1, basis=..., multipole_field={...}, ..."."""
    words = {key.lower(): value.strip() for key, value in _HEADER.findall(line)}
    try:
        charge, multiplicity = int(words["charge"]), int(words["multiplicity"])
    except (KeyError, ValueError):
        raise InputError(f"{where}: {line[:80]!r} holds no charge=... and multiplicity=...") from None
    if multiplicity < 1:
        raise InputError(f"{where}: multiplicity {multiplicity} must be at least 1")
    return Header(charge, multiplicity, words.get("basis", ""), words.get("multipole_field", "{}").strip("{} "))


def read_geometry(archive: Archive, name: str) -> Species:
    """One species; atoms may be numbered ("H3")."""
    path = f"xyz_files/{name}.xyz"
    lines = _lines(archive, name)
    count = atom_count(lines[0].strip() if lines else "", f"{path}, line 1")
    header = read_header(lines[1] if len(lines) > 1 else "", f"{path}, line 2")
    body = [line.split() for line in lines[2:] if line.strip()]
    if len(body) != count:
        raise InputError(f"{path}: line 1 announces {count} atoms but {len(body)} atom lines follow")
    symbols, coordinates = [], np.empty((count, 3))
    for index, words in enumerate(body):
        where = f"{path}, line {index + 3}"
        if len(words) != 4:
            raise InputError(f"{where}: {' '.join(words)[:80]!r} is not an atom; expected symbol x y z in angstrom")
        symbols.append(element(words[0].rstrip("0123456789"), where))
        coordinates[index] = [parse_number(word, where, "a coordinate in angstrom") for word in words[1:]]
    return Species(name, tuple(symbols), coordinates, header.charge, header.multiplicity - 1)


def _field(archive: Archive, name: str) -> str:
    """Electric field of a geometry, "" when there is none, or no geometry."""
    lines = _lines(archive, name)
    found = re.search(r"multipole_field=\{([^}]*)\}", lines[1]) if len(lines) > 1 else None
    return found[1].strip() if found else ""


def _lines(archive: Archive, name: str) -> list[str]:
    path = f"xyz_files/{name}.xyz"
    if path not in archive:
        raise InputError(f"no file {path}")
    try:
        return archive(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text") from None


def _unpack(path: Path) -> dict[str, bytes]:
    """Regular files of a tar archive, whatever packs it; nothing is written to disk."""
    data = io.BytesIO(read_bytes(path, "the archive of GSCDB138 or its unpacked folder"))
    found: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(fileobj=data) as archive:
            for member in archive:
                total += member.size
                if total > _UNPACKED:
                    raise InputError(f"{path}: unpacks to more than {_UNPACKED // 2**20} MB, which GSCDB138 does not")
                file = archive.extractfile(member) if member.isreg() else None
                if file is not None:
                    found[member.name.removeprefix("./")] = file.read()
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a tar archive ({error or type(error).__name__})") from None
    # The files may stand in one folder, as in an archive of a repository.
    tops = {name.partition("/")[0] for name in found}
    if len(tops) == 1 and "Info/DatasetEval.xlsx" not in found:
        top = f"{tops.pop()}/"
        found = {name.removeprefix(top): content for name, content in found.items()}
    return found
