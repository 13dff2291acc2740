"""A small search whose result every executor must give, and its exact comparison."""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fake_problem import FakeProblem, three_channels

from fastsfes import FastsfesError
from fastsfes.evolve.evaluation import FitOutcome, FitRequest
from fastsfes.run.config import SearchConfig
from fastsfes.run.search import SearchInterrupted, search

SMALL = SearchConfig.make(
    dataset="builtin",
    candidates=720, islands=3, migrate_every=2, population=20, tournament=4, generation=20, generations=2,
    features_x=("u", "w"), features_css=("u", "w"), features_cos=("u", "w"),
)  # fmt: skip

QUICK = [
    "--dataset", "builtin",
    "--candidates", "1200", "--islands", "3", "--migrate-every", "2", "--population", "20", "--tournament", "4",
    "--generation", "20", "--generations", "3", "--no-report", "--progress", "plain",
]  # fmt: skip
"""Options of ``fastsfes search`` on the packaged molecules: a second of work."""


class SlowProblem(FakeProblem):
    """The same results, later: FASTSFES_TEST_DELAY seconds per batch of fits."""

    def evaluate(self, requests: Sequence[FitRequest]) -> list[FitOutcome]:
        time.sleep(float(os.environ.get("FASTSFES_TEST_DELAY", "0")))
        return super().evaluate(requests)


def slow(config: SearchConfig) -> SlowProblem:
    problem = three_channels(config)
    problem.__class__ = SlowProblem
    return problem


def contents(path: Path) -> list[Any]:
    """Everything that a run found, in full: candidates, states, archive. Times are left out."""
    with sqlite3.connect(f"file:{path / 'history.sqlite'}?mode=ro", uri=True) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return [(t, sorted(db.execute(f"SELECT * FROM {t}").fetchall(), key=repr)) for t in tables if t != "meta"]


def main() -> int:
    """Start the search in DIR, or go on with it, on an executor."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--executor", default="local")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=0.0)
    parser.add_argument("--candidates", type=int, default=SMALL.candidates)
    given = parser.parse_args()
    try:
        search(
            replace(SMALL, candidates=given.candidates), output=given.directory, go_on=True, problem=slow, report=False,
            executor=given.executor, workers=given.workers, worker_timeout=given.timeout,
        )  # fmt: skip
    except (FastsfesError, SearchInterrupted) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 75 if isinstance(error, SearchInterrupted) else 1
    return 0


if __name__ == "__main__":
    # Workers import the functions by this module's name.
    import runs

    sys.exit(runs.main())
