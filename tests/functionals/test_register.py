"""Functionals registered in PySCF: plain scripts with mf.xc = "mine", molecules, spinors and periodic systems."""

from __future__ import annotations

import numpy as np
import pytest
from pyscf import dft, gto
from pyscf.dft import libxc
from pyscf.pbc import dft as periodic
from pyscf.pbc import gto as cells
from pyscf.pbc.grad import krks_stress

import fastsfes as fs

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


@pytest.mark.parametrize(("ours", "theirs"), [("lda", "lda,pw_mod"), ("pbe", "pbe"), ("pbe0", "pbe0")])
def test_periodic(ours, theirs, cell):
    """k points, one and two spins, the gamma point: energies and forces of libxc's functional of the same formula."""
    fs.pyscf.register(ours, name="mine")
    kpts = cell.make_kpts([2, 1, 1])
    made = [lambda: periodic.RKS(cell), lambda: periodic.KRKS(cell, kpts)]
    if ours != "pbe0":
        made.append(lambda: periodic.KUKS(cell, kpts))
    for make in made:
        a, b = (converged(make(), xc) for xc in ("mine", theirs))
        assert a.e_tot == pytest.approx(b.e_tot, abs=1e-9)
        if ours == "pbe" and len(made) == 3 and isinstance(a, periodic.krks.KRKS):
            forces = [mf.nuc_grad_method().kernel() for mf in (a, b)]
            np.testing.assert_allclose(forces[0], forces[1], atol=1e-7)


def test_stress(cell):
    fs.pyscf.register("pbe", name="mine")
    made = [converged(periodic.KRKS(cell, cell.make_kpts([2, 1, 1])), xc).nuc_grad_method() for xc in ("mine", "pbe")]
    found = [krks_stress.kernel(gradients) for gradients in made]
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
