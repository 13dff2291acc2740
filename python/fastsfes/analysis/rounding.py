"""Fewer digits, honestly: parameters rounded one after the other, the others fitted again each time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from ..common.errors import FastsfesError, InputError
from ..common.files import plain
from ..datasets.dataset import Dataset
from ..energies.frame import frame_of
from ..fitting import Conditions, FitProblem, FitSettings, parse_conditions
from ..fitting.constraints import Equality, Penalty
from ..fitting.problem import fixed_channel
from ..functionals.functional import Functional
from ..functionals.load import load
from ..health.conditions.exact import exact_conditions
from .minimum import Optimum
from .uncertainty import parameter_uncertainties

__all__ = ["MOST_DIGITS", "TOLERANCE", "RoundedParameters", "round_parameters", "with_uncertainty"]

TOLERANCE = 0.01
"""What fewer digits may cost of a split's WRMSD, kcal/mol."""

MOST_DIGITS = 17
"""With them every number keeps all its bits."""

_SETTINGS = FitSettings(max_evaluations=100, ftol=1e-13, xtol=1e-12)

_MET = 1e-9
"""Conditions on the factors are met to that; rounding may not add more."""


@dataclass(frozen=True)
class RoundedParameters:
    """Parameters with few digits, and what they cost.

    Attributes:
        functional: with the rounded parameters.
        digits: significant digits by parameter, "channel.name".
        standard_errors: of the parameters before they were rounded (see `ParameterUncertainties`); infinite where the
            data do not determine one, empty where they cannot be told.
        before, after: WRMSD by split in kcal/mol, with all digits and with few.
        notes: what rounding changed beside the losses, a sentence each.
    """

    functional: Functional
    digits: Mapping[str, int]
    standard_errors: Mapping[str, float]
    before: Mapping[str, float]
    after: Mapping[str, float]
    notes: tuple[str, ...] = ()

    @property
    def cost(self) -> float:
        """Largest rise of a split's WRMSD, kcal/mol; negative when all fell."""
        return max(self.after[s] - self.before[s] for s in self.before)

    def texts(self) -> dict[str, str]:
        """Every parameter as it is printed: its digits and its uncertainty, "0.853 ± 0.012"."""
        return {
            name: with_uncertainty(decimal(value, self.digits[name]), self.standard_errors.get(name))
            for name, value in self.functional.parameters.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        rows = [
            {"name": n, "value": v, "digits": self.digits[n], "standard_error": self.standard_errors.get(n)}
            for n, v in self.functional.parameters.items()
        ]
        data = {"parameters": rows, "before": self.before, "after": self.after, "notes": self.notes}
        return dict(plain({**data, "functional": self.functional.to_dict()}))

    def __str__(self) -> str:
        width = max([len(n) for n in self.digits] or [0])
        lines = [f"{name:<{width}} = {text}" for name, text in self.texts().items()]
        losses = ", ".join(f"{s} {self.before[s]:.6g} -> {self.after[s]:.6g}" for s in self.before)
        return "\n".join([*lines, f"WRMSD in kcal/mol with these digits: {losses}", *self.notes])


def decimal(value: float, digits: int) -> str:
    """The number with this many significant digits, as people write it."""
    if digits >= MOST_DIGITS:
        return repr(value)
    if value == 0.0:
        return "0"
    exponent = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if not -5 <= exponent < max(digits, 5):
        return f"{value:.{digits - 1}e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    return f"{_rounded(value, digits):.{max(digits - 1 - exponent, 0)}f}"


def with_uncertainty(value: str, error: float | None) -> str:
    """A number with its standard error, that to two digits."""
    if error is None:
        return value
    return f"{value} ± {decimal(error, 2)}" if math.isfinite(error) else f"{value} (not determined)"


def round_parameters(
    functional: Functional | str,
    dataset: Dataset | str = "builtin",
    *,
    tolerance: float = TOLERANCE,
    digits: int | None = None,
    fixed: Iterable[str] = (),
    constraints: Sequence[str] = (),
    shares: Mapping[str, float | None] | None = None,
    refit: bool = True,
    frame: str = "",
    level: str = "full",
    threads: int = 0,
) -> RoundedParameters:
    """The fewest digits per parameter that cost less than a tolerance of the WRMSD.

    One parameter after the other is rounded, the least certain first, and those that are not yet rounded are fitted
    again; each may use its share of the tolerance. Then each loses further digits while the whole cost allows. Neither
    the training nor the validation WRMSD rises by more than the tolerance. Conditions on the factors that the
    parameters met are met as well as before, and so are all exact conditions of `fastsfes.health`; where rounding would
    break one, more digits are kept.

    Args:
        functional: at its optimum, as `fit` and `search` return it; anything that `fastsfes.load` reads.
        dataset: with the reactions it was fitted to, or its name.
        tolerance: in kcal/mol.
        digits: that many for every parameter instead, whatever they cost; 17 keeps all.
        fixed: parameters that stay as they are, "channel.name", patterns such as "css.*" included.
        constraints: conditions on the factors, as `fit` takes them.
        shares: splits that it was fitted to, and what each counts in the squared loss, None where all
            reactions count alike; default: training alone.
        refit: False leaves the other parameters as they are when one is rounded: for those that are no minimum of the
            loss alone.
        frame: functional whose frame it was fitted in, as `fit` takes it.
        level: nodes of the quadrature.
        threads: OpenMP threads; the result does not depend on it.

    Returns:
        `RoundedParameters`; ``str()`` of it is a table.

    Raises:
        InputError: a tolerance that is not positive, or digits that are not 1 to 17.
    """
    if not tolerance > 0.0:
        raise InputError(f"tolerance is {tolerance:g}; expected kcal/mol above 0")
    if digits is not None and not 1 <= digits <= MOST_DIGITS:
        raise InputError(f"digits is {digits}; expected 1 to {MOST_DIGITS}")
    given = load(functional)
    data = Dataset.open(dataset) if isinstance(dataset, str) else dataset
    own = load(frame, where="frame").frame if frame else None
    conditions = parse_conditions(tuple(constraints), tuple(given.channels), (own or frame_of(data)).hybrid)
    problem = FitProblem.from_dataset(
        data,
        tuple(given.channels),
        level=level,
        equalities=conditions.equalities,
        penalties=conditions.penalties,
        correlation=given.correlation,
        frame=own,
    )
    if shares is not None:
        problem = problem.pooled(shares)
    kept = {n: v for n, v in given.parameters.items() if any(fnmatchcase(n, pattern) for pattern in fixed)}
    work = _Rounding(problem, given.with_frame(problem.frame), conditions, kept, refit, threads)
    errors = work.standard_errors()
    if digits is not None:
        found = work.fixed(digits, errors)
    else:
        found = work.fewest(tolerance, errors)
    rounded = given.with_parameters(found.values)
    return RoundedParameters(rounded, found.digits, errors, work.before, work.losses(rounded), work.notes(rounded))


@dataclass(frozen=True)
class _Chosen:
    values: dict[str, float]
    digits: dict[str, int]


class _Rounding:
    def __init__(
        self,
        problem: FitProblem,
        functional: Functional,
        conditions: Conditions,
        kept: Mapping[str, float],
        refit: bool,
        threads: int,
    ) -> None:
        self.problem = problem
        self.functional = functional
        self.kept = kept
        self.refit = refit
        self.conditions: tuple[Equality | Penalty, ...] = (*conditions.equalities, *conditions.penalties)
        self.threads = threads
        self.before = self.losses(functional)
        self.broken = _violations(functional, self.conditions)
        self.met = _met(functional)

    def losses(self, functional: Functional) -> dict[str, float]:
        """WRMSD per split."""
        made = functional.with_frame(self.problem.frame)
        return {block: self.problem.loss(made, block) for block in self.problem.reactions}

    def standard_errors(self) -> dict[str, float]:
        """Of all parameters; empty where they cannot be told."""
        if not self.functional.parameters:
            return {}
        try:
            found = parameter_uncertainties(Optimum(self.functional, self.problem, None, self.before, False))
        except FastsfesError:
            return {}
        return dict(zip(found.names, found.standard_errors.tolist(), strict=True))

    def order(self, errors: Mapping[str, float]) -> list[str]:
        """The least certain first: where few digits are enough, the others make up for them."""
        values = {n: v for n, v in self.functional.parameters.items() if n not in self.kept}
        return sorted(values, key=lambda n: -errors.get(n, 0.0) / (abs(values[n]) or 1.0))

    def refitted(self, fixed: Mapping[str, float], start: Mapping[str, float]) -> dict[str, float]:
        """All parameters, those that are not fixed at their optimum."""
        made = self.functional.with_parameters(start)
        channels = {}
        for kind, channel in made.channels.items():
            mine = {n: fixed[f"{kind}.{n}"] for n in channel.parameters if f"{kind}.{n}" in fixed}
            channels[kind] = fixed_channel(channel, mine) if mine else channel
        free = replace(made, channels=channels)
        if not free.parameters or not self.refit:
            return {**start, **fixed}
        fitted = self.problem.fit([free], _SETTINGS, threads=self.threads)[0]
        if not all(math.isfinite(loss) for loss in fitted.losses.values()):
            return {**start, **fixed}
        return {**start, **fixed, **fitted.functional.parameters}

    def allowed(self, values: Mapping[str, float], cost: float) -> bool:
        """Whether these parameters cost no more than that and meet what the given ones meet."""
        made = self.functional.with_parameters(values)
        after = self.losses(made)
        if not all(after[s] - self.before[s] <= cost for s in after):
            return False
        now = _violations(made, self.conditions)
        return all(b <= max(a, _MET) for a, b in zip(self.broken, now, strict=True))

    def fixed(self, digits: int, errors: Mapping[str, float]) -> _Chosen:
        """As many digits for each."""
        values, done = dict(self.functional.parameters), dict(self.kept)
        for name in self.order(errors) if digits < MOST_DIGITS else ():
            done[name] = _rounded(values[name], digits)
            values = self.refitted(done, values)
        return _Chosen(values, {n: MOST_DIGITS if n in self.kept else digits for n in values})

    def fewest(self, tolerance: float, errors: Mapping[str, float]) -> _Chosen:
        """As few as the tolerance and the conditions allow."""
        for part in (1.0, 0.1, 0.01):
            found = self._fewest(part * tolerance, errors)
            if not self._lost(self.functional.with_parameters(found.values)):
                return found
        return _Chosen(dict(self.functional.parameters), dict.fromkeys(self.functional.parameters, MOST_DIGITS))

    def _fewest(self, tolerance: float, errors: Mapping[str, float]) -> _Chosen:
        order = self.order(errors)
        values, done = dict(self.functional.parameters), dict(self.kept)
        digits = dict.fromkeys(self.kept, MOST_DIGITS)
        for k, name in enumerate(order, start=1):
            for count in range(1, MOST_DIGITS + 1):
                trial = self.refitted({**done, name: _rounded(values[name], count)}, values)
                if self.allowed(trial, tolerance * k / len(order)):
                    break
            values, digits[name], done[name] = trial, count, trial[name]
        for name in order:
            while digits[name] > 1:
                trial = {**values, name: _rounded(values[name], digits[name] - 1)}
                if not self.allowed(trial, tolerance):
                    break
                values, digits[name] = trial, digits[name] - 1
        return _Chosen(values, {name: digits[name] for name in self.functional.parameters})

    def _lost(self, functional: Functional) -> list[str]:
        """Exact conditions that the functional met with all digits and does not meet with these parameters."""
        return sorted(self.met - _met(functional))

    def notes(self, functional: Functional) -> tuple[str, ...]:
        """What these parameters lose beside accuracy."""
        return tuple(f"with these digits the functional no longer meets: {name}" for name in self._lost(functional))


def _rounded(value: float, digits: int) -> float:
    return value if digits >= MOST_DIGITS else float(f"{value:.{digits - 1}e}")


def _met(functional: Functional) -> frozenset[str]:
    """Names of the exact conditions that a functional meets."""
    return frozenset(row.name for row in exact_conditions(functional) if row.passed)


def _violations(functional: Functional, conditions: Iterable[Equality | Penalty]) -> list[float]:
    """By how much each condition on the factors is missed."""
    found = []
    for condition in conditions:
        total = 0.0
        for term in condition.terms:
            channel = functional.channels[term.kind]
            at = {n: np.array([v]) for n, v in term.all_features().items() if n in channel.expression.features}
            total += term.coefficient * float(np.ravel(channel.evaluate(at))[0])
        if isinstance(condition, Equality):
            found.append(abs(total - condition.value))
        else:
            found.append(max(condition.lower - total, total - condition.upper, 0.0))
    return found
