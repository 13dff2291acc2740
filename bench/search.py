"""``fastsfes-bench search``: rediscovery of B97 exchange from nothing, seed by seed.

The first experiment of SyFES (10.1126/sciadv.abq0279): targets are the B97 exchange energies of the packaged species,
the search starts from the empty functional. A seed succeeds when the winner reproduces the energy of every species on
the full grid within 1e-6 kcal/mol, and was found within the preset's number of candidates.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..config import SearchConfig
from ..datasets import HARTREE_TO_KCAL, Dataset
from ..errors import FastsfesError, InputError
from ..functional import Functional
from ..objective import grid_energies
from ..quadrature import Quadrature
from ..registry import get_functional
from ..search import search

SUMMARY = "candidates and time until B97 exchange is found from nothing, for many seeds"

#: Largest error of a rediscovery in kcal/mol.
LIMIT = 1e-6

#: Part of the seeds that must succeed: 19 of 20.
FRACTION = 0.95


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="run the seeds 0 to N-1 (default 20)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run every seed and check the winners together on the full grid; raises FastsfesError when too few succeed."""
    if arguments.seeds < 1:
        raise InputError(f"--seeds is {arguments.seeds}; expected at least 1")
    rows: list[dict[str, Any]] = []
    winners: list[Functional] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.seeds):
            started = time.perf_counter()
            done = search(SearchConfig.make("b97x", seed=seed), output=Path(folder) / str(seed), report=False)
            seconds = time.perf_counter() - started
            summary = done.summary
            winners.append(done.best)
            rows.append(
                {
                    "seed": seed,
                    "reached": summary["reached"],
                    "candidates": summary["candidates"],
                    "fitted": summary["fitted"],
                    "seconds": seconds,
                    "searching": summary["seconds"],
                    "formula": str(winners[-1].channels["x"].expression),
                }
            )
            print(f"seed {seed}: {summary['candidates']} candidates, {seconds:.1f} s", file=sys.stderr, flush=True)
    print("checking the winners on the full grid", file=sys.stderr, flush=True)
    for row, error in zip(rows, _errors_on_grid(winners), strict=True):
        row["error"] = error
        row["found"] = row["reached"] is not None and error < LIMIT
    result = {"rows": rows, "found": sum(r["found"] for r in rows), "seeds": len(rows)}
    if result["found"] < FRACTION * len(rows):
        raise FastsfesError(
            f"B97 exchange was found for {result['found']} of {len(rows)} seeds, expected {FRACTION:.0%}\n"
            + table(result)
        )
    return result


def table(result: Mapping[str, Any]) -> str:
    """What people read."""
    rows = result["rows"]
    lines = ["seed  candidates  fitted  seconds  error on the grid (kcal/mol)  formula"]
    for r in rows:
        reached = str(r["reached"]) if r["found"] else "-"
        lines.append(
            f"{r['seed']:4d}  {reached:>10s}  {r['fitted']:6d}  {r['seconds']:7.2f}  {r['error']:28.1e}  {r['formula']}"
        )
    found = [r["reached"] for r in rows if r["found"]]
    made = sum(r["candidates"] for r in rows)
    lines.append("")
    lines.append(f"found for {result['found']} of {result['seeds']} seeds")
    if found:
        lines.append(f"candidates until found: median {statistics.median(found):.0f}, largest {max(found)}")
    lines.append(f"time per seed: median {statistics.median(r['seconds'] for r in rows):.2f} s")
    lines.append(f"candidates per second: {made / sum(r['searching'] for r in rows):.0f}")
    lines.append(f"families fitted per candidate: {sum(r['fitted'] for r in rows) / made:.3f}")
    return "\n".join(lines)


def _errors_on_grid(winners: list[Functional]) -> list[float]:
    """Largest error of any species' exchange energy on the full grid (kcal/mol), one pass for all winners."""
    dataset = Dataset.open("builtin")
    species = Quadrature.load(dataset).species
    energies = HARTREE_TO_KCAL * grid_energies([get_functional("b97_x"), *winners], dataset, species)
    return [float(np.abs(row - energies[0]).max()) for row in energies[1:]]
