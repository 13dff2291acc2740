"""The comparison of two files of results: what moved beyond noise, and which way is worse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fastsfes.bench import main
from fastsfes.bench.compare import verdict


def row(value: float, unit: str = "ms", **more: Any) -> dict[str, Any]:
    return {"section": "fits", "name": "water", "value": value, "unit": unit, **more}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (row(10.0), row(10.9), "same"),
        (row(10.0), row(12.0), "worse"),
        (row(10.0), row(8.0), "better"),
        (row(10.0, "GFLOP/s"), row(12.0, "GFLOP/s"), "better"),
        (row(10.0, "x"), row(8.0, "x"), "worse"),
        (row(10.0, spread=[8.0, 12.5]), row(13.0, spread=[12.0, 14.0]), "same"),
        (row(10.0, spread=[9.9, 10.1]), row(10.5, spread=[10.4, 10.6]), "worse"),
    ],
)
def test_verdict(old: dict[str, Any], new: dict[str, Any], expected: str) -> None:
    assert verdict(old, new) == expected


def write(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text(json.dumps({"build": {}, "fit": {"machine": {}, "rows": [*rows, {"title": "fits"}]}}))
    return str(path)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = write(tmp_path / "old.json", row(10.0), {**row(1.0), "name": "gone"})
    new = write(tmp_path / "new.json", row(20.0), {**row(1.0), "name": "born"})
    assert main(["compare", old, new]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "worse           10 ->         20 ms  fit / fits / water",
        "0 of 1 figures are the same within noise",
        "gone: fit / fits / gone",
        "new: fit / fits / born",
    ]


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_other_files_are_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    assert main(["compare", str(path), str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path / "old.json"), str(tmp_path / "new.json")]) == 2
    said = capsys.readouterr().err
    assert "no such file" in said
    assert "JSON:" not in said


def test_noise_is_a_fraction(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.json")
    assert main(["compare", path, path, "--noise", "-1"]) == 2
    assert "--noise" in capsys.readouterr().err
