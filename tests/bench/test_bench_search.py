"""``fastsfes-bench search`` at a small size: its figures hang together, and its check can fail."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from fastsfes import Dataset, Quadrature
from fastsfes.bench import main, pointwise
from fastsfes.bench import search as bench


def test_evolution_reports_rates_and_the_time_to_beat_the_base(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out.json"
    assert main(["search", "--rediscover", "", "--candidates", "800", "--json", str(path)]) == 0
    out = capsys.readouterr().out
    found = json.loads(path.read_text())["search"]["evolution"]
    assert found["candidates"] == 800
    assert found["candidates_per_second"] == pytest.approx(800 / found["seconds"])
    assert 0.2 < found["unique"] <= 1
    base, best = found["base"], found["best"]
    assert base["error"] == pytest.approx(0.5 * (base["train"] + base["validation"]))
    if found["seconds_to_base"] is not None:
        assert 0 < found["seconds_to_base"] <= found["seconds"]
        assert found["candidates_to_base"] <= 800
    for text in ("candidates per second", "new families", "wB97M-V, refitted", f"{best['train']:.4f}"):
        assert text in out


def test_rediscovery_is_checked_on_the_grid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Few:
        """A part of the species: the grids of all take a minute."""

        @staticmethod
        def load(dataset: Dataset) -> SimpleNamespace:
            return SimpleNamespace(species=Quadrature.load(dataset).species[::25])

    monkeypatch.setattr(bench, "Quadrature", Few)
    arguments = ["search", "--seeds", "1", "--candidates", "0", "--json", str(tmp_path / "out.json")]
    assert main(arguments) == 0
    part = json.loads((tmp_path / "out.json").read_text())["search"]["rediscovery"]["b97x"]
    assert part["found"] == part["seeds"] == 1
    assert part["rows"][0]["error"] < 1e-6
    assert part["median_candidates"] == part["rows"][0]["reached"]
    assert 0 < part["median_searching"] < part["median_seconds"]
    assert "b97x: found for 1 of 1 seeds on builtin" in capsys.readouterr().out
    monkeypatch.setattr(bench, "LIMIT", 0.0)
    assert main(arguments) == 1
    assert "was found for 0 of 1 seeds" in capsys.readouterr().err


def test_wrong_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--seeds", "0"]) == 2
    assert main(["search", "--rediscover", "b97c"]) == 2
    assert 'contains "b97c"; expected any of b97x, pbex, b88x' in capsys.readouterr().err


def test_pointwise_counts_what_is_exact_between_the_points(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pointwise, "TARGETS", {"wB97M-V": pointwise.TARGETS["wB97M-V"]})
    arguments = [
        "search",
        "--rediscover",
        "",
        "--candidates",
        "0",
        "--pointwise",
        "1",
        "--json",
        str(tmp_path / "o.json"),
    ]
    assert main(arguments) == 0
    assert "factors from their values on points, 1 seeds" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "o.json").read_text())["search"]["pointwise"]["targets"]["wB97M-V"]["fastsfes"]
    assert row["found"] == (row["error"] < pointwise.LIMIT)
    assert row["formula"]
