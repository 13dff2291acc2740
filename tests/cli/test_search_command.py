"""``fastsfes search`` and ``show`` on the packaged dataset."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fastsfes import Functional
from fastsfes.cli import main
from fastsfes.energies.check import NodeCheck

TINY = ["--dataset", "builtin", "--candidates", "150", "--population", "20", "--generation", "16", "--generations", "2"]


@pytest.fixture
def no_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check on the full grid takes a minute; what it finds is tested elsewhere."""

    def quick(self, candidates, species, progress=None, *, again=False):
        return np.zeros((len(candidates), len(species)))

    monkeypatch.setattr(NodeCheck, "species_errors", quick)


@pytest.mark.usefixtures("no_grid")
def test_search_writes_a_run_and_show_prints_it_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run"
    assert main(["search", *TINY, "--output", str(path), "--progress", "plain"]) == 0
    out, err = capsys.readouterr()
    assert "40 training and 18 validation reactions" in err
    assert "150/150 candidates" in err
    assert "\r" not in err
    for name in ("f_x =", "f_css =", "f_cos =", "LDA", "B97 exchange", "wB97M-V", "GAS22", "test", str(path)):
        assert name in out
    assert main(["show", str(path)]) == 0
    assert capsys.readouterr().out == out
    assert main(["show", str(path), "--json", "--pareto"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert Functional.from_dict(data["best"]).channels == Functional.from_json(path / "best.json").channels
    rows = {r["name"]: r for r in data["summary"]["report"]["rows"]}
    best = rows["quickstart-0"]
    # the search fits on the reduced nodes; the report is made on the dense ones
    assert best["train"] == pytest.approx(data["summary"]["best"]["train"], abs=1e-2)
    assert best["validation"] < rows["LDA"]["validation"]
    # a second run does not touch the first
    assert main(["search", "--output", str(path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["search", "--resume", str(path)]) == 0
    again = capsys.readouterr().out
    # the report was made once more, which took its time
    same = [line for line in out.splitlines() if "CPU" not in line]
    assert [line for line in again.splitlines() if "CPU" not in line] == same
    # a few species were put on their grids, all of them when it is asked for
    assert "that are least certain; --verify compares all" in again
    assert data["summary"]["report"]["grid"] is None
    assert main(["search", "--resume", str(path), "--verify", "--progress", "plain"]) == 0
    out, err = capsys.readouterr()
    assert "on the integration grids of all 102 species" in err
    assert "WRMSD in kcal/mol on builtin, on the full integration grid" in out
    assert "least certain" not in out
    assert main(["search", "--resume", str(path), "--progress", "plain"]) == 0  # and stays
    assert capsys.readouterr().out == out


@pytest.mark.usefixtures("no_grid")
def test_the_run_does_not_depend_on_threads(tmp_path: Path) -> None:
    for threads in ("1", "2"):
        arguments = ["search", *TINY, "--threads", threads, "--output", str(tmp_path / threads)]
        assert main([*arguments, "--progress", "none"]) == 0
    one, two = (json.loads((tmp_path / t / "best.json").read_text()) for t in ("1", "2"))
    assert one == two


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "--population", "few"], "option --population: population = 'few'; expected a whole number"),
        (["search", "--preset", "slow"], 'preset "slow" is unknown'),
        (["search", "--base", "nope"], "base: functional"),
        (["search", "--features-x", "q"], '"q" is not a feature of channel x'),
        (["search", "--config", "absent.toml"], "absent.toml: no such file"),
        (["search", "--dataset", "absent.h5"], "absent.h5"),
        (["search", "--resume", "absent"], "absent: not the directory of a search"),
        (["search", "--targets", "pbe_c"], "no channel x"),
        (["show", "absent"], "absent: not the directory of a search"),
        (["search", "--unknown"], "there is no option --unknown"),
    ],
)
def test_bad_arguments_end_with_2_and_one_sentence(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert message in err
    if "no option --unknown" not in message:
        assert err.startswith("fastsfes: error: ")
        assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_help_shows_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--help"]) == 0
    assert "--instruction-pool" in capsys.readouterr().out
