"""The store of a run: every candidate, the archive and the states after the last round, in one SQLite file.

One process writes it. All that a round brings enters in one transaction, so that a run that is killed at any moment
finds its last complete round. The candidates of an epoch are packed where they were made, so that they cost the one
who writes next to nothing; who reads them unpacks them into a table once. Tables: docs/file-formats.md.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..common.errors import FastsfesError, InputError
from ..common.files import WriteError, not_inside, written
from ..common.reading import DAMAGE, damage, parse_json, short
from ..common.reading.text import LARGEST
from ..evolve.island import Individual, IslandState, Record

__all__ = ["Part", "RunStore", "individual_text", "pack_candidates"]

VERSION = 3
_PATIENCE = 60.0
"""Seconds that a reader waits for the writer."""

_COURTESY = 0.2
"""Seconds that the writer waits for a reader before it works on; it tries again after every round."""

_FAREWELL = 15.0
"""Seconds that a writer which has to end waits for a reader: batch systems give 30."""

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE epochs (
    island INTEGER NOT NULL,
    round INTEGER NOT NULL,
    part INTEGER NOT NULL,
    count INTEGER NOT NULL,
    fitted INTEGER NOT NULL,
    candidates BLOB NOT NULL,
    PRIMARY KEY (island, round, part)
);
CREATE TABLE states (island INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, state TEXT NOT NULL);
CREATE TABLE archive (complexity REAL PRIMARY KEY, individual TEXT NOT NULL);
"""
_CANDIDATES = """
CREATE TABLE candidates (
    island INTEGER NOT NULL,
    number INTEGER NOT NULL,
    round INTEGER NOT NULL,
    parent_island INTEGER NOT NULL,
    parent INTEGER NOT NULL,
    mutation TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    duplicate INTEGER NOT NULL,
    complexity REAL NOT NULL,
    train REAL,
    validation REAL,
    terms TEXT,
    error REAL,
    fitness REAL,
    evaluations INTEGER NOT NULL,
    expressions TEXT,
    parameters TEXT,
    PRIMARY KEY (island, number)
) WITHOUT ROWID;
"""

_JOURNAL, _BESIDE = "-journal", ("-wal", "-shm")
_SUPER = bytes.fromhex("d9d505f920a163d7")
"""The last bytes of a journal that names a super-journal."""

_COLUMNS = 17
_PART = 1024
"""Candidates of a part of an epoch at most, so that none comes near `LARGEST`."""

_FREE, _RATIO = 4096, 100
"""A part may unpack to `_FREE` bytes and `_RATIO` times what is stored, so that all parts of a file together are
bounded by its size; honest ones have 5 times, those of nothing but one duplicate 40 times as many."""


@dataclass(frozen=True)
class Part:
    """Some candidates of an epoch as the store keeps them: how many, how many of them fitted, and their packed rows."""

    count: int
    fitted: int
    candidates: bytes


def pack_candidates(island: int, round_: int, records: Sequence[Record]) -> tuple[Part, ...]:
    """The candidates of an epoch for `RunStore.add_epoch`."""
    parts = []
    for first in range(0, max(1, len(records)), _PART):
        some = records[first : first + _PART]
        text = json.dumps([_values(island, round_, r) for r in some], allow_nan=False)
        parts.append(Part(len(some), sum(not r.duplicate for r in some), zlib.compress(text.encode(), 1)))
    return tuple(parts)


def _values(island: int, round_: int, r: Record) -> tuple[Any, ...]:
    """A row of the table of candidates."""
    return (
        island,
        r.number,
        round_,
        r.parent_island,
        r.parent,
        r.mutation,
        r.fingerprint,
        int(r.duplicate),
        r.complexity,
        _finite(r.train),
        _finite(r.validation),
        json.dumps(dict(r.terms)) if r.terms else None,
        _finite(r.error),
        _finite(r.fitness),
        r.evaluations,
        json.dumps(dict(r.expressions)) if r.expressions else None,
        json.dumps({k: dict(v) for k, v in r.parameters.items()}) if r.parameters else None,
    )


def _unpack_candidates(island: int, round_: int, count: int, data: bytes) -> list[list[Any]]:
    """The rows of a part; raises ValueError or what else `DAMAGE` names when they are not what the part says."""
    limit = min(LARGEST, _FREE + _RATIO * len(data))
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(data, limit)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not stream.eof:
        raise ValueError(f"it is cut off, or unpacks to more than the {limit} bytes that are plausible")
    rows = parse_json(text.decode(), "candidates")
    if len(rows) != count or any(len(r) != _COLUMNS or r[0] != island or r[2] != round_ for r in rows):
        raise ValueError(f"expected {count} candidates of island {island}, round {round_}")
    return list(rows)


def individual_text(member: Individual) -> str:
    """A member as the store keeps it."""
    return json.dumps(member.to_dict(), allow_nan=False)


def _state_text(state: IslandState, text: Callable[[Individual], str]) -> str:
    """JSON of `IslandState.to_dict`, made of texts of the members."""
    parts = {f.name: getattr(state, f.name) for f in fields(state)}
    made = {
        name: text(value)
        if isinstance(value, Individual)
        else f"[{', '.join(text(m) for m in value)}]"
        if isinstance(value, tuple)
        else json.dumps(value, allow_nan=False)
        for name, value in parts.items()
    }
    return "{" + ", ".join(f'"{name}": {value}' for name, value in made.items()) + "}"


class RunStore:
    """An open store; make it with `create` or `open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection
        self._table: sqlite3.Connection | None = None
        self._unpacked = 0  # the last row of epochs in the table
        self.behind = 0
        """Rounds that could not be committed yet, since somebody reads."""
        self.waiting: Callable[[], None] = lambda: None
        """Called again and again while somebody else keeps the file."""

    @classmethod
    def create(cls, path: Path) -> RunStore:
        """A new, empty store; the file appears whole or not at all."""
        with written(path) as part, closing(sqlite3.connect(part, isolation_level=None)) as db:
            try:
                db.executescript("BEGIN;" + _SCHEMA + f"INSERT INTO meta VALUES ('version', '{VERSION}'); COMMIT;")
            except sqlite3.Error as error:
                raise WriteError(f"{path}: cannot be written ({error})") from None
        return cls.open(path)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> RunStore:
        """An existing store.

        Raises:
            InputError: when the file is missing, damaged or of another version.
        """
        if not path.is_file():
            raise InputError(f"{path}: there is no such file; is this the directory of a search?")
        try:
            _check_files(path)
            try:
                db, found = _connect(path, "ro" if read_only else "rw")
            except sqlite3.OperationalError:
                if not read_only:
                    raise
                # a writer was killed while it wrote: who may write takes back what it had not finished
                db, found = _connect(path, "rw")
                db.execute("PRAGMA query_only = ON")
        except FastsfesError:
            raise
        except DAMAGE as error:
            if isinstance(error, sqlite3.OperationalError) and _is_busy(error):
                raise InputError(f"{path}: another program keeps it; try again when that has closed it") from None
            raise InputError(
                f"{path}: cannot be read as the history of a search ({short(error)}); was it cut off?"
            ) from None
        problem = None
        if found != str(VERSION):
            problem = f"version {found}, this fastsfes reads {VERSION}"
        elif _schema(db) != _own_schema():
            problem = "its tables are not those of a search; it was not written by fastsfes"
        if problem is not None:
            db.close()
            raise InputError(f"{path}: {problem}")
        return cls(path, db)

    def close(self) -> None:
        """Close the file; rounds that a reader still keeps out of it are lost, and run again."""
        if self.behind and self._db.in_transaction:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK TO round")
                self._try_commit(_FAREWELL)
        self._db.close()
        if self._table is not None:
            self._table.close()

    def _damage(self, what: str) -> AbstractContextManager[None]:
        return damage(f"{self.path}: {what}", "start the search again")

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_epoch(self, island: int, round_: int, parts: Iterable[Part]) -> None:
        """Add the candidates of an epoch (`pack_candidates`); they stay when the round is committed."""
        rows = [(island, round_, k, p.count, p.fitted, p.candidates) for k, p in enumerate(parts)]
        with self._writing():
            self._db.executemany("INSERT INTO epochs VALUES (?, ?, ?, ?, ?, ?)", rows)

    @property
    def candidates(self) -> sqlite3.Connection:
        """A temporary database with one table, `candidates`, of all that were committed (docs/file-formats.md)."""
        if self._table is None:
            self._table = sqlite3.connect("", isolation_level=None)  # goes to the disk when it is large
            self._table.execute(_CANDIDATES)
        marks = ",".join("?" * _COLUMNS)
        with self._damage("a candidate"):
            parts = self._db.execute(
                "SELECT rowid, island, round, count, candidates FROM epochs WHERE rowid > ? ORDER BY rowid",
                (self._unpacked,),
            )
            self._table.execute("BEGIN")
            try:
                for self._unpacked, *part in parts:
                    self._table.executemany(f"INSERT INTO candidates VALUES ({marks})", _unpack_candidates(*part))
            finally:
                self._table.execute("COMMIT")
        return self._table

    def commit_round(
        self,
        states: Sequence[IslandState],
        archive: Sequence[Individual],
        elapsed: float,
        usage: Mapping[str, Any] | None = None,
        text: Callable[[Individual], str] | None = None,
    ) -> None:
        """Commit the candidates added, with the states after the round and the archive: all or nothing.

        `elapsed` is the time spent searching so far, in seconds; `usage` what that took, plain data; `text` gives
        `individual_text` of members, for those who have it.

        While somebody reads, the round waits in memory and is committed with a later one (`behind`, `settle`): a search
        never ends, nor stands still, because somebody looks.
        """
        text = text or individual_text
        last = [(s.island, s.epoch, _state_text(s, text)) for s in states]
        kept = [(m.complexity, text(m)) for m in archive]
        with self._writing():
            self._db.executemany("INSERT OR REPLACE INTO states VALUES (?, ?, ?)", last)
            self._db.execute("DELETE FROM archive")
            self._db.executemany("INSERT INTO archive VALUES (?, ?)", kept)
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('elapsed', ?)", (repr(elapsed),))
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('usage', ?)", (json.dumps(usage or {}),))
            if not self._try_commit(_COURTESY):
                if self.behind:
                    self._db.execute("RELEASE round")
                self._db.execute("SAVEPOINT round")
                self.behind += 1

    def settle(self) -> None:
        """Commit what waits, however long somebody reads, and drop what came of a round that is not complete."""
        if self._db.in_transaction:
            with self._writing():
                self._db.execute("ROLLBACK TO round" if self.behind else "ROLLBACK")
                while self.behind and not self._try_commit(_COURTESY):
                    self.waiting()

    def _try_commit(self, seconds: float) -> bool:
        """Whether the transaction could be committed within this time."""
        self._db.execute(f"PRAGMA busy_timeout = {int(1000 * seconds)}")
        try:
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            return False
        self.behind = 0
        return True

    def _begin(self) -> None:
        """A transaction, as soon as nobody else has one."""
        self._db.execute(f"PRAGMA busy_timeout = {int(1000 * _COURTESY)}")
        while True:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if not _is_busy(error):
                    raise
                self.waiting()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Be in the transaction of the round, which an error ends."""
        try:
            if not self._db.in_transaction:
                self._begin()
            yield
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise FastsfesError(f"{self.path}: cannot be written ({error}); what was stored before is intact") from None

    def states(self) -> list[IslandState]:
        """The last state of every island."""
        with self._damage("a state"):
            rows = self._db.execute("SELECT state FROM states ORDER BY island").fetchall()
            return [IslandState.from_dict(parse_json(text, str(self.path))) for (text,) in rows]

    def archive(self) -> tuple[Individual, ...]:
        """The front of complexity against error."""
        with self._damage("the archive"):
            rows = self._db.execute("SELECT individual FROM archive ORDER BY complexity").fetchall()
            return tuple(Individual.from_dict(parse_json(text, str(self.path))) for (text,) in rows)

    def news(self) -> dict[int, list[list[tuple[str, float, float, Mapping[str, float]]]]]:
        """The families that every island fitted in each of its epochs, with losses and terms, in their order."""
        with self._damage("a candidate"):
            return self._news()

    def _news(self) -> dict[int, list[list[tuple[str, float, float, Mapping[str, float]]]]]:
        found: dict[int, list[list[tuple[str, float, float, Mapping[str, float]]]]] = {}
        for island, number, made, data in self._db.execute(
            "SELECT island, round, count, candidates FROM epochs ORDER BY island, round, part"
        ):
            epochs = found.setdefault(island, [])
            if number == len(epochs):
                epochs.append([])
            elif number != len(epochs) - 1:
                raise ValueError(f"an epoch {number} of island {island} after {len(epochs)}")
            for row in _unpack_candidates(island, number, made, data):
                print_, duplicate, _, train, validation, terms = row[6:12]
                if not duplicate and train is not None and validation is not None:
                    epochs[-1].append((str(print_), float(train), float(validation), _terms(terms)))
        return found

    @property
    def elapsed(self) -> float:
        """Seconds spent searching so far."""
        row = self._db.execute("SELECT value FROM meta WHERE key = 'elapsed'").fetchone()
        return float(row[0]) if row else 0.0

    @property
    def usage(self) -> dict[str, Any]:
        """What the run has taken so far, as `commit_round` was told."""
        row = self._db.execute("SELECT value FROM meta WHERE key = 'usage'").fetchone()
        with self._damage("its resource use"):
            return dict(parse_json(row[0], str(self.path))) if row else {}

    @property
    def digests(self) -> dict[str, str]:
        """What the run was made with, see `data_digests`; empty when it was not noted."""
        row = self._db.execute("SELECT value FROM meta WHERE key = 'data'").fetchone()
        with self._damage("the digests of its data"):
            return {str(k): str(v) for k, v in parse_json(row[0], str(self.path)).items()} if row else {}

    def note_digests(self, digests: Mapping[str, str]) -> None:
        """Keep what the run is made with."""
        with self._writing():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('data', ?)", (json.dumps(dict(digests)),))
            while not self._try_commit(_COURTESY):
                self.waiting()

    def counts(self) -> tuple[int, int]:
        """Candidates made, and families fitted among them."""
        with self._damage("the number of candidates"):
            made, fitted = self._db.execute("SELECT TOTAL(count), TOTAL(fitted) FROM epochs").fetchone()
            return int(made), int(fitted)

    def first_below(self, fitness: float) -> int | None:
        """How many candidates all islands had made when the first had a fitness below this, itself not counted."""
        table = self.candidates
        row = table.execute(
            "SELECT round, number FROM candidates WHERE fitness < ? ORDER BY round, number, island LIMIT 1", (fitness,)
        ).fetchone()
        if row is None:
            return None
        count = table.execute(
            "SELECT COUNT(*) FROM candidates WHERE round <= ? AND number < ?", (row[0], row[1])
        ).fetchone()
        return int(count[0])

    def candidate(self, number: int, island: int = 0) -> dict[str, Any] | None:
        """One candidate's row by number."""
        table = self.candidates
        table.row_factory = sqlite3.Row
        try:
            row = table.execute("SELECT * FROM candidates WHERE number = ? AND island = ?", (number, island)).fetchone()
        finally:
            table.row_factory = None
        return None if row is None else _row(row)

    def parent(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """The row of a candidate's parent; None for a base."""
        return None if row["parent"] < 0 else self.candidate(row["parent"], row["parent_island"])

    def scan(self) -> Iterator[dict[str, Any]]:
        """All candidates in the order in which they entered, without their expressions and parameters."""
        names = ("island", "number", "duplicate", "complexity", "train", "validation", "error", "fitness")
        rows = self.candidates.execute(f"SELECT {', '.join(names)} FROM candidates ORDER BY round, island, number")
        return (dict(zip(names, row, strict=True)) for row in rows)

    def error_range(self) -> tuple[float, float] | None:
        """The smallest positive error and the largest of the bases; None when there is none."""
        low, high = self.candidates.execute(
            "SELECT MIN(error), MAX(CASE WHEN parent < 0 THEN error END) FROM candidates "
            "WHERE duplicate = 0 AND error > 0"
        ).fetchone()
        return None if low is None or high is None else (float(low), float(high))

    def mutations(self) -> Iterator[tuple[str, int, int, int, int]]:
        """(mutations, children, new families, finite ones, better than their parent) of every combination."""
        better = "c.duplicate = 0 AND c.fitness < p.fitness * (1 - 1e-9)"  # beyond the rounding errors of the fit
        return iter(
            self.candidates.execute(
                "SELECT c.mutation, COUNT(*), SUM(1 - c.duplicate), SUM(c.duplicate = 0 AND c.fitness IS NOT NULL), "
                f"COALESCE(SUM({better}), 0) FROM candidates c JOIN candidates p "
                "ON p.island = c.parent_island AND p.number = c.parent GROUP BY c.mutation ORDER BY c.mutation"
            )
        )

    def fitted(self) -> Iterator[dict[str, Any]]:
        """The fitted candidates with finite fitness, best first."""
        table = self.candidates
        table.row_factory = sqlite3.Row
        try:
            rows = table.execute(
                "SELECT * FROM candidates WHERE duplicate = 0 AND fitness IS NOT NULL ORDER BY fitness, number"
            ).fetchall()
        finally:
            table.row_factory = None
        return (_row(row) for row in rows)

    def pareto(self) -> list[dict[str, Any]]:
        """The rows of the archive's members: complexity rises, error falls."""
        rows = [self.candidate(m.number, m.island) for m in self.archive()]
        return [row for row in rows if row is not None]


def _is_busy(error: sqlite3.OperationalError) -> bool:
    """Whether another connection has the file."""
    return "locked" in str(error)


def _connect(path: Path, mode: str) -> tuple[sqlite3.Connection, str | None]:
    """An open file and its version; raises when it has no table of them.

    A view, a trigger or a generated column of a stranger's file could compute for ever: nothing is read before its
    definition is known to be ours.
    """
    # somebody who reads a long history must not make the writer give up
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_PATIENCE)
    try:
        db.execute("PRAGMA cache_spill = OFF")  # a round grows for a while; readers are locked out only by its commit
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("PRAGMA cell_size_check = ON")
        if hasattr(db, "setlimit"):  # Python 3.11
            db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
        if not {row for row in _own_schema() if row[2] == "meta"} <= _schema(db):
            raise ValueError("it has no table meta")
        found = db.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
    except BaseException:
        db.close()
        raise
    return db, None if found is None else str(found[0])[:40]


def _check_files(path: Path) -> None:
    """Refuse what SQLite would follow or replay, and no search has left.

    Opening a database replays a journal beside it. One that names a super-journal makes SQLite remove that file,
    wherever it is; our transactions have none. Journals: https://www.sqlite.org/fileformat.html, 3; WAL, 4.
    """
    for suffix in ("", *_BESIDE, _JOURNAL):
        file = path.with_name(path.name + suffix)
        if not os.path.lexists(file):
            continue
        if suffix in _BESIDE:
            raise ValueError(f"{file.name} is beside it, which no search leaves")
        status = os.lstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise not_inside(file)
        with suppress(FileNotFoundError), open(file, "rb") as stream:  # a living writer may have ended its journal
            if suffix == "":
                head = stream.read(20)
                if head[18:20] not in (b"", b"\1\1"):
                    raise ValueError("it keeps a write-ahead log, which no search does")
            else:
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - len(_SUPER)))
                if stream.read() == _SUPER:
                    raise ValueError(f"{file.name} names another file, which no search does")


def _schema(db: sqlite3.Connection) -> set[tuple[str | None, ...]]:
    return set(db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall())


@lru_cache
def _own_schema() -> frozenset[tuple[str | None, ...]]:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(_SCHEMA)
        return frozenset(_schema(db))


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: row[key] for key in row.keys()}  # noqa: SIM118 - sqlite3.Row iterates over values
    found["duplicate"] = bool(found["duplicate"])
    for key in ("expressions", "parameters", "terms"):
        found[key] = parse_json(found[key], f"the {key} of candidate {found['number']}") if found[key] else {}
    return found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _terms(text: str | None) -> dict[str, float]:
    return {} if text is None else dict(parse_json(text, "the terms of a candidate"))
