"""Folded datasets: the same energies without densities, on one integration grid and on two."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_quadrature import functional

import fastsfes as fs
from fastsfes.cli import main
from fastsfes.datasets import SPLITS
from fastsfes.datasets.dataset import FoldedError, SealedError
from fastsfes.energies.frame import frame_of
from fastsfes.energies.quadrature import LEVELS, NodeGrid, build_quadrature, fold_quadratures

GRID = NodeGrid.make({"x2": 96, "w": 32}, 5)


@pytest.fixture(scope="module")
def pair(builtin: fs.Dataset) -> tuple[fs.Quadrature, fs.Quadrature]:
    """A few species on two integration grids, the second on the first one's nodes."""
    species = [n for n in builtin.density_names if len(builtin.species[n].symbols) <= 2][:12]
    settings = {"channels": ("x@0.3", "cos"), "species": species, "tolerance": 10.0, "reduce": False}
    coarse = build_quadrature(builtin, integration_grid="level 0", ladder=(GRID,), **settings)
    fine = build_quadrature(builtin, name="fine", integration_grid="level 1", like=coarse, **settings)
    return coarse, fine


def test_few_nodes_give_the_energies_of_all(builtin: fs.Dataset, pair: tuple[fs.Quadrature, fs.Quadrature]) -> None:
    made = fold_quadratures(*pair, nodes=400)
    for whole, small in zip(pair, made, strict=True):
        for name in ("wb97m_v", "gas22"):
            f = fs.get_functional(name).with_frame(frame_of(builtin))
            f = fs.Functional(name, {k: f.channels[k] for k in ("x", "cos")}, hybrid=f.hybrid)
            error = np.abs(small.energies(f) - whole.energies(f)).max()
            assert error * 627.5 < 3e-3  # 400 nodes of 12 species, a step below the 600 of a real one
    assert all(len(rule.level("full")) == 400 for rule in made[0].channels.values())
    assert set(made[0].channels["cos"].levels) == set(LEVELS)


def test_the_change_between_two_grids_is_kept(builtin: fs.Dataset, pair: tuple[fs.Quadrature, fs.Quadrature]) -> None:
    coarse, fine = pair
    small_coarse, small_fine = fold_quadratures(coarse, fine, nodes=400)
    assert np.array_equal(small_coarse.rule("x@0.3").level("full").nodes, small_fine.rule("x@0.3").level("full").nodes)
    f = functional("probe", fs.Hybrid(0.3, 0.15, 1.0), x="1 + 0.5*u(x2, 0.004)", cos="1 + w**2")
    expected, found = (b.energies(f) - a.energies(f) for a, b in ((coarse, fine), (small_coarse, small_fine)))
    assert np.abs(expected).max() > 1e-5
    np.testing.assert_allclose(found, expected, atol=2e-6)  # hartree


def test_measured_errors_are_those_of_the_nodes(pair: tuple[fs.Quadrature, fs.Quadrature]) -> None:
    (whole,), (small,) = pair[:1], fold_quadratures(pair[0], nodes=300)
    for key, rule in small.channels.items():
        for level, nodes in rule.levels.items():
            difference = nodes.energies(fs.Expression.constant(1.0)) - whole.rule(key).level("full").energies(
                fs.Expression.constant(1.0)
            )
            stored = rule.errors[level]["1"] - whole.rule(key).errors["full"]["1"]
            # Total energies of some hundred hartree times 2^-52, in kcal/mol.
            np.testing.assert_allclose(stored, 627.509474 * difference, atol=1e-9)


def test_quadratures_that_do_not_belong_together_are_refused(
    builtin: fs.Dataset, pair: tuple[fs.Quadrature, fs.Quadrature]
) -> None:
    other = build_quadrature(
        builtin, channels=("cos",), species=pair[0].species[:3], tolerance=10.0, integration_grid="level 0",
        ladder=(GRID,), reduce=False,
    )  # fmt: skip
    with pytest.raises(fs.InputError, match="have other species"):
        fold_quadratures(pair[0], other)


@pytest.fixture(scope="module")
def folded(builtin: fs.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged molecules without their densities, sealed."""
    path = tmp_path_factory.mktemp("folded") / "small.h5"
    assert builtin.path is not None
    assert main(["dataset", "fold", str(builtin.path), "--output", str(path), "--nodes", "350", "--sealed"]) == 0
    return path


def test_folded_files_are_small_and_searchable(builtin: fs.Dataset, folded: Path) -> None:
    assert builtin.path is not None
    assert folded.stat().st_size < 0.4 * builtin.path.stat().st_size
    data = fs.Dataset.open(folded)
    assert not data.has_densities
    assert data.split("train") == builtin.split("train")
    assert data.energies("g2_CH4") == builtin.energies("g2_CH4")
    assert dict(data.attributes("g2_CH4")) == dict(builtin.attributes("g2_CH4"))
    for split in ("train", "validation"):
        found, expected = fs.wrmsd("gas22", data, split), fs.wrmsd("gas22", builtin, split)
        assert found == pytest.approx(expected, abs=1e-3)


def test_the_grid_is_refused_in_a_sentence(folded: Path) -> None:
    with pytest.raises(FoldedError, match="folded onto nodes and holds no densities"):
        fs.wrmsd("gas22", fs.Dataset.open(folded), "train", method="grid")


def test_a_seal_and_what_it_seals_stay_when_folded_again(folded: Path, tmp_path: Path) -> None:
    path = tmp_path / "smaller.h5"
    assert main(["dataset", "fold", str(folded), "--output", str(path), "--nodes", "50"]) == 0
    again = fs.Dataset.open(path)
    assert again.is_sealed
    assert again.contents.reactions == fs.Dataset.open(folded).contents.reactions


def test_no_quadrature_can_be_made_without_densities(folded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more in ([], ["--like", "default", "--grid", "level 5"]):
        assert main(["dataset", "quadrature", str(folded), "--name", "x", *more]) == 2
        assert "holds no densities, so no quadrature can be made of it" in capsys.readouterr().err


def test_a_sealed_test_split_is_read_on_purpose_and_counted(
    folded: Path, builtin: fs.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTSFES_DATA", str(tmp_path / "mine"))
    data = fs.Dataset.open(folded)
    with pytest.raises(SealedError, match="sealed"):
        data.split("test")
    assert not any(r.split == "test" for r in (*data.reactions, *data.available))
    with pytest.raises(SealedError):
        fs.fit("b97_x", data, test=True)
    assert data.test_readings == 0
    opened = data.unsealed("a test\nof two lines")
    assert opened.split("test") == builtin.split("test")
    assert (opened.test_readings, fs.Dataset.open(folded).test_readings) == (1, 1)
    assert not any(r.split == "test" for r in data.available)
    opened.unsealed("again, of the same opening")
    assert data.test_readings == 1
    data.unsealed("second")
    assert data.test_readings == 2
    (record,) = (tmp_path / "mine").iterdir()
    assert [line.split("  ")[1] for line in record.read_text().splitlines()] == ["a test of two lines", "second"]


def test_a_folder_that_cannot_be_written_does_not_stop_a_report(
    folded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FASTSFES_DATA", str(tmp_path / "file"))
    data = fs.Dataset.open(folded)
    assert data.unsealed("x").split("test")
    assert data.test_readings == 0


def test_without_a_home_reports_are_made_and_the_rest_says_so(
    folded: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("~nobody-of-that-name/data", ""):
        monkeypatch.setenv("FASTSFES_DATA", folder)
        monkeypatch.setenv("XDG_DATA_HOME", "~nobody-of-that-name")
        data = fs.Dataset.open(folded)
        assert data.unsealed("x").split("test")
        assert data.test_readings == 0
        assert fs.Dataset.open("builtin").path
        assert main(["dataset", "list"]) == 2
        err = capsys.readouterr().err
        assert "~nobody-of-that-name" in err
        assert "write the whole path" in err
    assert "set FASTSFES_DATA" in err


def test_datasets_are_listed_and_opened_by_name(
    folded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FASTSFES_DATA", str(tmp_path))
    (tmp_path / "mine.h5").write_bytes(folded.read_bytes())
    (tmp_path / "broken.h5").write_bytes(b"nothing")
    assert main(["dataset", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"gscdb", "builtin", "mine", "broken"} == rows.keys()
    assert (rows["mine"]["grid_check"], rows["builtin"]["grid_check"], rows["gscdb"]["grid_check"]) == (
        False,
        True,
        False,
    )
    assert rows["gscdb"]["grid_sensitivity"]
    assert rows["gscdb"]["search"]
    assert rows["gscdb"]["sealed"]
    assert "foreign or truncated" in rows["broken"]["problem"]
    assert rows["mine"]["splits"] == dict(zip(SPLITS, (40, 18, 19), strict=True))
    assert fs.Dataset.open("mine").path == tmp_path / "mine.h5"
    assert main(["dataset", "list"]) == 0
    assert "CC BY 4.0" in capsys.readouterr().out
    with pytest.raises(fs.InputError, match="there are gscdb, builtin, broken, mine"):
        fs.Dataset.open("absent")


def test_files_that_were_tampered_with_are_refused(folded: Path, tmp_path: Path) -> None:
    import h5py

    for column, value, message in (("index", 10**6, "points outside"), ("energies", np.nan, "holds NaN")):
        path = tmp_path / f"{column}.h5"
        path.write_bytes(folded.read_bytes())
        with h5py.File(path, "r+") as file:
            file["folded"][column][0] = value
        with pytest.raises(fs.InputError, match=message):
            fs.Dataset.open(path)


def test_writing_keeps_links_between_species(builtin: fs.Dataset, folded: Path) -> None:
    data = fs.Dataset.open(folded)
    assert {n: data.representative(n) for n in data.density_names} == {
        n: builtin.representative(n) for n in data.density_names
    }
