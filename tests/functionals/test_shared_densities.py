"""Every registered functional and every order of derivatives against libxc, on densities of real molecules."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.densities.chkfile import chkfile_index, read_chkfile
from fastsfes.energies.grid import grid_blocks
from fastsfes.functionals.formulas import VARIABLES, derivative_keys
from fastsfes.functionals.functional import HIGHEST_DERIVATIVE
from fastsfes.functionals.libxc import LibxcFunctional

NAMES = [n for n in fs.list_functionals() if fs.get_functional(n).libxc]
#: Atoms, cations, anions and molecules of both spins, light and heavy, with a weakly bound dimer.
SPECIES = {
    False: ("20_Ne_AE18", "28_Ar_AE18", "43_H2O_BH76", "67_n2o_BH76", "15_H2-H2_dim_NC15"),
    True: ("13_Li_AE18", "29_S2-_EA13", "17_O2+_IP13", "34_br_TA13", "105_al_W4-11"),
}
#: Spin densities above these, by order: third derivatives of terms that cancel (w**6 near w = -1) lose digits earlier.
DENSE = {1: 1e-9, 2: 1e-9, 3: 1e-6}
#: Highest order and largest error of those where libxc has fewer digits (in 40 digits ours are right to 1e-9 at the
#: worst points, libxc's to 1e-6, and to 1e-4 in third derivatives), or w to the eleventh power loses some (M06-L). The
#: third derivative of r2SCAN jumps at alpha = 0, where one orbital is.
LOOSE = {"tpss": (2, 1e-5), "scan": (2, 1e-6), "r2scan": (2, 1e-6), "m06_l": (3, 1e-6)}


@functools.cache
def densities(folder: Path, polarised: bool) -> tuple[np.ndarray, ...]:
    """rho, sigma, tau (components, n) of every seventh grid point of the species where libxc's threshold is far."""
    index = chkfile_index(folder / "densities")
    blocks = [b for name in SPECIES[polarised] for b in grid_blocks(read_chkfile(index[name], name), "level 3")]
    assert {b.polarised for b in blocks} == {polarised}
    rows = [np.concatenate([np.atleast_2d(getattr(b, v))[:, ::7] for b in blocks], axis=1) for v in VARIABLES[True]]
    keep = rows[0].min(axis=0) > DENSE[1]
    assert keep.sum() > 10_000
    return tuple(r[:, keep] for r in rows)


@pytest.mark.parametrize("polarised", [False, True], ids=["unpolarised", "polarised"])
@pytest.mark.parametrize("name", NAMES)
def test_every_order_of_derivatives(mgcdb84: Path, name: str, polarised: bool) -> None:
    functional = fs.get_functional(name)
    rows = densities(mgcdb84, polarised)
    arguments = rows if polarised else [r[0] for r in rows]
    order, limit = LOOSE.get(name, (HIGHEST_DERIVATIVE, 1e-8))
    got = functional.energy_density(*arguments, deriv=order)
    exact = LibxcFunctional(functional.libxc).energy_density(*arguments, deriv=order)
    groups = VARIABLES[polarised]
    values = dict(zip((v for names in groups.values() for v in names), np.concatenate(rows), strict=True))
    if polarised:
        values["sigma_ab"] = np.sqrt(values["sigma_aa"] * values["sigma_bb"])
    # Channels of either sign cancel in some points. Errors are relative to the value or to a hundredth of its natural
    # size, which is the LDA energy density over the variables that the derivative is taken by.
    size = 1e-2 * np.sum(rows[0] ** (4 / 3), axis=0)
    assert np.max(np.abs(got.exc - exact.exc) / np.maximum(np.abs(exact.exc), size)) < 1e-10
    checked = 0
    for key, components in derivative_keys(groups, order).items():
        mine, theirs = getattr(got, key), getattr(exact, key)
        assert (mine is None) == (theirs is None), key
        if mine is None:
            continue
        for names, a, b in zip(components, np.atleast_2d(mine), np.atleast_2d(theirs), strict=True):
            natural = size / np.prod([values[v] for v in names], axis=0)
            dense = rows[0].min(axis=0) > DENSE[len(names)]
            error = np.max((np.abs(a - b) / np.maximum(np.abs(b), natural))[dense])
            assert error < limit, (key, names, error)
            checked += 1
    variables = {"lda": (1, 2), "gga": (2, 5), "mgga": (3, 7)}[functional.family][polarised]
    assert checked == math.comb(variables + order, order) - 1
