"""Whether reactions conserve atoms and charge, and whether their references can be energies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from ..common.errors import InputError
from ..densities.basis import is_ghost
from .model import HARTREE_TO_KCAL, Reaction, Species, nuclear_charge

__all__ = ["check_energies", "imbalance"]

#: Hartree per electron that any total energy of a molecule lies below (H has -0.5).
_BOUND = -0.4

_TOLERANCE = 1e-6


def imbalance(reaction: Reaction, species: Mapping[str, Species]) -> str:
    """What a reaction does not conserve; "" when it is balanced, or a species has no geometry.

    Absolute energies of single atoms, free electrons (ionisation energies, electron affinities) and protons of zero
    energy (proton affinities) are no imbalance. Ghost atoms do not count.
    """
    atoms: defaultdict[str, float] = defaultdict(float)
    charge = 0.0
    for name, coefficient in reaction.coefficients.items():
        if name not in species:
            return ""
        for symbol in species[name].symbols:
            if not is_ghost(symbol):
                atoms[symbol] += coefficient
        charge += coefficient * species[name].charge
    if len(reaction.coefficients) == 1 and len(species[next(iter(reaction.coefficients))].symbols) == 1:
        return ""
    lost = {symbol: number for symbol, number in atoms.items() if abs(number) > _TOLERANCE}
    protons = set(lost) == {"H"} and abs(lost["H"] - charge) < _TOLERANCE
    electrons = not lost and abs(charge - round(charge)) < _TOLERANCE
    if protons or electrons:
        return ""
    parts = [f"{number:+g} {symbol}" for symbol, number in sorted(lost.items())]
    if abs(charge) > _TOLERANCE:
        parts.append(f"charge {charge:+g}")
    return ", ".join(parts)


def check_energies(reactions: Iterable[Reaction], species: Mapping[str, Species], where: str) -> None:
    """Refuse a table of some other property: a single molecule has an energy far below zero.

    Raises:
        InputError: names the reaction.
    """
    for reaction in reactions:
        ((name, coefficient), *others) = reaction.coefficients.items()
        if others or coefficient != 1.0 or name not in species:
            continue
        molecule = species[name]
        charge = sum(nuclear_charge(symbol) for symbol in molecule.symbols)
        energy = reaction.reference / HARTREE_TO_KCAL
        if energy > _BOUND * min(charge, charge - molecule.charge):
            raise InputError(
                f"{where}: {reaction.name!r} has one species, {name!r}, and the reference {energy:g}, which is no "
                f"total energy in hartree; a table of another property (dipole moments) is no dataset of energies"
            )
