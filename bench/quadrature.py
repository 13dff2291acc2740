"""``fastsfes-bench quadrature``: nodes, measured errors, and time per loss beside the full grid."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fastsfes.cli.quadrature import describe, format_description
from fastsfes.common.errors import FastsfesError, InputError
from fastsfes.datasets.dataset import Dataset
from fastsfes.datasets.model import HARTREE_TO_KCAL, SPLITS, Reaction
from fastsfes.energies.frame import frame_of
from fastsfes.energies.quadrature import LEVELS, Quadrature
from fastsfes.functionals.functional import Functional
from fastsfes.functionals.registry import get_functional

from .grid import GridPoints, estimated_points, species_within
from .report import figure, row_text

SUMMARY = "nodes and errors of a dataset's quadrature; time per loss evaluation beside the full grid"

#: Largest difference between the two ways to a WRMSD, kcal/mol.
_AGREEMENT = 1e-3

#: What is aimed at for the wB97M-V form on MGCDB84's affordable part: microseconds on one core for the training
#: reactions and for all of them; and how many times faster than the full grid the loss of all of them is, by our own
#: kernel on two cores and by jax.jit. Groups with fewer reactions (the packaged molecules) have no target.
_TARGETS = {"train": 100.0, "all": 300.0}
_REACTIONS = {"train": 300, "all": 1200}
_TIMES_FASTER = {"grid": 100.0, "jax": 1500.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--dataset", default="builtin", help="builtin or a dataset file with a quadrature")
    parser.add_argument("--functional", default="wb97m_v", help="the form whose loss is timed (default wb97m_v)")
    parser.add_argument(
        "--points",
        type=int,
        default=2_000_000,
        metavar="N",
        help="time the full grid on species with at most N points in all, and scale by points (default 2000000; "
        "0 leaves the full grid out)",
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of the full-grid kernel (default 2)")
    parser.add_argument("--seconds", type=float, default=0.5, help="how long each measurement goes on (default 0.5)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure; raises FastsfesError when the quadrature and the grid disagree."""
    if arguments.points < 0 or arguments.threads < 1 or not arguments.seconds > 0.0:
        raise InputError("--points must not be negative, --threads and --seconds must be positive")
    dataset = Dataset.open(arguments.dataset)
    quadrature = Quadrature.load(dataset)
    functional = get_functional(arguments.functional).with_frame(frame_of(dataset))
    groups: dict[str, Sequence[Reaction]] = {name: chosen for name in SPLITS if (chosen := dataset.split(name))}
    groups["all"] = dataset.available
    losses = [
        _time_loss(quadrature, functional, dataset, level, name, group, arguments.seconds)
        for name, group in groups.items()
        for level in LEVELS
        if all(level in quadrature.rule(key).levels for key in quadrature.keys(functional).values())
    ]
    result: dict[str, Any] = {
        "dataset": dataset.name,
        "functional": functional.name,
        "quadrature": describe(quadrature),
        "loss": losses,
    }
    if arguments.points:
        measured = arguments.points, arguments.threads, arguments.seconds
        result["full_grid"] = _time_grid(quadrature, functional, dataset, *measured)
        for item in losses:
            grid = result["full_grid"]
            share = _points(item["species_names"], result) / grid["points"] / item["seconds"]
            item["times_faster_than_grid"] = grid["seconds"] * share
            if grid["jax_seconds"] is not None:
                item["times_faster_than_jax"] = grid["jax_seconds"] * share
    result["targets"] = _targets(losses) if functional.name == "wb97m_v" else []
    for item in losses:
        del item["species_names"]
    result.get("full_grid", {}).pop("points_of", None)
    return result


def _targets(losses: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Figures beside what is aimed at, where there are as many reactions as the aims were set for."""
    rows = []
    for item in losses:
        count, group = item["reactions"], item["split"]
        if item["level"] != "reduced" or group not in _TARGETS or count < _REACTIONS[group]:
            continue
        name = f"one loss of {count} reactions, one core"
        rows.append(figure(name, 1e6 * item["seconds"], "us", target=_TARGETS[group], larger=False))
        for other, target in _TIMES_FASTER.items():
            if group == "all" and f"times_faster_than_{other}" in item:
                name = f"times faster than {'our own full grid' if other == 'grid' else 'jax.jit of the full grid'}"
                rows.append(figure(name, item[f"times_faster_than_{other}"], "x", target=target))
    return rows


def table(result: dict[str, Any]) -> str:
    """Return the result as text."""
    lines = [format_description(result["quadrature"]), ""]
    names = [label for c in result["quadrature"]["channels"].values() for label in c["levels"]["full"]["errors"]]
    lines.append(f"{'largest error, kcal/mol':42s}" + "".join(f"{k:>12s}" for k in result["quadrature"]["channels"]))
    for label in dict.fromkeys(names):
        cells = []
        for channel in result["quadrature"]["channels"].values():
            level = "reduced" if "reduced" in channel["levels"] else "full"
            error = channel["levels"][level]["errors"].get(label)
            cells.append(f"{error:12.1e}" if error is not None else " " * 12)
        lines.append(f"{label:42s}{''.join(cells)}".rstrip())
    lines += ["", f"loss of one parameter vector of {result['functional']}, one thread (best of many):"]
    for item in result["loss"]:
        text = (
            f"{item['split']:10s} {item['level']:8s} {item['reactions']:5d} reactions {item['species']:4d} species "
            f"{item['nodes']:6d} nodes {item['bytes'] / 2**20:6.1f} MiB: {1e6 * item['seconds']:8.0f} us, of which "
            f"products {1e6 * item['product_seconds']:.0f} us"
        )
        if "times_faster_than_grid" in item:
            text += f"; {item['times_faster_than_grid']:.0f} times faster than the grid"
        if "times_faster_than_jax" in item:
            text += f", {item['times_faster_than_jax']:.0f} than jax.jit there"
        lines.append(text)
    grid = result.get("full_grid")
    if grid:
        lines.append(
            f"full grid: {grid['species']} species, {grid['points']} points: {1e3 * grid['seconds']:.1f} ms per "
            f"evaluation with {grid['threads']} threads ({1e9 * grid['seconds_per_point']:.1f} ns per point); largest "
            f"difference {grid['largest_difference']:.1e} kcal/mol per species"
        )
        if grid["jax_seconds"] is not None:
            lines.append(f"full grid by jax.jit in double precision: {1e3 * grid['jax_seconds']:.1f} ms")
    lines += [line for row in result["targets"] if (line := row_text(row))]
    return "\n".join(lines)


def best_of(call: Callable[[], object], budget: float) -> float:
    """Shortest time in seconds of one call; other work on the machine can only add to it."""
    call()
    best, end = np.inf, time.perf_counter() + budget
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return float(best)


def _time_loss(
    quadrature: Quadrature,
    functional: Functional,
    dataset: Dataset,
    level: str,
    split: str,
    group: Sequence[Reaction],
    budget: float,
) -> dict[str, Any]:
    keys = quadrature.keys(functional)
    problem = quadrature.problem(dataset, keys, reactions=group, level=level)
    matrix = np.concatenate([channel.matrix for channel in problem.channels.values()], axis=1)
    f = np.empty(matrix.shape[1])
    programs, start = [], 0
    for kind, nodes in problem.channels.items():
        channel, count = functional.channels[kind], nodes.matrix.shape[1]
        program = channel.expression.program
        arrays = [nodes.values[name] for name in program.features]
        parameters = np.array([channel.parameters[name] for name in program.parameters])
        programs.append((slice(start, start + count), program, arrays, parameters, count))
        start += count

    def wrmsd() -> float:
        return float(np.sqrt(np.mean(problem.weights * (matrix @ f - problem.target) ** 2)))

    def whole() -> float:
        for part, program, arrays, parameters, count in programs:
            f[part] = program.evaluate(arrays, parameters, n=count, threads=1)[0]
        return wrmsd()

    names = sorted({dataset.representative(name) for reaction in group for name in reaction.coefficients})
    return {
        "split": split,
        "level": level,
        "reactions": len(group),
        "species": len(names),
        "species_names": names,
        "nodes": len(f),
        "bytes": matrix.nbytes,
        "seconds": best_of(whole, budget),
        "product_seconds": best_of(wrmsd, budget),
        "wrmsd": whole(),
    }


def _time_grid(
    quadrature: Quadrature, functional: Functional, dataset: Dataset, limit: int, threads: int, budget: float
) -> dict[str, Any]:
    points = GridPoints.collect(
        dataset, quadrature.keys(functional), species_within(dataset, quadrature.species, limit)
    )
    evaluate, by_jax = points.kernel(functional, threads), points.jax(functional)
    parameters = np.array(list(functional.parameters.values()))
    rows = [quadrature.row[name] for name in points.names]
    difference = HARTREE_TO_KCAL * np.abs(evaluate() - quadrature.energies(functional)[rows])
    if difference.max() > _AGREEMENT:
        worst = points.names[int(difference.argmax())]
        raise FastsfesError(f"quadrature and grid differ by {difference.max():.1e} kcal/mol for {worst}")
    if by_jax is not None and HARTREE_TO_KCAL * np.abs(np.asarray(by_jax(parameters)) - evaluate()).max() > 1e-6:
        raise FastsfesError("jax.jit and the kernel disagree on the full grid")
    seconds = best_of(evaluate, 4.0 * budget)
    return {
        "species": len(points.names),
        "points": points.points,
        "points_of": {name: estimated_points(dataset, [name], points) for name in quadrature.species},
        "threads": threads,
        "seconds": seconds,
        "seconds_per_point": seconds / points.points,
        "largest_difference": float(difference.max()),
        "jax_seconds": None if by_jax is None else best_of(lambda: by_jax(parameters), 4.0 * budget),
    }


def _points(names: Sequence[str], result: Mapping[str, Any]) -> int:
    return sum(result["full_grid"]["points_of"][name] for name in names)
