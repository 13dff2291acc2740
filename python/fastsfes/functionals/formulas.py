"""From channels to formulas of the density: the energy per volume, its derivatives, and what they are without a spin.

Where a spin is absent its own channels contribute nothing. What couples it to the other spin has derivatives there:
the limits of a vanishing density of fixed shape, where such a limit exists, and 0 where it does not (that of PBE's
correlation grows as rho_b^(-1/3) wherever the density has a gradient).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations_with_replacement, product
from typing import Protocol

import numpy as np

from .. import _core
from ..formula import features
from ..formula.expression import Expression
from ..formula.features import ABSENT, DENSITY_THRESHOLD
from .frame import Hybrid

__all__ = [
    "VARIABLES",
    "Floor",
    "derivative_expressions",
    "derivative_keys",
    "differentiable_energy",
    "energy_expression",
    "free_parameters",
]


class _Factor(Protocol):
    """What a channel has; see `fastsfes.functionals.functional.Channel`."""

    @property
    def expression(self) -> Expression: ...
    @property
    def parameters(self) -> Mapping[str, float]: ...
    def bound(self) -> Expression: ...


class Form(Protocol):
    """What a functional has; see `fastsfes.functionals.functional.Functional`."""

    @property
    def channels(self) -> Mapping[str, _Factor]: ...
    @property
    def hybrid(self) -> Hybrid: ...
    @property
    def correlation(self) -> str: ...
    def __hash__(self) -> int: ...


VARIABLES: dict[bool, dict[str, tuple[str, ...]]] = {
    False: {"rho": ("rho",), "sigma": ("sigma",), "tau": ("tau",)},
    True: {
        "rho": ("rho_a", "rho_b"),
        "sigma": ("sigma_aa", "sigma_ab", "sigma_bb"),
        "tau": ("tau_a", "tau_b"),
    },
}
"""Components of rho, sigma and tau in libxc's order, for unpolarised (False) and polarised (True) densities."""


def derivative_keys(groups: Mapping[str, tuple[str, ...]], deriv: int) -> dict[str, list[tuple[str, ...]]]:
    """Derivatives up to this order by libxc's names: the variables of every component, in libxc's order.

    `groups` holds the components of rho, sigma and tau that matter, as `VARIABLES` does.
    """
    keys: dict[str, list[tuple[str, ...]]] = {}
    for order in range(1, deriv + 1):
        for chosen in combinations_with_replacement(groups, order):
            powers = {g: chosen.count(g) for g in chosen}
            name = "".join(g + (str(k) if k > 1 else "") for g, k in powers.items())
            blocks = product(*(combinations_with_replacement(groups[g], k) for g, k in powers.items()))
            keys[f"v{order if order > 1 else ''}{name}"] = [tuple(chain.from_iterable(block)) for block in blocks]
    return keys


def free_parameters(functional: Form) -> dict[str, float]:
    """Parameters by names that can stand in one expression of all channels: kind_name."""
    return {f"{kind}_{n}": v for kind, c in functional.channels.items() for n, v in c.parameters.items()}


_ZERO = Expression.constant(0.0)
_LIMIT_ORDER = 2
"""Highest order of derivatives whose limits are looked for; higher ones are 0 where a spin is absent."""


@lru_cache(maxsize=256)
def energy_expression(
    functional: Form,
    polarised: bool,
    *,
    free: bool = False,
    threshold: str = "",
    coupled: frozenset[str] = frozenset(),
    still: bool = False,
) -> Expression:
    """The energy per volume of rho, sigma and tau, each term 0 where its density is below the threshold.

    Args:
        functional: whose energy.
        polarised: of spin densities, or of those of a closed shell.
        free: parameters stay names, those of `free_parameters`; without, they are their values.
        threshold: name of a parameter in place of the density threshold; libxc sets its own at run time.
        coupled: spins ("a", "b") whose absence leaves the terms that couple them to the other one: for derivatives.
        still: the expression is for `_raw`, which differentiates it as text: names of `_still` stand for densities.

    The prefactor of opposite spins is 0 where one of them is absent, but for the rounding of a difference of equal
    numbers, and the slopes of features there are inverse powers of the density. Their product vanishes in the limit
    but would leave four to six of its digits: either the prefactor loses its value there, or the features their slopes.
    """
    total = _ZERO
    for kind, channel in functional.channels.items():
        factor = channel.bound()
        if free:
            factor = channel.expression.substitute({n: Expression.parse(f"{kind}_{n}") for n in channel.parameters})
        for term in features.channel_terms(kind, functional.hybrid.omega, functional.correlation):
            formulas = dict(term.features)
            if not polarised:
                # Equal spins: the mean of a feature is the feature of one spin, a shorter formula of the same value.
                one = features.channel_terms("css")[0].features
                formulas |= {n: one[n] for n in term.of_pair}
            prefactor, density = term.prefactor, term.density
            if coupled and kind == "cos":
                for s in sorted(coupled):
                    if still:
                        rounding = prefactor.substitute(_still(s))
                        prefactor -= _where_present(Expression.parse(f"rho_{s}"), _ZERO, threshold, rounding)
                    else:
                        formulas = {n: e.substitute(_fixed_shape(s)) for n, e in formulas.items()}
                spins = sorted({"a", "b"} - coupled)
                density = Expression.parse(f"rho_{spins[0]}" if spins else "rho_a + rho_b")
            total = total + _where_present(density, prefactor * factor.substitute(formulas), threshold)
    if polarised:
        return total.define()
    half, quarter = Expression.parse("0.5*rho"), Expression.parse("0.25*sigma")
    total = total.substitute(
        {
            "rho_a": half,
            "rho_b": half,
            "sigma_aa": quarter,
            "sigma_ab": quarter,
            "sigma_bb": quarter,
            "tau_a": Expression.parse("0.5*tau"),
            "tau_b": Expression.parse("0.5*tau"),
        }
    )
    # Densities are positive where this is evaluated, so rho_a - rho_b folds to 0 and rho_a/rho_b to 1.
    return total.define().fold(regular=True)


def _still(spin: str) -> dict[str, Expression]:
    """The names of a spin's variables in a prefactor where nothing is differentiated by them."""
    return {v: Expression.parse(f"{v}_still") for v in (f"rho_{spin}", f"sigma_{spin}{spin}", "sigma_ab")}


def _fixed_shape(spin: str) -> dict[str, Expression]:
    """The variables of a spin, numbers where it is absent."""
    shape = {f"rho_{spin}": ABSENT, f"sigma_{spin}{spin}": ABSENT**2, f"tau_{spin}": ABSENT}
    rho = Expression.parse(f"rho_{spin}")
    return {v: _where_present(rho, Expression.parse(v), "", Expression.constant(x)) for v, x in shape.items()}


def _where_present(density: Expression, value: Expression, threshold: str, absent: Expression = _ZERO) -> Expression:
    """The value, or the other one where the density is below the threshold; NaN where the density is.

    libxc raises densities to its threshold: those that equal it are below it.
    """
    if threshold:
        return Expression.apply("select", Expression.parse(threshold) - density, absent, value)
    return Expression.apply("select", density - Expression.constant(DENSITY_THRESHOLD), value, absent)


@lru_cache(maxsize=256)
def derivative_expressions(
    functional: Form, polarised: bool, deriv: int, *, free: bool = False, threshold: str = ""
) -> Mapping[str, tuple[Expression, ...]]:
    """What `energy_density` computes, as expressions of the raw inputs: "exc", then libxc's names in libxc's order.

    `free` and `threshold` as in `energy_expression`.
    """
    raw = _raw(functional, polarised, deriv, free, threshold)
    limits = _limits(functional, min(deriv, _LIMIT_ORDER)) if polarised and deriv else frozenset()
    return {
        key: tuple(_guard(e, v, polarised, threshold, limits) for v, e in components.items())
        for key, components in raw.items()
    }


def _spins(variables: tuple[str, ...]) -> frozenset[str]:
    """The spins that a derivative with respect to these variables is taken for."""
    return frozenset(s for s in "ab" for v in variables if s in v.partition("_")[2])


@lru_cache(maxsize=64)
def _raw(
    functional: Form, polarised: bool, deriv: int, free: bool, threshold: str
) -> Mapping[str, Mapping[tuple[str, ...], Expression]]:
    """The energy and its derivatives by the variables that they are taken for, without floors."""
    energy = energy_expression(functional, polarised, free=free, threshold=threshold)
    used = set(energy.features)
    groups = {k: v for k, v in VARIABLES[polarised].items() if used & set(v)}
    known: dict[tuple[frozenset[str], tuple[str, ...]], Expression] = {}

    def derived(coupled: frozenset[str], names: tuple[str, ...]) -> Expression:
        if not names:
            return energy_expression(functional, polarised, free=free, threshold=threshold, coupled=coupled, still=True)
        if (coupled, names) not in known:
            known[coupled, names] = derived(coupled, names[:-1]).derivative(names[-1])
        return known[coupled, names]

    moving = {str(still): Expression.parse(v) for s in "ab" for v, still in _still(s).items()}
    outputs: dict[str, dict[tuple[str, ...], Expression]] = {"exc": {(): energy}}
    for key, components in derivative_keys(groups, deriv).items():
        outputs[key] = {
            names: derived(
                _spins(names) if polarised and len(names) <= _LIMIT_ORDER else frozenset(), names
            ).substitute(moving)
            for names in components
        }
    return outputs


@lru_cache(maxsize=256)
def _limits(functional: Form, deriv: int) -> frozenset[tuple[str, tuple[str, ...]]]:
    """Spins and derivatives with a limit other than 0 as the density of that spin vanishes, seen at two small ones.

    Between 1e-16 and `ABSENT` the slowest divergence there is, the rho^(-2/9) of GAS22, grows from 4e3 to 3e4; what
    converges, at least as rho^(1/3), has done so to 1e-5. Below, the prefactor of opposite spins is rounding alone.
    """
    outputs = {v: e for part in _raw(functional, True, deriv, False, "least").values() for v, e in part.items() if v}
    if not outputs:
        return frozenset()
    program = _core.Program([e._handle for e in outputs.values()])
    columns: list[dict[str, float]] = []
    for absent, present in ("ab", "ba"):
        for rho, x2, t in ((0.3, 4.0, 1.2), (1e-3, 30.0, 0.6)):
            sigma, tau = x2 * rho ** (8 / 3), 4.5577998723455971 * rho ** (5 / 3) / t
            for small in (1e-16, ABSENT):
                values = {f"rho_{present}": rho, f"sigma_{present * 2}": sigma, f"tau_{present}": tau}
                values |= {f"rho_{absent}": small, f"sigma_{absent * 2}": small**2, f"tau_{absent}": small}
                columns.append(values | {"sigma_ab": small * sigma**0.5})
    arrays = [np.array([c[f] for c in columns]) for f in program.features]
    least = (1e-15,) * len(program.parameters)  # a threshold above both densities: no channels of the absent spin
    found = np.asarray(program.evaluate(arrays, least, n=len(columns), threads=1)).reshape(len(outputs), 2, 2, 2)
    with np.errstate(invalid="ignore"):
        change = np.abs(found[..., 1] - found[..., 0])
        largest = np.abs(found[..., 1]).max(axis=2, keepdims=True)
        converged = np.all(change < 1e-3 * largest, axis=2)  # NaN has not, nor has the rounding around 0
    return frozenset(
        (s, v) for v, row in zip(outputs, converged, strict=True) for s, c in zip("ab", row, strict=True) if c
    )


@lru_cache(maxsize=8)
def _floors(polarised: bool, threshold: str = "") -> Mapping[str, Expression]:
    """What keeps the formulas finite: the least value of every variable; sigma_ab has none."""
    if not polarised:  # a closed shell is two equal spins
        values = {"rho": ABSENT, "sigma": 4.0 * features.SIGMA_FLOOR, "tau": 2.0 * features.TAU_FLOOR}
        return {name: Expression.constant(value) for name, value in values.items()}
    made = {}
    for s in "ab":
        rho, least = Expression.parse(f"rho_{s}"), Expression.constant(ABSENT)
        shape = Expression.apply("max", rho, least) if threshold else least
        made[f"rho_{s}"] = least
        for name, floor, absent in (
            (f"sigma_{s}{s}", features.SIGMA_FLOOR, shape * shape),
            (f"tau_{s}", features.TAU_FLOOR, shape),
        ):
            made[name] = _where_present(rho, Expression.constant(floor), threshold, absent)
    return made


@lru_cache(maxsize=8)
def _raised(polarised: bool, threshold: str) -> dict[str, Expression]:
    """Every variable raised to its floor."""
    return {
        name: Expression.apply("max", Expression.parse(name), floor)
        for name, floor in _floors(polarised, threshold).items()
    }


def _guard(
    output: Expression,
    variables: tuple[str, ...],
    polarised: bool,
    threshold: str,
    limits: frozenset[tuple[str, tuple[str, ...]]],
) -> Expression:
    """An output on raw inputs: floors applied, 0 below the threshold and where a spin is absent without a limit."""
    value = output.substitute(_raised(polarised, threshold))
    densities = ["rho_a + rho_b" if polarised else "rho"]
    if polarised:
        densities += [f"rho_{s}" for s in sorted(_spins(variables)) if (s, variables) not in limits]
    for density in densities:
        value = _where_present(Expression.parse(density), value, threshold)
    return value


@dataclass(frozen=True)
class Floor:
    """The least value of a variable, for programs that differentiate the energy themselves.

    A floor that is applied as a maximum has the slope 0, and so has the energy below it: at sigma = 0 that of PBE has
    another one.

    Attributes:
        least: the floor.
        present: where this is at least 0 the slope is kept below the floor; None: everywhere.
        never: the slope is kept nowhere.
    """

    least: Expression
    present: Expression | None = None
    never: bool = False


def differentiable_energy(functional: Form, polarised: bool) -> tuple[Expression, dict[str, Floor]]:
    """The energy of variables that have been raised to floors, parameters as names, and the floors."""
    floors = _floors(polarised)
    if not polarised:
        energy, total = energy_expression(functional, False, free=True), Expression.parse("rho")
        return _where_present(total, energy, ""), {n: Floor(least, never=n == "rho") for n, least in floors.items()}
    limits = _limits(functional, 1)
    kept = frozenset(s for s in "ab" if (s, (f"rho_{s}",)) in limits)
    energy, total = energy_expression(functional, True, free=True, coupled=kept), Expression.parse("rho_a + rho_b")
    made = {}
    for name, least in floors.items():
        s = name[-1]
        if (s, (name,)) in limits:
            made[name] = Floor(least)
        elif name.startswith("rho"):
            made[name] = Floor(least, never=True)
        else:
            made[name] = Floor(least, Expression.parse(f"rho_{s}") - Expression.constant(DENSITY_THRESHOLD))
    return _where_present(total, energy, ""), made
