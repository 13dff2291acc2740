"""What an executor's workers do: epochs of islands.

A worker is set up once, from the configuration: it opens the data itself and prepares the rules. A job then carries
the state of one island and the families that the island fitted last. A worker that has not followed this island says
so (`Behind`) when it needs more, and gets the job again with all that it lacks.

An island recognises the families that it fitted itself, and those of migrants in its population. What others fitted
would save it one fit in a hundred (docs/clusters.md), and telling it would grow with the square of the islands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..common.clock import Clock, Usage
from ..evolve.evaluation import Known
from ..evolve.island import EpochResult, Individual, IslandState, epoch, settle
from ..evolve.reselect import Reselect
from .checking import AT_ONCE
from .config import SearchConfig
from .setup import Problem, SearchParts, prepare
from .travel import Report, report, unpack_news

__all__ = [
    "Behind",
    "Job",
    "Memory",
    "Worker",
    "report_check",
    "report_epoch",
    "report_found",
    "run_epoch",
    "run_found",
    "set_up",
]


@dataclass
class Memory:
    """The families that an island fitted in its epochs before `epochs`, that of its bases included."""

    epochs: int = 0
    known: dict[str, Known] = field(default_factory=dict)


@dataclass
class Worker:
    """The context of a worker: rules, data, and what it knows of islands."""

    config: SearchConfig
    parts: SearchParts
    problem: Problem
    reselect: Reselect | None = None
    memories: dict[int, Memory] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One epoch of one island.

    Attributes:
        state: where the island stands.
        limit: number of candidates at which the island ends.
        since: the epoch that `news` starts with.
        news: families that the island fitted in its epochs from `since` on (`pack_news`), up to the last.
    """

    state: IslandState
    limit: int
    since: int
    news: tuple[bytes, ...]


@dataclass(frozen=True)
class Behind:
    """The answer of a worker that knows the first `epochs` epochs of the island only, fewer than a job builds on."""

    epochs: int


def set_up(config: SearchConfig, make: Callable[[SearchConfig], Problem]) -> Worker:
    """Make a worker's context."""
    parts, problem = prepare(config), make(config)
    if "reselect" not in parts.mutator.mutations.names:
        return Worker(config, parts, problem)
    chooser = Reselect(problem.rows(), parts.mutator.workspaces, parts.mutator.limits, config.constraints)
    return Worker(config, parts, problem, chooser)


def run_found(worker: Worker, island: int) -> EpochResult:
    """Fit the bases of an island."""
    parts, clock = worker.parts, Clock()
    with clock.phase("fit"):
        result = settle(
            parts.bases_of(island),
            island,
            parts.mutator.workspaces,
            parts.settings.rules,
            parts.fitness,
            worker.problem.evaluate,
        )
    return replace(result, usage=clock.usage())


def run_epoch(worker: Worker, job: Job) -> EpochResult | Behind:
    """Run one epoch, if the worker knows what the island knows."""
    end = job.since + len(job.news)
    memory = worker.memories.get(job.state.island)
    if memory is None or memory.epochs > end:  # it may know more when a job comes again: start afresh
        memory = worker.memories[job.state.island] = Memory()
    if memory.epochs < job.since:
        return Behind(memory.epochs)
    for news in job.news[memory.epochs - job.since :]:
        memory.known.update(unpack_news(news))
    memory.epochs = end
    parts, clock = worker.parts, Clock()
    result = epoch(
        job.state,
        memory.known,
        worker.config.seed,
        parts.settings,
        parts.mutator,
        parts.fitness,
        worker.problem.evaluate,
        parts.defaults,
        reselect=worker.reselect,
        limit=job.limit,
        clock=clock,
    )
    return replace(result, usage=clock.usage())


def report_found(worker: Worker, island: int) -> Report:
    """Fit the bases of an island, for a coordinator."""
    return report(run_found(worker, island))


def report_epoch(worker: Worker, job: Job) -> Report | Behind:
    """Run one epoch for a coordinator."""
    result = run_epoch(worker, job)
    return result if isinstance(result, Behind) else report(result)


def report_check(worker: Worker, member: Individual, done: int) -> tuple[float, Usage]:
    """The error of a member's energies on nodes, kcal/mol: the largest of its next reactions on their grids."""
    clock = Clock()
    with clock.phase("checks"):
        error = worker.problem.node_error(member, worker.parts, done, AT_ONCE)
    return error, clock.usage()
