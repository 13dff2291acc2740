"""``fastsfes-bench trust``: whether the winners of searches are as good on integration grids as on nodes.

Searches look at reaction energies on the nodes of a quadrature, and evolution finds forms that are right there and
wrong between. For each seed the winner's energies are evaluated on the full grid; the benchmark fails when a reaction's
differs by more than the tolerance.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from fastsfes.common.errors import FastsfesError, InputError
from fastsfes.common.runfolder import HISTORY
from fastsfes.datasets import Dataset
from fastsfes.run.config import PRESETS, SearchConfig
from fastsfes.run.search import Run, search
from fastsfes.run.store import RunStore

SUMMARY = "winners of searches on the full integration grid, seed by seed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--dataset", default="builtin", metavar="FILE", help="with densities (default builtin)")
    parser.add_argument("--preset", default="beyond", choices=PRESETS, help="of the searches (default beyond)")
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="run the seeds 0 to N-1 (default 2)")
    parser.add_argument("--candidates", type=int, default=5000, metavar="N", help="per seed (default 5000)")
    parser.add_argument(
        "--tolerance", type=float, default=0.01, metavar="KCAL", help="of a reaction energy, kcal/mol (default 0.01)"
    )
    parser.add_argument("--keep", metavar="DIR", help="where the runs stay (default: they are removed)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Search and look; raises FastsfesError when a winner's figures cannot be trusted."""
    if arguments.seeds < 1:
        raise InputError("--seeds must be positive")
    if not Dataset.open(arguments.dataset).has_densities:
        raise InputError(f"--dataset {arguments.dataset}: holds no densities, so that there is no grid to look at")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.seeds):
            rows.append(_seed(arguments, Path(arguments.keep or folder), seed))
            print(_line(rows[-1]), flush=True)
    wrong = [r for r in rows if not r["deviation"] <= arguments.tolerance]
    if wrong:
        raise FastsfesError(
            f"seeds {', '.join(str(r['seed']) for r in wrong)}: energies of the winner differ by more than "
            f"{arguments.tolerance:g} kcal/mol from node to grid: {wrong[0]['deviation']:.2g} in {wrong[0]['where']}"
        )
    return {"dataset": arguments.dataset, "preset": arguments.preset, "seeds": rows}


def table(result: dict[str, Any]) -> str:
    """The largest deviation of all."""
    worst = max(result["seeds"], key=lambda r: r["deviation"])
    return (
        f"largest difference of all seeds: {worst['deviation']:.2g} kcal/mol (seed {worst['seed']}, {worst['where']})"
    )


def _seed(arguments: argparse.Namespace, folder: Path, seed: int) -> dict[str, Any]:
    config = SearchConfig.make(
        arguments.preset, seed=seed, candidates=arguments.candidates, dataset=str(arguments.dataset)
    )
    path = folder / f"{arguments.preset}-{seed}"
    done = search(config, output=path, go_on=True, progress="none")
    check, row = done.summary["check"], done.summary["report"]["rows"][0]
    if check["method"] != "grid":
        raise FastsfesError(f"{path}: the winner was not checked on the grid")
    return {
        "seed": seed,
        "deviation": check["deviation"],
        "where": check["where"],
        "nodes": [row["train"], row["validation"]],
        "grid": [row["grid"]["train"], row["grid"]["validation"]],
        "found_out": _found_out(done),
        "seconds": done.summary["seconds"],
    }


def _found_out(done: Run) -> int:
    with RunStore.open(done.path / HISTORY, read_only=True) as store:
        return len(store.usage["checks"]["banned"])


def _line(row: dict[str, Any]) -> str:
    return (
        f"seed {row['seed']}: nodes {row['nodes'][0]:.4f} {row['nodes'][1]:.4f}, grid {row['grid'][0]:.4f} "
        f"{row['grid'][1]:.4f}, largest difference {row['deviation']:.1e} kcal/mol ({row['where']}), "
        f"{row['found_out']} found out on the way, {row['seconds']:.0f} s"
    )
