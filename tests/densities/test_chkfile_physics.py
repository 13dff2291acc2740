"""Chkfiles of calculations that are more than a functional and a basis set: restored, or refused by name."""

from importlib.util import find_spec

import numpy as np
import pytest

from fastsfes import FastsfesError
from fastsfes.densities import RecordError, read_chkfile

SAID = {"xc": "pbe", "grid": "level 0"}


def calculate(path, kind, atom, change=None, xc="pbe", run=True, **molecule):
    """A PySCF calculation that leaves a chkfile; returns the mean field."""
    from pyscf import dft, gto

    mf = getattr(dft, kind)(gto.M(atom=atom, verbose=0, **{"basis": "sto-3g", **molecule}), xc=xc)
    mf.grids.level = 0
    mf._chkfile = None  # else reference cycles of some objects keep it until Python warns of it
    mf = mf if change is None else change(mf) or mf
    mf.conv_tol, mf.chkfile = 1e-11, str(path)
    mf.kernel()
    assert mf.converged
    return mf


@pytest.mark.parametrize(
    ("kind", "atom", "molecule"),
    [
        ("ROKS", "N 0 0 0; H 0 0 1.04", {"spin": 2}),
        ("ROKS", "H 0 0 0", {"spin": 1, "basis": "6-31g"}),
        ("UKS", "H 0 0 0; H 0 0 2.5", {}),
        ("UKS", "N 0 0 0; H 0 0 1.04", {"spin": 2, "symmetry": True}),
        ("RKS", "H 0 0 0; F 0 0 0.92", {"symmetry": True, "cart": True, "basis": "6-31g*"}),
        ("RKS", "Na 0 0 0; H 0 0 1.9", {"basis": "lanl2dz", "ecp": {"Na": "lanl2dz"}}),
        ("RKS", "He 0 0 0; ghost-He 0 0 2", {"basis": "6-31g"}),
    ],
)
def test_restored(tmp_path, kind, atom, molecule):
    mf = calculate(tmp_path / "a.chk", kind, atom, **molecule)
    record = read_chkfile(tmp_path / "a.chk", settings=SAID)
    assert record.converged
    assert record.reference == kind
    # The same sums over the same grid; integrals in another orientation round otherwise.
    assert record.energies.e_tot == pytest.approx(mf.e_tot, abs=1e-9)
    density = np.asarray(mf.make_rdm1())
    assert record.density_matrix() == pytest.approx(density, abs=1e-12)
    assert record.attributes["basis"] == molecule.get("basis", "sto-3g")


def test_broken_symmetry_is_kept(tmp_path):
    """The spins of a singlet, localised on two atoms: half of the exchange of a closed shell would be wrong."""
    from pyscf import dft, gto

    mol = gto.M(atom="H 0 0 0; H 0 0 2.5", basis="sto-3g", verbose=0)
    mf = dft.UKS(mol, xc="pbe")
    mf._chkfile, mf.grids.level, mf.chkfile, mf.conv_tol = None, 0, str(tmp_path / "a.chk"), 1e-11
    start = np.zeros((2, 2, 2))
    start[0, 0, 0] = start[1, 1, 1] = 1.0
    mf.kernel(dm0=start)
    assert mf.spin_square()[0] > 0.5
    record = read_chkfile(tmp_path / "a.chk", settings=SAID)
    assert record.energies.e_tot == pytest.approx(mf.e_tot, abs=1e-9)
    density = np.asarray(mf.make_rdm1())
    exchange = -0.5 * sum(np.einsum("ijkl,il,jk", mol.intor("int2e"), d, d) for d in density)
    assert record.energies.e_xx == pytest.approx(exchange, abs=1e-10)


def smeared(mf):
    from pyscf.scf.addons import smearing

    return smearing(mf, sigma=0.05)


def corrected(mf):
    mf.disp = "d3bj"


@pytest.mark.parametrize(
    ("kind", "atom", "change", "molecule", "expected"),
    [
        ("RKS", "Be 0 0 0", lambda mf: mf.x2c(), {}, "relativistic X2C Hamiltonian"),
        ("RKS", "H 0 0 0; H 0 0 0.74", lambda mf: mf.x2c(), {}, "relativistic X2C Hamiltonian"),
        ("RKS", "He 0 0 0", None, {"basis": "gth-szv", "pseudo": "gth-pade"}, "pseudopotentials of the GTH kind"),
        ("RKS", "Be 0 0 0", smeared, {}, "fractional occupations (smearing)"),
        ("GKS", "He 0 0 0", None, {}, "two-component orbitals (GKS, relativistic)"),
        ("RKS", "H 0 0 0; F 0 0 0.92", lambda mf: mf.density_fit(), {}, "grid and density fitting were others"),
        ("RKS", "Ne 0 0 0; Ne 0 0 3", corrected, {}, "dispersion correction (D3, D4)"),
    ],
)
def test_refused_by_name(tmp_path, kind, atom, change, molecule, expected):
    if change is corrected and find_spec("pyscf.dispersion") is None:
        pytest.skip("needs pyscf-dispersion")
    calculate(tmp_path / "a.chk", kind, atom, change, **molecule)
    with pytest.raises(FastsfesError) as caught:
        read_chkfile(tmp_path / "a.chk", "molecule-7", settings=SAID)
    assert expected in str(caught.value)
    assert "molecule-7" in str(caught.value)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, "does not say its xc; give it (option --xc)"),
        ({"xc": "pbe"}, "does not say its grid; give it (option --grid)"),
        ({"grid": "level 0"}, "does not say its xc"),
        ({"xc": "pbe", "grid": "level 1"}, "with pbe, grid level 1, density fitting none the energy of this density"),
        ({"xc": "blyp", "grid": "level 0"}, "with blyp, grid level 0"),
        ({**SAID, "density_fit": "def2-universal-jkfit"}, "its grid and density fitting were others"),
        ({"xc": "pbe-d3bj", "grid": "level 0"}, "the dispersion correction d3bj is no functional of the density"),
        ({"xc": "pbe", "grid": "fine"}, "grid 'fine' is not understood"),
    ],
)
def test_what_is_said_is_checked(tmp_path_factory, said, expected, fluoride):
    with pytest.raises(RecordError) as caught:
        read_chkfile(fluoride, settings=said)
    assert expected in str(caught.value)


@pytest.fixture(scope="module")
def fluoride(tmp_path_factory):
    path = tmp_path_factory.mktemp("said") / "HF.chk"
    calculate(path, "RKS", "H 0 0 0; F 0 0 0.92", basis="6-31g")
    return path
