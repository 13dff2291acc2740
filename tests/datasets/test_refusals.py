"""Every sentence with which readers of reactions, species and points refuse what they are given."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastsfes import InputError
from fastsfes.datasets import Reaction, Species, points
from fastsfes.datasets.gmtkn55 import read_gmtkn55, read_res, read_species
from fastsfes.datasets.points import read_columns

GOOD = {
    "name": "r", "subset": "s", "data_type": "TCE", "split": "train", "weight": 1.0, "coefficients": {"H": 1.0},
    "reference": 0.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"split": "exam"}, "split 'exam' is none of train"),
        ({"weight": -1.0}, "weight -1.0 must be finite and not negative"),
        ({"weight": np.inf}, "must be finite and not negative"),
        ({"reference": np.nan}, "reference nan must be finite"),
        ({"coefficients": {}}, "has no species"),
        ({"coefficients": {"H": np.inf}}, "coefficient inf of 'H' must be finite"),
    ],
)
def test_reactions(change: dict[str, Any], said: str) -> None:
    Reaction(**GOOD)
    with pytest.raises(InputError, match=said):
        Reaction(**{**GOOD, **change})


@pytest.mark.parametrize(("symbols", "shape"), [(("H", "H"), (1, 3)), (("H",), (3,)), ((), (0, 3))])
def test_species(symbols: tuple[str, ...], shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="coordinates of shape"):
        Species("s", symbols, np.zeros(shape))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds neither struc.xyz nor coord"),
        ({"struc.xyz": "2\n\nH 0 0 0\n"}, "line 1 announces 2 atoms but 1 atom lines follow"),
        ({"struc.xyz": "1\n\nH 0 0\n"}, "lacks a symbol or a coordinate"),
        ({"coord": "$user-defined bonds\n 0 0 0 h\n"}, r"holds a \$coord block of 0 atoms"),
        ({"coord": "$coord\n 0 0 0 h\n", ".CHRG": "one"}, "'one' is not an integer"),
        ({"coord": "$coord\n 0 0 0 h\n", ".UHF": "\n"}, "'' is not an integer"),
        ({"coord": "$coord\n 0 0 0 h\n", ".UHF": "1" * 5000}, "is not an integer"),
    ],
)
def test_geometries_of_gmtkn55(files: dict[str, str], said: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        read_species(tmp_path, "s")


def test_reactions_of_gmtkn55(tmp_path: Path) -> None:
    """A line that stands for too much is no reaction; one that no person wrote is no script."""
    file = tmp_path / ".res"
    file.write_text("$tmer " + "{a,b}" * 10 + "/$f x 1 $w 1.0\n")
    (reason,) = read_res(file)
    assert "stands for more than 1000 systems" in str(reason)
    file.write_text("# " + "x" * 10_000)
    with pytest.raises(InputError, match="line 1: has 10002 characters; expected at most 10000"):
        read_res(file)


def test_a_folder_without_subsets(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no \.res file"):
        read_gmtkn55(tmp_path)


def test_an_archive_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = io.BytesIO()
    np.savez_compressed(made, x2=np.zeros(200_000))  # 1.6 MB in 2 kB
    (tmp_path / "bomb.npz").write_bytes(made.getvalue())
    assert read_columns(tmp_path / "bomb.npz")["x2"].shape == (200_000,)
    monkeypatch.setattr(points, "_LARGEST", 2**20)
    with pytest.raises(InputError, match="unpacks to more than 1 MB"):
        read_columns(tmp_path / "bomb.npz")
