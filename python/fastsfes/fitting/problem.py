"""The least-squares problem of a dataset: reaction energies at frozen densities as functions of enhancement factors."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _core
from ..common.errors import FastsfesError, InputError
from ..datasets.dataset import Dataset
from ..datasets.model import HARTREE_TO_KCAL, Reaction
from ..energies.frame import frame_energies, frame_of
from ..energies.quadrature import Quadrature, channel_key
from ..formula.family import scale_parameters
from ..functionals.frame import Frame
from ..functionals.functional import Channel, Functional
from .conditions import Conditions
from .constraints import Equality, Penalty
from .rows import FitRows

__all__ = ["EXACT_EXCHANGE", "FitProblem", "FitSettings", "Fitted"]

FloatArray = npt.NDArray[np.float64]

EXACT_EXCHANGE = ("short_range", "long_range")
"""Names of the optional linear parameters: the fractions of exact exchange at short and long range."""


@dataclass(frozen=True)
class FitSettings:
    """How the core fits; see `fastsfes.fit`."""

    starts: int = 1
    seed: int = 0
    max_evaluations: int = 60
    ftol: float = 1e-8
    xtol: float = 1e-9
    eliminate: bool = True

    def core(self) -> _core.FitOptions:
        """The core's form."""
        return _core.FitOptions(
            starts=self.starts,
            seed=self.seed % 2**64,
            max_evaluations=self.max_evaluations,
            ftol=self.ftol,
            xtol=self.xtol,
            eliminate=self.eliminate,
        )


@dataclass(frozen=True)
class Fitted:
    """One fitted candidate.

    Attributes:
        functional: with the fitted parameters (and fractions of exact exchange when those were free).
        losses: block of rows ("train", "validation", ...) -> WRMSD in kcal/mol.
        status: "converged", "evaluation_limit", "not_finite", "infeasible" or "invalid".
        message: why, when there is no finite loss.
        linear: parameters that were eliminated, as "channel.name".
        rank: number of independent columns among them.
        evaluations: of the projected problem.
    """

    functional: Functional
    losses: Mapping[str, float]
    status: str
    message: str
    linear: tuple[str, ...]
    rank: int
    evaluations: int


@dataclass(frozen=True)
class FitProblem:
    """Reactions as rows, enhancement factors as unknowns; made once, used for any number of candidates.

    Make it with `from_dataset`. Everything is immutable and may be used from several threads.

    Attributes:
        core: the C++ problem.
        kinds: channels in the order of the core's.
        frame: what the frozen energies hold.
        exact_exchange: whether the two fractions are linear parameters.
        reactions: block -> its reactions, in the order of `errors`.
        rows: from which the core's problem was made.
    """

    core: _core.FitProblem
    kinds: tuple[str, ...]
    frame: Frame
    exact_exchange: bool
    reactions: Mapping[str, tuple[Reaction, ...]] = field(repr=False)
    rows: FitRows = field(repr=False)

    @classmethod
    def from_dataset(
        cls,
        dataset: Dataset | str,
        kinds: Sequence[str] = ("x", "css", "cos"),
        *,
        splits: Sequence[str] = ("train", "validation"),
        level: str = "reduced",
        quadrature: str = "default",
        equalities: Iterable[Equality] = (),
        penalties: Iterable[Penalty] = (),
        ridge: float = 0.0,
        exact_exchange: bool = False,
        targets: Mapping[str, float] | None = None,
        correlation: str | None = None,
        frame: Frame | None = None,
        cache_bytes: int = 64 << 20,
    ) -> FitProblem:
        """Gather the rows of some splits from the quadrature that is stored with a dataset.

        Args:
            dataset: a dataset with densities and a quadrature, or its name.
            kinds: channels of the candidates.
            splits: blocks of rows; the first is fitted. Reactions of other splits are not read.
            level: nodes: "reduced" (about 300 a channel) for searches, "full" for one final fit.
            quadrature: name of the quadrature in the file.
            equalities, penalties: conditions on the factors, see `fastsfes.fitting.constraints`.
            ridge: ridge * sum(linear parameter^2) joins the squared WRMSD, (kcal/mol)^2.
            exact_exchange: make the fractions of short- and long-range exact exchange linear parameters. The frozen
                energies then lose the fractions of the functional that made the densities.
            targets: reaction name -> energy in kcal/mol that the channels have to give, in place of reference minus
                frozen part (for rediscovery experiments).
            correlation: prefactor of the correlation channels. By default, and where the quadrature has none for it, it
                is that of the functional that made the densities; see `frame` and `frame_notes`.
            frame: exact exchange, range separation and nonlocal correlation of the candidates, on the same densities;
                by default those of the functional that made the densities.
            cache_bytes: memory for columns and analysed expressions that candidates share.

        Raises:
            InputError: unknown splits, channels without nodes, splits without reactions, a frame whose exact exchange
                or nonlocal correlation is not among the stored energies.
        """
        data = Dataset.open(dataset) if isinstance(dataset, str) else dataset
        chosen = {split: part for split in splits if (part := data.split(split))}
        if not splits or splits[0] not in chosen:
            raise InputError(f'dataset "{data.name}" has no reaction of "{splits[0] if splits else ""}" to fit to')
        reactions = [reaction for part in chosen.values() for reaction in part]
        stored = frame_of(data, sorted({data.representative(n) for r in reactions for n in r.coefficients}))
        own = frame or stored
        rules = Quadrature.load(data, quadrature)
        frame = replace(own, correlation=correlation or own.correlation)
        if not all(key in rules.channels for key in _keys(kinds, frame).values()):
            frame = replace(own, correlation=stored.correlation)
        arrays = rules.problem(data, _keys(kinds, frame), reactions=reactions, level=level)
        target, extra = np.array(arrays.target) - frame_energies(data, reactions, frame, stored), None
        if exact_exchange:
            extra, fractions = _exchange_columns(data, reactions, frame)
            target = target + extra @ fractions
        if targets is not None:
            target = _given(targets, reactions)
        rows = FitRows(
            [(kind, arrays.channels[kind].values, arrays.channels[kind].matrix) for kind in kinds],
            target,
            arrays.weights,
            _consecutive({split: len(part) for split, part in chosen.items()}),
            extra,
            Conditions(tuple(equalities), tuple(penalties)),
            ridge,
            cache_bytes,
        )
        return cls(rows.problem(), tuple(kinds), frame, exact_exchange, chosen, rows)

    @classmethod
    def pair(
        cls,
        dataset: Dataset,
        kinds: Sequence[str],
        *,
        level: str = "full",
        quadrature: str = "default",
        **options: Any,
    ) -> tuple[FitProblem, FitProblem | None]:
        """The problem, and for "full" nodes the same on the reduced ones, where starts are tried, if there are any.

        Args:
            dataset, kinds, level, quadrature, options: see `from_dataset`.
        """
        make = partial(cls.from_dataset, dataset, kinds, quadrature=quadrature, **options)
        reducible = level == "full" and Quadrature.load(dataset, quadrature).has_level("reduced")
        return make(level=level), make(level="reduced") if reducible else None

    def frame_notes(self, functional: Functional) -> list[str]:
        """What of a functional is not its own here though energies in a frame could have it: a sentence, or nothing."""
        own, here = functional.correlation, self.frame.correlation
        if own == here or not {"css", "cos", "c"} & set(functional.channels):
            return []
        missing = " ".join(_keys(self.kinds, replace(self.frame, correlation=own)).values())
        return [
            f"the correlation channels have the prefactor {here} of the stored quadrature, not the functional's own "
            f"({own}), which need one with the channels {missing}"
        ]

    def weights(self, block: str) -> FloatArray:
        """Weights of the reactions of a block, (reactions,)."""
        return np.array([reaction.weight for reaction in self.reactions[block]])

    def reweighted(self, factors: npt.ArrayLike) -> FitProblem:
        """The problem of the fitted reactions alone, with their weights multiplied by `factors`, (reactions,).

        Reactions with a factor of 0 are left out of the rows. The squared loss is still the sum of weight times squared
        error over the number of all of them.
        """
        block = next(iter(self.reactions))
        times = np.asarray(factors, dtype=float)
        kept = np.flatnonzero(times > 0.0)
        weights = self.weights(block)[kept] * times[kept] * (len(kept) / len(times))
        chosen = (self.reactions[block][k] for k in kept)
        reactions = tuple(replace(reaction, weight=float(w)) for reaction, w in zip(chosen, weights, strict=True))
        rows = self.rows.part(kept, weights, _consecutive({block: len(kept)}))
        return replace(self, core=rows.problem(), reactions={block: reactions}, rows=rows)

    def pooled(self, shares: Mapping[str, float | None]) -> FitProblem:
        """The problem that fits several splits at once; their own blocks follow.

        The squared loss of the first block is the sum of the splits' squared losses times their shares, None where all
        reactions count alike.
        """
        name = " and ".join(shares)
        rows = np.arange(sum(len(self.reactions[s]) for s in self.reactions))
        blocks = _consecutive({s: len(r) for s, r in self.reactions.items()})
        places = np.concatenate([index for s, index in blocks if s in shares])
        times = [
            1.0 if (share := shares[s]) is None else share * len(places) / len(r)
            for s, r in self.reactions.items()
            if s in shares
        ]
        weights = self.rows.weights[places] * np.repeat(
            times, [len(self.reactions[s]) for s in self.reactions if s in shares]
        )
        chosen = [r for s, _ in blocks if s in shares for r in self.reactions[s]]
        reactions = tuple(replace(r, weight=float(w)) for r, w in zip(chosen, weights, strict=True))
        made = self.rows.part(
            np.concatenate([places, rows]),
            np.concatenate([weights, self.rows.weights]),
            [(name, np.arange(len(places))), *((s, index + len(places)) for s, index in blocks)],
        )
        return replace(self, core=made.problem(), reactions={name: reactions, **self.reactions}, rows=made)

    # -- vectors ------------------------------------------------------------------------------------------------------

    def expressions(self, functional: Functional) -> list[_core.Expression]:
        """The core's candidate; a channel that the functional lacks is zero."""
        unknown = sorted(set(functional.channels) - set(self.kinds))
        if unknown:
            raise InputError(
                f'functional "{functional.name}" has channel "{unknown[0]}", the problem has {", ".join(self.kinds)}'
            )
        zero = _core.Expression.constant(0.0)
        return [functional.channels[k].expression._handle if k in functional.channels else zero for k in self.kinds]

    def names(self, functional: Functional) -> list[str]:
        """Names of a candidate's parameters in the order of the vector: "channel.name", then the fractions."""
        names = [f"{k}.{n}" for k in self.kinds if k in functional.channels for n in functional.channels[k].parameters]
        return names + list(EXACT_EXCHANGE if self.exact_exchange else ())

    def vector(self, functional: Functional) -> FloatArray:
        """Its parameters as a vector."""
        values = dict(functional.parameters)
        if self.exact_exchange:
            values |= {"short_range": functional.hybrid.short_range, "long_range": functional.hybrid.long_range}
        return np.array([values[name] for name in self.names(functional)])

    def with_vector(self, functional: Functional, vector: npt.ArrayLike) -> Functional:
        """The functional with the parameters of a vector, in the frame of the frozen energies."""
        values = dict(zip(self.names(functional), np.asarray(vector, dtype=float).tolist(), strict=True))
        frame = self.frame
        if self.exact_exchange:
            fractions = {name: values.pop(name) for name in EXACT_EXCHANGE}
            frame = replace(frame, hybrid=replace(frame.hybrid, **fractions))
        return functional.with_parameters(values).with_frame(frame)

    def scales(self, functional: Functional) -> npt.NDArray[np.bool_]:
        """Which parameters are scales of a block (g of u, kappa of pbe_x, ...) that start, and so stay, positive."""
        found = {
            f"{kind}.{name}"
            for kind, channel in functional.channels.items()
            for name in scale_parameters(channel.expression)
        }
        start = self.vector(functional)
        return np.array([n in found and v > 0 for n, v in zip(self.names(functional), start, strict=True)], dtype=bool)

    # -- work ---------------------------------------------------------------------------------------------------------

    def errors(self, functional: Functional, block: str = "train") -> FloatArray:
        """Calculated minus reference energies in kcal/mol of a block, with the parameters as they are."""
        return self.core.errors(self.expressions(functional), self.vector(functional), block)

    def loss(self, functional: Functional, block: str = "train") -> float:
        """WRMSD of a block in kcal/mol, with the parameters as they are."""
        return float(np.sqrt(np.mean(self.weights(block) * self.errors(functional, block) ** 2)))

    def jacobian(self, functional: Functional, block: str = "train") -> FloatArray:
        """Derivatives of `errors` with respect to the parameters, kcal/mol, (reactions, parameters)."""
        return self.core.jacobian(self.expressions(functional), self.vector(functional), block)

    def fit(
        self,
        functionals: Sequence[Functional],
        settings: FitSettings | None = None,
        *,
        bounds: Sequence[Mapping[str, tuple[float, float]]] | None = None,
        threads: int = 0,
    ) -> list[Fitted]:
        """Fit the parameters of many functionals, each from the values that it has; one thread each.

        Variable projection (Golub & Pereyra 1973, 10.1137/0710036): parameters that enter linearly are solved for
        exactly, Levenberg-Marquardt moves the others. A candidate that cannot be fitted has infinite losses and says
        why. Results do not depend on the number of threads, nor on the other candidates.
        """
        vectors = [self.vector(f) for f in functionals]
        limits = None if bounds is None else [self._limits(f, b) for f, b in zip(functionals, bounds, strict=True)]
        results = _core.fit_batch(
            self.core,
            [self.expressions(f) for f in functionals],
            vectors,
            (settings or FitSettings()).core(),
            threads,
            limits,
        )
        return [self._fitted(f, r) for f, r in zip(functionals, results, strict=True)]

    def _limits(
        self, functional: Functional, bounds: Mapping[str, tuple[float, float]]
    ) -> tuple[FloatArray, FloatArray] | None:
        names = self.names(functional)
        for name, (low, high) in bounds.items():
            if name not in names:
                raise InputError(f'bounds: "{name}" is not a parameter; there are {", ".join(names)}')
            if not low <= high:
                raise InputError(f'bounds of "{name}": expected lower <= upper, got {low} and {high}')
            if name in EXACT_EXCHANGE:
                raise InputError(
                    f'bounds: the fraction "{name}" enters linearly and cannot be bounded; drop its bounds'
                )
        if not bounds:
            return None
        return (
            np.array([bounds.get(name, (-np.inf, np.inf))[0] for name in names]),
            np.array([bounds.get(name, (-np.inf, np.inf))[1] for name in names]),
        )

    def _fitted(self, functional: Functional, result: _core.Fit) -> Fitted:
        names = self.names(functional)
        return Fitted(
            functional=self.with_vector(functional, result.parameters),
            losses=dict(zip(self.core.blocks, result.losses.tolist(), strict=True)),
            status=result.status,
            message=result.message,
            linear=tuple(name for name, flag in zip(names, result.linear, strict=True) if flag),
            rank=result.rank,
            evaluations=result.evaluations,
        )


def _keys(kinds: Sequence[str], frame: Frame) -> dict[str, str]:
    """Kind -> measure in a frame."""
    return {kind: channel_key(kind, frame.hybrid.omega, frame.correlation) for kind in kinds}


def _consecutive(sizes: Mapping[str, int]) -> list[tuple[str, npt.NDArray[np.int64]]]:
    """Blocks of rows that follow each other."""
    ends = itertools.accumulate(sizes.values())
    return [(name, np.arange(end - sizes[name], end)) for name, end in zip(sizes, ends, strict=True)]


def _given(targets: Mapping[str, float], reactions: Sequence[Reaction]) -> FloatArray:
    """Targets by name in the order of the reactions."""
    missing = [r.name for r in reactions if r.name not in targets]
    if missing:
        raise InputError(f'no target for reaction "{missing[0]}" ({len(missing)} are missing)')
    return np.array([targets[r.name] for r in reactions])


def _exchange_columns(data: Dataset, rows: Sequence[Reaction], frame: Frame) -> tuple[FloatArray, FloatArray]:
    """Reaction energies (kcal/mol) of short- and long-range exact exchange, and the fractions that are frozen in."""
    columns = np.zeros((len(rows), 2))
    for i, reaction in enumerate(rows):
        for name, coefficient in reaction.coefficients.items():
            energies = data.energies(name)
            columns[i] += coefficient * np.array([energies.e_xx - energies.e_xx_lr, energies.e_xx_lr])
    if not np.all(np.isfinite(columns)):
        raise FastsfesError("the dataset lacks exact exchange energies of some species; they cannot be fitted")
    return HARTREE_TO_KCAL * columns, np.array([frame.hybrid.short_range, frame.hybrid.long_range])


def fixed_channel(channel: Channel, fixed: Mapping[str, float]) -> Channel:
    """A channel with some parameters replaced by their values."""
    expression = channel.expression.substitute(dict(fixed))
    return Channel(expression, {n: v for n, v in channel.parameters.items() if n not in fixed})
