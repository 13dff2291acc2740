"""The executor of a Dask cluster that runs already: its scheduler is given by address or by scheduler file.

Encryption and certificates come from Dask's own configuration (distributed.comm.tls, or environment variables
DASK_DISTRIBUTED__COMM__TLS__...), as for every other client of the cluster. Dask gives the task of a dead worker to
another one by itself, a few times.
"""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any

from ..common.errors import FastsfesError, InputError
from ..common.reading import parse_json, read_text
from . import worker
from .core import ATTEMPTS, Job, QueueExecutor

try:
    import dask
    import distributed
    from dask.utils import parse_timedelta
except ImportError:
    raise InputError(
        'the executor "dask" needs the package distributed; install it with: pip install "fastsfes[dask]"'
    ) from None

__all__ = ["DaskExecutor"]

log = logging.getLogger("fastsfes.executors")

PATIENCE = 5.0
"""Seconds without any worker after which it is said."""

WORKERS = 300.0
"""Seconds to wait for the first workers; how long to wait for the scheduler is part of Dask's configuration."""


def _address_in(file: str) -> str:
    """The address in a scheduler file, which may be about to be written; Dask would wait for it for ever."""
    limit = parse_timedelta(dask.config.get("distributed.comm.timeouts.connect"))
    deadline = time.monotonic() + limit
    while True:
        try:
            data = parse_json(read_text(file, "a scheduler file"), file)
            if isinstance(data, dict) and isinstance(data.get("address"), str):
                return str(data["address"])
            problem = "it holds no address of a scheduler"
        except InputError as error:
            problem = str(error)
        if time.monotonic() > deadline:
            raise OSError(f"{problem}, for {limit:g} s")
        time.sleep(0.05)


class _ContextPlugin(distributed.WorkerPlugin):  # type: ignore[misc]  # optional, so mypy does not follow it
    """Gives the data of a context to every worker once, also to those that come later."""

    def __init__(self, token: str, data: bytes) -> None:
        self.token = token
        self.data = data

    def setup(self, worker: Any) -> None:
        from . import worker as here

        here.install(self.token, self.data)

    def teardown(self, worker: Any) -> None:
        from . import worker as here

        here.forget(self.token)


class DaskExecutor(QueueExecutor):
    """Workers of a Dask scheduler.

    Args:
        where: address of the scheduler, or the path of its scheduler file (``*.json``).
        workers: wait for this many before the first task; 0 for the first one.
        setup, arguments: make the context in every worker.
        attempts, timeout: see `QueueExecutor`.
    """

    def __init__(
        self,
        where: str,
        workers: int,
        setup: Callable[..., Any] | None,
        arguments: tuple[Any, ...],
        *,
        attempts: int = ATTEMPTS,
        timeout: float = 0.0,
    ) -> None:
        super().__init__(attempts, timeout)
        self._where = where
        self._token = f"fastsfes-{uuid.uuid4().hex}"
        try:
            address = _address_in(where) if where.endswith(".json") else where
            self._client = distributed.Client(address, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise FastsfesError(f"the Dask scheduler at {where} cannot be reached ({error}); is it running?") from None
        try:
            data = worker.pack((setup, arguments))
            self.statistics.setup_bytes = len(data)
            self._client.register_plugin(_ContextPlugin(self._token, data), name=self._token)
            self._client.wait_for_workers(max(workers, 1), timeout=WORKERS)
        except (OSError, TimeoutError) as error:
            self._client.close()
            raise FastsfesError(
                f"the Dask scheduler at {where} has fewer than {max(workers, 1)} workers after {WORKERS:g} s "
                f"({error}); start them with: dask worker --nthreads 1 ..."
            ) from None
        self._threads = 1
        self._gone = 0.0  # when the last worker left; 0 while there is one
        self._said = False
        self._futures: dict[int, Any] = {}
        self._refresh()
        self._tender.start()

    @property
    def workers(self) -> int:
        """Threads of all workers that there are now."""
        return self._threads

    def _refresh(self) -> None:
        try:
            found = sum(self._client.nthreads().values())
        except (OSError, RuntimeError, ValueError):  # futures tell when the scheduler is gone for good
            return
        self._threads = max(1, found)
        if found:
            if self._said:
                log.warning("the Dask scheduler at %s has workers again", self._where)
            self._gone, self._said = 0.0, False
        elif not self._gone:
            self._gone = time.monotonic()
        elif not self._said and self.silent > PATIENCE:
            self._said = True
            log.warning(
                "the Dask scheduler at %s has no worker any more; waiting for one. Start it with: dask worker "
                "--nthreads 1 ...", self._where,
            )  # fmt: skip

    @property
    def silent(self) -> float:
        """Seconds since there was a worker; 0 when there is one."""
        return time.monotonic() - self._gone if self._gone else 0.0

    def _capacity(self) -> int:
        return self._threads

    def _send(self, job: Job) -> None:
        key = f"{self._token}-{job.number}-{len(job.reasons)}"
        future = self._client.submit(worker.perform, self._token, job.data, key=key, pure=False)
        self._futures[job.number] = future
        future.add_done_callback(lambda done: self._collect(job, done))

    def _collect(self, job: Job, future: Any) -> None:
        """Called in a thread of Dask's client."""
        if self._closed.is_set():
            return
        self._futures.pop(job.number, None)
        try:
            reply = future.result(timeout=WORKERS)
        except distributed.KilledWorker as error:
            where = error.last_worker.address
            reason = f"every Dask worker that tried it died, the last one at {where} (is there enough memory?)"
            self._lose(job, reason, final=True)
        except Exception as error:  # cancelled with its scheduler
            self._break(f"the Dask scheduler at {self._where} was lost ({error})")
        else:
            self._reply(job, reply)

    def _abandon(self, job: Job) -> None:
        """Have the scheduler part with the worker that is silent; it gives the task to another one."""
        reason = f"a Dask worker gave no answer for {self._timeout * 2 ** len(job.reasons):g} s"
        if len(job.reasons) + 1 >= self._attempts:
            self._lose(job, reason)
            return
        key = self._futures[job.number].key if job.number in self._futures else None
        for address, keys in self._client.processing().items():
            if key in keys:
                log.warning("%s (%s); its task is run again", reason, address)
                self._client.run_on_scheduler(_remove, address=address)
        job.reasons.append(reason)
        job.started = time.monotonic()
        self.statistics.lost += 1

    def _end(self) -> None:
        futures = list(self._futures.values())
        with contextlib.suppress(Exception):  # the scheduler may be gone already
            self._client.cancel(futures, force=True)
            self._client.unregister_worker_plugin(self._token)
        self._client.close(timeout=10)


async def _remove(address: str, dask_scheduler: Any) -> None:
    """Run on the scheduler."""
    await dask_scheduler.remove_worker(address, stimulus_id=f"fastsfes-{time.time()}", expected=True)
