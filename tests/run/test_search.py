from __future__ import annotations

import itertools
import os
import shutil
import signal
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_problem import FakeProblem, three_channels

from fastsfes import FastsfesError, Functional, InputError
from fastsfes.evolve.evaluation import FitOutcome, FitRequest
from fastsfes.executors.local import LocalExecutor
from fastsfes.run.config import SearchConfig
from fastsfes.run.search import Run, SearchInterrupted, new_folder, search
from fastsfes.run.store import RunStore
from fastsfes.run.summary import format_run

SMALL = SearchConfig.make(
    dataset="builtin", candidates=601, population=20, tournament=4, generation=20, generations=3, features_x=("u", "w"),
    features_css=("u", "w"), features_cos=("u", "w"),
)  # fmt: skip


def history(path: Path) -> list[Any]:
    with RunStore.open(path / "history.sqlite", read_only=True) as store:
        rows = store.candidates.execute("SELECT * FROM candidates ORDER BY island, number").fetchall()
    with sqlite3.connect(path / "history.sqlite") as db:
        return [*rows, *db.execute("SELECT * FROM states").fetchall()]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return search(SMALL, output=tmp_path_factory.mktemp("runs") / "undisturbed", problem=three_channels)


def test_the_run_directory_holds_everything(undisturbed: Run) -> None:
    assert sorted(p.name for p in undisturbed.path.iterdir()) == [
        "best.json", "config.toml", "events.jsonl", "front.json", "history.sqlite", "log.txt", "run.lock",
        "summary.json",
    ]  # fmt: skip
    assert undisturbed.config == SMALL
    assert isinstance(undisturbed.best, Functional)
    summary = undisturbed.summary
    assert summary["complete"]
    assert summary["candidates"] == SMALL.candidates == len(history(undisturbed.path)) - 1
    best = undisturbed.states[0].best
    assert summary["best"]["train"] == best.train
    assert len(undisturbed.best.channels["x"].parameters) <= len(best.parameters["x"])


def test_search_improves_on_its_base(undisturbed: Run) -> None:
    state = undisturbed.states[0]
    assert state.best.fitness < 0.5 * state.founders[0].fitness


def test_pareto_front_falls_as_complexity_rises(undisturbed: Run) -> None:
    front = undisturbed.pareto
    assert len(front) > 2
    for simple, rich in itertools.pairwise(front):
        assert simple["complexity"] < rich["complexity"]
        assert simple["fitness"] > rich["fitness"]
    assert front[-1]["fitness"] == undisturbed.states[0].best.fitness


def test_same_seed_same_history_other_seed_another(undisturbed: Run, tmp_path: Path) -> None:
    again = search(SMALL, output=tmp_path / "again", problem=three_channels)
    assert history(again.path) == history(undisturbed.path)
    other = search(replace(SMALL, seed=1), output=tmp_path / "other", problem=three_channels)
    assert history(other.path) != history(undisturbed.path)


class Killed(BaseException):
    """As good as kill -9: nothing in the search may catch it."""


@pytest.mark.parametrize("call", [1, 2, 5, 17, 24])
def test_resumed_run_ends_like_the_undisturbed_one(call: int, undisturbed: Run, tmp_path: Path) -> None:
    class Dying(FakeProblem):
        def evaluate(self, requests: list[FitRequest]) -> list[FitOutcome]:
            if self.calls + 1 == call:
                raise Killed
            return super().evaluate(requests)

    def dying(config: SearchConfig) -> FakeProblem:
        problem = three_channels(config)
        problem.__class__ = Dying
        return problem

    path = tmp_path / "run"
    with pytest.raises(Killed):
        search(SMALL, output=path, problem=dying)
    done = search(resume=path, problem=three_channels)
    assert history(done.path) == history(undisturbed.path)
    assert done.best.channels == undisturbed.best.channels
    assert done.summary["candidates"] == undisturbed.summary["candidates"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stores_what_there_is_and_says_how_to_go_on(
    number: signal.Signals, undisturbed: Run, tmp_path: Path
) -> None:
    assert threading.current_thread() is threading.main_thread()

    class Signalled(FakeProblem):
        def evaluate(self, requests: list[FitRequest]) -> list[FitOutcome]:
            if self.calls == 8:
                os.kill(os.getpid(), number)
            return super().evaluate(requests)

    def signalled(config: SearchConfig) -> FakeProblem:
        problem = three_channels(config)
        problem.__class__ = Signalled
        return problem

    path, before = tmp_path / "run", signal.getsignal(number)
    with pytest.raises(SearchInterrupted, match=f"--resume {path}") as stop:
        search(SMALL, output=path, problem=signalled)
    assert stop.value.path == path
    assert not isinstance(stop.value, Exception)  # a loop over seeds does not swallow it
    assert signal.getsignal(number) == before
    assert not Run(path).summary
    assert Run(path).best.channels  # what there is can be used already
    done = search(resume=path, problem=three_channels)
    assert history(done.path) == history(undisturbed.path)


class Deserted(LocalExecutor):
    """An executor whose workers leave after some tasks."""

    left = 5

    @property
    def silent(self) -> float:
        return 0.0 if self.left > 0 else 9.0

    def wait(self, futures: Any, timeout: float | None = None) -> Any:
        self.left -= 1
        return super().wait(futures, timeout) if self.left > 0 else (set(), set(futures))


def test_without_workers_the_time_limit_is_the_end(
    undisturbed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is complete by then is a run like any other; a run that has nothing says so."""

    def deserted(*given: Any, **more: Any) -> Deserted:
        return Deserted(given[2], given[3])

    monkeypatch.setattr("fastsfes.run.search.open_executor", deserted)
    run = search(SMALL, output=tmp_path / "run", time_limit=1.0, problem=three_channels)
    assert 1 < run.summary["candidates"] < SMALL.candidates
    assert not run.summary["complete"]
    assert run.summary["candidates"] == sum(s.candidates for s in run.states) == len(history(run.path)) - 1
    monkeypatch.setattr(Deserted, "left", 0)
    with pytest.raises(FastsfesError, match="no worker came before the time limit"):
        search(SMALL, output=tmp_path / "none", time_limit=0.01, problem=three_channels)
    monkeypatch.undo()
    assert history(search(resume=run.path, problem=three_channels).path) == history(undisturbed.path)


def test_default_directories_of_one_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with new_folder(None, "p", 1) as one, new_folder(None, "p", 1) as two, new_folder(None, "p", 1) as three:
        assert len({one, two, three}) == 3
        (two / "a").touch()
    assert list(tmp_path.glob("*/*")) == [tmp_path / two]  # those that nothing came of are gone


def test_an_empty_directory_is_as_good_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "run").mkdir()
    run = search(replace(SMALL, candidates=40), output="~/run", problem=three_channels, report=False)
    assert run.path == tmp_path / "run"
    assert Run("~/run").summary["complete"]
    text = format_run(run.best, {**run.summary, "report": None}, str(run.path))
    assert "not complete" not in text
    assert "without a report; it is made by: fastsfes search --resume" in text


def test_time_limit_stops_between_epochs_and_the_rest_follows(undisturbed: Run, tmp_path: Path) -> None:
    run = search(SMALL, output=tmp_path / "run", time_limit=1e-9, problem=three_channels)
    assert not run.summary["complete"]
    done = search(resume=run.path, time_limit=0.0, problem=three_channels)
    assert done.summary["complete"]
    assert history(done.path) == history(undisturbed.path)


def test_a_goal_ends_the_search(tmp_path: Path) -> None:
    config = replace(SMALL, stop_below=1e9)
    run = search(config, output=tmp_path / "run", problem=three_channels)
    assert run.summary["candidates"] == 1
    assert run.summary["reached"] == 0


def test_resuming_a_finished_run_changes_nothing(undisturbed: Run) -> None:
    before = history(undisturbed.path)
    assert history(search(resume=undisturbed.path, problem=three_channels).path) == before


def test_resuming_a_finished_run_does_not_report_again(undisturbed: Run, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(undisturbed.path, path)
    times = {p.name: p.stat().st_mtime_ns for p in path.iterdir()}
    search(resume=path, problem=three_channels)
    assert {p.name: p.stat().st_mtime_ns for p in path.iterdir()} == times
    (path / "summary.json").unlink()  # and one that was stopped before its report gets it
    assert search(resume=path, problem=three_channels).summary["report"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "run", tmp_path / "file" / "deeper" / "run"):
        with pytest.raises(FastsfesError, match=f"{path}: the run directory cannot be made"):
            search(SMALL, output=path, problem=three_channels)


def test_existing_directories_are_left_alone(undisturbed: Run) -> None:
    before = history(undisturbed.path)
    with pytest.raises(InputError, match="exists already; choose another directory, or continue with"):
        search(SMALL, output=undisturbed.path, problem=three_channels)
    assert history(undisturbed.path) == before


def test_directories_that_are_no_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not the directory of a search"):
        search(resume=tmp_path)
    with pytest.raises(InputError, match="neither config nor output"):
        search(SMALL, resume=tmp_path)


def test_a_run_killed_before_its_first_epoch_can_be_resumed(undisturbed: Run, tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.mkdir()
    (path / "config.toml").write_text(SMALL.to_toml())
    assert history(search(resume=path, problem=three_channels).path) == history(undisturbed.path)


def test_a_damaged_history_is_named(undisturbed: Run, tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    path.write_bytes((undisturbed.path / "history.sqlite").read_bytes()[:3000])
    with pytest.raises(InputError, match=r"history\.sqlite: cannot be read"):
        RunStore.open(path)
    with pytest.raises(InputError, match="there is no such file"):
        RunStore.open(tmp_path / "absent.sqlite")


def test_a_failing_base_is_reported(tmp_path: Path) -> None:
    class Failing(FakeProblem):
        def evaluate(self, requests: list[FitRequest]) -> list[FitOutcome]:
            return [FitOutcome.failed(r.start) for r in requests]

    def failing(config: SearchConfig) -> FakeProblem:
        problem = three_channels(config)
        problem.__class__ = Failing
        return problem

    with pytest.raises(Exception, match="gives no finite loss"):
        search(SMALL, output=tmp_path / "run", problem=failing)
