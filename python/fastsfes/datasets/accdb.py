"""Reader of ACCDB databases other than MGCDB84 (10.1002/jcc.25761): DatasetEval.csv and XYZ files."""

from __future__ import annotations

import re
from pathlib import Path

from ..common.errors import InputError
from .balance import check_energies
from .csvtable import eval_table, read_eval_csv
from .mgcdb84 import geometry_folder, read_geometries, subset_table
from .model import HARTREE_TO_KCAL, DatasetContents, Reaction


def read_accdb(folder: Path | str) -> DatasetContents:
    """Read one ACCDB database.

    ``folder`` holds ``DatasetEval.csv``, or ``DatasetEval.NAME.csv`` (references in hartree); the geometries are in
    ``Geometries`` there or in a folder above, as in ACCDB's own tree. Types and splits come from ``subsets.json`` when
    there is one (layout as for MGCDB84); else every subset is its own type and all reactions are "test", since a
    published benchmark says nothing about training. All weights are 1. A table of another property (dipole moments) is
    refused.
    """
    folder = Path(folder)
    table = eval_table(folder)
    rows = read_eval_csv(table)
    where = subset_table(folder) if (folder / "subsets.json").exists() else {}
    reactions = []
    for row in rows:
        subset = re.sub(r"_\d+$", "", row.name)
        if where and subset not in where:
            raise InputError(f"{folder / 'subsets.json'}: lacks subset {subset!r} of reaction {row.name!r}; add it")
        data_type, split = where.get(subset, (subset, "test"))
        reactions.append(
            Reaction(row.name, subset, data_type, split, 1.0, row.coefficients, row.reference * HARTREE_TO_KCAL)
        )
    names = sorted({name for reaction in reactions for name in reaction.coefficients})
    species, missing = read_geometries(geometry_folder(folder), names)
    check_energies(reactions, species, str(table))
    return DatasetContents(
        name=folder.resolve().name.lower(),
        species=species,
        reactions=tuple(reactions),
        missing=missing,
        provenance="ACCDB: Morgante and Peverati, J. Comput. Chem. 40, 839 (2019), 10.1002/jcc.25761",
    )
