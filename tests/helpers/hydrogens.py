"""Small, fast densities for the tests of datasets: minimal basis, coarse grid."""

import numpy as np

from fastsfes.datasets import DatasetContents, Reaction, Species
from fastsfes.densities import Job, ScfSettings

#: Enough to exercise every code path in a fraction of a second per molecule (VV10 would take seconds).
QUICK = ScfSettings(xc="pbe0", basis="sto-3g", grid="(20,50)", conv_tol=1e-9)

#: The functional of the real libraries: range separation and VV10.
WITH_VV10 = ScfSettings(xc="wb97m_v", basis="sto-3g", grid="(20,50)", conv_tol=1e-9)


def hydrogen(name: str = "H", shift: float = 0.0) -> Species:
    return Species(name, ("H",), np.array([[0.0, 0.0, shift]]), 0, 1)


def dihydrogen(name: str = "H2", length: float = 0.74) -> Species:
    return Species(name, ("H", "H"), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, length]]), 0, 0)


def job(species: Species, settings: ScfSettings = QUICK) -> Job:
    return Job(species.name, species.symbols, species.coordinates, species.charge, species.spin, settings)


def small_contents() -> DatasetContents:
    """H2 -> 2 H in three splits, with one species that shares a geometry and one that is missing."""
    species = {s.name: s for s in (hydrogen(), hydrogen("H_again", 3.0), dihydrogen(), dihydrogen("H2_long", 1.0))}
    reactions = (
        Reaction("a", "dissociation", "TCE", "train", 1.0, {"H2": -1.0, "H": 2.0}, 109.5),
        Reaction("b", "dissociation", "TCE", "validation", 2.5, {"H2_long": -1.0, "H": 1.0, "H_again": 1.0}, 95.1),
        Reaction("c", "stretch", "ID", "test", 0.1, {"H2": -1.0, "H2_long": 1.0}, 1.0 / 3.0),
        Reaction("d", "lost", "ID", "test", 1.0, {"H2": -1.0, "gone": 1.0}, 7.0),
    )
    return DatasetContents(
        "small", species, reactions, {"gone": "no file gone.xyz"}, "made for tests", {"e": "left out"}
    )
