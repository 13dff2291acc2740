"""PySCF, JAX and SymPy files: imported or run, and compared with fastsfes on densities of molecules."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from compiling import check_slopes
from export_points import ALL, NAMES, edges, functional

import fastsfes as fs
from fastsfes.functionals.formulas import free_parameters


def load_file(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(p, family):
    """PySCF's rows of density, gradient (rebuilt along two axes) and tau."""
    if p.polarised:
        a = np.sqrt(p.sigma[0])
        along = np.divide(p.sigma[1], a, out=np.zeros_like(a), where=a > 0)
        across = np.sqrt(np.maximum(p.sigma[2] - along**2, 0))
        zero = np.zeros_like(a)
        full = np.array([[p.rho[0], a, zero, zero, p.tau[0]], [p.rho[1], along, across, zero, p.tau[1]]])
    else:
        zero = np.zeros_like(p.rho)
        full = np.array([p.rho, np.sqrt(p.sigma), zero, zero, p.tau])
    count = {"lda": 1, "gga": 4, "mgga": 5}[family]
    return full[..., :count, :] if count > 1 else full[..., 0, :]


@pytest.mark.parametrize("name", ALL)
def test_pyscf_values(name, points, tmp_path):
    """Rows and their order are those of fastsfes' own integrator for PySCF; energies equal to 1e-12."""
    f = functional(name)
    (path,) = fs.export(f, "pyscf", tmp_path / "made.py")
    made = load_file(path)
    from fastsfes.functionals.pyscf import NumInt

    own = NumInt(f)
    for p in points:
        data = rows(p, f.family)
        got = made.eval_xc(data, int(p.polarised), 2)
        want = own.eval_xc1(own.xc_code, data, int(p.polarised), 2)
        assert got.shape == want.shape
        density = p.rho.sum(axis=0) if p.polarised else p.rho
        p.check(f, got[0] * density, 1e-11 if p.polarised else 1e-12)  # gradients were rebuilt
        dense = density > 1e-5
        scale = np.abs(want).max(axis=0)
        error = np.abs(got - want)[:, dense] / scale[dense]
        assert np.quantile(error, 0.99) < 1e-12
        assert error.max() < 1e-10


def test_pyscf_file_runs_alone(tmp_path):
    """SCF, gradients and TDDFT in a Python that cannot import fastsfes, against PySCF's own functionals."""
    fs.export("gas22", "pyscf", tmp_path / "gas22.py")
    fs.export("pbe0", "pyscf", tmp_path / "pbe0.py")
    script = tmp_path / "run.py"
    script.write_text(
        """
import json, sys
sys.modules["fastsfes"] = None
from pyscf import dft, gto, tddft
import gas22, pbe0
mol = gto.M(atom="O 0 0 0; H 0 0.757 0.587; H 0 -0.757 0.587", basis="6-31g", verbose=0)
radical = gto.M(atom="N 0 0 0; H 0 0.8 0.63; H 0 -0.8 0.63", basis="6-31g", spin=1, verbose=0)
out = {}
for module in (gas22, pbe0):
    for m, kind in ((mol, dft.RKS), (radical, dft.UKS)):
        mf = kind(m)
        mf.grids.level = 0
        mf.nlcgrids.level = 0
        mf.conv_tol = 1e-11
        out[module.NAME + kind.__name__] = module.attach(mf).kernel()
        assert mf.converged and mf._numint.calls > 0
mf = pbe0.attach(dft.RKS(mol))
mf.grids.level = 0
mf.kernel()
out["gradient"] = mf.nuc_grad_method().kernel().tolist()
out["tddft"] = tddft.TDA(mf).run(nstates=2).e.tolist()
print(json.dumps(out))
"""
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    from pyscf import dft, gto, tddft

    mol = gto.M(atom="O 0 0 0; H 0 0.757 0.587; H 0 -0.757 0.587", basis="6-31g", verbose=0)
    radical = gto.M(atom="N 0 0 0; H 0 0.8 0.63; H 0 -0.8 0.63", basis="6-31g", spin=1, verbose=0)
    for name in ("gas22", "pbe0"):
        for m, kind in ((mol, dft.RKS), (radical, dft.UKS)):
            mf = kind(m, xc=name)  # PySCF's own functional of that name
            mf.grids.level = 0
            mf.nlcgrids.level = 0
            mf.conv_tol = 1e-11
            assert found[name + kind.__name__] == pytest.approx(mf.kernel(), abs=1e-8)
    mf = dft.RKS(mol, xc="pbe0")
    mf.grids.level = 0
    mf.kernel()
    np.testing.assert_allclose(found["gradient"], mf.nuc_grad_method().kernel(), atol=1e-6)
    np.testing.assert_allclose(found["tddft"], tddft.TDA(mf).run(nstates=2).e, atol=1e-6)


def own_and_file(functional, folder):
    """`attach` of the package and of an exported file."""
    made = load_file(*fs.export(functional, "pyscf", folder / "made.py"))
    return (lambda mf: fs.pyscf.attach(mf, functional)), made.attach


def test_pyscf_file_checks_what_attach_checks(tmp_path):
    """Objects that are no molecule's RKS, UKS or ROKS; another omega, before and after; another name in mf.xc."""
    from pyscf import dft, gto, scf
    from pyscf.pbc import dft as pbcdft
    from pyscf.pbc import gto as pbcgto

    mol = gto.M(atom="H 0 0 0; Li 0 0 1.6", basis="6-31g", verbose=0)
    cell = pbcgto.M(atom="He", a=np.eye(3) * 4, basis="gth-szv", pseudo="gth-pade", verbose=0)
    for attach in own_and_file(fs.get_functional("wb97m_v"), tmp_path):
        for wrong in (mol, scf.RHF(mol), dft.GKS(mol), pbcdft.RKS(cell), pbcdft.KRKS(cell)):
            with pytest.raises((fs.InputError, TypeError), match="expected a PySCF Kohn-Sham object"):
                attach(wrong)
        mf = dft.RKS(mol)
        mf.omega = 0.5
        with pytest.raises(ValueError, match=r"omega = 0.5 would change .* its omega is 0.3"):
            attach(mf)
        mf = attach(dft.RKS(mol))
        mf.omega = 0.3
        with pytest.raises(ValueError, match=r"omega = 0\.5"):
            mf.omega = 0.5
        mf.xc = "pbe"
        with pytest.raises((fs.FastsfesError, RuntimeError), match=r"mf\.xc is 'pbe'"):
            mf.kernel()


def test_pyscf_file_takes_the_nonlocal_part_that_is_asked_for(tmp_path):
    """mf.nlc = "vv10" on a functional without one: PySCF's VV10 is added, as to libxc's PBE."""
    from pyscf import dft, gto

    mol = gto.M(atom="H 0 0 0; Li 0 0 1.6", basis="6-31g", verbose=0)

    def energy(mf):
        mf.grids.level = mf.nlcgrids.level = 0
        mf.nlc = "vv10"
        return mf.kernel()

    expected = energy(dft.RKS(mol, xc="pbe"))
    for attach in own_and_file(fs.get_functional("pbe"), tmp_path):
        assert energy(attach(dft.RKS(mol))) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("name", ALL)
def test_jax(name, points, tmp_path):
    jax = pytest.importorskip("jax", reason="JAX is an optional dependency of the exported file")
    f = functional(name)
    made = load_file(*fs.export(f, "jax", tmp_path / "made.py"))
    with jax.enable_x64(True):
        for p in points:
            exc = jax.jit(made.exc_pol if p.polarised else made.exc_unpol)
            p.check(f, np.asarray(exc(p.rho, p.sigma, p.tau)))


SLOW = [pytest.param(n, marks=pytest.mark.slow) for n in NAMES if n not in ("lda", "pbe", "gas22")]


@pytest.mark.parametrize("name", ["lda", "pbe", "gas22", *SLOW])
def test_jax_derivatives(name, points, tmp_path):
    """JAX's derivatives in densities against ours, in parameters against finite differences of our energies."""
    jax = pytest.importorskip("jax", reason="JAX is an optional dependency of the exported file")
    import jax.numpy as jnp

    f = functional(name)
    made = load_file(*fs.export(f, "jax", tmp_path / "made.py"))
    p = points[1]

    def total(rho, sigma, tau, parameters, weights):
        return jnp.sum(weights * made.exc_pol(rho, sigma, tau, parameters))

    with jax.enable_x64(True):
        slopes = jax.jit(jax.grad(total, argnums=(0, 1, 2, 3)))
        first = [np.asarray(g) for g in slopes(p.rho, p.sigma, p.tau, made.PARAMETERS, np.ones_like(p.weights))[:3]]
        by_parameter = {k: float(v) for k, v in slopes(p.rho, p.sigma, p.tau, made.PARAMETERS, p.weights)[3].items()}
    exact = f.energy_density(p.rho, p.sigma, p.tau, deriv=1)
    present = p.rho.min(axis=0) > 1e-9
    for got, want in zip(first, (exact.vrho, exact.vsigma, exact.vtau), strict=True):
        values = np.zeros(got.shape) if want is None else want
        assert np.all(np.isfinite(got))
        scale = np.abs(values).max(axis=0)
        error = np.abs(got - values)[:, present] / np.where(scale > 0, scale, 1.0)[present]
        # both differentiate the same formula by other rules: see the tails in compiling.py
        assert np.quantile(error, 0.99) < 1e-9
        assert error.max() < 1e-4
    values = free_parameters(f)
    assert set(by_parameter) <= set(values)
    for key, got in by_parameter.items():
        kind, _, n = key.partition("_")
        step = 1e-4 * max(abs(values[key]), 1e-3)
        ends = [f.with_parameters({f"{kind}.{n}": values[key] + s * step}) for s in (-2, -1, 1, 2)]
        energy = [np.sum(p.weights * g.energy_density(p.rho, p.sigma, p.tau).exc) for g in ends]
        difference = (energy[0] - 8 * energy[1] + 8 * energy[2] - energy[3]) / (12 * step)
        assert got == pytest.approx(difference, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("name", ["lda", "pbe", "b97", "wb97m_v", "gas22"])
def test_jax_derivatives_at_edges(name, tmp_path):
    """No gradient, von Weizsaecker's tau, full polarisation, absent spins: the slopes are those of `energy_density`."""
    jax = pytest.importorskip("jax", reason="JAX is an optional dependency of the exported file")
    f = functional(name)
    made = load_file(*fs.export(f, "jax", tmp_path / "made.py"))
    rho, sigma, tau = edges()
    with jax.enable_x64(True):
        grad = jax.jit(jax.grad(lambda *x: made.exc_pol(*x).sum(), argnums=(0, 1, 2)))
        polarised = [np.asarray(g) for g in grad(rho, sigma, tau)]
        grad = jax.jit(jax.grad(lambda *x: made.exc_unpol(*x).sum(), argnums=(0, 1, 2)))
        closed = [np.asarray(g) for g in grad(rho[0], sigma[0], tau[0])]
    exact = f.energy_density(rho, sigma, tau, deriv=1)
    for got, want in zip(polarised, (exact.vrho, exact.vsigma, exact.vtau), strict=True):
        check_slopes(f, rho, got, np.zeros_like(got) if want is None else want, 1e-10)
    exact = f.energy_density(rho[0], sigma[0], tau[0], deriv=1)
    for got, want in zip(closed, (exact.vrho, exact.vsigma, exact.vtau), strict=True):
        # PBE's exchange and correlation cancel at no gradient: 1e-12 is the rounding of 400 less 400 at rho = 1e-4
        np.testing.assert_allclose(got, np.zeros_like(got) if want is None else want, rtol=1e-10, atol=1e-12)


def test_the_slope_at_no_gradient_is_that_of_libxc(tmp_path):
    """PBE at rho = (0.3, 0.3): the file's slope in sigma is not 0 where sigma is (libxc's value)."""
    jax = pytest.importorskip("jax", reason="JAX is an optional dependency of the exported file")
    made = load_file(*fs.export("pbe", "jax", tmp_path / "made.py"))
    with jax.enable_x64(True):
        slope = jax.grad(lambda s: made.exc_pol(np.full((2, 1), 0.3), s, None).sum())(np.zeros((3, 1)))
    libxc = fs.load_comparison("libxc:pbe").energy_density(np.full((2, 1), 0.3), np.zeros((3, 1)), deriv=1)
    np.testing.assert_allclose(slope, libxc.vsigma, rtol=1e-10)
    assert float(slope[0, 0]) == pytest.approx(-0.00836835727711, rel=1e-11)


def test_jax_refuses_single_precision(tmp_path):
    jax = pytest.importorskip("jax", reason="JAX is an optional dependency of the exported file")
    made = load_file(*fs.export("pbe", "jax", tmp_path / "made.py"))
    with jax.enable_x64(False), pytest.raises(TypeError, match="double precision"):
        made.exc_unpol(np.ones(3), np.ones(3))


@pytest.mark.parametrize("name", ALL)
def test_sympy(name, points, tmp_path):
    """Both energies, turned into functions by SymPy, and the factors' derivatives."""
    import sympy

    f = functional(name)
    (path,) = fs.export(f, "sympy", tmp_path / "made.py")
    made = load_file(path)
    for p, expression in zip(points, (made.energy_closed_shell, made.energy), strict=True):
        if p.polarised:  # the formulas hold for positive densities
            p = p.where(p.rho.min(axis=0) > 1e-15)
            values = dict(zip(("rho_a", "rho_b"), p.rho, strict=True))
            values |= dict(zip(("sigma_aa", "sigma_ab", "sigma_bb"), p.sigma, strict=True))
            values |= dict(zip(("tau_a", "tau_b"), p.tau, strict=True))
        else:
            values = {"rho": p.rho, "sigma": p.sigma, "tau": p.tau}
        symbols = sorted(expression.free_symbols - set(made.PARAMETERS), key=str)
        function = sympy.lambdify([*symbols, *made.PARAMETERS], expression, ["scipy", "numpy"], cse=True)
        numbers = [float(v) for v in made.PARAMETERS.values()]
        assert numbers == list(free_parameters(f).values())
        with np.errstate(all="ignore"):
            energy = function(*(values[str(s)] for s in symbols), *numbers)
        # SymPy reorders terms and has neither log1p nor expm1: a few digits in single points
        p.check(f, np.broadcast_to(energy, p.weights.shape), 1e-12 if name != "pbe" else 1e-11)
    for kind, channel in f.channels.items():
        assert {str(s) for s in made.factors[kind].free_symbols} >= set(channel.expression.features)
