"""Axes of charts: from values to positions, and ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

__all__ = ["Axis", "number"]


_LONGEST = 16
"""Characters of a category's name that have room beside an axis."""


def number(value: float | None, digits: int = 4) -> str:
    """A number as people write it: significant digits, no trailing zeros, a real minus sign; an en dash for none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}g}"
    if "e" in text:
        mantissa, _, exponent = text.partition("e")
        raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        text = f"10{raised}" if mantissa == "1" else f"{mantissa}×10{raised}"
    return text.replace("-", "−")


def _grouped(value: float) -> str:
    """Digits in groups of three where they are many."""
    if not 1e4 <= abs(value) < 1e7:
        return number(value)
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}").replace("-", "−")


@dataclass(frozen=True)
class Axis:
    """A labelled range.

    Attributes:
        label, low, high: what it is, and its ends.
        log: logarithmic, for positive numbers.
        linear: above 0, linear up to about this size and logarithmic beyond, for numbers of both signs (asinh).
        categories: names at 0, 1, 2, ...
    """

    label: str
    low: float
    high: float
    log: bool = False
    linear: float = 0.0
    categories: tuple[str, ...] = ()

    @classmethod
    def names(cls, label: str, names: tuple[str, ...]) -> Axis:
        """Categories at 0, 1, 2, ..."""
        return cls(label, -0.5, len(names) - 0.5, categories=names)

    @classmethod
    def over(
        cls, label: str, values: Iterable[float | None], *, log: bool = False, pad: float = 0.05, zero: bool = False
    ) -> Axis:
        """The range of the finite values with some room at both ends; `zero` draws 0 into it."""
        finite = [v for v in values if v is not None and math.isfinite(v) and (v > 0 or not log)]
        if zero and not log:
            finite.append(0.0)
        if not finite:
            return cls(label, 1.0, 10.0, log) if log else cls(label, 0.0, 1.0)
        low, high = min(finite), max(finite)
        if log:
            room = max((high / low) ** pad, 1.05)
            return cls(label, low / room, high * room, log)
        room = (high - low) * pad or abs(high) * 0.1 or 1.0
        floor = low == 0.0 and zero  # bars and counts stand on the axis
        return cls(label, low if floor else low - room, high + room)

    @classmethod
    def signed(cls, label: str, values: Sequence[float]) -> Axis:
        """As `over`, but logarithmic at both ends where few values are a hundred times as large as the others."""
        sizes = sorted(abs(v) for v in values if math.isfinite(v))
        middle = sizes[len(sizes) // 2] if sizes else 0.0
        plain = cls.over(label, values)
        if not sizes or middle == 0.0 or sizes[-1] < 100.0 * middle:
            return plain
        low, high = (math.asinh(v / middle) for v in (min(values), max(values)))
        room = 0.05 * (high - low)
        return replace(plain, low=middle * math.sinh(low - room), high=middle * math.sinh(high + room), linear=middle)

    def at(self, value: float) -> float:
        """Position between 0 (low) and 1 (high); beyond them for values outside, NaN for what cannot be shown."""
        if not math.isfinite(value) or (self.log and value <= 0):
            return math.nan
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        if self.linear:
            low, high, at = (math.asinh(v / self.linear) for v in (self.low, self.high, value))
            return (at - low) / (high - low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, count: int = 5) -> list[tuple[float, str]]:
        """Values inside the range and their labels, about `count`."""
        if self.categories:
            return [
                (float(k), n if len(n) <= _LONGEST else n[: _LONGEST - 1] + "…") for k, n in enumerate(self.categories)
            ]
        if self.log:
            found = self._log_ticks()
            if len(found) >= 2:
                return [(v, _grouped(v)) for v in found]
        if self.linear:
            first = math.ceil(math.log10(self.linear))
            last = math.floor(math.log10(max(-self.low, self.high)))
            sizes = [10.0**k for k in range(first, last + 1, max(1, (last - first) // 2))]
            values = [*(-v for v in reversed(sizes)), 0.0, *sizes]
            return [(v, _grouped(v)) for v in values if self.low <= v <= self.high]
        raw = (self.high - self.low) / max(count, 1)
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= raw * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        values = [k * step for k in range(first, math.floor(self.high / step + 1e-9) + 1)]
        # k * step carries rounding noise; as many decimals as the step has are exact enough
        decimals = max(0, -math.floor(math.log10(step)))
        return [(v, number(round(v, decimals) + 0.0, 12)) for v in values]

    def _log_ticks(self) -> list[float]:
        low, high = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        decades = high - low
        marks = (1,) if decades > 3 else (1, 2, 5)
        every = max(1, decades // 6)
        values = [m * 10.0**k for k in range(low, high + 1) if k % every == 0 for m in marks]
        return [v for v in values if self.low <= v <= self.high]
