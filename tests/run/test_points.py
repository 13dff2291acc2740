"""Searches on points: known factors are found to the last digits, and a run is a run like any other."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import fastsfes as fs
from fastsfes.cli import main
from fastsfes.datasets.points import csv_of_columns
from fastsfes.run.config import PRESETS
from fastsfes.run.search import RESUME_OPTIONS
from fastsfes.run.store import RunStore

FloatArray = npt.NDArray[np.float64]

X2 = np.geomspace(1e-2, 1e4, 200)
GRID = np.meshgrid(np.geomspace(1e-2, 1e4, 30), np.linspace(-0.95, 0.95, 15), indexing="ij")
PAIRS = {"x2": GRID[0].ravel(), "w": GRID[1].ravel()}
BETWEEN = np.geomspace(2e-2, 5e3, 77)


def factor(name: str, features: dict[str, FloatArray], kind: str = "x") -> FloatArray:
    channel = fs.get_functional(name).channels[kind]
    return np.broadcast_to(channel.evaluate(features), np.shape(features["x2"])).astype(float)


def history(run: fs.Run) -> list[object]:
    with RunStore.open(run.path / "history.sqlite", read_only=True) as store:
        return list(store.candidates.execute("SELECT * FROM candidates ORDER BY island, number").fetchall())


@pytest.mark.parametrize("name", ["pbe_x", "b97_x"])
def test_a_known_factor_is_found_from_its_values(name: str, tmp_path: Path) -> None:
    run = fs.search_points({"x2": X2}, factor(name, {"x2": X2}), output=tmp_path / "run", seed=1)
    found = run.best.channels["x"].evaluate({"x2": BETWEEN})
    # the goal is 1e-9 of the spread on the points; between them the same formula is as good
    np.testing.assert_allclose(found, factor(name, {"x2": BETWEEN}), rtol=1e-7)
    assert run.summary["complete"]
    assert run.summary["reached"] is not None
    assert run.summary["report"]["unit"].endswith("unit of the values")
    assert run[run.summary["pick"]["index"]].channels == run.best.channels


def test_two_features_and_weights(tmp_path: Path) -> None:
    values = factor("wb97m_v", PAIRS)
    spoilt = values.copy()
    spoilt[::50] += 7.0  # points that do not count
    weights = np.ones(len(values))
    weights[::50] = 0.0
    run = fs.search_points(PAIRS, spoilt, weights, output=tmp_path / "run", seed=1)
    np.testing.assert_allclose(run.best.channels["x"].evaluate(PAIRS), values, rtol=1e-7)


def test_several_channels_at_once(tmp_path: Path) -> None:
    values = {k: factor("b97", {"x2": X2}, k) for k in ("x", "cos")}
    run = fs.search_points({"x2": X2}, values, output=tmp_path / "run", candidates=1500)
    assert set(run.best.channels) == {"x", "cos"}
    errors = [run.best.channels[k].evaluate({"x2": X2}) - v for k, v in values.items()]
    stated = run.summary["report"]["rows"][0]
    squares = np.concatenate(errors) ** 2
    assert (
        min(stated["train"], stated["validation"]) ** 2
        <= squares.mean()
        <= max(stated["train"], stated["validation"]) ** 2
    )
    assert stated["test"] is None


def test_an_energy_density_is_the_sum_over_channels(tmp_path: Path) -> None:
    prefactors = {"x": -1 - X2 / 1e3, "cos": np.cos(X2)}
    energies = prefactors["x"] * (0.8 + 0.01 * X2) + prefactors["cos"] * 0.3
    run = fs.search_points({"x2": X2}, energies, prefactor=prefactors, output=tmp_path / "run", candidates=2000)
    found = sum(p * run.best.channels[k].evaluate({"x2": X2}) for k, p in prefactors.items())
    np.testing.assert_allclose(found, energies, rtol=1e-9, atol=1e-9 * np.abs(energies).max())


def test_a_formula_of_columns_is_no_part_of_an_energy(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    data = rng.standard_normal((120, 3))
    values = 2.5 * data[:, 0] * data[:, 2] - 0.7
    run = fs.search_points(
        dict(zip(("X0", "X1", "X2"), data.T, strict=True)), values, channel=None, output=tmp_path / "r"
    )
    formula = run.best.channels["y"]
    assert set(formula.expression.features) == {"X0", "X2"}
    np.testing.assert_allclose(formula.evaluate({"X0": data[:, 0], "X2": data[:, 2]}), values, atol=1e-9)
    assert "X_{0}" in formula.expression.to_latex()
    assert formula.expression.derivative("X0").features == ("X2",)
    with pytest.raises(fs.InputError, match="formula by itself"):
        run.best.energy_density([0.3], [0.1])


def test_the_run_holds_its_points_and_resumes_anywhere(tmp_path: Path) -> None:
    options = {"candidates": 1200, "stop_below": 0.0, "seed": 3}
    values = factor("b88_x", {"x2": X2})
    whole = fs.search_points({"x2": X2}, values, output=tmp_path / "whole", **options)
    table = tmp_path / "points.csv"
    shutil.copy(whole.path / "points.csv", table)
    config = fs.SearchConfig.make("points", points=table, **options)
    part = fs.search(config, output=tmp_path / "part", time_limit=1e-3, report=False)
    assert not part.summary["complete"]
    table.unlink()
    shutil.move(part.path, tmp_path / "moved")
    done = fs.search(resume=tmp_path / "moved", threads=2)
    assert history(done) == history(whole)
    assert done.best.channels == whole.best.channels
    assert "points" in RESUME_OPTIONS
    other = tmp_path / "other.csv"
    other.write_text(csv_of_columns({"x2": X2, "value": values + 1.0}))
    config = fs.SearchConfig.make("points", points=whole.path / "points.csv", **options)
    unfinished = fs.search(config, output=tmp_path / "p2", time_limit=1e-3, report=False)
    with pytest.raises(fs.InputError, match="the points differ"):
        fs.search(resume=unfinished.path, points=str(other))


def test_the_command_takes_a_file_of_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["x2,value", *(f"{a!r},{1 + 0.5 * a!r}" for a in np.linspace(0.1, 5, 40).tolist())]
    table = tmp_path / "mine.csv"
    table.write_text("\n".join(lines) + "\n")
    out = str(tmp_path / "run")
    assert main(["search", "--points", str(table), "--output", out, "--progress", "none"]) == 0
    assert "root mean square error in the unit of the values on 40 points" in capsys.readouterr().out
    log = (tmp_path / "run" / "log.txt").read_text()
    assert " spreads" in log
    assert "kcal/mol" not in log
    assert main(["show", out, "--pareto"]) == 0
    assert main(["report", out, "--health", "none"]) == 0
    assert "values on points" in (tmp_path / "run" / "report.html").read_text()
    short = ["search", "--points", str(table), "--output", str(tmp_path / "short"), "--progress", "none", "--no-report"]
    assert main([*short, "--base", "empty", "--candidates", "200"]) == 0
    assert re.search(r"^train \S+, validation \S+ spreads$", capsys.readouterr().out, re.M)
    assert main(["search", "--points", str(tmp_path / "none.csv"), "--output", str(tmp_path / "x")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_a_quotient_of_short_terms_is_found_by_linear_fits(tmp_path: Path) -> None:
    """B88 is x2 over a sum with x asinh(x): no part of it fits better than a constant."""
    options = {"seed": 3, "candidates": 100, "report": False}
    pool = {**PRESETS["points"]["instruction_pool"], "asinh": 1.0}
    values = factor("b88_x", {"x2": X2})
    run = fs.search_points({"x2": X2}, values, output=tmp_path / "b88", instruction_pool=pool, **options)
    found = run.best.channels["x"].evaluate({"x2": BETWEEN})
    np.testing.assert_allclose(found, factor("b88_x", {"x2": BETWEEN}), rtol=1e-9)
    assert run.config.base[1].startswith("x = a + (b0*(x2))/(1 + ")  # the run says what it started from
    # the pool says what terms are made of
    assert fs.search_points({"x2": X2}, values, output=tmp_path / "without", **options).config.base == ("empty",)


def test_quotients_are_no_interpolation(tmp_path: Path) -> None:
    """Values with noise, and too few of them, are for the search."""
    rng = np.random.default_rng(1)
    values = 3.0 + X2 / (1.0 + X2)
    options = {"candidates": 50, "report": False}
    noisy = fs.search_points({"x2": X2}, values + 1e-3 * rng.normal(size=200), output=tmp_path / "a", **options)
    few = fs.search_points({"x2": X2[::10]}, values[::10], output=tmp_path / "b", **options)
    assert noisy.config.base == few.config.base == ("empty",)
    # a pole between the points is no quotient that goes through them
    pole = fs.search_points({"x2": X2}, 1 / (1 - X2 / 5.03), output=tmp_path / "c", **options)
    assert pole.config.base == ("empty",)
    with pytest.raises(fs.InputError, match=r"quotients.*--points"):
        fs.SearchConfig.make(base=("quotients",))


def test_quotients_of_prefactors_weights_and_several_features(tmp_path: Path) -> None:
    """Two features; the values are an energy density, some of them spoilt and without weight."""
    at = {"s2": np.tile(np.geomspace(1e-3, 10, 15), 6), "alpha": np.repeat(np.linspace(0.1, 3, 6), 15)}
    wanted = 1.25 + 2 * at["alpha"] ** 2 / (1 + 3 * at["s2"])
    prefactor, weights = -1 - at["s2"], np.ones(90)
    values = prefactor * wanted
    values[::30] += 5.0
    weights[::30] = 0.0
    run = fs.search_points(at, values, weights, prefactor=prefactor, output=tmp_path / "run", candidates=50)
    np.testing.assert_allclose(run.best.channels["x"].evaluate(at), wanted, rtol=1e-9)
    assert run.summary["fitted"] <= 2
