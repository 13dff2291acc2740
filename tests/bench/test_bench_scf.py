"""``fastsfes-bench scf`` in small: it checks energies and iterations, and stops when they differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fastsfes.bench import main
from fastsfes.bench import scf as bench
from fastsfes.bench.report import figure, row_text

SMALL = ["scf", "--molecule", "tiny", "--functional", "pbe", "--seconds", "0", "--repeats", "1"]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bench.MOLECULES, "tiny", ("H 0 0 0; H 0 0 0.74", 0, "sto-3g"))


def test_report(tmp_path: Path) -> None:
    assert main([*SMALL, "--no-cold", "--json", str(tmp_path / "scf.json")]) == 0
    rows = json.loads((tmp_path / "scf.json").read_text())["scf"]["rows"]
    assert [row["error"] < 1e-8 for row in rows if "check" in row] == [True, True]
    figures = {row["name"].split(" (")[0]: row["value"] for row in rows if "value" in row}
    ratio = figures["pbe, libxc / fastsfes, 2 iterations each, 1 times"]
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


def test_a_target_within_the_spread_is_met() -> None:
    """A difference that the measurement does not show is none; one that it shows is."""
    met, missed = (figure("ratio", 0.98, "x", target=1.0, spread=(0.9, high)) for high in (1.01, 0.99))
    assert [met["met"], missed["met"]] == [True, False]
    assert "0.98 x (0.9 to 1.01)   target >= 1: met within the spread" in str(row_text(met))
    assert "NOT met" in str(row_text(missed))
