"""The minimum of one form on one set of reactions: starts are spent where it is not reproduced, and doubts are said."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .. import _core
from ..formula.expression import Expression
from ..functionals.functional import Functional
from .problem import FitProblem, FitSettings, Fitted

__all__ = ["Minimum", "confirmed", "find_minimum"]

SETTINGS = FitSettings(max_evaluations=300, ftol=1e-13, xtol=1e-12)
"""Of every single fit; what is found on few nodes is refined on all until rounding ends it."""

ROUNDS = (64, 128, 256)
"""Starts that have been tried when the search may end."""

REPRODUCED = 3
"""Starts that have to end in the lowest minimum."""

REFINED = 8
"""Different minima on the reduced nodes that are refined on all nodes."""

BRIEF = 40
"""Evaluations of each on all nodes, after which those go on that may become the lowest."""

_SAME = 1e-6
"""Losses of one minimum differ by less, relative."""

_NEAR = 0.01
"""By how much more a fit of `BRIEF` evaluations may be off than the lowest, relative."""

_SCALES = (1e-6, 1e2)
"""Between which scales start: u(x2, g) is a step somewhere between x2 = 1e-2 and 1e6."""


@dataclass(frozen=True)
class Minimum:
    """Where the fits of one form end.

    Attributes:
        fitted: the lowest minimum.
        starts: starting points that were tried.
        reached: how many of them ended there.
        notes: doubts, each a sentence.
    """

    fitted: Fitted
    starts: int
    reached: int
    notes: tuple[str, ...]

    @property
    def functional(self) -> Functional:
        """With the parameters of the minimum."""
        return self.fitted.functional

    @property
    def loss(self) -> float:
        """WRMSD of the fitted reactions, kcal/mol."""
        return next(iter(self.fitted.losses.values()))


def find_minimum(
    problem: FitProblem,
    functional: Functional,
    *,
    reduced: FitProblem | None = None,
    also: Sequence[Functional] = (),
    seed: int = 0,
    settings: FitSettings = SETTINGS,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    threads: int = 0,
) -> Minimum:
    """The lowest minimum of a form: what every refit of it on these reactions is.

    The first start is the functional as it is; further ones spread over the decades of the scales and around the other
    parameters that do not enter linearly. Scales start positive. There are 64 and, where the lowest minimum was not
    reached three times or has a scale at a limit, up to 256.

    Args:
        problem: with the reactions, on the nodes of the result.
        functional: the form and its first start.
        reduced: the same problem on few nodes: starts are tried there, and what they find is refined.
        also: the same form with other parameters, from which it is fitted on all nodes.
        seed: of the starts.
        settings: of each fit.
        bounds: as in `FitProblem.fit`.
        threads: OpenMP threads; the result does not depend on it.
    """
    few = reduced or problem
    once = replace(settings, starts=1)

    to_the_end = replace(once, ftol=0.0, xtol=0.0)

    def fit(on: FitProblem, forms: Sequence[Functional], settings: FitSettings = once) -> list[Fitted]:
        return on.fit(forms, settings, bounds=[bounds or {}] * len(forms), threads=threads)

    first = fit(few, [functional])
    moving = [n for n in problem.names(functional) if n in functional.parameters and n not in first[0].linear]
    found, best, reached = first, first[0], 1
    if moving:
        starts = _starts(problem, functional, moving, seed, ROUNDS[-1], bounds or {})
        for count in ROUNDS:
            found += fit(few, starts[len(found) : count])
            best = min(found, key=_loss)
            reached = sum(_loss(f) <= _loss(best) * (1.0 + _SAME) for f in found)
            if reached >= REPRODUCED and not _at_limit(few, best, moving):
                break
    tried = len(found)
    some = [functional, *(f.functional for f in _different(found)[:REFINED]), *also]
    some = [f.functional for f in _contenders(fit(problem, some, replace(to_the_end, max_evaluations=BRIEF)))]
    last = fit(problem, some, to_the_end)
    best = min([confirmed(problem, f) for f in last] or [best], key=_loss)
    return Minimum(best, tried, reached, tuple(_notes(problem, functional, first[0], best, moving, tried, reached)))


def confirmed(problem: FitProblem, fitted: Fitted) -> Fitted:
    """With losses evaluated from the parameters: a linear solve whose coefficients are huge may promise lower ones."""
    if not math.isfinite(_loss(fitted)):
        return fitted
    return replace(fitted, losses={block: problem.loss(fitted.functional, block) for block in problem.reactions})


def _loss(fitted: Fitted) -> float:
    loss = next(iter(fitted.losses.values()))
    return loss if math.isfinite(loss) else math.inf


def _different(found: Sequence[Fitted]) -> list[Fitted]:
    """One of each minimum, the lowest first."""
    kept: list[Fitted] = []
    for fitted in sorted((f for f in found if math.isfinite(_loss(f))), key=_loss):
        if not kept or _loss(fitted) > _loss(kept[-1]) * (1.0 + 1e-4):
            kept.append(fitted)
    return kept


def _contenders(found: Sequence[Fitted]) -> list[Fitted]:
    """One of each minimum that may become the lowest when its fit goes on."""
    kept = _different(found)
    return [f for f in kept if _loss(f) <= _loss(kept[0]) * (1.0 + _NEAR)]


def _starts(
    problem: FitProblem,
    functional: Functional,
    moving: Sequence[str],
    seed: int,
    count: int,
    bounds: Mapping[str, tuple[float, float]],
) -> list[Functional]:
    """The functional and others of its form, spread by an additive recurrence: low discrepancy, no clusters."""
    values = functional.parameters
    positive = functional.with_parameters({n: abs(values[n]) or 1.0 for n in moving})
    scales = {n for n, flag in zip(problem.names(positive), problem.scales(positive), strict=True) if flag}
    root = 2.0
    for _ in range(60):  # of root^(d+1) = root + 1: the generalised golden ratio
        root = (1.0 + root) ** (1.0 / (len(moving) + 1))
    steps = np.array([root ** -(j + 1.0) for j in range(len(moving))])
    offset = np.random.default_rng(seed).random(len(moving))
    made = [functional]
    for k in range(1, count):
        unit = (offset + k * steps) % 1.0
        start = {}
        for name, u in zip(moving, unit.tolist(), strict=True):
            given = values[name]
            if name in scales:
                start[name] = _SCALES[0] * (_SCALES[1] / _SCALES[0]) ** u
            else:
                start[name] = given + 2.0 * (2.0 * u - 1.0) * (1.0 + abs(given))
            low, high = bounds.get(name, (-math.inf, math.inf))
            start[name] = min(max(start[name], low), high)
        made.append(functional.with_parameters(start))
    return made


def _at_limit(problem: FitProblem, fitted: Fitted, moving: Sequence[str]) -> list[str]:
    """Scales at the end of their range."""
    names = problem.names(fitted.functional)
    scales = dict(zip(names, problem.scales(fitted.functional), strict=True))
    values = fitted.functional.parameters
    lowest, highest = _core.SCALE_LIMITS
    return [n for n in moving if scales[n] and not lowest * 1.001 < values[n] < highest * 0.999]


def _notes(
    problem: FitProblem,
    functional: Functional,
    first: Fitted,
    best: Fitted,
    moving: Sequence[str],
    tried: int,
    reached: int,
) -> list[str]:
    """What is doubtful about a minimum, a sentence each."""
    made, names = best.functional, problem.names(functional)
    notes: list[str] = []
    if not math.isfinite(_loss(best)):
        return notes
    if moving and reached < REPRODUCED:
        notes.append(f"the lowest minimum was reached by {reached} of {tried} starts: there may be a lower one")
    for name in _at_limit(problem, best, moving):
        notes.append(
            f"{name} = {made.parameters[name]:.3g} is at the limit of scales: its term has become another form"
        )
    for name in moving:
        if functional.parameters[name] == 0.0 == first.functional.parameters[name]:
            notes.append(f"{name} = 0 is a start that cannot move; others were tried")
    for kind, denominator, low, high in _poles(problem, made):
        notes.append(f"f_{kind} has a pole: {denominator} is between {low:.3g} and {high:.3g} on the molecules' nodes")
    rows = len(problem.weights(next(iter(problem.reactions))))
    if len(names) > rows:
        notes.append(f"{len(names)} parameters are fitted to {rows} reactions")
    elif best.rank < len(best.linear):
        notes.append(
            f"only {best.rank} of {len(best.linear)} linear parameters are independent; the others are redundant"
        )
    return notes


def _poles(problem: FitProblem, functional: Functional) -> list[tuple[str, str, float, float]]:
    """Denominators that change their sign on the nodes."""
    found = []
    for kind, values, _ in problem.rows.channels:
        if kind not in functional.channels:
            continue
        channel = functional.channels[kind]
        nodes = channel.bound().define().nodes()
        made: list[Expression] = []
        for operator, arguments, payload in nodes:
            if operator == "constant":
                made.append(Expression.constant(float(payload)))
            elif operator == "feature":
                made.append(Expression.parse(str(payload)))
            else:
                made.append(Expression.apply(operator, *(made[a] for a in arguments)))
            if operator != "/" or not made[arguments[1]].features:
                continue
            below = made[arguments[1]].evaluate({f: values[f] for f in made[arguments[1]].features}, {})
            low, high = float(np.min(below)), float(np.max(below))
            if low < 0.0 < high:
                found.append((kind, str(made[arguments[1]]), low, high))
    return found
