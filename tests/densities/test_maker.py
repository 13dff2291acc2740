"""Densities of any functional: by PySCF's name, by ours, or by a file, which is kept whole in the dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.cli import main
from fastsfes.datasets.model import HARTREE_TO_KCAL

SMALL = ["--basis", "sto-3g", "--grid", "(20,50)", "--quiet"]
HYBRID = (
    "x = 1 + c*x2/(1 + c*x2); x.c = 0.003; css = 1; cos = 1; hybrid.omega = 0.3; hybrid.short_range = 0.2; "
    "hybrid.long_range = 0.8; nlc.b = 6; nlc.C = 0.01"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two atoms and the molecule that they make."""
    path = tmp_path / "own"
    (path / "geometries").mkdir(parents=True)
    (path / "reactions.csv").write_text("name,reaction,reference_kcal\nbond,-1 LiH; 1 Li; 1 H,58.0\n")
    for name, text in (("Li", "Li 0 0 0"), ("H", "H 0 0 0"), ("LiH", "Li 0 0 0\nH 0 0 1.6")):
        multiplicity = 1 if name == "LiH" else 2
        (path / "geometries" / f"{name}.xyz").write_text(f"{text.count(chr(10)) + 1}\n0 {multiplicity}\n{text}\n")
    return path


def build(folder: Path, xc: str, name: str) -> fs.Dataset:
    output = folder.parent / f"{name}.h5"
    assert main(["dataset", "build", str(folder), "--output", str(output), "--xc", xc, *SMALL]) == 0
    return fs.Dataset.open(output)


def test_a_file_makes_the_densities_that_its_functional_makes_by_name(folder: Path) -> None:
    """PBE of libxc, ours by name would be PySCF's, and ours as a file: the SCF converges to 1e-9 hartree."""
    path = folder.parent / "mine.json"
    fs.get_functional("pbe").to_json(path)
    by_name, by_file = build(folder, "pbe", "name"), build(folder, str(path), "file")
    for species in ("Li", "H", "LiH"):
        assert by_file.energies(species).e_tot == pytest.approx(by_name.energies(species).e_tot, abs=2e-9)
    found, other = (fs.evaluate("pbe", d, "train", method="grid") for d in (by_file, by_name))
    np.testing.assert_allclose(found.errors, other.errors, atol=1e-5)  # kcal/mol


def test_frame_and_energies_of_an_own_hybrid(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its own energy on its own densities is the self-consistent one; the file knows the frame without any other."""
    path = folder.parent / "mine.json"
    own = fs.load(HYBRID)
    own.to_json(path)
    dataset = build(folder, str(path), "hybrid")
    path.unlink()
    found = fs.evaluate(own, dataset, "train", method="grid")
    total = {n: dataset.energies(n).e_tot for n in ("Li", "H", "LiH")}
    energy = HARTREE_TO_KCAL * (total["Li"] + total["H"] - total["LiH"])
    assert found.errors[0] + found.reactions[0].reference == pytest.approx(energy, abs=1e-5)
    capsys.readouterr()
    assert main(["dataset", "info", str(dataset.path)]) == 0
    out = capsys.readouterr().out
    assert f"3: {own.name}, sto-3g" in out


def test_a_functional_that_only_we_know(folder: Path) -> None:
    dataset = build(folder, "gas22_syfes", "registered")
    assert str(dataset.attributes("LiH")["xc"]) == "gas22_syfes"
    assert fs.evaluate("gas22_syfes", dataset, "train", method="grid").errors.shape == (1,)


@pytest.mark.parametrize(
    ("xc", "sentence"),
    [
        ("nonsense", 'libxc has no functional "nonsense"'),
        ("nowhere.json", "nowhere.json"),
        ("x = 1 + ; css = 1", "x"),
    ],
)
def test_what_is_no_functional_is_said(
    folder: Path, xc: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = folder.parent / "no.h5"
    assert main(["dataset", "build", str(folder), "--output", str(output), "--xc", xc, *SMALL]) == 2
    error = capsys.readouterr().err
    assert f"--xc {xc}" in error
    assert sentence in error
    assert not output.exists()
    assert not output.with_name("no.h5.work").exists()
