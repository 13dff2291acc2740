"""The store: epochs of many parts, parts that claim more than they can hold, and others who read it meanwhile."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_problem import FakeProblem, three_channels
from test_search import SMALL, history

from fastsfes import InputError
from fastsfes.common.runfolder import HISTORY
from fastsfes.evolve.evaluation import FitOutcome, FitRequest
from fastsfes.evolve.island import Record
from fastsfes.run.config import SearchConfig
from fastsfes.run.coordinator import Coordinator
from fastsfes.run.search import Run, SearchInterrupted, search
from fastsfes.run.store import RunStore, pack_candidates


def records(island: int, first: int, count: int) -> list[Record]:
    """Every third one is a duplicate, every seventh was fitted in vain."""
    rng = np.random.default_rng(first)
    made = []
    for n in range(first, first + count):
        loss = float("inf") if n % 7 == 0 else float(rng.uniform(1, 9))
        made.append(
            Record(n, island, n - 1, "insert", f"{island}-{n}", n % 3 == 0, {"x": f"c0*{n}"}, {"x": {"c0": loss}}, 5.0,
                   loss, loss, {"t": loss} if np.isfinite(loss) else {}, loss, loss, 3)
        )  # fmt: skip
    return made


def test_epochs_of_many_parts(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    epochs = {
        (0, 0): records(0, 0, 1),
        (1, 0): records(1, 0, 2),
        (0, 1): records(0, 1, 2500),
        (1, 1): records(1, 2, 1024),
    }
    with RunStore.create(path) as store:
        for (island, round_), made in epochs.items():
            parts = pack_candidates(island, round_, made)
            assert len(parts) == -(-len(made) // 1024)
            store.add_epoch(island, round_, parts)
            store.commit_round([], [], 0.0)
    with RunStore.open(path, read_only=True) as store:
        everything = [r for made in epochs.values() for r in made]
        assert store.counts() == (len(everything), sum(not r.duplicate for r in everything))
        assert len(store.candidates.execute("SELECT * FROM candidates").fetchall()) == len(everything)
        for r in (*records(0, 1, 2500)[1020:1030], *records(0, 1, 2500)[2040:2060]):  # where one part ends
            row = store.candidate(r.number, 0)
            assert row is not None
            assert (row["fingerprint"], row["duplicate"], row["terms"]) == (r.fingerprint, r.duplicate, r.terms)
            assert row["train"] == (r.train if np.isfinite(r.train) else None)
        news = store.news()
        assert {island: len(found) for island, found in news.items()} == {0: 2, 1: 2}
        for (island, round_), made in epochs.items():
            wanted = [r for r in made if not r.duplicate and np.isfinite(r.train)]
            assert news[island][round_] == [(r.fingerprint, r.train, r.validation, r.terms) for r in wanted]


def test_parts_are_read_while_a_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with RunStore.create(path) as store, RunStore.open(path, read_only=True) as reader:
        for round_ in range(3):
            store.add_epoch(0, round_, pack_candidates(0, round_, records(0, 1500 * round_, 1500)))
            (before,) = reader.candidates.execute("SELECT COUNT(*) FROM candidates").fetchone()
            store.commit_round([], [], 0.0)
            (after,) = reader.candidates.execute("SELECT COUNT(*) FROM candidates").fetchone()
            assert (before, after) == (1500 * round_, 1500 * (round_ + 1))


@pytest.mark.parametrize("missing", [0, 1])
def test_epochs_are_all_there_and_in_order(missing: int, tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with RunStore.create(path) as store:
        for round_ in range(3):
            store.add_epoch(0, round_, pack_candidates(0, round_, records(0, 9 * round_, 9)))
        store.commit_round([], [], 0.0)
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM epochs WHERE round = ?", (missing,))
    with RunStore.open(path, read_only=True) as store, pytest.raises(InputError, match="is damaged"):
        store.news()


def test_many_small_parts_are_no_bomb(tmp_path: Path) -> None:
    """Each would be allowed alone; what all may unpack to is bounded by the size of the file."""
    path = tmp_path / "history.sqlite"
    with RunStore.create(path) as store:
        store.commit_round([], [], 0.0)
    row = [0, 0, 0, -1, -1, "base", "f", 0, 3.0, 1.0, 1.0, None, 1.0, 1.0, 5, " " * 2**20, None]
    with sqlite3.connect(path) as db:
        for part in range(200):
            row[1] = part
            data = zlib.compress(json.dumps([row]).encode())
            db.execute("INSERT INTO epochs VALUES (0, 0, ?, 1, 1, ?)", (part, data))
    assert path.stat().st_size < 2**20
    with RunStore.open(path, read_only=True) as store:
        for read in (store.news, lambda: list(store.fitted())):
            with pytest.raises(InputError, match=r"unpacks to more than the \d+ bytes that are plausible"):
                read()


class Reader:
    """Somebody who looks into the store of a run and does not close it."""

    def __init__(self, path: Path, begin: str) -> None:
        self.db = sqlite3.connect(path / HISTORY, isolation_level=None, check_same_thread=False)
        self.db.execute(begin)
        self.db.execute("SELECT COUNT(*) FROM epochs").fetchone()

    def close(self) -> None:
        self.db.close()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return search(SMALL, output=tmp_path_factory.mktemp("runs") / "undisturbed", problem=three_channels)


def looked_at(
    path: Path, begin: str, call: int, signals: tuple[int, ...] = ()
) -> Callable[[SearchConfig], FakeProblem]:
    """A problem during which a reader comes, and a signal."""

    class Looked(FakeProblem):
        def evaluate(self, requests: list[FitRequest]) -> list[FitOutcome]:
            if self.calls == call:
                readers.append(Reader(path, begin))
            if signals and self.calls == signals[0]:
                os.kill(os.getpid(), signals[1])
            return super().evaluate(requests)

    def made(config: SearchConfig) -> FakeProblem:
        problem = three_channels(config)
        problem.__class__ = Looked
        return problem

    return made


readers: list[Reader] = []


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("fastsfes.run.store._COURTESY", 0.01)
    monkeypatch.setattr("fastsfes.run.store._FAREWELL", 0.05)
    readers.clear()
    yield
    for reader in readers:
        reader.close()


def test_a_search_goes_on_while_somebody_reads(
    undisturbed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the second round to the end of the work: the rounds wait in memory, and nothing is lost."""
    settle, behind = RunStore.settle, []

    def closing(store: RunStore) -> None:
        behind.append(store.behind)
        readers[0].close()
        settle(store)

    monkeypatch.setattr(RunStore, "settle", closing)
    run = search(SMALL, output=tmp_path / "run", problem=looked_at(tmp_path / "run", "BEGIN", 4))
    assert behind[0] > 2
    assert history(run.path) == history(undisturbed.path)
    assert run.summary["complete"]


def test_a_search_that_is_stopped_while_somebody_reads_loses_only_time(undisturbed: Run, tmp_path: Path) -> None:
    path = tmp_path / "run"
    with pytest.raises(SearchInterrupted):
        search(SMALL, output=path, problem=looked_at(path, "BEGIN", 4, (30, signal.SIGTERM)))
    with RunStore.open(path / HISTORY, read_only=True) as store:
        kept = store.counts()[0]
    assert 0 < kept < SMALL.candidates
    readers[0].close()
    assert history(search(resume=path, problem=three_channels).path) == history(undisturbed.path)


def test_what_waits_is_committed_when_the_reader_leaves_before_the_end(undisturbed: Run, tmp_path: Path) -> None:
    path = tmp_path / "run"

    class Leaving(FakeProblem):
        def evaluate(self, requests: list[FitRequest]) -> list[FitOutcome]:
            if self.calls == 4:
                readers.append(Reader(path, "BEGIN"))
            if self.calls == 29:
                readers[0].close()
            if self.calls == 30:
                os.kill(os.getpid(), signal.SIGINT)
            return super().evaluate(requests)

    def made(config: SearchConfig) -> FakeProblem:
        problem = three_channels(config)
        problem.__class__ = Leaving
        return problem

    with pytest.raises(SearchInterrupted) as caught:
        search(SMALL, output=path, problem=made)
    assert not isinstance(caught.value, Exception)  # a loop over seeds that catches errors ends, too
    assert caught.value.path == path
    with RunStore.open(path / HISTORY, read_only=True) as store:
        states, last = store.states(), store.counts()[0]
    assert last == sum(s.candidates for s in states) > 100
    assert history(search(resume=path, problem=three_channels).path) == history(undisturbed.path)


def test_a_search_waits_for_another_writer_and_says_so(
    undisturbed: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wait, calls = Coordinator._wait, []

    def waiting(self: Coordinator) -> None:
        calls.append(1)
        if len(calls) == 3:
            readers[0].close()
        wait(self)

    monkeypatch.setattr(Coordinator, "_wait", waiting)
    path = tmp_path / "run"
    problem = looked_at(path, "BEGIN IMMEDIATE", 4)
    assert history(search(SMALL, output=path, problem=problem, progress="plain").path) == history(undisturbed.path)
    assert capsys.readouterr().err.count("another program keeps it; waiting") == 1


def test_a_store_that_another_program_keeps_is_called_so(undisturbed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastsfes.run.store._PATIENCE", 0.01)
    readers.append(Reader(undisturbed.path, "BEGIN EXCLUSIVE"))
    with pytest.raises(InputError, match="another program keeps it; try again"):
        RunStore.open(undisturbed.path / HISTORY, read_only=True)
