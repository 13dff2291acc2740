"""Tables of points: what is read, and what is refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastsfes import InputError
from fastsfes.datasets.points import PointTable, csv_of_columns, read_columns

X2 = np.geomspace(1e-2, 1e3, 20)
W = np.linspace(-0.9, 0.9, 20)


def test_columns_survive_csv_with_all_digits(tmp_path: Path) -> None:
    columns = {"x2": X2, "value": np.sqrt(X2) / 3, "split": np.array(["train", "validation"] * 10)}
    (tmp_path / "points.csv").write_text(csv_of_columns(columns))
    found = read_columns(tmp_path / "points.csv")
    np.testing.assert_array_equal(np.array(found["x2"], float), X2)
    np.testing.assert_array_equal(np.array(found["value"], float), columns["value"])
    table = PointTable.read(tmp_path / "points.csv")
    assert table.kinds == ("x",)
    assert table.rows("train").tolist() == list(range(0, 20, 2))


def test_arrays_of_numpy_s_file_are_columns(tmp_path: Path) -> None:
    np.savez(tmp_path / "points.npz", x2=X2, w=W, f_x=1 + X2, f_css=W, weight=np.arange(20.0))
    table = PointTable.read(tmp_path / "points.npz")
    assert table.kinds == ("x", "css")
    assert table.target.shape == (40,)
    np.testing.assert_array_equal(table.target, [*(1 + X2), *W])
    np.testing.assert_array_equal(table.prefactors["css"], [*np.zeros(20), *np.ones(20)])
    np.testing.assert_array_equal(table.weights, np.tile(np.arange(20.0), 2))


def test_one_point_in_five_is_for_validation_by_seed() -> None:
    columns = {"x2": X2, "value": X2}
    first, again, other = (PointTable.of(columns, seed=s).splits for s in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert np.bincount(first).tolist() == [16, 4]


def test_an_energy_density_is_a_sum_of_products() -> None:
    columns = {"x2": X2, "w": W, "value": X2, "prefactor_x": -X2, "prefactor_cos": W}
    table = PointTable.of(columns)
    assert table.kinds == ("x", "cos")
    np.testing.assert_array_equal(table.prefactors["x"], -X2)


def test_columns_without_a_channel_are_those_of_a_formula() -> None:
    assert PointTable.of({"X0": W, "X1": X2, "value": X2}).kinds == ("y",)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "has no columns"),
        ({"value": X2}, "no feature among its columns"),
        ({"x2": X2}, "has no values of channel x"),
        ({"x2": X2, "value": X2[1:]}, r'"value" has shape \(19,\)'),
        ({"x2": X2, "value": X2 * np.nan}, '"value" is nan at point 1'),
        ({"x2": X2, "value": ["a"] * 20}, "holds what is no number"),
        ({"p": X2, "value": X2}, 'column "p" is no feature of channel y'),
        ({"x2": X2, "value": X2, "weight": -X2}, "weights have to be at least 0"),
        ({"x2": X2, "value": X2, "split": ["train"] * 20}, "no point is for validation"),
        ({"x2": X2, "value": X2, "split": ["training"] * 20}, 'split "training" is unknown'),
        ({"x2": X2, "value": X2, "f_x": X2}, "both value and f_x"),
        ({"x2": X2, "value": X2, "prefactor_x": X2, "f_css": X2}, "both value and f_css"),
        ({"x2": [1.0], "value": [1.0]}, "has 1 points"),
    ],
)
def test_what_is_no_table_is_said_in_a_sentence(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PointTable.of(columns)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x2,value\n", "a line per point"),
        (b"x2,value\n1,2\n3\n", "row 3: 1 cells; expected 2"),
        (b"x2,x2\n1,2\n", '"x2" stands there twice'),
        (b"\xff\xfe\x00", "neither CSV in UTF-8"),
        (b"PK\x03\x04broken", "is damaged"),
    ],
)
def test_damaged_files_are_said_in_a_sentence(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "points").write_bytes(content)
    with pytest.raises(InputError, match=message):
        PointTable.read(tmp_path / "points")
