"""The packaged dataset "gscdb": what it holds, and that its nodes give the energies of its densities."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.datasets import HARTREE_TO_KCAL
from fastsfes.datasets.dataset import SealedError
from fastsfes.datasets.packaged import DATA
from fastsfes.energies.frame import frame_of
from fastsfes.energies.quadrature import Quadrature, worst_error


@pytest.fixture(scope="module")
def gscdb() -> fs.Dataset:
    return fs.Dataset.open("gscdb")


@pytest.fixture(scope="module")
def quadrature(gscdb: fs.Dataset) -> Quadrature:
    return Quadrature.load(gscdb)


def test_package_data_stay_small() -> None:
    assert sum(path.stat().st_size for path in DATA.iterdir()) <= 25e6


def test_it_holds_a_thousand_reactions_with_their_sources(gscdb: fs.Dataset) -> None:
    info = gscdb.info()
    assert info.reactions == info.available > 1100
    assert info.licence == "CC BY 4.0"
    assert {r.subset for r in gscdb.reactions} <= info.sources.keys()
    assert all("arXiv:2508.13468" in text for text in info.sources.values())
    assert set(info.matched) == set(gscdb.density_names) == set(gscdb.species)
    assert not any("ambiguous" in text for text in info.matched.values())
    assert gscdb.is_sealed
    with pytest.raises(SealedError):
        gscdb.split("test")


def test_splits_share_no_reaction_and_have_several_kinds(gscdb: fs.Dataset) -> None:
    kinds = {split: {r.data_type for r in gscdb.split(split)} for split in ("train", "validation")}
    assert {"TCE", "BH", "NCED", "AE18"} <= kinds["train"]
    assert {"TCE", "TCD", "BH", "NCED", "ID"} <= kinds["validation"]


def test_references_and_weights_are_those_of_the_archive(gscdb: fs.Dataset, shared: Path) -> None:
    source = shared / "gscdb138" / "gscdb138.tar.xz"
    if not source.exists():
        pytest.skip("the archive of GSCDB138 is absent")
    published = {r.name: r for r in fs.Dataset.open(source).reactions}
    assert all(published[r.name] == r for r in gscdb.contents.reactions)


def test_nodes_give_the_stored_energies(gscdb: fs.Dataset, quadrature: Quadrature) -> None:
    """wB97M-V made the densities: its semilocal energy is stored with each, from PySCF and libxc on the full grid."""
    energies = quadrature.energies(fs.get_functional("wb97m_v").with_frame(frame_of(gscdb)))
    stored = np.array([gscdb.energies(name).e_xc_semilocal for name in quadrature.species])
    # A thousandth of a kcal/mol per species, the tolerance of the quadrature.
    assert np.abs(HARTREE_TO_KCAL * (energies - stored)).max() < 1e-3


def test_nodes_give_libxc_energies_of_other_functionals(
    gscdb: fs.Dataset, quadrature: Quadrature, mgcdb84: Path
) -> None:
    """GAS22 on the densities of MGCDB84 that serve here, by libxc on the full grid."""
    reference = json.loads((mgcdb84 / "reference.json").read_text())["species"]
    energies = quadrature.energies(fs.get_functional("gas22").with_frame(frame_of(gscdb)))
    compared = 0
    for name, energy in zip(quadrature.species, energies, strict=True):
        source = str(gscdb.attributes(name).get("source", "")).partition(" of mgcdb84")[0]
        if source in reference:
            compared += 1
            # libxc's GAS22 and ours agree within 1e-8 kcal/mol; the rest are the nodes.
            assert HARTREE_TO_KCAL * abs(energy - reference[source]["gas22"]) < 2e-3, name
    assert compared > 300


def test_measured_errors_keep_the_tolerance(quadrature: Quadrature) -> None:
    for rule in quadrature.channels.values():
        assert worst_error(rule, "full") <= quadrature.tolerance / 3
        assert worst_error(rule, "reduced") <= quadrature.tolerance / 3


def test_the_second_grid_is_on_the_same_nodes(gscdb: fs.Dataset, quadrature: Quadrature) -> None:
    fine = Quadrature.load(gscdb, "fine")
    assert (fine.integration_grid, fine.species) == ("level 5", quadrature.species)
    for key in fine.channels:
        np.testing.assert_array_equal(fine.rule(key).level("full").nodes, quadrature.rule(key).level("full").nodes)
    f = fs.get_functional("wb97m_v").with_frame(frame_of(gscdb))
    change = HARTREE_TO_KCAL * np.abs(fine.energies(f) - quadrature.energies(f))
    assert 1e-4 < np.median(change) < 1.0
