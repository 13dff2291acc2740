"""What is known of the members of a front before one is picked: how far their figures on nodes can be trusted.

Where densities are stored, all members and the known functionals beside them are evaluated on the full integration grid
in one pass. A folded dataset has no grid; there the change from few to all nodes is the estimate. Where a dataset has
the quadrature of a second integration grid, what changes from the one grid to the other is looked at too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.files import plain
from ..energies.check import DIGITS, NodeCheck, largest
from ..functionals.functional import Channel, Functional
from .progress import Progress, teller

__all__ = ["Assessed", "Checked", "assess_reactions", "assess_species"]


@dataclass(frozen=True)
class Checked:
    """How far a functional's energies on nodes can be trusted.

    Attributes:
        method: "grid" when they were compared with the full grid, "nodes" when few nodes with all of them, else "".
        deviation: the largest difference of a reaction energy, kcal/mol; None when nothing was compared.
        where: that reaction (or species).
        species: species -> difference of its energy, kcal/mol.
        energies: semilocal energies of the quadrature's species on the full grid, kcal/mol.
        grids: "change": the largest change of a reaction energy from the integration grid to a finer one, kcal/mol,
            with the reaction, "where", and the name of the finer grid, "to"; empty where there is none.
        left_out: subset -> number of reactions and sum of weighted squared errors, from fits that left it out.
        physics: see `fastsfes.run.physics.physics`; "atom" is of `atom_energy`.
    """

    method: str = ""
    deviation: float | None = None
    where: str = ""
    species: Mapping[str, float] = field(default_factory=dict)
    energies: NDArray[np.float64] | None = field(default=None, compare=False)
    grids: Mapping[str, Any] = field(default_factory=dict)
    left_out: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    physics: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: what was compared, the largest difference of a reaction, and those of the species."""
        numbers = {"deviation": self.deviation, "species": dict(self.species)}
        return {"method": self.method, "where": self.where, **plain(numbers), **self._grids()}

    def facts(self) -> dict[str, Any]:
        """Plain data for a row of the front."""
        numbers = {"deviation": self.deviation, **self.physics}
        return {"method": self.method, "where": self.where, **plain(numbers), **self._grids()}

    def _grids(self) -> dict[str, Any]:
        return {"grids": dict(self.grids)} if self.grids else {}


@dataclass(frozen=True)
class Assessed:
    """A front and what it stands beside, checked.

    Attributes:
        members: of the members, in their order.
        known: name of the row, functional, and its check.
    """

    members: tuple[Checked, ...]
    known: tuple[tuple[str, Functional, Checked], ...] = ()


def assess_reactions(
    check: NodeCheck,
    members: Sequence[Functional],
    known: Sequence[tuple[str, Functional]],
    progress: Progress,
    *,
    on_grid: bool = True,
) -> Assessed:
    """Check members and known functionals by the energies of reactions."""
    everyone = [*members, *(f for _, f in known)]
    found: list[Checked]
    if on_grid and check.on_grids:
        progress.message(f"checking {len(everyone)} functionals on the full integration grid")
        channels = [f.channels for f in everyone]
        every = range(len(check.quadrature.species))
        errors = check.species_errors(channels, every, teller(progress))
        found = []
        for error, one in zip(errors, channels, strict=True):
            energies = check.on_nodes(one) - error
            found.append(_checked("grid", check, error, one, energies))
    else:
        found = [_checked("nodes", check, check.changes(f.channels), f.channels) for f in everyone]
    names = zip(known, found[len(members) :], strict=True)
    return Assessed(tuple(found[: len(members)]), tuple((name, f, c) for (name, f), c in names))


def assess_species(
    check: NodeCheck, members: Sequence[Functional], target: Functional, progress: Progress, *, on_grid: bool = True
) -> Assessed:
    """Check members by the energies of species, each less the target's."""
    if not on_grid or not check.on_grids:
        return Assessed(tuple(Checked() for _ in members))
    progress.message("checking the front and the target on the full integration grid")
    species = check.quadrature.species
    channels = [f.channels for f in (*members, target)]
    errors = check.species_errors(channels, range(len(species)), teller(progress))
    found = []
    for error in errors[:-1] - errors[-1]:
        worst = int(np.argmax(np.abs(error)))
        by_name = dict(zip(species, error.tolist(), strict=True))
        found.append(Checked("grid", largest(error), species[worst], by_name))
    return Assessed(tuple(found))


def _checked(
    method: str,
    check: NodeCheck,
    error: NDArray[np.float64],
    channels: Mapping[str, Channel],
    energies: NDArray[np.float64] | None = None,
) -> Checked:
    deviation, where = _worst(check, error)
    by_name = dict(zip(check.quadrature.species, np.round(error, DIGITS).tolist(), strict=True))
    between = check.between_grids(channels)
    grids: dict[str, Any] = {}
    if between is not None and check.finer is not None:
        change, reaction = _worst(check, between)
        grids = {**plain({"change": change}), "where": reaction, "to": check.finer.integration_grid}
    return Checked(method, deviation, where, by_name, energies, grids)


def _worst(check: NodeCheck, species: NDArray[np.float64]) -> tuple[float, str]:
    """The largest change of a reaction energy by those of species, kcal/mol, and the reaction."""
    by_reaction = check.coefficients @ species
    worst = int(np.argmax(np.abs(np.where(np.isfinite(by_reaction), by_reaction, np.inf))))
    return largest(by_reaction), check.reactions[worst].name
