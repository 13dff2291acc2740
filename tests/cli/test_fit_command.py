"""``fastsfes fit``: output, files, and what it says about bad arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import fastsfes as fs
from fastsfes.cli import main


def test_table_and_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "fitted.json"
    assert main(["fit", "b97", "--fix", "css.*", "--level", "reduced", "--digits", "17", "--output", str(output)]) == 0
    text = capsys.readouterr().out
    made = fs.Functional.from_json(output)
    given = fs.get_functional("b97")
    for name, value in made.parameters.items():
        assert f"{value:.16g}" in text
        if name.startswith("css."):
            assert value == given.parameters[name]
    assert "WRMSD (kcal/mol)" in text
    train = next(float(line.split()[1]) for line in text.splitlines() if line.startswith("train "))
    assert train == pytest.approx(fs.wrmsd(made, "builtin", "train", level="reduced"), abs=1e-6)
    assert "\ntest " not in text


def test_without_parameters_there_is_nothing_to_fit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "lda"]) == 0
    text = capsys.readouterr().out
    assert "note: lda itself has exact exchange 0, no VV10; its factors were fitted with" in text
    assert "no parameters: nothing to fit" in text
    assert "fitted\n" not in text
    train = next(float(line.split()[1]) for line in text.splitlines() if line.startswith("train "))
    assert train == pytest.approx(fs.wrmsd(fs.get_functional("lda"), "builtin", "train"), abs=1e-6)


def test_wrong_digits_are_said_before_anything_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "lda", "--digits", "99", "--output", str(tmp_path / "out.json")]) == 2
    assert "expected a whole number of at least 0 and at most 17" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_fit_in_another_frame(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--level", "reduced", "--starts", "1", "--frame", "pbe"]
    assert main(["fit", "--channel", "x=c0 + c1*w", "css=c0", "cos=c0", *options]) == 0
    assert "exact exchange: short range 0, long range 0" in capsys.readouterr().out
    assert main(["fit", "b97", "--frame", "nothing"]) == 2
    assert "frame" in capsys.readouterr().err


def test_expressions_per_channel_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["fit", "--channel", "x=a + b*u(x2, g)", "--channel", "cos=a", "--start", "x.g=0.01"]
    arguments += [
        "--constraint",
        "f_x(x2=0, w=0) = 1",
        "--bound",
        "x.g=1e-3:0.02",
        "--level",
        "reduced",
        "--test",
        "--json",
    ]
    assert main(arguments) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["functional"]["channels"]["x"]["parameters"]["a"] == pytest.approx(1.0, abs=1e-10)
    assert 1e-3 <= data["functional"]["channels"]["x"]["parameters"]["g"] <= 0.02
    assert data["wrmsd"]["train"] < data["wrmsd_start"]
    assert set(data["wrmsd"]) == {"train", "validation", "test"}
    assert set(data["linear"]) == {"x.a", "x.b", "cos.a"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either a functional"),
        (["b97", "--channel", "x=a"], "give either a functional"),
        (["nope"], '"nope" is not registered'),
        (["b97", "--bound", "x.g=low:1"], '--bound "x.g=low:1"'),
        (["b97", "--start", "x.g"], '--start "x.g"'),
        (["b97", "--start", "x.q=1"], 'no parameter "x.q"'),
        (["b97", "--fix", "z.*"], '"z.*" matches no parameter'),
        (["b97", "--starts", "-1"], "--starts: starts = '-1'; expected a whole number of at least 0"),
        (["b97", "--constraint", "f_y <= 1"], "f_y is not searched"),
        (["--channel", "q=a"], '--channel: "q=a" is not understood'),
        (["--channel", "x=a", "--channel", "x=b"], "given twice"),
        (["--channel", "x=a + b*tan(w)"], "tan"),
        (["b97", "--output", "/no/such/folder/f.json"], "does not exist"),
        (["b97", "--dataset", "/no/such/file.h5"], "no such file"),
    ],
)
def test_bad_arguments(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
