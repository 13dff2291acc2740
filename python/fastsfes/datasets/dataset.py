"""The dataset that everything else works on: species, reactions, and stored densities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..common.arguments import nearest
from ..common.errors import FastsfesError, InputError
from ..common.files import user_path
from ..common.notebook import html_table
from ..common.readonly import ReadOnly
from ..densities.hdf5 import RecordError
from ..densities.record import DensityRecord, Energies, GridRecord
from . import storage
from .balance import imbalance
from .chosen import chosen, divided
from .model import SPLITS, DatasetContents, Reaction, Species
from .packaged import PACKAGED
from .places import find_dataset, user_datasets
from .readers import is_source, read_folder
from .seal import count_reading, readings

#: Attributes of a density that `DatasetInfo.settings` counts, and what stands for one that is not said.
SETTINGS = {"xc": "?", "basis": "?", "ecp": "none", "grid": "?", "density_fit": "?"}


@dataclass(frozen=True)
class SubsetInfo:
    """Counts of one subset in one split, and its species that cannot be used.

    ``missing`` maps "no geometry", "damaged", "not converged" or "no density" to the species' names.
    """

    split: str
    data_type: str
    subset: str
    reactions: int
    available: int
    missing: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class DatasetInfo:
    """Summary of a dataset, as printed by ``fastsfes dataset info``.

    Attributes:
        reactions, available: reactions in all, and those whose species all have converged densities.
        species, densities, distinct: geometries, species with a usable density, distinct densities.
        subsets: counts per split and subset, and which species are missing there.
        missing: species without a usable density or geometry -> why.
        dropped: reactions left out on purpose -> why.
        settings: distinct (xc, basis, ecp, grid, density_fit) of the densities -> number of species.
        rungs: rung of the convergence ladder -> number of distinct densities.
        warnings: reactions that do not conserve atoms or charge, and what PySCF warned of.
        matched: species whose density was made for another collection -> which.
        sources: subset -> what it is and what to cite.
        licence: of the data.
        test_readings: how often a sealed test split has been read, else None.
    """

    name: str
    provenance: str
    path: str
    reactions: int
    available: int
    species: int
    densities: int
    distinct: int
    subsets: tuple[SubsetInfo, ...]
    missing: Mapping[str, str]
    dropped: Mapping[str, str]
    settings: Mapping[tuple[str, ...], int]
    rungs: Mapping[str, int]
    warnings: tuple[str, ...]
    matched: Mapping[str, str]
    sources: Mapping[str, str]
    licence: str
    test_readings: int | None


class FoldedError(InputError):
    """A folded dataset has no densities, so that nothing can be evaluated on an integration grid."""


class SealedError(InputError):
    """The test split of a sealed dataset is for final reports."""


class Dataset:
    """Species, reactions with references and weights, and (when read from a file) densities.

    Files come in two kinds: with densities, or *folded*: energies and a quadrature only, a few kilobytes per species,
    which is all that a search needs. In a *sealed* dataset the test split is for final reports: `reactions`,
    `available` and `split` do not give it, `unsealed` does, and counts.
    """

    def __init__(self, contents: DatasetContents, path: Path | None = None, query: str = "") -> None:
        self._contents = contents
        self._sealed = contents.sealed
        self._path = path
        self._query = query
        self._summaries: dict[str, storage.DensitySummary] = {}
        self._problems: dict[str, str] = {}
        if path is not None:
            self._summaries, self._problems = storage.read_summaries(path)
        self._species = ReadOnly(contents.species)

    @classmethod
    def open(cls, name_or_path: str | Path) -> Dataset:
        """Open a dataset by name, a dataset file (.h5), or a folder of CSV and XYZ files.

        Names are those of the packaged datasets ("gscdb", "builtin") and of files in the user's folder (FASTSFES_DATA).
        A folder gives species and reactions only; ``fastsfes dataset build`` adds densities. Layouts: MGCDB84 and ACCDB
        (``DatasetEval.csv``), GMTKN55 (``*/.res``), GSCDB138 (its archive too), or the plain one (``reactions.csv``),
        see docs/datasets.md. After a question mark stands what is asked of it, see `fastsfes.datasets.chosen`.
        """
        text, query = divided(str(name_or_path))
        if query:
            whole = cls.open(text)
            return cls(chosen(whole.contents, query), whole.path, query)
        path = user_path(name_or_path)
        if str(name_or_path).lower() in PACKAGED or not path.exists():
            path = find_dataset(str(name_or_path)) or path
        if is_source(path):
            return cls(read_folder(path))
        if not path.exists():
            names = [*PACKAGED, *user_datasets()]
            near = nearest(str(name_or_path).lower(), names)
            raise InputError(
                f"{path}: no such file or folder, and no dataset of that name (there are {', '.join(names)})"
                + (f'; did you mean "{near}"?' if near else "")
            )
        return cls(storage.read_contents(path), path)

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return self._contents.name

    @property
    def path(self) -> Path | None:
        """The dataset file, or None when it was read from a folder."""
        return self._path

    @property
    def spec(self) -> str:
        """What `open` reads as this dataset: the name of a packaged one, or its file.

        Raises:
            InputError: it has no file.
        """
        if self._path is None:
            raise InputError(f'dataset "{self.name}" has no file; write one with: fastsfes dataset build')
        name = next((n for n, path in PACKAGED.items() if self._path == path), str(self._path))
        return f"{name}?{self._query}" if self._query else name

    @property
    def contents(self) -> DatasetContents:
        """Geometries and reactions as they were read."""
        return self._contents

    @property
    def species(self) -> Mapping[str, Species]:
        """Name -> geometry, charge and spin of every species that has a geometry."""
        return self._species

    @property
    def has_densities(self) -> bool:
        """Whether densities are stored, so that energies can be evaluated on integration grids."""
        return bool(self._summaries) and not self._contents.folded

    @property
    def is_sealed(self) -> bool:
        """Whether the test split is withheld; see `unsealed`."""
        return self._sealed

    def unsealed(self, reader: str) -> Dataset:
        """The same dataset with its test split, for a final report; every call is counted for this user.

        Args:
            reader: what reads it, for the record, e.g. "report of the run in runs/7".
        """
        opened = copy(self)
        for name in ("reactions", "available"):  # cached without the test split
            opened.__dict__.pop(name, None)
        opened._sealed = False
        if self._sealed:
            count_reading(self.name, reader)
        return opened

    @property
    def test_readings(self) -> int | None:
        """How often this user has read the test split of a sealed dataset; None for datasets without a seal."""
        return readings(self.name) if self._contents.sealed else None

    @cached_property
    def reactions(self) -> tuple[Reaction, ...]:
        """All reactions, whether or not they can be evaluated; of a sealed dataset all but the test split."""
        return tuple(r for r in self._contents.reactions if not (self._sealed and r.split == "test"))

    @property
    def provenance(self) -> str:
        """Where the data come from and what to cite."""
        return self._contents.provenance

    def split(self, name: str, *, available_only: bool = True) -> tuple[Reaction, ...]:
        """Reactions of "train", "validation" or "test".

        By default only those whose species all have converged densities, since no other can be
        evaluated; ``available_only=False`` gives all.
        """
        if name not in SPLITS:
            raise InputError(f"split {name!r} is none of {', '.join(SPLITS)}")
        if self._sealed and name == "test":
            raise SealedError(
                f"the test split of {self.name!r} is sealed: final reports read it, and every reading is counted "
                f"({readings(self.name)} so far); Dataset.unsealed opens it on purpose"
            )
        chosen = self.available if available_only else self.reactions
        return tuple(reaction for reaction in chosen if reaction.split == name)

    @cached_property
    def available(self) -> tuple[Reaction, ...]:
        """Reactions whose species all have converged densities."""
        usable = set(self.density_names)
        return tuple(reaction for reaction in self.reactions if usable.issuperset(reaction.coefficients))

    @property
    def summaries(self) -> Mapping[str, storage.DensitySummary]:
        """Species -> energies and attributes of its density."""
        return MappingProxyType(self._summaries)

    @cached_property
    def density_names(self) -> tuple[str, ...]:
        """Species with a converged density, in the order of their names."""
        return tuple(name for name, summary in self._summaries.items() if summary.converged)

    def representative(self, name: str) -> str:
        """The species whose stored density this one shares (itself, when it is the first)."""
        return self._summary(name).representative

    def energies(self, name: str) -> Energies:
        """Frozen energies of a species in hartree, without reading its orbitals."""
        return self._summary(name).energies

    def attributes(self, name: str) -> Mapping[str, Any]:
        """How the density of a species was made: xc, basis, grid, density_fit, rung, ..."""
        return MappingProxyType(self._summary(name).attributes)

    def density(self, name: str) -> DensityRecord:
        """Occupied orbitals and energies of a species; raises when absent, damaged or unconverged."""
        record = self.source(name)
        if isinstance(record, GridRecord):
            raise InputError(f"dataset {self.name!r}: {name!r} is stored as values on a grid and has no orbitals")
        return record

    def source(self, name: str) -> DensityRecord | GridRecord:
        """What there is of a species' density: orbitals, or values on a grid; errors as `density`."""
        self._summary(name)
        assert self._path is not None
        if self._contents.folded:
            raise FoldedError(
                f"dataset {self.name!r} is folded onto nodes and holds no densities, so nothing can be evaluated on a "
                f"grid; use method='quadrature', or a dataset with densities"
            )
        return storage.read_density(self._path, name)

    def verify(self) -> dict[str, str]:
        """Read every density; returns the damaged ones and why (empty when all is well)."""
        from ..densities.basis import check_molecule
        from ..densities.mole import load_mole

        found = dict(self._problems)
        for name, summary in self._summaries.items():
            if summary.representative != name or self._path is None or self._contents.folded:
                continue
            try:
                record = storage.read_density(self._path, name)
                if isinstance(record, GridRecord):
                    continue
                mol = load_mole(record.mole, f"{self._path}: density of {name!r}")
                check_molecule(mol)
                if record.mo_coeff.shape[-2] != mol.nao:
                    raise FastsfesError(f"{self._path}: density of {name!r} does not fit its basis")
            except FastsfesError as error:
                found[name] = str(error)
        return found

    def unavailable(self) -> dict[str, str]:
        """Species of the reactions that cannot be used -> why."""
        return {name: reason for name, (_, reason) in self._unusable.items()}

    @cached_property
    def _unusable(self) -> Mapping[str, tuple[str, str]]:
        """Species of the reactions that cannot be used -> (kind, why)."""
        usable = set(self.density_names)
        names = sorted({name for reaction in self._contents.reactions for name in reaction.coefficients} - usable)
        reasons: dict[str, tuple[str, str]] = {}
        for name in names:
            if name in self._contents.missing:
                reasons[name] = "no geometry", self._contents.missing[name]
            elif name in self._problems:
                reasons[name] = "damaged", self._problems[name]
            elif name in self._summaries:
                reasons[name] = "not converged", "its SCF did not converge"
            else:
                reasons[name] = "no density", "no density"
        return reasons

    def info(self) -> DatasetInfo:
        """Counts per subset and split, and what is missing and why."""
        usable_species = set(self.density_names)
        everything = self._contents.reactions  # counts give nothing away of a sealed split
        available = {r.name for r in everything if usable_species.issuperset(r.coefficients)}
        total: Counter[tuple[str, str, str]] = Counter()
        usable: Counter[tuple[str, str, str]] = Counter()
        missing: dict[tuple[str, str, str], dict[str, set[str]]] = {}
        for reaction in everything:
            key = (reaction.split, reaction.data_type, reaction.subset)
            total[key] += 1
            usable[key] += reaction.name in available
            for name in self._unusable.keys() & reaction.coefficients.keys():
                missing.setdefault(key, {}).setdefault(self._unusable[name][0], set()).add(name)
        order = {split: index for index, split in enumerate(SPLITS)}
        keys = sorted(total, key=lambda key: (order[key[0]], key[1:]))
        settings: Counter[tuple[str, ...]] = Counter()
        rungs: Counter[str] = Counter()
        for name in self.density_names:
            summary = self._summaries[name]
            settings[tuple(str(summary.attributes.get(key, unsaid)) for key, unsaid in SETTINGS.items())] += 1
            if summary.representative == name:
                rungs[str(summary.attributes.get("rung", "imported"))] += 1
        return DatasetInfo(
            name=self.name,
            provenance=self.provenance,
            path=str(self._path or ""),
            reactions=len(everything),
            available=len(available),
            species=len(self._species),
            densities=len(self.density_names),
            distinct=len({self._summaries[name].representative for name in self.density_names}),
            subsets=tuple(
                SubsetInfo(
                    *key,
                    total[key],
                    usable[key],
                    {kind: tuple(sorted(names)) for kind, names in sorted(missing.get(key, {}).items())},
                )
                for key in keys
            ),
            missing=self.unavailable(),
            dropped=dict(self._contents.dropped),
            settings=dict(settings),
            rungs=dict(rungs),
            warnings=tuple(self._warnings()),
            matched=dict(self._contents.matches),
            sources=dict(self._contents.sources),
            licence=self._contents.licence,
            test_readings=self.test_readings,
        )

    def _warnings(self) -> Iterator[str]:
        for reaction in self.reactions:
            if lost := imbalance(reaction, self._species):
                yield f"{reaction.name}: the reaction is not balanced: {lost}"
        for name, summary in self._summaries.items():
            if "warnings" in summary.attributes and summary.representative == name:
                yield f"{name}: PySCF warned: {summary.attributes['warnings']}"

    def _summary(self, name: str) -> storage.DensitySummary:
        if name in self._problems:
            raise RecordError(self._problems[name])
        if name not in self._summaries:
            known = "it is not a species of the dataset" if name not in self._species else "it has no density"
            raise InputError(f"dataset {self.name!r}: {name!r}: {known}; 'fastsfes dataset info' lists what is there")
        summary = self._summaries[name]
        if not summary.converged:
            raise FastsfesError(f"dataset {self.name!r}: the SCF of {name!r} did not converge; it must not be used")
        return summary

    def _repr_html_(self) -> str:
        rows = [(s.subset, s.data_type, s.split, s.reactions, s.available) for s in self.info().subsets]
        return html_table(repr(self), ("subset", "type", "split", "reactions", "available"), rows)

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}: {len(self.reactions)} reactions, {len(self.available)} available, "
            f"{len(self._species)} species)"
        )
