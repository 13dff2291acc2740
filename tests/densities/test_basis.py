"""A name of a basis set is not the whole model of an element: ECPs, tables as numbers, and labels that are true."""

import contextlib
import warnings
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hydrogens import QUICK, dihydrogen, hydrogen, job

import fastsfes as fs
from fastsfes import FastsfesError, InputError
from fastsfes.datasets import DatasetContents, Reaction, Species
from fastsfes.datasets.plain import write_plain
from fastsfes.datasets.production import build_dataset
from fastsfes.densities import compute_density, load_mole, read_chkfile
from fastsfes.densities.basis import check_molecule, labels_of, orbital_tables, shells_of
from fastsfes.densities.scf import build_mole

IODIDE = (("H", "I"), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.609]]))
ECP = replace(QUICK, xc="pbe", basis="lanl2dz", grid="level 0", conv_tol=1e-10)


def pyscf_energy(atom, basis, ecp, xc="pbe", level=0, **keywords):
    from pyscf import dft, gto

    mf = dft.KS(gto.M(atom=atom, basis=basis, ecp=ecp, verbose=0, **keywords), xc=xc)
    mf.grids.level, mf.conv_tol, mf._chkfile = level, 1e-10, None
    return mf.kernel()


@pytest.fixture(scope="module")
def iodide():
    return compute_density(*IODIDE, 0, 0, ECP, name="HI")


def test_the_ecp_of_the_basis_set_is_the_default(iodide):
    assert load_mole(iodide.mole).nelectron == 1 + 53 - 46
    assert iodide.attributes["ecp"] == "lanl2dz"
    # Both converged to 1e-10 hartree.
    assert iodide.energies.e_tot == pytest.approx(pyscf_energy("H 0 0 0; I 0 0 1.609", "lanl2dz", "lanl2dz"), abs=1e-9)


@pytest.mark.slow
def test_a_reaction_of_iodides():
    """-19.43 kcal/mol: PySCF 2.14, PBE in def2-SVP with its ECPs at grid level 3; +13.3 with all electrons."""
    methane = "C 0 0 0; H .6276 .6276 .6276; H -.6276 -.6276 .6276; H -.6276 .6276 -.6276; H .6276 -.6276 -.6276"
    methyl = "C 0 0 0; I 0 0 2.132; H 1.0296 0 -.3305; H -.5148 .8917 -.3305; H -.5148 -.8917 -.3305"
    settings = replace(ECP, basis="def2-svp", grid="level 3")
    total = 0.0
    for sign, text in ((-1, methyl), (-1, "H 0 0 0; H 0 0 .741"), (1, methane), (1, "H 0 0 0; I 0 0 1.609")):
        rows = [atom.split() for atom in text.split(";")]
        symbols, places = tuple(row[0] for row in rows), np.array([[float(x) for x in row[1:]] for row in rows])
        energy = compute_density(symbols, places, 0, 0, settings).energies.e_tot
        assert energy == pytest.approx(pyscf_energy(text, "def2-svp", "def2-svp", level=3), abs=1e-8)
        total += sign * energy
    assert total * 627.509474 == pytest.approx(-19.43, abs=0.01)


@pytest.mark.parametrize(
    ("symbols", "basis", "ecp", "expected"),
    [
        (("I",), "def2-svp", "none", "basis set def2-svp has 4 s functions for I, whose atom with no ECP needs 5"),
        (("Si",), "bfd-vdz", "none", "it belongs to an ECP that is not there"),
        (("I",), "cc-pvdz", "default", "PySCF has no basis set 'cc-pvdz' for I"),
        (("H",), "GTH-DZVP", "default", "expected a name on its list"),
        (("H",), "ano@3x", "default", "no contraction such as 3s2p1d"),
        (("H",), "", "default", "expected a name on its list"),
    ],
)
def test_models_that_cannot_be_made(symbols, basis, ecp, expected):
    with pytest.raises(InputError, match=expected):
        orbital_tables(symbols, basis, ecp)


def test_every_all_electron_set_has_its_core():
    """The check of the core refuses no set of PySCF's that has all electrons."""
    for basis in ("sto-3g", "6-31g", "6-311++g(2d,p)", "cc-pvdz", "def2-tzvp", "pcseg-1", "ano-rcc", "dyall-v2z"):
        for element in ("H", "He", "Li", "C", "Ne", "Na", "Cl", "Ar"):
            try:
                shells_of(basis, element)
            except InputError:
                continue
            assert orbital_tables([element], basis)[1] == {}


@pytest.mark.parametrize(
    "name", ["def2-svp", "DEF2_SVP", "6-31G*", "6-31++g(d,p)", "6-311G(2df,p)", "unc-sto-3g", "ano@3s2p"]
)
def test_names_give_the_tables_that_pyscf_has(name):
    from pyscf import gto

    for element in ("H", "O"):
        assert shells_of(name, element) == gto.M(atom=element, basis=name, spin=None)._basis[element]


def test_an_ecp_by_name_and_the_key_of_a_calculation():
    from pyscf import gto

    mol = build_mole(*IODIDE, 0, 0, "def2-svp", "lanl2dz")
    assert mol.nelectron == 8  # of 46 core electrons, not of def2's 28
    assert labels_of(mol, "def2-svp", "lanl2dz") == ("def2-svp", "lanl2dz")
    assert labels_of(mol, "def2-svp", "def2-svp") == ("def2-svp", "custom")
    assert labels_of(mol, "def2-tzvp", "lanl2dz") == ("custom", "lanl2dz")
    hydride = Species("HI", *IODIDE)
    assert job(hydride, ECP).key != job(hydride, replace(ECP, ecp="def2-svp")).key
    assert job(dihydrogen(), ECP).key == job(dihydrogen(), replace(ECP, ecp="none")).key
    with pytest.raises(InputError, match="needs 5"):
        check_molecule(gto.M(atom="H 0 0 0; I 0 0 1.6", basis="def2-svp", verbose=0))


def contents(*species):
    return DatasetContents(
        "own",
        {s.name: s for s in species},
        tuple(Reaction(s.name, "a", "b", "test", 1.0, {s.name: 1.0}, 0.0) for s in species),
    )


def test_ecps_come_back_from_chkfiles_and_another_basis_brings_its_own(tmp_path):
    """An imported ECP density, and a validation of it in another basis set."""
    from pyscf import dft, gto

    hydride = Species("HI", *IODIDE)
    write_plain(tmp_path / "own", contents(hydride))
    (tmp_path / "own" / "densities").mkdir()
    mf = dft.RKS(gto.M(atom="H 0 0 0; I 0 0 1.609", basis="lanl2dz", ecp={"I": "lanl2dz"}, verbose=0), xc="pbe")
    mf.grids.level, mf.conv_tol, mf._chkfile = 0, 1e-10, None
    mf.chkfile = str(tmp_path / "own" / "densities" / "HI.chk")
    mf.kernel()
    from fastsfes.datasets.production import import_folder

    output = tmp_path / "own.h5"
    assert not import_folder(tmp_path / "own", output, settings={"xc": "pbe", "grid": "level 0"}).refused
    data = fs.Dataset.open(output)
    assert data.energies("HI").e_tot == pytest.approx(mf.e_tot, abs=1e-9)
    assert (data.attributes("HI")["basis"], data.attributes("HI")["ecp"]) == ("lanl2dz", "lanl2dz")
    assert data.verify() == {}
    assert next(iter(data.info().settings))[:3] == ("pbe", "lanl2dz", "lanl2dz")
    other = fs.validate("pbe", data, baselines="none", basis="def2-svp", work=tmp_path / "other")
    expected = pyscf_energy("H 0 0 0; I 0 0 1.609", "def2-svp", "def2-svp")
    assert other.species["pbe"]["HI"]["e_tot"] == pytest.approx(expected, abs=1e-7)
    atoms = fs.validate("pbe", data, baselines="none", start="atoms", work=tmp_path / "atoms")
    assert atoms.species["pbe"]["HI"]["e_tot"] == pytest.approx(mf.e_tot, abs=1e-7)
    assert atoms.species["pbe"]["HI"]["e_frozen"] is None


def test_a_basis_set_without_a_name_is_computed_with_as_it_is(tmp_path):
    from pyscf import dft, gto

    from fastsfes.datasets.production import import_folder

    write_plain(tmp_path / "own", contents(dihydrogen()))
    (tmp_path / "own" / "densities").mkdir()
    shells = [[0, [3.0, 0.2], [0.4, 0.9]], [0, [0.1, 1.0]]]
    mf = dft.RKS(gto.M(atom="H 0 0 0; H 0 0 0.74", basis={"H": shells}, verbose=0), xc="pbe")
    mf._chkfile, mf.grids.level, mf.conv_tol, mf.chkfile = (
        None,
        0,
        1e-10,
        str(tmp_path / "own" / "densities" / "H2.chk"),
    )
    mf.kernel()
    import_folder(tmp_path / "own", tmp_path / "own.h5", settings={"xc": "pbe", "grid": "level 0"})
    data = fs.Dataset.open(tmp_path / "own.h5")
    assert data.attributes("H2")["basis"] == "custom"
    for start in ("density", "atoms"):
        found = fs.validate("pbe", data, baselines="none", start=start, work=tmp_path / start)
        assert found.species["pbe"]["H2"]["e_tot"] == pytest.approx(mf.e_tot, abs=1e-7)


def test_warnings_of_pyscf_are_told(tmp_path, capsys):
    """Two hydrogen atoms so close that PySCF finds their basis functions linearly dependent."""
    close = Species("close", ("H", "H"), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1e-5]]))
    result = build_dataset(contents(close), tmp_path / "own.h5", settings=replace(QUICK, xc="lda,", max_cycle=3))
    assert "overlap" in result.warnings["close"]


#: Text that PySCF's reader of basis sets runs, as a row of a basis set.
ATTACK = "H    S\n  __import__('pathlib').Path('owned').write_text('') or 1.0   1.0\n"


@pytest.mark.parametrize("key", ["basis", "ecp", "density_fit", "xc", "grid"])
def test_no_text_of_a_file_is_run(tmp_path, monkeypatch, key):
    monkeypatch.chdir(tmp_path)
    build_dataset(contents(hydrogen(), dihydrogen()), tmp_path / "own.h5", settings=QUICK)
    for text in (ATTACK, "attack.txt"):
        (tmp_path / "attack.txt").write_text(ATTACK)
        with h5py.File(tmp_path / "own.h5", "r+") as file:
            for name in ("H", "H2"):
                file[f"species/{name}"].attrs[key] = text
        data = fs.Dataset.open("own.h5")
        for options in ({}, {"start": "atoms"}, {"grid": "level 0"}):
            try:
                fs.validate("lda", data, baselines="none", work="work", **options)
                fs.wrmsd("lda", data, "test", "grid")
            except FastsfesError:
                pass
        assert not (tmp_path / "owned").exists()


def test_no_text_of_a_chkfile_or_molecule_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from pyscf import dft, gto

    mf = dft.RKS(gto.M(atom="H 0 0 0; H 0 0 0.74", basis="sto-3g", verbose=0), xc="pbe")
    mf._chkfile, mf.grids.level, mf.chkfile = None, 0, str(tmp_path / "H2.chk")
    mf.kernel()
    for key in ("xc", "grid", "density_fit", "basis"):
        with h5py.File(tmp_path / "H2.chk", "r+") as file:
            file.attrs.clear()
            file.attrs[key] = ATTACK
        with contextlib.suppress(FastsfesError):
            read_chkfile(tmp_path / "H2.chk", settings={"xc": "pbe", "grid": "level 0"})
    for old, new in (('"basis": "\'sto-3g\'"', '"basis": "__import__(\'os\')"'), ('"H": [[0', '"H": [["x"')):
        text = mf.mol.dumps()
        assert old in text
        try:
            mol = load_mole(text.replace(old, new))
            assert not isinstance(mol.basis, str)
        except FastsfesError:
            assert '"x"' in new
    assert not (tmp_path / "owned").exists()


def test_a_file_with_the_name_of_a_basis_set_is_not_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("def2-svp", "sto-3g", "def2-universal-jkfit"):
        (tmp_path / name).write_text(ATTACK)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        settings = replace(QUICK, density_fit="def2-universal-jkfit")
        energy = compute_density(*dihydrogen_arguments(), settings).energies.e_tot
    assert not (tmp_path / "owned").exists()
    monkeypatch.chdir("/")
    assert energy == compute_density(*dihydrogen_arguments(), settings).energies.e_tot


def dihydrogen_arguments():
    species = dihydrogen()
    return species.symbols, species.coordinates, 0, 0
