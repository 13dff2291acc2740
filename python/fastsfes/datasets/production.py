"""Making dataset files: import of chkfiles, and SCF builds."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..common.errors import FastsfesError, InputError
from ..densities.basis import OWN_ECP
from ..densities.build import BuildResult, Job, Progress, build_densities, load_work_file
from ..densities.chkfile import read_chkfiles
from ..densities.maker import maker_text
from ..densities.record import DensityRecord, FloatArray
from ..densities.scf import check_settings
from ..densities.settings import NO_DENSITY_FIT, ScfSettings
from .dataset import Dataset
from .model import DatasetContents
from .readers import read_folder
from .storage import NamedDensity, read_density, write_dataset

#: Interatomic distances of a density and of the geometry it is imported for may differ by this (angstrom).
_SAME_GEOMETRY = 1e-3


@dataclass(frozen=True)
class ImportResult:
    """Outcome of an import: species with a density, and those whose file was refused and why."""

    imported: int
    distinct: int
    refused: Mapping[str, str]


def import_folder(
    folder: Path | str,
    output: Path | str,
    *,
    densities: Path | str | None = None,
    settings: Mapping[str, str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> ImportResult:
    """Make a dataset file from a folder of reactions, geometries and PySCF chkfiles.

    Args:
        folder: folder with reactions and geometries in any known layout, and ``densities`` inside.
        output: the dataset file to write.
        densities: folder of chkfiles when it is not ``folder/densities``.
        settings: how the densities were made, when the chkfiles do not say so (see `read_chkfile`).
        progress: called with one line per problem.

    A chkfile that is damaged, holds physics that is not carried over, is not converged, or whose molecule differs from
    the geometry, is refused and reported; the others are imported.
    """
    contents = read_folder(Path(folder))
    said = dict(settings or {})
    if "xc" in said:
        said["xc"] = _stored(said["xc"])
    source = Path(densities) if densities is not None else Path(folder) / "densities"
    refused: dict[str, str] = {}
    counts = [0, 0]

    def records() -> Iterator[NamedDensity]:
        for names, record in read_chkfiles(source, settings=said):
            if isinstance(record, DensityRecord):
                good = []
                for name in names:
                    problem = _mismatch(contents, name, record)
                    if problem is None:
                        good.append(name)
                    elif name in contents.species:
                        refused[name] = problem
            else:
                good = []
                refused.update(dict.fromkeys(names, str(record)))
            if not good:
                if progress is not None and names[0] in refused:
                    progress(refused[names[0]])
                continue
            assert isinstance(record, DensityRecord)
            counts[0] += len(good)
            counts[1] += 1
            yield good, replace(record, attributes={**record.attributes, "name": sorted(good)[0]})

    write_dataset(output, contents, records())
    return ImportResult(counts[0], counts[1], refused)


def _mismatch(contents: DatasetContents, name: str, record: DensityRecord) -> str | None:
    """Why a density cannot belong to the species, or None."""
    from ..densities.basis import plain_symbol
    from ..densities.mole import load_mole

    if name not in contents.species:
        return f"{name!r} is not a species of the dataset"
    species = contents.species[name]
    mol = load_mole(record.mole, f"density of {name!r}")
    symbols = [plain_symbol(mol.atom_symbol(i)) for i in range(mol.natm)]
    if sorted(symbols) != sorted(species.symbols):
        return f"density of {name!r} holds {''.join(symbols)}, the geometry {''.join(species.symbols)}"
    if int(mol.charge) != species.charge or int(mol.spin) != species.spin:
        return (
            f"density of {name!r} has charge {mol.charge} and {mol.spin} unpaired electrons, the geometry "
            f"{species.charge} and {species.spin}"
        )
    stored = np.asarray(mol.atom_coords(unit="Angstrom"))
    if symbols == list(species.symbols):
        difference = float(np.max(np.abs(_distances(stored) - _distances(species.coordinates))))
    else:
        pairs = (np.sort(_distances(x), axis=None) for x in (stored, species.coordinates))
        difference = float(np.max(np.abs(np.subtract(*pairs))))
    if difference > _SAME_GEOMETRY:
        return f"density of {name!r} belongs to another geometry: a distance differs by {difference:.4f} angstrom"
    return None


def _distances(coordinates: FloatArray) -> FloatArray:
    """Distances between all atoms, (n, n); the same for any position and orientation of the molecule."""
    delta = coordinates[:, None, :] - coordinates[None, :, :]
    return np.asarray(np.sqrt((delta**2).sum(axis=-1)))


def make_jobs(contents: DatasetContents, settings: ScfSettings, species: Collection[str] | None = None) -> list[Job]:
    """One calculation per species that a reaction needs, or per one of those that are named."""
    needed = {name for reaction in contents.reactions for name in reaction.coefficients}
    if species is not None:
        unknown = sorted(set(species) - needed)
        if unknown:
            near = difflib.get_close_matches(unknown[0], sorted(needed), 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"no reaction of dataset {contents.name!r} has a species {unknown[0]!r}{hint}")
        needed = set(species)
    jobs = [
        Job(s.name, s.symbols, s.coordinates, s.charge, s.spin, settings)
        for s in contents.species.values()
        if s.name in needed
    ]
    if not jobs:
        raise InputError(f"dataset {contents.name!r} has no species with a geometry; nothing can be computed")
    return jobs


def build_dataset(
    contents: DatasetContents,
    output: Path | str,
    *,
    settings: ScfSettings | None = None,
    processes: int = 1,
    executor: str = "",
    shard: tuple[int, int] = (1, 1),
    work: Path | str | None = None,
    species: Collection[str] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> BuildResult:
    """Compute the densities of a dataset by SCF and write the dataset file.

    Args:
        contents: species and reactions.
        output: the dataset file to write, atomically, when all calculations have ended.
        settings: see `ScfSettings`.
        processes, executor: see `build_densities`.
        shard: (i, n) to compute only the i-th of n parts and leave it in the work folder, for a build of the whole to
            collect; with n > 1 the dataset file is not written.
        work: folder of finished calculations, ``OUTPUT.work`` by default; with the same folder a build resumes.
        species: compute only these; the dataset keeps all reactions, and those that lack a density cannot be used.

    Unconverged densities are stored with ``converged`` False and never used; failed ones are absent.
    """
    output = Path(output)
    if output.exists() and output.is_dir():
        raise InputError(f"{output}: is a folder; give the name of the dataset file to write")
    folder = Path(work) if work is not None else output.with_name(output.name + ".work")
    settings = settings or ScfSettings()
    jobs = make_jobs(contents, replace(settings, xc=_stored(settings.xc)), species)
    check_settings(jobs[0].settings, {symbol for job in jobs for symbol in job.symbols})
    result = build_densities(jobs, folder, processes=processes, executor=executor, shard=shard, progress=progress)
    if shard[1] > 1:
        return result
    _need_some(result)
    write_dataset(output, contents, named_densities(result.files))
    return result


@dataclass(frozen=True)
class _Stored:
    """The densities of a dataset file, as first guesses."""

    path: Path

    def __call__(self, name: str) -> DensityRecord | None:
        record = read_density(self.path, name)
        return record if isinstance(record, DensityRecord) else None


def rebuild_dataset(
    dataset: Dataset,
    output: Path | str,
    xc: str,
    *,
    work: Path | str | None = None,
    processes: int = 1,
    executor: str = "",
    progress: Callable[[Progress], None] | None = None,
) -> BuildResult:
    """Make the densities of a dataset again with another functional, and write the dataset file.

    Every calculation has basis set, ECPs, density fitting and grid of the stored density and begins with it.

    Args:
        dataset: opened from a file with orbitals; the species of its reactions are computed, those of a sealed test
            split are not.
        output: the dataset file to write, atomically.
        xc: name of a functional, or a whole functional as JSON.
        work, processes, executor, progress: as for `build_dataset`.

    Raises:
        InputError: the dataset has no orbitals.
    """
    if dataset.path is None or not dataset.has_densities:
        raise InputError(
            f"dataset {dataset.name!r} holds no densities to begin with; 'fastsfes dataset build' makes them"
        )
    xc = _stored(xc)
    output = Path(output)
    names = sorted({name for reaction in dataset.available for name in reaction.coefficients})
    jobs = []
    for name in names:
        about, species = dataset.attributes(name), dataset.species[name]
        settings = ScfSettings(
            xc=xc,
            basis=str(about.get("basis", "")),
            density_fit=str(about.get("density_fit", NO_DENSITY_FIT)),
            grid=str(about.get("grid", ScfSettings.grid)),
            ecp=str(about.get("ecp", OWN_ECP)),
        )
        jobs.append(Job(name, species.symbols, species.coordinates, species.charge, species.spin, settings))
    for settings, elements in _by_settings(jobs).items():
        check_settings(settings, elements)
    result = build_densities(
        jobs,
        work if work is not None else output.with_name(output.name + ".work"),
        processes=processes,
        executor=executor,
        guess=_Stored(dataset.path.absolute()),
        progress=progress,
    )
    _need_some(result)
    write_dataset(output, replace(dataset.contents, reactions=dataset.available), named_densities(result.files))
    return result


def _by_settings(jobs: Iterable[Job]) -> dict[ScfSettings, set[str]]:
    """Elements of the calculations of each settings."""
    found: dict[ScfSettings, set[str]] = {}
    for job in jobs:
        found.setdefault(job.settings, set()).update(job.symbols)
    return found


def _need_some(result: BuildResult) -> None:
    if not result.files:
        first = next(iter(result.failed.items()))
        raise FastsfesError(f"every calculation failed; the first, {first[0]!r}: {first[1]}")


def _stored(xc: str) -> str:
    """The functional as it is stored with densities."""
    try:
        return maker_text(xc)
    except InputError as error:
        raise InputError(f"--xc {xc}: {error}") from None


def named_densities(files: Mapping[str, Path]) -> Iterator[NamedDensity]:
    """Group species that share a work file; each file is read once."""
    names: dict[Path, list[str]] = {}
    for name, path in files.items():
        names.setdefault(path, []).append(name)
    for path, members in sorted(names.items(), key=lambda item: sorted(item[1])[0]):
        first = sorted(members)[0]
        record = load_work_file(path, first)
        yield members, replace(record, attributes={**record.attributes, "name": first})
