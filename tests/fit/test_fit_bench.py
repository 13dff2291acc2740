"""``fastsfes-bench fit`` in small: its figures are consistent, and it fails when CMA-ES is better."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fastsfes.bench import fit as bench
from fastsfes.bench import main

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


def test_a_better_minimum_of_cma_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "minimise_cma", lambda *a, **k: (a[2], 0.1, 10))
    assert main(["fit", *SMALL]) == 1
    assert "CMA-ES reached 0.100000" in capsys.readouterr().err


def test_bad_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--starts", "0"]) == 2
    assert "--starts must be positive" in capsys.readouterr().err
