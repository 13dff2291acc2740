"""What a dataset is made of: species, reactions, and the collection of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from ..common.errors import InputError
from ..common.readonly import ReadOnly
from ..densities.record import FloatArray

#: One hartree in kcal/mol, the value that published weights and errors use.
HARTREE_TO_KCAL = 627.509474

#: The three parts of a dataset: fitted to, selected by, and looked at last.
SPLITS = ("train", "validation", "test")


def check_name(name: str, what: str) -> None:
    """Names become HDF5 paths and file names: no slash, no control characters, not "." or "..", at most 200 bytes."""
    bad = name in ("", ".", "..") or "/" in name or any(ord(letter) < 32 or ord(letter) == 127 for letter in name)
    if bad or len(name.encode("utf-8", "replace")) > 200:
        raise InputError(f"{what} name {name[:80]!r} is not usable; it must not be empty, hold '/' or be very long")


@lru_cache(maxsize=256)
def nuclear_charge(symbol: str) -> int:
    """Charge of an atom's nucleus; 0 for a ghost atom."""
    from pyscf.data.elements import charge

    return int(charge(symbol))


@dataclass(frozen=True)
class Species:
    """A molecule, atom or ion at a fixed geometry.

    Attributes:
        name: unique within its dataset.
        symbols: chemical symbols of the n atoms; ``ghost-X`` has the basis functions of X and no nucleus.
        coordinates: positions in angstrom, (n, 3), read-only.
        charge: total charge.
        spin: number of unpaired electrons (2S, multiplicity minus one).
    """

    name: str
    symbols: tuple[str, ...]
    coordinates: FloatArray
    charge: int = 0
    spin: int = 0

    def __post_init__(self) -> None:
        check_name(self.name, "species")
        coordinates = np.array(self.coordinates, dtype=np.float64)
        if coordinates.shape != (len(self.symbols), 3) or not self.symbols:
            raise InputError(
                f"species {self.name!r}: {len(self.symbols)} symbols but coordinates of shape "
                f"{coordinates.shape}; expected (n, 3) with n at least 1"
            )
        if not np.all(np.isfinite(coordinates)):
            raise InputError(f"species {self.name!r}: a coordinate is NaN or infinite")
        coordinates.setflags(write=False)
        object.__setattr__(self, "coordinates", coordinates)
        electrons = sum(nuclear_charge(symbol) for symbol in self.symbols) - self.charge
        if electrons < 0 or self.spin < 0 or self.spin > electrons or (electrons - self.spin) % 2:
            raise InputError(
                f"species {self.name!r}: charge {self.charge} leaves {electrons} electrons, which cannot "
                f"have {self.spin} unpaired (multiplicity {self.spin + 1}); correct charge or multiplicity"
            )

    @property
    def multiplicity(self) -> int:
        """Spin multiplicity 2S + 1."""
        return self.spin + 1


@dataclass(frozen=True)
class Reaction:
    """An energy difference with a reference value.

    Attributes:
        name: unique within its dataset.
        subset: the smallest family it belongs to, e.g. "TAE140nonMR".
        data_type: kind of energy, e.g. "TCE" (easy thermochemistry) or "BH" (barrier height).
        split: "train", "validation" or "test".
        weight: weight of its squared error in the WRMSD.
        coefficients: stoichiometric coefficient of every species; the energy is their weighted sum.
        reference: reference energy in kcal/mol.
    """

    name: str
    subset: str
    data_type: str
    split: str
    weight: float
    coefficients: Mapping[str, float]
    reference: float

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise InputError(f"reaction {self.name!r}: split {self.split!r} is none of {', '.join(SPLITS)}")
        if not np.isfinite(self.weight) or self.weight < 0:
            raise InputError(f"reaction {self.name!r}: weight {self.weight!r} must be finite and not negative")
        if not np.isfinite(self.reference):
            raise InputError(f"reaction {self.name!r}: reference {self.reference!r} must be finite (kcal/mol)")
        if not self.coefficients:
            raise InputError(f"reaction {self.name!r} has no species")
        for species, coefficient in self.coefficients.items():
            if not np.isfinite(coefficient):
                raise InputError(f"reaction {self.name!r}: coefficient {coefficient!r} of {species!r} must be finite")
        object.__setattr__(self, "coefficients", ReadOnly(self.coefficients))

    def energy(self, energies: Mapping[str, float]) -> float:
        """Reaction energy from energies of the species, in their unit."""
        return float(sum(c * energies[name] for name, c in self.coefficients.items()))


@dataclass(frozen=True)
class DatasetContents:
    """What a reader returns: geometries, reactions, and what could not be used and why."""

    name: str
    species: Mapping[str, Species]
    reactions: tuple[Reaction, ...]
    #: species name -> one sentence on why its geometry is absent.
    missing: Mapping[str, str] = field(default_factory=dict)
    #: Where the data come from and what to cite.
    provenance: str = ""
    #: Reactions left out on purpose, name -> why.
    dropped: Mapping[str, str] = field(default_factory=dict)
    #: Species whose density was made for another collection -> which, and how near its geometry is.
    matches: Mapping[str, str] = field(default_factory=dict)
    #: Subset -> what it is and what to cite.
    sources: Mapping[str, str] = field(default_factory=dict)
    #: Licence of the data, in a few words.
    licence: str = ""
    #: Whether the test split is for final reports only.
    sealed: bool = False
    #: Whether the file holds energies and a quadrature but no densities.
    folded: bool = False

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for reaction in self.reactions:
            if reaction.name in seen:
                raise InputError(f"dataset {self.name!r}: reaction {reaction.name!r} occurs twice; rename one")
            seen.add(reaction.name)
            for name in reaction.coefficients:
                if name not in self.species and name not in self.missing:
                    raise InputError(
                        f"dataset {self.name!r}: reaction {reaction.name!r} refers to species {name!r}, "
                        f"which has no geometry; add it or remove the reaction"
                    )
