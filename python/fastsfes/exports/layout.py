"""What every code exporter computes: the energy density and its derivatives by order, and what they are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..formula.expression import Expression
from ..functionals.formulas import (
    VARIABLES,
    Floor,
    derivative_expressions,
    derivative_keys,
    differentiable_energy,
    free_parameters,
)
from ..functionals.functional import Functional
from .straightline import Code, Language, straight_line

__all__ = [
    "TOLERANCE",
    "DifferentiableLayout",
    "Layout",
    "SelfTest",
    "all_keys",
    "differentiable_layout",
    "layout",
    "parameter_names",
    "raised",
    "self_test",
]

_LONGEST_NAME = 40


@dataclass(frozen=True)
class Layout:
    """Expressions of one spin case, parameters as names.

    Attributes:
        orders: per order of derivatives the expressions by libxc's names.
        inputs: names of the variables that occur, of `VARIABLES`.
        parameters: names of the parameters that occur, of `parameter_names`.
    """

    orders: tuple[Mapping[str, tuple[Expression, ...]], ...]
    inputs: tuple[str, ...]
    parameters: tuple[str, ...]

    @property
    def groups(self) -> list[list[Expression]]:
        """The expressions per order, one after the other."""
        return [[e for values in order.values() for e in values] for order in self.orders]


def layout(functional: Functional, polarised: bool, deriv: int = 2, threshold: str = "") -> Layout:
    """The expressions of a functional up to this order; `threshold` is a name in place of the density threshold."""
    orders: list[dict[str, tuple[Expression, ...]]] = [{} for _ in range(deriv + 1)]
    for key, values in derivative_expressions(functional, polarised, deriv, free=True, threshold=threshold).items():
        orders[0 if key == "exc" else 2 if key.startswith("v2") else 1][key] = values
    used = _used(e for order in orders for values in order.values() for e in values)
    return Layout(
        tuple(orders),
        tuple(v for names in VARIABLES[polarised].values() for v in names if v in used),
        tuple(p for p in free_parameters(functional) if p in used),
    )


@dataclass(frozen=True)
class DifferentiableLayout(Layout):
    """The energy alone, for programs that differentiate it, of variables that were raised to floors.

    Attributes:
        floors: by variable its floor.
    """

    floors: Mapping[str, Floor]


def differentiable_layout(functional: Functional, polarised: bool) -> DifferentiableLayout:
    """The energy of a functional, see `fastsfes.functionals.formulas.differentiable_energy`."""
    energy, floors = differentiable_energy(functional, polarised)
    kept = {v: floor for v, floor in floors.items() if v in energy.features}
    used = _used([energy, *(floor.least for floor in kept.values())])
    return DifferentiableLayout(
        ({"exc": (energy,)},),
        tuple(v for names in VARIABLES[polarised].values() for v in names if v in used),
        tuple(p for p in free_parameters(functional) if p in used),
        kept,
    )


def raised(
    made: DifferentiableLayout, language: Language, names: Mapping[str, str], results: Mapping[str, str]
) -> Code:
    """Statements that raise the variables, called `names`, to their floors, as `results`.

    The language has a function "floor" beside those of the operator table: a maximum with the slope of its first
    argument on either side.
    """
    conditions = {v: floor.present for v, floor in made.floors.items() if floor.present is not None}
    first = straight_line(
        [[*(floor.least for floor in made.floors.values()), *conditions.values()]], language, names, temporary="r"
    )
    steps, helpers = list(first.steps[0]), list(first.helpers)
    texts = iter(first.results[0])
    leasts = {variable: next(texts) for variable in made.floors}

    def call(function: str, *arguments: str) -> str:
        helpers.append(language.helpers[function])
        return f"{language.functions[function]}({', '.join(arguments)})"

    present = dict(zip(conditions, texts, strict=True))
    for variable, floor in made.floors.items():
        least = leasts[variable]
        value = call("max" if floor.never else "floor", names[variable], least)
        if variable in present:
            value = call("select", present[variable], value, least)
        steps.append((results[variable], value))
    return Code((tuple(steps),), ((),), tuple(dict.fromkeys(helpers)))


def _used(expressions: Iterable[Expression]) -> set[str]:
    return {name for e in expressions for name in (*e.features, *e.parameters)}


def parameter_names(functional: Functional) -> dict[str, str]:
    """Identifiers for the parameters in generated code, by their names in the expressions."""
    return {p: p if len(p) <= _LONGEST_NAME else f"p{k}_" for k, p in enumerate(free_parameters(functional))}


def all_keys(polarised: bool, order: int) -> dict[str, int]:
    """Number of components of every derivative of this order that libxc knows of rho, sigma and tau."""
    if order == 0:
        return {"exc": 1}
    keys = derivative_keys(VARIABLES[polarised], order)
    return {k: len(v) for k, v in keys.items() if k.startswith("v2") == (order == 2)}


@dataclass(frozen=True)
class SelfTest:
    """Points and the values of `Functional.energy_density` there: arrays of shape (points, components)."""

    inputs: Mapping[str, NDArray[np.float64]]
    values: Mapping[str, NDArray[np.float64]]


# an ordinary point, a low density of opposite gradients, and one without beta electrons
_RHO = np.array([[0.3, 0.2], [1e-3, 2e-3], [2.0, 0.0]])
_SIGMA = np.array([[0.12, 0.05, 0.07], [1e-6, -5e-7, 2e-6], [0.5, 0.0, 0.0]])
_TAU = np.array([[0.35, 0.18], [1e-3, 2e-3], [1.0, 0.0]])
TOLERANCE = 1e-10
"""Of a self-test, relative to the largest component of a derivative: mathematical libraries differ in the last places,
and second derivatives cancel."""


def self_test(functional: Functional, polarised: bool, deriv: int = 2, points: Sequence[int] = (0, 1, 2)) -> SelfTest:
    """Points that exported code checks itself at."""
    rows = list(points)
    rho, sigma, tau = _RHO[rows], _SIGMA[rows], _TAU[rows]
    if not polarised:
        rho, sigma, tau = rho.sum(1), sigma @ np.array([1.0, 2.0, 1.0]), tau.sum(1)
    computed = functional.energy_density(rho.T, sigma.T, tau.T, deriv=deriv)
    values = {k: np.asarray(v).T.reshape(len(rows), -1) for k, v in vars(computed).items() if v is not None}
    inputs = {k: v.reshape(len(rows), -1) for k, v in (("rho", rho), ("sigma", sigma), ("tau", tau))}
    return SelfTest(inputs, values)
