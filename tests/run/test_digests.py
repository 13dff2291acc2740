"""A run knows its data: it goes on with the same ones, wherever they are, and with no others."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import fastsfes as fs
from fastsfes.cli import main
from fastsfes.run.search import search

OPTIONS = {"candidates": 300, "population": 20, "generation": 16, "generations": 2}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A copy of the packaged molecules that may be changed."""
    path = tmp_path / "data.h5"
    shutil.copyfile(fs.Dataset.open("builtin").path or "", path)
    return path


def begun(dataset: Path, run: Path, **more: object) -> fs.SearchConfig:
    """A run that was ended after its first rounds."""
    config = fs.SearchConfig.make(dataset=str(dataset), **OPTIONS, **more)
    search(config, output=run, time_limit=1e-9, report=False)
    assert not fs.Run(run).summary["complete"]
    return config


def change(path: Path, name: str, value: float) -> None:
    with h5py.File(path, "r+") as file:
        file[name][0] = value


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("reactions/reference", "the reactions, their references"),
        ("reactions/weight", "the reactions, their references"),
        ("quadrature/default/x@0.3/reduced/matrix", "the quadrature"),
    ],
)
def test_changed_data_are_refused(dataset: Path, tmp_path: Path, name: str, what: str) -> None:
    begun(dataset, tmp_path / "run")
    change(dataset, name, 12.5)
    with pytest.raises(fs.InputError, match=f"began with other data: {what}"):
        search(resume=tmp_path / "run", report=False)


def test_energies_of_other_densities_are_refused(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(dataset, tmp_path / "run")
    with h5py.File(dataset, "r+") as file:
        file["species"]["g2_H"].attrs["e_tot"] = np.float64(-0.51)
    assert main(["search", "--resume", str(tmp_path / "run"), "--no-report", "--progress", "none"]) == 2
    assert "the energies of the densities differ" in capsys.readouterr().err


def test_a_copy_elsewhere_goes_on_with_the_same_bits(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = fs.SearchConfig.make(dataset=dataset.name, **OPTIONS)  # by a relative path
    whole = search(config, output=tmp_path / "whole", report=False)
    search(config, output=tmp_path / "run", time_limit=1e-9, report=False)
    moved = tmp_path / "elsewhere" / "copy.h5"
    moved.parent.mkdir()
    monkeypatch.chdir(moved.parent)
    search(resume=tmp_path / "run", time_limit=1e-9, report=False)  # found by its absolute path
    dataset.rename(moved)
    done = search(resume=tmp_path / "run", dataset=str(moved), report=False, time_limit=1e9)
    assert done.best.to_dict() == replace(whole.best, name=done.best.name).to_dict()
    assert done.summary["candidates"] == whole.summary["candidates"]
    again = {"resume": tmp_path / "run", "dataset": str(moved), "report": False}
    assert search(**again) == done
    change(moved, "reactions/reference", 12.5)
    with pytest.raises(fs.InputError, match="began with other data"):
        search(**again)  # though nothing is left to do


def test_changed_bases_are_refused(dataset: Path, tmp_path: Path) -> None:
    base = tmp_path / "mine.json"
    fs.get_functional("b97_x").to_json(base)
    begun(dataset, tmp_path / "run", base=(str(base),), channels=("x",))
    text = base.read_text()
    assert "0.5073" in text
    base.write_text(text.replace("0.5073", "0.25"))
    with pytest.raises(fs.InputError, match="the functionals that the search starts from"):
        search(resume=tmp_path / "run", report=False)


def test_runs_that_never_noted_their_data_go_on(dataset: Path, tmp_path: Path) -> None:
    """Those of earlier versions."""
    begun(dataset, tmp_path / "run")
    with sqlite3.connect(tmp_path / "run" / "history.sqlite") as db:
        db.execute("DELETE FROM meta WHERE key = 'data'")
    search(resume=tmp_path / "run", report=False, time_limit=1e-9)
    change(dataset, "reactions/reference", 1.0)
    with pytest.raises(fs.InputError, match="began with other data"):
        search(resume=tmp_path / "run", report=False)


def test_uniform_gas_from_the_local_density_approximation(tmp_path: Path) -> None:
    config = fs.SearchConfig.make(dataset="builtin", constraints=("uniform_gas",), **OPTIONS)
    found = search(config, output=tmp_path / "run", report=False).best
    factors = {
        k: c.expression.evaluate({"x2": np.zeros(1), "w": np.zeros(1)}, c.parameters)[0]
        for k, c in found.channels.items()
    }
    # 0.15 of exact short-range exchange stands beside the factor; 1e-9 is what the fit keeps of equalities.
    assert factors["x"] == pytest.approx(0.85, abs=1e-9)
    assert factors["css"] == pytest.approx(1.0, abs=1e-9)
    assert factors["cos"] == pytest.approx(1.0, abs=1e-9)
