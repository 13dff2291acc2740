"""``fastsfes dataset list``, ``match`` and ``fold``: which datasets there are, and small ones from large ones."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..common.errors import FastsfesError, InputError
from ..common.files import check_output
from ..datasets.adopt import adopt_densities
from ..datasets.dataset import Dataset
from ..datasets.matching import TOLERANCE
from ..datasets.model import SPLITS
from ..datasets.packaged import PACKAGED
from ..datasets.places import find_dataset, user_datasets, user_folder
from ..datasets.readers import is_source, read_folder
from ..energies.quadrature import FOLDED_NODES, fold_dataset, list_quadratures, worst_error

#: Ambiguous matches that are listed before they are only counted.
_LISTED = 20


def add_actions(actions: Any) -> None:
    """Register the three among the actions of ``fastsfes dataset``."""
    listing = actions.add_parser(
        "list", help="list the packaged datasets and those in your own folder (FASTSFES_DATA), and what each can do"
    )
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(handler=run_list)

    match = actions.add_parser("match", help="take densities of other datasets for the same geometries")
    match.add_argument("source", help="a folder in a known layout, the archive of GSCDB138, or a dataset file")
    match.add_argument(
        "--densities",
        action="append",
        required=True,
        metavar="FILE.h5",
        help="a dataset file with densities; can be repeated, and the first of equally near ones is taken",
    )
    match.add_argument("--output", required=True, type=Path, metavar="FILE.h5", help="dataset file to write")
    match.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        metavar="ANGSTROM",
        help=f"largest difference of a distance between two atoms (default {TOLERANCE:g})",
    )
    match.set_defaults(handler=run_match)

    fold = actions.add_parser(
        "fold", help="write a dataset file for searches alone: energies and quadrature, a few kilobytes per species"
    )
    fold.add_argument("dataset", help="a dataset file with densities and a quadrature")
    fold.add_argument("--output", required=True, type=Path, metavar="FILE.h5", help="dataset file to write")
    fold.add_argument("--name", default="", help="name of the new dataset (default: that of the old one)")
    fold.add_argument(
        "--nodes", type=int, default=FOLDED_NODES, metavar="N", help=f"nodes per channel (default {FOLDED_NODES})"
    )
    fold.add_argument("--fine", metavar="NAME", help="a second quadrature, made with --like, for grid sensitivity")
    fold.add_argument(
        "--sealed", action="store_true", help="only final reports may read the test split, and readings are counted"
    )
    fold.set_defaults(handler=run_fold)


def run_list(arguments: argparse.Namespace) -> int:
    """``fastsfes dataset list``: 0."""
    rows = [_describe(name, path, "package") for name, path in PACKAGED.items()]
    rows += [_describe(name, path, str(user_folder())) for name, path in user_datasets().items()]
    print(json.dumps(rows, indent=1) if arguments.json else format_list(rows))
    return 0


def run_match(arguments: argparse.Namespace) -> int:
    """``fastsfes dataset match``: 0."""
    check_output(arguments.output, read=map(_file, [arguments.source, *arguments.densities]))
    source = Path(arguments.source)
    contents = read_folder(source) if is_source(source) else Dataset.open(arguments.source).contents
    found = adopt_densities(contents, arguments.densities, arguments.output, tolerance=arguments.tolerance)
    for name, reason in list(found.ambiguous.items())[:_LISTED]:
        print(f"ambiguous: {name}: {reason}")
    if len(found.ambiguous) > _LISTED:
        print(f"and {len(found.ambiguous) - _LISTED} more that are ambiguous")
    print(
        f"{arguments.output}: {len(found.matches)} species matched to {found.distinct} densities, "
        f"{found.reactions} of {len(contents.reactions)} reactions can be evaluated, {len(found.ambiguous)} ambiguous"
    )
    return 0


def run_fold(arguments: argparse.Namespace) -> int:
    """``fastsfes dataset fold``: 0."""
    check_output(arguments.output, read=[_file(arguments.dataset)])
    if arguments.nodes < 10:
        raise InputError(f"--nodes {arguments.nodes} must be at least 10")
    dataset = Dataset.open(arguments.dataset)
    made = fold_dataset(
        dataset, arguments.output, name=arguments.name, nodes=arguments.nodes, fine=arguments.fine,
        sealed=arguments.sealed,
    )  # fmt: skip
    for quadrature in made:
        for key, rule in quadrature.channels.items():
            levels = ", ".join(f"{len(rule.level(n))} {n} {worst_error(rule, n):.1e}" for n in rule.levels)
            print(f"quadrature {quadrature.name}, channel {key}: nodes and largest error in kcal/mol: {levels}")
    size = arguments.output.stat().st_size
    print(f"{arguments.output}: {len(made[0].species)} species in {size / 1e6:.1f} MB")
    return 0


def _file(name: str) -> Path | str:
    """The file of a dataset that is called by its name, else the file that the name is."""
    return find_dataset(name) or name


def _describe(name: str, path: Path, where: str) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "where": where, "file": str(path)}
    try:
        dataset = Dataset.open(path)
        available = dataset.info().subsets
        quadratures = list_quadratures(path)
    except (FastsfesError, OSError) as error:
        return {**row, "problem": str(error)}
    return {
        **row,
        "bytes": path.stat().st_size,
        "splits": {split: sum(s.available for s in available if s.split == split) for split in SPLITS},
        "species": len(dataset.density_names),
        "licence": dataset.contents.licence,
        "sealed": dataset.is_sealed,
        "test_readings": dataset.test_readings,
        "search": "default" in quadratures,
        "grid_sensitivity": "fine" in quadratures,
        "grid_check": dataset.has_densities,
        "scf": bool(dataset.species),
    }


def format_list(rows: list[dict[str, Any]]) -> str:
    """Lay out the datasets as a table."""
    header = (
        "name",
        "train",
        "validation",
        "test",
        "species",
        "MB",
        "search",
        "grid term",
        "grid check",
        "SCF",
        "licence",
    )
    table = [header]
    notes = []
    for row in rows:
        if "problem" in row:
            notes.append(f"{row['name']}: {row['problem']}")
            continue
        yes = ["yes" if row[key] else "no" for key in ("search", "grid_sensitivity", "grid_check", "scf")]
        counts = [str(row["splits"][split]) for split in SPLITS]
        size = f"{row['bytes'] / 1e6:.1f}"
        table.append((row["name"], *counts, str(row["species"]), size, *yes, row["licence"]))
        if row["sealed"]:
            notes.append(f"{row['name']}: the test split is sealed; it has been read {row['test_readings']} times")
    widths = [max(len(line[k]) for line in table) for k in range(len(header))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in table]
    return "\n".join([*lines, *notes, f"your own folder: {user_folder()} (FASTSFES_DATA)"])
