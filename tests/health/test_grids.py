"""Rare-gas dimers and reaction energies on several grids; the command."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pyscf import dft, gto

import fastsfes as fs
from fastsfes.cli import main
from fastsfes.health import dimer_curve, grid_sensitivity
from fastsfes.health import dimers as dimers_module
from fastsfes.health.conditions import as_subject
from fastsfes.health.reactions import chosen_reactions, reaction_rows

SMALL = "6-31g"


@pytest.mark.parametrize("name", ["pbe", "wb97m_v", "libxc:hse06"])
def test_dimer_energies_are_those_of_pyscf(name: str) -> None:
    """Total energies at the Hartree-Fock density, exact exchange and VV10 included, by PySCF's own energy functions."""
    r = 2.9
    curve = dimer_curve(fs.load_comparison(name), "Ne", (r,), grids={"level": "level 2"}, basis=SMALL)
    energies = []
    for atom in (f"Ne 0 0 0; Ne 0 0 {r}", "Ne 0 0 0"):
        mol = gto.M(atom=atom, basis=SMALL, verbose=0)
        density = mol.RHF().run(conv_tol=1e-12).make_rdm1()
        mf = dft.RKS(mol, xc=name.removeprefix("libxc:"))
        mf.grids.level = 2
        mf.initialize_grids(mol, density)
        mf.grids = dft.gen_grid.Grids(mol)  # without dropping points of low density
        mf.grids.level = 2
        mf.grids.build()
        energies.append(mf.energy_tot(density))
    expected = 627.509474 * (energies[0] - 2 * energies[1])
    # PySCF's nonlocal grid drops points of low density when it knows the density
    assert curve.energies["level"][0] == pytest.approx(expected, abs=2e-5)


def test_dimer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three distances in a small basis, the table as it is: a smooth functional passes, a rough one does not."""
    monkeypatch.setattr(dimers_module, "DIMERS", {"Ne": (2.8, 3.1, 3.6)})
    monkeypatch.setattr(dimers_module, "BASIS", SMALL)
    monkeypatch.setattr(
        dimers_module.dimer_curve, "__kwdefaults__", {**dimers_module.dimer_curve.__kwdefaults__, "basis": SMALL}
    )
    lines: list[str] = []
    smooth = dimers_module.dimer_rows(as_subject("pbe"), lines.append)
    assert lines == [f"pbe: Ne2 at {r} angstrom" for r in (2.8, 3.1, 3.6)]
    assert [row.name for row in smooth] == ["Ne2, coarse grid", "Ne2, default grid", "Ne2, one well at most"]
    assert all(row.passed for row in smooth)
    assert smooth[1].value < smooth[0].value
    rough = dimers_module.dimer_rows(as_subject("x = 1 + 0.5*tanh(100*w)*tanh(30*(x2 - 30))"))
    assert rough[0].passed is False
    assert rough[0].margin < 0
    assert rough[0].where.startswith("R=")


def test_turning_points() -> None:
    curve = dimers_module.DimerCurve("Ne", (1, 2, 3, 4, 5), {"a": (3, 1, 2, 1.5, 1.7), "b": (3, 1, 1.2, 1.4, 1.5)})
    assert curve.turning_points("a") == 3
    assert curve.turning_points("b") == 1


def test_reactions_on_grids() -> None:
    data = fs.Dataset.open("builtin")
    reactions = chosen_reactions(data, 4)
    assert [r.data_type for r in reactions] == ["BH", "BH", "TCE", "TCE"]
    grids = {"coarse": "level 0", "own": str(data.attributes(next(iter(reactions[0].coefficients)))["grid"])}
    found = grid_sensitivity(fs.get_functional("wb97m_v"), data, number=4, grids=grids)
    # on the densities' own grid: the semilocal energies that the dataset stores, which PySCF computed
    for reaction, energy in zip(reactions, found.energies["own"], strict=True):
        stored = sum(c * data.energies(name).e_xc_semilocal for name, c in reaction.coefficients.items())
        assert energy == pytest.approx(627.509474 * stored, abs=1e-5)
    deviation = np.abs(found.deviations("coarse"))
    assert deviation.max() == pytest.approx(
        max(abs(a - b) for a, b in zip(found.energies["coarse"], found.energies["own"], strict=True))
    )
    assert 1e-2 < deviation.max() < 5.0
    assert json.loads(json.dumps(found.to_dict()))["reactions"] == [r.name for r in reactions]


@pytest.mark.slow
def test_scan_is_the_functional_that_depends_on_grids() -> None:
    """The whole level "full"; Sitkiewicz et al. and Lehtola & Marques name SCAN, GGAs are insensitive."""
    rows = {row.name: row for row in reaction_rows(as_subject("libxc:scan"))}
    assert rows["reactions, default grid"].passed is False
    result = fs.health.check("pbe", ("wb97m_v", "gas22"), "full")
    assert not result.failed
    names = {row.name: row for row in result.beside["wb97m_v"]}
    assert names["Ar2, default grid"].passed
    # wB97M-V's well of argon, CCSD(T): 0.28 kcal/mol at 3.76 angstrom
    assert "R=3.9" in names["Ar2, one well at most"].where


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health", "libxc:scan", "--beside", "gas22", "--details"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0].split() == ["SCAN", "(libxc)", "GAS22"]
    assert "uniform gas, exchange" in captured.out
    assert "where SCAN (libxc) fails" in captured.out
    assert "gas22: exact conditions" in captured.err
    assert main(["health", "x = 1 + c*w; x.c = 0.2", "--beside", "--json", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    data = json.loads(captured.out)
    assert data["beside"] == {}
    assert {row["group"] for row in data["rows"]} == {"exact conditions", "limits", "derivatives", "atomic grids"}


def test_bad_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health", "nothing"]) == 2
    assert "not registered" in capsys.readouterr().err
    assert main(["health", "pbe", "--level", "medium"]) == 2
