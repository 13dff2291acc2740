"""The coordinator: the one process that writes the run's store.

A round is one epoch of every island. Its epochs are independent tasks of an executor; what they return is taken in
the order of the islands: families join the known ones, the best join the archive, migrants pass between the
populations. All of it enters the store in one transaction, so that a run killed at any moment goes on from its last
complete round.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from ..config import SearchConfig
from ..errors import FastsfesError
from ..executors import Executor
from ..files import write_text
from ..functional import Functional
from ..load import BEST
from ..runlock import RunLock
from .interrupt import SearchInterrupted, Signals
from .island import Individual, IslandState, pareto_front
from .migration import migrate
from .progress import Progress, Status
from .runlog import RunLog
from .setup import Problem, SearchParts
from .store import RunStore, individual_text
from .travel import News, Report, members_of, pack_news
from .usage import Totals
from .worker import Behind, Job, report_epoch, report_found

__all__ = ["SUMMARY", "Coordinator"]

SUMMARY = "summary.json"

_RECENT = 1
"""Rounds of which a job always carries the news; a worker that missed more asks for them."""


class Coordinator:
    """Runs rounds, commits them, and reports."""

    def __init__(
        self,
        path: Path,
        config: SearchConfig,
        parts: SearchParts,
        problem: Problem,
        store: RunStore,
        lock: RunLock,
        signals: Signals,
        log: RunLog,
        display: Progress,
    ) -> None:
        self.path = path
        self.config = config
        self.parts = parts
        self.problem = problem
        self.store = store
        self.lock = lock
        self.signals = signals
        self.log = log
        self.display = display
        self.states = tuple(store.states())
        self.archive = store.archive()
        rounds = store.news()  # families by the round in which they became known
        self.known = {name for news in rounds for name, *_ in news}
        self.rounds = [pack_news(news) for news in rounds]
        self.elapsed = store.elapsed
        self.totals = Totals(store.usage)

    @property
    def best(self) -> Individual:
        """The best individual of all islands."""
        return min((s.best for s in self.states), key=lambda m: (m.fitness, m.island))

    @property
    def candidates(self) -> int:
        """Candidates made so far."""
        return sum(s.candidates for s in self.states)

    def limit(self, island: int) -> int:
        """The island's share of the budget."""
        share, rest = divmod(self.config.candidates, self.config.islands)
        return share + (island < rest)

    def done(self) -> bool:
        """Whether the budget is spent or the goal reached."""
        if not self.states:
            return False
        if self.config.stop_below > 0 and self.best.fitness < self.config.stop_below:
            return True
        return all(s.candidates >= self.limit(s.island) for s in self.states)

    def run(self, pool: Executor, time_limit: float) -> None:
        """Rounds until the budget, the time limit, the goal, or a signal."""
        started = time.monotonic()
        try:
            with self.signals.deferred():
                if not self.states:
                    self._found(pool)
                while not self.done():
                    if time_limit > 0 and time.monotonic() - started >= time_limit:
                        break
                    self._round(pool)
        except SearchInterrupted:
            if self.states:
                self._save_best()
            raise

    def _stop_if_told(self) -> None:
        """Leave the round that is running, after a signal; it will be run again."""
        self.signals.stop(f" after {self.candidates} of {self.config.candidates} candidates")

    def _found(self, pool: Executor) -> None:
        started = time.monotonic()
        futures = [pool.submit(report_found, island) for island in range(self.config.islands)]
        results = self._results(pool, futures)
        for result in results:
            for base, first in zip(self.parts.names_of(result.state.island), result.state.founders, strict=True):
                if not math.isfinite(first.fitness):
                    raise FastsfesError(
                        f'the starting point "{base}" gives no finite loss (train {first.train}, validation '
                        f"{first.validation}); start from another one with --base"
                    )
                self.log.event(
                    "base",
                    f"{base}: train {first.train:.6g}, validation {first.validation:.6g} kcal/mol",
                    island=result.state.island,
                    base=base,
                    **_losses(first),
                )
        self._take(results, [r.state for r in results], started)
        self._keep_best()

    def _round(self, pool: Executor) -> None:
        started, number = time.monotonic(), len(self.rounds) - 1
        before = self.best
        futures = [pool.submit(report_epoch, self._job(s, len(self.rounds) - _RECENT)) for s in self._active()]
        results = self._results(pool, futures)
        after = {s.island: s for s in self.states} | {r.state.island: r.state for r in results}
        archive = pareto_front((*self.archive, *(m for r in results for m in r.front)))
        states = migrate(list(after.values()), archive, self.parts.migration, self.config.seed, number)
        self._take(results, states, started)
        for state in states:
            here = {(m.island, m.number) for m in after[state.island].population}
            came = [[m.island, m.number] for m in state.population if (m.island, m.number) not in here]
            if came:
                self.log.event("migration", island=state.island, round=number, migrants=came)
        best = self.best
        if (best.island, best.number) != (before.island, before.number):
            self.log.event(
                "improvement",
                f"island {best.island}, candidate {best.number}: train {best.train:.6g}, validation "
                f"{best.validation:.6g}, fitness {best.fitness:.6g} kcal/mol",
                island=best.island,
                candidate=best.number,
                complexity=best.complexity,
                **_losses(best),
            )
            self._keep_best()

    def _active(self) -> list[IslandState]:
        """Islands with candidates left."""
        return [s for s in self.states if s.candidates < self.limit(s.island)]

    def _job(self, state: IslandState, since: int) -> Job:
        first = max(0, since)
        return Job(state, self.limit(state.island), first, tuple(self.rounds[first:]))

    def _results(self, pool: Executor, futures: Sequence[Future[Report | Behind]]) -> list[Report]:
        """What the futures give, in their order; a worker that is behind gets its job again."""
        results: dict[int, Report] = {}
        made = fitted = 0
        best = self.best if self.states else None
        running = {future: index for index, future in enumerate(futures)}
        while running:
            finished, _ = pool.wait(running, timeout=0.2)
            self._stop_if_told()
            for future in sorted(finished, key=running.__getitem__):
                index = running.pop(future)
                answer = future.result()
                if isinstance(answer, Behind):
                    running[pool.submit(report_epoch, self._job(self._active()[index], answer.rounds))] = index
                else:
                    results[index] = answer
                    self.store.add_epoch(answer.state.island, len(self.rounds), answer.parts)
                    if best is not None:
                        made, fitted = made + answer.made, fitted + answer.fitted
                        best = min(best, answer.state.best, key=lambda m: (m.fitness, m.island))
                        self.display.update(Status(self.candidates + made, len(self.known) + fitted, best))
        return [results[k] for k in range(len(futures))]

    def _take(self, results: Sequence[Report], states: Sequence[IslandState], started: float) -> None:
        """Make the results of a round part of the run, in the order of the islands."""
        number = len(self.rounds)
        self.archive = pareto_front((*self.archive, *(m for r in results for m in r.front)))
        for result in results:
            if result.usage is not None:
                self.totals.add(result.usage)
        self.elapsed += time.monotonic() - started
        self.lock.check()
        news: dict[str, News] = {}
        for result in results:
            for family in result.news:
                if family[0] not in self.known:
                    news.setdefault(family[0], family)
        usage = {"families": len(self.known) + len(news), **self.totals.to_dict()}
        with self.totals.clock.phase("commit"):
            texts = {id(m): t for r in results for m, t in zip(members_of(r.state), r.texts, strict=True)}
            self.store.commit_round(
                states, self.archive, self.elapsed, usage, lambda m: texts.get(id(m)) or individual_text(m)
            )
        for result in results:
            self._log_epoch(result, number)
        self.states = tuple(states)
        self.log.event(
            "checkpoint", round=number, candidates=self.candidates, families=usage["families"], seconds=self.elapsed
        )
        self.rounds.append(pack_news(news.values()))
        self.known.update(news)

    def _log_epoch(self, result: Report, number: int) -> None:
        state, usage = result.state, result.usage
        self.log.event(
            "epoch",
            round=number,
            island=state.island,
            epoch=state.epoch,
            candidates=state.candidates,
            made=result.made,
            fitted=result.fitted,
            best=_losses(state.best),
            phases={} if usage is None else dict(usage.phases),
            process="" if usage is None else usage.process,
            cpu_seconds=0.0 if usage is None else usage.cpu,
            peak_memory=0 if usage is None else usage.memory,
        )

    def failed(self, error: Exception) -> None:
        """Log that the search ends here, by a signal or an error."""
        if isinstance(error, SearchInterrupted):
            self._end("interrupted", f"interrupted after {self.candidates} candidates")
        else:
            self._end("failed", f"failed after {self.candidates} candidates: {error}")

    def _end(self, status: str, text: str) -> None:
        self.log.event(
            "end",
            text,
            status=status,
            candidates=self.candidates,
            families=len(self.known),
            seconds=self.elapsed,
            resources=self.totals.to_dict(),
        )

    def _keep_best(self) -> None:
        """The best so far, for those who look while the search goes on; in the end it is written anyway."""
        try:
            self._save_best()
        except OSError as error:
            self.display.message(f"{self.path / BEST}: cannot be written ({error.strerror}); the search goes on")

    def _save_best(self) -> Functional:
        name = f"{self.config.preset}-{self.config.seed}"
        winner = self.problem.functional(name, self.best, self.parts)
        write_text(self.path / BEST, json.dumps(winner.to_dict(), indent=2, allow_nan=False) + "\n")
        return winner

    def finish(self, report: bool = True) -> None:
        """The winner, its figures on all splits and on the full grid, and the summary."""
        winner = self._save_best()
        with self.totals.clock.phase("report"):
            figures = self.problem.report(winner, self.display) if report else None
        if figures is not None:
            self.log.event("report", rows=figures["rows"][:1], grid=figures["grid"])
        made, fitted = self.store.counts()
        best = self.best
        summary: dict[str, Any] = {
            "candidates": made,
            "fitted": fitted,
            "seconds": self.elapsed,
            "complete": self.done(),
            "best": {
                "island": best.island,
                "candidate": best.number,
                "train": best.train,
                "validation": best.validation,
                "terms": dict(best.terms),
                "fitness": best.fitness,
                "complexity": winner.complexity,
            },
            "resources": self.totals.to_dict(),
            "report": figures,
        }
        if self.config.stop_below > 0:
            summary["reached"] = self.store.first_below(self.config.stop_below)
        write_text(self.path / SUMMARY, json.dumps(summary, indent=2) + "\n")
        status = "complete" if self.done() else "stopped"
        self._end(status, f"{status}: {made} candidates, {fitted} fitted, {self.elapsed:.1f} s")


def _losses(member: Individual) -> dict[str, float]:
    return {"train": member.train, "validation": member.validation, "fitness": member.fitness}
