"""Scores of a method on GSCDB138 from its energies of molecules, as the published analysis defines them.

Per set: errors in the set's own unit, a metric (mean absolute error unless the set says otherwise), and the metric over
the set's standard error (the mean of the second to fourth best hybrid functional; arXiv:2508.13468). Means over sets,
by type and in all, follow. WTMAD-2 (10.1039/C7CP04913G) and WTMAD-4 (arXiv:2509.23498) are over those sets that
GMTKN55 has too. Energies that are rounded too much for a set's finite differences do not score it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.errors import InputError
from ..common.files import plain
from ..common.reading import csv_rows, read_text
from ..datasets.benchmark import BenchmarkReaction, BenchmarkSet, Tables, packaged_tables
from ..datasets.xyz import parse_number

__all__ = ["Score", "SetScore", "published_scores", "read_energies", "score", "score_file"]

FloatArray = npt.NDArray[np.float64]

#: Constants of the published analysis; its figures come out with these alone.
_KCAL = 627.509
_DEBYE = 2.541746
_ANGSTROM = 0.529177

#: Mean absolute reference of GMTKN55's sets, kcal/mol: the scale of WTMAD-2.
_GMTKN55_MEAN = 56.84

#: Part of a set's standard error that the rounding of energies may make up.
_RESOLVED = 0.25

#: Weights of WTMAD-4 by GMTKN55 set, 1/(kcal/mol) (arXiv:2509.23498, from ten functionals with D3).
_WTMAD4 = {
    "AL2X6": 3.27, "ALK8": 1.30, "ALKBDE10": 1.06, "BH76RC": 2.55, "DC13": 0.78, "DIPCS10": 1.65, "FH51": 2.39,
    "G21EA": 2.15, "G21IP": 1.63, "G2RC": 1.12, "HEAVYSB11": 2.73, "NBPRC": 2.32, "PA26": 1.98, "RC21": 1.45,
    "SIE4X4": 0.469, "TAUT15": 5.80, "W4-11": 1.07, "YBDE18": 2.55, "BSR36": 2.03, "C60ISO": 1.19, "CDIE20": 5.75,
    "DARC": 1.44, "ISO34": 4.49, "ISOL24": 1.99, "MB16-43": 0.329, "PAREL": 5.51, "RSE43": 5.27, "BH76": 1.53,
    "BHDIV10": 1.66, "BHPERI": 2.29, "BHROT27": 11.0, "INV24": 4.41, "PX13": 1.18, "WCPT18": 1.77, "ADIM6": 36.8,
    "AHB21": 6.24, "CARBHB12": 5.50, "CHB6": 4.14, "HAL59": 9.63, "HEAVY28": 14.0, "IL16": 11.5, "PNICO23": 7.86,
    "RG18": 29.9, "S22": 13.5, "S66": 18.4, "WATER27": 1.43, "ACONF": 61.2, "AMINO20X4": 22.6, "BUT14DIOL": 30.0,
    "ICONF": 20.0, "IDISP": 2.50, "MCONF": 21.2, "PCONF21": 8.66, "PCONF": 8.66, "SCONF": 19.1, "UPU23": 10.1,
}  # fmt: skip


@dataclass(frozen=True)
class SetScore:
    """One set: errors in its unit, its metric, and ``ratio``, the metric over the standard error.

    ``reference`` is the mean absolute reference; ``kind`` and ``data_type`` are those of `BenchmarkSet`.
    """

    name: str
    kind: str
    data_type: str
    unit: str
    reactions: int
    mae: float
    rmse: float
    mse: float
    metric: float
    ratio: float
    reference: float
    gmtkn55: str


@dataclass(frozen=True)
class Score:
    """The scores of one method.

    Attributes:
        method: its name.
        sets: name -> score, in the published order; sets of which any energy is absent are not in it.
        incomplete: sets that could not be scored though some energies are there -> why.
        errors: reaction -> calculated minus reference value in the set's unit.
        unknown: names among the energies that no reaction has.
    """

    method: str
    sets: Mapping[str, SetScore]
    incomplete: Mapping[str, str]
    errors: Mapping[str, float]
    unknown: tuple[str, ...] = ()

    @cached_property
    def mean(self) -> float:
        """Mean over sets of the metric over the standard error; NaN when no set could be scored."""
        return _mean([s.ratio for s in self._counted()])

    @cached_property
    def by_type(self) -> Mapping[str, float]:
        """Type ("Barrier Height", ...) -> the same mean over its sets."""
        kinds = sorted({s.data_type for s in self._counted()})
        return MappingProxyType({k: _mean([s.ratio for s in self._counted() if s.data_type == k]) for k in kinds})

    @cached_property
    def wtmad2(self) -> float:
        """Sum over the sets that GMTKN55 has too of N_i/N (56.84 kcal/mol / mean reference) MAD_i, kcal/mol."""
        sets = [s for s in self._counted() if s.gmtkn55]
        if not sets:
            return math.nan
        return sum(s.reactions * s.mae * _GMTKN55_MEAN / s.reference for s in sets) / sum(s.reactions for s in sets)

    @cached_property
    def wtmad4(self) -> float:
        """Mean of weight times MAD over the sets that GMTKN55 has too, with its published weights (no unit)."""
        return _mean([_WTMAD4[s.gmtkn55] * s.mae for s in self._counted() if s.gmtkn55])

    def over(self, sets: Iterable[str]) -> Score:
        """The same score over some of the sets only, to compare methods that were not scored on the same ones."""
        chosen = set(sets)
        return replace(self, sets={name: s for name, s in self.sets.items() if name in chosen})

    def _counted(self) -> list[SetScore]:
        """Sets that count in means: those that have a standard error."""
        return [s for s in self.sets.values() if math.isfinite(s.ratio)]

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is not finite becomes None."""
        made = {
            "method": self.method,
            "mean": self.mean,
            "by_type": dict(self.by_type),
            "wtmad2": self.wtmad2,
            "wtmad4": self.wtmad4,
            "sets": [vars(s) for s in self.sets.values()],
            "incomplete": dict(self.incomplete),
            "unknown": list(self.unknown),
        }
        return dict(plain(made))

    def __repr__(self) -> str:
        return f"Score({self.method!r}: mean {self.mean:.3f} over {len(self._counted())} sets)"


def score(energies: Mapping[str, float] | Path | str, benchmark: str = "gscdb138", *, method: str = "") -> Score:
    """Score the energies of molecules.

    Args:
        energies: species -> total energy in hartree, with the benchmark's names; or a CSV file, see `read_energies`.
        benchmark: "gscdb138".
        method: name of the method; of a file with several columns, the one to score.

    Raises:
        InputError: unknown benchmark or column, energies that are not finite, or none of a reaction's species there.

    Example:
        >>> fs.score("energies.csv").by_type["Barrier Height"]
    """
    tables = _tables(benchmark)
    if isinstance(energies, (str, Path)):
        columns = read_energies(energies)
        chosen = method or (next(iter(columns)) if len(columns) == 1 else "")
        if chosen not in columns:
            named = f"no column {chosen!r}" if chosen else "several columns"
            raise InputError(f"{energies}: {named}; choose a method of {', '.join(columns)}")
        energies, method = columns[chosen], chosen
    return _score(tables, energies, method)


def score_file(path: Path | str, benchmark: str = "gscdb138") -> dict[str, Score]:
    """Score every column of a file, best first."""
    tables = _tables(benchmark)
    scores = [_score(tables, column, name) for name, column in read_energies(path).items()]
    return {s.method: s for s in sorted(scores, key=lambda s: (math.isnan(s.mean), s.mean))}


def read_energies(path: Path | str) -> dict[str, dict[str, float]]:
    """Method -> species -> energy in hartree, of a CSV file: a header with the methods, then species and energies.

    Empty cells are energies that are not there.
    """
    rows = [row for row in csv_rows(read_text(path, "a table of energies"), str(path)) if any(row[1])]
    methods = [cell.strip() for cell in rows[0][1][1:]] if rows else []
    if not methods or len(set(methods)) != len(methods) or not all(methods):
        raise InputError(f"{path}: line 1 does not name methods; expected a header such as 'species,my functional'")
    found: dict[str, dict[str, float]] = {name: {} for name in methods}
    for number, cells in rows[1:]:
        if len(cells) > len(methods) + 1:
            raise InputError(
                f"{path}, line {number}: {len(cells)} cells; expected a species and {len(methods)} energies"
            )
        name = cells[0].strip()
        for method, cell in zip(methods, cells[1:], strict=False):
            if not cell.strip():
                continue
            if name in found[method]:
                raise InputError(f"{path}, line {number}: species {name!r} occurs twice; remove one")
            found[method][name] = parse_number(cell.strip(), f"{path}, line {number}", "an energy in hartree")
    return found


def _tables(benchmark: str) -> Tables:
    if benchmark.lower() != "gscdb138":
        raise InputError(f"benchmark {benchmark!r} is unknown; there is gscdb138")
    return packaged_tables()


def published_scores(benchmark: str = "gscdb138") -> dict[str, Score]:
    """The published scores of 16 functionals, best first: from their published errors per set."""
    tables = _tables(benchmark)
    rows = _by_set(tables)
    found = []
    for method, errors in tables.published.items():
        sets = {}
        for name, members in rows.items():
            if name in errors:
                rmse, mae, metric, mse = errors[name]
                reference = _convert(name, np.array([r.reference for r in members]), members)
                sets[name] = _set_score(tables.sets[name], reference, mae, rmse, mse, metric)
        found.append(Score(method, sets, {}, {}))
    return {s.method: s for s in sorted(found, key=lambda s: s.mean)}


def _score(tables: Tables, energies: Mapping[str, float], method: str) -> Score:
    sets: dict[str, SetScore] = {}
    incomplete: dict[str, str] = {}
    errors: dict[str, float] = {}
    for name, members in _by_set(tables).items():
        there = sum(energies.keys() >= r.coefficients.keys() for r in members)
        if there < len(members):
            if there:
                incomplete[name] = f"{there} of {len(members)} reactions have energies"
            continue
        calculated = np.array([sum(c * energies[s] for s, c in r.coefficients.items()) for r in members])
        if not np.all(np.isfinite(calculated)):
            raise InputError(f"an energy of set {name} is NaN or infinite; leave out what is not known")
        kind = tables.sets[name]
        hartree = np.array([r.reference for r in members])
        reference = _convert(name, hartree, members)
        error = _convert(name, calculated, members) - reference
        errors |= dict(zip((r.name for r in members), error.tolist(), strict=True))
        metric = _metric(kind, members, error, reference)
        decimals = max(_decimals(energies[s]) for r in members for s in r.coefficients)
        # What is left of the published values after a change as large as the rounding: zero, were it harmless.
        rounded = hartree + 0.5 * 10.0**-decimals * np.array([math.hypot(*r.coefficients.values()) for r in members])
        noise = _metric(kind, members, _convert(name, rounded, members) - reference, reference) - kind.residue
        if noise > _RESOLVED * kind.standard_error:
            incomplete[name] = f"energies of {decimals} decimals do not resolve its differences"
            continue
        sets[name] = _set_score(
            kind, reference, float(np.mean(np.abs(error))), float(np.sqrt(np.mean(error**2))), float(np.mean(error)),
            metric,
        )  # fmt: skip
    if not sets and not incomplete:
        example = next(iter(tables.reactions[0].coefficients))
        raise InputError(f"no reaction of GSCDB138 has energies of all its species; names are such as {example!r}")
    known = {name for r in tables.reactions for name in r.coefficients}
    return Score(method, sets, incomplete, errors, tuple(name for name in energies if name not in known))


def _by_set(tables: Tables) -> dict[str, list[BenchmarkReaction]]:
    rows: dict[str, list[BenchmarkReaction]] = {}
    for reaction in tables.reactions:
        rows.setdefault(reaction.set, []).append(reaction)
    return rows


def _set_score(
    kind: BenchmarkSet, reference: FloatArray, mae: float, rmse: float, mse: float, metric: float
) -> SetScore:
    return SetScore(
        kind.name, kind.kind, kind.data_type, _UNITS.get(kind.name, "kcal/mol"), len(reference), mae, rmse, mse, metric,
        metric / kind.standard_error, float(np.mean(np.abs(reference))), _gmtkn55(kind),
    )  # fmt: skip


def _decimals(value: float) -> int:
    """Decimals of the shortest text that reads back as the number."""
    exponent = Decimal(repr(float(value))).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _metric(kind: BenchmarkSet, members: list[BenchmarkReaction], error: FloatArray, reference: FloatArray) -> float:
    """The published metric of a set: relative for responses to fields, weighted for three sets of metals."""
    size = np.abs(error)
    if kind.name in ("Pol130", "HR46", "T144", "OEEF", "OEEFD"):
        return float(np.mean(size / np.abs(reference)))
    if kind.name == "Dip146":
        return float(np.mean(size / np.maximum(np.abs(reference), 1.0)))
    weights = np.array([r.weight for r in members])
    if np.any(weights > 0.0):
        return float(np.sum(weights * size) + kind.residue)
    return float(np.mean(size))


def _convert(name: str, values: FloatArray, members: list[BenchmarkReaction]) -> FloatArray:
    """Values of a set in its unit, from combinations of energies in hartree."""
    return _CONVERSIONS.get(name, _energy)(values, members)


def _energy(values: FloatArray, members: list[BenchmarkReaction]) -> FloatArray:
    return values * _KCAL


def _dipole(values: FloatArray, members: list[BenchmarkReaction]) -> FloatArray:
    """Debye, from the difference of energies in two opposite fields."""
    return values / (2.0 * _steps(members)) * _DEBYE


def _polarisability(values: FloatArray, members: list[BenchmarkReaction]) -> FloatArray:
    """Cubic angstrom, from a second difference of energies."""
    return values / _steps(members) ** 2 * _ANGSTROM**3


def _frequency(values: FloatArray, members: list[BenchmarkReaction]) -> FloatArray:
    """Wave numbers (1/cm) from a second difference along a mass-weighted coordinate; imaginary ones are negative."""
    force = np.abs(values) / _steps(members) ** 2 / (1.66053907e-27 / 9.10938370e-31 / 0.529177211**2)
    return np.sign(values) * np.sqrt(force) / 4.55633528e-6


def _steps(members: list[BenchmarkReaction]) -> FloatArray:
    return np.array([r.step for r in members])


_CONVERSIONS: Mapping[str, Callable[[FloatArray, list[BenchmarkReaction]], FloatArray]] = {
    "Dip146": _dipole,
    "Pol130": _polarisability,
    "HR46": _polarisability,
    "T144": _polarisability,
    "V30": _frequency,
}
_UNITS = {"Dip146": "debye", "Pol130": "angstrom^3", "HR46": "angstrom^3", "T144": "angstrom^3", "V30": "1/cm"}


def _gmtkn55(kind: BenchmarkSet) -> str:
    """The GMTKN55 set that gives a set's weight in WTMAD-4: of its name, else the one that it was made from."""
    names: tuple[str, ...] = (kind.name, *(kind.gmtkn55 if len(kind.gmtkn55) == 1 else ()))
    for name in names:
        if name.upper() in _WTMAD4:
            return name.upper()
    return ""


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan
