"""Densities of many species in parallel processes, resumable after a kill at any moment.

Each finished species is one small file in a work folder, named by a hash of everything
that determines the result and written atomically. A later run with the same folder
computes only what is absent; `collect` then reads the files. The caller's process alone
assembles libraries, so there is a single writer.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ..errors import FastsfesError, InputError
from ..executors import available_cores, open_executor
from .hdf5 import RecordError, read_record, write_atomically, write_record
from .record import DensityRecord, FloatArray
from .scf import compute_density
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
    def key(self) -> str:
        """Hash of what determines the result; equal geometries share it wherever they stand."""
        moved = np.asarray(self.coordinates, dtype=float) - np.asarray(self.coordinates[0], dtype=float)
        settings = self.settings.as_dict()
        # A stability check refines a result: an unchecked one is where it starts, not a different result.
        del settings["stability"]
        for name in ("basis", "density_fit", "xc", "grid"):
            settings[name] = str(settings[name]).lower()
        payload = {
            "symbols": list(self.symbols),
            # Adding zero turns -0.0 into 0.0.
            "coordinates": (np.round(moved, _DECIMALS) + 0.0).tolist(),
            "charge": self.charge,
            "spin": self.spin,
            "settings": settings,
        }
        return hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()[:20]

    @property
    def cost(self) -> float:
        """Rough relative cost, used to start the longest calculations first."""
        from pyscf.data.elements import charge as nuclear_charge

        size = sum(1.0 if nuclear_charge(s) == 1 else 2.2 for s in self.symbols)
        return size**3 * (2.0 if self.spin else 1.0)


@dataclass(frozen=True)
class Progress:
    """Where a build stands; passed to the progress callback after every finished species."""

    done: int
    total: int
    name: str
    converged: bool
    message: str
    seconds: float


@dataclass(frozen=True)
class BuildResult:
    """Outcome of a build: name -> work file, names that did not converge, names that failed and why."""

    files: dict[str, Path]
    unconverged: tuple[str, ...]
    failed: dict[str, str]
    computed: int
    reused: int


def build_densities(
    jobs: Iterable[Job],
    work: Path | str,
    *,
    processes: int = 1,
    executor: str = "",
    shard: tuple[int, int] = (1, 1),
    progress: Callable[[Progress], None] | None = None,
) -> BuildResult:
    """Compute the densities of all jobs, in parallel, skipping those already in the work folder.

    Parameters
    ----------
    jobs: what to compute; jobs of equal geometry, state and settings are computed once.
    work: folder of finished calculations; made when absent, kept afterwards.
    processes: worker processes, each with a single thread; 1 to compute in this process with all threads.
    executor: who computes, see `fastsfes.executors.open_executor`; by default processes of this machine. Workers
        elsewhere must see the work folder under the same path.
    shard: (i, n) to compute only every n-th of the calculations, starting with the i-th (1 <= i <= n). Shards of one
        build are disjoint, whoever runs them when; the build without one finds their files.
    progress: called in this process after every finished calculation.

    A calculation that does not converge is stored as such and listed in ``unconverged``;
    one that raises is listed in ``failed`` and tried again by the next build.
    """
    folder = Path(work).absolute()
    jobs = list(jobs)
    names = [job.name for job in jobs]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InputError(f"species {twice[0]!r} is listed twice; names must be unique")
    if processes < 1:
        raise InputError(f"processes is {processes}; at least 1 is needed")
    first, count = shard
    if not 1 <= first <= count:
        raise InputError(f"shard {first}/{count} does not exist; expected I/N with I from 1 to N")
    folder.mkdir(parents=True, exist_ok=True)
    by_key: dict[str, Job] = {}
    for job in jobs:
        by_key.setdefault(job.key, job)
    # Shards are made from all jobs in order of cost, so that they do not depend on what is done and weigh the same.
    ordered = sorted(by_key.values(), key=lambda job: (-job.cost, job.key))
    by_key = {job.key: job for job in ordered[first - 1 :: count]}
    jobs = [job for job in jobs if job.key in by_key]
    todo = {key: job for key, job in by_key.items() if not _is_done(_file(folder, key), job)}
    reused = len(by_key) - len(todo)
    failed_keys: dict[str, str] = {}
    done = reused
    started = time.perf_counter()
    executor = executor or ("local" if processes == 1 else "processes")
    for job, message, converged in _run(list(todo.values()), folder, executor, processes):
        done += 1
        if converged is None:
            failed_keys[job.key] = message
        if progress is not None:
            progress(Progress(done, len(by_key), job.name, bool(converged), message, time.perf_counter() - started))
    files: dict[str, Path] = {}
    failed: dict[str, str] = {}
    unconverged: list[str] = []
    for job in jobs:
        key = job.key
        if key in failed_keys:
            failed[job.name] = failed_keys[key]
            continue
        files[job.name] = _file(folder, key)
        with h5py.File(files[job.name], "r") as file:
            if not bool(file["density"].attrs["converged"]):
                unconverged.append(job.name)
    return BuildResult(files, tuple(unconverged), failed, len(todo) - len(failed_keys), reused)


def load_work_file(path: Path, name: str) -> DensityRecord:
    """Read the density in a work file."""
    try:
        with h5py.File(path, "r") as file:
            return read_record(file["density"], file=str(path), name=name)
    except (OSError, KeyError) as error:
        raise RecordError(f"{path}: cannot be read as a finished calculation; delete it and build again") from error


def collect(files: Mapping[str, Path]) -> Iterator[tuple[str, DensityRecord]]:
    """Read finished calculations one by one."""
    for name, path in files.items():
        yield name, load_work_file(path, name)


def _file(folder: Path, key: str) -> Path:
    return folder / f"{key}.h5"


def _is_done(path: Path, job: Job) -> bool:
    """Whether the work file is whole and as well checked as the job asks."""
    record = _earlier(path)
    if record is None:
        return False
    checked = record.attributes.get("stability", "not checked") != "not checked"
    return checked or not record.converged or not job.settings.checks_stability(job.spin)


def _earlier(path: Path) -> DensityRecord | None:
    """The finished calculation in a work file, or None; a damaged file is removed."""
    if not path.exists():
        return None
    try:
        return load_work_file(path, path.stem)
    except FastsfesError:
        path.unlink()
        return None


def _compute_to_file(folder: Path, job: Job) -> tuple[str, bool | None]:
    """Compute one job and write its file; runs in a worker. Returns (message, converged or None)."""
    try:
        record = compute_density(
            job.symbols,
            job.coordinates,
            job.charge,
            job.spin,
            job.settings,
            name=job.name,
            start=_earlier(_file(folder, job.key)),
        )
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0], None

    def fill(file: h5py.File) -> None:
        file.attrs["name"] = job.name
        write_record(file.create_group("density"), record)

    write_atomically(_file(folder, job.key), fill)
    a = record.attributes
    text = f"E = {record.energies.e_tot:.8f} hartree, rung {a['rung']}, {a['seconds']:.0f} s"
    return text, record.converged


def _run(jobs: list[Job], folder: Path, executor: str, workers: int) -> Iterator[tuple[Job, str, bool | None]]:
    """Compute jobs wherever the executor does, and tell of each as soon as it is finished."""
    if not jobs:
        return
    if executor == "processes":
        workers = min(workers or available_cores(), len(jobs))
    with open_executor(executor, workers, Path, (folder,), threads=1) as pool:
        waiting = {pool.submit(_compute_to_file, job): job for job in jobs}
        while waiting:
            for future in pool.wait(waiting)[0]:
                job = waiting.pop(future)
                try:
                    message, converged = future.result()
                except FastsfesError as error:  # its worker was lost, again and again; the others go on
                    message, converged = str(error), None
                yield job, message, converged
