"""Selections as runs: what they keep, resuming, conditions, scales, the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import fastsfes as fs
from fastsfes.cli import main
from fastsfes.common.errors import InputError
from fastsfes.evolve.island import Individual
from fastsfes.fitting import FitProblem
from fastsfes.run import select as module
from fastsfes.run.select import select_run
from fastsfes.run.select_config import SelectConfig
from fastsfes.run.store import RunStore
from fastsfes.selection import Selector

TERMS = ["x = u(x2, 0.004)^0:1 * w^0:1", "css = 1; w; w**2", "cos = 1; w; w**2"]


def small(**changes: object) -> SelectConfig:
    return SelectConfig.make(**{"terms": TERMS, "sizes": "5:7", "restarts": 3, "patience": 3, "keep": 3, **changes})


def kept(path: Path) -> tuple[list[tuple[object, ...]], list[Individual]]:
    with RunStore.open(path / "history.sqlite", read_only=True) as store:
        rows = [tuple(row) for row in store.candidates.execute("SELECT * FROM candidates ORDER BY number")]
        return rows, list(store.archive())


def test_a_selection_is_a_run(tmp_path: Path) -> None:
    options = {"restarts": 3, "constraints": ["uniform_gas"], "criteria": ["train", "worst_type"]}
    run = fs.select(TERMS, "builtin", sizes=range(5, 8), output=tmp_path / "run", report=False, **options)
    rows = run.summary["selection"]
    assert [(r["criterion"], r["size"]) for r in rows] == [(c, n) for c in ("train", "worst_type") for n in (5, 6, 7)]
    values = [r["value"] for r in rows[:3]]
    assert values == sorted(values, reverse=True)
    assert all(r["certificate"] == "optimal" for r in rows[:3])
    for row in rows:
        assert len(row["terms"]) == len(row["coefficients"]) == row["size"]
        assert row["worst_type"] >= min(r["worst_type"] for r in rows[3:]) * (1 - 1e-9)
    best = run.summary["best"]
    # on the same nodes: only the order of summation differs
    assert fs.wrmsd(run.best, "builtin", "train") == pytest.approx(best["train"], rel=1e-9)
    assert run.pareto
    assert all(row["expressions"].keys() == {"x", "css", "cos"} for row in run.pareto)


def test_an_interrupted_selection_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    select_run(small(), output=tmp_path / "whole", report=False)
    real, calls = Selector.search, []

    def stops(self: Selector, size: int, *rest: object) -> object:
        calls.append(size)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(self, size)

    with monkeypatch.context() as patch:
        patch.setattr(Selector, "search", stops)
        with pytest.raises(KeyboardInterrupt):
            select_run(small(), output=tmp_path / "parts", report=False)
    assert calls == [5, 6]
    run = select_run(resume=tmp_path / "parts", report=False)
    assert kept(tmp_path / "parts") == kept(tmp_path / "whole")
    assert run.best == fs.Functional.from_json(tmp_path / "whole" / "best.json")
    assert run.summary["selection"] == json.loads((tmp_path / "whole" / "summary.json").read_text())["selection"]


def test_scales_are_tried_and_refined(tmp_path: Path) -> None:
    terms = ["x = u(x2, g)^0:1 * w^0:1", "css = 1; w", "cos = 1; w"]
    config = small(terms=terms, sizes="6", scales=["x.g = 0.002 0.02"])
    run = select_run(config, output=tmp_path / "run", report=False)
    rows = run.summary["selection"]
    assert [r["scales"]["x.g"] for r in rows[:2]] == [0.002, 0.02]
    assert rows[2]["certificate"] == "scales refined"
    assert rows[2]["value"] < min(r["value"] for r in rows[:2])


def test_terms_of_a_run(tmp_path: Path) -> None:
    first = select_run(small(sizes="5:6"), output=tmp_path / "first", report=False)
    again = select_run(small(terms=[], terms_from=str(first.path), sizes="5"), output=tmp_path / "again", report=False)
    assert again.summary["selection"][0]["value"] <= first.summary["selection"][0]["value"] * (1 + 1e-9)


def test_exact_exchange_is_a_term(tmp_path: Path) -> None:
    config = small(sizes="7", exact_exchange=True, always=["short_range", "long_range"], constraints=["uniform_gas"])
    run = select_run(config, output=tmp_path / "run", report=False)
    row = run.summary["selection"][0]
    assert row["terms"][-2:] == ["short_range", "long_range"]
    hybrid = run.best.hybrid
    assert [hybrid.short_range, hybrid.long_range] == row["coefficients"][-2:]
    assert all(-1e-10 <= v <= 1 + 1e-10 for v in row["coefficients"][-2:])
    problem = FitProblem.from_dataset("builtin", level="full", exact_exchange=True)
    assert problem.loss(run.best) == pytest.approx(row["value"], rel=1e-9)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [part for text in TERMS for part in ("--terms", text)]
    options = ["--sizes", "5,6", "--restarts", "2", "--output", str(tmp_path / "run"), "--progress", "none"]
    assert main(["select", *arguments, *options]) == 0
    out = capsys.readouterr().out
    assert "f_x = c0" in out
    assert "optimal" in out
    assert "on the full integration grid" in out
    assert main(["show", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out == out
    assert main(["select", *arguments, *options]) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"terms": []}, "give terms"),
        ({"sizes": "7:5"}, "expected numbers of terms"),
        ({"sizes": "5:70"}, "cannot choose"),
        ({"criteria": ["test"]}, "criteria"),
        ({"scales": ["x.h = 1"]}, "no term has the scale"),
        ({"terms": ["x = u(x2, g)"]}, "has no number"),
        ({"reference": "wb97m_v"}, "needs a ridge"),
        ({"nothing": 1}, "no option"),
    ],
)
def test_wrong_options_are_one_sentence(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        select_run(small(**changes), output=tmp_path / "run", report=False)
    assert "\n" not in str(error.value)


def test_conditions_that_nothing_meets(tmp_path: Path) -> None:
    config = small(constraints=["f_css(x2=0, w=0) = 1", "2 <= f_css(x2=0, w=0)"], sizes="4")
    with pytest.raises(fs.FastsfesError, match="no subset of any size meets the conditions"):
        module.select_run(config, output=tmp_path / "run", report=False)
