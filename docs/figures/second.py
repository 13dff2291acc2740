"""The second protocol of docs/results.md: runs, cross-validated errors per data type, picks.

python docs/figures/second.py FOLDER [--seeds 0 1 ...] [--only main pure small]

Runs that are in the folder already are not made again. One thread each. The test split is not read.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

import fastsfes as fs
from fastsfes.fitting import FitProblem, folds_of
from fastsfes.functionals.functional import Functional
from fastsfes.functionals.load import load
from fastsfes.run.select_config import SelectConfig
from fastsfes.run.store import RunStore
from fastsfes.selection import Columns, Library, Rules, Settings, distinct
from fastsfes.selection.problem import column_energies, core_selection
from fastsfes.selection.term_library import terms_of

KINDS = ("x", "css", "cos")
NONCOVALENT = ("NCD", "NCEC", "NCED")
CONDITIONS = ("uniform_gas", "0 <= f_x <= 1.804")
LIMIT, GRID = 25.0, 10.0
COMMON = (
    "--terms", "x = u(x2, 0.004)^0:4 * w^0:6", "--terms", "css = u(x2, 0.2)^0:6 * w^0:8",
    "--terms", "cos = u(x2, 0.006)^0:6 * w^0:8", "--constraints", ",".join(CONDITIONS), "--limit", f"{LIMIT:g}",
    "--grid-coefficient", f"{GRID:g}", "--nodes", "0", "--restarts", "16", "--no-report", "--progress", "none",
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """What is selected: weight of noncovalent reactions in the fit, seeds, further options, frame."""

    weight: float
    seeds: int
    options: tuple[str, ...]
    frame: str = ""


_CROSSED = ("--criteria", "cross_validation")
OWN = {
    "main": Kind(3, 10, ("--sizes", "14:17", *_CROSSED)),
    "light": Kind(1, 3, ("--sizes", "14:17", "--criteria", "cross_validation,cross_validation_worst_type")),
    "heavy": Kind(6, 3, ("--sizes", "14:17", *_CROSSED)),
    "small": Kind(3, 3, ("--sizes", "8", *_CROSSED)),
    "pure": Kind(3, 3, ("--sizes", "14:17", *_CROSSED, "--frame", "b97m_v"), "b97m_v"),
}


@dataclass(frozen=True)
class Crossed:
    """A form predicted by fits without the predicted subset of reactions."""

    wrmsd: float
    noncovalent: float
    """Mean absolute error of NCD, NCEC and NCED, kcal/mol."""
    rare_gases: float
    types: dict[str, float]
    """Data type -> mean absolute error, kcal/mol."""


@dataclass(frozen=True)
class Judge:
    """Cross-validates forms that are linear in their parameters, on one frame's reactions."""

    problem: FitProblem
    fine: FitProblem
    weight: float
    """Of noncovalent reactions in the fit."""

    @classmethod
    def make(cls, frame: str, weight: float) -> Judge:
        """For the frame of a functional, by default that of the densities."""
        data = fs.Dataset.open("gscdb")
        own = load(frame).frame if frame else None
        one, two = (
            FitProblem.from_dataset(data, KINDS, level="full", quadrature=q, frame=own) for q in ("default", "fine")
        )
        return cls(one, two, weight)

    def __call__(self, functional: Functional, *, free: bool = False) -> Crossed:
        """Errors of the form; `free` leaves out the conditions, the limit and the grid's rows."""
        terms = [t for k, c in functional.channels.items() for t in terms_of(k, c.expression, c.parameters)]
        library = Library(distinct(terms))
        energies = column_energies(self.problem, library)
        columns = Columns.of(library, self.problem, energies)
        rules = Rules.make(columns, () if free else CONDITIONS, limit=math.inf if free else LIMIT)
        splits = ("train", "validation")
        matrix = np.concatenate([columns.matrix[s] for s in splits])
        target = np.concatenate([columns.target[s] for s in splits])
        weights = np.concatenate([self.problem.weights(s) for s in splits])
        reactions = [r for s in splits for r in columns.reactions[s]]
        scaled = weights * np.where([r.data_type in NONCOVALENT for r in reactions], self.weight, 1.0)
        root = np.sqrt(scaled / len(weights))
        own = scaled[: len(columns.target["train"])]
        change = (energies - column_energies(self.fine, library))[dict(self.problem.rows.blocks or ())["train"]]
        grid = np.zeros((0, len(library))) if free else GRID * np.sqrt(own / len(own))[:, None] * change
        errors = np.full(len(target), np.nan)
        settings = Settings()
        for rows in folds_of([r.subset for r in reactions], settings.folds, settings.keep_subsets):
            kept = np.setdiff1d(np.arange(len(target)), rows)
            core = core_selection(
                np.vstack([root[kept, None] * matrix[kept], grid]),
                np.append(root[kept] * target[kept], np.zeros(len(grid))), rules,
            )  # fmt: skip
            solution = core.solve(list(range(len(library))))
            if solution is None:
                return Crossed(math.inf, math.inf, math.inf, {})
            errors[rows] = matrix[rows] @ np.array(solution[1]) - target[rows]
        return summary(errors, weights, [r.data_type for r in reactions])


def summary(errors: NDArray[np.float64], weights: NDArray[np.float64], types: list[str]) -> Crossed:
    """Errors per data type; NaN where a reaction is in no fold."""
    judged = np.isfinite(errors)

    def mean(*names: str) -> float:
        chosen = judged & np.array([t in names for t in types])
        return float(np.mean(np.abs(errors[chosen])))

    return Crossed(
        float(np.sqrt(np.mean((weights * errors**2)[judged]))), mean(*NONCOVALENT), mean("RG10"),
        {t: mean(t) for t in sorted({t for t, j in zip(types, judged, strict=True) if j})},
    )  # fmt: skip


def published(name: str) -> Crossed:
    """A published functional as it is, on the same reactions."""
    found = [fs.evaluate(name, "gscdb", s, frame="own") for s in ("train", "validation")]
    reactions = [r for f in found for r in f.reactions]
    errors = np.concatenate([f.errors for f in found])
    errors[[r.subset in Settings().keep_subsets for r in reactions]] = np.nan
    return summary(errors, np.array([r.weight for r in reactions]), [r.data_type for r in reactions])


def weighted(folder: Path, weight: float) -> Path:
    """The packaged dataset with other weights of the noncovalent reactions that are fitted; made where absent."""
    path = folder / f"weight{weight:g}.h5"
    if not path.exists():
        made = path.with_suffix(".part")
        shutil.copy(str(files("fastsfes") / "data" / "gscdb.h5"), made)
        with h5py.File(made, "r+") as file:
            rows = file["reactions"]
            kinds, splits = rows["data_type"].asstr()[:], rows["split"].asstr()[:]
            rows["weight"][:] *= np.where(np.isin(kinds, NONCOVALENT) & (splits != "test"), weight, 1.0)
            file.attrs["name"] = path.stem
        made.rename(path)
    return path


def make(folder: Path, name: str, seed: int) -> Path:
    """A run, made or completed where it is not."""
    path, kind = folder / f"{name}-{seed}", OWN[name]
    if not (path / "summary.json").exists():
        new = (*COMMON, *kind.options, "--dataset", str(weighted(folder, kind.weight).resolve()))
        how = ("--resume", str(path)) if path.exists() else (*new, "--seed", str(seed), "--output", str(path))
        subprocess.run(
            [sys.executable, "-m", "fastsfes", "select", *how], check=True, stdout=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    return path


def functionals(path: Path) -> dict[str, tuple[Functional, int]]:
    """Families that a run kept, with the number of terms: fingerprint -> functional."""
    frame = load(SelectConfig.from_toml(path / "config.toml").frame or "wb97m_v").frame
    with RunStore.open(path / "history.sqlite", read_only=True) as store:
        rows = store.fitted()
    found: dict[str, tuple[Functional, int]] = {}
    for row in rows:
        channels = {
            k: fs.Channel(fs.Expression.parse(text), row["parameters"][k]) for k, text in row["expressions"].items()
        }
        made = Functional(name=f"{path.name}:{row['number']}", channels=channels, **frame.fields())
        found.setdefault(row["fingerprint"], (made, sum(len(c.parameters) for c in channels.values())))
    return found


def line(name: str, size: int | str, c: Crossed) -> str:
    """A row of the table."""
    cells = [f"{c.wrmsd:.3f}", f"{c.noncovalent:.3f}", f"{c.rare_gases:.3f}"]
    return f"| {name} | {size} | {' | '.join(cells)} | " + " | ".join(f"{v:.2f}" for v in c.types.values()) + " |"


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", default=list(OWN), choices=list(OWN))
    parser.add_argument("--runs-only", action="store_true", help="make the runs and print nothing")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    paths = {n: [make(arguments.folder, n, s) for s in range(OWN[n].seeds)] for n in arguments.only}
    if arguments.runs_only:
        return
    base = Judge.make("", 1.0)
    references = {f"{n}, published": published(n) for n in ("wb97m_v", "gas22")}
    references |= {f"{n}, fitted": base(load(n), free=True) for n in ("wb97m_v", "gas22")}
    columns = ["functional", "terms", "WRMSD", "noncovalent", "rare gases", *references["wb97m_v, published"].types]
    print("|", " | ".join(columns), "|\n|" + " --- |" * len(columns))
    for name, crossed in references.items():
        print(line(name, "", crossed), flush=True)
    for name in arguments.only:
        kind = OWN[name]
        judge = Judge.make(kind.frame, kind.weight) if kind.frame else replace(base, weight=kind.weight)
        families: dict[str, tuple[Functional, int]] = {}
        for path in paths[name]:
            families |= functionals(path)
        rows = sorted(
            ((f, n, judge(f)) for f, n in families.values()), key=lambda row: merit(row[2], row[1], references)
        )
        for functional, size, crossed in rows[:10]:
            print(line(functional.name, size, crossed), "allowed" if allowed(crossed, references) else "", flush=True)


def merit(found: Crossed, size: int, references: dict[str, Crossed]) -> float:
    """What the pick has least of."""
    known = references["wb97m_v, published"]
    return found.wrmsd / known.wrmsd + found.noncovalent / known.noncovalent + 0.005 * size


def allowed(found: Crossed, references: dict[str, Crossed]) -> bool:
    """Step 4 of the protocol, as far as errors go."""
    form = references["wb97m_v, fitted"]
    return (
        found.wrmsd <= 0.9 * min(r.wrmsd for r in references.values())
        and found.noncovalent <= form.noncovalent
        and found.rare_gases <= form.rare_gases
    )


if __name__ == "__main__":
    main()
