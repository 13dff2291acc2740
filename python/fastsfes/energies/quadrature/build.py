"""Building the quadrature of a dataset: resolutions are refined until the measured error is within the tolerance."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...common.errors import FastsfesError, InputError
from ...datasets.dataset import Dataset
from ...datasets.model import HARTREE_TO_KCAL
from ...executors import open_executor
from .kept import kept_measure
from .measure import SpeciesMeasure
from .nodes import LADDERS, NodeGrid, parse_channel_key
from .panel import PANEL, Labelled, measured_expressions
from .quadrature import Quadrature
from .reduce import pivot_nodes
from .rule import ChannelRule, NodeSet
from .scratch import Measures, quantise

FloatArray = npt.NDArray[np.float64]

#: Measures that a dataset of wB97M-V densities needs: attenuated and full exchange, and correlation.
DEFAULT_CHANNELS = ("x@0.3", "x", "css", "cos", "c")

#: Largest error per species that a build aims at by default, kcal/mol.
DEFAULT_TOLERANCE = 1e-3

#: Sizes that a reduction tries by number of axes, smallest first, and the share of nodes in the coarse set that
#: estimates errors.
REDUCED_SIZES = {1: (40, 60, 80, 120), 2: (300, 400, 500), 3: (500, 700, 1000)}
COARSE_SHARE = 0.7

Report = Callable[[str], None]


def build_quadrature(
    dataset: Dataset,
    *,
    name: str = "default",
    channels: Sequence[str] = DEFAULT_CHANNELS,
    species: Sequence[str] | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    integration_grid: str | None = None,
    ladder: Sequence[NodeGrid] = LADDERS["x2,w"],
    reduce: bool = True,
    like: Quadrature | None = None,
    processes: int = 1,
    work: Path | None = None,
    report: Report | None = None,
) -> Quadrature:
    """Build the quadrature of all converged densities of a dataset file.

    Args:
        dataset: dataset that was opened from a file.
        name: identifier of the result.
        channels: measures, e.g. "x@0.3" (exchange attenuated with omega 0.3), "x", "css", "cos", "c".
        species: names to include; by default all that have a converged density.
        tolerance: largest error of a species' energy in kcal/mol; a third of it for each channel. It holds for every
            registered functional that the nodes can represent and for the panel of rough expressions.
        integration_grid: "level N" or "(radial,angular)"; by default each density's own grid.
        ladder: node grids to try, coarse to fine, all on the same features: one of `LADDERS`, or your own.
        reduce: also make the levels "reduced" and "coarse".
        like: take the node grids from this quadrature instead, its nodes first, such that its matrices act on the first
            of the node values that the new ones (say on a finer integration grid) take: the grid sensitivity of a
            candidate is then one more product.
        processes: worker processes; each uses one thread.
        work: folder that keeps the measure of every species, so that a build that was ended goes on where it was.
        report: called with lines of progress.

    Raises:
        FastsfesError: the finest grid of the ladder does not meet the tolerance; the message gives the error.
    """
    if dataset.path is None:
        raise InputError(f"dataset {dataset.name!r} holds no densities; build it first with 'fastsfes dataset build'")
    if not tolerance > 0.0:
        raise InputError(f"tolerance {tolerance!r} must be positive (kcal/mol)")
    if processes < 1:
        raise InputError(f"processes is {processes}; at least 1 is needed")
    say = report or (lambda line: None)
    wanted = dataset.density_names if species is None else species
    rows = tuple(sorted({dataset.representative(name) for name in wanted}))
    if not rows:
        raise InputError(f"dataset {dataset.name!r} has no converged density")
    if not dataset.has_densities:
        raise InputError(
            f"dataset {dataset.name!r} is folded onto nodes and holds no densities, so no quadrature can be made of "
            "it; use those that it has, or the dataset that it was folded from"
        )
    if like is not None:
        if like.species != rows:
            raise InputError(f'quadrature "{like.name}" has other species than the densities; build it again')
        channels = tuple(like.channels)
    pending: dict[str, Sequence[NodeGrid]] = {
        key: (like.rule(key).grid,) if like is not None else tuple(ladder) for key in channels
    }
    done: dict[str, ChannelRule] = {}
    share = tolerance / 3.0
    while pending:
        # Every batch is a pass over all grid points; a grid with one axis costs next to nothing in it.
        batch = {key: grids[: 3 if len(grids[0].axes) > 1 else None] for key, grids in pending.items()}
        with Measures(batch, dataset.path.parent) as measures:
            for measure in _stream(dataset.path, rows, batch, integration_grid, processes, work):
                measures.append(measure)
                if len(measures) % max(1, len(rows) // 10) == 0:
                    say(f"grid points on nodes: {len(measures)} of {len(rows)} species")
            for key, grids in batch.items():
                if like is not None:
                    done[key] = _same_nodes(like.rule(key), measures)
                    del pending[key]
                    continue
                rule = _first_good(key, grids, measures, share, say)
                worst = worst_error(rule, "full")
                rest = pending.pop(key)[len(grids) :]
                if worst <= share:
                    done[key] = _reduced(rule, measures, share, say) if reduce else rule
                elif rest:
                    pending[key] = rest
                else:
                    raise FastsfesError(
                        f"quadrature channel {key}: {grids[-1]} leaves an error of {worst:.1e} kcal/mol per species, a "
                        f"third of the tolerance is {share:.1e}; raise the tolerance or give a finer ladder"
                    )
    return Quadrature(name, rows, integration_grid or "", float(tolerance), {key: done[key] for key in channels})


def is_binding(kind: str, label: str) -> bool:
    """Whether the tolerance must hold for this label.

    The panel is measured in channel "c" but not enforced: its mean features have no meaning where one spin is absent,
    and only constants are registered there.
    """
    return kind != "c" or label not in PANEL


def worst_error(rule: ChannelRule, level: str) -> float:
    """Largest absolute error in kcal/mol over species and binding labels."""
    kind = parse_channel_key(rule.key)[0]
    return max(float(np.abs(e).max()) for label, e in rule.errors[level].items() if is_binding(kind, label))


def _measured(key: str, grid: NodeGrid) -> list[Labelled]:
    return measured_expressions(parse_channel_key(key)[0], grid.features)


def _errors(nodes: NodeSet, grid: NodeGrid, measures: Measures) -> dict[str, FloatArray]:
    errors = {}
    for k, (label, expression) in enumerate(_measured(nodes.key, grid)):
        truth = np.array([energies[k] for energies in measures.truth[nodes.key]])
        errors[label] = HARTREE_TO_KCAL * (nodes.energies(expression) - truth)
    return errors


def _first_good(key: str, grids: Sequence[NodeGrid], measures: Measures, share: float, say: Report) -> ChannelRule:
    """Rule of the first grid whose error is small enough, else of the last one."""
    for position, grid in enumerate(grids):
        rule = _full_rule(key, grid, position, measures)
        worst = worst_error(rule, "full")
        say(f"channel {key}: {grid}: {len(rule.level('full'))} active nodes, largest error {worst:.1e} kcal/mol")
        if worst <= share:
            break
    return rule


def _full_rule(key: str, grid: NodeGrid, position: int, measures: Measures) -> ChannelRule:
    active = measures.active(key, position)
    nodes = NodeSet(key, grid.features, grid.core().features()[active], measures.matrix(key, position, active))
    outside = np.array(measures.outside[key], dtype=np.int64)
    return ChannelRule(key, grid, {"full": nodes}, {"full": _errors(nodes, grid, measures)}, outside)


def _same_nodes(rule: ChannelRule, measures: Measures) -> ChannelRule:
    """Rule whose first nodes are those of another one; nodes that only the new measures touch follow."""
    full = rule.level("full")
    features = rule.grid.core().features()
    first = rule.grid.positions(full.nodes)
    active = np.concatenate([first, np.setdiff1d(measures.active(rule.key, 0), first)])
    nodes = NodeSet(rule.key, full.features, features[active], measures.matrix(rule.key, 0, active))
    outside = np.array(measures.outside[rule.key], dtype=np.int64)
    return ChannelRule(rule.key, rule.grid, {"full": nodes}, {"full": _errors(nodes, rule.grid, measures)}, outside)


def _reduced(rule: ChannelRule, measures: Measures, share: float, say: Report) -> ChannelRule:
    full = rule.level("full")
    sizes = [size for size in REDUCED_SIZES[min(3, len(full.features))] if size < len(full)]
    if not sizes:
        return rule
    pivots = pivot_nodes(full.features, full.nodes, full.matrix, sizes[-1])
    levels, errors = dict(rule.levels), dict(rule.errors)
    for size in sizes:
        size = min(size, len(pivots.triangle))
        for level, count in (("reduced", size), ("coarse", int(COARSE_SHARE * size))):
            kept = pivots.order[:count]
            nodes = NodeSet(
                rule.key,
                full.features,
                np.ascontiguousarray(full.nodes[kept]),
                quantise(pivots.matrix(full.matrix, count)),
            )
            levels[level], errors[level] = nodes, _errors(nodes, rule.grid, measures)
        made = ChannelRule(rule.key, rule.grid, dict(levels), dict(errors), rule.outside)
        worst = worst_error(made, "reduced")
        say(f"channel {rule.key}: reduced to {size} nodes, largest error {worst:.1e} kcal/mol")
        if worst <= share:
            return made
    say(f"channel {rule.key}: no reduced set meets the tolerance; only the full nodes are kept")
    return rule


def _measure_one(
    dataset: Dataset,
    name: str,
    grids: Mapping[str, Sequence[NodeGrid]],
    integration_grid: str | None,
    work: Path | None,
) -> SpeciesMeasure:
    return kept_measure(work, dataset.source(name), grids, integration_grid)


def _stream(
    path: Path,
    species: Sequence[str],
    grids: Mapping[str, Sequence[NodeGrid]],
    integration_grid: str | None,
    processes: int,
    work: Path | None,
) -> Iterator[SpeciesMeasure]:
    """Measures in the order of the species; only a few are under way at a time."""
    executor = "local" if processes <= 1 else "processes"
    with open_executor(executor, processes, Dataset.open, (path,), threads=1) as pool:
        waiting: deque[Future[SpeciesMeasure]] = deque()
        for name in species:
            waiting.append(pool.submit(_measure_one, name, dict(grids), integration_grid, work))
            if len(waiting) > 4 * pool.workers:
                pool.wait([waiting[0]])
                yield waiting.popleft().result()
        while waiting:
            pool.wait([waiting[0]])
            yield waiting.popleft().result()
