"""What is physical about a functional and what is not, as far as a second shows it; a line of verdict for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..common.files import plain
from ..datasets.dataset import Dataset
from ..datasets.model import HARTREE_TO_KCAL
from ..energies.frame import frame_of, frame_shift
from ..functionals.functional import Functional
from ..functionals.kernels import interpreted
from ..health.atoms import ATOMS
from ..health.conditions.exact import exact_conditions
from ..health.conditions.subject import Subject, as_subject
from ..health.convergence import ACCEPTED, SIZES, atomic_convergence
from ..health.totals import EXACT_ATOMS

__all__ = ["atom_energy", "faults", "physics", "verdict"]

WRONG = 0.01
"""Relative error of an atom's total energy beyond which a functional counts as unphysical; LDA's is half of that."""

_PREFERRED = ("Ne", "Ar", "N", "O", "C")


def physics(functional: Functional) -> dict[str, Any]:
    """Exact conditions, the sign of correlation in atoms, and how fine a radial grid these need.

    Returns:
        "conditions": "met", "of" (how many could be tested) and the names of those "failed"; "correlation": the largest
        correlation energy of six atoms in hartree with its "atom", None without correlation; "radial": the number of
        radial "points" that converge the energy of the worst "atom" (None: more than the largest grid has), and the
        "band" of Lehtola & Marques (10.1063/5.0121187).
    """
    subject = as_subject(functional)
    with interpreted(), np.errstate(all="ignore"):
        rows = [row for row in exact_conditions(subject) if row.passed is not None]
        failed = [row.name for row in rows if not row.passed]
        found = atomic_convergence(functional)
        worst = max(found, key=lambda a: (a.n0 or math.inf, a.atom))
        return {
            "conditions": {"met": len(rows) - len(failed), "of": len(rows), "failed": failed},
            "correlation": _correlation(subject),
            "radial": {"points": worst.n0, "atom": worst.atom, "band": worst.band},
        }


def _correlation(subject: Subject) -> dict[str, Any] | None:
    if not subject.correlation:
        return None
    parts = [atomic_convergence(part) for part in subject.correlation]
    energies = {atom: sum(p[k].energies[-1] for p in parts) for k, atom in enumerate(ATOMS)}
    atom = max(energies, key=lambda a: energies[a] if math.isfinite(energies[a]) else math.inf)
    return {"atom": atom, **plain({"energy": energies[atom]})}


def atom_energy(dataset: Dataset, functional: Functional, energies: Mapping[str, float]) -> dict[str, Any] | None:
    """The total energy of an atom on its stored density, beside the exact one; None when the dataset has no atom.

    Args:
        dataset: with the energies that do not change.
        functional: in a frame whose energies the dataset holds.
        energies: its semilocal energies of species in kcal/mol.
    """
    atoms: dict[str, str] = {}
    for name in energies:
        species = dataset.species[name]
        symbol = species.symbols[0]
        ground, _ = EXACT_ATOMS.get(symbol, (-1, 0.0))
        if len(species.symbols) == 1 and species.charge == 0 and species.spin == ground:
            atoms.setdefault(symbol, name)
    for symbol in (*_PREFERRED, *EXACT_ATOMS):
        if symbol in atoms:
            kept = dataset.energies(atoms[symbol])
            shift = frame_shift(kept, functional.frame, frame_of(dataset, [atoms[symbol]]), functional.name)
            total = kept.e_frozen + shift + energies[atoms[symbol]] / HARTREE_TO_KCAL
            return {"atom": symbol, "exact": EXACT_ATOMS[symbol][1], **plain({"energy": total})}
    return None


def faults(checked: Mapping[str, Any], tolerance: float) -> list[str]:
    """Why a functional is not picked: a few words for each reason.

    Args:
        checked: `physics`, with "atom" (`atom_energy`), "deviation" and "method" (`fastsfes.run.assess.Checked`).
        tolerance: for the deviation in kcal/mol; 0 for any.
    """
    found = []
    deviation = checked.get("deviation")
    if tolerance and checked.get("method") and not (deviation is not None and deviation <= tolerance):
        amount = "unknown" if deviation is None else f"{deviation:.2g} kcal/mol"
        beside = "the full grid" if checked["method"] == "grid" else "more nodes"
        found.append(f"the nodes are wrong by {amount} beside {beside}")
    correlation = checked.get("correlation")
    if correlation and not (correlation["energy"] is not None and correlation["energy"] <= 0.0):
        found.append(f"correlation is not negative in {correlation['atom']}")
    radial = checked.get("radial")
    if radial and (radial["points"] is None or radial["points"] >= ACCEPTED):
        found.append(f"radial grids are {radial['band']} in {radial['atom']}")
    atom = checked.get("atom")
    if atom and not (atom["energy"] is not None and abs(atom["energy"] / atom["exact"] - 1.0) <= WRONG):
        found.append(f"the total energy of {atom['atom']} is wrong")
    return found


def verdict(row: Mapping[str, Any]) -> str:
    """One line from a row of the front: what holds, what fails, and what was not looked at."""
    checked, failing = row.get("checked") or {}, row.get("faults", [])
    parts, absent = [], []
    conditions = checked.get("conditions")
    if conditions:
        parts.append(f"{conditions['met']} of {conditions['of']} exact conditions met")
    else:
        absent.append("exact conditions")
    correlation = checked.get("correlation")
    if correlation and correlation["energy"] is not None:
        if correlation["energy"] <= 0.0:
            parts.append("correlation negative in atoms")
        else:
            parts.append(f"correlation {correlation['energy']:+.4f} hartree in {correlation['atom']}")
    radial = checked.get("radial")
    if radial:
        points = f"more than {SIZES[-2]}" if radial["points"] is None else radial["points"]
        parts.append(f"radial grids {radial['band']} ({points} points for {radial['atom']})")
    atom = checked.get("atom")
    if atom and atom["energy"] is not None:
        parts.append(f"total energy of {atom['atom']} {atom['energy']:.4f} hartree (exact {atom['exact']:.4f})")
    else:
        absent.append("the total energy of an atom")
    deviation = checked.get("deviation")
    if checked.get("method") == "grid" and deviation is not None:
        compared = checked.get("compared") or {"done": 0, "of": 0}
        some = compared["done"] < compared["of"]
        which = f"{compared['done']} of {compared['of']} reactions" if some else "reactions"
        parts.append(f"{which} within {deviation:.1e} kcal/mol of the full grid")
    else:
        if deviation is not None:
            parts.append(f"reactions change by {deviation:.1e} kcal/mol from few nodes to all")
        absent.append("the full grid")
    grids = checked.get("grids")
    if grids and grids["change"] is not None:
        parts.append(f"reactions change by {grids['change']:.1e} kcal/mol to grid {grids['to']}")
    text = ("FAILS: " + ", ".join(failing) + "; " if failing else "") + "; ".join(parts)
    return (
        f"verdict: {text}{'; not checked: ' if parts or failing else 'not checked: '}{', '.join(absent)}".removesuffix(
            "; not checked: "
        )
    )
