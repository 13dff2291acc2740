"""Reader of MGCDB84 (10.1080/00268976.2017.1333644) as ACCDB publishes it (10.1002/jcc.25761).

A folder holds ``DatasetEval.csv`` (reaction, coefficients and species, reference in hartree); ``Geometries/*.xyz``
stand there or, in ACCDB's own tree, in a folder above. Types and splits of the subsets come from ``subsets.json``
beside the table or, when it is absent, from the copy in this package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ..common.errors import InputError
from ..common.reading import parse_json, read_text
from .csvtable import EvalRow, eval_table, read_eval_csv
from .model import HARTREE_TO_KCAL, SPLITS, DatasetContents, Reaction, Species
from .packaged import DATA
from .weights import apply_weights
from .xyz import read_xyz

#: Subsets that are divided into a multireference part and the rest.
DIVIDED = ("TAE140", "BDE99", "HAT707")

#: Reactions whose first species counts as multireference (division after 10.1016/j.cplett.2011.05.007).
_MULTIREFERENCE_ROWS = ("TAE140_115", "TAE140_121", *(f"TAE140_{n}" for n in range(127, 141)))

#: Left out, as in the weighting that is followed here.
_DROPPED = {"XB51_15": "not part of the weighted set that this follows"}


def read_mgcdb84(folder: Path | str) -> DatasetContents:
    """Read MGCDB84 from a folder with ``DatasetEval.csv`` and ``Geometries``.

    Species whose geometry is absent or unreadable are listed in ``missing`` with the reason; their
    reactions are kept, since weights depend on the whole subset. References are in kcal/mol.
    """
    folder = Path(folder)
    table = eval_table(folder)
    rows = read_eval_csv(table)
    where = subset_table(folder)
    multireference = multireference_species(rows)
    reactions: list[Reaction] = []
    dropped: dict[str, str] = {}
    for row in rows:
        if row.name in _DROPPED:
            dropped[row.name] = _DROPPED[row.name]
            continue
        subset = subset_of(row, multireference)
        if subset not in where:
            raise InputError(
                f"{table}, line {row.line}: subset {subset!r} of reaction {row.name!r} is not in the table "
                f"of subsets; add it to subsets.json"
            )
        data_type, split = where[subset]
        reactions.append(
            Reaction(row.name, subset, data_type, split, 0.0, row.coefficients, row.reference * HARTREE_TO_KCAL)
        )
    weighted = apply_weights(reactions)
    names = sorted({name for reaction in weighted for name in reaction.coefficients})
    species, missing = read_geometries(geometry_folder(folder), names)
    return DatasetContents(
        name="mgcdb84",
        species=species,
        reactions=weighted,
        missing=missing,
        provenance=(
            "MGCDB84: Mardirossian and Head-Gordon, Mol. Phys. 115, 2315 (2017), "
            "10.1080/00268976.2017.1333644; as collected in ACCDB, 10.1002/jcc.25761"
        ),
        dropped=dropped,
    )


def is_mgcdb84(folder: Path) -> bool:
    """Whether every subset of the table of reactions belongs to MGCDB84."""
    known = set(subset_table(folder))
    known.update(DIVIDED)
    return all(re.sub(r"_\d+$", "", row.name) in known for row in read_eval_csv(eval_table(folder)))


def subset_table(folder: Path) -> dict[str, tuple[str, str]]:
    """Subset -> (data type, split), from ``subsets.json`` in the folder or from the package."""
    path = folder / "subsets.json"
    if path.exists():
        text, source = read_text(path, "the table of subsets"), str(path)
    else:
        packaged = DATA / "mgcdb84_subsets.json"
        text, source = read_text(packaged, "the table of subsets"), packaged.name
    try:
        types = parse_json(text, source)["types"]
        table: dict[str, tuple[str, str]] = {}
        for data_type, splits in types.items():
            for split, subsets in splits.items():
                if split not in SPLITS:
                    raise InputError(f"{source}: split {split!r} of type {data_type!r} is none of {', '.join(SPLITS)}")
                for subset in subsets:
                    table[subset] = (data_type, split)
    except (KeyError, AttributeError, TypeError) as error:
        raise InputError(
            f"{source}: expected JSON with 'types' -> data type -> split -> list of subsets ({error})"
        ) from error
    return table


def multireference_species(rows: list[EvalRow]) -> frozenset[str]:
    """First species of the reactions that mark the multireference part."""
    return frozenset(row.order[0] for row in rows if row.name in _MULTIREFERENCE_ROWS)


def subset_of(row: EvalRow, multireference: frozenset[str]) -> str:
    """Subset of a reaction: its name without the running number, divided where the database divides it."""
    subset = re.sub(r"_\d+$", "", row.name)
    if subset in DIVIDED:
        subset += "MR" if multireference.intersection(row.coefficients) else "nonMR"
    return subset


def geometry_folder(folder: Path) -> Path:
    """``Geometries`` of a database: in its folder or, as in ACCDB's own tree, in one above."""
    resolved = folder.resolve()
    for candidate in (resolved, *resolved.parents[:3]):
        if (candidate / "Geometries").is_dir():
            return candidate / "Geometries"
    return folder / "Geometries"


def geometry_path(folder: Path, name: str) -> Path | None:
    """File of a species: its own name, or with "=" and "." turned into "_"."""
    for stem in (name, re.sub(r"[=.]", "_", name)):
        path = folder / f"{stem}.xyz"
        if path.exists():
            return path
    return None


def read_geometries(folder: Path, names: list[str]) -> tuple[Mapping[str, Species], Mapping[str, str]]:
    """Read the geometries of the named species; returns (species, reasons for those absent)."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected the XYZ files of the species")
    species: dict[str, Species] = {}
    missing: dict[str, str] = {}
    for name in names:
        path = geometry_path(folder, name)
        if path is None:
            missing[name] = f"no file {name}.xyz in {folder.name}"
            continue
        try:
            species[name] = read_xyz(path, name)
        except InputError as error:
            missing[name] = str(error)
    return species, missing
