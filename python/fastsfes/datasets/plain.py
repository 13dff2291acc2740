"""The plain layout for people's own data: reactions.csv and a folder of XYZ files.

``reactions.csv`` has a header line; its columns are

    name                      required, unique
    reaction                  required: pairs of coefficient and species, "-1 CH4; 1 C; 4 H"
    reference_kcal            the reference energy in kcal/mol, or reference_hartree in hartree
    split                     train, validation or test; train when absent
    subset, data_type         free words; "all" when absent
    weight                    weight of the squared error; 1 when absent

Geometries are ``geometries/NAME.xyz`` (angstrom, charge and multiplicity on line two). Lines that
start with # are comments. ``provenance.txt`` (optional) is kept with the data.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from ..common.errors import InputError
from ..common.files import make_parent, write_text
from ..common.reading import read_text
from .model import HARTREE_TO_KCAL, SPLITS, DatasetContents, Reaction, Species, check_name
from .xyz import parse_number, read_xyz, write_xyz

_COLUMNS = (
    "name",
    "reaction",
    "reference_kcal",
    "reference_hartree",
    "split",
    "subset",
    "data_type",
    "weight",
)


def read_plain(folder: Path | str, *, geometries: bool = True) -> DatasetContents:
    """Read a folder in the plain layout; a species whose XYZ file is absent or bad is an error.

    With `geometries` False, species without a file are named in ``missing``.
    """
    folder = Path(folder)
    table = folder / "reactions.csv"
    text = read_text(table, "a table of reactions with a header line")
    lines = [(n, line) for n, line in enumerate(text.splitlines(), start=1) if line.strip() and line.lstrip()[0] != "#"]
    if not lines:
        raise InputError(f"{table}: is empty; expected a header line with {', '.join(_COLUMNS[:3])}")
    header = [cell.strip().lower() for cell in _cells(lines[0][1], str(table))]
    _check_header(table, header)
    reactions = []
    for number, line in lines[1:]:
        where = f"{table}, line {number}"
        cells = [cell.strip() for cell in _cells(line, where)]
        while len(cells) > len(header) and not cells[-1]:
            cells.pop()
        if len(cells) != len(header):
            raise InputError(f"{where}: {len(cells)} cells; the header has {len(header)} columns")
        reactions.append(_reaction(dict(zip(header, cells, strict=True)), where))
    names = list(dict.fromkeys(name for reaction in reactions for name in reaction.coefficients))
    directory = next((folder / d for d in ("geometries", "Geometries") if (folder / d).is_dir()), None)
    if directory is None and geometries:
        raise InputError(f"{folder / 'geometries'}: no such folder; expected one XYZ file per species")
    present = names if geometries else [n for n in names if directory and (directory / f"{n}.xyz").is_file()]
    species = {name: read_xyz(Path(directory or folder) / f"{name}.xyz", name) for name in present}
    notes = folder / "provenance.txt"
    return DatasetContents(
        name=folder.resolve().name,
        species=species,
        reactions=tuple(reactions),
        missing={name: "it has no geometry, only grid data" for name in names if name not in species},
        provenance=read_text(notes, "a note on where the data come from").strip() if notes.exists() else "",
    )


def write_plain(folder: Path | str, contents: DatasetContents) -> None:
    """Write a dataset in the plain layout; `read_plain` reads it back unchanged."""
    folder = Path(folder)
    make_parent(folder / "geometries" / "any")
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["name", "subset", "data_type", "split", "weight", "reference_kcal", "reaction"])
    for r in contents.reactions:
        pairs = "; ".join(f"{value!r} {name}" for name, value in r.coefficients.items())
        writer.writerow([r.name, r.subset, r.data_type, r.split, repr(r.weight), repr(r.reference), pairs])
    write_text(folder / "reactions.csv", stream.getvalue())
    for species in contents.species.values():
        write_xyz(folder / "geometries" / f"{species.name}.xyz", species)
    if contents.provenance:
        write_text(folder / "provenance.txt", contents.provenance + "\n")


def parse_stoichiometry(text: str, where: str) -> dict[str, float]:
    """Parse "-1 CH4; 1 C; 4 H" into species and coefficients."""
    coefficients: dict[str, float] = {}
    for part in text.split(";"):
        words = part.split()
        if not words:
            continue
        if len(words) != 2:
            raise InputError(f"{where}: {part.strip()!r} is not a coefficient and a species, such as '-1 CH4'")
        check_name(words[1], f"{where}: species")
        if words[1] in coefficients:
            raise InputError(f"{where}: species {words[1]!r} stands twice in the reaction; add its coefficients")
        coefficients[words[1]] = parse_number(words[0], where, f"the coefficient of {words[1]!r}")
    if not coefficients:
        raise InputError(f"{where}: the reaction is empty; expected pairs such as '-1 CH4; 1 C; 4 H'")
    return coefficients


def _cells(line: str, where: str) -> list[str]:
    try:
        return next(csv.reader([line], skipinitialspace=True), [])
    except csv.Error as error:
        raise InputError(f"{where}: is not a line of a table ({error})") from None


def _check_header(table: Path, header: list[str]) -> None:
    unknown = [column for column in header if column not in _COLUMNS]
    if unknown:
        raise InputError(f"{table}: unknown column {unknown[0]!r}; known are {', '.join(_COLUMNS)}")
    if len(set(header)) != len(header):
        raise InputError(f"{table}: a column stands twice in the header {header}")
    for column in ("name", "reaction"):
        if column not in header:
            raise InputError(f"{table}: column {column!r} is missing from the header")
    if ("reference_kcal" in header) == ("reference_hartree" in header):
        raise InputError(f"{table}: the header needs exactly one of reference_kcal and reference_hartree")


def _reaction(row: dict[str, str], where: str) -> Reaction:
    if not row["name"]:
        raise InputError(f"{where}: the reaction has no name")
    unit = "reference_kcal" if "reference_kcal" in row else "reference_hartree"
    reference = parse_number(row[unit], where, f"{unit} of {row['name']!r}")
    split = row.get("split") or "train"
    if split not in SPLITS:
        raise InputError(f"{where}: split {split!r} is none of {', '.join(SPLITS)}")
    weight = parse_number(row["weight"], where, "a weight") if row.get("weight") else 1.0
    if weight < 0:
        raise InputError(f"{where}: weight {row['weight']!r} must not be negative")
    return Reaction(
        row["name"],
        row.get("subset") or "all",
        row.get("data_type") or "all",
        split,
        weight,
        parse_stoichiometry(row["reaction"], where),
        reference * (1.0 if unit == "reference_kcal" else HARTREE_TO_KCAL),
    )


__all__ = ["Species", "parse_stoichiometry", "read_plain", "write_plain"]
