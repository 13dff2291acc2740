"""Grid files: densities of any program, molecules and solids, folded like all others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import fastsfes as fs
from fastsfes.cli import main
from fastsfes.densities.gridfile import from_pyscf, read_grid_file, write_grid_file
from fastsfes.densities.record import GridRecord
from fastsfes.energies.quadrature import NodeGrid, build_quadrature, save_quadrature


@pytest.fixture(scope="module")
def records() -> dict[str, GridRecord]:
    """H2 and H by PySCF in a small basis."""
    from pyscf import dft, gto

    made = {}
    for name, atoms, spin in (("h2", "H 0 0 0; H 0 0 0.74", 0), ("h", "H 0 0 0", 1)):
        mf = (
            dft.UKS(gto.M(atom=atoms, spin=spin, basis="sto-3g", verbose=0))
            if spin
            else dft.RKS(gto.M(atom=atoms, basis="sto-3g", verbose=0))
        )
        mf.xc, mf.chkfile = "b97", None
        mf.grids.level = 0
        mf.kernel()
        made[name] = from_pyscf(mf)
    return made


@pytest.fixture
def folder(tmp_path: Path, records: dict[str, GridRecord]) -> Path:
    (tmp_path / "reactions.csv").write_text(
        "name,split,reference_kcal,reaction\nD,train,109.5,-1 h2; 2 h\nE,validation,219,-2 h2; 4 h\n"
    )
    write_grid_file(tmp_path / "grids.h5", records)
    return tmp_path


def imported(folder: Path) -> fs.Dataset:
    path = folder / "made.h5"
    assert main(["dataset", "import", str(folder), "--grids", str(folder / "grids.h5"), "--output", str(path)]) == 0
    return fs.Dataset.open(path)


def test_files_come_back_bit_for_bit(records: dict[str, GridRecord], tmp_path: Path) -> None:
    write_grid_file(tmp_path / "g.h5", records)
    found = dict(read_grid_file(tmp_path / "g.h5"))
    for name, record in records.items():
        other = found[name]
        assert isinstance(other, GridRecord)
        for key, array in record.arrays.items():
            np.testing.assert_array_equal(array, other.arrays[key])
        assert other.energies == record.energies
        # What grid level 0 leaves of accuracy.
        assert other.electrons == pytest.approx(2.0 if name == "h2" else 1.0, abs=5e-3)


def test_energies_are_those_of_the_program(folder: Path, records: dict[str, GridRecord]) -> None:
    """B97 put back onto its own densities gives PySCF's semilocal energies, and so the total energies."""
    data = imported(folder)
    (error,) = fs.evaluate("b97", data, "train", method="grid").errors
    total = 2.0 * records["h"].energies.e_tot - records["h2"].energies.e_tot
    # PySCF and this program round differently; libxc's and our B97 agree to 1e-10 hartree.
    assert error == pytest.approx(627.509474 * total - 109.5, abs=1e-6)


def test_they_are_folded_and_fitted_like_all_others(folder: Path) -> None:
    data = imported(folder)
    assert data.has_densities
    assert data.verify() == {}
    assert data.path is not None
    rule = build_quadrature(
        data, channels=("x", "css", "cos"), tolerance=1.0, ladder=(NodeGrid.make({"x2": 96, "w": 32}, 5),), reduce=False
    )
    save_quadrature(data.path, rule)
    data = fs.Dataset.open(data.path)
    assert fs.wrmsd("b97", data, "train") == pytest.approx(fs.wrmsd("b97", data, "train", method="grid"), abs=1e-2)
    assert fs.fit("b97_x", data).train < 1e-6  # one reaction


def test_what_needs_orbitals_or_another_grid_says_so(folder: Path) -> None:
    data = imported(folder)
    with pytest.raises(fs.InputError, match="stored as values on a grid and has no orbitals"):
        data.density("h2")
    with pytest.raises(fs.InputError, match="stored on its own grid and cannot be put on 'level 3'"):
        build_quadrature(data, channels=("css",), integration_grid="level 3")


@pytest.mark.parametrize("kpts", [None, [2, 1, 1]])
def test_solids(kpts: list[int] | None) -> None:
    """A chain of helium in a box: semilocal energies of the grid file are PySCF's."""
    from pyscf.pbc import dft, gto

    cell = gto.M(
        a=np.diag([4.0, 4.0, 4.0]), atom="He 0 0 0", basis="gth-szv", pseudo="gth-pade", mesh=[21] * 3, verbose=0
    )
    mf = dft.RKS(cell) if kpts is None else dft.KRKS(cell, cell.make_kpts(kpts))
    mf.xc, mf.chkfile = "pbe", None
    mf.kernel()
    record = from_pyscf(mf)
    count, semilocal, _ = mf._numint.nr_rks(
        cell, mf.grids, "pbe", mf.make_rdm1(), **({} if kpts is None else {"kpts": mf.kpts})
    )
    assert record.electrons == pytest.approx(float(count), rel=1e-12)
    assert record.energies.e_xc_semilocal == pytest.approx(float(semilocal), rel=1e-12)
    density = fs.get_functional("pbe").energy_density(record.rho, record.sigma, record.tau)
    energy = float(np.sum(record.weights * density.exc))
    assert energy == pytest.approx(record.energies.e_xc_semilocal, abs=1e-8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.__delitem__("tau"), "is damaged or incomplete"),
        (lambda g: g.attrs.__delitem__("xc"), "lacks the attribute xc"),
        (lambda g: g.attrs.__setitem__("energy", 3.0), "energy is not e_tot - e_xc_semilocal"),
        (lambda g: g.attrs.__setitem__("multiplicity", 0), "multiplicity 0 must be at least 1"),
        (lambda g: g["rho"].__setitem__(0, np.nan), "rho holds NaN"),
        (lambda g: g["tau"].__setitem__(0, -1.0), "tau is negative somewhere"),
        # other units, factors, names and states
        (lambda g: g.attrs.__setitem__("charge", 0.5), "charge is 0.5, not a whole number"),
        (lambda g: g.attrs.__setitem__("energy", np.nan), "energy is not e_tot - e_xc_semilocal"),
        (lambda g: g.attrs.__setitem__("multiplicity", 3), "multiplicity 3 needs spin densities"),
        (lambda g: g.attrs.__setitem__("xc", "foo"), 'libxc has no functional "foo"'),
        (lambda g: g.attrs.__setitem__("xc", "pbe"), "pbe on this density has a semilocal energy"),
        (lambda g: g["weights"].write_direct(0.529177**3 * g["weights"][:]), "0.296 electrons, not a whole number"),
        (lambda g: g["sigma"].write_direct(np.sqrt(g["sigma"][:])), "tau is below"),
        (lambda g: g["tau"].write_direct(0.5 * g["tau"][:]), "tau is below"),
        (lambda g: g["tau"].write_direct(1.01 * g["tau"][:]), ""),  # B97 does not see tau
        (lambda g: g["rho"].write_direct(1.01 * g["rho"][:]), "b97 on this density has a semilocal energy"),
        (lambda g: (g.__delitem__("rho"), g.create_dataset("rho", data=np.ones(3))), "do|expected"),
    ],
)
def test_damaged_species_are_refused_and_the_others_kept(folder: Path, change: object, message: str) -> None:
    from fastsfes.datasets.grids import import_grids

    with h5py.File(folder / "grids.h5", "r+") as file:
        change(file["h2"])  # type: ignore[operator]
    result = import_grids(folder, folder / "grids.h5", folder / "made.h5")
    assert (result.imported, list(result.refused)) == ((1, ["h2"]) if message else (2, []))
    if not message:
        return
    assert message.split("|")[0] in result.refused["h2"] or message.split("|")[-1] in result.refused["h2"]


def test_the_order_of_the_spins_and_the_geometry_are_checked(folder: Path, records: dict[str, GridRecord]) -> None:
    from fastsfes.datasets.grids import import_grids

    swapped = {k: a[::-1] for k, a in records["h"].arrays.items() if k != "weights"}
    write_grid_file(folder / "grids.h5", {**records, "h": replace(records["h"], **swapped)})
    refused = import_grids(folder, folder / "grids.h5", folder / "made.h5").refused
    assert "rho holds -1.00 more electrons of the first spin than of the second, multiplicity 2 says 1" in refused["h"]
    (folder / "geometries").mkdir()
    for name, text in (("h2", "3\n1 1\nH 0 0 0\nH 0 0 1\nH 0 1 0\n"), ("h", "1\n0 2\nLi 0 0 0\n")):
        (folder / "geometries" / f"{name}.xyz").write_text(text)
    h2 = records["h2"]
    write_grid_file(folder / "grids.h5", {**records, "h2": replace(h2, attributes={**h2.attributes, "charge": 1})})
    # A lithium atom whose 1s shell a pseudopotential stands for has one electron as well.
    assert import_grids(folder, folder / "grids.h5", folder / "made.h5").refused == {}
    (folder / "geometries" / "h2.xyz").write_text("2\n1 1\nH 0 0 0\nBe 0 0 1\n")
    assert import_grids(folder, folder / "grids.h5", folder / "made.h5").refused == {}
    (folder / "geometries" / "h2.xyz").write_text("1\n1 1\nH 0 0 0\n")
    refused = import_grids(folder, folder / "grids.h5", folder / "made.h5").refused
    assert "it holds 2.00 electrons, the geometry 0" in refused["h2"]


def test_other_files_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with h5py.File(folder / "other.h5", "w") as file:
        file.attrs["format"] = "something"
    command = ["dataset", "import", str(folder), "--output", str(folder / "x.h5"), "--grids"]
    assert main([*command, str(folder / "other.h5")]) == 2
    assert "lacks the attributes format" in capsys.readouterr().err
    assert main([*command, str(folder / "absent.h5")]) == 2
    assert main([*command, str(folder / "grids.h5"), "--xc", "pbe"]) == 2
