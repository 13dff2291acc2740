"""The Maple source, evaluated by an interpreter of its own, against fastsfes and against libxc."""

from __future__ import annotations

import re

import numpy as np
import pytest
from export_points import ALL, Points, renamed
from maple_subset import Procedure

import fastsfes as fs
from fastsfes.exports.libxc import parameter_names
from fastsfes.functionals.formulas import free_parameters

EPSILON = np.finfo(float).eps
THRESHOLD = 1e-20


def reduced(p: Points) -> dict:
    """libxc's variables, made of densities as its maple2c does."""
    if p.polarised:
        a, b = np.maximum(p.rho, THRESHOLD)  # as its work functions do
        sigma, tau = np.maximum(p.sigma, THRESHOLD ** (8 / 3)), np.maximum(p.tau, 1e-20)
        sigma[1] = p.sigma[1]
    else:
        a = b = p.rho / 2
        sigma, tau = np.array([p.sigma / 4] * 3), np.array([p.tau / 2] * 2)
    n = a + b
    return {
        "rs": np.cbrt(3 / (4 * np.pi * n)),
        "z": (a - b) / n,
        "xt": np.sqrt(np.maximum(sigma[0] + 2 * sigma[1] + sigma[2], 0.0)) / n ** (4 / 3),
        "xs0": np.sqrt(sigma[0]) / a ** (4 / 3),
        "xs1": np.sqrt(sigma[2]) / b ** (4 / 3),
        "us0": 0.0,
        "us1": 0.0,
        "ts0": tau[0] / a ** (5 / 3),
        "ts1": tau[1] / b ** (5 / 3),
    }


@pytest.mark.parametrize("name", ALL)
def test_energies(name, points, tmp_path):
    f = renamed(name)
    fs.export(f, "libxc", tmp_path)
    (source,) = tmp_path.glob("maple/*/*.mpl")
    assert source.parent.name == f"{f.family}_exc"
    text = source.read_text()
    assert re.search(rf"^\(\* type: {f.family}_exc \*\)$", text, re.MULTILINE)
    made = Procedure(text)
    names = parameter_names(f)
    others = {f"params_a_{names[p]}": v for p, v in free_parameters(f).items()}
    others |= {"p_a_dens_threshold": THRESHOLD, "p_a_zeta_threshold": EPSILON}
    for p in points:
        # z carries the digits of the density of the minority spin down to rho eps: libxc cuts there, and so do we
        kept = p.where(p.rho.min(axis=0) > 1e-3 * p.rho.max(axis=0)) if p.polarised else p
        energy = made(reduced(kept), others) * (kept.rho.sum(axis=0) if p.polarised else kept.rho)
        kept.check(f, energy)
        whole = made(reduced(p), others) * (p.rho.sum(axis=0) if p.polarised else p.rho)
        exact = f.energy_density(p.rho, p.sigma, p.tau).exc
        # "odd" uses w of a pair of spins where one is missing: it depends on the threshold of tau, 1e-20 in libxc
        np.testing.assert_allclose(p.energies(whole), p.energies(exact), rtol=1e-6 if name != "odd" else 1e-2)


def test_parameters_keep_clear_of_maple2c(tmp_path):
    """maple2c turns _a_ into ->, _d_ into ., _s_ into * and _1_ into [1]: names that hold these are replaced."""
    f = fs.load("x = 1 + q_a_b*w + k_1_*w**2 + c_d_e*w**3; x.q_a_b = 0.1; x.k_1_ = 0.2; x.c_d_e = 0.3")
    fs.export(f, "libxc", tmp_path)
    (source,) = tmp_path.glob("maple/*/*.mpl")
    used = set(re.findall(r"params_a_(\w+)", source.read_text()))
    assert used == set(parameter_names(f).values()) == {"p0", "p1", "p2"}
    registration = next(tmp_path.glob("src/*.c")).read_text()
    assert all(f"  double {name};" in registration for name in used)
