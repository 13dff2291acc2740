"""Registered functionals against libxc (through PySCF) on grid points of real molecules."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from pyscf import dft, gto
from pyscf.dft import libxc

import fastsfes as fs
from fastsfes.functionals.registry import reference_point

NAMES = [n for n in fs.list_functionals() if fs.get_functional(n).libxc]
ORDER = {  # position of our arrays in libxc's (first, second) derivatives as PySCF returns them
    "vrho": (1, 0),
    "vsigma": (1, 1),
    "vtau": (1, 3),
    "v2rho2": (2, 0),
    "v2rhosigma": (2, 1),
    "v2sigma2": (2, 2),
    "v2tau2": (2, 4),
    "v2rhotau": (2, 6),
    "v2sigmatau": (2, 9),
}


@functools.cache
def grid_points(molecule: str) -> np.ndarray:
    """PySCF's rho, gradient, tau (2, 5, n) of a converged density on a level-1 grid."""
    atoms, spin = {"water": ("O 0 0 0; H 0 0.757 0.587; H 0 -0.757 0.587", 0), "OH": ("O 0 0 0; H 0 0 0.97", 1)}[
        molecule
    ]
    mol = gto.M(atom=atoms, basis="6-31g", spin=spin, verbose=0)
    mf = dft.UKS(mol, xc="pbe")
    mf.grids.level = 1
    mf.kernel()
    assert mf.converged
    ao = mf._numint.eval_ao(mol, mf.grids.coords, deriv=1)
    dm = mf.make_rdm1()
    return np.array([mf._numint.eval_rho(mol, ao, dm[s], xctype="MGGA", with_lapl=False) for s in (0, 1)])


def variables(rho: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    a, b = rho[0, 1:4], rho[1, 1:4]
    sigma = np.array([(a * a).sum(0), (a * b).sum(0), (b * b).sum(0)])
    return rho[:, 0].copy(), sigma, rho[:, 4].copy()


def by_libxc(code: str, rho: np.ndarray, spin: int, deriv: int) -> tuple:
    rows = {"LDA": 1, "GGA": 4, "MGGA": 5}[libxc.xc_type(code)]
    data = (rho[:, 0] if rows == 1 else rho[:, :rows]) if spin else (rho[0] if rows == 1 else rho[:rows])
    return libxc.eval_xc(code, data, spin=spin, deriv=deriv)


@pytest.mark.parametrize("name", fs.list_functionals())
def test_reference_point(name: str) -> None:
    point = reference_point(name)
    got = fs.get_functional(name).energy_density(
        np.array(point.rho)[:, None], np.array(point.sigma)[:, None], np.array(point.tau)[:, None]
    )
    assert got.exc[0] == pytest.approx(point.exc, rel=point.tolerance)


@pytest.mark.parametrize("molecule", ["water", "OH"])
@pytest.mark.parametrize("name", NAMES)
def test_energy_density_agrees_with_libxc(name: str, molecule: str) -> None:
    rho = grid_points(molecule)
    keep = rho[:, 0].min(axis=0) > 1e-9
    rho = rho[:, :, keep]
    assert keep.sum() > 5000
    functional = fs.get_functional(name)
    density = rho[:, 0].sum(axis=0)
    exact = by_libxc(functional.libxc, rho, 1, 0)[0] * density
    got = functional.energy_density(*variables(rho)).exc
    # channels of either sign cancel in some points: relative to the LDA energy density there
    scale = np.maximum(np.abs(exact), 1e-2 * density ** (4 / 3))
    assert np.max(np.abs(got - exact) / scale) < 1e-10


@pytest.mark.parametrize("name", NAMES)
def test_unpolarised_agrees_with_libxc_and_with_polarised(name: str) -> None:
    rho = grid_points("water").sum(axis=0)
    rho = rho[:, rho[0] > 1e-9]
    functional = fs.get_functional(name)
    exact = by_libxc(functional.libxc, rho, 0, 0)[0] * rho[0]
    sigma = (rho[1:4] ** 2).sum(axis=0)
    got = functional.energy_density(rho[0], sigma, rho[4]).exc
    scale = np.maximum(np.abs(exact), 1e-2 * rho[0] ** (4 / 3))
    assert np.max(np.abs(got - exact) / scale) < 1e-10
    half = functional.energy_density(np.array([rho[0]] * 2) / 2, np.array([sigma] * 3) / 4, np.array([rho[4]] * 2) / 2)
    # wB97X-V's channels cancel to a thirtieth of the largest: roundings are those of the terms, which are of LDA's size
    size = np.maximum(np.abs(exact), 0.1 * rho[0] ** (4 / 3))
    # alpha, a difference of kinetic energy densities, has a rounding of (5/3) s^2 eps, which is 1e-10 in tails
    s2 = 0.026121172985233605 * sigma / rho[0] ** (8 / 3)
    rounding = 1e-13 + (1e-15 * s2 if functional.family == "mgga" else 0.0)
    assert np.all(np.abs(got - half.exc) < rounding * size)


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_agree_with_libxc(name: str) -> None:
    rho = grid_points("OH")
    # where one spin has hardly any density, libxc's own second derivatives lose their digits
    rho = rho[:, :, (rho[:, 0].min(axis=0) > 1e-5)]
    functional = fs.get_functional(name)
    exact = by_libxc(functional.libxc, rho, 1, 2)
    got = functional.energy_density(*variables(rho), deriv=2)
    checked = 0
    for key, (order, place) in ORDER.items():
        mine = getattr(got, key)
        if mine is None:
            continue
        theirs = exact[order][place].T
        # relative in every point; where terms cancel (or should: mixed-spin exchange), to 2e-14 of the largest value:
        # B97M-V's have coefficients of 20 and opposite signs. libxc has |grad zeta|^2 of TPSS as a difference of sums:
        # in 40 digits ours have ten where libxc's have six.
        floor, limit = (1e-4, 2e-7) if name == "tpss" else (1e-6, 2e-8)
        scale = np.maximum(np.abs(theirs), floor * np.abs(theirs).max())
        error = np.max(np.abs(mine - theirs) / np.where(scale > 0.0, scale, 1.0))  # LYP is linear in sigma
        assert error < limit, (name, key, error)
        checked += 1
    assert checked >= 2


def test_hydrogen_atom_has_no_beta_density() -> None:
    n = 50
    rho = np.array([np.logspace(-12, 0, n), np.zeros(n)])
    sigma = np.array([4 * rho[0] ** 2, np.zeros(n), np.zeros(n)])
    tau = np.array([sigma[0] / (8 * rho[0]), np.zeros(n)])
    for name in fs.list_functionals():
        functional = fs.get_functional(name)
        got = functional.energy_density(rho, sigma, tau, deriv=2)
        for key in ORDER:
            value = getattr(got, key)
            assert value is None or np.all(np.isfinite(value)), (name, key)
        if functional.libxc:
            data = np.zeros((2, 5, n))
            data[0, 0], data[0, 1], data[0, 4] = rho[0], np.sqrt(sigma[0]), tau[0]
            exact = by_libxc(functional.libxc, data, 1, 0)[0] * rho[0]
            heavy = rho[0] > 1e-4  # libxc replaces the missing density by its threshold
            # phi of PBE correlation holds (1 - zeta)^(2/3): libxc's 1e-12 in place of no density moves it by 1e-5
            rtol = 1e-4 if "one" in functional.channels else 1e-8
            # LYP of one electron is zero; libxc's threshold leaves 3e-15
            np.testing.assert_allclose(got.exc[heavy], exact[heavy], rtol=rtol, atol=1e-14, err_msg=name)


def test_below_the_threshold_everything_is_zero() -> None:
    zero = np.array([0.0, 1e-33, -1e-20, 1e-25])
    for name in fs.list_functionals():
        got = fs.get_functional(name).energy_density(
            np.array([zero] * 2), np.array([np.zeros(4)] * 3), np.array([np.zeros(4)] * 2), deriv=2
        )
        for key in ("exc", *ORDER):
            value = getattr(got, key)
            assert value is None or np.all(value == 0.0), (name, key)


def test_zero_gradient_is_finite() -> None:
    rho = np.full((2, 3), 0.3)
    for name in fs.list_functionals():
        got = fs.get_functional(name).energy_density(rho, np.zeros((3, 3)), np.full((2, 3), 0.2), deriv=2)
        for key in ("exc", *ORDER):
            value = getattr(got, key)
            assert value is None or np.all(np.isfinite(value)), (name, key)


def test_json_round_trip_keeps_every_digit(tmp_path) -> None:
    for name in fs.list_functionals():
        functional = fs.get_functional(name)
        functional.to_json(tmp_path / "f.json")
        again = fs.Functional.from_json(tmp_path / "f.json")
        assert again == functional
        assert again.parameters == functional.parameters


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[]", 'expected a JSON object with "format"'),
        ('{"format": "fastsfes-functional", "version": 99}', "format version 99"),
        ('{"format": "fastsfes-functional", "version": 1}', 'expected "channels"'),
        (
            '{"format": "fastsfes-functional", "version": 1, "channels": {"x": {"expression": "c0 + q*x3", '
            '"parameters": {"c0": 1, "q": 2}}}}',
            '"x3" in "c0 \\+ q\\*x3" is neither a feature nor a parameter with a value',
        ),
        (
            '{"format": "fastsfes-functional", "version": 1, "channels": {"x": {"expression": "zeta"}}}',
            'feature "zeta" in channel "x"',
        ),
        (
            '{"format": "fastsfes-functional", "version": 1, "channels": {"x": {"expression": "c0", "parameters": '
            '{"c0": NaN}}}}',
            "x.c0 is nan; expected a finite number",
        ),
        (
            '{"format": "fastsfes-functional", "version": 1, "channels": {"z": {"expression": "1", "parameters": {}}}}',
            'channel "z" is unknown',
        ),
    ],
)
def test_bad_functional_files_are_explained(tmp_path, text: str, sentence: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(fs.InputError, match=sentence) as caught:
        fs.Functional.from_json(path)
    assert str(path) in str(caught.value)


def test_names_are_case_insensitive_and_unknown_names_are_listed() -> None:
    assert fs.get_functional("GAS22").name == "gas22"
    assert fs.get_functional("wB97M-V").name == "wb97m_v"
    with pytest.raises(fs.InputError, match=r'"b2plyp" is not registered; did you mean "b3lyp"\?; known are .*gas22'):
        fs.get_functional("b2plyp")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((np.zeros((3, 4)),), r"rho has shape \(3, 4\)"),
        ((np.zeros(4), np.zeros(3)), r"sigma has shape \(3,\); expected \(4,\)"),
        ((np.zeros(4),), "needs sigma"),
        ((np.zeros(4), np.zeros(4)), "needs tau"),
    ],
)
def test_shapes_are_checked(arguments: tuple, sentence: str) -> None:
    with pytest.raises(fs.InputError, match=sentence):
        fs.get_functional("gas22").energy_density(*arguments)
