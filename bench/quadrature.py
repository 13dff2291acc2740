"""``fastsfes-bench quadrature``: nodes, measured errors, and time per loss beside the full grid."""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _core
from ..cli.quadrature import describe, format_description
from ..datasets.dataset import Dataset
from ..datasets.model import HARTREE_TO_KCAL, Reaction
from ..errors import FastsfesError, InputError
from ..functional import Functional
from ..griddata import cached_blocks
from ..objective import in_frame
from ..quadrature import LEVELS, Quadrature
from ..quadrature.measure import channel_points
from ..registry import get_functional

FloatArray = npt.NDArray[np.float64]

SUMMARY = "nodes and errors of a dataset's quadrature; time per loss evaluation beside the full grid"

#: Largest difference between the two ways to a WRMSD, kcal/mol.
_AGREEMENT = 1e-3


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


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure; raises FastsfesError when the quadrature and the grid disagree."""
    if arguments.points < 0 or arguments.threads < 1:
        raise InputError("--points must not be negative and --threads must be positive")
    dataset = Dataset.open(arguments.dataset)
    quadrature = Quadrature.load(dataset)
    functional = in_frame(get_functional(arguments.functional), dataset)
    groups: dict[str, Sequence[Reaction]] = {
        name: chosen for name in ("train", "validation", "test") if (chosen := dataset.split(name))
    }
    groups["all"] = dataset.available
    losses = [
        _time_loss(quadrature, functional, dataset, level, name, group)
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
        result["full_grid"] = _time_grid(quadrature, functional, dataset, arguments.points, arguments.threads)
        for item in losses:
            grid = result["full_grid"]
            share = _points(item["species_names"], result) / grid["points"] / item["seconds"]
            item["times_faster_than_grid"] = grid["seconds"] * share
            if grid["jax_seconds"] is not None:
                item["times_faster_than_jax"] = grid["jax_seconds"] * share
    for item in losses:
        del item["species_names"]
    result.get("full_grid", {}).pop("points_of", None)
    return result


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
    return "\n".join(lines)


def best_of(call: Callable[[], object], budget: float = 0.5) -> float:
    """Shortest time in seconds of one call; other work on the machine can only add to it."""
    call()
    best, end = np.inf, time.perf_counter() + budget
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return float(best)


def _time_loss(
    quadrature: Quadrature, functional: Functional, dataset: Dataset, level: str, split: str, group: Sequence[Reaction]
) -> dict[str, Any]:
    keys = quadrature.keys(functional)
    loss, columns = quadrature.loss(dataset, keys, group, level)
    f = np.empty(sum(part.stop - part.start for part in columns.values()))
    programs = []
    for kind, part in columns.items():
        channel, nodes = functional.channels[kind], quadrature.rule(keys[kind]).level(level)
        program = channel.expression.program
        arrays = [nodes.values[name] for name in program.features]
        parameters = np.array([channel.parameters[name] for name in program.parameters])
        programs.append((part, program, arrays, parameters, len(nodes)))

    def whole() -> Any:
        for part, program, arrays, parameters, count in programs:
            f[part] = program.evaluate(arrays, parameters, n=count, threads=1)[0]
        return loss.wrmsd(f)

    names = sorted({dataset.representative(name) for reaction in group for name in reaction.coefficients})
    return {
        "split": split,
        "level": level,
        "reactions": len(group),
        "species": len(names),
        "species_names": names,
        "nodes": len(f),
        "bytes": loss.nbytes,
        "seconds": best_of(whole),
        "product_seconds": best_of(lambda: loss.wrmsd(f)),
        "wrmsd": float(whole()),
    }


@dataclass(frozen=True)
class _Channel:
    """All points of one channel: features (d, n), weights times prefactor (n,), and where species begin."""

    features: tuple[str, ...]
    values: FloatArray
    weights: FloatArray
    offsets: npt.NDArray[np.int64]


def _time_grid(
    quadrature: Quadrature, functional: Functional, dataset: Dataset, limit: int, threads: int
) -> dict[str, Any]:
    names, points_of = _species_within(dataset, quadrature, limit)
    keys = quadrature.keys(functional)
    channels = {kind: _collect(dataset, key, functional, kind, names) for kind, key in keys.items()}
    programs = {kind: (_core.Program([functional.channels[kind].bound()._handle]), channels[kind]) for kind in channels}

    def evaluate() -> FloatArray:
        total = np.zeros(len(names))
        for program, channel in programs.values():
            arrays = [channel.values[channel.features.index(name)] for name in program.features]
            total += program.segment_sums(arrays, [], channel.weights, channel.offsets, threads=threads)[0]
        return total

    rows = [quadrature.row[name] for name in names]
    difference = HARTREE_TO_KCAL * np.abs(evaluate() - quadrature.energies(functional)[rows])
    if difference.max() > _AGREEMENT:
        raise FastsfesError(
            f"quadrature and grid differ by {difference.max():.1e} kcal/mol for {names[int(difference.argmax())]}"
        )
    seconds = best_of(evaluate, 2.0)
    points = sum(points_of[name] for name in names)
    return {
        "species": len(names),
        "points": points,
        "points_of": points_of,
        "threads": threads,
        "seconds": seconds,
        "seconds_per_point": seconds / points,
        "largest_difference": float(difference.max()),
        "jax_seconds": _time_jax(functional, channels, evaluate()),
    }


def _species_within(dataset: Dataset, quadrature: Quadrature, limit: int) -> tuple[list[str], dict[str, int]]:
    """Take species evenly over the list while their points stay below the limit; estimate the points of the others."""
    from ..densities import load_mole

    # Points go with atoms; atoms are known for all species without a grid.
    atoms = {name: len(dataset.species[name].symbols) for name in quadrature.species}
    names: list[str] = []
    points: dict[str, int] = {}
    total = 0
    step = 7  # spreads the choice over a list that is sorted by name
    order = [quadrature.species[i] for start in range(step) for i in range(start, len(quadrature.species), step)]
    for name in order:
        # A level-3 atom has at most 19,300 points; whether it fits is known before its grid is made.
        if total + 20_000 * load_mole(dataset.density(name).mole).natm > limit and names:
            continue
        points[name] = sum(len(block) for block in cached_blocks(dataset, name))
        names.append(name)
        total += points[name]
    per_atom = total / sum(atoms[name] for name in names)
    return sorted(names), {name: points.get(name, round(per_atom * atoms[name])) for name in quadrature.species}


def _points(names: Sequence[str], result: Mapping[str, Any]) -> int:
    return sum(result["full_grid"]["points_of"][name] for name in names)


def _collect(dataset: Dataset, key: str, functional: Functional, kind: str, names: Sequence[str]) -> _Channel:
    features = functional.channels[kind].expression.features or ("x2",)
    values, weights, offsets = [], [], [0]
    for name in names:
        for block in cached_blocks(dataset, name):
            for w, v in channel_points(key, features, block):
                weights.append(w)
                values.append(v)
        offsets.append(sum(len(w) for w in weights))
    return _Channel(
        tuple(features),
        np.ascontiguousarray(np.concatenate(values, axis=1)),
        np.concatenate(weights),
        np.array(offsets, dtype=np.int64),
    )


def _time_jax(functional: Functional, channels: Mapping[str, _Channel], expected: FloatArray) -> float | None:
    """Time of the same sums by jax.jit in double precision, or None where jax is not installed."""
    try:
        jax: Any = importlib.import_module("jax")
    except ImportError:
        return None
    import sympy

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    data = []
    for kind, channel in channels.items():
        symbols = [sympy.Symbol(name) for name in channel.features]
        expression = functional.channels[kind].bound().to_sympy()
        named = {str(s): s for s in expression.free_symbols}
        function = sympy.lambdify([named.get(str(s), s) for s in symbols], expression, modules="jax")
        segment = np.repeat(np.arange(len(expected)), np.diff(channel.offsets))
        data.append((function, *map(jnp.asarray, (channel.values, channel.weights, segment))))

    def sums(arrays: Any) -> Any:
        total: Any = 0.0
        for (function, *_), (values, weights, segment) in zip(data, arrays, strict=True):
            total += jax.ops.segment_sum(
                weights * function(*values), segment, num_segments=len(expected), indices_are_sorted=True
            )
        return total

    energies = jax.jit(sums)
    arrays = [item[1:] for item in data]
    found = np.asarray(energies(arrays))
    if HARTREE_TO_KCAL * np.abs(found - expected).max() > 1e-6:
        raise FastsfesError("jax.jit and the kernel disagree on the full grid")
    return best_of(lambda: energies(arrays).block_until_ready(), 3.0)
