"""The executor of the ranks of an MPI job: ``mpiexec -n N python -m mpi4py.futures -m fastsfes ...``.

Rank 0 is the coordinator, the others work. MPI ends the whole job when a rank dies; a run is then
resumed by the next job.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from typing import Any

from ..common import signals
from ..common.errors import InputError
from . import worker
from .core import ATTEMPTS, Job, QueueExecutor

try:
    from mpi4py import MPI
    from mpi4py.futures import MPIPoolExecutor, _core
except (ImportError, RuntimeError) as problem:
    raise InputError(
        f'the executor "mpi" needs mpi4py and an MPI library ({problem}); install it with: pip install "fastsfes[mpi]"'
    ) from None

__all__ = ["MpiExecutor", "end"]

COMMAND = "mpiexec -n N python -m mpi4py.futures -m fastsfes ..."


_stalled = False
"""Whether a rank was given up that may never end."""


def end(status: int) -> None:
    """Last of all: end the ranks that were given up, for which MPI would wait for ever."""
    if _stalled:
        sys.stdout.flush()
        sys.stderr.flush()
        MPI.COMM_WORLD.Abort(status)


def _start(token: str, data: bytes) -> None:
    signals.ignore()
    worker.install(token, data)


class MpiExecutor(QueueExecutor):
    """The ranks of MPI_COMM_WORLD but the first.

    Args:
        setup, arguments: make the context in every worker.
        attempts, timeout: see `QueueExecutor`; a rank that gives no answer is not used again.
    """

    def __init__(
        self,
        setup: Callable[..., Any] | None,
        arguments: tuple[Any, ...],
        *,
        attempts: int = ATTEMPTS,
        timeout: float = 0.0,
    ) -> None:
        super().__init__(attempts, timeout)
        size = MPI.COMM_WORLD.Get_size()
        if size < 2 or getattr(_core, "SharedPool", None) is None:
            raise InputError(
                f'the executor "mpi" found no workers among {size} MPI ranks; start the program with: {COMMAND}'
            )
        self._ranks: int = size - 1
        self._silent: set[tuple[int, int]] = set()
        self._token = f"fastsfes-{uuid.uuid4().hex}"
        data = worker.pack((setup, arguments))
        self.statistics.setup_bytes = len(data)
        self._pool = MPIPoolExecutor(initializer=_start, initargs=(self._token, data))
        if timeout:
            self._tender.start()

    @property
    def workers(self) -> int:
        """Ranks that answer."""
        return self._capacity()

    def _capacity(self) -> int:
        return max(1, self._ranks - len(self._silent))

    def _send(self, job: Job) -> None:
        attempt = len(job.reasons)
        future = self._pool.submit(worker.perform, self._token, job.data)
        future.add_done_callback(lambda done: self._collect(job, attempt, done))

    def _collect(self, job: Job, attempt: int, future: Any) -> None:
        """Called in the thread of mpi4py."""
        if self._closed.is_set():
            return
        self._silent.discard((job.number, attempt))
        error = future.exception()
        if error is None:
            self._reply(job, future.result())
        elif attempt == len(job.reasons):  # else it was given up, and is in the queue again
            self._lose(job, f"MPI: {type(error).__name__}: {error}")

    def _abandon(self, job: Job) -> None:
        self._silent.add((job.number, len(job.reasons)))
        self._lose(job, f"an MPI rank gave no answer for {self._timeout * 2 ** len(job.reasons):g} s")

    def _end(self) -> None:
        global _stalled
        _stalled = _stalled or bool(self._silent)
        self._pool.shutdown(wait=not self._silent, cancel_futures=True)
