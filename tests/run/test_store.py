"""The store: epochs of many parts, and parts that claim more than they can hold."""

from __future__ import annotations

import json
import sqlite3
import zlib
from pathlib import Path

import numpy as np
import pytest

from fastsfes import InputError
from fastsfes.evolve.island import Record
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
