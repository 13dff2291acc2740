"""`fit_own_densities`: a functional fitted to the densities that it makes itself, to a fixed point.

A fit holds densities frozen. Those of another functional are off the minimum of the energy, so that a reaction energy
is wrong in second order of the change. Densities of the fitted functional, folded and fitted to again, take that away:
where neither coefficients nor energies move any more, frozen energies are self-consistent ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..common.errors import FastsfesError, InputError
from ..common.files import make_parent, user_path
from ..datasets.dataset import Dataset
from ..datasets.production import rebuild_dataset
from ..densities.build import Progress
from ..energies.evaluate import Method, evaluate
from ..energies.quadrature import build_quadrature, channel_key, save_quadrature
from ..fitting import FitResult, fit
from ..functionals.functional import Functional
from ..functionals.load import load

__all__ = ["OwnCycle", "OwnDensityFit", "fit_own_densities"]

#: A reaction energy that moves less than this (kcal/mol) from cycle to cycle has come to rest.
REST = 0.05


@dataclass(frozen=True)
class OwnCycle:
    """Densities of a functional, and a fit to them.

    Attributes:
        dataset: file with the densities.
        species: how many converged densities it has.
        unconverged: species without one; their reactions are left out from here on.
        before: WRMSD of the training reactions in kcal/mol on these densities, with the parameters that made them.
        fit: the fit to these densities.
        moved: reaction -> how far its energy has moved since the cycle before, kcal/mol; in the first cycle since the
            densities and parameters that were given.
    """

    dataset: Path
    species: int
    unconverged: tuple[str, ...]
    before: float
    fit: FitResult
    moved: Mapping[str, float]

    @property
    def farthest(self) -> tuple[str, float]:
        """The reaction that has moved farthest, and how far, kcal/mol."""
        name = max(self.moved, key=lambda reaction: abs(self.moved[reaction]))
        return name, abs(self.moved[name])

    @property
    def mean(self) -> float:
        """Mean of the absolute moves, kcal/mol."""
        return float(np.mean(np.abs(list(self.moved.values()))))


@dataclass(frozen=True)
class OwnDensityFit:
    """What `fit_own_densities` returns.

    Attributes:
        cycles: all of them, the last one last.
        rest: the move in kcal/mol below which reaction energies count as at rest.
    """

    cycles: tuple[OwnCycle, ...]
    rest: float

    @property
    def functional(self) -> Functional:
        """The functional with its last parameters."""
        return self.cycles[-1].fit.functional

    @property
    def converged(self) -> bool:
        """Whether the last cycle moved no reaction energy further than `rest`."""
        return self.cycles[-1].farthest[1] <= self.rest

    def table(self) -> str:
        """The cycles, a line each; kcal/mol."""
        lines = ["cycle  densities  train before    after  mean move  largest move"]
        for number, c in enumerate(self.cycles, 1):
            name, move = c.farthest
            lines.append(
                f"{number:<5}  {c.species:>9}  {c.before:>12.4f}  {c.fit.train:>7.4f}  {c.mean:>9.3f}  {move:>12.3f}  "
                f"{name}"
            )
        how = "at rest" if self.converged else "not at rest: give more cycles"
        lines.append(f"reaction energies are {how} (within {self.rest:g} kcal/mol)")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain data of the cycles."""
        return {
            "rest": self.rest,
            "converged": self.converged,
            "cycles": [
                {
                    "dataset": str(c.dataset),
                    "species": c.species,
                    "unconverged": list(c.unconverged),
                    "train_before": c.before,
                    "train": c.fit.train,
                    "parameters": c.fit.parameters,
                    "moved": dict(c.moved),
                }
                for c in self.cycles
            ],
        }


def fit_own_densities(
    functional: Functional | str,
    dataset: Dataset | str,
    work: str | Path,
    *,
    cycles: int = 5,
    rest: float = REST,
    workers: int = 1,
    executor: str = "",
    progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> OwnDensityFit:
    """Fit a functional on its own densities: densities, quadrature, fit, until the energies are at rest.

    Args:
        functional: a functional, or text that `fastsfes.load` reads; exact exchange, range separation and nonlocal
            correlation are its own.
        dataset: with orbitals; the calculations begin with them, and have their basis sets and grids.
        work: folder of densities and fits, one part per cycle; a call with the same arguments goes on from there.
        cycles: at most this many.
        rest: ends when no reaction energy of the training and validation splits moves further than this, kcal/mol.
        workers, executor, progress: of the calculations, see `fastsfes.densities.build.build_densities`.
        options: of `fastsfes.fit`, but for ``frame``, ``test`` and ``quadrature``.

    Raises:
        InputError: wrong arguments; densities without orbitals.
        FastsfesError: a fit failed, or no reaction is left.
    """
    for name in {"frame", "test", "quadrature"} & options.keys():
        raise InputError(f"{name} does not go with a fit on own densities")
    if cycles < 1 or not rest > 0.0:
        raise InputError(f"cycles {cycles} and rest {rest:g} must be positive")
    data = Dataset.open(dataset) if isinstance(dataset, str) else dataset
    if not data.has_densities:
        raise InputError(f"dataset {data.name!r} holds no densities to begin with; 'fastsfes dataset build' makes them")
    current = load(functional)
    folder = user_path(work)
    make_parent(folder / "any")
    energies = _energies(current, data, "grid")  # there may be no quadrature
    done: list[OwnCycle] = []
    while len(done) < cycles and not (done and done[-1].farthest[1] <= rest):
        number = len(done) + 1
        path = folder / f"cycle-{number}.h5"
        xc = json.dumps(current.to_dict(), separators=(",", ":"))
        made = folder / f"cycle-{number}.work"
        built = rebuild_dataset(data, path, xc, work=made, processes=workers, executor=executor, progress=progress)
        data = Dataset.open(path)
        if not data.split("train"):
            counts = f"{len(built.unconverged)} species did not converge and {len(built.failed)} failed"
            raise FastsfesError(f"{path}: no training reaction has all its densities; {counts}")
        save_quadrature(path, build_quadrature(data, channels=_measures(current), processes=workers))
        found = fit(current, data, **options)
        found = replace(found, functional=replace(found.functional, name=current.name))
        found.functional.to_json(folder / f"cycle-{number}.json")
        new = _energies(found.functional, data, "quadrature")
        moved = {name: value - energies[name] for name, value in new.items()}
        lost = tuple(sorted({*built.unconverged, *built.failed}))
        done.append(OwnCycle(path, len(data.density_names), lost, found.start, found, moved))
        current, energies = found.functional, new
    return OwnDensityFit(tuple(done), rest)


def _measures(functional: Functional) -> list[str]:
    """What its channels are integrated against."""
    omega, correlation = functional.hybrid.omega, functional.correlation
    return [channel_key(kind, omega, correlation) for kind in functional.channels]


def _energies(functional: Functional, data: Dataset, method: Method) -> dict[str, float]:
    """Reaction -> error in kcal/mol, which moves as its energy does."""
    reactions = [*data.split("train"), *data.split("validation")]
    errors = evaluate(functional, data, reactions, method, frame="own").errors
    return {r.name: float(error) for r, error in zip(reactions, errors, strict=True)}
