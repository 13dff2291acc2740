"""Datasets of a few electrons: hydrogen atoms and molecules in a small basis, B97 or wB97M-V densities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from fastsfes.datasets import DatasetContents, Reaction, Species
from fastsfes.datasets.production import build_dataset
from fastsfes.densities import ScfSettings

SETTINGS = ScfSettings(xc="b97", basis="6-31g", grid="(20,50)", conv_tol=1e-10)
WITH_VV10 = replace(SETTINGS, xc="wb97m_v")


def hydrogen(name: str, *z: float, charge: int = 0) -> Species:
    count = len(z) - charge
    return Species(name, ("H",) * len(z), np.array([[0.0, 0.0, x] for x in z]), charge, count % 2)


def contents() -> DatasetContents:
    species = [
        hydrogen("H", 0.0),
        hydrogen("H2", 0.0, 0.74),
        hydrogen("H2_long", 0.0, 1.0),
        hydrogen("H3", 0, 0.93, 1.86),
    ]
    species.append(hydrogen("H3+", 0.0, 0.9, 1.8, charge=1))
    reactions = (
        Reaction("dissociation", "atoms", "TCE", "train", 1.0, {"H2": -1.0, "H": 2.0}, 109.5),
        Reaction("long", "atoms", "TCE", "validation", 2.0, {"H2_long": -1.0, "H": 2.0}, 95.1),
        Reaction("stretch", "bonds", "ID", "test", 0.5, {"H2": -1.0, "H2_long": 1.0}, 14.0),
        Reaction("barrier", "bonds", "BH", "test", 10.0, {"H2": -1.0, "H": -1.0, "H3": 1.0}, 9.6),
        Reaction("ionisation", "ions", "TCE", "test", 1.0, {"H3": -1.0, "H3+": 1.0}, 150.0),
        Reaction("lost", "ions", "TCE", "test", 1.0, {"H3": -1.0, "gone": 1.0}, 1.0),
    )
    return DatasetContents("small", {s.name: s for s in species}, reactions, {"gone": "no file gone.xyz"})


def build(path: Path) -> Path:
    """All species with B97."""
    return _build(path, contents(), SETTINGS)


def build_with_vv10(path: Path) -> Path:
    """H and H2 with wB97M-V: PySCF's default grid for VV10 takes seconds for anything larger."""
    full = contents()
    names = ("H", "H2")
    species = {name: full.species[name] for name in names}
    return _build(
        path, replace(full, name="vv10", species=species, reactions=full.reactions[:1], missing={}), WITH_VV10
    )


def _build(path: Path, what: DatasetContents, settings: ScfSettings) -> Path:
    result = build_dataset(what, path, settings=settings)
    assert not result.failed
    assert not result.unconverged
    return path
