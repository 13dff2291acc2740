"""Going on with a finished run, starting from its front, and being told of every epoch."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from fake_problem import three_channels
from test_search import SMALL, history

from fastsfes import InputError
from fastsfes.cli import main
from fastsfes.run.search import Epoch, Run, search

SHORT = replace(SMALL, candidates=121)  # the base and two epochs of 60
LONGER = replace(SMALL, candidates=241)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return search(SHORT, output=tmp_path_factory.mktemp("runs") / "short", problem=three_channels, report=False)


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return search(LONGER, output=tmp_path_factory.mktemp("runs") / "longer", problem=three_channels, report=False)


def test_more_candidates_for_a_finished_run(short: Run, longer: Run, tmp_path: Path) -> None:
    """The first budget ended with an epoch, so that the whole is a run that had the larger one from the start."""
    path = tmp_path / "run"
    shutil.copytree(short.path, path)
    assert short.summary["complete"]
    stopped = search(resume=path, candidates=241, time_limit=1e-9, problem=three_channels, report=False)
    assert not stopped.summary["complete"]
    assert stopped.config.candidates == 241  # from here on it is that run, whatever ends it
    done = search(resume=path, problem=three_channels, report=False)
    assert done.summary["complete"]
    assert done.summary["candidates"] == 241
    assert history(path) == history(longer.path)


def test_one_call_for_all_jobs_may_ask_for_more(short: Run, longer: Run, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(short.path, path)
    search(LONGER, output=path, go_on=True, problem=three_channels, report=False)
    assert history(path) == history(longer.path)


def test_what_a_run_cannot_go_on_with_is_refused(short: Run, capsys: pytest.CaptureFixture[str]) -> None:
    before = (short.path / "config.toml").read_text()
    with pytest.raises(InputError, match="began with 121 candidates, not 60; it can go on with as many or more"):
        search(resume=short.path, candidates=60, problem=three_channels)
    with pytest.raises(InputError, match="only candidates"):
        search(resume=short.path, population=10, problem=three_channels)
    assert main(["search", "--resume", str(short.path), "--candidates", "60"]) == 2
    assert "as many or more" in capsys.readouterr().err
    assert (short.path / "config.toml").read_text() == before


def test_the_caller_is_told_of_every_epoch_and_may_stop(longer: Run, tmp_path: Path) -> None:
    told: list[Epoch] = []

    def after_two(epoch: Epoch) -> bool:
        told.append(epoch)
        return epoch.round == 2

    run = search(LONGER, output=tmp_path / "run", problem=three_channels, report=False, on_epoch=after_two)
    assert [(e.round, e.candidates) for e in told] == [(1, 61), (2, 121)]
    assert told[1].fitness <= told[0].fitness
    assert told[1].best.channels.keys() == run.best.channels.keys()
    assert not run.summary["complete"]
    done = search(resume=run.path, problem=three_channels, report=False, on_epoch=told.append)
    assert [e.round for e in told] == [1, 2, 3, 4]
    assert history(done.path) == history(longer.path)


def test_the_front_of_a_run_is_a_starting_point(short: Run, tmp_path: Path) -> None:
    config = replace(SHORT, base=(f"{short.path}:front", "lda"), parameter_penalty=0.01, candidates=61)
    run = search(config, output=tmp_path / "run", problem=three_channels, report=False)
    count = len(short.members)
    assert count > 1
    assert run.config.base == (*(f"{short.path}:{k}" for k in range(count)), "lda")
    assert len(run.states[0].founders) == count + 1
    # at least as good as the best of the front under the new penalties
    assert run.states[0].best.fitness <= min(f.fitness for f in run.states[0].founders)
    with pytest.raises(InputError, match="there is no such run"):
        search(replace(SHORT, base=("nowhere:front",)), output=tmp_path / "none", problem=three_channels)
