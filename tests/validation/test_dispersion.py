"""Functionals of libxc with a dispersion correction: PySCF's own reading of the name holds."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from pyscf import dft, gto
from scf_small import build

import fastsfes as fs
from fastsfes.datasets import DatasetContents, Reaction, Species
from fastsfes.datasets.production import build_dataset
from fastsfes.densities import ScfSettings
from fastsfes.densities.scf import check_settings, has_vv10, make_mean_field, vv10_energy

NAMES = ("wb97m-d3bj", "wb97x-d3bj", "b97m-d3bj")


@pytest.mark.parametrize("name", NAMES)
def test_the_correction_takes_the_place_of_vv10(name: str) -> None:
    functional, parent = (fs.load_comparison(f"libxc:{code}") for code in (name, name.replace("-d3bj", "_v")))
    assert (functional.dispersion, parent.dispersion) == ("d3bj", "")
    assert functional.nlc is None
    assert parent.nlc is not None
    assert functional.hybrid == parent.hybrid
    arguments = [0.3, 0.2], [0.1, 0.2], [0.3, 0.4]
    np.testing.assert_array_equal(functional.energy_density(*arguments).exc, parent.energy_density(*arguments).exc)


def test_a_correction_beside_a_functional_without_vv10() -> None:
    functional = fs.load_comparison("libxc:pbe-d3bj")
    assert (functional.semilocal, functional.dispersion, functional.nlc) == ("pbe", "d3bj", None)
    with pytest.raises(fs.InputError, match="the dispersion correction d3bj is no functional of the density"):
        check_settings(ScfSettings(xc="pbe-d3bj"), ["H"])
    with pytest.raises(fs.InputError, match="libxc has no functional"):
        fs.load_comparison("libxc:wb97x-d3")  # PySCF refuses it


@pytest.mark.parametrize("name", NAMES)
def test_no_vv10_is_added_after_the_iterations(name: str) -> None:
    """Of a density, without the package that computes dispersion corrections."""
    mol = gto.M(atom="H 0 0 0; H 0 0 0.74", basis="sto-3g", verbose=0)
    settings = ScfSettings(grid="(20,50)")
    density = np.full((2, 2), 0.3)
    mine = make_mean_field(mol, settings, fs.load_comparison(f"libxc:{name}"))
    assert not has_vv10(mine)
    assert vv10_energy(mine, density) == 0.0
    assert has_vv10(make_mean_field(mol, settings, fs.load_comparison(f"libxc:{name.replace('-d3bj', '_v')}")))


def test_a_validation_needs_the_package_that_computes_the_correction(tmp_path: Path) -> None:
    if find_spec("pyscf.dispersion") is not None:
        pytest.skip("pyscf-dispersion is installed")
    with pytest.raises(fs.InputError, match="pip install pyscf-dispersion"):
        fs.validate("libxc:wb97m-d3bj", build(tmp_path / "small.h5"), species=("H2",), baselines=("none",))


@pytest.mark.parametrize(("name", "published"), [("wb97m-d3bj", -100.415788), ("wb97x-d3bj", None)])
def test_a_validation_gives_what_pyscf_gives(name: str, published: float | None, tmp_path: Path) -> None:
    """HF in 6-31G: with VV10 beside D3 the energy of wB97M-D3(BJ) would be -100.372307 hartree."""
    pytest.importorskip("pyscf.dispersion", reason="PySCF computes D3 with pyscf-dispersion")
    fluoride = Species("HF", ("H", "F"), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.92]]), 0, 0)
    reaction = Reaction("total", "all", "TCE", "test", 1.0, {"HF": 1.0}, -63013.0)
    data = DatasetContents("fluoride", {"HF": fluoride}, (reaction,))
    settings = ScfSettings(xc="b97", basis="6-31g", grid="level 3")
    assert not build_dataset(data, tmp_path / "hf.h5", settings=settings).failed
    options = {"species": ("HF",), "baselines": ("none",), "work": tmp_path / "work", "conv_tol": 1e-10}
    found = fs.validate(f"libxc:{name}", tmp_path / "hf.h5", **options).species[f"libxc:{name}"]["HF"]["e_tot"]
    mf = dft.RKS(gto.M(atom="H 0 0 0; F 0 0 0.92", basis="6-31g", verbose=0), xc=name)
    mf.chkfile = mf._chkfile = None
    mf.conv_tol = 1e-11
    assert found == pytest.approx(mf.kernel(), abs=1e-8)
    if published is not None:
        assert found == pytest.approx(published, abs=1e-6)
