"""What a search works on: the rows of a dataset's quadrature, made into problems for the fit.

Selection sees the training and validation rows only; the rows of the test split are not even made before the final
report.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.errors import InputError
from ..common.files import plain
from ..datasets import HARTREE_TO_KCAL, Dataset, Reaction
from ..energies.check import NodeCheck
from ..energies.evaluate import evaluate_many
from ..energies.frame import frame_energies, frame_of
from ..energies.quadrature import NodeSet, ProblemChannel, Quadrature, QuadratureProblem, channel_key
from ..evolve.fitter import ESTIMATE, FitEvaluator, Rows
from ..evolve.island import Individual
from ..evolve.terms import ConditionTerm, CrossValidation, ErrorTerm, GridTerm, Term, reduced_difference
from ..fitting import FitProblem, FitRows, FitSettings, fit, folds_of, parse_conditions
from ..fitting.losses import parse_loss
from ..fitting.rows import Channels
from ..formula.expression import Expression
from ..formula.features import SEARCHED
from ..functionals.frame import Frame
from ..functionals.functional import Channel, Functional
from ..functionals.load import load
from ..functionals.names import refitted
from .assess import Assessed, Checked, OnGrid, assess_reactions, assess_species
from .checking import AT_ONCE
from .config import SearchConfig
from .digests import data_digests
from .final import PUBLISHED, baselines, grid_losses, node_errors, quadrature_rows, species_rows
from .fittable import SELECTION, Fittable
from .physics import atom_energy, physics
from .points import PointProblem, make_point_problem
from .progress import Progress, Reference
from .setup import SearchParts, parse_features

__all__ = ["ReactionProblem", "SpeciesProblem", "make_problem", "target_functional"]

LEVEL = "reduced"
"""Nodes on which candidates are fitted."""

_FOLD_CACHE = 8 << 20
"""Bytes of columns that the candidates of one fold share."""


@dataclass(frozen=True)
class _Energies(Fittable):
    """What both kinds of problem with energies of molecules hold."""

    dataset: Dataset
    quadrature: Quadrature
    check: NodeCheck
    folds: Callable[[], CrossValidation] | None = None

    def digests(self) -> dict[str, str]:
        """Digests of the data that the result depends on."""
        quadratures = {"quadrature": self.quadrature}
        if self.config.grid_coefficient > 0:
            quadratures["fine quadrature"] = Quadrature.load(self.dataset, self.config.fine_quadrature)
        reactions = _selection(self.dataset) if self.config.targets == "reference" else []
        return data_digests(self.config, self.dataset, quadratures, reactions)

    def node_error(self, member: Individual, parts: SearchParts, done: int, count: int) -> float:
        """The largest error of a member's reaction energies on nodes, kcal/mol, of the next `count` reactions."""
        channels = {k: c for k, c in self.functional("", member, parts).channels.items() if k in self.config.channels}
        return self.check.worst(channels, self.check.order(channels)[done : done + count])


class ReactionProblem(_Energies):
    """Reference energies of reactions."""

    def describe(self) -> str:
        """One line for the log."""
        c = self.counts
        return (
            f"{self.dataset.name}: {c['train']} training and {c['validation']} validation reactions, "
            f"{c['nodes']} quadrature nodes"
        )

    def references(self) -> list[Reference]:
        """The published functionals on the training and validation reactions, in the frame of the densities."""
        named = [(name, f) for name, f in baselines() if f.name in PUBLISHED]
        losses = [[e.wrmsd for e in evaluate_many([f for _, f in named], self.dataset, split)] for split in SELECTION]
        return [(name, train, validation) for (name, _), train, validation in zip(named, *losses, strict=True)]

    @property
    def on_grids(self) -> bool:
        """Where densities are stored."""
        return self.check.on_grids

    def assess(self, members: Sequence[Functional], progress: Progress, *, on_grid: OnGrid = "sample") -> Assessed:
        """How far the figures of members and of known functionals can be trusted."""
        check = replace(self.check, reactions=self.dataset.available)
        known = self._known(progress) if on_grid != "none" else []
        tolerance = self.config.node_tolerance
        found = assess_reactions(check, members, known, progress, on_grid=on_grid, tolerance=tolerance)
        progress.message(f"cross-validation and physics of {len(members)} members of the front")
        examined = [self._examined(f, c) for f, c in zip(members, found.members, strict=True)]
        return replace(found, members=tuple(examined))

    def _examined(self, functional: Functional, checked: Checked) -> Checked:
        """With what the rules of the pick look at."""
        energies = self.check.on_nodes(functional.channels) if checked.energies is None else checked.energies
        by_species = dict(zip(self.quadrature.species, energies.tolist(), strict=True))
        found = {**physics(functional), "atom": atom_energy(self.dataset, functional, by_species)}
        left_out = self.folds().by_subset(*self._candidate(functional)) if self.folds is not None else {}
        return replace(checked, physics=found, left_out=left_out)

    def report(self, winner: Functional, progress: Progress, assessed: Assessed | None = None) -> dict[str, Any]:
        """Errors of the winner and of known functionals on the same densities: on the full grid, where the dataset has
        densities, and on nodes. This is what opens the seal of a test split.
        """
        assessed = assessed or self.assess([winner], progress)
        named = [(winner.name, winner), *((name, f) for name, f, _ in assessed.known)]
        checked = [*assessed.members, *(c for _, _, c in assessed.known)]
        opened = self.dataset.unsealed(f"final table of {winner.name}")
        rows = [r.to_dict() for r in quadrature_rows(opened, named)]
        for row, (_, functional), one in zip(rows, named, checked, strict=True):
            row["terms"] = self._terms(functional) if len(functional.parameters) else {}
            row["functional"] = functional.to_dict()
            if one.energies is not None:
                row["grid"] = plain(grid_losses(self.quadrature, opened, one.energies))
        on_grid = rows[0].get("grid")
        return {
            "kind": "reactions",
            "dataset": self.dataset.name,
            "frame": self.frame.source,
            "unit": "WRMSD in kcal/mol",
            "rows": rows,
            "grid": None if on_grid is None else {"name": winner.name, "parameters": rows[0]["parameters"], **on_grid},
            "largest_difference": checked[0].deviation if checked[0].method == "grid" else None,
            "compared": dict(checked[0].compared) or None,
            "grids": dict(checked[0].grids) or None,
            "nodes": node_errors(self.quadrature, winner, checked[0]),
            "test_readings": opened.test_readings,
        }

    def _known(self, progress: Progress) -> list[tuple[str, Functional]]:
        """What the winner is compared with: published parameters, and the same forms fitted to the training split."""
        named = baselines()
        progress.message("fitting the published forms to the same reactions")
        for name, form in [item for item in named if item[1].name in PUBLISHED]:
            fitted = fit(form, self.dataset, threads=self.config.threads).functional
            named.append((refitted(name), fitted))
        return named

    def _terms(self, functional: Functional) -> dict[str, float]:
        """Cross-validated loss and the graded terms of the fitness for given parameters; None where there is none."""
        if self.folds is None or set(functional.channels) != set(self.config.channels):
            return {}
        candidate, values = self._candidate(functional)
        used: dict[str, Term] = {"cross_validation": self.folds(), **self.evaluate.terms}
        found = {name: term([candidate], [values])[0] for name, term in used.items()}
        return {name: value for name, value in found.items() if np.isfinite(value)}


class SpeciesProblem(_Energies):
    """Energies of another functional, species by species, in the searched channels."""

    def describe(self) -> str:
        """One line for the log."""
        c = self.counts
        return (
            f"{self.dataset.name}: energies of {self.config.targets} in channels {', '.join(self.config.channels)}; "
            f"{c['train']} training, {c['validation']} validation, {c['test']} test species, "
            f"{c['nodes']} quadrature nodes"
        )

    def assess(self, members: Sequence[Functional], progress: Progress, *, on_grid: OnGrid = "sample") -> Assessed:
        """How far the differences to the target's energies on nodes can be trusted."""
        found = assess_species(self.check, members, target_functional(self.config), progress, on_grid=on_grid)
        examined = [replace(c, physics=physics(f)) for f, c in zip(members, found.members, strict=True)]
        return replace(found, members=tuple(examined))

    def report(self, winner: Functional, progress: Progress, assessed: Assessed | None = None) -> dict[str, Any]:
        """Errors of the winner against the target's energies, on the full grid and by quadrature."""
        checked = (assessed or self.assess([winner], progress)).members[0]
        splits = species_splits(self.quadrature)
        nodes, grid = species_rows(self.quadrature, winner, target_functional(self.config), splits, checked)
        return {
            "kind": "species",
            "dataset": self.dataset.name,
            "targets": self.config.targets,
            "unit": "root mean square error in kcal/mol",
            "rows": [nodes.to_dict() | ({} if grid is None else {"grid": plain(grid.errors)})],
            "grid": grid.to_dict() if grid is not None else None,
            "nodes": node_errors(self.quadrature, winner, checked),
            "largest_difference": checked.deviation,
            "compared": dict(checked.compared) or None,
        }


def make_problem(config: SearchConfig, frame: Frame | None = None) -> ReactionProblem | SpeciesProblem | PointProblem:
    """Open the data that a configuration names; reactions in the frame of their densities, or in another one."""
    if config.points:
        return make_point_problem(config)
    dataset = Dataset.open(config.dataset)
    quadrature = Quadrature.load(dataset)
    if config.targets == "reference":
        return _reaction_problem(config, dataset, quadrature, frame)
    return _species_problem(config, dataset, quadrature)


def _reaction_problem(
    config: SearchConfig, dataset: Dataset, quadrature: Quadrature, own: Frame | None
) -> ReactionProblem:
    stored = frame_of(dataset, correlation=config.correlation)
    frame = own or stored
    if config.correlation:
        quadrature.check_correlation(config.correlation, SEARCHED)
    reactions = _selection(dataset)
    keys = {k: channel_key(k, frame.hybrid.omega, frame.correlation) for k in SEARCHED}
    nodes = _Nodes(config, dataset, quadrature, {k: keys[k] for k in config.channels}, reactions)
    data = nodes.rows(LEVEL)
    data = replace(data, target=data.target - frame_energies(dataset, reactions, frame, stored))
    rest = {k: keys[k] for k in SEARCHED if k not in config.channels}  # stays at the local density approximation
    target = _less_local_density(data.target, quadrature, dataset, rest, reactions)
    conditions = parse_conditions(config.constraints, config.channels, frame.hybrid)
    rows = FitRows(
        _channels(data, config.channels), target, data.weights, _blocks(data), conditions=conditions, ridge=config.ridge
    )
    _check_features(config, quadrature, rows.channels)
    check = NodeCheck(dataset, quadrature, keys, tuple(reactions), config.fine_quadrature)
    evaluate = _evaluator(nodes, data, rows, check)
    folds = _folds(rows, config, reactions)
    evaluate.terms = _terms(nodes, data, rows, folds)
    counts = {split: len(part) for split, part in _blocks(data)}
    counts["nodes"] = sum(matrix.shape[1] for _, _, matrix in rows.channels)
    fixed = {k: Channel(Expression.constant(1.0)) for k in rest}
    problems = partial(
        FitProblem.pair,
        dataset,
        (*config.channels, *fixed),
        correlation=config.correlation or None,
        equalities=conditions.equalities,
        penalties=conditions.penalties,
        ridge=config.ridge,
        frame=own,
    )
    by_split = {split: tuple(reactions[k] for k in part) for split, part in _blocks(data)}

    def searched_rows() -> FitProblem:
        return FitProblem(rows.problem(), tuple(config.channels), frame, False, by_split, rows)

    return ReactionProblem(
        config, evaluate, counts, frame, fixed, lru_cache(maxsize=1)(problems), lru_cache(maxsize=1)(searched_rows),
        dataset, quadrature, check, folds,
    )  # fmt: skip


@dataclass(frozen=True)
class _Nodes:
    """What the rows of the searched channels are made of."""

    config: SearchConfig
    dataset: Dataset
    quadrature: Quadrature
    keys: Mapping[str, str]
    reactions: Sequence[Reaction]

    def rows(self, level: str) -> QuadratureProblem:
        """On the nodes of a level, or on all where the quadrature was not reduced."""
        level = level if self.quadrature.has_level(level) else "full"
        return self.quadrature.problem(self.dataset, self.keys, reactions=self.reactions, level=level)


def _evaluator(nodes: _Nodes, data: QuadratureProblem, rows: FitRows, check: NodeCheck) -> FitEvaluator:
    """What fits candidates: on few nodes, doubtful ones on all nodes, and then on grids where there are any."""
    config = nodes.config

    def dense() -> Rows:
        weights = {split: data.weights[part] for split, part in _blocks(data)}
        return Rows(replace(rows, channels=_channels(nodes.rows("full"), config.channels)).problem(), weights)

    positions = np.concatenate([part for _, part in _blocks(data)])

    def sample(channels: Sequence[Channel], change: NDArray[np.float64]) -> float:
        worst = np.argsort(-np.where(np.isfinite(change), change, np.inf), kind="stable")[:AT_ONCE]
        return check.worst(dict(zip(config.channels, channels, strict=True)), positions[worst].tolist())

    graded = _with_estimate(rows, data)
    return FitEvaluator(
        config.channels, graded.problem(), _settings(config), config.threads, None if graded is rows else dense,
        tolerance=config.node_tolerance or math.inf, sample=sample if check.on_grids else None,
        max_scale=config.max_scale,
    )  # fmt: skip


def _folds(rows: FitRows, config: SearchConfig, reactions: Sequence[Reaction]) -> Callable[[], CrossValidation] | None:
    """Fits that leave out subsets; None where there are not two that may be left out."""
    subsets = [r.subset for r in reactions]
    dealt = folds_of(subsets, config.folds, config.keep_subsets)
    return lru_cache(maxsize=1)(partial(_cross_validation, rows, config, subsets, dealt)) if len(dealt) > 1 else None


def _terms(
    nodes: _Nodes, data: QuadratureProblem, rows: FitRows, folds: Callable[[], CrossValidation] | None
) -> dict[str, Term]:
    """What else counts in the fitness."""
    config, made = nodes.config, dict[str, Term]()
    if rows.conditions.penalties:
        names = {k: list(v) for k, v, _ in rows.channels}
        made["conditions"] = ConditionTerm.make(rows.conditions.penalties, names)
    if config.grid_coefficient > 0:
        made["grid"] = _grid_term(config, nodes.dataset, nodes.quadrature, nodes.keys, nodes.reactions, data.weights)
    if config.cross_validation_coefficient > 0:
        if folds is None:
            raise InputError(
                f"cross-validation needs two subsets that may be left out; the reactions are of "
                f"{', '.join(sorted({r.subset for r in nodes.reactions}))}"
            )
        made["cross_validation"] = folds()
    if config.error_terms:
        both = np.arange(len(rows.target))
        problem, scale = rows.part(both, rows.weights, [("train", both)]).problem(), np.sqrt(rows.weights)
        losses = {text: parse_loss(text, nodes.reactions) for text in config.error_terms}
        made |= {text: ErrorTerm(problem, scale, loss) for text, loss in losses.items()}
    return made


def _selection(dataset: Dataset) -> list[Reaction]:
    """The reactions that a search reads."""
    reactions = [r for r in dataset.available if r.split in SELECTION]
    for split in SELECTION:
        if not any(r.split == split for r in reactions):
            raise InputError(
                f'dataset "{dataset.name}": no {split} reaction can be evaluated; a search needs both splits'
            )
    return reactions


def _blocks(data: QuadratureProblem) -> list[tuple[str, NDArray[np.int64]]]:
    return [(split, data.splits[split]) for split in SELECTION]


def _channels(data: QuadratureProblem, kinds: Sequence[str]) -> Channels:
    return [(k, data.channels[k].values, data.channels[k].matrix) for k in kinds]


def _check_features(config: SearchConfig, quadrature: Quadrature, channels: Channels) -> None:
    """Refuse a feature without values: every candidate that used it would be thrown away."""
    for kind, values, _ in channels:
        for name, expression in parse_features(kind, config).items():
            for used in expression.features:
                if used not in values:
                    what = f'"{name}"' if used == name else f'"{name}" needs "{used}", which'
                    raise InputError(
                        f'features_{kind}: {what} has no values on the nodes of the quadrature "{quadrature.name}"; it '
                        f"has those of {', '.join(values)}{_remedy(used, config.dataset)}"
                    )


def _remedy(name: str, dataset: str) -> str:
    """How a feature of the density gets values, in the words of an error."""
    if name != "rho":
        return ""
    return f'; it takes nodes of rho ("fastsfes dataset quadrature {dataset} --nodes rho,x2,w")'


def _settings(config: SearchConfig) -> FitSettings:
    return FitSettings(starts=config.starts, seed=config.seed, max_evaluations=config.max_evaluations)


def _less_local_density(
    target: NDArray[np.float64],
    quadrature: Quadrature,
    dataset: Dataset,
    keys: Mapping[str, str],
    reactions: Sequence[Reaction],
) -> NDArray[np.float64]:
    """What is left of the targets when the factors of some channels are 1, kcal/mol, (reactions,)."""
    for kind, key in keys.items():
        part = quadrature.problem(dataset, {kind: key}, reactions=reactions, level="full")
        target = target - part.channels[kind].matrix.sum(axis=1)
    return target


def _with_estimate(rows: FitRows, data: QuadratureProblem) -> FitRows:
    """The rows, and as the block `ESTIMATE` what changes when a part of the nodes stands for all of them.

    The same rows where the quadrature has not been reduced.
    """
    used = [data.channels[kind] for kind, _, _ in rows.channels]
    if any(c.coarse_nodes is None for c in used):
        return rows
    count = len(rows.target)
    return replace(
        rows,
        channels=[(c.kind, c.values, np.concatenate([c.matrix, c.matrix - _coarse(c)])) for c in used],
        target=np.concatenate([rows.target, np.zeros(count)]),
        weights=np.concatenate([rows.weights, np.full(count, float(count))]),
        blocks=[*_blocks(data), (ESTIMATE, np.arange(count, 2 * count))],
    )


def _coarse(channel: ProblemChannel) -> NDArray[np.float64]:
    """The estimator's matrix on all nodes of the reduced rule."""
    assert channel.coarse_matrix is not None
    matrix = np.zeros_like(channel.matrix)
    matrix[:, channel.coarse_nodes] = channel.coarse_matrix
    return matrix


def _cross_validation(
    rows: FitRows, config: SearchConfig, subsets: Sequence[str], folds: Sequence[NDArray[np.int64]]
) -> CrossValidation:
    """Fits that leave out subsets, training and validation ones alike."""
    problems = []
    for fold in folds:
        kept = np.setdiff1d(np.arange(len(rows.target)), fold)
        parts = replace(rows, blocks=[("kept", kept), ("left_out", fold)], cache_bytes=_FOLD_CACHE)
        problems.append(parts.problem())
    settings = replace(_settings(config), starts=1)
    left_out = tuple(([subsets[k] for k in fold], rows.weights[fold]) for fold in folds)
    return CrossValidation(tuple(problems), left_out, settings, config.threads)


def _grid_term(
    config: SearchConfig,
    dataset: Dataset,
    quadrature: Quadrature,
    searched: Mapping[str, str],
    reactions: Sequence[Reaction],
    weights: NDArray[np.float64],
) -> GridTerm:
    options = f'--grid "level 5" --like {quadrature.name}'
    try:
        fine = Quadrature.load(dataset, config.fine_quadrature, options=options)
    except InputError as error:
        raise InputError(f"grid_coefficient needs a second quadrature: {error}") from None
    coefficients = HARTREE_TO_KCAL * quadrature.stoichiometry(dataset, reactions)
    channels = []
    for kind, key in searched.items():
        base, other = quadrature.rule(key).level("full"), fine.rule(key).level("full")
        if fine.species != quadrature.species or not np.array_equal(other.nodes[: len(base)], base.nodes):
            raise InputError(
                f'quadrature "{fine.name}" has other species or nodes than "{quadrature.name}"; build it again with: '
                f"fastsfes dataset quadrature {dataset.path} --name {fine.name} {options}"
            )
        difference = other.matrix.copy()
        difference[:, : len(base)] -= base.matrix
        kept, matrix = reduced_difference(base.features, other.nodes, difference)
        channels.append((kind, {n: v[kept] for n, v in other.values.items()}, coefficients @ matrix))
    return GridTerm.make(channels, weights)


def target_functional(config: SearchConfig) -> Functional:
    """The functional whose energies are the targets, with the searched channels only."""
    functional = load(config.targets, where="targets")
    missing = [k for k in config.channels if k not in functional.channels]
    if missing:
        raise InputError(
            f'targets: functional "{config.targets}" has no channel {missing[0]}; search its channels with --channels '
            f"{','.join(k for k in functional.channels if k in ('x', 'css', 'cos')) or 'x'}"
        )
    return replace(functional, channels={k: functional.channels[k] for k in config.channels})


def _species_problem(config: SearchConfig, dataset: Dataset, quadrature: Quadrature) -> SpeciesProblem:
    target = target_functional(config)
    keys = quadrature.keys(target)
    splits = species_splits(quadrature)
    rules = {k: quadrature.rule(key) for k, key in keys.items()}
    frame = replace(target.frame, nlc=None)

    def problem(level: str) -> FitProblem:
        """Every species is a reaction of its own; its target is made on the same nodes."""
        sets: dict[str, NodeSet] = {k: rules[k].level(level) for k in config.channels}
        energies = HARTREE_TO_KCAL * quadrature.energies(target, level)
        used = np.concatenate([splits[s] for s in SELECTION])
        count = len(splits["train"])
        rows = FitRows(
            [(k, s.values, np.ascontiguousarray(HARTREE_TO_KCAL * s.matrix[used])) for k, s in sets.items()],
            energies[used],
            np.ones(len(used)),
            [("train", np.arange(count)), ("validation", np.arange(count, len(used)))],
            ridge=config.ridge,
        )
        names = [quadrature.species[i] for i in used]
        reactions = {
            split: tuple(
                Reaction(n, "", "", split, 1.0, {n: 1.0}, energy)
                for n, energy in zip(names[part], energies[used][part].tolist(), strict=True)
            )
            for split, part in (("train", slice(count)), ("validation", slice(count, None)))
        }
        return FitProblem(rows.problem(), tuple(config.channels), frame, False, reactions, rows)

    # few nodes tell factors apart as well as all, as long as the targets are made on them too
    reducible = all(LEVEL in rule.levels for rule in rules.values())
    few = problem(LEVEL if reducible else "full")
    _check_features(config, quadrature, few.rows.channels)
    counts = {s: len(r) for s, r in splits.items()} | {"nodes": sum(m.shape[1] for _, _, m in few.rows.channels)}
    evaluate = FitEvaluator(config.channels, few.core, _settings(config), config.threads, max_scale=config.max_scale)
    problems = lru_cache(maxsize=1)(lambda: (problem("full"), few if reducible else None))
    check = NodeCheck(dataset, quadrature, keys, ())
    return SpeciesProblem(config, evaluate, counts, frame, {}, problems, lambda: few, dataset, quadrature, check)


def species_splits(quadrature: Quadrature) -> dict[str, NDArray[np.int64]]:
    """Rows of the species in train, validation and test, three to one to one in a fixed shuffled order."""
    order = np.random.default_rng(1997).permutation(len(quadrature.species))
    a, b = (len(order) * 3) // 5, (len(order) * 4) // 5
    return {"train": order[:a], "validation": order[a:b], "test": order[b:]}
