"""How far a candidate's reaction energies on nodes are from those on the integration grids.

The nodes carry known functionals and a panel of rough expressions within a measured error; a formula made by evolution
can be rougher. For each candidate the error is estimated by what changes from few to dense nodes, and measured on the
grids where densities are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..datasets.dataset import Dataset
from ..datasets.model import HARTREE_TO_KCAL, Reaction
from ..functionals.functional import Channel
from .factors import factor_energies
from .quadrature import Quadrature
from .quadrature.storage import list_quadratures

__all__ = ["DIGITS", "NodeCheck"]

FloatArray = npt.NDArray[np.float64]
Channels = Mapping[str, Channel]

DIGITS = 6
"""Decimals of errors in kcal/mol: the library routines that put densities on grids give last bits that depend on
threads."""


@dataclass(frozen=True)
class NodeCheck:
    """The nodes of a dataset against its grids.

    Attributes:
        dataset: where the densities are, if there are any.
        quadrature: the nodes.
        keys: kind -> measure of the channels.
        reactions: whose energies count.
        fine: name of a quadrature of the same densities on a finer integration grid, which need not be there.
    """

    dataset: Dataset
    quadrature: Quadrature
    keys: Mapping[str, str]
    reactions: tuple[Reaction, ...]
    fine: str = ""

    @property
    def on_grids(self) -> bool:
        """Whether there are grids to check on."""
        return self.dataset.has_densities

    @cached_property
    def coefficients(self) -> FloatArray:
        """Of the species in the reactions, (reactions, species)."""
        return self.quadrature.stoichiometry(self.dataset, self.reactions)

    def on_nodes(self, channels: Channels, level: str = "full") -> FloatArray:
        """Energies of all species of the quadrature on nodes, kcal/mol, (species,)."""
        return self._energies(self.quadrature, channels, level)

    def _energies(self, quadrature: Quadrature, channels: Channels, level: str = "full") -> FloatArray:
        total = np.zeros(len(quadrature.species))
        for kind, channel in channels.items():
            total += quadrature.rule(self.keys[kind]).level(level).energies(channel.expression, channel.parameters)
        return HARTREE_TO_KCAL * total

    @cached_property
    def finer(self) -> Quadrature | None:
        """The quadrature on the finer integration grid, where the dataset has one of the same species and measures."""
        path = self.dataset.path
        if not self.fine or path is None or self.fine not in list_quadratures(path):
            return None
        found = Quadrature.load(self.dataset, self.fine)
        same = found.species == self.quadrature.species and set(self.keys.values()) <= set(found.channels)
        return found if same else None

    def between_grids(self, channels: Channels) -> FloatArray | None:
        """What changes from the integration grid to the finer one, kcal/mol, (species,); None where there is none."""
        if self.finer is None:
            return None
        return np.asarray(self._energies(self.finer, channels) - self.on_nodes(channels))

    def reduced(self, channels: Channels) -> bool:
        """Whether there are few nodes beside the dense ones."""
        return all("reduced" in self.quadrature.rule(self.keys[k]).levels for k in channels)

    def changes(self, channels: Channels) -> FloatArray:
        """What changes from few to dense nodes, kcal/mol, (species,); 0 where dense ones are used all along."""
        if not self.reduced(channels):
            return np.zeros(len(self.quadrature.species))
        return self.on_nodes(channels, "reduced") - self.on_nodes(channels)

    def reaction_changes(self, channels: Channels) -> FloatArray:
        """The same of the reactions, without signs; infinite where it is not a number, (reactions,)."""
        change = np.abs(self.coefficients @ self.changes(channels))
        return np.where(np.isfinite(change), change, np.inf)

    def order(self, channels: Channels) -> list[int]:
        """The reactions, first the one whose energy changes most from few to dense nodes."""
        return [int(k) for k in np.argsort(-self.reaction_changes(channels), kind="stable")]

    def species_errors(
        self,
        candidates: Sequence[Channels],
        species: Sequence[int],
        progress: Callable[[str, int, int], None] | None = None,
        *,
        again: bool = False,
    ) -> FloatArray:
        """Energies on nodes less those on the grids, kcal/mol, (candidates, species), one pass for all candidates.

        For `again` see `factor_energies`.
        """
        names = [self.quadrature.species[k] for k in species]
        factors = [{self.keys[k]: channel.bound() for k, channel in c.items()} for c in candidates]
        grid = HARTREE_TO_KCAL * factor_energies(factors, self.dataset, names, again=again, progress=progress)
        nodes = np.array([self.on_nodes(c)[list(species)] for c in candidates]).reshape(grid.shape)
        return np.asarray(np.round(nodes - grid, DIGITS))

    def worst(self, channels: Channels, reactions: Sequence[int]) -> float:
        """The largest error of some reactions on the grids, kcal/mol; infinite when one is not a number."""
        rows = self.coefficients[list(reactions)]
        species = np.flatnonzero(rows.any(axis=0)).tolist()
        return largest(rows[:, species] @ self.species_errors([channels], species, again=True)[0])


def largest(errors: FloatArray) -> float:
    """The largest absolute value, rounded; infinite when one is not a number."""
    if not len(errors):
        return 0.0
    return float(np.round(np.abs(errors).max(), DIGITS)) if np.isfinite(errors).all() else float("inf")
