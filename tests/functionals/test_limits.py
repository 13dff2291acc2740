"""Energy densities where a spin is absent, and where an input is not a number."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from pyscf import dft, gto

import fastsfes as fs
from fastsfes.formula.expression import operators
from fastsfes.functionals import kernels

NAN = float("nan")
PRIMITIVES = {row["name"]: row["arity"] for row in operators() if row["kind"] == "primitive"}


def shaped(rho_b: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An ordinary density of one spin beside a small one, whose gradient and tau are those of a fixed shape."""
    rho, sigma, tau = (0.3, rho_b), (0.05, rho_b * 0.05**0.5, rho_b**2), (0.2, rho_b)
    return np.array(rho)[:, None], np.array(sigma)[:, None], np.array(tau)[:, None]


def pw92(a: mp.mpf, b: mp.mpf) -> mp.mpf:
    """PW92 (10.1103/PhysRevB.45.13244) with libxc's constants, per volume."""

    def g(values, r):
        big, a1, b1, b2, b3, b4 = map(mp.mpf, values)
        q = mp.sqrt(r)
        return -2 * big * (1 + a1 * r) * mp.log1p(1 / (2 * big * (b1 * q + b2 * r + b3 * r * q + b4 * r * r)))

    n = a + b
    z, r = (a - b) / n, mp.cbrt(3 / (4 * mp.pi * n))
    e0 = g(("0.0310907", "0.21370", "7.5957", "3.5876", "1.6382", "0.49294"), r)
    e1 = g(("0.01554535", "0.20548", "14.1189", "6.1977", "3.3662", "0.62517"), r)
    ac = -g(("0.0168869", "0.11125", "10.357", "3.6231", "0.88026", "0.49671"), r)
    f = ((1 + z) ** (mp.mpf(4) / 3) + (1 - z) ** (mp.mpf(4) / 3) - 2) / (2 ** (mp.mpf(4) / 3) - 2)
    curvature = mp.mpf(4) / (9 * (mp.cbrt(2) - 1))
    return n * (e0 + f * (z**4 * (e1 - e0) + (1 - z**4) * ac / curvature))


def test_the_limit_of_lda_is_that_of_the_formula():
    with mp.workdps(60):
        expected = float(mp.diff(lambda b: pw92(mp.mpf("0.3"), b), mp.mpf(10) ** -40, h=mp.mpf(10) ** -50))
    found = fs.get_functional("lda").energy_density(*shaped(0.0), deriv=1).vrho[1, 0]
    assert found == pytest.approx(expected, abs=2e-7)  # the cube root of the density that stands for the absent one


@pytest.mark.parametrize("name", ["lda", "b97", "wb97m_v"])
def test_finite_limits_are_reached_without_a_step(name):
    """First derivatives where a spin is absent, against those of a spin at 1e-15, also libxc's at 1e-12."""
    f = fs.get_functional(name)
    at = {b: f.energy_density(*shaped(b), deriv=1) for b in (1e-12, 1e-15, 0.0)}
    libxc = fs.load_comparison(f"libxc:{f.libxc}").energy_density(*shaped(1e-12), deriv=1)
    assert at[0.0].vrho[1, 0] == pytest.approx(at[1e-15].vrho[1, 0], abs=3e-4)  # the limit is approached as rho_b^(1/3)
    assert at[0.0].vrho[1, 0] == pytest.approx(libxc.vrho[1, 0], abs=3e-3)
    assert at[0.0].vrho[0, 0] == pytest.approx(libxc.vrho[0, 0], abs=1e-6)
    swapped = f.energy_density(*(x[::-1] for x in shaped(0.0)), deriv=1)
    np.testing.assert_allclose(swapped.vrho[::-1], at[0.0].vrho, rtol=1e-5)


@pytest.mark.parametrize("name", ["pbe", "gas22"])
def test_derivatives_without_a_limit_are_zero(name):
    """PBE's grow as rho_b^(-1/3), GAS22's as rho_b^(-2/9)."""
    f = fs.get_functional(name)
    small = [abs(f.energy_density(*shaped(b), deriv=1).vrho[1, 0]) for b in (1e-9, 1e-12, 1e-15)]
    assert small[0] < small[1] < small[2]
    assert f.energy_density(*shaped(0.0), deriv=1).vrho[1, 0] == 0.0


def test_derivatives_without_a_spin_follow_pbe_where_they_exist():
    """PBE's correlation depends on the gradient of the whole density: vsigma_ab and vsigma_bb have limits."""
    found = fs.get_functional("pbe").energy_density(*shaped(0.0), deriv=1).vsigma[:, 0]
    libxc = fs.load_comparison("libxc:gga_c_pbe").energy_density(*shaped(0.0), deriv=1).vsigma[:, 0]
    np.testing.assert_allclose(found[1:], libxc[1:], rtol=1e-6)


def test_the_lowest_empty_level_of_hydrogen():
    """The beta level of the H atom in LDA, which nothing but the limit decides; libxc's threshold is 1e-15."""
    mol = gto.M(atom="H", basis="def2-svp", spin=1, verbose=0)
    libxc = dft.UKS(mol, xc="lda_x,lda_c_pw_mod").run()
    ours = fs.pyscf.attach(dft.UKS(mol), "lda").run()
    assert ours.e_tot == pytest.approx(libxc.e_tot, abs=1e-9)
    np.testing.assert_allclose(ours.mo_energy[1], libxc.mo_energy[1], atol=2e-5)
    assert libxc.mo_energy[1][0] == pytest.approx(-0.0796, abs=1e-4)


@pytest.mark.parametrize("backend", [1, 2])
@pytest.mark.parametrize("name", PRIMITIVES)
def test_what_is_not_a_number_stays_one(name, backend):
    """NaN in every position of every primitive, from a feature and from a constant; interpreter and kernel."""
    letters, ordinary = ("x2", "w", "t"), (1.5, 0.5, 2.5)
    for place in range(PRIMITIVES[name]):
        if name == "select" and place == 2:
            continue  # x2 >= 0 takes w: what is not taken does not matter
        leaves = [fs.Expression.parse(v) for v in letters[: PRIMITIVES[name]]]
        constants = [*leaves]
        for other in range(PRIMITIVES[name]):
            if other != place:
                constants[other] = fs.Expression.constant(ordinary[other])
        for arguments in (leaves, constants):
            program = fs.Expression.apply(name, *arguments).program
            columns = [np.full(9, NAN if f == letters[place] else ordinary[letters.index(f)]) for f in program.features]
            assert np.all(np.isnan(program.evaluate(columns, (), n=9, backend=backend)[0])), (name, place)


def test_zero_by_zero_is_not_a_number():
    for text in ("0/0", "x2*(0/0)", "select(0/0, 1, 2)", "min(1, 0/0)", "max(0/0, 1)"):
        assert np.isnan(fs.Expression.parse(text).evaluate({"x2": np.ones(1)})).all(), text


@pytest.mark.parametrize("name", ["lda", "pbe", "b97", "wb97m_v", "gas22"])
def test_densities_that_are_not_numbers_are_seen(name):
    f = fs.get_functional(name)
    closed = f.energy_density([NAN], [1e-2], [1e-2], deriv=1)
    assert np.isnan(closed.exc).all()
    assert np.isnan(closed.vrho).all()
    rho, sigma, tau = [[0.3], [0.2]], [[1e-2], [0.0], [1e-2]], [[0.2], [0.1]]
    for group, array in (("rho", rho), ("sigma", sigma), ("tau", tau)):
        for component in range(len(array)):
            if (group == "sigma" and (component == 1 and name != "pbe")) or not {
                "lda": group == "rho",
                "pbe": group != "tau",
                "b97": group != "tau",
            }.get(name, True):
                continue  # does not matter to it
            kept = array[component]
            array[component] = [NAN]
            assert np.isnan(f.energy_density(rho, sigma, tau).exc).all(), (group, component)
            array[component] = kept


def test_a_density_matrix_that_is_not_a_number():
    mol = gto.M(atom="He", basis="6-31g", verbose=0)
    mf = fs.pyscf.attach(dft.RKS(mol), "pbe")
    mf.grids.build()
    assert np.isnan(mf._numint.nr_rks(mol, mf.grids, mf.xc, np.full((2, 2), NAN))[1])


def test_kernels_agree_at_edges():
    """Absent spins and NaN in the compiled kernel of the derivatives: the bits of the interpreter."""
    f = fs.get_functional("wb97m_v")
    inputs = [np.concatenate([shaped(b)[k] for b in (0.0, 1e-19, 1e-3, NAN)], axis=1) for k in range(3)]
    before = kernels.backend()
    try:
        found = []
        for backend in ("interpreter", "compiled"):
            kernels.set_backend(backend)
            found.append(f.energy_density(*inputs, deriv=2))
    finally:
        kernels.set_backend(before)
    for key, value in vars(found[0]).items():
        if value is not None:
            np.testing.assert_array_equal(getattr(found[1], key), value, err_msg=key)
