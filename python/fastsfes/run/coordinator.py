"""The coordinator: the one process that writes the run's store.

A round is one epoch of every island. Its epochs are independent tasks of an executor; what they return is taken in
the order of the islands: the best join the archive, migrants set out for other populations. All of it enters the store
in one transaction, so that a run killed at any moment goes on from its last complete round.

Migrants arrive a round later. So an island needs nothing of the others' present round for its next epoch, and begins it
while they are still at work: nobody waits for the slowest, unless it falls behind by more than an epoch.
"""

from __future__ import annotations

import heapq
import json
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..common.clock import Usage
from ..common.errors import FastsfesError
from ..common.files import WriteError, write_text
from ..common.runfolder import SUMMARY
from ..evolve.island import Individual, IslandState, pareto_front
from ..evolve.migration import migrants, receive
from ..executors import Executor
from ..functionals.functional import Functional
from .assess import OnGrid
from .checking import FrontChecks, without
from .config import SearchConfig
from .front import Member, front_rows, run_summary, write_best, write_front
from .interrupt import SearchInterrupted, Signals
from .lock import RunLock
from .log import RunLog
from .progress import Progress, Status
from .setup import Problem, SearchParts
from .store import RunStore, individual_text
from .travel import Report, members_of, pack_news
from .usage import Totals
from .worker import Behind, Job, report_check, report_epoch, report_found

__all__ = ["CARRIED", "Coordinator", "Epoch"]


CARRIED = 2**18
"""Bytes of an island's families that a job carries without being asked: the latest."""


@dataclass(frozen=True)
class Epoch:
    """What a search tells its caller when all islands have ended an epoch.

    Attributes:
        round: number of epochs that every island has ended.
        candidates: made so far.
        best: the best functional so far; its losses and fitness follow (kcal/mol, or the unit of the points).
        seconds: of work so far, those of earlier sessions included.
    """

    round: int
    candidates: int
    best: Functional
    train: float
    validation: float
    fitness: float
    seconds: float


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
        on_epoch: Callable[[Epoch], object] | None = None,
    ) -> None:
        self.path = path
        self.on_epoch = on_epoch
        self.config = config
        self.parts = parts
        self.problem = problem
        self.store = store
        store.waiting = self._wait
        self.lock = lock
        self.signals = signals
        self.log = log
        self.display = display
        self.states = tuple(store.states())
        self.archive = store.archive()
        news = store.news()
        self.news = {island: [pack_news(n) for n in epochs] for island, epochs in news.items()}
        self.families = sum(len(n) for epochs in news.values() for n in epochs)
        self.back: dict[int, dict[int, Report]] = {}  # by round and island, not yet part of the run
        self.running: dict[Future[Report | Behind], int] = {}
        self.ready: list[tuple[int, float, int]] = []  # round, minus the expected seconds, island
        self.seconds: dict[int, float] = {}  # of the last epoch of an island
        self.elapsed = store.elapsed
        self._waited = False
        self.totals = Totals(store.usage)
        self.checks = FrontChecks.of(config.node_tolerance if problem.on_grids else 0.0, store.usage.get("checks", {}))
        self.checking: dict[Future[tuple[float, Usage]], Individual] = {}  # of the members checked since the last round
        self.checked: list[tuple[Individual, float]] = []

    @property
    def best(self) -> Individual:
        """The best individual of all islands."""
        return min((s.best for s in self.states), key=lambda m: (m.fitness, m.island))

    @property
    def round(self) -> int:
        """The last complete one."""
        return max(s.epoch for s in self.states)

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
        self.started = time.monotonic()
        self._until = self.started + time_limit if time_limit > 0 else math.inf
        try:
            with self.signals.deferred():
                if not self.states:
                    self._found(pool)
                self._set_out(pool)
                shown = self._formulas(self.best)
                self.status = Status(self.candidates, self.families, self.best, shown, self.config.unit)
                while not self.done():
                    if self._late() or not self._round(pool) or self._enough():
                        break
                self.store.settle()
        except SearchInterrupted:
            if self.states:
                self._save_best()
            raise

    def _wait(self) -> None:
        """While somebody else keeps the store: a signal, and said once."""
        if not self._waited:
            self._waited = True
            self.display.message(f"{self.store.path}: another program keeps it; waiting until that is done")
        self._stop_if_told()

    def _late(self) -> bool:
        """Whether the time limit is over."""
        return time.monotonic() >= self._until

    def _enough(self) -> bool:
        """Whether the caller, told of the epoch, has enough."""
        if self.on_epoch is None:
            return False
        best = self.best
        functional = self.problem.functional(f"{self.config.preset}-{self.config.seed}", best, self.parts)
        losses = (best.train, best.validation, best.fitness)
        return bool(self.on_epoch(Epoch(self.round, self.candidates, functional, *losses, self.elapsed)))

    def _stop_if_told(self) -> None:
        """Leave the epochs that are running, after a signal; they will be run again."""
        self.signals.stop(f" after {self.candidates} of {self.config.candidates} candidates")

    def _found(self, pool: Executor) -> None:
        futures = [pool.submit(report_found, island) for island in range(self.config.islands)]
        left = set(futures)
        while left:
            _, left = pool.wait(left, timeout=0.2)
            self._stop_if_told()
            if left and pool.silent and self._late():
                raise FastsfesError("no worker came before the time limit; the run holds nothing yet")
        results: list[Report] = [f.result() for f in futures]
        for result in results:
            for base, first in zip(self.parts.names_of(result.state.island), result.state.founders, strict=True):
                if not math.isfinite(first.fitness):
                    raise FastsfesError(
                        f'the starting point "{base}" gives no finite loss (train {first.train}, validation '
                        f"{first.validation}); start from another one with --base"
                    )
                self.log.event(
                    "base",
                    f"{base}: train {first.train:.6g}, validation {first.validation:.6g} {self.config.unit}",
                    island=result.state.island,
                    base=base,
                    **_losses(first),
                )
            self.store.add_epoch(result.state.island, 0, result.parts)
            self.news[result.state.island] = [result.news]
        self._take(results, [r.state for r in results])
        self._keep_best()

    def _set_out(self, pool: Executor) -> None:
        """A round is complete: its migrants set out, a check begins, and every island that waited for it may go on."""
        if not self.done() and (doubtful := self.checks.next(self.archive)) is not None:
            self.checking[pool.submit(report_check, *doubtful)] = doubtful[0]
        number = self.round
        rules = self.parts.migration
        self.coming: tuple[tuple[Individual, ...], ...] = ((),) * len(self.states)
        if number > 0:  # the bases do not migrate
            self.coming = migrants(self.states, self.archive, rules, self.config.seed, number - 1)
        ahead = self.back.get(number + 1, {})
        busy = {*self.running.values(), *(island for _, _, island in self.ready)}
        for state in self.states:
            if state.island not in busy:
                self._queue(ahead[state.island].state if state.island in ahead else state)

    def _queue(self, state: IslandState) -> None:
        """An island may begin its next epoch, after one more than all have ended at most."""
        if state.candidates < self.limit(state.island):
            # the long ones first, so that a round does not end with them
            heapq.heappush(self.ready, (state.epoch + 1, -self.seconds.get(state.island, 0.0), state.island))

    def _begin(self, island: int) -> IslandState:
        """What the next epoch of an island starts from."""
        report = self.back.get(self.round + 1, {}).get(island)
        return self.states[island] if report is None else self._after(report)

    def _after(self, report: Report) -> IslandState:
        return self._moved(report.state)

    def _moved(self, state: IslandState) -> IslandState:
        """An island after its epoch: those that were found out before have left, migrants have come."""
        came = [m for m in self.coming[state.island] if m.fingerprint not in self.checks.banned]
        return receive(without(state, self.checks.banned), came, self.parts.migration)

    def _round(self, pool: Executor) -> bool:
        """Work until the next round is complete, and make it part of the run; False when no worker is left to do so
        and the time limit is over.
        """
        number = self.round + 1
        active = {s.island for s in self.states if s.candidates < self.limit(s.island)}
        back = self.back.setdefault(number, {})
        for result in back.values():
            self.store.add_epoch(result.state.island, number, result.parts)
        while active - back.keys() or self.checking:
            # a few more than there are workers, so that none waits while the coordinator is busy
            while self.ready and len(self.running) < pool.workers + pool.workers // 2 + 1:
                *_, island = heapq.heappop(self.ready)
                self._submit(pool, island)
            finished, _ = pool.wait([*self.checking, *self.running], timeout=0.2)
            self._stop_if_told()
            if not finished and pool.silent and self._late():
                self.display.message("the time limit is over, and no worker is left: the last round is given up")
                return False
            for future in finished:
                if future in self.checking:
                    error, usage = future.result()
                    self.totals.add(usage)
                    self.checked.append((self.checking.pop(future), error))
                else:
                    self._receive(pool, self.running.pop(future), future.result())
        self.back.pop(number)
        self._commit(number, [back[island] for island in sorted(back)])
        self._set_out(pool)
        return True

    def _submit(self, pool: Executor, island: int, known: int | None = None) -> None:
        """Send the next epoch of an island; the worker is known to know its first `known` epochs, if given."""
        state, news = self._begin(island), self.news[island]
        first = len(news)
        if known is None:
            size = 0
            while first > 0 and (first == len(news) or size + len(news[first - 1]) <= CARRIED):
                first -= 1
                size += len(news[first])
        else:
            first = known
        job = Job(state, self.limit(island), first, tuple(news[first:]))
        self.running[pool.submit(report_epoch, job)] = island

    def _receive(self, pool: Executor, island: int, answer: Report | Behind) -> None:
        if isinstance(answer, Behind):
            return self._submit(pool, island, answer.epochs)
        number = answer.state.epoch
        self.back.setdefault(number, {})[island] = answer
        self.news[island].append(answer.news)
        if answer.usage is not None:
            self.seconds[island] = sum(answer.usage.phases.values())
        if number == self.round + 1:
            self.store.add_epoch(island, number, answer.parts)
            self._queue(answer.state)
        best = min(self.status.best, answer.state.best, key=lambda m: (m.fitness, m.island))
        formulas = self.status.formulas if best is self.status.best else self._formulas(best)
        made, fitted = self.status.candidates + answer.made, self.status.fitted + answer.families
        self.status = Status(made, fitted, best, formulas, self.config.unit)
        self.display.update(self.status)

    def _formulas(self, member: Individual) -> list[tuple[str, str]]:
        """Channel and formula of what is searched, for people who look."""
        if not self.display.shows_formulas:
            return []
        channels = self.problem.functional("", member, self.parts).channels
        return [(k, channels[k].expression.named) for k in self.config.channels]

    def _commit(self, number: int, results: Sequence[Report]) -> None:
        """Make a complete round part of the run."""
        before = self.best
        after = {s.island: s for s in self.states} | {r.state.island: r.state for r in results}
        states = [self._moved(after[k]) for k in sorted(after)]
        self._take(results, states)
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
                f"{best.validation:.6g}, fitness {best.fitness:.6g} {self.config.unit}",
                island=best.island,
                candidate=best.number,
                complexity=best.complexity,
                **_losses(best),
            )
            self._keep_best()

    def _take(self, results: Sequence[Report], states: Sequence[IslandState]) -> None:
        """Store the results of a round with the states after it, in the order of the islands."""
        found_out = self._take_checks()
        new = (m for r in results for m in r.front)
        # who was found out has hidden others, as far as they are still there
        hidden = (m for s in states for m in s.population) if found_out else ()
        banned = self.checks.banned
        self.archive = pareto_front(m for m in (*self.archive, *new, *hidden) if m.fingerprint not in banned)
        self.checks.forget(self.archive)
        for result in results:
            if result.usage is not None:
                self.totals.add(result.usage)
        now = time.monotonic()
        self.elapsed, self.started = self.elapsed + now - self.started, now
        self.lock.check()
        families = self.families + sum(r.families for r in results)
        usage = {"families": families, "checks": self.checks.to_dict(), **self.totals.to_dict()}
        with self.totals.clock.phase("commit"):
            texts = {id(m): t for r in results for m, t in zip(members_of(r.state), r.texts, strict=True)}
            self.store.commit_round(
                states, self.archive, self.elapsed, usage, lambda m: texts.get(id(m)) or individual_text(m)
            )
        if self.store.behind == 1:
            self.display.message(f"{self.store.path}: somebody reads it; rounds wait in memory until that is done")
        self.states, self.families = tuple(states), families
        for result in results:
            self._log_epoch(result, self.round)
        self.log.event(
            "checkpoint", round=self.round, candidates=self.candidates, families=families, seconds=self.elapsed
        )

    def _take_checks(self) -> bool:
        """The checks since the last round become part of the run; whether a member was found out."""
        stayed = []
        for member, error in self.checked:
            stayed.append(self.checks.take(member, error))
            who = f"island {member.island}, candidate {member.number}"
            text = f"{who} leaves: {error:.3g} kcal/mol beside its figure on the grid"
            self.log.event(
                "check",
                "" if stayed[-1] else text,
                island=member.island,
                candidate=member.number,
                error=error if math.isfinite(error) else None,
                stays=stayed[-1],
            )
        self.checked.clear()
        return not all(stayed)

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

    def failed(self, error: BaseException) -> None:
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
            families=self.families,
            seconds=self.elapsed,
            resources=self.totals.to_dict(),
        )

    def _keep_best(self) -> None:
        """The best so far, for those who look while the search goes on; in the end it is written anyway."""
        try:
            self._save_best()
        except WriteError as error:
            self.display.message(f"{error}; the search goes on")

    def _save_best(self) -> Functional:
        name = f"{self.config.preset}-{self.config.seed}"
        winner = self.problem.functional(name, self.best, self.parts)
        write_best(self.path, winner)
        return winner

    def _members(self) -> list[Member]:
        """The front as functionals, each fitted in the form that is printed; those that gain by that fit alone."""
        name = f"{self.config.preset}-{self.config.seed}"
        found: list[Member] = []
        for one in self.archive:
            form = self.problem.functional(f"{name}:{len(found)}", one, self.parts)
            member = Member(one, *self.problem.refitted(form))
            if not any(member.gains_nothing_on(simpler) for simpler in found):
                found.append(member)
        return found

    def _without_terms(
        self, member: Member, row: dict[str, Any], on_grid: OnGrid
    ) -> tuple[Member, list[dict[str, Any]]]:
        """The losses without each of a member's terms; and the member, or a better one that a rest led to."""
        better, parts = self.problem.without_terms(member.functional)
        if better == member.functional or self.config.template:  # a rest need not have the template's form
            return member, parts
        figures = {split: parts[0][split] for split in ("train", "validation")}
        row |= {"functional": better.to_dict(), **figures}
        losses = {**member.losses, "after": figures["train"], "validation": figures["validation"]}
        (checked,) = self.problem.assess([better], self.display, on_grid=on_grid).members
        return replace(member, functional=better, losses=losses, checked=checked), parts

    def finish(self, report: bool = True, verify: bool = False) -> None:
        """The winner, its figures on all splits, checked on integration grids, and the summary."""
        on_grid: OnGrid = "none" if not report else "all" if verify else "sample"
        with self.totals.clock.phase("report"):
            members = self._members()
            assessed = self.problem.assess([m.functional for m in members], self.display, on_grid=on_grid)
            members = [replace(m, checked=c) for m, c in zip(members, assessed.members, strict=True)]
            rows = front_rows(
                members, self.config.node_tolerance, self.problem.counts.get("train", 0), self.config.select
            )
            index = next(k for k, row in enumerate(rows) if row["picked"])
            parts: list[dict[str, Any]] = []
            if report:
                members[index], parts = self._without_terms(members[index], rows[index], on_grid)
            picked = members[index]
            winner = replace(picked.functional, name=f"{self.config.preset}-{self.config.seed}")
            write_best(self.path, winner)
            write_front(self.path, rows)
            own = replace(assessed, members=(picked.checked,))
            figures = {**self.problem.report(winner, self.display, own), "contributions": parts} if report else None
        if figures is not None:
            self.log.event("report", rows=figures["rows"][:1], grid=figures["grid"])
        made, fitted = self.store.counts()
        summary = run_summary(
            picked,
            winner,
            rows,
            self.config.select,
            counts=(made, fitted),
            seconds=self.elapsed,
            complete=self.done(),
            report=figures,
            refit=dict(picked.losses),
            check=picked.checked.to_dict(),
            resources=self.totals.to_dict(),
            unit=self.config.unit,
        )
        if self.config.stop_below > 0:
            summary["reached"] = self.store.first_below(self.config.stop_below)
        write_text(self.path / SUMMARY, json.dumps(summary, indent=2) + "\n")
        status = "complete" if self.done() else "stopped"
        self._end(status, f"{status}: {made} candidates, {fitted} fitted, {self.elapsed:.1f} s")


def _losses(member: Individual) -> dict[str, float]:
    return {"train": member.train, "validation": member.validation, "fitness": member.fitness}
