"""`fit`: the parameters of one functional, fitted to a dataset."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

import numpy as np

from ..common.errors import FastsfesError, InputError
from ..common.notebook import html_table
from ..datasets.dataset import Dataset
from ..energies.evaluate import Evaluation
from ..energies.frame import frame_of
from ..functionals.functional import Channel, Functional
from ..functionals.load import load
from .cmaes import SYFES_CMA, CmaSettings, minimise_cma
from .conditions import parse_conditions
from .constraints import Equality, Penalty
from .levels import fit_through_levels
from .losses import minimise_loss, parse_loss
from .minimum import SETTINGS, find_minimum
from .problem import FitProblem, FitSettings, Fitted, fixed_channel

__all__ = ["OPTIMIZERS", "FitResult", "Optimizer", "fit"]

Optimizer = Literal["varpro", "cma", "cma-syfes"]
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)


@dataclass(frozen=True)
class FitResult:
    """What `fit` returns.

    Attributes:
        functional: with the fitted parameters, in the frame of the dataset's densities or the one that was asked for,
            named "..._refit".
        train, validation, test: WRMSD in kcal/mol; None where the split has no reactions or was not asked for.
        evaluations: of the projected problem ("varpro") or of the loss ("cma").
        status: "converged" or "evaluation_limit".
        optimizer: "varpro", "cma" or "cma-syfes".
        linear: parameters that were eliminated, "channel.name".
        rank: independent columns among them; fewer than ``len(linear)`` when some are redundant (those are 0).
        start: WRMSD of the training reactions with the parameters that were given.
        seconds: time of the optimisation.
        notes: doubts about the minimum, and about the frame, a sentence each.
        evaluated: split -> errors of its reactions with the fitted parameters, by quadrature.
    """

    functional: Functional
    train: float
    validation: float | None
    test: float | None
    evaluations: int
    status: str
    optimizer: str
    linear: tuple[str, ...]
    rank: int
    start: float
    seconds: float
    notes: tuple[str, ...] = ()
    evaluated: Mapping[str, Evaluation] = field(default_factory=dict, compare=False)

    def __repr__(self) -> str:
        losses = {"train": self.train, "validation": self.validation, "test": self.test}
        known = ", ".join(f"{split} {loss:.6g}" for split, loss in losses.items() if loss is not None)
        return f"FitResult({self.functional.name!r}: {known} kcal/mol, {self.status})"

    def _repr_html_(self) -> str:
        rows = [(name, value) for name, value in self.parameters.items()]
        return html_table(repr(self), ("parameter", "value"), rows)

    def plot(self, split: str = "train", ax: Any = None) -> Any:
        """Draw calculated against reference energies of a split, kcal/mol.

        Args:
            split: "train" or another one that was evaluated.
            ax: axes of matplotlib; None for new ones.

        Returns:
            The axes.
        """
        if split not in self.evaluated:
            raise InputError(f'split "{split}" was not evaluated; expected one of {", ".join(self.evaluated)}')
        return self.evaluated[split].plot(ax)

    @property
    def parameters(self) -> dict[str, float]:
        """The fitted functional's parameters, "channel.name"."""
        return self.functional.parameters


def fit(
    functional: Functional | str,
    dataset: Dataset | str,
    *,
    seed: int = 0,
    optimizer: Optimizer = "varpro",
    loss: str = "",
    starts: int | None = None,
    fixed: Iterable[str] = (),
    bounds: Mapping[str, tuple[float, float]] | None = None,
    constraints: Sequence[str] = (),
    equalities: Iterable[Equality] = (),
    penalties: Iterable[Penalty] = (),
    ridge: float = 0.0,
    exact_exchange: bool = False,
    frame: str = "",
    test: bool = False,
    level: str = "full",
    quadrature: str = "default",
    targets: Mapping[str, float] | None = None,
    max_evaluations: int | None = None,
    cma: CmaSettings | None = None,
    threads: int = 0,
) -> FitResult:
    """Fit the parameters of a functional to the training reactions of a dataset, at frozen densities.

    Energies come from the dataset's feature-space quadrature; `fastsfes.wrmsd` with ``method="grid"`` is the check.

    Args:
        functional: a functional, or text that `fastsfes.functionals.load` reads; its parameters are the start.
        dataset: a dataset or the name of one.
        seed: of further starts and of CMA-ES.
        optimizer: "varpro" solves for linear parameters and moves the others by Levenberg-Marquardt (10.1137/0710036);
            "cma" searches all parameters with CMA-ES (10.48550/arXiv.1604.00772), slow and global; "cma-syfes" does so
            with the settings of SyFES's runs.
        loss: what is minimised in place of the WRMSD: "huber:LIMIT", "worst-type", or a data type or subset
            (`fastsfes.fitting.losses`), by reweighting from the least-squares fit; with "varpro".
        starts: number of starting points; the first is the functional as given. By default as many as it takes to
            reproduce the lowest minimum (`fastsfes.fitting.minimum`): the answer for this form on this data, whatever
            its parameters were. On "full" nodes starts are tried on the reduced nodes, and what is found there is
            refined.
        fixed: parameters that keep their values, "channel.name", patterns such as "css.*" included.
        bounds: "channel.name" -> (lower, upper).
        constraints: conditions on the enhancement factors as text, see `fastsfes.fitting.conditions`: "uniform_gas",
            "f_cos(x2=0, w=0) = 1", "0 <= f_x <= 1.804", ...
        equalities, penalties: more of them (`fastsfes.fitting.constraints`).
        ridge: ridge * sum(linear parameter^2) joins the squared WRMSD.
        exact_exchange: fit the fractions of short- and long-range exact exchange as well.
        frame: functional whose exact exchange, range separation and nonlocal correlation are kept, on the same
            densities; default: the one that made the densities.
        test: also evaluate the test split; it is not read otherwise.
        level: quadrature nodes, "full", "reduced" or "coarse".
        quadrature: name of the quadrature in the dataset file.
        targets: reaction name -> energy in kcal/mol that the channels have to give, in place of reference minus frozen.
        max_evaluations: limit per start; 200 for "varpro", 50,000 for "cma", 100,000 for "cma-syfes".
        cma: settings of CMA-ES.
        threads: OpenMP threads, 0 for OpenMP's own choice; the result does not depend on it.

    Raises:
        InputError: unknown names; functionals whose features the quadrature does not have.
        FastsfesError: no finite loss could be reached, or conditions that cannot be met.
    """
    if optimizer not in OPTIMIZERS:
        raise InputError(f'optimizer "{optimizer}" is unknown; expected one of {", ".join(OPTIMIZERS)}')
    given = load(functional)
    free, kept = _split(given, fixed)
    data = Dataset.open(dataset) if isinstance(dataset, str) else dataset
    own = load(frame, where="frame").frame if frame else None
    conditions = parse_conditions(tuple(constraints), tuple(given.channels), (own or frame_of(data)).hybrid)
    equalities = (*conditions.equalities, *equalities)
    problem, reduced = FitProblem.pair(
        data,
        tuple(given.channels),
        splits=["train", "validation", *(["test"] if test else [])],
        level=level,
        quadrature=quadrature,
        equalities=equalities,
        penalties=(*conditions.penalties, *penalties),
        ridge=ridge,
        exact_exchange=exact_exchange,
        targets=targets,
        correlation=given.correlation,
        frame=own,
    )
    start = problem.loss(free if exact_exchange else free.with_frame(problem.frame))
    notes = tuple(problem.frame_notes(given))
    began = time.perf_counter()
    if optimizer == "varpro":
        found, more = _by_varpro(problem, reduced, free, starts, max_evaluations, seed, bounds, threads)
        notes = (*notes, *more)
        if loss:
            if bounds:
                raise InputError("loss does not go with bounds; leave one of them out")
            found, note = _by_reweighting(problem, reduced, found, loss, threads)
            notes = (*notes, note)
    else:
        if equalities or bounds or ridge or loss:
            raise InputError(
                f'optimizer "{optimizer}" knows no equalities, bounds, ridge or loss; use penalties or "varpro"'
            )
        chosen = cma or (SYFES_CMA if optimizer == "cma-syfes" else CmaSettings())
        if max_evaluations is not None:
            chosen = replace(chosen, max_evaluations=max_evaluations)
        found = _by_cma(problem, free, chosen, seed, threads)
    seconds = time.perf_counter() - began
    if not math.isfinite(found.losses["train"]):
        raise FastsfesError(f'functional "{given.name}" cannot be fitted: {found.message}')
    losses = {block: problem.loss(found.functional, block) for block in problem.core.blocks}
    return FitResult(
        functional=_merge(given, found.functional, kept),
        train=losses["train"],
        validation=losses.get("validation"),
        test=losses.get("test"),
        evaluations=found.evaluations,
        status=found.status,
        optimizer=optimizer,
        linear=found.linear,
        rank=found.rank,
        start=start,
        seconds=seconds,
        notes=notes,
        evaluated={
            block: Evaluation(problem.reactions[block], problem.errors(found.functional, block), "quadrature")
            for block in problem.core.blocks
        },
    )


def _by_varpro(
    problem: FitProblem,
    reduced: FitProblem | None,
    free: Functional,
    starts: int | None,
    max_evaluations: int | None,
    seed: int,
    bounds: Mapping[str, tuple[float, float]] | None,
    threads: int,
) -> tuple[Fitted, tuple[str, ...]]:
    """The lowest minimum, or the best of so many starts; and what is to be said of it."""
    if starts is None:
        each = SETTINGS if max_evaluations is None else replace(SETTINGS, max_evaluations=max_evaluations)
        minimum = find_minimum(problem, free, reduced=reduced, seed=seed, settings=each, bounds=bounds, threads=threads)
        return minimum.fitted, tuple(minimum.notes)
    settings = FitSettings(starts=starts, seed=seed, max_evaluations=max_evaluations or 200, ftol=1e-12)
    return fit_through_levels(problem, reduced, free, settings, bounds=bounds, threads=threads), ()


def _by_reweighting(
    problem: FitProblem, reduced: FitProblem | None, least: Fitted, text: str, threads: int
) -> tuple[Fitted, str]:
    """The minimum of another loss: found on few nodes, where there are any, and refined on all; and what it came to."""
    block = next(iter(problem.reactions))
    loss = parse_loss(text, problem.reactions[block])
    settings = replace(SETTINGS, starts=1)
    _, factors, _ = minimise_loss(reduced or problem, least.functional, loss, settings, threads)
    (found,) = problem.reweighted(factors).fit([least.functional], settings, threads=threads)

    def value(functional: Functional) -> float:
        return loss.value(np.sqrt(problem.weights(block)) * problem.errors(functional, block))

    before, after = value(least.functional), value(found.functional)
    return replace(found, losses={block: after}), f"{text}: {after:.6g} kcal/mol, {before:.6g} by least squares"


def _by_cma(problem: FitProblem, free: Functional, settings: CmaSettings, seed: int, threads: int) -> Fitted:
    """The best point that CMA-ES finds; it knows no linear parameters, and its loss holds the penalties too."""
    vector, loss, evaluations = minimise_cma(
        problem.core,
        problem.expressions(free),
        problem.vector(free),
        settings,
        seed,
        threads,
        problem.scales(free),
    )
    status = "evaluation_limit" if evaluations >= settings.max_evaluations else "converged"
    return Fitted(
        problem.with_vector(free, vector), {"train": loss}, status, "the loss is not finite", (), 0, evaluations
    )


def _split(functional: Functional, fixed: Iterable[str]) -> tuple[Functional, dict[str, float]]:
    """The functional with the fixed parameters as constants, and their values."""
    parameters = functional.parameters
    kept: dict[str, float] = {}
    for pattern in fixed:
        matches = [name for name in parameters if fnmatchcase(name, pattern)]
        if not matches:
            raise InputError(
                f'fixed: "{pattern}" matches no parameter of "{functional.name}"; it has {", ".join(parameters)}'
            )
        kept |= {name: parameters[name] for name in matches}
    channels: dict[str, Channel] = {}
    for kind, channel in functional.channels.items():
        mine = {n: v for n, v in channel.parameters.items() if f"{kind}.{n}" in kept}
        channels[kind] = fixed_channel(channel, mine) if mine else channel
    return replace(functional, channels=channels), kept


def _merge(given: Functional, fitted: Functional, kept: Mapping[str, float]) -> Functional:
    """The given form with the fitted values."""
    values = {name: fitted.parameters.get(name, kept.get(name, np.nan)) for name in given.parameters}
    made = given.with_parameters(values)
    suffix = "" if given.name.endswith("_refit") else "_refit"
    citation = f"parameters fitted with fastsfes; form: {given.citation}" if given.citation else ""
    return replace(
        made,
        name=given.name + suffix,
        citation=citation,
    ).with_frame(fitted.frame)
