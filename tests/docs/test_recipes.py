"""The recipes of docs/data.md run from zero, command by command, on a few atoms with a small basis set."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from gscdb138_archive import write_archive
from test_pages import ROOT, blocks

import fastsfes as fs
from fastsfes.cli import main
from fastsfes.energies.quadrature import LADDERS

PAGE = (ROOT / "docs/data.md").read_text()

HYDROGENS = {"H": "1\n0 2\nH 0 0 0\n", "H2": "2\n0 1\nH 0 0 0\nH 0 0 0.74\n", "H2long": "2\n0 1\nH 0 0 0\nH 0 0 1\n"}

#: What the recipe's commands are given in addition, so that they take seconds.
SMALL = {
    "build": "--xc pbe --basis sto-3g --grid (20,50) --processes 1 --quiet",
    "quadrature": "--channel x --channel css --channel cos --quiet",
    "search": "--candidates 40 --population 8 --generation 8 --generations 1 --no-report --progress none",
}


def recipe(start: str) -> list[list[str]]:
    """The commands of the indented block that holds this text, as lists of words."""
    (block,) = (code for language, code in blocks(PAGE) if not language and start in code)
    return [shlex.split(line) for line in block.replace("\\\n", "").splitlines()]


def small(words: list[str]) -> list[str]:
    """A command of fastsfes with the options that make it small; what it says of processes is overruled."""
    action = words[2] if words[1] == "dataset" else words[1]
    return [*words[1:], *SMALL.get(action, "").split()]


def folder(path: Path, table: str, text: str) -> None:
    """A table of reactions and the geometries of hydrogen."""
    (path / "geometries").mkdir(parents=True)
    (path / table).write_text(text)
    for name, xyz in HYDROGENS.items():
        (path / "geometries" / f"{name}.xyz").write_text(xyz)


def test_your_own_from_geometry_to_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (listing,) = re.findall(r"reactions\.csv +(name,split,.*\n.*),train", PAGE)
    header = listing.split("\n")[0]
    rows = ["a,train,-109.5,1 H2; -2 H", "b,train,14,1 H2; -1 H2long", "c,validation,-95,1 H2long; -2 H"]
    folder(tmp_path / "mine", "reactions.csv", "\n".join([header, *rows]) + "\n")
    for command in [*recipe("dataset info mine\n"), *recipe("dataset fold mine.h5")]:
        assert main(small(command)) == 0, command
    assert list(fs.Quadrature.load(fs.Dataset.open("mine-folded.h5"), "fine").channels) == ["x", "css", "cos"]
    (run,) = Path("fastsfes-runs").iterdir()
    assert Path(fs.Run(run).config.dataset).name == "mine.h5"
    write_archive(tmp_path)
    shutil.copyfile("mine.h5", "mgcdb84.h5")
    for command in recipe("dataset match gscdb138"):
        assert main(small(command)) == 0
    assert {r.name for r in fs.Dataset.open("gscdb138.h5").available} == {"AlkAtom19_1"}


def test_mgcdb84_from_published_geometries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = "AlkAtom19_1,1,H2,-2,H,-0.17\nTAE140_1,1,H2long,-2,H,-0.15\nHAT707_1,1,H2,-1,H2long,-0.02\n"
    folder(tmp_path / "mgcdb84", "DatasetEval.csv", table)
    (tmp_path / "mgcdb84" / "geometries").rename(tmp_path / "mgcdb84" / "Geometries")
    for command in recipe("dataset info mgcdb84\n"):
        assert main(small(command)) == 0, command
    made = fs.Dataset.open("mgcdb84.h5")
    assert {r.split for r in made.available} == {"train", "validation"}
    assert {"default", "fine"} <= {made.name} | {fs.Quadrature.load(made, n).name for n in ("default", "fine")}


def test_gscdb_from_the_published_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_archive(tmp_path)
    table = "AlkAtom19_1,1,H2,-2,H,-0.17\n"
    folder(tmp_path / "mgcdb84", "DatasetEval.csv", table)
    (tmp_path / "mgcdb84" / "geometries").rename(tmp_path / "mgcdb84" / "Geometries")
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "gscdb_species.txt").write_text("h2_far\n")
    assert main(small(["fastsfes", "dataset", "build", "mgcdb84", "--output", "mgcdb84.h5"])) == 0
    build, script = recipe("jobs/gscdb.py gscdb138.tar.xz")
    assert main(small(build)) == 0

    assert script[:2] == ["python", "jobs/gscdb.py"]
    spec = importlib.util.spec_from_file_location("gscdb_job", ROOT / script[1])
    assert spec is not None
    assert spec.loader is not None
    job = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(job)
    monkeypatch.setattr(job, "LADDER", LADDERS["x2,w"][1:2])
    monkeypatch.setattr(job, "FINE", "level 0")
    monkeypatch.setattr(sys, "argv", script[1:])
    job.main()
    said = capsys.readouterr().err
    assert "left out: MINE_1: wB97M-V on these densities differs from the published by" in said
    assert "2 reactions, 3 species, 3 densities" in said
    made = fs.Dataset.open("gscdb.h5")
    assert made.is_sealed
    assert {r.name: r.split for r in made.contents.reactions} == {"AlkAtom19_1": "train", "MOR13_1": "test"}
    assert fs.Quadrature.load(made, "fine").integration_grid == "level 0"
    assert fs.wrmsd("gas22", made, "train") > 0.0
