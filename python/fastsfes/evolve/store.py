"""The store of a run: every candidate and the state after every epoch, in one SQLite file.

One process writes it. An epoch's candidates and its state enter in one transaction, so that a run that is killed
at any moment finds its last complete epoch. Tables: docs/file-formats.md.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import FastsfesError, InputError
from .island import IslandState, Known, Record

__all__ = ["RunStore"]

VERSION = 1
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE candidates (
    island INTEGER NOT NULL,
    number INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    parent INTEGER NOT NULL,
    mutation TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    duplicate INTEGER NOT NULL,
    complexity INTEGER NOT NULL,
    train REAL,
    validation REAL,
    fitness REAL,
    evaluations INTEGER NOT NULL,
    expressions TEXT,
    parameters TEXT,
    PRIMARY KEY (island, number)
) WITHOUT ROWID;
CREATE TABLE states (island INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, state TEXT NOT NULL);
"""


class RunStore:
    """An open store; make it with `create` or `open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection

    @classmethod
    def create(cls, path: Path) -> RunStore:
        """A new, empty store; the file appears whole or not at all."""
        temporary = path.with_name(path.name + ".tmp")
        temporary.unlink(missing_ok=True)
        db = sqlite3.connect(temporary, isolation_level=None)
        db.executescript("BEGIN;" + _SCHEMA + f"INSERT INTO meta VALUES ('version', '{VERSION}'); COMMIT;")
        db.close()
        temporary.replace(path)
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
            db = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rw'}", uri=True, isolation_level=None
            )
            found = db.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
        except sqlite3.DatabaseError as error:
            raise InputError(f"{path}: cannot be read as the history of a search ({error}); was it cut off?") from None
        if found is None or found[0] != str(VERSION):
            raise InputError(f"{path}: version {found and found[0]}, this fastsfes reads {VERSION}")
        return cls(path, db)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def commit_epoch(self, state: IslandState, records: Sequence[Record], elapsed: float) -> None:
        """Store an epoch's candidates and the state after it, all or nothing; `elapsed` in seconds."""
        rows = [
            (
                state.island,
                r.number,
                state.epoch,
                r.parent,
                r.mutation,
                r.fingerprint,
                int(r.duplicate),
                r.complexity,
                _finite(r.train),
                _finite(r.validation),
                _finite(r.fitness),
                r.evaluations,
                json.dumps(dict(r.expressions)) if r.expressions else None,
                json.dumps({k: dict(v) for k, v in r.parameters.items()}) if r.parameters else None,
            )
            for r in records
        ]
        text = json.dumps(state.to_dict(), allow_nan=False)
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(f"INSERT INTO candidates VALUES ({','.join('?' * 14)})", rows)
            self._db.execute("INSERT OR REPLACE INTO states VALUES (?, ?, ?)", (state.island, state.epoch, text))
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('elapsed', ?)", (repr(elapsed),))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise FastsfesError(f"{self.path}: cannot be written ({error}); what was stored before is intact") from None

    def states(self) -> list[IslandState]:
        """The last state of every island."""
        rows = self._db.execute("SELECT state FROM states ORDER BY island").fetchall()
        return [IslandState.from_dict(json.loads(text)) for (text,) in rows]

    def known(self) -> dict[str, Known]:
        """Every family that was fitted, with its losses, in the order of the candidates."""
        rows = self._db.execute(
            "SELECT fingerprint, train, validation FROM candidates WHERE duplicate = 0 ORDER BY epoch, island, number"
        )
        found: dict[str, Known] = {}
        for print_, train, validation in rows:
            found.setdefault(print_, Known(_loss(train), _loss(validation)))
        return found

    @property
    def elapsed(self) -> float:
        """Seconds spent searching so far."""
        row = self._db.execute("SELECT value FROM meta WHERE key = 'elapsed'").fetchone()
        return float(row[0]) if row else 0.0

    def counts(self) -> tuple[int, int]:
        """Candidates made, and families fitted among them."""
        row = self._db.execute("SELECT COUNT(*), COALESCE(SUM(1 - duplicate), 0) FROM candidates").fetchone()
        return int(row[0]), int(row[1])

    def first_below(self, fitness: float) -> int | None:
        """Number of the first candidate with a fitness below this."""
        row = self._db.execute("SELECT MIN(number) FROM candidates WHERE fitness < ?", (fitness,)).fetchone()
        return None if row[0] is None else int(row[0])

    def candidate(self, number: int, island: int = 0) -> dict[str, Any] | None:
        """One candidate's row by number."""
        self._db.row_factory = sqlite3.Row
        try:
            row = self._db.execute(
                "SELECT * FROM candidates WHERE number = ? AND island = ?", (number, island)
            ).fetchone()
        finally:
            self._db.row_factory = None
        return None if row is None else _row(row)

    def fitted(self) -> Iterator[dict[str, Any]]:
        """The fitted candidates with finite fitness, best first."""
        self._db.row_factory = sqlite3.Row
        try:
            rows = self._db.execute(
                "SELECT * FROM candidates WHERE duplicate = 0 AND fitness IS NOT NULL ORDER BY fitness, number"
            ).fetchall()
        finally:
            self._db.row_factory = None
        return (_row(row) for row in rows)

    def pareto(self) -> list[dict[str, Any]]:
        """Candidates that no simpler one beats: complexity rises, fitness falls."""
        best: dict[int, dict[str, Any]] = {}
        for row in self.fitted():
            best.setdefault(row["complexity"], row)
        front: list[dict[str, Any]] = []
        for complexity in sorted(best):
            if not front or best[complexity]["fitness"] < front[-1]["fitness"]:
                front.append(best[complexity])
        return front


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: row[key] for key in row.keys()}  # noqa: SIM118 - sqlite3.Row iterates over values
    found["duplicate"] = bool(found["duplicate"])
    for key in ("expressions", "parameters"):
        found[key] = json.loads(found[key]) if found[key] else {}
    return found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _loss(value: float | None) -> float:
    return math.inf if value is None else float(value)
