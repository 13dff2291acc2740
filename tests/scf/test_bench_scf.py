"""``fastsfes-bench scf`` in small: it checks energies and iterations, and stops when they differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fastsfes.bench import main
from fastsfes.bench import scf as bench

SMALL = ["scf", "--molecule", "tiny", "--functional", "pbe", "--repeats", "1"]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bench.MOLECULES, "tiny", ("H 0 0 0; H 0 0 0.74", 0, "sto-3g"))


def test_report(tmp_path: Path) -> None:
    assert main([*SMALL, "--no-cold", "--json", str(tmp_path / "scf.json")]) == 0
    rows = json.loads((tmp_path / "scf.json").read_text())["scf"]["rows"]
    assert [row["error"] < 1e-8 for row in rows if "check" in row] == [True, True]
    figures = {row["name"].split(" (")[0]: row["value"] for row in rows if "value" in row}
    ratio = next(value for name, value in figures.items() if name.startswith("pbe, libxc / fastsfes"))
    assert ratio == pytest.approx(figures["pbe, libxc"] / figures["pbe, fastsfes"])


def test_a_wrong_energy_is_a_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def other(molecule: str, functional: str, ours: bool, density_fit: bool) -> Any:
        return make(molecule, functional if ours else "b97", ours, density_fit)

    make = bench.make
    monkeypatch.setattr(bench, "make", other)
    assert main([*SMALL, "--no-cold"]) == 1
    assert "tiny, pbe: energy: the answer is off by" in capsys.readouterr().err


def test_bad_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL[:-1], "0"]) == 2
    assert "--repeats is 0" in capsys.readouterr().err
