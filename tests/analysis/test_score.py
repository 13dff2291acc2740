"""Scores on GSCDB138 against the published table."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.analysis.score import published_scores, read_energies, score_file
from fastsfes.cli import main
from fastsfes.common.reading.xlsx import read_xlsx
from fastsfes.datasets.benchmark import packaged_tables
from fastsfes.datasets.gscdb138 import Archive


@pytest.fixture(scope="module")
def archive(shared: Path) -> Archive:
    source = shared / "gscdb138" / "gscdb138.tar.xz"
    if not source.exists():
        pytest.skip("the archive of GSCDB138 is absent (published with arXiv:2508.13468; docs/data.md)")
    return Archive(source)


@pytest.fixture(scope="module")
def table(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published energies of molecules."""
    path = tmp_path_factory.mktemp("score") / "energies.csv"
    path.write_bytes(archive("Analysis/Molecule_Energies.csv"))
    return path


def test_the_published_means_come_out_of_the_published_errors(archive: Archive) -> None:
    header, *rows = read_xlsx(archive("Analysis/Statistical_errors.xlsx"), "table")
    scores = published_scores()
    assert list(scores) == header[1:]  # 16 functionals, best first
    for name, *values in rows:
        for method, value in zip(header[1:], values, strict=True):
            found = scores[method].mean if name == "Mean" else scores[method].by_type[name.removeprefix("Mean ")]
            # The same sums in another order.
            assert found == pytest.approx(float(value), rel=1e-14)


def test_best_three() -> None:
    means = {name: round(s.mean, 3) for name, s in list(published_scores().items())[:3]}
    assert means == {"wB97M-V": 1.077, "CF22D": 1.250, "wB97X-V": 1.320}


def test_the_published_errors_come_out_of_the_published_energies(table: Path) -> None:
    """All sets of all functionals, within the ten digits that the energies are published with."""
    published = published_scores()
    tables = packaged_tables()
    for method, found in score_file(table).items():
        # Second differences of vibrations need more digits than that, and are said to.
        assert found.incomplete == {"V30": "energies of 8 decimals do not resolve its differences"}
        energies = read_energies(table)[method]
        for name, expected in published[method].over(found.sets).sets.items():
            members = [r for r in tables.reactions if r.set == name]
            # Largest change that rounding to 10 digits can make, in units of the set's errors.
            ulp = [
                0.5
                * sum(
                    abs(c) * 10.0 ** (math.ceil(math.log10(abs(energies[s]))) - 10) for s, c in r.coefficients.items()
                )
                for r in members
            ]
            per_hartree = [627.509] * len(members)
            if name == "Dip146":
                per_hartree = [2.541746 / (2.0 * r.step) for r in members]
            elif name in ("Pol130", "HR46", "T144"):
                per_hartree = [0.529177**3 / r.step**2 for r in members]
            bound = float(np.mean(np.multiply(ulp, per_hartree)))
            assert abs(found.sets[name].mae - expected.mae) <= bound, (method, name)
        assert found.mean == pytest.approx(published[method].over(found.sets).mean, rel=1e-4)


def test_a_perfect_method_scores_zero_and_missing_sets_are_named() -> None:
    """Energies made from the references of one set."""
    rows = [r for r in packaged_tables().reactions if r.set == "G21IP"]
    energies: dict[str, float] = {}
    for row in rows:
        *known, last = row.coefficients
        for name in known:
            energies.setdefault(name, -1.0 / 3.0)
        rest = sum(c * energies[n] for n, c in row.coefficients.items() if n != last)
        energies[last] = (row.reference - rest) / row.coefficients[last]
    found = fs.score(energies)
    assert found.sets["G21IP"].mae < 1e-12
    assert list(found.sets) == ["G21IP"]
    assert found.by_type.keys() == {"Thermochemistry"}
    del energies[next(iter(rows[0].coefficients))]
    found = fs.score(energies)
    assert not found.sets
    assert math.isnan(found.mean)
    assert "of 36 reactions have energies" in found.incomplete["G21IP"]


def test_weighted_average_over_gmtkn55_sets() -> None:
    """WTMAD-2 and WTMAD-4 by hand for the one set there."""
    rows = [r for r in packaged_tables().reactions if r.set == "S22"]
    generator = np.random.default_rng(0)
    energies = {n: float(generator.normal()) for r in rows for n in r.coefficients}
    found = fs.score(energies)
    calculated = np.array([627.509 * sum(c * energies[n] for n, c in r.coefficients.items()) for r in rows])
    reference = np.array([627.509 * r.reference for r in rows])
    mad = np.mean(np.abs(calculated - reference))
    assert found.wtmad2 == pytest.approx(56.84 / np.mean(np.abs(reference)) * mad, rel=1e-12)
    assert found.wtmad4 == pytest.approx(13.5 * mad, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 does not name methods"),
        ("species,a,a\n", "line 1 does not name methods"),
        ("species,a\nx,1,2\n", "line 2: 3 cells"),
        ("species,a\nx,1\nx,2\n", "line 3: species 'x' occurs twice"),
        ("species,a\nx,nan\n", "line 2: 'nan' is not finite"),
        ("species,a\nx,1\n", "no reaction of GSCDB138"),
        ("species,a\n\n\nx,y\n", "line 4: 'y' is not a number"),
        ("species,a\n" + 200_000 * "x" + ",1\n", "line 2: is not a line of a table"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "e.csv"
    path.write_text(text)
    assert main(["score", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_folders_options_without_a_table_and_unknown_columns_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, message in (
        ([str(tmp_path)], f"{tmp_path}: cannot be read: it is not a regular file"),
        (["--no-published"], "take a table of energies"),
        (["--method", "a"], "take a table of energies"),
    ):
        assert main(["score", *arguments]) == 2
        assert message in capsys.readouterr().err


def test_command_puts_published_functionals_beside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [r for r in packaged_tables().reactions if r.set in ("S22", "A24")]
    names = sorted({n for r in rows for n in r.coefficients})
    path = tmp_path / "e.csv"
    path.write_text("species,mine\n" + "".join(f"{n},{-0.1 / (k + 3)!r}\n" for k, n in enumerate(names)))
    assert main(["score", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [s["name"] for s in document["scores"][0]["sets"]] == ["A24", "S22"]
    assert len(document["published"]) == 16
    assert all(len(s["sets"]) == 2 for s in document["published"])
    path.write_text(path.read_text() + "S22_9,-1\nS22_8,-1\n")
    assert main(["score", str(path), "--sets", "--method", "mine"]) == 0
    out = capsys.readouterr().out
    assert "wB97M-V (published)" in out
    assert "mine: not in GSCDB138: 'S22_9', 'S22_8'" in out
    assert main(["score", str(path), "--method", "theirs"]) == 2
    assert "--method theirs: is no column of the table; it has mine" in capsys.readouterr().err
