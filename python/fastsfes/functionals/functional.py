"""Functionals: sums of channels, their energy densities and derivatives, and their JSON form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from ..common.errors import InputError
from ..common.files import user_path, write_output
from ..common.notebook import axes
from ..common.reading import closed, damage, finite, parse_json, read_text, text_member
from ..formula import features
from ..formula.expression import Expression, feature_names
from .formulas import VARIABLES, derivative_expressions, energy_expression
from .frame import VV10, Frame, Hybrid
from .syfes import is_syfes, translated

__all__ = ["Channel", "EnergyDensity", "Functional"]

FORMAT = "fastsfes-functional"
VERSION = 1


@dataclass(frozen=True)
class Channel:
    """An expression of one channel's features, with a value for each of its parameters."""

    expression: Expression
    parameters: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        str(self.expression)  # a formula that is too long to be written down cannot be kept either
        values = {}
        for name in self.expression.parameters:
            if name not in self.parameters:
                raise InputError(
                    f'"{name}" in "{_start(self.expression)}" is neither a feature nor a parameter with a value; '
                    f"features are {', '.join(feature_names())}"
                )
            values[name] = float(self.parameters[name])
        unused = sorted(set(self.parameters) - set(values))
        if unused:
            raise InputError(f'parameter "{unused[0]}" does not occur in "{_start(self.expression)}"; remove it')
        object.__setattr__(self, "parameters", MappingProxyType(values))

    def evaluate(self, values: Mapping[str, ArrayLike], *, threads: int = 0) -> NDArray[np.float64]:
        """The enhancement factor at these feature values."""
        return self.expression.evaluate(values, self.parameters, threads=threads)

    def bound(self) -> Expression:
        """The expression with the parameters' values in place of their names."""
        return self.expression.substitute(dict(self.parameters))

    def __reduce__(self) -> tuple[Any, ...]:
        return Channel, (self.expression, dict(self.parameters))


@dataclass(frozen=True)
class EnergyDensity:
    """What `Functional.energy_density` returns; arrays in libxc's component order.

    exc: (n,) energy per volume, hartree/bohr^3. Derivatives of order k <= deriv are (n,) for unpolarised and
    (components, n) for polarised densities. Components run over the sorted tuples of each variable's spin components,
    rho (2), sigma (3: aa, ab, bb), tau (2), the last one fastest: vrho (2), vsigma (3), vtau (2); v2rho2 (3),
    v2rhosigma (6), v2sigma2 (6), v2rhotau (4), v2sigmatau (6), v2tau2 (3); v3rho3 (4), v3rho2sigma (9) and so on.
    What was not asked for, or what the functional does not depend on, is None.
    """

    exc: NDArray[np.float64]
    vrho: NDArray[np.float64] | None = None
    vsigma: NDArray[np.float64] | None = None
    vtau: NDArray[np.float64] | None = None
    v2rho2: NDArray[np.float64] | None = None
    v2rhosigma: NDArray[np.float64] | None = None
    v2rhotau: NDArray[np.float64] | None = None
    v2sigma2: NDArray[np.float64] | None = None
    v2sigmatau: NDArray[np.float64] | None = None
    v2tau2: NDArray[np.float64] | None = None
    v3rho3: NDArray[np.float64] | None = None
    v3rho2sigma: NDArray[np.float64] | None = None
    v3rho2tau: NDArray[np.float64] | None = None
    v3rhosigma2: NDArray[np.float64] | None = None
    v3rhosigmatau: NDArray[np.float64] | None = None
    v3rhotau2: NDArray[np.float64] | None = None
    v3sigma3: NDArray[np.float64] | None = None
    v3sigma2tau: NDArray[np.float64] | None = None
    v3sigmatau2: NDArray[np.float64] | None = None
    v3tau3: NDArray[np.float64] | None = None


HIGHEST_DERIVATIVE = 3
"""Highest order of derivatives; `EnergyDensity` has fields up to it."""


@dataclass(frozen=True)
class Functional:
    """An exchange-correlation functional: a sum of channels, exact exchange fractions, and VV10.

    Args:
        name: lower-case name.
        channels: kind ("x", "css", "cos", "c", "one") to `Channel`; see `fastsfes.formula.features.CHANNELS`.
        hybrid: exact exchange that belongs to it; `hybrid.omega` attenuates the exchange channel's prefactor.
        nlc: VV10 parameters, or None.
        citation: where it comes from, with the DOI.
        libxc: names of libxc whose sum is the same semilocal functional, or "".
        correlation: prefactor of the correlation channels, see `fastsfes.formula.features.CORRELATION`.
    """

    name: str
    channels: Mapping[str, Channel]
    hybrid: Hybrid = field(default_factory=Hybrid)
    nlc: VV10 | None = None
    citation: str = ""
    libxc: str = ""
    correlation: str = "pw92_mod"

    def __post_init__(self) -> None:
        if self.correlation not in features.CORRELATION:
            raise InputError(
                f'functional "{self.name}": correlation "{self.correlation}" is unknown; expected one of '
                f"{', '.join(features.CORRELATION)}"
            )
        for kind, channel in self.channels.items():
            known = features.channel(kind).features
            for name in channel.expression.features:
                if name not in known:
                    raise InputError(
                        f'feature "{name}" in channel "{kind}" of functional "{self.name}" does not exist there; '
                        f"channel {kind} has {', '.join(known)}"
                    )
        object.__setattr__(self, "channels", MappingProxyType(dict(self.channels)))

    # -- form ---------------------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> dict[str, float]:
        """All parameters, addressed "channel.name"."""
        return {f"{kind}.{name}": v for kind, c in self.channels.items() for name, v in c.parameters.items()}

    def with_parameters(self, values: Mapping[str, float]) -> Functional:
        """The same form with other parameter values, addressed "channel.name"; those not given stay."""
        unknown = sorted(set(values) - set(self.parameters))
        if unknown:
            raise InputError(
                f'functional "{self.name}" has no parameter "{unknown[0]}"; it has {", ".join(self.parameters)}'
            )
        channels = {
            kind: Channel(c.expression, {n: values.get(f"{kind}.{n}", v) for n, v in c.parameters.items()})
            for kind, c in self.channels.items()
        }
        return replace(self, channels=channels)

    @property
    def frame(self) -> Frame:
        """What stays fixed while the enhancement factors change."""
        return Frame(self.hybrid, self.nlc, self.correlation, self.name)

    def with_frame(self, frame: Frame) -> Functional:
        """These channels with the exact exchange, nonlocal correlation and correlation constants of a frame."""
        return replace(self, libxc="", **frame.fields())

    @property
    def complexity(self) -> int:
        """Sum of the channels' complexities (see `Expression.complexity`)."""
        return sum(c.expression.complexity for c in self.channels.values())

    @cached_property
    def family(self) -> str:
        """ "lda", "gga" or "mgga", by the variables that the energy density depends on."""
        used = set(energy_expression(self, True).features)
        if used & {"tau_a", "tau_b"}:
            return "mgga"
        return "gga" if used & {"sigma_aa", "sigma_ab", "sigma_bb"} else "lda"

    def __str__(self) -> str:
        lines = [f"{self.name} ({self.family})"]
        for kind, c in self.channels.items():
            lines.append(f"  f_{kind} = {c.expression}")
            if c.parameters:
                lines.append("    " + ", ".join(f"{n} = {v!r}" for n, v in c.parameters.items()))
        return "\n".join(lines)

    def __repr__(self) -> str:
        kinds = ", ".join(self.channels)
        return f"Functional({self.name!r}: {kinds}; {len(self.parameters)} parameters, complexity {self.complexity})"

    def to_latex(self, *, values: bool = False) -> str:
        """LaTeX of the factors, a line of an ``aligned`` environment each; with `values` in place of the parameters."""
        lines = [
            rf"f_{{\mathrm{{{kind}}}}} &= {(c.bound() if values else c.expression).to_latex()}"
            for kind, c in self.channels.items()
        ]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.to_latex()}$"

    def to_sympy(self, *, values: bool = True) -> dict[str, Any]:
        """The factors by channel as SymPy expressions of their features, with the parameters' values or as symbols."""
        return {kind: (c.bound() if values else c.expression).to_sympy() for kind, c in self.channels.items()}

    def plot(self, ax: Any = None) -> Any:
        """Draw the factors against x2, at w = 0 and, where they depend on w, at -0.5 and 0.5.

        Args:
            ax: axes of matplotlib; None for new ones.

        Returns:
            The axes.

        Raises:
            InputError: a factor depends on features that do not follow from x2 and w.
        """
        target = axes(ax)
        x2 = np.geomspace(1e-2, 1e4, 400)
        for kind, channel in self.channels.items():
            for w in (0.0, -0.5, 0.5):
                known = features.of_nodes({"x2": x2, "w": np.full_like(x2, w)})
                missing = [f for f in channel.expression.features if f not in known]
                if missing:
                    raise InputError(f"f_{kind} depends on {missing[0]}, which does not follow from x2 and w")
                varies = set(channel.expression.features) - features.of_nodes({"x2": x2}).keys()
                label = f"f_{kind}" + (f", w = {w:g}" if varies else "")
                if varies or w == 0.0:
                    target.plot(x2, np.broadcast_to(channel.evaluate(known), x2.shape), label=label)
        target.set(xscale="log", xlabel="$x^2$", ylabel="factor", title=self.name)
        target.legend(frameon=False)
        return target

    # -- values -------------------------------------------------------------------------------------------------------

    def energy_expression(self, polarised: bool = True, *, free: bool = False) -> Expression:
        """The energy per volume as one expression of rho, sigma, tau or their spin-resolved components.

        With `free` the parameters stay names, "channel_name"; without, they are their values.
        """
        return energy_expression(self, polarised, free=free)

    def energy_density(
        self,
        rho: ArrayLike,
        sigma: ArrayLike | None = None,
        tau: ArrayLike | None = None,
        deriv: int = 0,
        *,
        threads: int = 0,
    ) -> EnergyDensity:
        """Semilocal energy per volume and its derivatives on grid points.

        Args:
            rho: (n,) density or (2, n) spin densities, electrons/bohr^3. Below 1e-20, negative ones included, a density
                counts as absent; a spin that is absent has derivatives where they have a limit, else 0.
            sigma: (n,) or (3, n) gradient products grad rho . grad rho, or aa, ab, bb; needed by GGA and meta-GGA.
            tau: (n,) or (2, n) kinetic energy density (1/2) sum grad phi . grad phi; needed by meta-GGA.
            deriv: 0, 1, 2 or 3, the highest order of derivatives.
            threads: OpenMP threads, 0 for OpenMP's own choice.

        Returns:
            `EnergyDensity` with energies in hartree/bohr^3; NaN where an input that matters is NaN.

        Raises:
            InputError: on shapes that do not fit or a missing sigma or tau.
        """
        named, polarised = grid_inputs(rho, sigma, tau, deriv)
        n = next(iter(named.values())).size
        compiled = _compiled(self, polarised, deriv)
        for name in compiled.program.features:
            if name not in named:
                raise InputError(
                    f'functional "{self.name}" is of family {self.family}: it needs {name.partition("_")[0]}'
                )
        values = compiled.program.evaluate([named[f] for f in compiled.program.features], (), n=n, threads=threads)
        arrays: dict[str, NDArray[np.float64]] = {}
        for key, part in compiled.slices.items():
            arrays[key] = values[part] if polarised and key != "exc" else values[part.start]
        return EnergyDensity(**arrays)

    # -- files --------------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; numbers keep all their digits."""
        data: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "channels": {
                kind: {"expression": str(c.expression), "parameters": dict(c.parameters)}
                for kind, c in self.channels.items()
            },
            **self.frame.to_dict(),
        }
        if self.citation:
            data["citation"] = self.citation
        return data

    def to_json(self, path: str | Path) -> None:
        """Write the functional to a JSON file."""
        write_output(path, self.to_text())

    def to_text(self) -> str:
        """The text of the JSON file; numbers have the digits that make them the same double again."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"

    @cached_property
    def digest(self) -> int:
        """64 bits that differ between functionals that differ in anything that is written to JSON."""
        digest = hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).digest()
        return int.from_bytes(digest[:8], "big")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "the data") -> Functional:
        """The functional of `to_dict`'s form, or of SyFES's (instruction lists); `where` names the source in errors."""
        if is_syfes(data):
            data = {"format": FORMAT, "version": VERSION, **translated(data, where)}
        if not isinstance(data, Mapping) or data.get("format") != FORMAT:
            raise InputError(
                f'{where}: expected a JSON object with "format": "{FORMAT}"; is this another kind of file?'
            )
        if data.get("version") != VERSION:
            raise InputError(
                f"{where}: format version {data.get('version')!r}, expected {VERSION}; install a newer fastsfes"
            )
        channels = {}
        table = data.get("channels")
        if not isinstance(table, Mapping) or not table:
            raise InputError(f'{where}: expected "channels" to hold at least one of {", ".join(features.CHANNELS)}')
        try:
            closed(data, "", ("format", "version", "name", "citation", "channels", "hybrid", "nlc", "correlation"))
            for kind, item in table.items():
                if not isinstance(item, Mapping) or not isinstance(item.get("expression"), str):
                    raise InputError(f'channel "{kind}": expected an object with "expression" (text) and "parameters"')
                closed(item, f'channel "{kind}": ', ("expression", "parameters"))
                values = item.get("parameters", {})
                if not isinstance(values, Mapping):
                    raise InputError(f'channel "{kind}": "parameters" must be an object of name: number')
                # what was written before alpha, beta and s were features may have parameters of these names
                taken = {n: f"{n}_" for n in values if n in feature_names()}
                channels[kind] = Channel(
                    Expression.parse(item["expression"]).substitute({n: Expression.parse(m) for n, m in taken.items()}),
                    {str(taken.get(n, n)): finite(v, f"{kind}.{n}") for n, v in values.items()},
                )
            return cls(
                name=text_member(data, "name", "unnamed"),
                channels=channels,
                citation=text_member(data, "citation", ""),
                **Frame.from_dict(data).fields(),
            )
        except InputError as error:
            raise InputError(f"{where}: {error}") from None

    @classmethod
    def from_json(cls, path: str | Path) -> Functional:
        """Read a functional from a JSON file, ours or one of SyFES; nothing in it is executed.

        Raises:
            InputError: names the file and what is wrong with it.
        """
        return cls.from_text(read_text(user_path(path), "a functional in JSON"), str(path))

    @classmethod
    def from_text(cls, text: str, where: str = "the text") -> Functional:
        """The functional of a JSON text, ours or SyFES's; `where` names the source in errors."""
        with damage(where, "write it again with fs.export or Functional.to_json"):
            made = cls.from_dict(parse_json(text, where), where)
        for kind, channel in made.channels.items():
            size = sum(_written_out(operator) for operator, _, _ in channel.expression.nodes())
            if size > _LARGEST:
                raise InputError(
                    f'{where}: channel "{kind}" has {size} operations when its operators are written out; at most '
                    f"{_LARGEST} are taken from a file, since derivatives of more take minutes"
                )
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        fields = (
            self.name,
            dict(self.channels),
            self.hybrid,
            self.nlc,
            self.citation,
            self.libxc,
            self.correlation,
        )
        return Functional, fields

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Functional) and self.to_dict() == other.to_dict()


_LARGEST = 5000
"""Operations of a channel in a file, defined operators written out; wB97M-V's have up to 30."""


@lru_cache
def _written_out(operator: str) -> int:
    """Operations that an operator stands for; 1 for everything that is not defined by a formula."""
    row = next(row for row in _core.operators() if row["name"] == operator)
    if row["kind"] != "defined":
        return 1
    return Expression.apply(operator, *(Expression.parse(f"p{k}") for k in range(row["arity"]))).define().complexity


def _start(expression: Expression) -> str:
    """The beginning of a formula, for messages."""
    text = str(expression)
    return text if len(text) <= 200 else text[:200] + "..."


def grid_inputs(
    rho: ArrayLike, sigma: ArrayLike | None, tau: ArrayLike | None, deriv: int
) -> tuple[dict[str, NDArray[np.float64]], bool]:
    """Arguments of `Functional.energy_density`, checked: one (n,) row per component of `VARIABLES`, and polarised."""
    rho_ = np.asarray(rho, dtype=float)
    polarised = rho_.ndim == 2
    if rho_.ndim not in (1, 2) or (polarised and rho_.shape[0] != 2):
        raise InputError(f"rho has shape {rho_.shape}; expected (n,) for unpolarised or (2, n) for polarised densities")
    if deriv not in range(HIGHEST_DERIVATIVE + 1):
        raise InputError(f"deriv is {deriv}; expected 0 to {HIGHEST_DERIVATIVE}")
    n = rho_.shape[-1]
    inputs = {"rho": rho_}
    for name, value, components in (("sigma", sigma, 3), ("tau", tau, 2)):
        if value is None:
            continue
        array = np.asarray(value, dtype=float)
        expected = (components, n) if polarised else (n,)
        if array.shape != expected:
            raise InputError(
                f"{name} has shape {array.shape}; expected {expected} to go with rho of shape {rho_.shape}"
            )
        inputs[name] = array
    named: dict[str, NDArray[np.float64]] = {}
    for group, array in inputs.items():
        rows = np.ascontiguousarray(array)
        named |= dict(zip(VARIABLES[polarised][group], rows if polarised else (rows,), strict=True))
    return named, polarised


@dataclass(frozen=True)
class _Compiled:
    program: _core.Program
    slices: dict[str, slice]


@lru_cache(maxsize=256)
def _compiled(functional: Functional, polarised: bool, deriv: int) -> _Compiled:
    slices: dict[str, slice] = {}
    outputs: list[Expression] = []
    for key, expressions in derivative_expressions(functional, polarised, deriv).items():
        slices[key] = slice(len(outputs), len(outputs) + len(expressions))
        outputs += expressions
    program = _core.Program([e._handle for e in outputs])
    program.expect_reuse()
    return _Compiled(program, slices)
