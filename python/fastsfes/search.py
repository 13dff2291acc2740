"""`search`: evolve functionals, keep everything in a run directory, and report the best.

The result depends on the configuration and the seed alone. After every epoch the run directory holds all that is
needed to go on: `search(resume=path)` ends as an undisturbed run would have.
"""

from __future__ import annotations

import datetime
import json
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from .config import SearchConfig
from .errors import FastsfesError, InputError
from .evolve.evaluation import Evaluate
from .evolve.island import Individual, IslandState, Known, epoch, found
from .evolve.progress import Progress, make_progress
from .evolve.setup import SearchParts, prepare
from .evolve.store import RunStore
from .functional import Functional
from .load import BEST

__all__ = ["Problem", "Run", "SearchInterrupted", "search"]

CONFIG, HISTORY, SUMMARY, LOG = "config.toml", "history.sqlite", "summary.json", "log.txt"


class SearchInterrupted(FastsfesError):
    """The search was stopped by a signal; what it had is stored."""


class Problem(Protocol):
    """What is searched: how candidates are fitted, and how the winner is reported."""

    @property
    def evaluate(self) -> Evaluate:
        """Fits a batch of candidates."""

    def describe(self) -> str:
        """One line: data set, numbers of reactions, nodes."""

    def functional(self, name: str, best: Individual, parts: SearchParts) -> Functional:
        """The winner as a functional."""

    def report(self, winner: Functional, progress: Progress) -> dict[str, Any]:
        """Final figures, the test split and the full grid included; plain data for summary.json."""


class Run:
    """A run directory: configuration, history, best functional, summary."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not (self.path / CONFIG).is_file() or not (self.path / HISTORY).is_file():
            raise InputError(f"{self.path}: not the directory of a search; expected {CONFIG} and {HISTORY} in it")

    @property
    def config(self) -> SearchConfig:
        """The configuration of the run."""
        return SearchConfig.from_toml(self.path / CONFIG)

    @property
    def best(self) -> Functional:
        """The best functional so far."""
        if not (self.path / BEST).is_file():
            raise InputError(f"{self.path}: has no {BEST} yet; continue with: fastsfes search --resume {self.path}")
        return Functional.from_json(self.path / BEST)

    @property
    def summary(self) -> dict[str, Any]:
        """Final figures; empty while the run is not complete."""
        path = self.path / SUMMARY
        if not path.is_file():
            return {}
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise InputError(
                f"{path}: cannot be read ({error}); remove it and run: fastsfes search --resume {self.path}"
            ) from None
        if not isinstance(data, dict):
            raise InputError(f"{path}: expected a JSON object; remove it and run: fastsfes search --resume {self.path}")
        return data

    @property
    def pareto(self) -> list[dict[str, Any]]:
        """Candidates that no simpler one beats: dicts with complexity, fitness, train, validation, expressions."""
        with RunStore.open(self.path / HISTORY, read_only=True) as store:
            return store.pareto()

    @property
    def state(self) -> IslandState:
        """The state after the last complete epoch."""
        with RunStore.open(self.path / HISTORY, read_only=True) as store:
            states = store.states()
        if not states:
            raise InputError(f"{self.path}: holds no complete epoch; remove it and start the search again")
        return states[0]


def default_path(config: SearchConfig) -> Path:
    """Where a run goes when nobody says: fastsfes-runs/<date>-<time>-<preset>-<seed>."""
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path("fastsfes-runs") / f"{now}-{config.preset}-{config.seed}"


def search(
    config: SearchConfig | None = None,
    *,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    time_limit: float | None = None,
    progress: str = "none",
    report: bool = True,
    problem: Callable[[SearchConfig], Problem] | None = None,
) -> Run:
    """Search for a functional.

    Args:
        config: the options; default: the preset "quickstart".
        output: directory of the run, which must not exist yet; default: see `default_path`.
        resume: directory of an earlier run to go on with, instead of `config` and `output`.
        time_limit: overrides the configuration's, in seconds for this call.
        progress: "live", "plain", "auto" or "none"; written to standard error.
        report: whether to compute the final figures, which takes a pass over the full integration grid.
        problem: what to search, made from the configuration; default: the data that the configuration names.

    Returns:
        The finished `Run`.

    Raises:
        InputError: when the options do not go together or a directory exists (or, to resume, does not).
        SearchInterrupted: after SIGINT or SIGTERM; the run can be resumed.
    """
    if resume is not None:
        if config is not None or output is not None:
            raise InputError(
                "resume goes on with the run's own configuration and directory; give neither config nor output"
            )
        path = Path(resume)
        if not (path / CONFIG).is_file():
            raise InputError(f"{path}: not the directory of a search; expected {CONFIG} in it")
        config = SearchConfig.from_toml(path / CONFIG)
    else:
        config = config or SearchConfig.make()
        path = Path(output) if output is not None else default_path(config)
        if path.exists():
            raise InputError(
                f"{path}: exists already; choose another directory, or continue with: fastsfes search --resume {path}"
            )
    parts = prepare(config)
    made: Problem
    with make_progress(config.candidates, progress) as display:
        if problem is None:
            from .evolve.problem import make_problem

            made = make_problem(config, display)
        else:
            made = problem(config)
        display.message(made.describe())
        fresh = resume is None or not (path / HISTORY).is_file()
        if fresh:
            path.mkdir(parents=True, exist_ok=True)
            _write(path / CONFIG, config.to_toml())
        with _open(path, fresh) as store, _log(path) as log:
            limit = config.time_limit if time_limit is None else time_limit
            coordinator = _Coordinator(path, config, parts, made, store, log, display)
            coordinator.run(limit)
            coordinator.finish(report)
    return Run(path)


@contextmanager
def _open(path: Path, fresh: bool) -> Iterator[RunStore]:
    store = RunStore.create(path / HISTORY) if fresh else RunStore.open(path / HISTORY)
    with store:
        yield store


@contextmanager
def _log(path: Path) -> Iterator[logging.Logger]:
    """A logger that writes to the run's own log and nowhere else."""
    logger = logging.Logger(f"fastsfes.search.{path.name}")
    handler = logging.FileHandler(path / LOG, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        handler.close()


def _write(path: Path, text: str) -> None:
    """Write a file so that it is either the old or the new one, whatever happens."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextmanager
def _signals() -> Iterator[Callable[[], bool]]:
    """SIGINT and SIGTERM set a flag, which the yielded function reads; a second signal acts as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received: list[int] = []
    old: dict[signal.Signals, Any] = {}

    def note(number: int, frame: object) -> None:
        received.append(number)
        signal.signal(number, old[signal.Signals(number)])

    for number in (signal.SIGINT, signal.SIGTERM):
        old[number] = signal.signal(number, note)
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


class _Stop(Exception):
    """Leave the epoch that is running; it will be run again."""


class _Coordinator:
    """The one process that writes the store: runs epochs, commits them, and reports."""

    def __init__(
        self,
        path: Path,
        config: SearchConfig,
        parts: SearchParts,
        problem: Problem,
        store: RunStore,
        log: logging.Logger,
        display: Progress,
    ) -> None:
        self.path = path
        self.config = config
        self.parts = parts
        self.problem = problem
        self.store = store
        self.log = log
        self.display = display
        self.known: dict[str, Known] = store.known()
        self.elapsed = store.elapsed
        states = store.states()
        self.state = states[0] if states else self._found()

    def _found(self) -> IslandState:
        parts = self.parts
        started = time.monotonic()
        result = found(parts.base, 0, parts.mutator.workspaces, parts.fitness, self.problem.evaluate, parts.defaults)
        first = result.state.best
        if not math.isfinite(first.fitness):
            raise FastsfesError(
                f'the starting point "{self.config.base}" gives no finite loss (train {first.train}, validation '
                f"{first.validation}); start from another one with --base"
            )
        self.elapsed += time.monotonic() - started
        self.store.commit_epoch(result.state, result.records, self.elapsed)
        self.known[first.fingerprint] = Known(first.train, first.validation)
        self.log.info("base: train %.6g, validation %.6g kcal/mol", first.train, first.validation)
        return result.state

    def done(self) -> bool:
        """Whether the budget is spent or the goal reached."""
        if self.config.stop_below > 0 and self.state.best.fitness < self.config.stop_below:
            return True
        return self.state.candidates >= self.config.candidates

    def run(self, time_limit: float) -> None:
        """Epochs until the budget, the time limit, the goal, or a signal."""
        started = time.monotonic()
        with _signals() as interrupted:
            while not self.done():
                if time_limit > 0 and time.monotonic() - started >= time_limit:
                    break
                try:
                    self._epoch(interrupted)
                except _Stop:
                    self._save_best()
                    self.log.info("interrupted after %d candidates", self.state.candidates)
                    raise SearchInterrupted(
                        f"interrupted after {self.state.candidates} of {self.config.candidates} candidates; all are "
                        f"stored; continue with: fastsfes search --resume {self.path}"
                    ) from None

    def _epoch(self, interrupted: Callable[[], bool]) -> None:
        parts, begun = self.parts, time.monotonic()
        fitted = len(self.known)

        def tick(state: IslandState, new: int) -> None:
            nonlocal fitted
            fitted += new
            self.display.update(state, fitted)
            if interrupted():
                raise _Stop

        result = epoch(
            self.state,
            self.known,
            self.config.seed,
            parts.settings,
            parts.mutator,
            parts.fitness,
            self.problem.evaluate,
            parts.defaults,
            limit=self.config.candidates,
            tick=tick,
        )
        self.elapsed += time.monotonic() - begun
        self.store.commit_epoch(result.state, result.records, self.elapsed)
        for r in result.records:
            if not r.duplicate:
                self.known.setdefault(r.fingerprint, Known(r.train, r.validation))
        better = result.state.best.number != self.state.best.number
        self.state = result.state
        if better:
            best = self.state.best
            self.log.info(
                "candidate %d: train %.6g, validation %.6g, fitness %.6g kcal/mol",
                best.number,
                best.train,
                best.validation,
                best.fitness,
            )

    def _save_best(self) -> Functional:
        name = f"{self.config.preset}-{self.config.seed}"
        winner = self.problem.functional(name, self.state.best, self.parts)
        _write(self.path / BEST, json.dumps(winner.to_dict(), indent=2, allow_nan=False) + "\n")
        return winner

    def finish(self, report: bool = True) -> None:
        """The winner, its figures on all splits and on the full grid, and the summary."""
        winner = self._save_best()
        made, fitted = self.store.counts()
        best = self.state.best
        summary: dict[str, Any] = {
            "candidates": made,
            "fitted": fitted,
            "seconds": self.elapsed,
            "complete": self.done(),
            "best": {
                "candidate": best.number,
                "train": best.train,
                "validation": best.validation,
                "fitness": best.fitness,
                "complexity": winner.complexity,
            },
            "report": self.problem.report(winner, self.display) if report else None,
        }
        if self.config.stop_below > 0:
            summary["reached"] = self.store.first_below(self.config.stop_below)
        _write(self.path / SUMMARY, json.dumps(summary, indent=2) + "\n")
        self.log.info("done: %d candidates, %d fitted, %.1f s", made, fitted, self.elapsed)
