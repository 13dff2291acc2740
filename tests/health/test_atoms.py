"""Hartree-Fock atoms against published limits and identities, and the radial grids that functionals need."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pyscf import gto, scf
from pyscf.dft import radi

import fastsfes as fs
from fastsfes.health import atomic_convergence
from fastsfes.health.atoms import ATOMS, hartree_fock
from fastsfes.health.convergence import SIZES

# Restricted open-shell Hartree-Fock limits: Bunge, Barrientos, Bunge, Cogordan, Phys. Rev. A 46, 3691 (1992),
# 10.1103/PhysRevA.46.3691, hartree
LIMITS = {
    "Li": -7.432726927,
    "N": -54.40093415,
    "Ne": -128.5470980,
    "Na": -161.8589113,
    "P": -340.7187806,
    "Ar": -526.8175122,
}


@pytest.mark.parametrize("symbol", ATOMS)
def test_energies_reach_the_hartree_fock_limit(symbol: str) -> None:
    # even-tempered bases: within two microhartree above, and never below but for the last digit of the table
    assert -2e-7 < hartree_fock(symbol).energy - LIMITS[symbol] < 2e-6


@pytest.mark.parametrize("symbol", ATOMS)
def test_densities(symbol: str) -> None:
    """Numbers of electrons, the virial theorem, the cusp, and the von Weizsaecker bound."""
    atom = hartree_fock(symbol)
    charge = ATOMS[symbol].charge
    r, dr = radi.treutler_ahlrichs(400, charge)
    weights = 4 * math.pi * r**2 * dr
    density = atom.density(r)
    open_shells = {"Li": 1, "N": 3, "Ne": 0, "Na": 1, "P": 3, "Ar": 0}[symbol]
    electrons = density.rho @ weights
    assert electrons == pytest.approx([(charge + open_shells) / 2, (charge - open_shells) / 2], abs=1e-7)
    # T = -E within the square root of the error of the energy
    assert (density.tau @ weights).sum() == pytest.approx(-atom.energy, rel=1e-6)
    at = np.array([1e-6, 2e-6])
    total = atom.density(at).rho.sum(axis=0)
    assert np.log(total[0] / total[1]) / 1e-6 == pytest.approx(2 * charge, rel=2e-2)
    assert np.all(density.sigma[[0, 2]] <= 8 * density.rho * density.tau * (1 + 1e-10))
    # gradients are those of the density
    far = r > 1e-2  # closer in, differences have no digits: the density hardly changes
    h = 1e-4 * r[far]
    slope = (atom.density(r[far] + h).rho - atom.density(r[far] - h).rho) / (2 * h)
    np.testing.assert_allclose(slope[0] ** 2, density.sigma[0, far], rtol=1e-5, atol=1e-9 * density.sigma.max())


def test_density_is_that_of_pyscf_in_a_large_gaussian_basis() -> None:
    """An independent program and other functions: rho and tau of neon between cusp and tail."""
    mol = gto.M(atom="Ne", basis="unc-cc-pv5z", verbose=0)
    mf = scf.RHF(mol).run()
    r = np.linspace(0.05, 2.0, 40)
    ao = mol.eval_gto("GTOval_sph_deriv1", np.array([[0, 0, x] for x in r]))
    phi = ao @ mf.mo_coeff[:, :5]
    rho = 2 * (phi[0] ** 2).sum(axis=1)
    tau = (phi[1:] ** 2).sum(axis=(0, 2))
    density = hartree_fock("Ne").density(r)
    # the Gaussian basis is incomplete: it moves the density by some 1e-4
    np.testing.assert_allclose(density.rho.sum(axis=0), rho, rtol=3e-3)
    np.testing.assert_allclose(density.tau.sum(axis=0), tau, rtol=1e-2)


def test_an_unknown_atom() -> None:
    with pytest.raises(fs.InputError, match='atom "Xe"'):
        hartree_fock("Xe")


def test_bands_of_known_functionals() -> None:
    """SCAN needs hundreds of points where PBE needs some fifty, and r2SCAN was made to cure it (10.1063/5.0121187)."""
    worst = {}
    for name in ("lda", "pbe", "wb97m_v", "libxc:scan", "libxc:r2scan"):
        found = atomic_convergence(fs.load_comparison(name))
        assert [f.atom for f in found] == list(ATOMS)
        worst[name] = max(f.n0 for f in found)
    assert worst["lda"] < 50
    assert worst["pbe"] < 150
    assert worst["wb97m_v"] < 150
    assert 350 <= worst["libxc:scan"] < 1000
    assert worst["pbe"] < worst["libxc:r2scan"] < 350


def test_n0_is_the_first_size_from_which_all_agree() -> None:
    for found in atomic_convergence(fs.load_comparison("libxc:r2scan")):
        assert found.sizes == SIZES
        close = np.abs(np.array(found.energies) - found.energies[-1]) <= 1e-6
        start = found.sizes.index(found.n0)
        assert close[start:].all()
        assert not close[start - 1]


def test_energies_on_fine_grids_are_those_of_another_quadrature() -> None:
    """Gauss-Legendre in ln(r), which shares nothing with the grids of the protocol."""
    x, w = np.polynomial.legendre.leggauss(800)
    low, high = math.log(1e-7), math.log(60.0)
    r = np.exp(0.5 * (high - low) * x + 0.5 * (high + low))
    weights = 0.5 * (high - low) * w * r * 4 * math.pi * r**2
    for found in atomic_convergence(fs.get_functional("wb97m_v")):
        density = hartree_fock(found.atom).density(r)
        energy = fs.get_functional("wb97m_v").energy_density(density.rho, density.sigma, density.tau).exc @ weights
        assert found.energies[-1] == pytest.approx(energy, abs=1e-8)


def test_what_never_converges_is_pathological() -> None:
    ripple = fs.load("x = 1 + 1e-3*tanh(1e9*(x2 - 30)*(x2 - 31)*(x2 - 33)*(x2 - 60))")
    assert {found.band for found in atomic_convergence(ripple)} == {"pathological"}
    assert all(found.to_dict()["n0"] is None or found.n0 >= 1000 for found in atomic_convergence(ripple))
