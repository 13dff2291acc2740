"""SCF calculations kept in a work folder: in parallel, wherever an executor runs them, resumable after any kill.

Each finished calculation is one small file, named by a hash of everything that determines its result and written
atomically. A later run with the same folder computes only what is absent. Density builds and validations differ in
what they compute and in what a file holds, not in how they get there.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from ..common.errors import FastsfesError, InputError
from ..common.files import make_parent
from ..executors import available_cores, check_executor, open_executor
from .basis import has_ecp
from .maker import is_whole
from .record import FloatArray
from .settings import ScfSettings

#: Coordinates are compared after rounding to this many decimals of an angstrom.
_DECIMALS = 9


@dataclass(frozen=True)
class Job:
    """One SCF calculation: a geometry, a state and the settings."""

    name: str
    symbols: tuple[str, ...]
    coordinates: FloatArray
    charge: int
    spin: int
    settings: ScfSettings

    @property
    def label(self) -> str:
        """What messages call it; unique within a run."""
        return self.name

    @property
    def key(self) -> str:
        """Hash of what determines the result; equal geometries share it wherever they stand."""
        return hashlib.sha256(json.dumps(self.payload(), sort_keys=True).encode()).hexdigest()[:20]

    @property
    def cost(self) -> float:
        """Rough relative cost, used to start the longest calculations first."""
        from pyscf.data.elements import charge as nuclear_charge

        size = sum(1.0 if nuclear_charge(s) == 1 else 2.2 for s in self.symbols)
        return size**3 * (2.0 if self.spin else 1.0)

    def payload(self) -> dict[str, Any]:
        """Plain data that `key` is the hash of."""
        moved = np.asarray(self.coordinates, dtype=float) - np.asarray(self.coordinates[0], dtype=float)
        settings = self.settings.as_dict()
        # A stability check refines a result: an unchecked one is where it starts, not a different result.
        del settings["stability"]
        for name in ("basis", "density_fit", "grid", *(() if is_whole(self.settings.xc) else ("xc",))):
            settings[name] = str(settings[name]).lower()
        # What counts is the ECP that the atoms get: most have none, whatever the settings say.
        if not has_ecp(self.symbols, self.settings.basis, self.settings.ecp):
            del settings["ecp"]
        return {
            "symbols": list(self.symbols),
            # Adding zero turns -0.0 into 0.0.
            "coordinates": (np.round(moved, _DECIMALS) + 0.0).tolist(),
            "charge": self.charge,
            "spin": self.spin,
            "settings": settings,
        }


J = TypeVar("J", bound=Job)

#: One line on how a calculation ended, and whether it converged; None when it failed.
Outcome = tuple[str, bool | None]


@dataclass(frozen=True)
class Progress:
    """Where a run stands; passed to the progress callback after every finished calculation."""

    done: int
    total: int
    name: str
    converged: bool
    message: str
    seconds: float


@dataclass(frozen=True)
class WorkResult(Generic[J]):
    """What `run_jobs` did: its share of the jobs, reasons of failures by key, and counts of distinct calculations."""

    jobs: list[J]
    failed: dict[str, str]
    computed: int
    reused: int


def run_jobs(
    jobs: Iterable[J],
    folder: Path,
    finished: Callable[[Path, J], bool],
    compute: Callable[[Any, J], Outcome],
    *,
    setup: Callable[..., Any],
    arguments: tuple[Any, ...],
    workers: int = 1,
    executor: str = "",
    shard: tuple[int, int] = (1, 1),
    progress: Callable[[Progress], None] | None = None,
) -> WorkResult[J]:
    """Do what is not yet in the work folder.

    Args:
        jobs: what to compute; jobs of equal key are computed once.
        folder: the work folder; made when absent, kept afterwards. Workers elsewhere must see it under the same path.
        finished: whether a job's file, in the folder given, is there and whole.
        compute: importable function that computes a job in a worker's context and writes its file.
        setup, arguments: make the context, once per worker.
        workers: worker processes, each with a single thread; 0 for all that the executor has.
        executor: who computes, see `fastsfes.executors.open_executor`; by default this process with all threads, or,
            for two workers and more, processes of this machine.
        shard: (i, n) to compute only every n-th of the calculations, starting with the i-th (1 <= i <= n). Shards of
            one run are disjoint, whoever runs them when; the run without one finds their files.
        progress: called in this process after every finished calculation.
    """
    jobs = list(jobs)
    labels = [job.label for job in jobs]
    if len(set(labels)) != len(labels):
        twice = sorted({label for label in labels if labels.count(label) > 1})
        raise InputError(f"species {twice[0]!r} is listed twice; names must be unique")
    first, count = shard
    if not 1 <= first <= count:
        raise InputError(f"shard {first}/{count} does not exist; expected I/N with I from 1 to N")
    executor = check_executor(executor or ("local" if workers <= 1 else "processes"))
    make_parent(folder / "any")
    by_key: dict[str, J] = {}
    for job in jobs:
        by_key.setdefault(job.key, job)
    # Shards are made from all jobs in order of cost, so that they do not depend on what is done and weigh the same.
    ordered = sorted(by_key.values(), key=lambda job: (-job.cost, job.key))
    by_key = {job.key: job for job in ordered[first - 1 :: count]}
    jobs = [job for job in jobs if job.key in by_key]
    todo = [job for job in by_key.values() if not finished(folder, job)]
    failed: dict[str, str] = {}
    done = reused = len(by_key) - len(todo)
    started = time.perf_counter()
    if executor == "processes":
        workers = min(workers or available_cores(), max(len(todo), 1))
    if todo:
        with open_executor(executor, workers, setup, arguments, threads=1) as pool:
            waiting = {pool.submit(_attempt, compute, job): job for job in todo}
            while waiting:
                for future in pool.wait(waiting)[0]:
                    job = waiting.pop(future)
                    try:
                        message, converged = future.result()
                    except FastsfesError as error:  # its worker was lost, again and again; the others go on
                        message, converged = str(error), None
                    done += 1
                    if converged is None:
                        failed[job.key] = message
                    if progress is not None:
                        seconds = time.perf_counter() - started
                        progress(Progress(done, len(by_key), job.label, bool(converged), message, seconds))
    return WorkResult(jobs, failed, len(todo) - len(failed), reused)


def _attempt(context: Any, compute: Callable[[Any, Job], Outcome], job: Job) -> Outcome:
    """Compute a job in a worker; whatever goes wrong concerns this job alone."""
    try:
        return compute(context, job)
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0], None
