"""The tables of GSCDB138 (arXiv:2508.13468, CC BY 4.0): reactions, sets, standard errors, steps and weights.

They come from the published archive, or from the copy of them that the package carries, so that energies can be scored
without the archive. Energies stay in hartree, as published.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from ..common.errors import InputError
from ..common.reading import parse_json, read_bytes
from ..common.reading.xlsx import Row, read_xlsx
from .model import check_name
from .packaged import DATA
from .xyz import parse_number

__all__ = [
    "PACKAGED_TABLES",
    "BenchmarkReaction",
    "BenchmarkSet",
    "Tables",
    "packaged_tables",
    "read_tables",
    "write_tables",
]

PACKAGED_TABLES = DATA / "gscdb138.json.gz"
"""The copy of the tables that the package carries; written by `write_tables`."""

#: Finite-difference steps that the published analysis sets for whole sets, atomic units of the field.
_SET_STEPS = {"Dip146": 1e-4, "HR46": 4e-3, "T144": 4e-3}


@dataclass(frozen=True)
class BenchmarkReaction:
    """One row of the benchmark: its set, its reference in hartree, and the coefficient of every species."""

    name: str
    set: str
    reference: float
    coefficients: Mapping[str, float]
    #: Finite-difference step; 0 where the row is an energy.
    step: float = 0.0
    #: Weight in the metric of its set; 0 where the set's metric is no weighted sum.
    weight: float = 0.0


@dataclass(frozen=True)
class BenchmarkSet:
    """One set: what it is, and the standard error that its metric is compared with.

    ``kind`` is BH, EF, F, I, NC, TC or TM, ``data_type`` its long name. ``standard_error`` is in the unit of the set's
    metric, NaN where none is published. ``residue`` is added to a weighted metric. ``mgcdb84`` and ``gmtkn55`` name the
    sets of those collections that it was made from.
    """

    name: str
    kind: str
    data_type: str
    description: str
    theory: str
    year: str
    mgcdb84: tuple[str, ...]
    gmtkn55: tuple[str, ...]
    standard_error: float
    residue: float = 0.0


#: Sheets of published errors, in the order of `Tables.published`.
STATISTICS = ("RMSE", "MAE", "Metric", "MSE")


@dataclass(frozen=True)
class Tables:
    """All rows, in the published order, all sets by name, and the published errors.

    ``published`` maps method -> set -> RMSE, MAE, metric and mean signed error in the set's unit.
    """

    reactions: tuple[BenchmarkReaction, ...]
    sets: Mapping[str, BenchmarkSet]
    published: Mapping[str, Mapping[str, Sequence[float]]]


def read_tables(read: Callable[[str], bytes]) -> Tables:
    """Tables of the published archive; `read` gives the content of a file by its path in the archive.

    Raises:
        InputError: when a table is absent or damaged.
    """

    def rows(name: str, *columns: str, sheet: str | None = None) -> list[tuple[str, ...]]:
        table = read_xlsx(read(f"Info/{name}"), name, sheet)
        return _columns(table, name, columns)

    steps = {
        key: parse_number(value, "FD_stepsize.xlsx", f"the step of {key!r}")
        for key, value in rows("FD_stepsize.xlsx", "Index", "fd step")
        if key and value
    }
    weights, residues = {}, {}
    for key, name, text in rows("DatasetEval.xlsx", "Reaction", "Dataset", "Weight", sheet="TMC34"):
        value = parse_number(text, "DatasetEval.xlsx", f"the weight of {key!r}")
        if key.endswith("_residule"):
            residues[name] = value
        else:
            weights[key] = value
    standard = {
        key: parse_number(value, "Standard_errors.xlsx", f"the standard error of {key!r}")
        for key, value in rows("Standard_errors.xlsx", "Dataset", "Metric")
    }
    reactions = []
    for key, name, reference, text in rows("DatasetEval.xlsx", "Reaction", "Dataset", "Reference", "Stoichiometry"):
        where = f"DatasetEval.xlsx, reaction {key!r}"
        reactions.append(
            BenchmarkReaction(
                key,
                name,
                parse_number(reference, where, "a reference in hartree"),
                _stoichiometry(text, where),
                steps.get(key, _SET_STEPS.get(name, 0.0)),
                weights.get(key, 0.0),
            )
        )
    used = {reaction.set for reaction in reactions}
    wanted = ("Name", "Datatype_Short", "Datatype", "Description", "Theory level", "year for last update")
    sets = {
        name: BenchmarkSet(
            name, kind, long, description, theory, year, _names(mgcdb84), _names(gmtkn55),
            standard.get(name, float("nan")), residues.get(name, 0.0),
        )
        for name, kind, long, description, theory, year, mgcdb84, gmtkn55 in rows(
            "Datasets.xlsx", *wanted, "MGCDB84", "GMTKN55"
        )
        if name
    }  # fmt: skip
    sets |= {name: BenchmarkSet(name, "", "", "", "", "", (), (), float("nan")) for name in used - sets.keys()}
    return Tables(tuple(reactions), sets, _published(read))


def write_tables(tables: Tables, path: Path) -> None:
    """Store the tables; the same tables give the same bytes."""
    document = {
        "source": "GSCDB138: Liang and Head-Gordon, arXiv:2508.13468, CC BY 4.0; tables as published, not changed",
        "reactions": [asdict(reaction) for reaction in tables.reactions],
        "sets": [asdict(item) for item in tables.sets.values()],
        "published": tables.published,
    }
    with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as file:
        file.write(json.dumps(document, separators=(",", ":")).encode())


@lru_cache(maxsize=1)
def packaged_tables() -> Tables:
    """The tables that the package carries."""
    document = parse_json(gzip.decompress(read_bytes(PACKAGED_TABLES, "the packaged tables")).decode(), "gscdb138")
    for item in document["sets"]:
        item["mgcdb84"], item["gmtkn55"] = tuple(item["mgcdb84"]), tuple(item["gmtkn55"])
    return Tables(
        tuple(BenchmarkReaction(**item) for item in document["reactions"]),
        {item["name"]: BenchmarkSet(**item) for item in document["sets"]},
        document["published"],
    )


def _published(read: Callable[[str], bytes]) -> dict[str, dict[str, list[float]]]:
    data = read("Analysis/Errors_per_set.xlsx")
    found: dict[str, dict[str, list[float]]] = {}
    for sheet in STATISTICS:
        where = f"Errors_per_set.xlsx, sheet {sheet}"
        header, *rows = read_xlsx(data, where, sheet)
        for row in rows:
            for method, cell in zip(header[2:], row[2:], strict=True):
                value = parse_number(cell, where, f"an error of {method} on {row[0]}")
                found.setdefault(method, {}).setdefault(row[0], []).append(value)
    return found


def _columns(table: list[Row], name: str, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The named columns of all rows below the header."""
    header = [cell.strip() for cell in table[0]] if table else []
    absent = [column for column in columns if column not in header]
    if absent:
        raise InputError(f"{name}: has no column {absent[0]!r}; it has {', '.join(header)}")
    places = [header.index(column) for column in columns]
    return [tuple(row[k].strip() if k < len(row) else "" for k in places) for row in table[1:]]


def _stoichiometry(text: str, where: str) -> dict[str, float]:
    words = [word.strip() for word in text.split(",")]
    if len(words) < 2 or len(words) % 2:
        raise InputError(f"{where}: {len(words)} words of stoichiometry; expected pairs of coefficient and species")
    found: dict[str, float] = {}
    for coefficient, name in zip(words[::2], words[1::2], strict=True):
        check_name(name, f"{where}: species")
        found[name] = found.get(name, 0.0) + parse_number(coefficient, where, f"the coefficient of {name!r}")
    return found


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in (part.strip() for part in text.split(",")) if re.fullmatch(r"[\w-]+", name))
