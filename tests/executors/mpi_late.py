"""Started by a test: a rank that was given up fails after all, while its task is with another one already."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from fastsfes.executors.core import QueueExecutor
from fastsfes.executors.mpi import MpiExecutor
from fastsfes.executors.worker import pack


class Pool:
    """Keeps what mpi4py would do."""

    def __init__(self) -> None:
        self.futures: list[Future[bytes]] = []

    def submit(self, *_: Any) -> Future[bytes]:
        self.futures.append(Future())
        return self.futures[-1]

    def shutdown(self, **_: Any) -> None:
        pass


def main() -> None:
    executor = object.__new__(MpiExecutor)
    QueueExecutor.__init__(executor, timeout=60.0)
    executor._ranks, executor._silent, executor._token, executor._pool = 2, set(), "", Pool()
    future = executor.submit(print)
    (job,) = executor._running.values()
    executor._abandon(job)
    first, second = executor._pool.futures  # sent again
    first.set_exception(OSError("too late"))
    assert not future.done()
    assert len(executor._pool.futures) == 2
    second.set_result(pack((True, 7, 0.0)))
    assert future.result(timeout=0) == 7
    assert (executor.statistics.lost, executor.statistics.tasks) == (1, 1)
    assert not executor._running
    assert not executor._queue
    print("good")


if __name__ == "__main__":
    main()
