"""Values and derivatives at the reference point of the Daresbury functional repository, as XCFun keeps them.

There: Ekstrom et al., J. Chem. Theory Comput. 6, 1971 (2010), 10.1021/ct100117s. Twelve digits are printed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fastsfes as fs

RHO = np.array([[39.0], [38.0]])
SIGMA = np.array([[0.81e6], [0.82e6], [0.82e6]])

#: Energy; derivatives by rho_a, rho_b, sigma_aa, sigma_ab, sigma_bb; the upper triangle of the second ones.
POINTS = {
    "lda x": [
        -0.241948147838e03, -0.420747936684e01, -0.417120618800e01, 0, 0, 0,
        -0.359613621097e-01, 0, 0, 0, 0, -0.365895279649e-01, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ],
    "lda c": [
        -8.4713855882783946e00, -1.1861930857502517e-01, -1.2041769989725633e-01, 0, 0, 0,
        7.5202855619095870e-04, -1.0249091426230799e-03, 0, 0, 0, 7.9516089195232130e-04, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ],
    "pbe x": [
        -0.276589791995e03, -0.382556082420e01, -0.378108116179e01, -0.174145337536e-04, 0, -0.175120610339e-04,
        -0.429564214817e-01, 0, 0.185237729809e-06, 0, 0, -0.424802511645e-01, 0, 0, 0.161839553501e-06,
        0.740514207206e-11, 0, 0, 0, 0, 0.786563034093e-11,
    ],
    "pbe c": [
        -0.184442072405e01, -0.814334534280e-01, -0.820182123795e-01,
        0.510839298939e-06, 0.102167859788e-05, 0.510839298939e-06,
        -0.124297349784e-02, -0.183505806584e-02, 0.134850158624e-07, 0.269700317248e-07, 0.134850158624e-07,
        -0.125767116982e-02, 0.136189478240e-07, 0.272378956480e-07, 0.136189478240e-07,
        -0.216571369852e-12, -0.433142739704e-12, -0.216571369852e-12,
        -0.866285479407e-12, -0.433142739704e-12, -0.216571369852e-12,
    ],
    "b88 x": [
        -0.277987329958e03, -0.385951846654e01, -0.381309494319e01, -0.172434478018e-04, 0, -0.173712338362e-04,
        -0.441426807406e-01, 0, 0.201415922856e-06, 0, 0, -0.447245742260e-01, 0, 0, 0.195961359539e-06,
        0.700742719647e-11, 0, 0, 0, 0, 0.718678968862e-11,
    ],
}  # fmt: skip


def part(name: str) -> fs.Functional:
    """One channel of a functional."""
    functional, kind = name.split()
    if functional == "b88":
        return fs.load("x = b88_x(x2, 0.0042)")
    whole = fs.get_functional(functional)
    return replace(whole, channels={k: c for k, c in whole.channels.items() if (k == "x") == (kind == "x")})


@pytest.mark.parametrize("name", POINTS)
def test_the_reference_point_of_daresbury(name: str) -> None:
    got = part(name).energy_density(RHO, SIGMA, deriv=2)

    def column(array: np.ndarray | None, length: int) -> list[float]:
        return [0.0] * length if array is None else array[:, 0].tolist()

    by_rho, mixed, by_sigma = column(got.v2rho2, 3), column(got.v2rhosigma, 6), column(got.v2sigma2, 6)
    found = [
        float(got.exc[0]), *column(got.vrho, 2), *column(got.vsigma, 3),
        by_rho[0], by_rho[1], *mixed[:3], by_rho[2], *mixed[3:], *by_sigma,
    ]  # fmt: skip
    np.testing.assert_allclose(found, POINTS[name], rtol=1e-11, atol=1e-25)
