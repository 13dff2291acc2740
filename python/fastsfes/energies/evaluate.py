"""The objective: errors of a functional on a dataset's reactions at frozen densities.

Only the semilocal part is evaluated. The rest of every energy (one-electron, Coulomb, exact exchange, VV10) stays as
stored, e_tot - e_xc_semilocal of the functional that made the densities: its *frame*
(`fastsfes.functionals.frame`), which every candidate is put into. A known functional with other exact exchange or VV10
is then only its semilocal part, and the result says so; in its own frame it is what its name means.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..common.errors import FastsfesError, InputError
from ..common.notebook import axes, html_table
from ..datasets.dataset import Dataset
from ..datasets.model import HARTREE_TO_KCAL, Reaction
from ..functionals.frame import Frame
from ..functionals.functional import Functional
from ..functionals.load import Comparison, load
from .frame import frame_of, frame_shift
from .grid import cached_blocks
from .quadrature import NotRepresentable, Quadrature, reaction_targets

FloatArray = npt.NDArray[np.float64]
Method = Literal["quadrature", "grid"]
FrameChoice = Literal["dataset", "own"]

__all__ = ["Evaluation", "Statistics", "evaluate", "evaluate_many", "grid_energies", "wrmsd"]


@dataclass(frozen=True)
class Statistics:
    """Errors of a group of reactions, kcal/mol; ``wrmsd`` is sqrt(mean(weight error^2)), the others unweighted."""

    reactions: int
    wrmsd: float
    rmsd: float
    mae: float
    mse: float
    largest: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Errors of a functional on reactions. It equals itself only: compare the errors of two.

    Attributes:
        reactions: the reactions, in the order of the errors.
        errors: calculated minus reference energy in kcal/mol, (reactions,).
        method: "quadrature" or "grid": what was used in the end.
        frame: exact exchange and nonlocal correlation in which it was evaluated; None when nobody said.
        own_frame: those of the functional itself.
    """

    reactions: tuple[Reaction, ...]
    errors: FloatArray
    method: str
    frame: Frame | None = None
    own_frame: Frame | None = None

    @property
    def note(self) -> str:
        """What was evaluated when it is not the functional itself; "" when it is."""
        if self.frame is None or self.own_frame is None or self.frame.energies == self.own_frame.energies:
            return ""
        return (
            f"evaluated in the frame of the densities ({self.frame.source}: {self.frame}), not in its own "
            f"({self.own_frame})"
        )

    @cached_property
    def total(self) -> Statistics:
        """Statistics of all reactions."""
        return _statistics(self.reactions, self.errors)

    @property
    def wrmsd(self) -> float:
        """Weighted root mean square error in kcal/mol."""
        return self.total.wrmsd

    @cached_property
    def by_type(self) -> dict[str, Statistics]:
        """Statistics per data type ("TCE", "BH", ...)."""
        return self._grouped([reaction.data_type for reaction in self.reactions])

    @cached_property
    def by_subset(self) -> dict[str, Statistics]:
        """Statistics per subset ("TAE140nonMR", ...)."""
        return self._grouped([reaction.subset for reaction in self.reactions])

    def __repr__(self) -> str:
        error = f"WRMSD {self.wrmsd:.6g} kcal/mol, " if self.reactions else ""
        return f"Evaluation({len(self.reactions)} reactions: {error}{self.method})"

    def _repr_html_(self) -> str:
        rows = [(name, s.reactions, s.rmsd, s.wrmsd) for name, s in self.by_type.items()] if self.reactions else []
        return html_table(repr(self), ("type", "reactions", "RMSD", "WRMSD"), rows)

    def plot(self, ax: Any = None) -> Any:
        """Draw calculated against reference energies, kcal/mol, on `ax` or on new axes of matplotlib; returns them."""
        target = axes(ax)
        reference = np.array([reaction.reference for reaction in self.reactions])
        types = np.array([reaction.data_type for reaction in self.reactions])
        for name in dict.fromkeys(types.tolist()):
            rows = types == name
            target.plot(reference[rows], (reference + self.errors)[rows], ".", label=name or None)
        ends = [float(reference.min()), float(reference.max())]
        target.plot(ends, ends, color="grey", linewidth=0.8)
        target.set(
            xlabel="reference (kcal/mol)", ylabel="calculated (kcal/mol)", title=f"WRMSD {self.wrmsd:.4g} kcal/mol"
        )
        if types.any():
            target.legend(frameon=False, fontsize="small")
        return target

    def _grouped(self, keys: Sequence[str]) -> dict[str, Statistics]:
        groups: dict[str, list[int]] = {}
        for i, key in enumerate(keys):
            groups.setdefault(key, []).append(i)
        return {
            key: _statistics([self.reactions[i] for i in rows], self.errors[rows])
            for key, rows in sorted(groups.items())
        }


def wrmsd(
    functional: Functional | str,
    dataset: Dataset | str,
    split: str = "train",
    method: Method = "quadrature",
    *,
    level: str = "full",
    quadrature: str = "default",
    frame: FrameChoice = "dataset",
) -> float:
    """Weighted root mean square error in kcal/mol (Eq. 33 of 10.1063/1.4952647); arguments as in `evaluate`."""
    return evaluate(functional, dataset, split, method, level=level, quadrature=quadrature, frame=frame).wrmsd


def evaluate(
    functional: Functional | str,
    dataset: Dataset | str,
    split: str | Sequence[Reaction] = "train",
    method: Method = "quadrature",
    *,
    level: str = "full",
    quadrature: str = "default",
    frame: FrameChoice = "dataset",
) -> Evaluation:
    """Errors of a functional on a split.

    Args:
        functional: a functional, or text that `fastsfes.load` reads (a registered name, a file, a run, a formula). Its
            correlation constants are its own.
        dataset: a dataset or the name of one.
        split: "train", "validation", "test", or reactions of the dataset.
        method: "quadrature" uses the quadrature stored with the dataset and falls back to the grid for functionals that
            it cannot represent or that are not finite at its nodes; "grid" integrates on each density's own grid: the
            truth.
        level: node set of the quadrature, "full", "reduced" or "coarse".
        quadrature: its name in the dataset file; one on nodes in (rho, x2, w) represents functionals of rho.
        frame: "dataset" puts the functional's factors into the exact exchange, range separation and nonlocal
            correlation of the functional that made the densities, as searches do; where its own differ, a warning says
            so once. "own" evaluates the functional with its own, from the stored energies.

    Raises:
        InputError: the stored energies do not hold what the functional's own frame needs.
    """
    found = evaluate_many([functional], dataset, split, method, level=level, quadrature=quadrature, frame=frame)[0]
    if found.note:
        name = load(functional).name
        if (name, found.note) not in _told:
            _told.add((name, found.note))
            warnings.warn(f'{name} is {found.note}; frame="own" evaluates {name} itself', stacklevel=2)
    return found


#: Functionals and frames of which a warning has been given.
_told: set[tuple[str, str]] = set()


def evaluate_many(
    functionals: Iterable[Functional | str],
    dataset: Dataset | str,
    split: str | Sequence[Reaction] = "train",
    method: Method = "quadrature",
    *,
    level: str = "full",
    quadrature: str = "default",
    frame: FrameChoice = "dataset",
) -> list[Evaluation]:
    """Evaluate several functionals; those that need the grid share one pass over the densities."""
    if method not in ("quadrature", "grid"):
        raise InputError(f'method "{method}" is unknown; expected "quadrature" or "grid"')
    data = Dataset.open(dataset) if isinstance(dataset, str) else dataset
    reactions = tuple(data.split(split) if isinstance(split, str) else split)
    if not reactions:
        raise InputError(f'dataset "{data.name}" has no reaction of "{split}" whose densities are all there')
    names = sorted({data.representative(name) for reaction in reactions for name in reaction.coefficients})
    if frame not in ("dataset", "own"):
        raise InputError(f'frame "{frame}" is unknown; expected "dataset" or "own"')
    stored = frame_of(data, names)
    given = [load(f) for f in functionals]
    candidates = [f if frame == "own" else f.with_frame(replace(stored, correlation=f.correlation)) for f in given]
    shifts = [
        {name: frame_shift(data.energies(name), f.frame, stored, f.name) if frame == "own" else 0.0 for name in names}
        for f in given
    ]
    energies: dict[int, Mapping[str, float]] = {}
    if method == "quadrature":
        rules = Quadrature.load(data, quadrature)
        for k, candidate in enumerate(candidates):
            found = _quadrature_energies(candidate, rules, level)
            if found is not None:
                energies[k] = found
    remaining = [k for k in range(len(candidates)) if k not in energies]
    on_grid = set(remaining)
    if remaining:
        table = grid_energies([candidates[k] for k in remaining], data, names)
        for k, row in zip(remaining, table, strict=True):
            energies[k] = dict(zip(names, row.tolist(), strict=True))
    targets = reaction_targets(data, reactions)
    out = []
    for k in range(len(candidates)):
        by_name = {name: energies[k][name] + shifts[k][name] for name in names}
        values = [
            sum(c * by_name[data.representative(name)] for name, c in reaction.coefficients.items())
            for reaction in reactions
        ]
        errors = HARTREE_TO_KCAL * np.array(values) - targets
        used = replace(candidates[k].frame, source=stored.source if frame == "dataset" else given[k].name)
        out.append(Evaluation(reactions, errors, "grid" if k in on_grid else "quadrature", used, given[k].frame))
    return out


def grid_energies(
    functionals: Sequence[Comparison],
    dataset: Dataset,
    species: Sequence[str] | None = None,
    *,
    grid: str | None = None,
    threads: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> FloatArray:
    """Semilocal energies in hartree on the integration grid, (functionals, species): the truth.

    Args:
        functionals: ours or libxc's, evaluated as they are, in one pass over the densities.
        dataset: where the densities are.
        species: names; by default all with a converged density.
        grid: "level N" or "(radial,angular)"; by default the grid that each density was made on.
        threads: OpenMP threads of the evaluation, 0 for OpenMP's own choice; the result does not depend on it.
        progress: called with (name, number done, number of species) after every species.
    """
    names = list(dataset.density_names if species is None else species)
    out = np.zeros((len(functionals), len(names)))
    for column, name in enumerate(names):
        for block in cached_blocks(dataset, name, grid):
            for row, functional in enumerate(functionals):
                density = functional.energy_density(block.rho, block.sigma, block.tau, threads=threads)
                # numpy's pairwise sum: accurate, and the same with any number of threads.
                out[row, column] += np.sum(block.weights * density.exc)
        if progress is not None:
            progress(name, column + 1, len(names))
    return out


def _quadrature_energies(functional: Functional, quadrature: Quadrature, level: str) -> Mapping[str, float] | None:
    """Energies by species, or None when the grid has to be used."""
    try:
        values = quadrature.energies(functional, level)
    except NotRepresentable:
        return None
    if not np.all(np.isfinite(values)):
        return None
    return dict(zip(quadrature.species, values.tolist(), strict=True))


def _statistics(reactions: Sequence[Reaction], errors: FloatArray) -> Statistics:
    weights = np.array([reaction.weight for reaction in reactions])
    if len(errors) == 0:
        raise FastsfesError("there are no reactions to average over")
    return Statistics(
        reactions=len(errors),
        wrmsd=float(np.sqrt(np.mean(weights * errors**2))),
        rmsd=float(np.sqrt(np.mean(errors**2))),
        mae=float(np.mean(np.abs(errors))),
        mse=float(np.mean(errors)),
        largest=float(errors[np.argmax(np.abs(errors))]),
    )
