"""The feature-space quadrature of a dataset: energies as small products of matrices with node values.

With densities frozen, the energy of species m in a channel is E_m[F] = sum_i w_i e_i F(x_i) over the points of its
grid, which is linear in F. Every species is a measure on one feature space; moved onto shared nodes it is one row
of a matrix H, and E[F] = H . F(nodes). See docs/quadrature.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from ... import _core
from ...common.errors import InputError
from ...datasets.dataset import Dataset
from ...datasets.model import HARTREE_TO_KCAL, Reaction
from ...formula.expression import Expression
from ...functionals.functional import Functional
from .nodes import NodeGrid, channel_key, derived_features, parse_channel_key

FloatArray = npt.NDArray[np.float64]

#: "full": all active nodes of the tensor grid. "reduced": a few hundred of them. "coarse": a subset of the reduced
#: nodes with a matrix of its own; the difference to "reduced" estimates the error at no extra function value.
LEVELS = ("full", "reduced", "coarse")


class NotRepresentable(InputError):
    """The quadrature has no nodes for what a functional needs; evaluate it with method="grid"."""


@dataclass(frozen=True)
class NodeSet:
    """Nodes of one channel and one row of weights per species.

    Attributes
    ----------
    key: measure, e.g. "x@0.3" (see `fastsfes.energies.quadrature.channel_key`).
    features: names of the columns of ``nodes``.
    nodes: features of the nodes, (n, d).
    matrix: E = matrix @ F(nodes) in hartree, (species, n), C-contiguous.
    """

    key: str
    features: tuple[str, ...]
    nodes: FloatArray
    matrix: FloatArray

    def __len__(self) -> int:
        """Count the nodes."""
        return len(self.nodes)

    @cached_property
    def values(self) -> Mapping[str, FloatArray]:
        """Every feature that is known at the nodes, each (n,)."""
        named = {name: np.ascontiguousarray(self.nodes[:, k]) for k, name in enumerate(self.features)}
        return MappingProxyType(derived_features(parse_channel_key(self.key)[0], named))

    def evaluate(self, expression: Expression, parameters: Mapping[str, float] | None = None) -> FloatArray:
        """Values of an enhancement factor at the nodes, (n,).

        Raises
        ------
        NotRepresentable: the expression has a feature that the nodes do not know.
        """
        for name in expression.features:
            if name not in self.values:
                raise NotRepresentable(
                    f'the quadrature\'s channel "{self.key}" has no feature "{name}" (it has '
                    f'{", ".join(self.values)}); use method="grid"'
                )
        used = {name: self.values[name] for name in expression.features}
        return np.ascontiguousarray(np.broadcast_to(expression.evaluate(used, parameters), (len(self),)))

    def energies(self, expression: Expression, parameters: Mapping[str, float] | None = None) -> FloatArray:
        """Energies in hartree of the channel with this enhancement factor, (species,); NaN and infinity survive."""
        values = self.evaluate(expression, parameters)
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(self.matrix @ values)


@dataclass(frozen=True)
class ChannelRule:
    """The node sets of one channel and their measured errors.

    Attributes
    ----------
    grid: the tensor grid whose active nodes are the full set.
    levels: "full" and, when the rule was reduced, "reduced" and "coarse".
    errors: level -> label -> error of the energy of each species in kcal/mol against the integration grid,
        (species,). Labels are registered functionals and panel expressions.
    outside: weighted points per species beyond the bounds of an axis (they count at the boundary), (species,).
    """

    key: str
    grid: NodeGrid
    levels: Mapping[str, NodeSet]
    errors: Mapping[str, Mapping[str, FloatArray]]
    outside: npt.NDArray[np.int64]

    def level(self, name: str) -> NodeSet:
        """Return a node set by name; raises InputError when the rule lacks it."""
        if name not in self.levels:
            raise InputError(
                f'the quadrature\'s channel "{self.key}" has no level "{name}"; it has {", ".join(self.levels)}'
            )
        return self.levels[name]


@dataclass(frozen=True)
class ProblemChannel:
    """One channel of a `QuadratureProblem`.

    Attributes
    ----------
    kind: "x", "css", ...: the functional's channel that it belongs to.
    values: feature name -> value at the nodes, (n,).
    matrix: reaction energy in kcal/mol = matrix @ F(nodes), (reactions, n), C-contiguous.
    coarse_nodes, coarse_matrix: the estimator: |matrix @ F - coarse_matrix @ F[coarse_nodes]| estimates the
        error of each reaction; None when the rule was not reduced.
    """

    kind: str
    key: str
    values: Mapping[str, FloatArray]
    matrix: FloatArray
    coarse_nodes: npt.NDArray[np.int64] | None
    coarse_matrix: FloatArray | None


@dataclass(frozen=True)
class QuadratureProblem:
    """A fit as plain arrays, energies in kcal/mol:

        error (reactions,) = sum over channels of matrix @ F(nodes) - target
        WRMSD = sqrt(mean(weights * error**2)) over the rows of one split

    Attributes
    ----------
    channels: kind -> `ProblemChannel`.
    target: reference minus the frozen part (e_tot - e_xc_semilocal), (reactions,).
    weights: weights of the squared errors, (reactions,).
    splits: "train", "validation", "test" -> rows, each an index array.
    reactions: the reactions, in the order of the rows.
    """

    channels: Mapping[str, ProblemChannel]
    target: FloatArray
    weights: FloatArray
    splits: Mapping[str, npt.NDArray[np.int64]]
    reactions: tuple[Reaction, ...]


@dataclass(frozen=True)
class Quadrature:
    """The quadrature of a dataset.

    Attributes
    ----------
    name: identifier in the dataset file.
    species: names that have a row, in the order of the rows. Species that share a density share a row.
    integration_grid: "" when every density was put on the grid that it was made on, else that grid.
    tolerance: largest error (kcal/mol per species) that was asked for.
    channels: measure -> rule.

    Example
    -------
    >>> dataset = fs.Dataset.open("builtin")
    >>> quadrature = Quadrature.load(dataset)
    >>> problem = quadrature.problem(dataset, {"x": "x@0.3", "css": "css", "cos": "cos"}, level="reduced")
    """

    name: str
    species: tuple[str, ...]
    integration_grid: str
    tolerance: float
    channels: Mapping[str, ChannelRule]

    @staticmethod
    def load(dataset: Dataset, name: str = "default", *, options: str = "") -> Quadrature:
        """Read the quadrature that is stored with a dataset; it is read once per process and file.

        `options` of ``fastsfes dataset quadrature`` are named in the error where it is not there.
        """
        from .storage import load_quadrature

        return load_quadrature(dataset, name, options=options)

    @cached_property
    def row(self) -> Mapping[str, int]:
        """Species -> row."""
        return MappingProxyType({name: k for k, name in enumerate(self.species)})

    def rule(self, key: str) -> ChannelRule:
        """Return the rule of a measure; raises NotRepresentable when there is none."""
        if key not in self.channels:
            raise NotRepresentable(
                f'quadrature "{self.name}" has no channel "{key}" (it has {", ".join(self.channels)}); '
                f'use method="grid" or build it with these channels'
            )
        return self.channels[key]

    def keys(self, functional: Functional) -> dict[str, str]:
        """Kind -> measure of a functional's channels."""
        return {k: channel_key(k, functional.hybrid.omega, functional.correlation) for k in functional.channels}

    def energies(self, functional: Functional, level: str = "full") -> FloatArray:
        """Semilocal energies in hartree of all rows, (species,).

        Raises
        ------
        NotRepresentable: when the functional has channels or features that the quadrature does not have.
        """
        total = np.zeros(len(self.species))
        for kind, key in self.keys(functional).items():
            channel = functional.channels[kind]
            total += self.rule(key).level(level).energies(channel.expression, channel.parameters)
        return total

    def error_estimate(self, functional: Functional) -> FloatArray:
        """Estimated error in kcal/mol per species of the level "reduced" for this functional, (species,).

        The difference between the reduced and the coarse rule, which share function values. Use its largest value or a
        mean over species, since for a single one it can pass through zero. It is not a bound: docs/quadrature.md
        compares it with true errors.
        """
        total = np.zeros(len(self.species))
        for kind, key in self.keys(functional).items():
            channel, rule = functional.channels[kind], self.rule(key)
            difference = np.zeros(len(self.species))
            for level, sign in (("reduced", 1.0), ("coarse", -1.0)):
                difference += sign * rule.level(level).energies(channel.expression, channel.parameters)
            total += np.abs(difference)
        return total * HARTREE_TO_KCAL

    def stoichiometry(self, dataset: Dataset, reactions: Sequence[Reaction]) -> FloatArray:
        """Coefficients of the rows in the reactions, dense (reactions, species)."""
        matrix = np.zeros((len(reactions), len(self.species)))
        for i, reaction in enumerate(reactions):
            for name, coefficient in reaction.coefficients.items():
                matrix[i, self._row(dataset, name, reaction)] += coefficient
        return matrix

    def _row(self, dataset: Dataset, name: str, reaction: Reaction) -> int:
        row = self.row.get(dataset.representative(name))
        if row is None:
            raise InputError(
                f'quadrature "{self.name}" has no species {name!r}, needed by reaction {reaction.name!r}; '
                f"build it again"
            )
        return row

    def problem(
        self,
        dataset: Dataset,
        channels: Mapping[str, str],
        *,
        reactions: Sequence[Reaction] | None = None,
        level: str = "reduced",
    ) -> QuadratureProblem:
        """Arrays of a fit.

        Parameters
        ----------
        dataset: the dataset of this quadrature.
        channels: kind -> measure, e.g. {"x": "x@0.3", "css": "css", "cos": "cos"}.
        reactions: the rows; by default all available reactions.
        level: "full", "reduced" or "coarse".
        """
        chosen = tuple(dataset.available if reactions is None else reactions)
        if not chosen:
            raise InputError(f"dataset {dataset.name!r} has no reaction that can be evaluated")
        coefficients = self.stoichiometry(dataset, chosen)
        made = {}
        for kind, key in channels.items():
            rule = self.rule(key)
            nodes = rule.level(level)
            index = coarse = None
            if level == "reduced" and "coarse" in rule.levels:
                coarse_nodes = rule.levels["coarse"]
                index = _subset(nodes.nodes, coarse_nodes.nodes)
                coarse = HARTREE_TO_KCAL * (coefficients @ coarse_nodes.matrix)
            made[kind] = ProblemChannel(
                kind, key, nodes.values, HARTREE_TO_KCAL * (coefficients @ nodes.matrix), index, coarse
            )
        return QuadratureProblem(
            channels=MappingProxyType(made),
            target=reaction_targets(dataset, chosen),
            weights=np.array([reaction.weight for reaction in chosen]),
            splits=MappingProxyType(
                {
                    split: np.array([i for i, r in enumerate(chosen) if r.split == split], dtype=np.int64)
                    for split in ("train", "validation", "test")
                }
            ),
            reactions=chosen,
        )

    def loss(
        self, dataset: Dataset, channels: Mapping[str, str], reactions: Sequence[Reaction], level: str = "reduced"
    ) -> tuple[_core.ReactionLoss, dict[str, slice]]:
        """Make the fast loss of one vector of node values: (loss, kind -> columns of the vector).

        Either the rows of the matrix are the reactions, or they are the species that occur and a sparse
        stoichiometry follows, whichever is smaller.
        """
        coefficients = self.stoichiometry(dataset, reactions)
        used = np.flatnonzero(np.any(coefficients != 0.0, axis=0))
        sets = {kind: self.rule(key).level(level) for kind, key in channels.items()}
        slices, start = {}, 0
        for kind, nodes in sets.items():
            slices[kind] = slice(start, start + len(nodes))
            start += len(nodes)
        matrix = HARTREE_TO_KCAL * np.concatenate([nodes.matrix for nodes in sets.values()], axis=1)
        offset = -reaction_targets(dataset, reactions)
        weights = [reaction.weight for reaction in reactions]
        if len(reactions) <= len(used):
            return _core.ReactionLoss(coefficients @ matrix, [], [], [], offset.tolist(), weights), slices
        row_start, columns, values = [0], [], []
        for line in coefficients[:, used]:
            nonzero = np.flatnonzero(line)
            columns.extend(nonzero.tolist())
            values.extend(line[nonzero].tolist())
            row_start.append(len(columns))
        loss = _core.ReactionLoss(
            np.ascontiguousarray(matrix[used]), row_start, columns, values, offset.tolist(), weights
        )
        return loss, slices


def reaction_targets(dataset: Dataset, reactions: Sequence[Reaction]) -> FloatArray:
    """Reference energies less the frozen parts in kcal/mol: what the semilocal part has to give, (reactions,)."""
    frozen = [r.energy({name: dataset.energies(name).e_frozen for name in r.coefficients}) for r in reactions]
    return np.array([r.reference for r in reactions]) - HARTREE_TO_KCAL * np.array(frozen)


def _subset(nodes: FloatArray, part: FloatArray) -> npt.NDArray[np.int64]:
    """Positions of the rows ``part`` among the rows ``nodes``; both hold the same bits."""
    where = {row.tobytes(): k for k, row in enumerate(np.ascontiguousarray(nodes))}
    return np.array([where[row.tobytes()] for row in np.ascontiguousarray(part)], dtype=np.int64)
