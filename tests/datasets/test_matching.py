"""Matching of geometries: any order, position, orientation and mirror image; nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fastsfes.datasets.matching import deviation, match_species
from fastsfes.datasets.model import Species


def moved(species: Species, seed: int, *, mirror: bool = False, noise: float = 0.0) -> Species:
    """The same species elsewhere: atoms shuffled, turned, shifted, mirrored if asked for, and distorted."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    if (np.linalg.det(rotation) < 0) != mirror:
        rotation[:, 0] *= -1.0
    order = rng.permutation(len(species.symbols))
    shift = rng.uniform(-noise, noise, size=(len(order), 3))
    coordinates = (species.coordinates + shift) @ rotation + rng.normal(size=3)
    return Species("moved", tuple(species.symbols[i] for i in order), coordinates[order], species.charge, species.spin)


CHIRAL = Species(
    "chiral", ("C", "H", "F", "Cl", "O", "H"),
    np.array([[0, 0, 0], [1.1, 0, 0], [-0.4, 1.3, 0], [-0.6, -0.7, 1.5], [-0.5, -0.6, -1.2], [0.2, -0.5, -1.9]]),
)  # fmt: skip
ANGLES = np.arange(6) * np.pi / 3.0
BENZENE = Species(
    "benzene", ("C",) * 6 + ("H",) * 6,
    np.array([[r * np.cos(a), r * np.sin(a), 0.0] for r in (1.39, 2.48) for a in ANGLES]),
)  # fmt: skip


@pytest.mark.parametrize("species", [CHIRAL, BENZENE], ids=["chiral", "benzene"])
@pytest.mark.parametrize("mirror", [False, True])
def test_order_orientation_and_mirror_images_do_not_matter(species: Species, mirror: bool) -> None:
    for seed in range(20):
        found = deviation(species, moved(species, seed, mirror=mirror))
        # Rotations in double precision change distances of a few angstrom by some 1e-15.
        assert found is not None
        assert found < 1e-13


def test_distortions_within_the_tolerance_match_and_larger_ones_do_not() -> None:
    for seed in range(20):
        assert deviation(BENZENE, moved(BENZENE, seed, noise=0.002)) is not None
        assert deviation(BENZENE, moved(BENZENE, seed, noise=0.05)) is None


def test_equal_distances_in_another_arrangement_do_not_match() -> None:
    # Two sets of points on a line with the same distances, and no motion between them (Bloom's pair).
    one, other = (
        Species("x", ("He",) * 6, np.array([[float(x), 0, 0] for x in points]))
        for points in ((0, 1, 4, 10, 12, 17), (0, 1, 8, 11, 13, 17))
    )
    pairs = [
        np.sort(np.abs(np.subtract.outer(s.coordinates[:, 0], s.coordinates[:, 0])), axis=None) for s in (one, other)
    ]
    np.testing.assert_array_equal(*pairs)
    assert deviation(one, other) is None


def test_charge_multiplicity_and_elements_must_agree() -> None:
    assert deviation(CHIRAL, replace(CHIRAL, charge=2)) is None
    assert deviation(CHIRAL, replace(CHIRAL, spin=2)) is None
    assert deviation(BENZENE, replace(BENZENE, symbols=("Si", *BENZENE.symbols[1:]))) is None


def test_the_nearest_source_is_taken_and_others_are_named() -> None:
    def water(angle: float) -> Species:
        a = np.radians(angle)
        return Species(
            "w", ("O", "H", "H"), np.array([[0, 0, 0], [0.96, 0, 0], [0.96 * np.cos(a), 0.96 * np.sin(a), 0]])
        )

    sources = {
        "near": water(104.6),
        "nearer": water(104.51),
        "far": water(107.0),
        "atom": Species("o", ("O",), np.zeros((1, 3)), spin=2),
    }
    found = match_species({"water": water(104.5), "oh": Species("oh", ("O", "H"), np.eye(2, 3), spin=1)}, sources)
    assert list(found) == ["water"]
    assert found["water"].name == "nearer"
    assert list(found["water"].others) == ["near"]
    assert found["water"].deviation == pytest.approx(
        2 * 0.96 * (np.sin(np.radians(52.255)) - np.sin(np.radians(52.25))), abs=1e-12
    )


def test_single_atoms_match() -> None:
    atom = Species("n", ("N",), np.zeros((1, 3)), spin=3)
    assert deviation(atom, moved(atom, 0)) == 0.0
