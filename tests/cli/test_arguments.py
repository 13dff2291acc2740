"""Mistyped commands and options get one sentence with the nearest that there is; abbreviations are not accepted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import fastsfes as fs
from fastsfes.bench import main as bench
from fastsfes.cli import main


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("serch", "did you mean search?"),
        ("search --sed 3", "fastsfes search: error: there is no option --sed; did you mean --seed?"),
        ("search --cand 5", "there is no option --cand; did you mean --candidates?"),
        ("search --worker=2", "there is no option --worker; did you mean --workers?"),
        ("search --xyzzy", "there is no option --xyzzy (help"),
        ("search --progress liv", "did you mean live?"),
        ("search a", "there is no place for 'a'"),
        ("dataset bild x", "did you mean build?"),
        ("dataset build x --output y --proceses 2", "there is no option --proceses; did you mean --processes?"),
        ("dataset build x", "the following arguments are required: --output"),
    ],
)
def test_mistyped(command: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command.split()) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert err.count("\n") == 1
    assert out == ""


def test_benchmarks_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(["scal"]) == 2
    assert "did you mean scale?" in capsys.readouterr().err
    assert bench(["scale", "--round", "1"]) == 2
    assert "did you mean --rounds?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ask", "meant"),
    [
        (lambda: fs.search("quickstar"), "quickstart"),
        (lambda: fs.SearchConfig.make("beyon"), "beyond"),
        (lambda: fs.SearchConfig.from_text('preset = "constraned"', "f.toml"), "constrained"),
        (lambda: fs.SearchConfig(channels=("xx",)), "x"),
        (lambda: fs.SearchConfig(select="one-s"), "one-se"),
        (lambda: fs.SearchConfig(mutation_pool={"inser": 1}), "insert"),
        (lambda: fs.SearchConfig(instruction_pool={"squar": 1}), "square"),
        (lambda: fs.get_functional("wb97mv2"), "wb97m_v"),
        (lambda: fs.load("gas23"), "gas22"),
        (lambda: fs.Dataset.open("buildin"), "builtin"),
        (lambda: fs.fit("gas22", "builtin", loss="worst-typ"), "worst-type"),
    ],
)
def test_the_nearest_name_is_said(ask: Callable[[], object], meant: str) -> None:
    with pytest.raises(fs.InputError, match=rf'did you mean "{meant}"\?'):
        ask()
