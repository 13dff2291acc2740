"""What all executors share: a queue, futures, and repetition of tasks whose worker was lost.

At most as many tasks as there are workers are on their way at any time, so that the clock of a task starts when a
worker has it, and a lost worker takes one task with it.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from ..common.errors import FastsfesError
from .worker import pack, unpack

__all__ = ["Executor", "Job", "QueueExecutor", "Statistics", "WorkerLost", "cancel"]

log = logging.getLogger("fastsfes.executors")

ATTEMPTS = 3
"""How often a task is tried when its workers are lost."""


class WorkerLost(FastsfesError):
    """A task could not be done because every worker that tried was lost."""


@dataclass
class Statistics:
    """What an executor has done: counts of tasks, bytes sent and received, seconds spent in tasks.

    Attributes:
        tasks: finished tasks, each counted once.
        lost: attempts that ended with their worker.
        setup_bytes: size of the context's data, sent once to each worker.
        sent, received: bytes of tasks and of results.
        seconds: sum over the workers of the time in tasks.
    """

    tasks: int = 0
    lost: int = 0
    setup_bytes: int = 0
    sent: int = 0
    received: int = 0
    seconds: float = 0.0


class Executor(ABC):
    """Runs ``task(context, *args)`` somewhere; make one with `open_executor` and use it as a context manager."""

    def __init__(self) -> None:
        self.statistics = Statistics()

    @property
    @abstractmethod
    def workers(self) -> int:
        """Number of tasks that can be worked on at a time."""

    @property
    def silent(self) -> float:
        """Seconds since there was a worker; 0 when there is one."""
        return 0.0

    @abstractmethod
    def submit(self, task: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Have ``task(context, *args)`` done; task and arguments must be picklable and the task pure."""

    def wait(
        self, futures: Iterable[Future[Any]], timeout: float | None = None
    ) -> tuple[set[Future[Any]], set[Future[Any]]]:
        """Wait until one of the futures is done, or for `timeout` seconds; returns those done and the others."""
        done, rest = concurrent.futures.wait(set(futures), timeout, FIRST_COMPLETED)
        return done, rest

    @abstractmethod
    def close(self) -> None:
        """End the workers at once; what is not finished is cancelled."""

    def __enter__(self) -> Executor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def cancel(future: Future[Any]) -> None:
    """Cancel a future whether its task has begun or not, and tell those who wait for it."""
    if future.cancel():
        future.set_running_or_notify_cancel()
    elif not future.done():
        future.set_exception(concurrent.futures.CancelledError())


def _claim(future: Future[Any]) -> bool:
    """Whether a task that leaves the queue is still wanted; it may have been there before."""
    if future.running():
        return True
    if future.done() and not future.cancelled():
        return False  # answered by a worker that had been given up
    return future.set_running_or_notify_cancel()


def _failed(what: str, error: BaseException) -> WorkerLost:
    made = WorkerLost(f"{what} ({type(error).__name__}: {error})")
    made.__cause__ = error
    return made


@dataclass
class Job:
    """A task on its way through a `QueueExecutor`."""

    number: int
    name: str
    data: bytes
    future: Future[Any]
    reasons: list[str] = field(default_factory=list)
    started: float = 0.0


class QueueExecutor(Executor):
    """An executor whose workers are other processes.

    Back ends give `_capacity`, `_send` and `_abandon`, and report each job that was sent by `_reply` or `_lose`.

    Args:
        attempts: how often a task is tried when its workers are lost.
        timeout: seconds after which a worker that has not answered counts as lost; doubled with every repetition of a
            task. 0 for never.
    """

    def __init__(self, attempts: int = ATTEMPTS, timeout: float = 0.0) -> None:
        super().__init__()
        self._attempts = attempts
        self._timeout = timeout
        self._numbers = itertools.count()
        self._lock = threading.RLock()
        self._queue: deque[Job] = deque()
        self._running: dict[int, Job] = {}
        self._broken = ""
        self._closed = threading.Event()
        self._tender = threading.Thread(target=self._tend, name="fastsfes-executor", daemon=True)

    @abstractmethod
    def _capacity(self) -> int:
        """How many jobs may be on their way."""

    @abstractmethod
    def _send(self, job: Job) -> None:
        """Start a job; returns at once."""

    @abstractmethod
    def _abandon(self, job: Job) -> None:
        """Give up waiting for the worker that has this job; the job is then reported as lost."""

    def _refresh(self) -> None:
        """Look whether workers came or went; called about once a second."""

    def submit(self, task: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Queue a task; see `Executor.submit`."""
        data = pack((task, args))
        future: Future[Any] = Future()
        with self._lock:
            if self._closed.is_set():
                raise FastsfesError("this executor is closed; open another one")
            if self._broken:
                raise WorkerLost(self._broken)
            job = Job(next(self._numbers), getattr(task, "__qualname__", str(task)), data, future)
            self._queue.append(job)
        self._dispatch()
        return future

    def _dispatch(self) -> None:
        with self._lock:
            while self._queue and len(self._running) < self._capacity() and not self._closed.is_set():
                job = self._queue.popleft()
                if not _claim(job.future):
                    continue
                job.started = time.monotonic()
                self._running[job.number] = job
                self.statistics.sent += len(job.data)
                try:
                    self._send(job)
                except Exception as error:
                    self._running.pop(job.number)
                    job.future.set_exception(_failed(f"{job.name} could not be sent to a worker", error))

    def _reply(self, job: Job, reply: bytes) -> None:
        """A worker has done its job."""
        with self._lock:
            self._running.pop(job.number, None)
            self.statistics.received += len(reply)
            first = not job.future.done()  # a worker that was given up may answer after all
        if first:
            try:
                seconds = unpack(reply, job.future.set_exception, job.future.set_result)
            except Exception as error:  # of a class that is not known here, or of memory that ends
                job.future.set_exception(_failed(f"the answer to {job.name} cannot be read", error))
                seconds = 0.0
            with self._lock:
                self.statistics.tasks += 1
                self.statistics.seconds += seconds
        self._dispatch()

    def _lose(self, job: Job, reason: str, final: bool = False) -> None:
        """The worker of a job is gone: do it again, but not for ever."""
        with self._lock:
            self._running.pop(job.number, None)
            if self._closed.is_set():
                return
            self.statistics.lost += 1
            job.reasons.append(reason)
            again = not final and len(job.reasons) < self._attempts
            if again:
                self._queue.appendleft(job)
        if again:
            log.warning("%s; its task is run again", reason)
        elif not job.future.done():
            job.future.set_exception(
                WorkerLost(
                    f"{job.name} could not be done, its worker was lost each time "
                    f"({'; '.join(dict.fromkeys(job.reasons))})"
                )
            )
        self._dispatch()

    def _break(self, reason: str) -> None:
        """All workers are gone for good."""
        with self._lock:
            self._broken = reason
            jobs = [*self._queue, *self._running.values()]
            self._queue.clear()
            self._running.clear()
        for job in jobs:
            if not job.future.done():
                job.future.set_exception(WorkerLost(reason))

    def _tend(self) -> None:
        while not self._closed.wait(min(1.0, self._timeout / 4 or 1.0)):
            try:
                self._look()
            except Exception as error:  # nobody would be answered any more
                self._break(str(_failed("the executor failed", error)))
                return

    def _look(self) -> None:
        """Give up workers that are late, and use those that came."""
        self._refresh()
        now = time.monotonic()
        with self._lock:
            late = [
                job
                for job in self._running.values()
                if self._timeout and now - job.started > self._timeout * 2 ** len(job.reasons)
            ]
        for job in late:
            self._abandon(job)
        self._dispatch()

    def close(self) -> None:
        """End the workers; see `Executor.close`."""
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            waiting = [*self._queue, *self._running.values()]
            self._queue.clear()
        self._end()
        for job in waiting:
            cancel(job.future)
        if self._tender.is_alive():
            self._tender.join()

    @abstractmethod
    def _end(self) -> None:
        """End the workers."""
