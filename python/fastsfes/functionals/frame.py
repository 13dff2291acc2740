"""The frame of a functional: what stays fixed while its enhancement factors change.

With densities frozen, every energy but the semilocal one stays as stored: exact exchange with its range separation
and nonlocal correlation are those of the functional that made the densities. The constants of the local correlation
that factors multiply belong to the frame too. `fastsfes.energies.frame.frame_of` gives the frame of a dataset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..common.errors import InputError
from ..common.reading import closed, finite, object_member, text_member
from ..formula.features import CORRELATION

__all__ = ["SYFES", "VV10", "WB97M_V", "Frame", "Hybrid"]


@dataclass(frozen=True)
class Hybrid:
    """Exact exchange: fractions at short and long range, separated by erf(omega r)/r (omega in 1/bohr).

    A global hybrid has omega = 0 and both fractions equal.

    Raises:
        InputError: on numbers that are not finite, a negative omega, or two fractions without an omega.
    """

    omega: float = 0.0
    short_range: float = 0.0
    long_range: float = 0.0

    def __post_init__(self) -> None:
        for name in ("omega", "short_range", "long_range"):
            object.__setattr__(self, name, finite(getattr(self, name), f"hybrid.{name}"))
        if self.omega < 0.0:
            raise InputError(f"hybrid.omega is {self.omega!r}; expected 0 (a global hybrid) or a positive number")
        if self.omega == 0.0 and self.short_range != self.long_range:
            raise InputError(
                f"hybrid.omega is 0, which separates no ranges, but hybrid.short_range is {self.short_range!r} and "
                f"hybrid.long_range {self.long_range!r}; give both the same fraction, or an omega"
            )


@dataclass(frozen=True)
class VV10:
    """Parameters of the VV10 nonlocal correlation (10.1063/1.3521275).

    Raises:
        InputError: on what is not a positive number.
    """

    b: float
    C: float

    def __post_init__(self) -> None:
        for name in ("b", "C"):
            value = finite(getattr(self, name), f"nlc.{name}")
            if value <= 0.0:
                raise InputError(f"nlc.{name} is {value!r}; VV10 needs a positive b and a positive C")
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Frame:
    """What stays fixed while enhancement factors change.

    Args:
        hybrid: exact exchange; `hybrid.omega` attenuates the exchange channel's prefactor.
        nlc: VV10 parameters, or None.
        correlation: prefactor of the correlation channels, see `fastsfes.formula.features.CORRELATION`.
        source: the functional that it comes from; no part of what is compared.
    """

    hybrid: Hybrid = field(default_factory=Hybrid)
    nlc: VV10 | None = None
    correlation: str = CORRELATION[0]
    source: str = field(default="", compare=False)

    @property
    def energies(self) -> tuple[Hybrid, VV10 | None]:
        """What of it is part of the energies that stay fixed; the constants of the correlation are not."""
        return self.hybrid, self.nlc

    def __str__(self) -> str:
        """In words, for tables."""
        h = self.hybrid
        exchange = f"exact exchange {h.short_range:g}"
        if h.omega:
            exchange = (
                f"exact exchange {h.short_range:g} at short and {h.long_range:g} at long range (omega {h.omega:g})"
            )
        return exchange + (f", VV10 (b {self.nlc.b:g}, C {self.nlc.C:g})" if self.nlc else ", no VV10")

    def fields(self) -> dict[str, Any]:
        """The fields of a `Functional` that are its frame."""
        return {"hybrid": self.hybrid, "nlc": self.nlc, "correlation": self.correlation}

    def to_dict(self) -> dict[str, Any]:
        """Plain data, a part of a functional's JSON."""
        nlc = None if self.nlc is None else asdict(self.nlc)
        return {"hybrid": asdict(self.hybrid), "nlc": nlc, "correlation": self.correlation}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Frame:
        """The frame of `to_dict`'s form; what is absent is that of a functional without one."""
        hybrid, nlc = object_member(data, "hybrid") or {}, object_member(data, "nlc")
        closed(hybrid, "hybrid: ", ("omega", "short_range", "long_range"))
        closed(nlc or {}, "nlc: ", ("b", "C"))
        return cls(
            Hybrid(**hybrid),
            None if nlc is None else VV10(*(finite(nlc.get(k), f"nlc.{k}") for k in ("b", "C"))),
            text_member(data, "correlation", CORRELATION[0]),
        )


WB97M_V = Frame(Hybrid(omega=0.3, short_range=0.15, long_range=1.0), VV10(b=6.0, C=0.01), source="wb97m_v")
"""The frame of wB97M-V (10.1063/1.4952647), and of GAS22 in libxc."""

SYFES = replace(WB97M_V, correlation="pw92", source="gas22_syfes")
"""The frame of SyFES' own calculations: wB97M-V's with the constants of PW92 as printed."""
