"""What is known of the members of a front before one is picked: how far their figures on nodes can be trusted.

Where densities are stored, all members are evaluated on integration grids in one pass: in the reactions whose energies
change most from few to all nodes, or, when all are asked for, in every one, and the known functionals beside them. A
folded dataset has no grid; there the change from few to all nodes is the estimate. Where a dataset has the quadrature
of a second integration grid, what changes from the one grid to the other is looked at too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..common.files import plain
from ..energies.check import DIGITS, NodeCheck, largest
from ..functionals.functional import Channel, Functional
from .checking import AT_ONCE, MOST, wanted
from .progress import Progress

__all__ = ["Assessed", "Checked", "OnGrid", "assess_reactions", "assess_species"]

OnGrid = Literal["none", "sample", "all"]
"""How many species are checked on their grids, where there are grids."""


@dataclass(frozen=True)
class Checked:
    """How far a functional's energies on nodes can be trusted.

    Attributes:
        method: "grid" when they were compared with the full grid, "nodes" when few nodes with all of them, else "".
        deviation: the largest difference of a reaction energy, kcal/mol; None when nothing was compared.
        where: that reaction (or species).
        species: species -> difference of its energy, kcal/mol.
        energies: semilocal energies of the quadrature's species on the full grid, kcal/mol, when all were compared.
        grids: "change": the largest change of a reaction energy from the integration grid to a finer one, kcal/mol,
            with the reaction, "where", and the name of the finer grid, "to"; empty where there is none.
        left_out: subset -> number of reactions and sum of weighted squared errors, from fits that left it out.
        physics: see `fastsfes.run.physics.physics`; "atom" is of `atom_energy`.
        compared: "done" of how many reactions (or species) were compared, "of" how many, when it was with the grid.
    """

    method: str = ""
    deviation: float | None = None
    where: str = ""
    species: Mapping[str, float] = field(default_factory=dict)
    energies: NDArray[np.float64] | None = field(default=None, compare=False)
    grids: Mapping[str, Any] = field(default_factory=dict)
    left_out: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    physics: Mapping[str, Any] = field(default_factory=dict)
    compared: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: what was compared, the largest difference of a reaction, and those of the species."""
        numbers = {"deviation": self.deviation, "species": dict(self.species)}
        return {"method": self.method, "where": self.where, **plain(numbers), **self._more()}

    def facts(self) -> dict[str, Any]:
        """Plain data for a row of the front."""
        numbers = {"deviation": self.deviation, **self.physics}
        return {"method": self.method, "where": self.where, **plain(numbers), **self._more()}

    def _more(self) -> dict[str, Any]:
        more = {"compared": self.compared, "grids": self.grids}
        return {name: dict(value) for name, value in more.items() if value}


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
    on_grid: OnGrid = "sample",
    tolerance: float = 0.0,
) -> Assessed:
    """Check members and known functionals by the energies of reactions.

    A sample are the reactions of which each member is least certain, more of a member that is doubtful beside the
    tolerance (kcal/mol). Where nothing tells which those are, all are checked.
    """
    channels, others = [f.channels for f in members], [f.channels for _, f in known]
    every: Sequence[int] = range(len(check.quadrature.species))
    if on_grid == "none" or not check.on_grids:
        found = [_checked("nodes", check, every, check.changes(one), one) for one in (*channels, *others)]
    elif on_grid == "sample" and all(check.reduced(one) for one in channels):
        species = _doubtful_species(check, channels, tolerance)
        progress.message(
            f"checking {len(channels)} functionals on the integration grids of {len(species)} of {len(every)} species"
        )
        errors = check.species_errors(channels, species, progress.part)
        found = [_checked("grid", check, species, e, one) for e, one in zip(errors, channels, strict=True)]
        found += [Checked() for _ in others]
    else:
        both = [*channels, *others]
        progress.message(f"checking {len(both)} functionals on the integration grids of all {len(every)} species")
        errors = check.species_errors(both, every, progress.part)
        found = [
            _checked("grid", check, every, e, one, check.on_nodes(one) - e) for e, one in zip(errors, both, strict=True)
        ]
    names = zip(known, found[len(members) :], strict=True)
    return Assessed(tuple(found[: len(members)]), tuple((name, f, c) for (name, f), c in names))


def _doubtful_species(check: NodeCheck, candidates: Sequence[Mapping[str, Channel]], tolerance: float) -> list[int]:
    """The species of the reactions that each candidate is checked on, the most doubtful one as if it was in doubt."""
    estimates = [float(check.reaction_changes(channels).max(initial=0.0)) for channels in candidates]
    rows: set[int] = set()
    for channels, estimate in zip(candidates, estimates, strict=True):
        count = MOST if estimate == max(estimates) else wanted(estimate, tolerance)
        rows.update(check.order(channels)[:count])
    return [int(k) for k in np.flatnonzero(check.coefficients[sorted(rows)].any(axis=0))]


def assess_species(
    check: NodeCheck,
    members: Sequence[Functional],
    target: Functional,
    progress: Progress,
    *,
    on_grid: OnGrid = "sample",
) -> Assessed:
    """Check members by the energies of species, each less the target's."""
    if on_grid == "none" or not check.on_grids:
        return Assessed(tuple(Checked() for _ in members))
    names = check.quadrature.species
    channels = [f.channels for f in (*members, target)]
    species = list(range(len(names)))
    if on_grid == "sample" and all(check.reduced(one) for one in channels):
        changes = np.abs([check.changes(one) for one in channels])
        changes = np.where(np.isfinite(changes), changes, np.inf)
        species = sorted({int(k) for one in changes for k in np.argsort(-one, kind="stable")[:AT_ONCE]})
    where = f"of {len(species)} of {len(names)} species"
    progress.message(f"checking the front and the target on the integration grids {where}")
    errors = check.species_errors(channels, species, progress.part)
    found = []
    for error in errors[:-1] - errors[-1]:
        worst = int(np.argmax(np.abs(error)))
        by_name = dict(zip([names[k] for k in species], error.tolist(), strict=True))
        compared = {"done": len(species), "of": len(names)}
        found.append(Checked("grid", largest(error), names[species[worst]], by_name, compared=compared))
    return Assessed(tuple(found))


def _checked(
    method: str,
    check: NodeCheck,
    species: Sequence[int],
    error: NDArray[np.float64],
    channels: Mapping[str, Channel],
    energies: NDArray[np.float64] | None = None,
) -> Checked:
    """From the errors of some species; the reactions of these species alone are compared."""
    others = np.setdiff1d(np.arange(len(check.quadrature.species)), species)
    rows = np.flatnonzero(~check.coefficients[:, others].any(axis=1)).tolist()
    deviation, where = _worst(check, rows, species, error)
    compared = {"done": len(rows), "of": len(check.reactions)} if method == "grid" else {}
    names = [check.quadrature.species[k] for k in species]
    by_name = dict(zip(names, np.round(error, DIGITS).tolist(), strict=True))
    between = check.between_grids(channels)
    grids: dict[str, Any] = {}
    if between is not None and check.finer is not None:
        change, reaction = _worst(check, range(len(check.reactions)), range(len(between)), between)
        grids = {**plain({"change": change}), "where": reaction, "to": check.finer.integration_grid}
    return Checked(method, deviation, where, by_name, energies, grids, compared=compared)


def _worst(
    check: NodeCheck, reactions: Sequence[int], species: Sequence[int], error: NDArray[np.float64]
) -> tuple[float, str]:
    """The largest change of a reaction energy by those of its species, kcal/mol, and the reaction."""
    by_reaction = check.coefficients[np.ix_(reactions, species)] @ error
    worst = int(np.argmax(np.abs(np.where(np.isfinite(by_reaction), by_reaction, np.inf))))
    return largest(by_reaction), check.reactions[reactions[worst]].name
