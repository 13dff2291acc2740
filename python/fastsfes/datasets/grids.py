"""Datasets from grid files: densities of other programs, and of solids, without orbitals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..common.errors import InputError
from ..densities.gridfile import counting_error, read_grid_file
from ..densities.record import GridRecord
from .model import Species, nuclear_charge
from .plain import read_plain
from .production import ImportResult
from .storage import NamedDensity, write_dataset

__all__ = ["import_grids"]


def import_grids(folder: Path | str, grids: Path | str, output: Path | str) -> ImportResult:
    """Make a dataset file from a table of reactions and a grid file.

    Args:
        folder: folder with ``reactions.csv``; geometries beside it are kept, but need not be there.
        grids: a grid file, see `fastsfes.densities.gridfile`.
        output: the dataset file to write.

    Returns:
        How many densities were taken, and which were refused and why; the others are taken all the same.
    """
    contents = read_plain(folder, geometries=False)
    needed = {name for reaction in contents.reactions for name in reaction.coefficients}
    refused: dict[str, str] = {}
    taken: list[str] = []

    def records() -> Iterator[NamedDensity]:
        for name, record in read_grid_file(grids):
            if name not in needed:
                refused[name] = f"{name!r} is in no reaction"
            elif not isinstance(record, GridRecord):
                refused[name] = str(record)
            elif (problem := _mismatch(contents.species.get(name), record)) is not None:
                refused[name] = f"{name!r}: {problem}"
            else:
                taken.append(name)
                yield [name], replace(record, attributes={**record.attributes, "name": name})

    write_dataset(output, contents, records())
    if not taken:
        reasons = "; ".join(list(refused.values())[:3]) or "it holds none"
        raise InputError(f"{grids}: no density could be taken: {reasons}")
    return ImportResult(len(taken), len(taken), refused)


def _mismatch(species: Species | None, record: GridRecord) -> str | None:
    """Why a density cannot belong to a geometry, or None."""
    given = record.attributes["charge"], record.attributes["spin"]
    if species is None:
        return None
    if given != (wanted := (species.charge, species.spin)):
        return f"charge and unpaired electrons are {given} in the grid file, {wanted} in the geometry"
    expected = sum(nuclear_charge(symbol) for symbol in species.symbols) - species.charge
    # Pseudopotentials stand for whole shells of a core.
    core = max(0, 2 * round((expected - record.electrons) / 2.0))
    if abs(expected - core - record.electrons) > counting_error(expected):
        return f"it holds {record.electrons:.2f} electrons, the geometry {expected}, less pairs that are a core's"
    return None
