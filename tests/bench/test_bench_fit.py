"""``fastsfes-bench fit`` in small: its figures are consistent, and it fails when CMA-ES is better."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.bench import fit as bench
from fastsfes.bench import main
from fastsfes.bench.grid import GridLoss, GridPoints

SMALL = ["--starts", "4", "--cma-evaluations", "300", "--candidates", "10", "--points", "0"]


def test_report(tmp_path: Path) -> None:
    output = tmp_path / "fit.json"
    assert main(["fit", *SMALL, "--json", str(output)]) == 0
    data = json.loads(output.read_text())["fit"]
    assert [row["name"] for row in data["forms"]][:3] == ["wb97m_v", "gas22", "b97"]
    assert len(data["forms"]) == 10
    for row in data["forms"]:
        assert row["loss"] <= row["cma"]["loss"] + 1e-4
        assert row["nonlinear"] <= 3
        assert row["parameters"] <= 20
    assert [rate["nonlinear"] for rate in data["rates"]] == [3.0, 0.0]
    names = [row["name"] for row in data["targets"]]
    assert names == ["loss above that of CMA-ES, at most", "fitted candidates per second and core"]
    assert data["targets"][0]["met"]


def test_a_better_minimum_of_cma_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "minimise_cma", lambda *a, **k: (a[2], 0.1, 10))
    assert main(["fit", *SMALL]) == 1
    assert "CMA-ES reached 0.100000" in capsys.readouterr().err


def test_jax_on_the_grid_gives_the_losses_of_the_objective() -> None:
    pytest.importorskip("jax", reason="the comparison with jax.jit needs jax")
    dataset = fs.Dataset.open("builtin")
    reactions = sorted(dataset.available, key=lambda r: sum(len(dataset.species[n].symbols) for n in r.coefficients))
    reactions = reactions[:2]
    names = sorted({dataset.representative(n) for r in reactions for n in r.coefficients})
    points = GridPoints.collect(dataset, {"x": "x@0.3", "css": "css", "cos": "cos"}, names)
    for name in ("wb97m_v", "gas22"):
        functional = fs.get_functional(name)
        vector = np.array([v for kind in points.channels for v in functional.channels[kind].parameters.values()])
        energies = points.jax(functional)
        assert energies is not None
        # Sums of 1e5 terms of up to 1e2 hartree, in another order.
        np.testing.assert_allclose(energies(vector), points.kernel(functional, 1)(), rtol=0, atol=1e-11)
        (loss,) = GridLoss.make(energies, points, dataset, reactions).losses([], [vector])
        assert loss == pytest.approx(fs.evaluate(functional, dataset, reactions, "grid").wrmsd, abs=1e-7)


def test_the_time_on_the_grid_is_computed_from_what_was_measured(tmp_path: Path) -> None:
    pytest.importorskip("jax", reason="the comparison with jax.jit needs jax")
    output = tmp_path / "fit.json"
    small = ["--cma-evaluations", "100", "--candidates", "2", "--points", "60000", "--form", "evolved 1"]
    assert main(["fit", *small, "--json", str(output)]) == 0
    (row,) = json.loads(output.read_text())["fit"]["forms"]
    cma = row["cma"]
    assert cma["jax_seconds"] == cma["evaluations"] * cma["jax_loss_seconds"] > 0.0


@pytest.mark.slow
def test_cma_on_the_grid_itself(tmp_path: Path) -> None:
    pytest.importorskip("jax", reason="the comparison with jax.jit needs jax")
    output = tmp_path / "fit.json"
    small = ["--cma-evaluations", "200", "--candidates", "2", "--form", "evolved 1", "--on-grid", "200"]
    assert main(["fit", *small, "--json", str(output)]) == 0
    (row,) = json.loads(output.read_text())["fit"]["forms"]
    # The same random numbers and nearly the same losses.
    assert row["on_grid"]["evaluations"] == row["cma"]["evaluations"]
    assert row["on_grid"]["loss"] == pytest.approx(row["cma"]["loss"], abs=1e-2)
    assert row["on_grid"]["ours"] == pytest.approx(row["loss"], abs=2e-3)


def test_bad_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--starts", "0"]) == 2
    assert "--starts must be positive" in capsys.readouterr().err
    assert main(["fit", "--form", "mine"]) == 2
    assert '--form "mine" is unknown; there are wb97m_v' in capsys.readouterr().err
