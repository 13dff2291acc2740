"""What a search works on: the quadrature of a dataset, and the batched fit of candidates to it.

Selection sees the training and validation rows only; the rows of the test split are not even made before the final
report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..config import SEARCHED, SearchConfig
from ..datasets import HARTREE_TO_KCAL, Dataset
from ..errors import InputError
from ..expression import Expression
from ..functional import Channel, Functional
from ..load import load
from ..quadrature import NodeSet, Quadrature, channel_key
from ..registry import get_functional
from .evaluation import FitOutcome, FitRequest, Known
from .final import grid_row, quadrature_rows, species_rows
from .island import Individual
from .progress import Progress, teller
from .setup import SearchParts
from .tidy import tidy

__all__ = ["FitEvaluator", "ReactionProblem", "SpeciesProblem", "make_problem"]

_Channel = tuple[str, Mapping[str, NDArray[np.float64]], NDArray[np.float64]]

LEVEL = "reduced"
"""Nodes on which candidates are fitted."""

TRUSTED = 0.01
"""Difference of the losses of two rules (kcal/mol) up to which the finer one is taken as it is."""

LARGEST_PARAMETER = 1e6
"""Larger parameters cancel against each other and leave rounding errors: such a fit counts as failed."""


class FitEvaluator:
    """Fits batches of candidates; the outcome of each depends on it alone.

    Candidates are fitted on few nodes. A second, coarser rule on some of these nodes says how far the loss can be
    trusted; where the two differ, the loss is that of the dense nodes for the same parameters.

    Args:
        kinds: channel kinds in the order of the candidates' expressions.
        problem: rows "train" and "validation".
        config: the options of the fit.
        coarse: the same rows on a part of the nodes, or None when `problem` is dense already.
        dense: makes the same rows on the dense nodes; called when first needed.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        problem: _core.FitProblem,
        config: SearchConfig,
        coarse: Rows | None = None,
        dense: Callable[[], Rows] | None = None,
    ) -> None:
        self.kinds = tuple(kinds)
        self.problem = problem
        self.coarse = coarse
        self.dense = None if dense is None else lru_cache(maxsize=1)(dense)
        self.threads = config.threads
        self.options = _core.FitOptions(starts=config.starts, seed=config.seed, max_evaluations=config.max_evaluations)

    def __call__(self, requests: Sequence[FitRequest]) -> list[FitOutcome]:
        """Fit every request from its starting values."""
        candidates = [[r.expressions[k]._handle for k in self.kinds] for r in requests]
        names = [[(k, p) for k in self.kinds for p in r.expressions[k].parameters] for r in requests]
        starts = [np.array([r.start[k][p] for k, p in n]) for r, n in zip(requests, names, strict=True)]
        fits = _core.fit_batch(self.problem, candidates, starts, self.options, self.threads)
        return [self._outcome(r, c, n, f) for r, c, n, f in zip(requests, candidates, names, fits, strict=True)]

    def _outcome(
        self,
        request: FitRequest,
        candidate: Sequence[_core.Expression],
        names: Sequence[tuple[str, str]],
        fit: _core.Fit,
    ) -> FitOutcome:
        values = np.asarray(fit.parameters, dtype=float)
        if len(fit.losses) != 2 or not (np.abs(values) <= LARGEST_PARAMETER).all():
            return FitOutcome.failed(request.start, fit.evaluations)
        train, validation = self._trusted(candidate, values, np.asarray(fit.losses, dtype=float))
        if not (np.isfinite(train) and np.isfinite(validation)):
            return FitOutcome.failed(request.start, fit.evaluations)
        parameters: dict[str, dict[str, float]] = {k: {} for k in self.kinds}
        for (kind, name), value in zip(names, values, strict=True):
            parameters[kind][name] = float(value)
        return FitOutcome(Known(train, validation), parameters, fit.evaluations)

    def _trusted(
        self, candidate: Sequence[_core.Expression], values: NDArray[np.float64], losses: NDArray[np.float64]
    ) -> tuple[float, float]:
        if self.coarse is not None and self.dense is not None:
            rough = self.coarse.losses(candidate, values)
            if not (np.abs(rough - losses) <= TRUSTED).all():
                losses = self.dense().losses(candidate, values)
        return float(losses[0]), float(losses[1])


@dataclass(frozen=True)
class Rows:
    """The rows of a problem on some nodes, and their weights by block."""

    problem: _core.FitProblem
    weights: Mapping[str, NDArray[np.float64]]

    def losses(self, candidate: Sequence[_core.Expression], values: NDArray[np.float64]) -> NDArray[np.float64]:
        """WRMSD of every block for given parameters, (blocks,)."""
        errors = {b: self.problem.errors(candidate, values, b) for b in self.weights}
        return np.array([np.sqrt(np.mean(w * errors[b] ** 2)) for b, w in self.weights.items()])


@dataclass(frozen=True)
class _Common:
    """What both kinds of problem hold; `frame` lends the winner its exact exchange and nonlocal correlation."""

    config: SearchConfig
    dataset: Dataset
    quadrature: Quadrature
    evaluate: FitEvaluator
    counts: Mapping[str, int]
    frame: Functional
    fixed: Mapping[str, Channel]

    def functional(self, name: str, best: Individual, parts: SearchParts) -> Functional:
        """The winner as a functional with tidy parameter names, in the frame of the densities."""
        expressions = best.genome.expressions(parts.mutator.workspaces)
        if expressions is None:
            raise AssertionError("the best individual has a finite loss, so its expressions are defined")
        channels = {}
        for kind, expression in expressions.items():
            channels[kind] = Channel(*tidy(expression, {p: best.parameters[kind][p] for p in expression.parameters}))
        return Functional(
            name=name,
            channels={**channels, **self.fixed},
            citation=f"found by fastsfes search, preset {self.config.preset}, seed {self.config.seed}",
            hybrid=self.frame.hybrid,
            nlc=self.frame.nlc,
            correlation=self.frame.correlation,
        )


class ReactionProblem(_Common):
    """Reference energies of reactions."""

    def describe(self) -> str:
        """One line for the log."""
        c = self.counts
        return (
            f"{self.dataset.name}: {c['train']} training and {c['validation']} validation reactions, "
            f"{c['nodes']} quadrature nodes"
        )

    def report(self, winner: Functional, progress: Progress) -> dict[str, Any]:
        """WRMSD of the winner and of known functionals on the same densities; the winner on the full grid too."""
        known = [
            ("LDA", _lda()),
            ("B97 exchange, LDA correlation", _b97_exchange()),
            ("wB97M-V form", get_functional("wb97m_v")),
            ("GAS22 form", get_functional("gas22")),
        ]
        rows = quadrature_rows(self.dataset, [(winner.name, winner), *known])
        progress.message("checking the winner on the full integration grid")
        grid, worst = grid_row(self.dataset, winner, teller(progress))
        return {
            "kind": "reactions",
            "dataset": self.dataset.name,
            "frame": self.frame.name,
            "unit": "WRMSD in kcal/mol",
            "rows": [r.to_dict() for r in rows],
            "grid": grid.to_dict(),
            "largest_difference": worst,
        }


class SpeciesProblem(_Common):
    """Energies of another functional, species by species, in the searched channels."""

    def describe(self) -> str:
        """One line for the log."""
        c = self.counts
        return (
            f"{self.dataset.name}: energies of {self.config.targets} in channels {', '.join(self.config.channels)}; "
            f"{c['train']} training, {c['validation']} validation, {c['test']} test species, "
            f"{c['nodes']} quadrature nodes"
        )

    def report(self, winner: Functional, progress: Progress) -> dict[str, Any]:
        """Errors of the winner against the target's energies, by quadrature and on the full grid."""
        target = _target(self.config)
        progress.message("checking the winner and the target on the full integration grid")
        splits = species_splits(self.quadrature)
        nodes, grid, worst = species_rows(self.dataset, self.quadrature, winner, target, splits, teller(progress))
        return {
            "kind": "species",
            "dataset": self.dataset.name,
            "targets": self.config.targets,
            "unit": "root mean square error in kcal/mol",
            "rows": [nodes.to_dict()],
            "grid": grid.to_dict(),
            "largest_difference": worst,
        }


def make_problem(config: SearchConfig) -> ReactionProblem | SpeciesProblem:
    """Open the data that a configuration names."""
    dataset = Dataset.open(config.dataset)
    quadrature = Quadrature.load(dataset)
    if config.targets == "reference":
        return _reaction_problem(config, dataset, quadrature)
    return _species_problem(config, dataset, quadrature)


def _reaction_problem(config: SearchConfig, dataset: Dataset, quadrature: Quadrature) -> ReactionProblem:
    frame = dataset_frame(dataset)
    reactions = [r for r in dataset.available if r.split in ("train", "validation")]
    keys = {k: channel_key(k, frame.hybrid.omega, frame.correlation) for k in SEARCHED}
    searched = {k: keys[k] for k in config.channels}
    data = quadrature.problem(dataset, searched, reactions=reactions, level=LEVEL)
    target = data.target.copy()
    fixed = {k: Channel(Expression.constant(1.0)) for k in SEARCHED if k not in config.channels}
    for kind in fixed:  # what is not searched stays at the local density approximation
        rest = quadrature.problem(dataset, {kind: keys[kind]}, reactions=reactions, level="full")
        target -= rest.channels[kind].matrix.sum(axis=1)
    blocks = {split: data.splits[split] for split in ("train", "validation")}
    for split, rows in blocks.items():
        if not len(rows):
            raise InputError(
                f'dataset "{dataset.name}": no {split} reaction can be evaluated; a search needs both splits'
            )
    parts = list(blocks.items())

    def problem(channels: Sequence[_Channel]) -> _core.FitProblem:
        return _core.FitProblem(channels, target, data.weights, blocks=parts, ridge=config.ridge)

    weights = {split: data.weights[chosen] for split, chosen in parts}

    def dense() -> Rows:
        full = quadrature.problem(dataset, searched, reactions=reactions, level="full").channels
        return Rows(problem([(k, dict(full[k].values), full[k].matrix) for k in config.channels]), weights)

    used = [data.channels[k] for k in config.channels]
    coarse: list[_Channel] = [
        (c.kind, {n: v[c.coarse_nodes] for n, v in c.values.items()}, c.coarse_matrix)
        for c in used
        if c.coarse_nodes is not None and c.coarse_matrix is not None
    ]
    evaluate = FitEvaluator(
        config.channels,
        problem([(c.kind, dict(c.values), c.matrix) for c in used]),
        config,
        Rows(problem(coarse), weights) if len(coarse) == len(used) else None,
        dense,
    )
    counts = {s: len(r) for s, r in parts} | {"nodes": sum(c.matrix.shape[1] for c in used)}
    return ReactionProblem(config, dataset, quadrature, evaluate, counts, frame, fixed)


def _target(config: SearchConfig) -> Functional:
    functional = load(config.targets, where="targets")
    missing = [k for k in config.channels if k not in functional.channels]
    if missing:
        raise InputError(
            f'targets: functional "{config.targets}" has no channel {missing[0]}; search its channels with --channels '
            f"{','.join(k for k in functional.channels if k in ('x', 'css', 'cos')) or 'x'}"
        )
    return replace(functional, channels={k: functional.channels[k] for k in config.channels})


def _species_problem(config: SearchConfig, dataset: Dataset, quadrature: Quadrature) -> SpeciesProblem:
    target = _target(config)
    keys = quadrature.keys(target)
    splits = species_splits(quadrature)
    sets: dict[str, NodeSet] = {k: quadrature.rule(key).level("full") for k, key in keys.items()}
    energies = HARTREE_TO_KCAL * quadrature.energies(target)
    used = np.concatenate([splits["train"], splits["validation"]])
    count = len(splits["train"])
    channels = [
        (k, dict(sets[k].values), np.ascontiguousarray(HARTREE_TO_KCAL * sets[k].matrix[used])) for k in config.channels
    ]
    blocks = {"train": np.arange(count), "validation": np.arange(count, len(used))}
    problem = _core.FitProblem(
        channels, energies[used], np.ones(len(used)), blocks=list(blocks.items()), ridge=config.ridge
    )
    counts = {s: len(r) for s, r in splits.items()} | {"nodes": sum(len(s) for s in sets.values())}
    evaluate = FitEvaluator(config.channels, problem, config)
    return SpeciesProblem(config, dataset, quadrature, evaluate, counts, replace(target, nlc=None), {})


def species_splits(quadrature: Quadrature) -> dict[str, NDArray[np.int64]]:
    """Rows of the species in train, validation and test, three to one to one in a fixed shuffled order."""
    order = np.random.default_rng(1997).permutation(len(quadrature.species))
    a, b = (len(order) * 3) // 5, (len(order) * 4) // 5
    return {"train": order[:a], "validation": order[a:b], "test": order[b:]}


def dataset_frame(dataset: Dataset) -> Functional:
    """The functional that made the densities: its exact exchange and nonlocal correlation are the frozen part."""
    names = sorted({str(dataset.attributes(n)["xc"]) for n in dataset.density_names})
    if len(names) != 1:
        raise InputError(
            f'dataset "{dataset.name}": expected densities of one functional, found {", ".join(names) or "none"}; '
            f"build the dataset again"
        )
    return get_functional(names[0])


def _ones(*kinds: str) -> dict[str, Channel]:
    return {k: Channel(Expression.constant(1.0)) for k in kinds}


def _lda() -> Functional:
    return Functional("lda", _ones("x", "css", "cos"))


def _b97_exchange() -> Functional:
    return Functional("b97_x", {**_ones("css", "cos"), "x": get_functional("b97_x").channels["x"]})
