"""Reader of ACCDB's DatasetEval.csv: reaction, coefficient and species pairs, reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..common.errors import InputError
from ..common.reading import csv_rows, read_text
from .model import check_name
from .xyz import parse_number


@dataclass(frozen=True)
class EvalRow:
    """One line of the table; ``reference`` in the table's own unit, ``order`` as written."""

    line: int
    name: str
    coefficients: Mapping[str, float]
    order: tuple[str, ...]
    reference: float


def eval_table(folder: Path) -> Path:
    """The table of a database: ``DatasetEval.csv``, or the only ``DatasetEval*.csv`` of the folder."""
    plain = folder / "DatasetEval.csv"
    others = sorted(folder.glob("DatasetEval*.csv"))
    return others[0] if len(others) == 1 and not plain.exists() else plain


def read_eval_csv(path: Path) -> list[EvalRow]:
    """Read all reactions; carriage returns, blank lines and blank cells at the end are accepted."""
    text = read_text(path, "a table of reactions, coefficients, species and references")
    rows: list[EvalRow] = []
    seen: dict[str, int] = {}
    for number, cells in csv_rows(text, str(path)):
        cells = [cell.strip() for cell in cells]
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            continue
        where = f"{path}, line {number}"
        if len(cells) < 4 or len(cells) % 2:
            raise InputError(f"{where}: {len(cells)} cells; expected name, pairs of coefficient and species, reference")
        name = cells[0]
        if not name:
            raise InputError(f"{where}: the reaction has no name")
        if name in seen:
            raise InputError(f"{where}: reaction {name!r} already stands on line {seen[name]}; rename one")
        seen[name] = number
        coefficients: dict[str, float] = {}
        order: list[str] = []
        for coefficient, species in zip(cells[1:-1:2], cells[2:-1:2], strict=True):
            check_name(species, f"{where}: species")
            value = parse_number(coefficient, where, f"the coefficient of {species!r}")
            coefficients[species] = coefficients.get(species, 0.0) + value
            order.append(species)
        reference = parse_number(cells[-1], where, f"the reference energy of {name!r}")
        rows.append(EvalRow(number, name, coefficients, tuple(order), reference))
    if not rows:
        raise InputError(f"{path}: holds no reactions")
    return rows
