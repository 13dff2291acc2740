"""Exact conditions, each as a local inequality of enhancement factors, with analytic derivatives.

F = e/(n eps_x^unif(n)) for an energy per volume e and the unpolarised exchange of the uniform gas. Along uniform
scaling of the density s, zeta and alpha stay and rs changes, so that derivatives with respect to rs follow from those
with respect to rho, sigma and tau. The list and the region are those of Pederson & Burke (10.1063/5.0172058). A local
inequality is sufficient for the condition on the energy, not necessary: a failure says that densities may exist for
which the condition fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ...functionals.load import Comparison
from ...functionals.registry import get_functional
from .points import FeaturePoints, feature_points, search_grid
from .row import Row
from .subject import Evaluable, Subject, as_subject, scaling_derivatives

__all__ = ["GROUP", "Enhancement", "Level", "enhancement", "exact_conditions"]

Array = NDArray[np.float64]
Level = Literal["quick", "full"]
LEVELS: tuple[Level, ...] = get_args(Level)

GROUP = "exact conditions"

LIEB_OXFORD = 2.27
"""The Lieb-Oxford constant relative to the exchange of the uniform gas."""

LOCAL_BOUND = 1.804
"""Bound of unpolarised exchange: 2.27/2^(1/3), so that the fully polarised density meets the Lieb-Oxford bound."""

INFINITE_RS = 1e3
"""Stands for rs to infinity (bohr); Pederson & Burke take 100. Factors still grow beyond, so this errs on the strict
side, by a few per cent of the correlation factor."""

ROUNDING = 1e-8
"""Violations of an inequality up to this count as rounding: libxc's second derivatives keep about nine digits."""

EQUALITY = 1e-6
"""Allowed deviation from an equality, relative; some functionals of libxc have constants with eight digits."""

GAS_CORRELATION = 0.02
"""Allowed deviation from PW92, relative; fits to the same Monte Carlo energies differ by up to 2 per cent."""

_SUM_ONLY = "libxc gives a range-separated sum, from which correlation cannot be told apart"

SIZES: dict[Level, tuple[int, int, int, int]] = {"quick": (16, 16, 5, 9), "full": (40, 51, 11, 26)}
"""Number of values of rs, s, zeta, alpha."""


@dataclass(frozen=True)
class Enhancement:
    """An enhancement factor and its derivatives with respect to ln(rs) at fixed s, zeta and alpha, (n,) each."""

    value: Array
    slope: Array
    curvature: Array


def enhancement(parts: Sequence[Evaluable], points: FeaturePoints, order: int = 1) -> Enhancement:
    """The factor of a sum of functionals; derivatives beyond `order` (0, 1, 2) are zero."""
    value, slope, curvature = np.zeros(points.size), np.zeros(points.size), np.zeros(points.size)
    with np.errstate(all="ignore"):
        for part in parts:
            e, d1, d2 = (a / points.exchange for a in scaling_derivatives(part, points, order))
            value += e
            # e_x^unif grows like gamma^4, and rs like 1/gamma
            slope += 4.0 * e - d1 if order >= 1 else 0.0
            curvature += d2 - 8.0 * d1 + 16.0 * e if order >= 2 else 0.0
    return Enhancement(value, slope, curvature)


def exact_conditions(
    functional: Comparison | Subject | str,
    level: Level = "quick",
    *,
    points: FeaturePoints | None = None,
) -> tuple[Row, ...]:
    """Check a functional against the list.

    Args:
        functional: ours, one of libxc, or a name (see `fastsfes.load_comparison`).
        level: "quick" (about 11,000 points) or "full" (about 600,000).
        points: other points than those of the level.

    Returns:
        One `Row` per condition; the margin is that of the inequality in units of the enhancement factor.
    """
    subject = functional if isinstance(functional, Subject) else as_subject(functional)
    return _Conditions(subject, points or search_grid(subject.family, SIZES[level])).rows()


class _Conditions:
    def __init__(self, subject: Subject, points: FeaturePoints) -> None:
        self.subject = subject
        self.points = points

    @cached_property
    def correlation(self) -> Enhancement:
        return enhancement(self.subject.correlation, self.points, order=2)

    @cached_property
    def total(self) -> Enhancement:
        """Exchange-correlation with exact exchange as in the uniform gas."""
        s = self.subject
        own = (*s.exchange, *s.correlation) if s.separable else (s.whole,)
        return enhancement((*own, *s.exact_exchange_in_gas()), self.points, order=1)

    @cached_property
    def unpolarised(self) -> FeaturePoints:
        p = self.points
        family = self.subject.family
        return feature_points(family, rs=np.unique(p.rs), s=np.unique(p.s), zeta=0.0, alpha=np.unique(p.alpha))

    @cached_property
    def exchange(self) -> Enhancement:
        return enhancement((*self.subject.exchange, *self.subject.exact_exchange_in_gas()), self.unpolarised, order=0)

    def rows(self) -> tuple[Row, ...]:
        return (
            self._gas_exchange(),
            self._gas_correlation(),
            *self._correlation_rows(),
            *self._lieb_oxford(),
            self._exchange_scaling(),
            self._spin_scaling(),
            *self._exchange_bounds(),
        )

    # -- the uniform gas ----------------------------------------------------------------------------------------------

    def _gas_points(self) -> FeaturePoints:
        p = self.points
        return feature_points(self.subject.family, rs=np.unique(p.rs), s=0.0, zeta=np.unique(p.zeta), alpha=1.0)

    def _gas_exchange(self) -> Row:
        name = "uniform gas, exchange"
        missing = self._missing("exchange")
        if missing:
            return _skipped(name, missing)
        points = self._gas_points()
        parts = (*self.subject.exchange, *self.subject.exact_exchange_in_gas())
        ratio = _ratio(parts, (get_functional("lda_x"),), points)
        detail = "semilocal exchange" + (" plus exact exchange of the gas" if self._hybrid_text else "")
        return self._deviation(name, ratio, EQUALITY, points, detail)

    def _gas_correlation(self) -> Row:
        name = "uniform gas, correlation"
        missing = self._missing("correlation")
        if missing:
            return _skipped(name, missing)
        points = self._gas_points()
        ratio = _ratio(self.subject.correlation, (get_functional("pw92"),), points)
        return self._deviation(name, ratio, GAS_CORRELATION, points, f"against PW92{self._nonlocal_text}")

    def _deviation(self, name: str, ratio: Array, allowed: float, points: FeaturePoints, detail: str) -> Row:
        deviation = np.abs(ratio - 1.0)
        worst = _worst(-deviation)
        value = float(ratio[worst])
        margin = allowed - float(deviation[worst])
        failing = _fraction(allowed - deviation, 0.0)
        text = f"{detail}; ratio {value:.6g} where worst, allowed deviation {allowed:g}{_counted(failing, points.size)}"
        passed = bool(margin >= 0.0)
        return Row(GROUP, name, passed, margin, "", points.where(worst, self.subject.family), text, value, failing)

    # -- correlation --------------------------------------------------------------------------------------------------

    def _correlation_rows(self) -> list[Row]:
        names = ("E_c <= 0", "E_c scaling", "T_c upper bound", "U_c monotonic in the coupling")
        missing = self._missing("correlation")
        if missing:
            return [_skipped(name, missing) for name in names]
        c = self.correlation
        limit = enhancement(self.subject.correlation, self.points.at_rs(INFINITE_RS), order=0).value
        about = f"semilocal correlation{self._nonlocal_text}"
        quantities = (
            (c.value, "F_c >= 0"),
            (c.slope, "rs dF_c/drs >= 0"),
            (limit - c.value - c.slope, f"rs dF_c/drs <= F_c(rs={INFINITE_RS:g}) - F_c"),
            (c.slope + c.curvature, "d/drs(rs^2 dF_c/drs) >= 0"),
        )
        return [
            self._inequality(name, q, self.points, f"{about}: {text}")
            for name, (q, text) in zip(names, quantities, strict=True)
        ]

    # -- Lieb-Oxford --------------------------------------------------------------------------------------------------

    def _lieb_oxford(self) -> list[Row]:
        names = ("Lieb-Oxford, U_xc", "Lieb-Oxford, E_xc")
        if self.subject.separable and not (self.subject.exchange and self.subject.correlation):
            return [_skipped(name, "exchange or correlation alone") for name in names]
        f = self.total
        about = f"F_xc{self._hybrid_text}{self._nonlocal_text}"
        energy = self._inequality(names[1], LIEB_OXFORD - f.value, self.points, f"{about}: F_xc <= {LIEB_OXFORD}")
        if not self.subject.range_separated:
            slope, text = f.slope, "F_xc + rs dF_xc/drs"
        elif self.subject.separable:  # attenuated exchange depends on rs, but all kinetic energy is correlation's
            slope, text = self.correlation.slope, "F_xc + rs dF_c/drs"
        else:
            return [_skipped(names[0], _SUM_ONLY), energy]
        potential = LIEB_OXFORD - f.value - slope
        return [self._inequality(names[0], potential, self.points, f"{about}: {text} <= {LIEB_OXFORD}"), energy]

    # -- exchange -----------------------------------------------------------------------------------------------------

    def _exchange_scaling(self) -> Row:
        name = "E_x scaling"
        missing = self._missing("exchange")
        if self.subject.range_separated and not missing:
            missing = "attenuated exchange has a length of its own; the condition holds for the whole of exchange only"
        if missing:
            return _skipped(name, missing)
        f = enhancement(self.subject.exchange, self.points, order=1)
        margin = EQUALITY - np.abs(f.slope)
        return self._inequality(name, margin, self.points, "semilocal exchange: dF_x/drs = 0", rounding=0.0)

    def _spin_scaling(self) -> Row:
        name = "E_x spin scaling"
        missing = self._missing("exchange")
        if missing:
            return _skipped(name, missing)
        points = self.points
        total = sum(part.energy_density(points.rho, points.sigma, points.tau).exc for part in self.subject.exchange)
        spins = np.zeros(points.size)
        for s in (0, 1):
            doubled = (2.0 * points.rho[s], 4.0 * points.sigma[2 * s], 2.0 * points.tau[s])
            for part in self.subject.exchange:
                spins += 0.5 * np.where(doubled[0] > 0.0, part.energy_density(*doubled).exc, 0.0)
        margin = EQUALITY - np.abs(total - spins) / np.abs(points.exchange)
        text = "semilocal exchange: E_x[n_a, n_b] = (E_x[2 n_a] + E_x[2 n_b])/2"
        return self._inequality(name, margin, points, text, rounding=0.0)

    def _exchange_bounds(self) -> list[Row]:
        names = ("F_x >= 0", f"F_x <= {LOCAL_BOUND}")
        missing = self._missing("exchange")
        if missing:
            return [_skipped(name, missing) for name in names]
        f = self.exchange.value
        about = f"zeta = 0{self._hybrid_text}"
        return [
            self._inequality(names[0], f, self.unpolarised, about),
            self._inequality(names[1], LOCAL_BOUND - f, self.unpolarised, f"{about}: local Lieb-Oxford bound"),
        ]

    # -- text ---------------------------------------------------------------------------------------------------------

    def _missing(self, part: str) -> str:
        s = self.subject
        if not s.separable:
            return _SUM_ONLY
        return "" if getattr(s, part) else f"it has no {part}"

    @property
    def _hybrid_text(self) -> str:
        return " with exact exchange as in the uniform gas" if self.subject.has_exact_exchange else ""

    @property
    def _nonlocal_text(self) -> str:
        split = f", {self.subject.split}" if self.subject.split else ""
        return (" without VV10" if self.subject.nlc is not None else "") + split

    def _inequality(
        self, name: str, margins: Array, points: FeaturePoints, detail: str, rounding: float = ROUNDING
    ) -> Row:
        """A row from a quantity that must not be negative anywhere."""
        worst = _worst(margins)
        margin = float(margins[worst])
        failing = _fraction(margins, -rounding)
        place = points.where(worst, self.subject.family)
        text = detail + _counted(failing, points.size)
        passed = bool(margin >= -rounding)
        # equality up to rounding, such as E_c = 0 of one electron, has no margin
        return Row(GROUP, name, passed, max(margin, 0.0) if passed else margin, "", place, text, margin, failing)


def _worst(margins: Array) -> int:
    """Index of the smallest value; a value that is not a number is worse than any."""
    return int(np.argmin(np.where(np.isnan(margins), -np.inf, margins)))


def _fraction(margins: Array, limit: float) -> float:
    """Part of the points that fail; those without a number do."""
    return float(np.mean(~(margins >= limit)))


def _counted(failing: float, number: int) -> str:
    return f"; fails at {100.0 * failing:.3g} % of {number} points" if failing else f"; {number} points"


def _ratio(parts: Sequence[Evaluable], reference: Sequence[Evaluable], points: FeaturePoints) -> Array:
    return enhancement(parts, points, 0).value / enhancement(reference, points, 0).value


def _skipped(name: str, reason: str) -> Row:
    return Row(GROUP, name, None, None, "", "", reason)
