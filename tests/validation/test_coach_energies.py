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


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="exchange is 0.02 hartree too low; docs/loading.md")
def test_energy_of_water_is_that_published(shared: Path) -> None:
    """The carbon atom that is published beside it has a basis, aug-cc-pCV5Z, that PySCF does not bring."""
    wanted = published(shared)["SIE4x4_h2o"]
    mol = gto.M(atom=wanted["geometry_angstrom"], basis=wanted["basis"], verbose=0)
    mf = fs.pyscf.attach(dft.RKS(mol), "coach")
    mf.grids.atom_grid = (99, 590)
    mf.grids.prune = None
    mf.nlcgrids.atom_grid = (50, 194)
    mf.nlcgrids.prune = dft.sg1_prune
    mf.conv_tol = 1e-9
    energy = mf.kernel()
    assert mf.converged
    # the three-body term of D4, which depends on positions alone, is no part of the functional: below 1e-6 hartree
    assert energy == pytest.approx(wanted["total"], abs=5e-6)
