"""The regression values of libxc's own sources: energies and first derivatives on densities of atoms and a molecule.

They are not part of the project: FASTSFES_LIBXC_TESTSUITE names the folder "testsuite" of libxc's sources (5.2.3, as
``apt-get source libxc`` of Debian 12 brings them), whose inputs are H, Li, BrOH and BrOH+ at 197 points.
"""

from __future__ import annotations

import bz2
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_limits import mp, pw92

import fastsfes as fs

SYSTEMS = ("H", "Li", "BrOH", "BrOH+")
PRINTED = "pw92 as printed"
NAMES = (*(n for n in fs.list_functionals() if fs.get_functional(n).libxc), PRINTED)


@pytest.fixture(scope="module")
def testsuite() -> Path:
    given = os.environ.get("FASTSFES_LIBXC_TESTSUITE", "")
    if not given:
        pytest.skip("FASTSFES_LIBXC_TESTSUITE does not name the folder testsuite of libxc's sources")
    folder = Path(given)
    assert (folder / "regression").is_dir(), f"{folder} is not the folder testsuite of libxc's sources"
    return folder


def inputs(
    folder: Path, system: str, polarised: bool, *, bounded: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """rho, sigma and tau of the lines of an input; libxc's meta-GGAs bound sigma by that of von Weizsaecker's tau."""
    a, b, aa, ab, bb, _, _, tau_a, tau_b = np.loadtxt(folder / "input" / system, skiprows=1, ndmin=2).T
    if polarised:
        rho, sigma, tau = np.array([a, b]), np.array([aa, ab, bb]), np.array([tau_a, tau_b])
        if bounded:
            sigma[::2] = np.minimum(sigma[::2], 8 * rho * tau)
        return rho, sigma, tau
    rho, sigma, tau = a + b, aa + bb + 2 * ab, tau_a + tau_b
    return rho, np.minimum(sigma, 8 * rho * tau) if bounded else sigma, tau


def tables(folder: Path, codes: list[str], case: str) -> dict[str, np.ndarray]:
    """Column by name, summed over the functionals; empty where there is no table for this case."""
    found: dict[str, np.ndarray] = {}
    for code in codes:
        for path in (folder / "regression").glob(f"*/{code}.{case}.bz2"):
            _, head, *lines = bz2.decompress(path.read_bytes()).decode().splitlines()
            for name, column in zip(head.split(), np.loadtxt(lines, ndmin=2).T, strict=True):
                found[name] = found.get(name, 0.0) + column
    return found


MIXED = {"hyb_gga_xc_pbeh": ["gga_x_pbe", "gga_c_pbe"]}
"""What libxc makes a functional of; the thresholds are theirs."""


def threshold(folder: Path, codes: list[str]) -> float:
    """The largest density at which one of the functionals stops, from its record in the sources."""
    text = "".join(path.read_text(errors="replace") for path in (folder.parent / "src").glob("*.c"))
    parts = [part for code in codes for part in MIXED.get(code, [code])]
    records = [re.search(rf"xc_func_info_{code} *= *{{(.*?)\n}};", text, re.DOTALL)[1] for code in parts]
    return max(float(re.search(r"\n\s*(1e-\d+),", record)[1]) for record in records)


@pytest.mark.parametrize("name", NAMES)
def test_values_of_libxc(name: str, testsuite: Path) -> None:
    """Relative to the largest component of a value at a point, or to that of the LDA where terms cancel.

    Both spins there: 1e-11, and the rounding of the correlation of opposite spins, a difference of numbers as large as
    the density of both. In tails libxc's log(1 + x) adds 1e-9. One absent: libxc puts its threshold in its place, which
    enters as (1 - zeta)^(2/3); the derivatives by the absent spin's variables are left to the tests of limits.
    """
    f = replace(fs.get_functional("pw92"), correlation="pw92") if name == PRINTED else fs.get_functional(name)
    codes = ["lda_c_pw"] if name == PRINTED else f.libxc.split(",")
    count = 0
    for system in SYSTEMS:
        for polarised in (False, True):
            rho, sigma, tau = inputs(testsuite, system, polarised, bounded=f.family == "mgga")
            values = f.energy_density(rho, sigma, tau, deriv=1)
            total, least = (rho.sum(axis=0), rho.min(axis=0)) if polarised else (rho, rho)
            lda = np.abs(fs.get_functional("lda").energy_density(rho).exc / total)
            yardsticks = {"zk": lda, "vrho": lda, "vsigma": lda * total, "vtau": lda * total}
            for key, variable in (("vsigma", sigma), ("vtau", tau)):
                yardsticks[key] = yardsticks[key] / np.atleast_2d(variable).max(axis=0)
            expected: dict[str, np.ndarray] = {}
            for order in (0, 1):
                case = f"{system}.{'pol' if polarised else 'unpol'}.{order}"
                expected |= tables(testsuite, codes, case)
            if not expected:
                continue
            rounding = 1e-11 + 10 * np.finfo(float).eps * total / np.where(least > 0, least, 1.0)
            rounding[total < 1e-9] += 1e-9
            unknown = (10 * threshold(testsuite, codes) / total) ** (2 / 3)
            for key, yardstick in yardsticks.items():
                names = [c for c in expected if c.partition("(")[0] == key]
                if not names:
                    continue
                want = np.array([expected[c] for c in names])
                got = values.exc / total if key == "zk" else getattr(values, key)
                error = np.abs((0.0 if got is None else np.atleast_2d(got)) - want)
                count += want.size
                largest = np.abs(want).max(axis=0)
                absent = least == 0.0
                case = (name, system, polarised, key)
                relative = error / np.maximum(largest, yardstick)
                assert np.all(relative[:, ~absent] <= rounding[~absent]), case
                present = [k for k, c in enumerate(names) if not re.search(r"\(.*b", c)]
                assert np.all(relative[np.ix_(present, absent)] <= (rounding + unknown)[absent]), case
    if count == 0:
        pytest.skip(f"this libxc has no {', '.join(codes)}")
    assert count > 900


def test_correlation_of_pbe_where_its_terms_cancel(testsuite: Path) -> None:
    """At rho = 2e-11 the gradient's term takes 12 digits of the LDA's: what is left is the rounding of either program.

    Against 60 digits ours is nearer than libxc, which is off by 0.8 per cent of its value.
    """
    rho, sigma, _ = inputs(testsuite, "Li", False)
    k = int(rho.argmin())
    with mp.workdps(60):
        beta, gamma = mp.mpf("0.06672455060314922"), (1 - mp.log(2)) / mp.pi**2
        n, s = mp.mpf(rho[k]), mp.mpf(sigma[k])
        lda = pw92(n / 2, n / 2) / n
        t2 = s / (n**2 * 16 * mp.cbrt(3 * mp.pi**2 * n) / mp.pi)
        a = beta / gamma / mp.expm1(-lda / gamma)
        exact = lda + gamma * mp.log1p(beta / gamma * t2 * (1 + a * t2) / (1 + a * t2 + (a * t2) ** 2))
        ours = fs.get_functional("pbe_c").energy_density(rho, sigma).exc[k] / rho[k]
        theirs = tables(testsuite, ["gga_c_pbe"], "Li.unpol.0")["zk"][k]
        off = [abs(float((v - exact) / lda)) for v in (ours, theirs)]
    assert off[0] < 4e-15
    assert abs(float((theirs - exact) / exact)) > 1e-3
