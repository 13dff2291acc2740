"""The members of a run's front as functionals, by index."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from fake_problem import three_channels

import fastsfes as fs
from fastsfes import Functional, InputError, cli
from fastsfes.formula.normal_form import normal
from fastsfes.run.config import SearchConfig
from fastsfes.run.front import Member, format_front
from fastsfes.run.search import Run, search
from fastsfes.run.store import RunStore

SMALL = SearchConfig.make(candidates=401, population=20, tournament=4, generation=20, generations=3)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return search(SMALL, output=tmp_path_factory.mktemp("runs") / "run", problem=three_channels)


def test_members_are_functionals(run: Run) -> None:
    rows = run.members
    assert [row["index"] for row in rows] == list(range(len(run.pareto)))
    assert [row["candidate"] for row in rows] == [row["number"] for row in run.pareto]
    assert sum(row["picked"] for row in rows) == 1
    for row in rows:
        member = run.functional(row["index"])
        assert member == run[row["index"]] == fs.load(f"{run.path}:{row['index']}")
        assert isinstance(member, Functional)
        assert (row["complexity"], row["parameters"]) == (member.complexity, len(member.parameters))
    picked = next(row["index"] for row in rows if row["picked"])
    assert run[picked].channels == run.best.channels


def test_rows_hold_the_formulas_of_the_members(run: Run) -> None:
    for index, row in enumerate(run.pareto):
        member = run[index]
        for kind, text in row["expressions"].items():
            assert text == str(member.channels[kind].expression)
            assert row["parameters"][kind] == member.channels[kind].parameters


def test_members_that_gain_nothing_are_left_out(run: Run) -> None:
    """Two candidates of one function that the search did not see to be one: their fits end a little apart."""
    with RunStore.open(run.path / "history.sqlite", read_only=True) as store:
        archive = store.archive()
    simple = Member(archive[0], run[0], {"after": 97.97795702393782, "validation": 105.0})
    same = replace(simple, losses={"after": 97.97795702393711, "validation": 105.0 * (1 - 1e-9)})
    better = replace(simple, losses={"after": 97.0, "validation": 106.0})
    assert same.gains_nothing_on(simple)
    assert not better.gains_nothing_on(simple)


def test_formulas_are_in_normal_form_before_the_end(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "going")
    (tmp_path / "going" / "front.json").unlink()
    for row in Run(tmp_path / "going").pareto:
        for kind, text in row["expressions"].items():
            assert text == str(normal(text))
            assert set(row["parameters"][kind]) == set(fs.Expression.parse(text).parameters)


def test_complexity_rises(run: Run) -> None:
    complexities = [row["complexity"] for row in run.members]
    assert complexities == sorted(set(complexities)) == [row["complexity"] for row in run.pareto]


def test_the_table_and_one_member(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", str(run.path), "--pareto"]) == 0
    shown = capsys.readouterr().out
    cells = {tuple(line.split()[:2]) for line in shown.splitlines()}
    for row in run.members:
        assert (f"{row['index']}{'*' if row['picked'] else ''}", str(row["complexity"])) in cells
    assert cli.main(["show", f"{run.path}:0"]) == 0
    assert f"f_x = {run[0].channels['x'].expression.named}" in capsys.readouterr().out


def test_what_is_not_finite_is_a_dash() -> None:
    row = {
        "index": 0, "picked": True, "complexity": 3, "parameters": 1, "train": math.nan, "validation": 1.5,
        "fitness": 2.0, "grid": 4e-6, "conditions": "5/11", "terms": {"sense": None, "nodes": 1.0},
        "functional": {"channels": {"x": {"expression": "c0 + w"}}},
    }  # fmt: skip
    head, line = format_front([row]).splitlines()
    assert head.split() == [
        "complexity", "parameters", "train", "validation", "cross-validation", "grid", "conditions", "fitness",
        "sense", "formulas",
    ]  # fmt: skip
    assert line.split() == ["0*", "3", "1", "-", "1.5000", "-", "4.0e-06", "5/11", "2", "-", "f_x", "=", "c0", "+", "w"]


def test_data_frame(run: Run) -> None:
    pytest.importorskip("pandas")
    frame = run.pareto.to_dataframe()
    assert list(frame.index) == list(range(len(run.pareto)))
    assert frame["complexity"].is_monotonic_increasing
    assert list(frame["train"]) == [row["train"] for row in run.pareto]


def test_wrong_members_get_one_sentence(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"the front has members 0 to {len(run.members) - 1}"):
        fs.load(f"{run.path}:999")
    with pytest.raises(InputError, match="there is no such run"):
        fs.load("nowhere:3")
    with pytest.raises(InputError, match=r"has no front\.json yet; finish it"):
        fs.load(f"{tmp_path}:3")


def test_parameters_are_the_optimum_of_the_printed_form(tmp_path: Path) -> None:
    """Of the winner and of a member: fitting it again with all nodes brings nothing."""
    made = search(SearchConfig.make(candidates=600, seed=2, dataset="builtin"), output=tmp_path / "run", report=False)
    dataset = fs.Dataset.open("builtin")
    for functional in (made.best, made[len(made.members) // 2]):
        before = fs.wrmsd(functional, dataset, "train")
        assert before - fs.fit(functional, dataset).train < 1e-6  # kcal/mol; what rounding leaves is 1e-12
