"""The packaged dataset: G2-1 atomisation energies and DBH24 barrier heights from ASE's data.

ASE carries geometries, experimental enthalpies of formation, zero-point energies and thermal
corrections of the G2/97 set, and geometries and reference barriers of DBH24. This module turns them
into reactions; ``fastsfes dataset build builtin --output builtin.h5`` makes the packaged file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..common.errors import FastsfesError
from ..densities.settings import ScfSettings
from .model import DatasetContents, Reaction, Species

#: How the packaged densities are made.
BUILTIN_SETTINGS = ScfSettings(
    xc="wb97m_v",
    basis="def2-qzvppd",
    density_fit="def2-universal-jkfit",
    grid="level 3",
    conv_tol=1e-9,
    stability="open-shell",
)

PROVENANCE = (
    "Geometries and reference data from the Atomic Simulation Environment (ase.data.g2_1, ase.data.dbh24). "
    "G2-1: Curtiss et al., J. Chem. Phys. 94, 7221 (1991), 10.1063/1.460205; 106, 1063 (1997), 10.1063/1.473182; "
    "zero-point and thermal corrections: Staroverov et al., J. Chem. Phys. 119, 12129 (2003), 10.1063/1.1626543. "
    "DBH24: Zheng, Zhao and Truhlar, J. Chem. Theory Comput. 3, 569 (2007), 10.1021/ct600281g; "
    "5, 808 (2009), 10.1021/ct800568m."
)

#: Weight of a squared error: barriers count ten times as much as atomisation energies, as in MGCDB84.
WEIGHTS = {"TCE": 1.0, "BH": 10.0}

#: Position in the published order modulo four -> split.
_SPLIT_CYCLE = ("train", "validation", "train", "test")


def atomisation_energy(molecule: Mapping[str, Any], atoms: list[Mapping[str, Any]]) -> float:
    """Electronic atomisation energy D_e in kcal/mol from experiment.

    D_e = sum enthalpy(atoms) - [enthalpy(mol) - thermal(mol) + sum thermal(atoms)] + ZPE, where enthalpies of
    the atoms are at 0 K, that of the molecule at 298 K, and thermal corrections are H(298) - H(0).
    """
    at_zero_kelvin = molecule["enthalpy"] - molecule["thermal correction"] + sum(a["thermal correction"] for a in atoms)
    return float(sum(a["enthalpy"] for a in atoms) - at_zero_kelvin + molecule["ZPE"])


def builtin_contents() -> DatasetContents:
    """Species and reactions of the packaged dataset; needs ase (extra "dataset")."""
    try:
        from ase.data import dbh24, g2_1
    except ImportError as error:
        raise FastsfesError("rebuilding the packaged dataset needs ase: pip install 'fastsfes[dataset]'") from error
    species: dict[str, Species] = {}
    reactions = [*_atomisations(g2_1, species), *_barriers(dbh24, species)]
    return DatasetContents(name="builtin", species=species, reactions=tuple(reactions), provenance=PROVENANCE)


def split_of(position: int) -> str:
    """Split of the entry at a position of the published order: train, validation, train, test, ..."""
    return _SPLIT_CYCLE[position % len(_SPLIT_CYCLE)]


def _atomisations(source: Any, species: dict[str, Species]) -> list[Reaction]:
    """Atomisation energies of G2-1; states of one formula (CH2, SiH2) share a split."""
    position: dict[tuple[str, ...], int] = {}
    reactions: list[Reaction] = []
    for name in source.molecule_names:
        data = source.data[name]
        molecule = _species(f"g2_{name}", data)
        species[molecule.name] = molecule
        formula = tuple(sorted(molecule.symbols))
        place = position.setdefault(formula, len(position))
        coefficients = {molecule.name: -1.0}
        for symbol in molecule.symbols:
            atom = f"g2_{symbol}"
            if atom not in species:
                species[atom] = _species(atom, source.data[symbol])
            coefficients[atom] = coefficients.get(atom, 0.0) + 1.0
        reference = atomisation_energy(data, [source.data[symbol] for symbol in molecule.symbols])
        reactions.append(
            Reaction(f"G2-1_{name}", "G2-1", "TCE", split_of(place), WEIGHTS["TCE"], coefficients, reference)
        )
    return reactions


def _barriers(source: Any, species: dict[str, Species]) -> list[Reaction]:
    """Barriers of DBH24, forward and backward in one split; identical ones (symmetric reactions) once."""
    reactions: list[Reaction] = []
    for place, entry in enumerate(source.dbh24_reaction_list.values()):
        sides = [("forward", "initial", "Vf"), ("backward", "final", "Vb")]
        if sorted(entry["initial"]) == sorted(entry["final"]):
            sides = sides[:1]
        for direction, side, key in sides:
            coefficients = {entry["tst"]: 1.0}
            for name in entry[side]:
                coefficients[name] = coefficients.get(name, 0.0) - 1.0
            for name in coefficients:
                if name not in species:
                    species[name] = _species(name, source.data[name])
            reactions.append(
                Reaction(
                    f"DBH24_{place + 1}_{direction}",
                    "DBH24",
                    "BH",
                    split_of(place),
                    WEIGHTS["BH"],
                    coefficients,
                    float(source.data[entry["tst"]][key]),
                )
            )
    return reactions


def _species(name: str, data: Mapping[str, Any]) -> Species:
    from ase.symbols import string2symbols

    moments = data.get("magmoms") or [0.0]
    return Species(
        name,
        tuple(string2symbols(data["symbols"])),
        np.array(data["positions"], dtype=float),
        charge=round(float(data.get("charge") or 0.0)),
        spin=round(float(sum(moments))),
    )
