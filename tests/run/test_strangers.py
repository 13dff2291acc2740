"""Run folders of strangers: nothing outside them is written, removed, waited for or connected to."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sqlite3
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from damage import mutations
from fake_problem import three_channels
from test_search import SMALL

from fastsfes import FastsfesError, InputError
from fastsfes.cli import main
from fastsfes.common.runfolder import (
    BEST,
    CONFIG,
    EVENTS,
    FRONT,
    HISTORY,
    LOCK,
    LOG,
    SUMMARY,
    VALIDATION_RESULT,
)
from fastsfes.run import lock as runlock
from fastsfes.run.lock import Witness
from fastsfes.run.search import Run, search
from fastsfes.run.store import RunStore
from fastsfes.validation.result import read_validation


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has stopped on its way."""
    path = tmp_path_factory.mktemp("runs") / "half"
    search(SMALL, output=path, time_limit=1e-9, problem=three_channels)
    return path


@pytest.fixture
def run(half: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(half, tmp_path / "run"))


def test_resuming_writes_through_no_link(run: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for name in (LOG, EVENTS, BEST, FRONT):
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(precious)
    (run / SUMMARY).unlink()
    for name in (SUMMARY, BEST, FRONT):
        (run / f"{name}.tmp").symlink_to(precious)
    search(resume=run, problem=three_channels)
    assert precious.read_text() == "mine"
    assert Run(run).summary["complete"]
    for name in (LOCK, HISTORY):
        (run / SUMMARY).unlink(missing_ok=True)
        (run / name).rename(run / "kept")
        for make in (Path.symlink_to, Path.hardlink_to):
            make(run / name, precious)
            with pytest.raises(InputError, match="not a file of this folder alone"):
                search(resume=run, problem=three_channels)
            (run / name).unlink()
        (run / "kept").rename(run / name)
    assert precious.read_text() == "mine"
    search(resume=run, problem=three_channels)


def super_journal(store: Path, victim: Path) -> bytes:
    """A hot journal of no pages that names `victim` as its super-journal (SQLite's file format, 3)."""
    magic, name = bytes.fromhex("d9d505f920a163d7"), str(victim).encode()
    pages = store.stat().st_size // 4096
    head = magic + struct.pack(">5I", 0, 1, pages, 512, 4096)
    return head.ljust(512, b"\0") + struct.pack(">I", 2**30 // 4096 + 1) + name + struct.pack(
        ">2I", len(name), sum(name)
    ) + magic  # fmt: skip


def test_journals_of_strangers_are_not_replayed(run: Path, tmp_path: Path) -> None:
    victim, journal = tmp_path / "victim", run / f"{HISTORY}-journal"
    victim.write_text("mine")
    journal.write_bytes(super_journal(run / HISTORY, victim))
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    with sqlite3.connect(copy / HISTORY) as db:
        db.execute("SELECT * FROM meta").fetchall()
    assert not victim.exists()  # that is what SQLite does
    victim.write_text("mine")
    for read_only in (True, False):
        with pytest.raises(InputError, match="names another file"):
            RunStore.open(run / HISTORY, read_only=read_only)
    assert main(["show", str(run), "--json", "--pareto"]) == 2
    assert victim.read_text() == "mine"
    journal.unlink()
    for name in ("-journal", "-wal", "-shm"):
        beside = run / (HISTORY + name)
        beside.symlink_to(victim)
        with pytest.raises(InputError):
            RunStore.open(run / HISTORY)
        beside.unlink()
    with sqlite3.connect(run / HISTORY) as db:
        db.execute("PRAGMA journal_mode = WAL")
    db.close()
    with pytest.raises(InputError, match="write-ahead log"):
        RunStore.open(run / HISTORY, read_only=True)
    assert victim.read_text() == "mine"


def test_the_journal_of_a_killed_search_is(run: Path) -> None:
    """Ours names no other file, so that what it had not finished is taken back as before."""
    with RunStore.open(run / HISTORY, read_only=True) as store:
        before = store.counts()
    db = sqlite3.connect(run / HISTORY, isolation_level=None)
    db.execute("PRAGMA cache_size = 1")
    db.execute("PRAGMA cache_spill = 1")
    db.execute("BEGIN")
    db.executemany("INSERT INTO epochs VALUES (9, ?, 0, 7, 7, zeroblob(4000))", [(k,) for k in range(50)])
    copied = [(name, (run / name).read_bytes()) for name in (HISTORY, f"{HISTORY}-journal")]
    db.execute("ROLLBACK")
    db.close()
    for name, data in copied:  # as a kill leaves them
        (run / name).write_bytes(data)
    with RunStore.open(run / HISTORY, read_only=True) as store:
        assert store.counts() == before
    assert not (run / f"{HISTORY}-journal").exists()


def test_a_validation_is_written_into_the_folder_of_the_run(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (run / "validation").symlink_to(tmp_path / "mine")
    assert main(["validate", str(run)]) == 2
    assert "not a file of this folder alone" in capsys.readouterr().err
    assert not list((tmp_path / "mine").iterdir())


def test_pipes_are_not_waited_for(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (SUMMARY, EVENTS, LOG, LOCK, BEST, FRONT):
        (run / name).unlink(missing_ok=True)
        os.mkfifo(run / name)
    assert main(["show", str(run)]) == 2
    assert main(["show", str(run), "--watch"]) == 1
    with pytest.raises(InputError, match="not a file of this folder alone"):
        search(resume=run, problem=three_channels)
    (run / LOCK).unlink()
    search(resume=run, problem=three_channels)  # the logs are said to be impossible, the rest is replaced
    assert Run(run).summary["complete"]
    (run / CONFIG).unlink()
    os.mkfifo(run / CONFIG)
    assert main(["show", str(run), "--watch"]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("name", [SUMMARY, BEST, FRONT, CONFIG])
def test_files_of_gigabytes_are_one_sentence(name: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search(resume=run, problem=three_channels)
    _gigabytes(run / name)
    assert main(["show", str(run), "--pareto"]) in (0, 2)
    said = capsys.readouterr().err
    assert "is larger than" in said
    assert "Traceback" not in said


def test_a_validation_of_gigabytes_is_one_sentence(tmp_path: Path) -> None:
    _gigabytes(tmp_path / VALIDATION_RESULT)
    with pytest.raises(InputError, match=r"larger than 64 MB; expected the result of a validation"):
        read_validation(tmp_path / VALIDATION_RESULT, "validate again")


def _gigabytes(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(4 * 2**30)  # sparse: takes no space


@pytest.mark.parametrize(
    "record",
    [
        {"namespace": ["a"]}, {"namespace": {"b": 1}}, {"pid": "1"}, {"pid": 10**30}, {"pid": -1}, {"pid": 1e308},
        {"host": None}, {"beats": "x"}, {"started": ""}, {"started": "", "pid": 0}, {"token": 3},
    ],
)  # fmt: skip
def test_records_of_locks_that_no_search_wrote(record: dict[str, Any], run: Path) -> None:
    mine = {**runlock._identity(), "token": "other", "beats": 7, "pid": 2**22 + 1, "started": "1"}
    (run / LOCK).write_text(json.dumps(mine | record))
    assert not Witness(run).working()
    search(resume=run, problem=three_channels)


def test_a_configuration_does_not_choose_whom_to_connect_to(run: Path) -> None:
    config = replace(SMALL, executor="dask:tcp://192.0.2.1:8786")
    (run / CONFIG).write_text(config.to_toml())
    with pytest.raises(InputError, match=r"say again who computes: --executor dask:tcp://192.0.2.1:8786"):
        search(resume=run, problem=three_channels)
    assert search(resume=run, executor="local", problem=three_channels).summary["complete"]


@pytest.mark.parametrize("name", [SUMMARY, BEST, FRONT])
def test_damaged_files_of_a_run_are_one_sentence(
    name: str, half: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(half, tmp_path / "run"))
    search(resume=run, problem=three_channels)
    data = json.loads((run / name).read_text())
    for text in mutations(data, random.Random(5)):
        (run / name).write_text(text)
        status = main(["show", str(run), "--pareto"])
        out, err = capsys.readouterr()
        assert status in (0, 2), (text, err)
        assert status == 0 or (err.startswith("fastsfes: error: ") and err.count("\n") == 1)
        assert "\x1b" not in out + err
        with contextlib.suppress(FastsfesError):
            search(resume=run, problem=three_channels)
