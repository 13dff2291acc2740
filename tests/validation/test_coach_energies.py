"""COACH by self-consistent PySCF calculations beside the regression energies that its authors publish.

They are of another program; the authors' own program for PySCF gives the same within 2e-6 hartree.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pyscf import dft, gto

import fastsfes as fs

pytestmark = pytest.mark.slow


def published(shared: Path) -> dict[str, Any]:
    file = shared / "coach" / "functional.json"
    if not file.is_file():
        pytest.skip("COACH's energies are absent from the shared reference data")
    return json.loads(file.read_text())["reference_energies_hartree"]


@pytest.mark.xfail(strict=True, reason="exchange is 0.02 hartree too low in water, 0.013 in carbon; docs/loading.md")
@pytest.mark.parametrize(("name", "grid"), [("SIE4x4_h2o", (99, 590)), ("C_AE18", (500, 974))])
def test_energies_are_those_published(name: str, grid: tuple[int, int], shared: Path) -> None:
    wanted = published(shared)[name]
    mol = gto.M(
        atom=wanted["geometry_angstrom"], basis=wanted["basis"], spin=wanted.get("multiplicity", 1) - 1, verbose=0
    )
    mf = fs.pyscf.attach(dft.UKS(mol) if mol.spin else dft.RKS(mol), "coach")
    mf.grids.atom_grid = grid
    mf.grids.prune = None
    mf.nlcgrids.atom_grid = (50, 194)
    mf.nlcgrids.prune = dft.sg1_prune
    mf.conv_tol = 1e-9
    energy = mf.kernel()
    assert mf.converged
    # the three-body term of D4, which depends on positions alone, is no part of the functional: none in an atom, and
    # below 1e-6 hartree in water
    assert energy == pytest.approx(wanted["total"], abs=5e-6)
