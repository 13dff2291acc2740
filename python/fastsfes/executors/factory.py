"""From a specification to an executor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..common.errors import InputError
from .core import ATTEMPTS, Executor

__all__ = ["check_executor", "open_executor"]


def check_executor(spec: str) -> str:
    """The specification, when it is one; raises `InputError` otherwise."""
    if spec in ("local", "processes", "mpi") or (spec.startswith("dask:") and len(spec) > len("dask:")):
        return spec
    raise InputError(
        f'executor "{spec}" is unknown; expected local, processes, dask:ADDRESS (as in dask:tcp://host:8786), '
        f"dask:FILE.json (a scheduler file) or mpi"
    )


def open_executor(
    spec: str = "local",
    workers: int = 0,
    setup: Callable[..., Any] | None = None,
    arguments: tuple[Any, ...] = (),
    *,
    threads: int = 0,
    attempts: int = ATTEMPTS,
    timeout: float = 0.0,
) -> Executor:
    """Open an executor; leaving its ``with`` block ends the workers.

    Args:
        spec: "local", "processes", "dask:ADDRESS", "dask:FILE.json" or "mpi".
        workers: number of worker processes; for Dask the number to wait for before the first task. 0 for one per core
            (processes) or those that there are (Dask, MPI).
        setup: importable function that makes the context of a worker's tasks, once per worker process.
        arguments: plain data for `setup`, sent to each worker once.
        threads: threads per worker process; 0 for its share of the cores. Workers of Dask and MPI have what they were
            started with.
        attempts: how often a task is tried when its workers are lost, before `WorkerLost` is its result.
        timeout: seconds after which a worker that gives no answer counts as lost; 0 for never.

    Raises:
        InputError: when the specification is unknown or its package is not installed.
        FastsfesError: when the cluster cannot be reached.
    """
    check_executor(spec)
    if workers < 0:
        raise InputError(f"workers is {workers}; expected a number of workers, or 0 for as many as there are")
    if spec == "local":
        from .local import LocalExecutor

        return LocalExecutor(setup, arguments)
    if spec == "processes":
        from .processes import ProcessExecutor

        return ProcessExecutor(workers, setup, arguments, threads=threads, attempts=attempts, timeout=timeout)
    if spec == "mpi":
        from .mpi import MpiExecutor

        return MpiExecutor(setup, arguments, attempts=attempts, timeout=timeout)
    from .dask_cluster import DaskExecutor

    return DaskExecutor(spec[len("dask:") :], workers, setup, arguments, attempts=attempts, timeout=timeout)
