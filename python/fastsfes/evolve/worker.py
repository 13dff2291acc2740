"""What an executor's workers do: epochs of islands.

A worker is set up once, from the configuration: it opens the data itself and prepares the rules. A job then carries
the state of one island and the families that became known since the worker last heard, so that little travels per
epoch. A worker that missed something says so (`Behind`) and gets the job again with all that it lacks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..config import SearchConfig
from .evaluation import Known
from .island import EpochResult, IslandState, epoch, found
from .setup import Problem, SearchParts, prepare
from .travel import Report, report, unpack_news
from .usage import Clock

__all__ = ["Behind", "Job", "Worker", "report_epoch", "report_found", "run_epoch", "run_found", "set_up"]


@dataclass
class Worker:
    """The context of a worker: rules, data, and the families known after the first `rounds` rounds."""

    config: SearchConfig
    parts: SearchParts
    problem: Problem
    known: dict[str, Known]
    rounds: int = 0


@dataclass(frozen=True)
class Job:
    """One epoch of one island.

    Attributes:
        state: where the island stands.
        limit: number of candidates at which the island ends.
        since: the round that `news` starts with.
        news: what became known in the rounds from `since` on (`pack_news`); with all of it the epoch starts.
    """

    state: IslandState
    limit: int
    since: int
    news: tuple[bytes, ...]


@dataclass(frozen=True)
class Behind:
    """The answer of a worker that knows the first `rounds` rounds only, fewer than a job builds on."""

    rounds: int


def set_up(config: SearchConfig, make: Callable[[SearchConfig], Problem]) -> Worker:
    """Make a worker's context."""
    return Worker(config, prepare(config), make(config), {})


def run_found(worker: Worker, island: int) -> EpochResult:
    """Fit the bases of an island."""
    parts, clock = worker.parts, Clock()
    with clock.phase("fit"):
        result = found(
            parts.bases_of(island),
            island,
            parts.mutator.workspaces,
            parts.settings.rules,
            parts.fitness,
            worker.problem.evaluate,
        )
    return replace(result, usage=clock.usage())


def run_epoch(worker: Worker, job: Job) -> EpochResult | Behind:
    """Run one epoch, if the worker knows what is known."""
    end = job.since + len(job.news)
    if worker.rounds > end:  # left over from a round that was given up: start afresh
        worker.known, worker.rounds = {}, 0
    if worker.rounds < job.since:
        return Behind(worker.rounds)
    for news in job.news[worker.rounds - job.since :]:
        worker.known.update(unpack_news(news))
    worker.rounds = end
    parts, clock = worker.parts, Clock()
    result = epoch(
        job.state,
        worker.known,
        worker.config.seed,
        parts.settings,
        parts.mutator,
        parts.fitness,
        worker.problem.evaluate,
        parts.defaults,
        limit=job.limit,
        clock=clock,
    )
    return replace(result, usage=clock.usage())


def report_found(worker: Worker, island: int) -> Report:
    """Fit the bases of an island, for a coordinator."""
    return report(run_found(worker, island), 0)


def report_epoch(worker: Worker, job: Job) -> Report | Behind:
    """Run one epoch for a coordinator."""
    result = run_epoch(worker, job)
    return result if isinstance(result, Behind) else report(result, worker.rounds)
