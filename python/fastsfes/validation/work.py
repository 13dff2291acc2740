"""`validate`: self-consistent energies of functionals on the reactions of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..common.errors import InputError
from ..datasets.dataset import Dataset
from ..datasets.model import Reaction
from ..densities.basis import CUSTOM, OWN_ECP
from ..densities.scf import check_settings
from ..densities.settings import NO_DENSITY_FIT, ScfSettings
from ..densities.work import Progress, run_jobs
from ..formula.expression import Expression
from ..functionals.functional import Channel, Functional
from ..functionals.libxc import LibxcFunctional
from ..functionals.load import Comparison, by_name, load_comparison
from .config import ValidationConfig
from .job import Context, ValidationJob, compute, finished, plain, read_result
from .result import Validation

__all__ = ["validate"]

#: Where results go when nobody says.
WORK = "fastsfes-validation"

#: Names that an error lists at most.
_LISTED = 20


def validate(
    functionals: str | Path | Comparison | Iterable[str | Path | Comparison],
    dataset: Dataset | str | Path = "builtin",
    *,
    config: ValidationConfig | None = None,
    work: str | Path = WORK,
    shard: tuple[int, int] = (1, 1),
    progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Validation:
    """Self-consistent energies of functionals, beside those of frozen densities and of known functionals.

    Args:
        functionals: one or several: names, files, run directories (their finalists), formulas, ``libxc:NAME``, or
            objects.
        dataset: where species, reactions, references and (when there are any) stored densities come from.
        config: the options; `options` are fields of `ValidationConfig` that override it.
        work: folder of finished calculations, one file per species and functional; a later call with the same folder
            computes only what is absent, whatever ended the first one.
        shard: (i, n) to compute only the i-th of n parts and leave them in the work folder; what is returned has the
            calculations of the part and no reactions. A call without it, with the same folder, finds all.
        progress: called after every finished calculation.

    Returns:
        `Validation`: points that did not converge are left out for all functionals, and named.

    Raises:
        InputError: when an option, a functional or a name of the dataset is wrong.
    """
    settings = (config or ValidationConfig()).changed(**options)
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    chosen = _functionals(functionals, settings)
    reactions, species = _points(data, settings)
    folder = Path(work).absolute()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give the folder of finished calculations")
    jobs = {name: [_job(data, s, name, f, settings) for s in species] for name, f in chosen.items()}
    if settings.basis or settings.ecp or settings.density_fit or settings.grid:
        used: dict[tuple[ScfSettings, bool], set[str]] = {}
        for job in next(iter(jobs.values())):
            used.setdefault((job.settings, bool(job.start)), set()).update(job.symbols)
        for (scf, stored), elements in used.items():
            check_settings(scf, elements, xc=False, orbitals=not stored)
    done = run_jobs(
        [job for row in jobs.values() for job in row],
        folder,
        finished,
        compute,
        setup=Context,
        arguments=(folder, None if data.path is None else str(data.path.absolute())),
        workers=settings.workers,
        executor=settings.executor,
        shard=shard,
        progress=progress,
    )
    part = {job.label for job in done.jobs}
    results: dict[str, dict[str, Mapping[str, Any]]] = {}
    failed: dict[str, dict[str, str]] = {}
    for name, row in jobs.items():
        results[name], failed[name] = {}, {}
        for job in (j for j in row if j.label in part):
            found = None if job.key in done.failed else read_result(folder, job)
            if found is None:
                failed[name][job.name] = done.failed.get(job.key, "its file has gone from the work folder")
            else:
                results[name][job.name] = found
    return Validation(
        dataset=data.name,
        functionals={name: plain(f) for name, f in chosen.items()},
        candidates=reactions if shard[1] == 1 else (),
        species=results,
        failed=failed,
        settings={k: getattr(settings, k) for k in ("start", "nlc", "conv_tol", "max_cycle", "stability")},
    )


def _functionals(given: Any, config: ValidationConfig) -> dict[str, Comparison]:
    """Functionals by name, baselines last; equal ones once, and two of one name told apart."""
    listed = [given] if isinstance(given, (str, Path)) or not isinstance(given, Iterable) else list(given)
    found: list[Comparison] = []
    for item in listed:
        if isinstance(item, (str, Path)) and config.finalists > 1:
            found += _finalists(item, config.finalists)
        else:
            found.append(load_comparison(item))
    if not found:
        raise InputError("no functional is given")
    for functional in found:
        if isinstance(functional, LibxcFunctional) and functional.dispersion and find_spec("pyscf.dispersion") is None:
            raise InputError(
                f'"{functional.name}" has the dispersion correction {functional.dispersion}, which PySCF computes '
                f"with another package: pip install pyscf-dispersion"
            )
    if config.baselines != ("none",):
        found += [load_comparison(name, where="baselines") for name in config.baselines]
    return by_name(found)


def _finalists(path: str | Path, number: int) -> list[Comparison]:
    """The best of a run, and members of its archive by their error; one functional for anything else."""
    from ..run.search import Run

    best = load_comparison(path)
    if not Path(path).is_dir() or not isinstance(best, Functional):
        return [best]
    run = Run(path)
    own = run.summary.get("best", {})
    found: list[Comparison] = [best]
    for row in sorted(run.pareto, key=lambda row: row["error"]):
        if len(found) == number:
            break
        if (row["island"], row["number"]) == (own.get("island"), own.get("candidate")):
            continue
        channels = dict(best.channels)
        for kind, text in row["expressions"].items():
            channels[kind] = Channel(Expression.parse(text), row["parameters"][kind])
        hybrid = replace(best.hybrid, **row["parameters"].get("hybrid", {}))
        found.append(replace(best, name=f"{best.name}, candidate {row['number']}", channels=channels, hybrid=hybrid))
    return found


def _points(data: Dataset, config: ValidationConfig) -> tuple[tuple[Reaction, ...], list[str]]:
    """Reactions and species that were asked for."""
    stored = config.start == "density" and data.density_names
    usable = set(data.density_names if stored else data.species)
    if config.max_atoms:
        usable = {name for name in usable if len(data.species[name].symbols) <= config.max_atoms}
    reactions = [r for r in data.reactions if usable.issuperset(r.coefficients)]
    if config.subset:
        _known("subset", config.subset, {r.subset for r in data.reactions} | {r.data_type for r in data.reactions})
        reactions = [r for r in reactions if r.subset in config.subset or r.data_type in config.subset]
    if config.species:
        _known("species", config.species, usable)
        reactions = [r for r in reactions if set(config.species).issuperset(r.coefficients)]
    splits = config.split or (() if config.subset or config.species else ("test",))
    if splits:
        reactions = [r for r in reactions if r.split in splits]
    names = set(config.species) | {name for r in reactions for name in r.coefficients}
    if not names:
        raise InputError(
            f"dataset {data.name!r}: no reaction of what was asked for has "
            + ("all its densities" if stored else "all its geometries")
            + "; 'fastsfes dataset info' lists what is there"
        )
    return tuple(reactions), sorted(names)


def _known(what: str, given: Iterable[str], known: set[str]) -> None:
    for name in given:
        if name not in known:
            near = get_close_matches(name, sorted(known), n=3, cutoff=0.4)
            if near:
                hint = f"did you mean {' or '.join(near)}?"
            elif len(known) <= _LISTED:
                hint = f"there are {', '.join(sorted(known))}"
            else:
                hint = "'fastsfes dataset info' lists what there is"
            raise InputError(f"--{what} {name}: not in the dataset, or not usable; {hint}")


def _job(data: Dataset, species: str, label: str, functional: Comparison, config: ValidationConfig) -> ValidationJob:
    about: Mapping[str, Any] = data.attributes(species) if species in data.density_names else {}
    stored = str(about.get("basis", ""))
    basis = config.basis or stored or ScfSettings.basis
    own = str(about.get("ecp", OWN_ECP))
    # The stored molecule is computed unless another basis set or another ECP is asked for.
    same = bool(stored) and basis.lower() == stored.lower() and config.ecp.lower() in ("", own.lower())
    settings = ScfSettings(
        basis=basis,
        ecp=config.ecp or (own if same else OWN_ECP),
        density_fit=config.density_fit or str(about.get("density_fit", NO_DENSITY_FIT)),
        grid=config.grid or str(about.get("grid", ScfSettings.grid)),
        conv_tol=config.conv_tol,
        max_cycle=config.max_cycle,
        stability=config.stability,
    )
    if not same and basis.lower() == CUSTOM:
        raise InputError(f"--ecp {config.ecp}: the basis set of {species!r} has no name; give --basis too")
    molecule = data.species[species]
    return ValidationJob(
        species,
        molecule.symbols,
        molecule.coordinates,
        molecule.charge,
        molecule.spin,
        settings,
        functional=plain(functional),
        functional_name=label,
        nlc=config.nlc,
        start=species if same else "",
        start_energy=data.energies(species).e_tot if same else 0.0,
        from_atoms=config.start == "atoms" or not same,
    )
