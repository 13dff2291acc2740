"""What a validation computes and how: one table of options for Python and the command line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..common.errors import InputError
from ..common.options import convert, from_table, option, options, read_toml
from ..datasets.model import SPLITS
from ..densities.settings import STABILITY_CHOICES
from ..executors import check_executor

__all__ = ["ValidationConfig"]


@dataclass(frozen=True)
class ValidationConfig:
    """The options of `fastsfes.validate`; every field is also an option of ``fastsfes validate``."""

    split: tuple[str, ...] = option(
        (),
        "names",
        "points",
        "reactions of these splits; without this and the next two: test",
        choices=SPLITS,
    )
    subset: tuple[str, ...] = option((), "names", "points", "reactions of these subsets or data types")
    species: tuple[str, ...] = option(
        (), "names", "points", "these species, and the reactions that consist of them alone"
    )
    max_atoms: int = option(0, "int", "points", "leave out species with more atoms; 0 for no limit", minimum=0)
    finalists: int = option(
        1, "int", "points", "functionals of a run: the best, then members of its archive by their error", minimum=1
    )
    baselines: tuple[str, ...] = option(
        ("wb97m_v", "gas22"), "names", "points", 'functionals to compare with; "none" for none'
    )

    start: str = option(
        "density",
        "text",
        "scf",
        'where calculations begin: "density", the stored one when its basis is the same, or "atoms"',
        choices=("density", "atoms"),
    )
    nlc: str = option(
        "post-scf",
        "text",
        "scf",
        'VV10 "post-scf" as in stored densities, or in every iteration ("scf")',
        choices=("post-scf", "scf"),
    )
    basis: str = option("", "text", "scf", "orbital basis; empty: that of the stored density, or def2-qzvppd")
    ecp: str = option(
        "",
        "text",
        "scf",
        'effective core potentials, or "none"; empty: those of the stored density, or of the basis set',
    )
    density_fit: str = option("", "text", "scf", 'auxiliary basis or "none"; empty: as for the density, or none')
    grid: str = option("", "text", "scf", '"level N" or "(radial,angular)"; empty: that of the density, or level 3')
    conv_tol: float = option(1e-8, "float", "scf", "energy convergence in hartree", minimum=1e-14, maximum=1e-2)
    max_cycle: int = option(80, "int", "scf", "iterations on each rung of the ladder", minimum=1)
    stability: str = option(
        "off", "text", "scf", "which solutions are checked and followed downhill", choices=STABILITY_CHOICES
    )

    workers: int = option(
        0, "int", "work", "worker processes, one thread each; 0: this process, or all that the executor has", minimum=0
    )
    executor: str = option(
        "", "text", "work", 'who computes: "local", "processes", "dask:ADDRESS", "dask:FILE.json" or "mpi"'
    )

    def __post_init__(self) -> None:
        if self.executor:
            check_executor(self.executor)

    @classmethod
    def from_toml(cls, path: str | Path) -> ValidationConfig:
        """Read a TOML file; what it does not give stays at its default."""
        return from_table(cls, read_toml(path), str(path))

    def changed(self, **changes: Any) -> ValidationConfig:
        """The same with some options changed; `InputError` when there is no such option or value."""
        rows = {row.name: row for row in options(type(self))}
        for name in changes:
            if name not in rows:
                raise InputError(f'a validation has no option "{name}"; the options are {", ".join(rows)}')
        return replace(self, **{k: convert(rows[k], v, "validation options") for k, v in changes.items()})
