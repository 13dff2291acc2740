"""The integration grid as arrays of points: energies by our own kernel, and by jax.jit as SyFES computes them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastsfes import _core
from fastsfes.datasets.dataset import Dataset
from fastsfes.datasets.model import HARTREE_TO_KCAL, Reaction
from fastsfes.energies.grid import grid_blocks
from fastsfes.energies.quadrature import reaction_targets
from fastsfes.energies.quadrature.measure import channel_points
from fastsfes.functionals.functional import Functional

FloatArray = npt.NDArray[np.float64]

_FEATURES = ("x2", "w")


@dataclass(frozen=True)
class ChannelPoints:
    """All points of one channel: features (2, n), weights times prefactor (n,), and where species begin."""

    values: FloatArray
    weights: FloatArray
    offsets: npt.NDArray[np.int64]


@dataclass(frozen=True)
class GridPoints:
    """The points of some species, by channel, and how many points the grids of the species have."""

    names: tuple[str, ...]
    channels: Mapping[str, ChannelPoints]
    points: int

    @classmethod
    def collect(cls, dataset: Dataset, keys: Mapping[str, str], names: Sequence[str]) -> GridPoints:
        """Put species on their grids; `keys` maps channels to measures, e.g. {"x": "x@0.3", "css": "css"}."""
        parts: dict[str, tuple[list[FloatArray], list[FloatArray], list[int]]] = {k: ([], [], [0]) for k in keys}
        points = 0
        for name in names:
            for block in grid_blocks(dataset.density(name)):
                points += len(block)
                for kind, (values, weights, _) in parts.items():
                    for w, v in channel_points(keys[kind], _FEATURES, block):
                        weights.append(w)
                        values.append(v)
            for _, weights, offsets in parts.values():
                offsets.append(sum(len(w) for w in weights))
        return cls(tuple(names), {kind: _channel(*part) for kind, part in parts.items()}, points)

    def kernel(self, functional: Functional, threads: int) -> Callable[[], FloatArray]:
        """Energies in hartree of all species by our compiled kernel, a function of nothing."""
        programs = []
        for kind, term in functional.channels.items():
            program, points = term.expression.program, self.channels[kind]
            arrays = [points.values[_FEATURES.index(name)] for name in program.features]
            programs.append((program, arrays, [term.parameters[p] for p in program.parameters], points))
        _core.jit_compile([program for program, *_ in programs])

        def energies() -> FloatArray:
            total = np.zeros(len(self.names))
            for program, arrays, parameters, points in programs:
                total += program.segment_sums(arrays, parameters, points.weights, points.offsets, threads=threads)[0]
            return total

        return energies

    def jax(self, functional: Functional) -> Callable[[FloatArray], Any] | None:
        """Energies in hartree by jax.jit in double precision, a function of the parameters; None without jax.

        Parameters are arguments of the compiled function, in the order of the channels, as a fit needs it.
        """
        try:
            jax: Any = importlib.import_module("jax")
        except ImportError:
            return None
        import sympy

        jax.config.update("jax_enable_x64", True)
        jnp = jax.numpy
        functions, data, start = [], [], 0
        for kind, points in self.channels.items():
            term = functional.channels[kind]
            expression = term.expression.to_sympy()
            symbols = {str(s): s for s in expression.free_symbols}
            names = [*_FEATURES, *term.parameters]
            function = sympy.lambdify([symbols.get(n, sympy.Symbol(n)) for n in names], expression, modules="jax")
            segment = np.repeat(np.arange(len(self.names)), np.diff(points.offsets))
            functions.append((function, start, start := start + len(term.parameters)))
            data.append([jnp.asarray(a) for a in (*points.values, points.weights, segment)])

        def sums(parameters: Any, arrays: Any) -> Any:
            total: Any = 0.0
            for (function, first, last), (x2, w, weights, segment) in zip(functions, arrays, strict=True):
                factor = function(x2, w, *(parameters[i] for i in range(first, last)))
                total += jax.ops.segment_sum(
                    weights * factor, segment, num_segments=len(self.names), indices_are_sorted=True
                )
            return total

        compiled = jax.jit(sums)
        return lambda parameters: compiled(jnp.asarray(parameters), data).block_until_ready()


@dataclass(frozen=True)
class GridLoss:
    """WRMSD in kcal/mol of some reactions on the grid by jax.jit; what CMA-ES minimises in SyFES."""

    energies: Callable[[FloatArray], Any]
    stoichiometry: FloatArray
    targets: FloatArray
    weights: FloatArray

    @classmethod
    def make(
        cls, energies: Callable[[FloatArray], Any], points: GridPoints, dataset: Dataset, reactions: Sequence[Reaction]
    ) -> GridLoss:
        """Loss of reactions all of whose species are among the points."""
        column = {name: k for k, name in enumerate(points.names)}
        stoichiometry = np.zeros((len(reactions), len(column)))
        for row, reaction in zip(stoichiometry, reactions, strict=True):
            for name, coefficient in reaction.coefficients.items():
                row[column[dataset.representative(name)]] += coefficient
        weights = np.array([reaction.weight for reaction in reactions])
        return cls(energies, stoichiometry, reaction_targets(dataset, reactions), weights)

    def losses(self, candidate: Sequence[_core.Expression], parameters: npt.ArrayLike, threads: int = 0) -> FloatArray:
        """Losses of parameter vectors, one after the other, as `fastsfes.fitting.minimise_cma` asks for them."""
        out = []
        for vector in np.asarray(parameters, dtype=float):
            errors = HARTREE_TO_KCAL * (self.stoichiometry @ np.asarray(self.energies(vector))) - self.targets
            loss = np.sqrt(np.mean(self.weights * errors**2))
            out.append(loss if np.isfinite(loss) else np.inf)
        return np.array(out)


def _channel(values: list[FloatArray], weights: list[FloatArray], offsets: list[int]) -> ChannelPoints:
    return ChannelPoints(
        np.ascontiguousarray(np.concatenate(values, axis=1)),
        np.concatenate(weights),
        np.array(offsets, dtype=np.int64),
    )


def species_within(dataset: Dataset, names: Sequence[str], limit: int) -> list[str]:
    """Species taken evenly over a list while their points surely stay below the limit; at least one."""
    step = 7  # spreads the choice over a list that is sorted by name
    chosen: list[str] = []
    total = 0
    for name in (names[i] for start in range(step) for i in range(start, len(names), step)):
        # A level-3 atom has at most 19,300 points; whether it fits is known before its grid is made.
        most = 20_000 * len(dataset.species[name].symbols)
        if total + most <= limit or not chosen:
            chosen.append(name)
            total += most
    return sorted(chosen)


def estimated_points(dataset: Dataset, names: Sequence[str], points: GridPoints) -> int:
    """Points of the grids of all named species, from those per atom of the species that were put on theirs."""
    per_atom = points.points / sum(len(dataset.species[name].symbols) for name in points.names)
    return round(per_atom * sum(len(dataset.species[name].symbols) for name in names))
