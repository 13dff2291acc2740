"""``fastsfes-bench search``: how fast a search is, and how soon it gets somewhere.

Four parts. *Evolution* starts from wB97M-V (the second experiment of SyFES, 10.1126/sciadv.abq0279): candidates per
second, how many of them are families that were not known, and the time until a candidate beats wB97M-V with its
parameters fitted to the same reactions. *Rediscovery* (the first experiment) starts from nothing, with the exchange
energies of another functional as targets, seed by seed; a seed succeeds when the winner reproduces the energy of every
species on the full grid within 1e-6 kcal/mol, and was found within the preset's number of candidates.
*Reselection*, when asked for, is the default search with and without the mutation `reselect`, at the same seeds and the
same processor time. *Pointwise*, when asked for, finds exchange factors from their values (`pointwise.py`).
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

from fastsfes.common.errors import FastsfesError, InputError
from fastsfes.common.runfolder import HISTORY
from fastsfes.datasets import HARTREE_TO_KCAL, Dataset
from fastsfes.energies.evaluate import grid_energies
from fastsfes.energies.quadrature import Quadrature
from fastsfes.fitting import fit
from fastsfes.functionals.functional import Functional
from fastsfes.functionals.names import display_name, refitted
from fastsfes.functionals.registry import get_functional
from fastsfes.run.config import SearchConfig
from fastsfes.run.log import read_events
from fastsfes.run.problem import target_functional
from fastsfes.run.search import Run, search
from fastsfes.run.store import RunStore

from . import pointwise

SUMMARY = "candidates per second, time to beat the refitted base, time to rediscover known functionals"

#: Largest error of any species in a rediscovery, kcal/mol.
LIMIT = 1e-6

#: Part of the seeds that must succeed with the preset b97x: 19 of 20.
FRACTION = 0.95

#: How far the refitted base must be beaten, kcal/mol: the search fits on reduced nodes, the base was fitted on all.
MARGIN = 1e-2

#: Weight of the mutation that is compared, beside 1 for the others.
RESELECT = 0.25

REDISCOVERIES = ("b97x", "pbex", "b88x")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--dataset", default="builtin", metavar="NAME", help="builtin (default) or a dataset file")
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="run the seeds 0 to N-1 (default 20)")
    parser.add_argument(
        "--rediscover",
        default="b97x",
        metavar="PRESETS",
        help=f"what to rediscover, of {', '.join(REDISCOVERIES)} (default b97x); empty for nothing",
    )
    parser.add_argument(
        "--candidates", type=int, default=6000, metavar="N", help="candidates of the evolution (default 6000); 0: none"
    )
    parser.add_argument(
        "--reselect", type=int, default=0, metavar="CANDIDATES", help="compare searches of so many candidates with and "
        "without the mutation reselect, at equal processor time, on the packaged reactions (default 0: not)",
    )  # fmt: skip
    parser.add_argument(
        "--pointwise",
        type=int,
        default=0,
        metavar="N",
        help="factors from their values, seeds 0 to N-1 (default: none)",
    )
    parser.add_argument("--executor", default="local", metavar="SPEC", help="executor of the evolution")
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="workers of the executor")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run both parts; raises FastsfesError when too few seeds succeed or the base is never beaten."""
    if arguments.seeds < 1:
        raise InputError(f"--seeds is {arguments.seeds}; expected at least 1")
    presets = [name for name in arguments.rediscover.split(",") if name]
    for name in presets:
        if name not in REDISCOVERIES:
            raise InputError(f'--rediscover contains "{name}"; expected any of {", ".join(REDISCOVERIES)}')
    result: dict[str, Any] = {"dataset": arguments.dataset, "rediscovery": {}}
    if arguments.pointwise:
        result["pointwise"] = pointwise.rediscover(arguments.pointwise)
    if arguments.candidates:
        result["evolution"] = _evolution(arguments)
    if arguments.reselect > 0:
        result["reselection"] = _reselection(arguments.reselect, arguments.seeds)
    for name in presets:
        result["rediscovery"][name] = found = _rediscovery(name, arguments.dataset, arguments.seeds)
        if name == "b97x" and found["found"] < FRACTION * found["seeds"]:
            raise FastsfesError(
                f"B97 exchange was found for {found['found']} of {found['seeds']} seeds, expected {FRACTION:.0%}\n"
                + table(result)
            )
    return result


def _evolution(arguments: argparse.Namespace) -> dict[str, Any]:
    dataset = Dataset.open(arguments.dataset)
    config = SearchConfig.make(
        "beyond",
        dataset=arguments.dataset,
        candidates=arguments.candidates,
        executor=arguments.executor,
        workers=arguments.workers,
    )
    refit = fit(get_functional("wb97m_v"), dataset, starts=1)
    assert refit.validation is not None  # a search needs both splits
    goal = config.train_coefficient * refit.train + config.validation_coefficient * refit.validation
    with tempfile.TemporaryDirectory() as folder:
        done = search(config, output=Path(folder) / "run", report=False, progress="none")
        summary, phases = done.summary, done.summary["resources"]["phases"]
        reached, seconds = _reached(done, goal)
    best = summary["best"]
    return {
        "base": {
            "name": refitted(display_name("wb97m_v")),
            "train": refit.train,
            "validation": refit.validation,
            "error": goal,
        },
        "best": {"train": best["train"], "validation": best["validation"]},
        "candidates": summary["candidates"],
        "seconds": summary["seconds"],
        "candidates_per_second": summary["candidates"] / summary["seconds"],
        "checks": phases["checks"],
        "candidates_per_second_and_worker": summary["candidates"]
        / sum(phases[name] for name in ("mutation", "recognition", "fit", "selection")),
        "unique": summary["fitted"] / summary["candidates"],
        "fits_per_second": summary["fitted"] / summary["seconds"],
        "candidates_to_base": reached,
        "seconds_to_base": seconds,
    }


def _reselection(candidates: int, seeds: int) -> dict[str, Any]:
    """Pairs of searches that differ in one mutation, one after the other, compared at equal processor time.

    Both of a pair make so many candidates; the one that took less time says when the other's fitness is read.
    """
    preset = SearchConfig.make("quickstart")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(seeds):
            paths: dict[str, list[tuple[float, float]]] = {}
            row: dict[str, Any] = {"seed": seed}
            # in turns: kernels that the first compiled are there for the second
            for name, weight in (("without", 0.0), ("with", RESELECT))[:: -1 if seed % 2 else 1]:
                config = SearchConfig.make(
                    "quickstart", seed=seed, candidates=candidates, threads=1, time_limit=0.0,
                    mutation_pool={**preset.mutation_pool, "reselect": weight},
                )  # fmt: skip
                done = search(config, output=Path(folder) / f"{name}-{seed}", report=False, progress="none")
                epochs = [e for e in read_events(done.path) if e["event"] == "epoch"]
                paths[name] = list(zip(np.cumsum([e["cpu_seconds"] for e in epochs]).tolist(),
                                       [e["best"]["fitness"] for e in epochs], strict=True))  # fmt: skip
            row["seconds"] = seconds = min(path[-1][0] for path in paths.values())
            for name, path in paths.items():
                row[name] = {"seconds": path[-1][0], "last": path[-1][1]}
                row[name]["fitness"] = next(fitness for at, fitness in reversed(path) if at <= seconds)
            rows.append(row)
            print(f"reselection, seed {seed}: {row}", file=sys.stderr, flush=True)
    found: dict[str, Any] = {"candidates": candidates, "dataset": preset.dataset, "rows": rows}
    for key in ("fitness", "last"):
        found[key] = {name: statistics.median(r[name][key] for r in rows) for name in ("without", "with")}
        found[key]["better"] = sum(r["with"][key] < r["without"][key] for r in rows)
    return found


def _reached(done: Run, goal: float) -> tuple[int | None, float | None]:
    """Candidates and seconds until the first error below the goal, to the end of its round."""
    with RunStore.open(done.path / HISTORY, read_only=True) as store:
        better = [(r["round"], r["number"]) for r in store.fitted() if r["error"] < goal - MARGIN]
    if not better:
        return None, None
    round_ = min(better)[0]
    at = next(e for e in read_events(done.path) if e["event"] == "checkpoint" and e["round"] == round_)
    return int(at["candidates"]), float(at["seconds"])


def _rediscovery(preset: str, dataset: str, seeds: int) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    winners: list[Functional] = []
    config = SearchConfig.make(preset, dataset=dataset)
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(seeds):
            started = time.perf_counter()
            config = SearchConfig.make(preset, dataset=dataset, seed=seed)
            done = search(config, output=Path(folder) / str(seed), report=False, progress="none")
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
            print(
                f"{preset}, seed {seed}: {summary['candidates']} candidates, {seconds:.1f} s",
                file=sys.stderr,
                flush=True,
            )
    print("checking the winners on the full grid", file=sys.stderr, flush=True)
    for row, error in zip(rows, _errors_on_grid(config, winners), strict=True):
        row["error"] = error
        row["found"] = row["reached"] is not None and error < LIMIT
    found = [r for r in rows if r["found"]]
    return {
        "rows": rows,
        "found": len(found),
        "seeds": len(rows),
        "median_seconds": statistics.median(r["seconds"] for r in found) if found else None,
        "median_searching": statistics.median(r["searching"] for r in found) if found else None,
        "median_candidates": statistics.median(r["reached"] for r in found) if found else None,
    }


def table(result: Mapping[str, Any]) -> str:
    """What people read."""
    lines = pointwise.table(result["pointwise"]) if "pointwise" in result else []
    if "evolution" in result:
        e = result["evolution"]
        base, best = e["base"], e["best"]
        lines += [
            f"evolution from wB97M-V on {result['dataset']}: {e['candidates']} candidates in {e['seconds']:.1f} s",
            f"  candidates per second   {e['candidates_per_second']:.0f}",
            f"  of one worker           {e['candidates_per_second_and_worker']:.0f} without the checks on grids, "
            f"which took {e['checks']:.1f} s",
            f"  new families            {100 * e['unique']:.0f} % of the candidates, {e['fits_per_second']:.0f} fits/s",
            f"  {base['name']:<23} train {base['train']:.4f}, validation {base['validation']:.4f} kcal/mol",
            f"  best found              train {best['train']:.4f}, validation {best['validation']:.4f} kcal/mol",
        ]
        if e["seconds_to_base"] is None:
            lines.append("  the refitted base was not beaten")
        else:
            lines.append(
                f"  refitted base beaten    after {e['candidates_to_base']} candidates, {e['seconds_to_base']:.1f} s"
            )
        lines.append("")
    if "reselection" in result:
        part = result["reselection"]
        lines += [
            f"{part['candidates']} candidates on {part['dataset']} without and with reselect: best fitness, kcal/mol",
            "      at equal processor time       at the end",
            "seed  seconds  without     with  without     with",
        ]
        lines += [
            f"{r['seed']:4d}  {r['seconds']:7.1f}  {r['without']['fitness']:7.4f}  {r['with']['fitness']:7.4f}  "
            f"{r['without']['last']:7.4f}  {r['with']['last']:7.4f}"
            for r in part["rows"]
        ]
        for key, text in (("fitness", "equal processor time"), ("last", "equal candidates")):
            m = part[key]
            lines.append(
                f"{text}: median {m['without']:.4f} without, {m['with']:.4f} with; better with it for "
                f"{m['better']} of {len(part['rows'])} seeds"
            )
        lines.append("")
    for preset, part in result["rediscovery"].items():
        rows = part["rows"]
        lines.append(f"{preset}: found for {part['found']} of {part['seeds']} seeds on {result['dataset']}")
        lines.append("seed  candidates  fitted  seconds  error on the grid (kcal/mol)  formula")
        for r in rows:
            reached = str(r["reached"]) if r["found"] else "-"
            lines.append(
                f"{r['seed']:4d}  {reached:>10s}  {r['fitted']:6d}  {r['seconds']:7.2f}  {r['error']:28.1e}  "
                f"{r['formula']}"
            )
        found = [r["reached"] for r in rows if r["found"]]
        made = sum(r["candidates"] for r in rows)
        lines.append("")
        if found:
            lines.append(f"candidates until found: median {part['median_candidates']:.0f}, largest {max(found)}")
            lines.append(
                f"time of a seed that found it: median {part['median_seconds']:.2f} s, "
                f"{part['median_searching']:.2f} s of it evolution, the rest opening the data"
            )
        lines.append(f"candidates per second: {made / sum(r['searching'] for r in rows):.0f}")
        lines.append(f"families fitted per candidate: {sum(r['fitted'] for r in rows) / made:.3f}")
        lines.append("")
    return "\n".join(lines).rstrip()


def _errors_on_grid(config: SearchConfig, winners: list[Functional]) -> list[float]:
    """Largest error of any species' exchange energy on the full grid (kcal/mol), one pass for all winners."""
    dataset = Dataset.open(config.dataset)
    species = Quadrature.load(dataset).species
    energies = HARTREE_TO_KCAL * grid_energies([target_functional(config), *winners], dataset, species)
    return [float(np.abs(row - energies[0]).max()) for row in energies[1:]]
