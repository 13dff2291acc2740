"""The event log, what a run takes, and watching it from another process."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from fake_problem import three_channels
from test_search import SMALL, Killed, history

from fastsfes.cli import main
from fastsfes.common.clock import Clock, Usage
from fastsfes.common.runfolder import EVENTS, HISTORY, LOG
from fastsfes.run import lock as runlock
from fastsfes.run.config import SearchConfig
from fastsfes.run.lock import RunLock, Witness
from fastsfes.run.log import RunLog, read_events
from fastsfes.run.search import Run, search
from fastsfes.run.store import RunStore
from fastsfes.run.usage import PHASES, Totals
from fastsfes.run.watch import look

PATIENCE = 900
"""Seconds after which a test gives up: a process takes long to begin where many compete; it is no measurement."""

ISLANDS = replace(SMALL, candidates=902, islands=3, migrate_every=2, migrants=3)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return search(ISLANDS, output=tmp_path_factory.mktemp("runs") / "observed", problem=three_channels)


def check_events(run: Run) -> list[dict]:
    """What must hold of the log of any complete run."""
    events = list(read_events(run.path))
    times = [e["time"] for e in events]
    assert times == sorted(times)
    assert events[-1]["event"] == "end"
    assert events[-1]["status"] == "complete"
    epochs = [e for e in events if e["event"] == "epoch"]
    # every candidate is counted once, also where rounds were given up and run again
    assert sum(e["made"] for e in epochs) == run.summary["candidates"]
    assert sum(e["fitted"] for e in epochs) == run.summary["fitted"]
    rounds = [e["round"] for e in events if e["event"] == "checkpoint"]
    assert rounds == list(range(len(rounds)))
    last = [e for e in events if e["event"] == "checkpoint"][-1]
    assert last["candidates"] == run.summary["candidates"]
    best = [e for e in events if e["event"] == "improvement"][-1]
    assert {k: best[k] for k in ("island", "candidate", "train", "validation", "fitness")} == {
        k: run.summary["best"][k] for k in ("island", "candidate", "train", "validation", "fitness")
    }
    return events


def test_events_tell_the_whole_run(done: Run) -> None:
    events = check_events(done)
    assert events[0]["event"] == "start"
    assert events[0] | {
        "seed": 0, "islands": 3, "budget": 902, "candidates": 0, "resumed": False, "pid": os.getpid(),
    } == events[0]  # fmt: skip
    counts = Counter(e["event"] for e in events)
    assert counts["base"] == 3
    assert counts["report"] == counts["start"] == counts["end"] == 1
    arrived = [e for e in events if e["event"] == "migration"]
    assert arrived
    for e in arrived:
        assert e["migrants"]
        assert (e["round"] + 1) % ISLANDS.migrate_every == 0
    # at least one stranger came; what came from the archive may have been born here
    assert any(island != e["island"] for e in arrived for island, _ in e["migrants"])
    lines = (done.path / LOG).read_text().splitlines()
    told = [e for e in events if e["event"] == "improvement"]
    assert sum("candidate " in line for line in lines) == len(told)


def test_a_killed_and_resumed_run_is_counted_once(done: Run, tmp_path: Path) -> None:
    def dying(config: SearchConfig):
        problem = three_channels(config)
        original = problem.evaluate

        def evaluate(requests):
            if problem.calls + 1 == 14:
                raise Killed
            return original(requests)

        problem.evaluate = evaluate
        return problem

    path = tmp_path / "run"
    with pytest.raises(Killed):
        search(ISLANDS, output=path, problem=dying)
    before = list(read_events(path))
    assert before[-1]["event"] != "end"
    with (path / EVENTS).open("a") as file:
        file.write('{"time": "2026-01-01T00:00:00", "eve\n')  # as a kill may leave it
    again = search(resume=path, problem=three_channels)
    events = check_events(again)
    assert events[: len(before)] == before
    assert [e["resumed"] for e in events if e["event"] == "start"] == [False, True]
    assert history(again.path) == history(done.path)
    taken = again.summary["resources"]
    stored = [e for e in before if e["event"] == "epoch"]
    assert taken["phases"]["mutation"] >= sum(e["phases"].get("mutation", 0.0) for e in stored)


def test_interrupts_and_failures_end_the_log(tmp_path: Path) -> None:
    def failing(config: SearchConfig):
        problem = three_channels(config)

        def evaluate(requests):
            raise RuntimeError("the disk is full")

        problem.evaluate = evaluate
        return problem

    with pytest.raises(RuntimeError):
        search(ISLANDS, output=tmp_path / "run", problem=failing)
    last = list(read_events(tmp_path / "run"))[-1]
    assert (last["event"], last["status"]) == ("end", "failed")
    assert "the disk is full" in (tmp_path / "run" / LOG).read_text()


def test_a_log_that_cannot_be_written_costs_the_log_alone(tmp_path: Path) -> None:
    (tmp_path / EVENTS).mkdir()
    said: list[str] = []
    log = RunLog(tmp_path, said.append)
    log.event("one", "a line", value=float("inf"))
    log.event("two")
    assert len(said) == 1
    assert "cannot be written (Is a directory)" in said[0]
    assert (tmp_path / LOG).read_text().endswith(" a line\n")


def test_events_are_strict_json(tmp_path: Path) -> None:
    RunLog(tmp_path).event("one", loss=float("nan"), nested={"list": [float("inf"), 1.5]}, text='"\n')
    (line,) = (tmp_path / EVENTS).read_text().splitlines()
    event = json.loads(line, parse_constant=lambda name: pytest.fail(name))
    assert event["loss"] is None
    assert event["nested"] == {"list": [None, 1.5]}


def test_resources_are_in_the_summary_and_shown(done: Run, capsys: pytest.CaptureFixture[str]) -> None:
    taken = done.summary["resources"]
    assert tuple(taken["phases"]) == PHASES
    assert all(taken["phases"][p] > 0 for p in ("mutation", "recognition", "fit", "selection", "commit"))
    own = taken["coordinator"]
    assert own["processes"] == 1
    assert own["cpu_seconds"] > 0
    assert 2**24 < own["peak_memory"] < 2**40  # bytes, not KiB or pages: Python with NumPy takes tens of MiB
    assert taken["workers"] == {"processes": 0, "cpu_seconds": 0.0, "peak_memory": 0}  # it worked in this process
    epochs = [e for e in read_events(done.path) if e["event"] == "epoch"]
    assert taken["phases"]["fit"] == pytest.approx(sum(e["phases"]["fit"] for e in epochs))
    assert main(["show", str(done.path)]) == 0
    assert "coordinator" in capsys.readouterr().out


def test_totals_add_workers_and_sessions() -> None:
    clock = Clock()
    with clock.phase("fit"):
        sum(range(1000))
    own = clock.usage()
    first = Totals({})
    first.add(replace(own, phases={"fit": 1.0}))
    first.add(Usage("elsewhere:1", 2.0, 300, {"fit": 4.0, "mutation": 0.5}))
    first.add(Usage("elsewhere:1", 1.0, 200, {}))
    first.add(Usage("elsewhere:2", 0.5, 100, {}))
    found = first.to_dict()
    assert found["phases"] | {"fit": 5.0, "mutation": 0.5} == found["phases"]
    assert found["workers"] == {"processes": 2, "cpu_seconds": 3.5, "peak_memory": 300}
    second = Totals(json.loads(json.dumps(found)))
    second.add(Usage("elsewhere:9", 1.0, 50, {"fit": 1.0}))
    total = second.to_dict()
    assert total["phases"]["fit"] == 6.0
    assert total["workers"] == {"processes": 2, "cpu_seconds": 4.5, "peak_memory": 300}
    assert total["coordinator"]["cpu_seconds"] >= found["coordinator"]["cpu_seconds"]


def test_a_snapshot_is_the_state_of_the_run(done: Run) -> None:
    snapshot = look(done.path / HISTORY, ISLANDS.candidates)
    assert snapshot is not None
    assert (snapshot.candidates, snapshot.budget) == (902, 902)
    assert [i.candidates for i in snapshot.islands] == [301, 301, 300]
    assert snapshot.best.fitness == done.summary["best"]["fitness"]
    assert snapshot.best.island == done.summary["best"]["island"]
    assert snapshot.front == len(done.pareto)
    assert snapshot.families == next(e["families"] for e in read_events(done.path) if e["event"] == "end")
    assert look(done.path / "absent.sqlite", ISLANDS.candidates) is None


def test_watching_a_run_that_is_over_shows_its_end(
    done: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fastsfes.run.watch.GRACE", 0.0)
    assert main(["show", str(done.path), "--watch"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("902/902 candidates")
    assert "(island" in out.splitlines()[0]
    assert "WRMSD" in out
    assert main(["show", str(done.path), "--watch", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["candidates"] == 902
    assert main(["show", str(done.path), "--watch", "--interval", "0"]) == 2
    assert "--interval 0: expected" in capsys.readouterr().err
    assert main(["show", str(done.path.parent), "--watch"]) == 2
    assert "not the directory of a search" in capsys.readouterr().err


def start(path: Path, *more: str) -> subprocess.Popen[str]:
    """A long search of two islands in a process of its own."""
    arguments = [
        "search",
        "--dataset",
        "builtin",
        "--islands",
        "2",
        "--candidates",
        "1000000",
        "--output",
        str(path),
        "--progress",
        "none",
    ]
    return fastsfes(*arguments, "--population", "30", "--generation", "16", "--generations", "2", *more)


def fastsfes(*arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fastsfes", *arguments], stdout=stdout, stderr=subprocess.PIPE, text=True
    )


def wait_for(path: Path) -> None:
    """Until the run has stored a few rounds."""
    until = time.monotonic() + PATIENCE
    while sum(e["event"] == "checkpoint" for e in read_events(path)) < 3:
        assert time.monotonic() < until, "the search does not begin"
        time.sleep(0.2)


def test_a_run_is_watched_while_it_goes_on_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "run"
    running = start(path)
    try:
        wait_for(path)
        watcher = fastsfes("show", str(path), "--watch", "--interval", "0.2")
        assert watcher.stdout is not None
        lines = [watcher.stdout.readline() for _ in range(3)]
        shown = fastsfes("show", str(path))  # the best so far, while it runs
        out, _ = shown.communicate(timeout=PATIENCE)
        assert shown.returncode == 0
        assert "f_x =" in out
        assert "not complete" in out
        made = [int(line.partition("/")[0]) for line in lines]
        assert made == sorted(set(made))  # it moves on
        assert all("best (island" in line for line in lines)
        other = fastsfes("show", str(path), "--watch", "--interval", "0.2")
        assert other.stdout is not None
        other.stdout.readline()
        other.send_signal(signal.SIGINT)  # as Ctrl-C: ends the watching, not the run
        other.communicate(timeout=PATIENCE)
        assert other.returncode == 0
        assert running.poll() is None
        running.kill()
        running.wait()
        _, err = watcher.communicate(timeout=PATIENCE)
        assert watcher.returncode == 1
        assert f"continue with: fastsfes search --resume {path}" in err
        assert "Traceback" not in err
    finally:
        running.kill()
        running.communicate()


def test_on_a_terminal_a_table_of_the_islands_redraws_itself(tmp_path: Path) -> None:
    path = tmp_path / "run"
    running = start(path)
    try:
        wait_for(path)
        ours, theirs = pty.openpty()
        watcher = fastsfes("show", str(path), "--watch", "--interval", "0.2", stdout=theirs)
        os.close(theirs)
        seen = b""
        while seen.count(b"families fitted") < 3:
            seen += os.read(ours, 4096)
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(timeout=PATIENCE) == 0
        os.close(ours)
        assert b"validation" in seen  # headings fit a terminal of 80 columns
        assert b"\x1b[" in seen
        assert watcher.stderr is not None
        watcher.stderr.close()
    finally:
        running.kill()
        running.communicate()


def test_a_run_killed_while_it_wrote_can_be_read(done: Run, tmp_path: Path) -> None:
    """A journal is left beside the store, which only somebody who may write can take back."""
    path = tmp_path / "run"
    shutil.copytree(done.path, path)
    before = history(path)
    dying = f"""
import sqlite3, os
db = sqlite3.connect({str(path / HISTORY)!r}, isolation_level=None)
db.execute("PRAGMA cache_size = 5")  # so that half of it is in the file already
db.execute("BEGIN IMMEDIATE")
db.execute("UPDATE epochs SET candidates = randomblob(length(candidates)), fitted = 0")
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", dying], check=False).returncode == 9
    assert (path / f"{HISTORY}-journal").stat().st_size > 0
    with RunStore.open(done.path / HISTORY, read_only=True) as store:
        front = store.pareto()
    with RunStore.open(path / HISTORY, read_only=True) as store:
        assert store.pareto() == front
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            store._db.execute("DELETE FROM epochs")
    assert history(path) == before


def test_a_witness_sees_owners_come_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    witness = Witness(tmp_path)
    assert not witness.working()
    with RunLock(tmp_path) as lock:
        assert witness.working()
        # one on another machine lives while its counter rises
        monkeypatch.setattr(runlock, "LEASE", 0.2)
        record = {**lock.record, "host": "elsewhere", "beats": 1}
        (tmp_path / runlock.LOCK).write_text(json.dumps(record))
        assert witness.working()
        (tmp_path / runlock.LOCK).write_text(json.dumps(record | {"beats": 2}))
        assert witness.working()
        time.sleep(0.3)
        assert not witness.working()
        (tmp_path / runlock.LOCK).write_text(json.dumps(lock.record))
    assert not witness.working()
