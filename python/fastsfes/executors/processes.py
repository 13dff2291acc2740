"""The executor of processes on this machine: spawned, each with its share of the threads, replaced when they die."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from ..common import signals
from ..common.errors import FastsfesError
from . import worker
from .core import ATTEMPTS, Job, QueueExecutor
from .threads import available_cores, thread_environment, threads_per_worker

__all__ = ["ProcessExecutor"]

GUARD = 'a script that starts workers has to do so under: if __name__ == "__main__":'


def _serve(connection: Connection, data: bytes) -> None:
    """Main function of a worker process."""
    signals.ignore()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    worker.install("", data)
    try:
        while True:
            connection.send_bytes(worker.perform("", connection.recv_bytes()))
    except (EOFError, OSError):
        os._exit(1)


def _end_with_parent() -> None:
    """A killed parent cannot stop its workers, and they would go on for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _name(number: int) -> str:
    """The name of a signal; real-time signals have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class _Slot:
    """One place for a worker: a thread that feeds a process, and starts another one when it has died."""

    def __init__(self, pool: ProcessExecutor) -> None:
        self.pool = pool
        self.job: Job | None = None
        self.process: SpawnProcess | None = None
        self.connection: Connection | None = None
        self.reason = ""
        self.served = 0
        self.thread = threading.Thread(target=self._run, name="fastsfes-slot", daemon=True)

    def _run(self) -> None:
        while (job := self.pool.inbox.get()) is not None:
            self.reason, self.job = "", job
            try:
                reply = self._attempt(job)
            except Exception as error:  # whatever it is, the job has to be answered
                reason = self._bury(error)
                self.job = None
                self.pool._lose(job, reason)
            else:
                self.served += 1
                self.job = None
                self.pool._reply(job, reply)

    def _attempt(self, job: Job) -> bytes:
        if self.process is None:
            with self.pool.starting:
                if self.pool._closed.is_set():
                    raise EOFError("the executor was closed")
                self._start()
        assert self.connection is not None
        assert self.process is not None
        self.connection.send_bytes(job.data)
        # A process that was killed while it started still shares the other end with nobody, but look at both.
        wait([self.connection, self.process.sentinel])
        return self.connection.recv_bytes()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        connection, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self.pool.data), name="fastsfes-worker")
        try:
            with thread_environment(self.pool.threads):
                process.start()
        except BaseException:
            connection.close()
            raise
        finally:
            theirs.close()
        self.connection, self.process, self.served = connection, process, 0

    def _bury(self, error: BaseException) -> str:
        """Make sure that the process is gone; returns what happened to it."""
        if self.process is None:
            return f"a worker process could not be started ({error})"
        process, self.process = self.process, None
        process.kill()
        process.join()
        code, pid = process.exitcode, process.pid
        process.close()
        if self.connection is not None:
            self.connection.close()
        if self.reason:
            return self.reason
        if code is not None and code < 0:
            return f"worker process {pid} was ended by {_name(-code)} (is there enough memory?)"
        hint = "" if self.served or code != 1 else f"; {GUARD}"
        return f"worker process {pid} ended with status {code}{hint}"

    def kill(self, reason: str) -> None:
        """End the process; the thread notices."""
        process = self.process
        if process is not None:
            self.reason = reason
            with contextlib.suppress(ValueError):  # closed meanwhile
                process.kill()


class ProcessExecutor(QueueExecutor):
    """Worker processes of this machine.

    Args:
        workers: number of processes; 0 for one per core that this process may use.
        setup, arguments: make the context in every worker.
        threads: threads of each worker; 0 for its share of the cores.
        attempts, timeout: see `QueueExecutor`.
    """

    def __init__(
        self,
        workers: int,
        setup: Callable[..., Any] | None,
        arguments: tuple[Any, ...],
        *,
        threads: int = 0,
        attempts: int = ATTEMPTS,
        timeout: float = 0.0,
    ) -> None:
        super().__init__(attempts, timeout)
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise FastsfesError(f"a worker process imports the script that started it; {GUARD}")
        count = workers or available_cores()
        self.threads = threads or threads_per_worker(count)
        self.data = worker.pack((setup, arguments))
        self.statistics.setup_bytes = len(self.data)
        self.inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.starting = threading.Lock()
        self._slots = [_Slot(self) for _ in range(count)]
        for slot in self._slots:
            slot.thread.start()
        atexit.register(self.close)  # before multiprocessing waits for its processes
        if timeout:
            self._tender.start()

    @property
    def workers(self) -> int:
        """Number of worker processes."""
        return len(self._slots)

    def pids(self) -> list[int]:
        """Identifiers of the worker processes that run now."""
        return [pid for s in self._slots if (p := s.process) is not None and (pid := p.pid) is not None]

    def _capacity(self) -> int:
        return len(self._slots)

    def _send(self, job: Job) -> None:
        self.inbox.put(job)

    def _abandon(self, job: Job) -> None:
        for slot in self._slots:
            if slot.job is job:
                slot.kill(f"a worker process gave no answer for {self._timeout * 2 ** len(job.reasons):g} s")

    def _end(self) -> None:
        atexit.unregister(self.close)
        for _ in self._slots:
            self.inbox.put(None)
        with self.starting:
            for slot in self._slots:
                slot.kill("closed")
        for slot in self._slots:
            slot.thread.join()
            slot.kill("closed")
            if slot.process is not None:
                slot._bury(EOFError())
