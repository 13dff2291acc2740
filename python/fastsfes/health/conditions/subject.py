"""What is tested: a functional and its exchange and correlation parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ...common.errors import InputError
from ...formula.expression import Expression
from ...functionals.formulas import VARIABLES, derivative_keys
from ...functionals.frame import VV10, Hybrid
from ...functionals.functional import Channel, Functional
from ...functionals.libxc import LibxcFunctional
from ...functionals.load import Comparison, by_name, load_comparison
from .partition import SCALING, Part
from .points import FeaturePoints, feature_points

__all__ = ["Evaluable", "Subject", "as_subject", "as_subjects", "scaling_derivatives"]

Array = np.ndarray

Evaluable = Comparison | Part
"""What a subject is made of: has family and energy_density."""


@dataclass(frozen=True)
class Subject:
    """A functional, split as the conditions need it.

    Attributes:
        name: for tables.
        whole: all semilocal terms.
        exchange, correlation: semilocal parts; empty where the functional has none.
        separable: whether exchange and correlation are known apart.
        split: how they were told apart where that takes a limit, else "".
        hybrid, nlc: exact exchange and VV10, which are not semilocal.
    """

    name: str
    whole: Comparison
    exchange: tuple[Evaluable, ...]
    correlation: tuple[Evaluable, ...]
    separable: bool
    split: str
    hybrid: Hybrid
    nlc: VV10 | None

    @property
    def family(self) -> str:
        """ "lda", "gga" or "mgga"."""
        return self.whole.family

    @property
    def range_separated(self) -> bool:
        """Whether semilocal exchange is attenuated."""
        return self.hybrid.omega > 0.0

    @property
    def has_exact_exchange(self) -> bool:
        """Whether a fraction of exact exchange belongs to it."""
        return self.hybrid.short_range != 0.0 or self.hybrid.long_range != 0.0

    def exact_exchange_in_gas(self) -> tuple[Functional, ...]:
        """The exact exchange that belongs to the functional, as it is in a uniform gas of the local density."""
        h = self.hybrid
        parts = []
        if h.omega > 0.0 and h.short_range != h.long_range:
            parts.append(_constant_exchange(h.short_range - h.long_range, Hybrid(omega=h.omega)))
        if h.long_range != 0.0:
            parts.append(_constant_exchange(h.long_range, Hybrid()))
        return tuple(parts)


def as_subject(functional: Comparison | str) -> Subject:
    """Split a functional into exchange and correlation.

    Ours: channel "x" is exchange, "css", "cos" and "c" are correlation, and "one" is exchange when it scales like
    exchange under uniform scaling of the density. libxc's: by the kind that libxc gives each component; sums that it
    does not take apart are split at the high-density limit, unless they are range separated.
    """
    found = load_comparison(functional)
    if isinstance(found, LibxcFunctional):
        return _from_libxc(found)
    exchange: list[Comparison] = []
    correlation: list[Comparison] = []
    rest: Mapping[str, Channel] = {k: c for k, c in found.channels.items() if k not in ("x", "one")}
    if "x" in found.channels:
        exchange.append(_only(found, {"x": found.channels["x"]}))
    if "one" in found.channels:
        one = _only(found, {"one": found.channels["one"]})
        (exchange if _scales_like_exchange(one) else correlation).append(one)
    if rest:
        correlation.append(_only(found, rest))
    return Subject(found.name, found, tuple(exchange), tuple(correlation), True, "", found.hybrid, found.nlc)


def as_subjects(functionals: Iterable[Comparison | str]) -> dict[str, Subject]:
    """Several functionals by names that tell them apart (`fastsfes.functionals.load.by_name`)."""
    found = by_name(load_comparison(functional) for functional in functionals)
    return {name: replace(as_subject(functional), name=name) for name, functional in found.items()}


def _from_libxc(found: LibxcFunctional) -> Subject:
    kinds = {kind for kind, _ in found.components}
    if "kinetic" in kinds:
        raise InputError(f'"{found.name}" is a kinetic energy functional; give exchange and correlation')
    parts: dict[str, tuple[Evaluable, ...]] = {"exchange": (), "correlation": ()}
    separable, split = True, ""
    if "exchange-correlation" not in kinds:
        for kind, component in found.components:
            parts[kind] += (component,)
    elif found.hybrid.omega == 0.0:
        parts = {kind: (Part(found, kind),) for kind in parts}
        split = "split at the high-density limit"
    else:
        separable = False
    return Subject(
        found.name, found, parts["exchange"], parts["correlation"], separable, split, found.hybrid, found.nlc
    )


def _only(functional: Functional, channels: Mapping[str, Channel]) -> Functional:
    return replace(functional, channels=channels, libxc="")


def _constant_exchange(factor: float, hybrid: Hybrid) -> Functional:
    return Functional("exact", {"x": Channel(Expression.parse("a"), {"a": factor})}, hybrid)


def _scales_like_exchange(part: Functional) -> bool:
    points = feature_points(part.family, rs=[0.5, 2.0], s=[0.5, 1.5], zeta=[0.0, 0.4], alpha=[0.5, 1.5])
    energy, first, _ = scaling_derivatives(part, points, order=1)
    return bool(np.all(np.abs(first - 4.0 * energy) <= 1e-9 * np.abs(energy)))


def scaling_derivatives(functional: Evaluable, points: FeaturePoints, order: int = 1) -> tuple[Array, Array, Array]:
    """The energy density e and its derivatives with respect to ln(gamma) under uniform scaling of the density.

    With the powers a of `SCALING`: D e = sum_i a_i x_i de/dx_i, and
    D^2 e = sum_i a_i^2 x_i de/dx_i + sum_ij a_i a_j x_i x_j d2e/dx_i dx_j, from analytic derivatives. Where second
    derivatives are not finite (libxc's, with one spin absent), D^2 e is a difference of the analytic D e.

    Returns e, D e, D^2 e, each (n,) in hartree/bohr^3; what lies beyond `order` is zero.
    """
    values = functional.energy_density(points.rho, points.sigma, points.tau, deriv=order)
    inputs = points.named()
    sums = np.zeros((3, points.size))
    for key, components in derivative_keys(VARIABLES[True], order).items():
        rows = getattr(values, key)
        if rows is None:
            continue
        for names, row in zip(components, rows, strict=True):
            times = 1.0 if len(set(names)) == 1 else 2.0  # d2/dx dy stands for d2/dy dx too
            product = np.prod([inputs[name] for name in names], axis=0)
            power = np.prod([SCALING[name.partition("_")[0]] for name in names])
            # nothing where a variable is zero, whatever the slope
            term = np.where(product == 0.0, 0.0, row * product)
            sums[len(names)] += times * power * term
            if len(names) == 1:
                sums[2] += power**2 * term
    first, second = sums[1], sums[2] if order >= 2 else np.zeros(points.size)
    if order < 2:
        return values.exc, first, second
    missing = np.flatnonzero(~np.isfinite(second) & np.isfinite(first))
    if len(missing):
        second[missing] = _second_by_differences(functional, points.only(missing))
    return values.exc, first, second


def _second_by_differences(functional: Evaluable, points: FeaturePoints) -> Array:
    step = 1e-3
    result: Array = np.zeros(points.size)
    for distance, weight in ((1, 8.0), (2, -1.0)):  # central, of fourth order
        up, down = (
            scaling_derivatives(functional, points.at_rs(points.rs * np.exp(-sign * distance * step)))[1]
            for sign in (1.0, -1.0)
        )
        result += weight * (up - down) / (12.0 * step)
    return result
