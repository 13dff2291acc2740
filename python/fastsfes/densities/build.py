"""Densities of many species in parallel processes, resumable after a kill at any moment (see `work`).

The caller's process alone assembles libraries from the finished calculations, so there is a single writer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py

from ..common.errors import FastsfesError, InputError
from ..common.reading.hdf5 import child, open_file
from .hdf5 import RecordError, read_record, write_atomically, write_record
from .record import DensityRecord
from .scf import compute_density
from .work import Job, Outcome, Progress, run_jobs

__all__ = ["BuildResult", "Guess", "Job", "Progress", "build_densities", "collect", "load_work_file"]


#: Gives the density that a calculation begins with.
Guess = Callable[[str], "DensityRecord | None"]


@dataclass(frozen=True)
class _Context:
    """What a worker has: the work folder, and where first guesses come from."""

    folder: Path
    guess: Guess | None


@dataclass(frozen=True)
class BuildResult:
    """Outcome of a build: name -> work file, names that did not converge, names that failed and why, and of what
    PySCF warned.
    """

    files: dict[str, Path]
    unconverged: tuple[str, ...]
    failed: dict[str, str]
    warnings: dict[str, str]
    computed: int
    reused: int


def build_densities(
    jobs: Iterable[Job],
    work: Path | str,
    *,
    processes: int = 1,
    executor: str = "",
    shard: tuple[int, int] = (1, 1),
    guess: Guess | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> BuildResult:
    """Compute the densities of all jobs, in parallel, skipping those already in the work folder.

    Args:
        jobs: what to compute; jobs of equal geometry, state and settings are computed once.
        work: folder of finished calculations; made when absent, kept afterwards.
        processes: worker processes, each with a single thread; 1 to compute in this process with all threads.
        executor: who computes, see `fastsfes.executors.open_executor`; by default processes of this machine. Workers
            elsewhere must see the work folder under the same path.
        shard: (i, n) to compute only every n-th of the calculations, starting with the i-th (1 <= i <= n). Shards of
            one build are disjoint, whoever runs them when; the build without one finds their files.
        guess: name of a job -> a density to begin with, or None; called in the workers, which it must reach by pickle.
        progress: called in this process after every finished calculation.

    A calculation that does not converge is stored as such and listed in ``unconverged``;
    one that raises is listed in ``failed`` and tried again by the next build.
    """
    if processes < 1:
        raise InputError(f"processes is {processes}; at least 1 is needed")
    folder = Path(work).absolute()
    done = run_jobs(
        jobs,
        folder,
        _is_done,
        _compute_to_file,
        setup=_Context,
        arguments=(folder, guess),
        workers=processes,
        executor=executor,
        shard=shard,
        progress=progress,
    )
    files: dict[str, Path] = {}
    failed: dict[str, str] = {}
    warnings: dict[str, str] = {}
    unconverged: list[str] = []
    for job in done.jobs:
        key = job.key
        if key in done.failed:
            failed[job.name] = done.failed[key]
            continue
        files[job.name] = _file(folder, key)
        with h5py.File(files[job.name], "r") as file:
            attributes = file["density"].attrs
            if not bool(attributes["converged"]):
                unconverged.append(job.name)
            if "warnings" in attributes:
                warnings[job.name] = str(attributes["warnings"])
    return BuildResult(files, tuple(unconverged), failed, warnings, done.computed, done.reused)


def load_work_file(path: Path, name: str) -> DensityRecord:
    """Read the density in a work file."""
    try:
        with open_file(path) as file:
            return read_record(child(file, "density"), file=str(path), name=name)
    except (OSError, KeyError, RuntimeError) as error:
        raise RecordError(f"{path}: cannot be read as a finished calculation; delete it and build again") from error


def collect(files: Mapping[str, Path]) -> Iterator[tuple[str, DensityRecord]]:
    """Read finished calculations one by one."""
    for name, path in files.items():
        yield name, load_work_file(path, name)


def _file(folder: Path, key: str) -> Path:
    return folder / f"{key}.h5"


def _is_done(folder: Path, job: Job) -> bool:
    """Whether the work file is whole and as well checked as the job asks."""
    record = _earlier(_file(folder, job.key))
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


def _compute_to_file(context: _Context, job: Job) -> Outcome:
    """Compute one job and write its file; runs in a worker."""
    path = _file(context.folder, job.key)
    record = compute_density(
        job.symbols,
        job.coordinates,
        job.charge,
        job.spin,
        job.settings,
        name=job.name,
        start=_earlier(path),
        guess=context.guess(job.name) if context.guess is not None else None,
    )

    def fill(file: h5py.File) -> None:
        file.attrs["name"] = job.name
        write_record(file.create_group("density"), record)

    write_atomically(path, fill)
    a = record.attributes
    text = f"E = {record.energies.e_tot:.8f} hartree, rung {a['rung']}, {a['seconds']:.0f} s"
    return text, record.converged
