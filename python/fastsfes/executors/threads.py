"""How many cores this process may use, and the environment that tells every thread pool its share."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""Set together: a library that is told nothing would start a thread for every core of the machine."""

_environment = threading.Lock()


def available_cores() -> int:
    """Cores that this process may use: its affinity mask, and what Slurm gave to the task (SLURM_CPUS_PER_TASK)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return min(cores, int(given)) if given.isdigit() and int(given) > 0 else cores


def threads_per_worker(workers: int) -> int:
    """Threads of each of several workers on this machine: its share of the cores, at most OMP_NUM_THREADS."""
    share = max(1, available_cores() // workers)
    limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(share, int(limit)) if limit.isdigit() and int(limit) > 0 else share


@contextmanager
def thread_environment(threads: int) -> Iterator[None]:
    """Let processes that are started meanwhile begin with this many threads; thread pools read it only at start."""
    with _environment:
        saved = {name: os.environ.get(name) for name in THREAD_VARIABLES}
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
        try:
            yield
        finally:
            for name, value in saved.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
