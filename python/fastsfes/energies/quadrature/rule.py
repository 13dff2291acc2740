"""Rules: the nodes of each channel, a matrix of weights on them, and the errors that were measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ...common.errors import InputError
from ...common.readonly import ReadOnly
from ...formula.expression import Expression
from .nodes import NodeGrid, derived_features, parse_channel_key

FloatArray = npt.NDArray[np.float64]

#: "full": all active nodes of the tensor grid. "reduced": a few hundred of them. "coarse": a subset of the reduced
#: nodes with a matrix of its own; the difference to "reduced" estimates the error at no extra function value.
LEVELS = ("full", "reduced", "coarse")


class NotRepresentable(InputError):
    """The quadrature has no nodes for what a functional needs; evaluate it with method="grid"."""


@dataclass(frozen=True)
class NodeSet:
    """Nodes of one channel and one row of weights per species.

    Attributes:
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
        return ReadOnly(derived_features(parse_channel_key(self.key)[0], named))

    def evaluate(self, expression: Expression, parameters: Mapping[str, float] | None = None) -> FloatArray:
        """Values of an enhancement factor at the nodes, (n,).

        Raises:
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

    Attributes:
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
class Rules:
    """What is stored of a quadrature.

    Attributes:
        name: identifier in the dataset file.
        species: names that have a row, in the order of the rows. Species that share a density share a row.
        integration_grid: "" when every density was put on the grid that it was made on, else that grid.
        tolerance: largest error (kcal/mol per species) that was asked for.
        channels: measure -> rule.
    """

    name: str
    species: tuple[str, ...]
    integration_grid: str
    tolerance: float
    channels: Mapping[str, ChannelRule]

    def has_level(self, name: str) -> bool:
        """Whether every channel has this node set."""
        return all(name in rule.levels for rule in self.channels.values())
