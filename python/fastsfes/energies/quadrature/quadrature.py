"""The feature-space quadrature of a dataset: energies as small products of matrices with node values.

With densities frozen, the energy of species m in a channel is E_m[F] = sum_i w_i e_i F(x_i) over the points of its
grid, which is linear in F. Every species is a measure on one feature space; moved onto shared nodes it is one row
of a matrix H, and E[F] = H . F(nodes). See docs/quadrature.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ...common.errors import InputError
from ...common.readonly import ReadOnly
from ...datasets.dataset import Dataset
from ...datasets.model import HARTREE_TO_KCAL, SPLITS, Reaction
from ...functionals.functional import Functional
from .nodes import channel_key
from .rule import ChannelRule, NotRepresentable, Rules
from .storage import load_rules

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ProblemChannel:
    """One channel of a `QuadratureProblem`.

    Attributes:
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

    Attributes:
        channels: kind -> `ProblemChannel`.
        target: reference minus the frozen part (e_tot - e_xc_semilocal), (reactions,).
        weights: weights of the squared errors, (reactions,).
        splits: split -> rows, each an index array.
        reactions: the reactions, in the order of the rows.
    """

    channels: Mapping[str, ProblemChannel]
    target: FloatArray
    weights: FloatArray
    splits: Mapping[str, npt.NDArray[np.int64]]
    reactions: tuple[Reaction, ...]


@dataclass(frozen=True)
class Quadrature(Rules):
    """The quadrature of a dataset: its rules, and the energies and problems that they give.

    Example:
        >>> dataset = fs.Dataset.open("builtin")
        >>> quadrature = Quadrature.load(dataset)
        >>> problem = quadrature.problem(dataset, {"x": "x@0.3", "css": "css", "cos": "cos"}, level="reduced")
    """

    @classmethod
    def load(cls, dataset: Dataset, name: str = "default", *, options: str = "") -> Quadrature:
        """Read the quadrature that is stored with a dataset; it is read once per process and file.

        `options` of ``fastsfes dataset quadrature`` are named in the error where it is not there.
        """
        return load_rules(cls, dataset, name, options=options)

    @cached_property
    def row(self) -> Mapping[str, int]:
        """Species -> row."""
        return ReadOnly({name: k for k, name in enumerate(self.species)})

    def rule(self, key: str) -> ChannelRule:
        """Return the rule of a measure; raises NotRepresentable when there is none."""
        if key not in self.channels:
            raise NotRepresentable(
                f'quadrature "{self.name}" has no channel "{key}" (it has {", ".join(self.channels)}); '
                f'use method="grid" or build it with these channels'
            )
        return self.channels[key]

    def check_correlation(self, correlation: str, kinds: Iterable[str]) -> None:
        """Refuse a prefactor of the correlation channels that there are no measures of.

        Raises:
            InputError: with the command that makes them.
        """
        wanted = [channel_key(kind, 0.0, correlation) for kind in kinds if kind != "x"]
        missing = [key for key in wanted if key not in self.channels]
        if missing:
            options = " ".join(f"--channel {key}" for key in (*self.channels, *missing))
            raise InputError(
                f'quadrature "{self.name}" does not have the correlation {correlation}; build it from a dataset that '
                f'has the densities, as "builtin" does, with: fastsfes dataset quadrature DATASET {options}'
            )

    def keys(self, functional: Functional) -> dict[str, str]:
        """Kind -> measure of a functional's channels."""
        return {k: channel_key(k, functional.hybrid.omega, functional.correlation) for k in functional.channels}

    def energies(self, functional: Functional, level: str = "full") -> FloatArray:
        """Semilocal energies in hartree of all rows, (species,).

        Raises:
            NotRepresentable: when the functional has channels or features that the quadrature does not have.
        """
        total = np.zeros(len(self.species))
        for kind, key in self.keys(functional).items():
            channel = functional.channels[kind]
            total += self.rule(key).level(level).energies(channel.expression, channel.parameters)
        return total

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

        Args:
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
            channels=ReadOnly(made),
            target=reaction_targets(dataset, chosen),
            weights=np.array([reaction.weight for reaction in chosen]),
            splits=ReadOnly(
                {
                    split: np.array([i for i, r in enumerate(chosen) if r.split == split], dtype=np.int64)
                    for split in SPLITS
                }
            ),
            reactions=chosen,
        )


def reaction_targets(dataset: Dataset, reactions: Sequence[Reaction]) -> FloatArray:
    """Reference energies less the frozen parts in kcal/mol: what the semilocal part has to give, (reactions,)."""
    frozen = [r.energy({name: dataset.energies(name).e_frozen for name in r.coefficients}) for r in reactions]
    return np.array([r.reference for r in reactions]) - HARTREE_TO_KCAL * np.array(frozen)


def _subset(nodes: FloatArray, part: FloatArray) -> npt.NDArray[np.int64]:
    """Positions of the rows ``part`` among the rows ``nodes``; both hold the same bits."""
    where = {row.tobytes(): k for k, row in enumerate(np.ascontiguousarray(nodes))}
    return np.array([where[row.tobytes()] for row in np.ascontiguousarray(part)], dtype=np.int64)
