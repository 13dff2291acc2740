"""Functionals registered in PySCF: plain scripts with mf.xc = "mine", molecules, spinors and periodic systems."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from pyscf import dft, gto, scf
from pyscf.dft import libxc
from pyscf.pbc import dft as periodic
from pyscf.pbc import gto as cells
from pyscf.pbc.dft.multigrid import MultiGridNumInt2

import fastsfes as fs

scf.hf.MUTE_CHKFILE = True  # no temporary file per calculation

HYDRIDE = "Li 0 0 0; H 0 0 1.6"
META = "x = 1 + 0.3*u(x2, g) + 0.2*w; x.g = 0.004; css = 1 + w; cos = 1 - 0.1*w**2"


def molecule(**more):
    return gto.M(atom=HYDRIDE, basis="sto-3g", verbose=0, **more)


@pytest.fixture(scope="module")
def cell():
    return cells.M(
        a=np.eye(3) * 4.0,
        atom="He 0 0 0; He 1.1 1.3 1.2",
        basis="gth-szv",
        pseudo="gth-pade",
        mesh=[17] * 3,
        verbose=0,
        precision=1e-8,
    )


def converged(mf, xc):
    mf.xc = xc
    mf.conv_tol = 1e-11
    mf.kernel()
    assert mf.converged
    return mf


@pytest.mark.parametrize("name", ["wb97m_v", "pbe0", META])
def test_equals_attach(name, tmp_path):
    """Energies, gradients and excitations are those of the object that attach made: the same values, the same frame."""
    path = tmp_path / "mine.json"
    fs.load(name).to_json(path)
    assert fs.pyscf.register(str(path), name="mine") == "mine"
    for kind, charge in ((dft.RKS, 0), (dft.UKS, 1)):
        mol = molecule(charge=charge, spin=charge)
        ours, attached = coarse(kind(mol)), fs.pyscf.attach(coarse(kind(mol)), name)
        for mf in (converged(ours, "mine"), converged(attached, attached.xc)):
            assert mf.nlcgrids.level == 0
        assert ours.e_tot == pytest.approx(attached.e_tot, abs=1e-9)  # both are converged to this
        if charge == 0:
            forces, exact = (mf.nuc_grad_method().kernel() for mf in (ours, attached))
            np.testing.assert_allclose(forces, exact, atol=1e-6)
            if name == "pbe0":
                energies, exact = (mf.TDA().run(nstates=2).e for mf in (ours, attached))
                np.testing.assert_allclose(energies, exact, atol=1e-6)


def coarse(mf):
    mf.grids.level = mf.nlcgrids.level = 0
    return mf


def test_spinors():
    fs.pyscf.register("pbe", name="mine")
    energies = [
        converged(dft.GKS(gto.M(atom="Li", spin=1, basis="sto-3g", verbose=0)), xc).e_tot for xc in ("mine", "pbe")
    ]
    assert energies[0] == pytest.approx(energies[1], abs=1e-9)


THEIRS = {"lda": "lda,pw_mod"}
"""libxc's name where it is another one."""


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


def periodic_pair(kind, name, cell, integrator=None):
    """Ours and libxc's functional of the same formula; two k points, or the gamma point."""
    fs.pyscf.register(name, name="mine")
    made = []
    for xc in ("mine", THEIRS.get(name, name)):
        mf = getattr(periodic, kind)(cell, *([cell.make_kpts([2, 1, 1])] if kind.startswith("K") else []))
        if integrator is not None:
            mf._numint = integrator(cell)
        made.append(converged(mf, xc))
    return made


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        slow("KRKS", "lda"), slow("KUKS", "lda"), ("KRKS", "pbe"), slow("KUKS", "pbe"), slow("KRKS", "pbe0"),
        slow("KUKS", "pbe0"),
    ],
)  # fmt: skip
def test_periodic(kind, name, cell):
    """Energies and forces at k points, one and two spins."""
    ours, libxcs = periodic_pair(kind, name, cell)
    assert ours.e_tot == pytest.approx(libxcs.e_tot, abs=1e-9)
    forces = [mf.nuc_grad_method().kernel() for mf in (ours, libxcs)]
    np.testing.assert_allclose(forces[0], forces[1], atol=1e-7)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("RKS", "r2scan"), slow("UKS", "r2scan"), slow("KRKS", "r2scan"), ("KUKS", "r2scan"), slow("KRKS", "tpss")],
)
def test_periodic_meta_gga_is_libxcs(kind, name, cell):
    """Energies; PySCF has no forces of meta-GGAs in a cell."""
    ours, libxcs = periodic_pair(kind, name, cell)
    assert ours.e_tot == pytest.approx(libxcs.e_tot, abs=1e-9)


@pytest.mark.parametrize(("kind", "name"), [("RKS", "lda"), ("RKS", "pbe"), ("UKS", "pbe0")])
def test_gamma_point(kind, name, cell):
    """Energies and forces with the integrator that PySCF has forces of at the gamma point."""
    ours, libxcs = periodic_pair(kind, name, cell, MultiGridNumInt2)
    assert ours.e_tot == pytest.approx(libxcs.e_tot, abs=1e-9)
    forces = [mf.nuc_grad_method().kernel() for mf in (ours, libxcs)]
    np.testing.assert_allclose(forces[0], forces[1], atol=1e-7)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("KRKS", "pbe"), slow("KUKS", "pbe"), ("RKS", "r2scan"), slow("UKS", "r2scan"), slow("KRKS", "r2scan"),
        slow("KUKS", "r2scan"),
    ],
)  # fmt: skip
def test_stress(kind, name, cell):
    module = importlib.import_module(f"pyscf.pbc.grad.{kind.lower()}")
    stress = importlib.import_module(f"pyscf.pbc.grad.{kind.lower()}_stress")
    found = [stress.kernel(module.Gradients(mf)) for mf in periodic_pair(kind, name, cell)]
    assert abs(found[1]).max() > 1e-4
    np.testing.assert_allclose(found[0], found[1], atol=1e-8)


def test_periodic_meta_gga(cell):
    """The energy of exchange and correlation is the integral of our energy density over the converged density."""
    fs.pyscf.register(META, name="mine")
    mf = converged(periodic.KRKS(cell, cell.make_kpts([2, 1, 1])), "mine")
    ni, density = mf._numint, mf.make_rdm1()
    exc = total = 0.0
    for ao, _, mask, weight, _ in ni.block_loop(cell, mf.grids, cell.nao, 1, mf.kpts):
        rho = ni.eval_rho(cell, ao, density, mask, "MGGA", with_lapl=False)
        rho = np.asarray(rho).real  # it is but for rounding: the k points come in pairs
        exc += weight @ fs.load(META).energy_density(rho[0], (rho[1:4] ** 2).sum(0), rho[-1]).exc
        total += weight @ rho[0]
    assert total == pytest.approx(cell.nelectron, rel=1e-2)  # on this coarse mesh
    assert mf.get_veff(dm=density).exc == pytest.approx(exc, rel=1e-10)


def test_derivatives_in_every_order_of_libxc():
    """What PySCF's own functions of libxc return is libxc's, in either of their orders of components."""
    fs.pyscf.register("pbe", name="mine")
    random = np.random.default_rng(1)
    rho = random.uniform(0.1, 1.0, (2, 4, 7))
    for spin, values in ((0, rho[0]), (1, rho)):
        for deriv in (1, 2, 3):
            a, b = (libxc.eval_xc1(xc, values, spin, deriv) for xc in ("mine", "pbe"))
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)
        a, b = (libxc.eval_xc(xc, values, spin, deriv=2) for xc in ("mine", "pbe"))
        np.testing.assert_allclose(a[0], b[0], rtol=1e-11)
        for one, other in zip((*a[1], *a[2]), (*b[1], *b[2]), strict=True):
            assert (one is None) == (other is None)
            if other is not None:
                np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-9)
    with pytest.raises(fs.InputError, match="order 4"):
        libxc.eval_xc1("mine", rho[0], 0, 4)
    with pytest.raises(fs.InputError, match=r"omega = 0\.3"):
        libxc.eval_xc1("mine", rho[0], 0, 1, omega=0.3)


def test_names():
    for name in ("Mine", "my functional", "", "1st", "a-b", "hyb_cs", "my_d3"):
        with pytest.raises(fs.InputError, match="cannot be used in PySCF"):
            fs.pyscf.register("pbe", name=name)
    for name in ("pbe", "gga_x_pbe", "b3lyp"):
        with pytest.raises(fs.InputError, match="choose another name"):
            fs.pyscf.register("pbe", name=name)
    fs.pyscf.register("lda", name="mine")
    assert libxc.xc_type("mine") == "LDA"
    fs.pyscf.register("pbe0", name="mine")
    assert libxc.xc_type("mine") == "GGA"
    assert libxc.hybrid_coeff("mine") == 0.25


def test_other_programs_do_not_find_another_functional():
    """gpu4pyscf asks for the numbers of libxc's functionals: there is none, and it stops."""
    fs.pyscf.register("pbe", name="mine")
    _, ((number, _),) = libxc.parse_xc("mine")
    with pytest.raises(ValueError, match="not a valid functional"):
        libxc.XCFunctionalCache(str(number))
    with pytest.raises(ModuleNotFoundError):
        dft.RKS(molecule(), xc="mine").to_gpu()
