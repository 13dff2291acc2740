"""The least-squares problem of a library: a column of reaction energies per term, conditions as rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .. import _core
from ..common.errors import InputError
from ..datasets.dataset import Dataset
from ..datasets.model import Reaction
from ..energies.quadrature import Quadrature
from ..fitting import FitProblem, uniform_gas
from ..fitting.conditions import parse_conditions
from ..fitting.constraints import Penalty, Point
from ..formula.expression import Expression
from ..functionals.frame import Frame
from ..functionals.functional import Channel, Functional
from .term_library import Library

__all__ = ["Columns", "Rules", "check_finite", "column_energies"]

FloatArray = npt.NDArray[np.float64]
_IMPLIED = 1e-9
"""Of an equality of unit norm: what the others leave of it below that is rounding."""


@dataclass(frozen=True)
class Columns:
    """Energies of all terms of a library.

    Attributes:
        term_library: the terms.
        problem: where the energies come from; its frame is that of the functionals made.
        matrix: split -> (reactions, terms), kcal/mol.
        target: split -> (reactions,), what the terms have to give, kcal/mol.
        grid: change of the fitted reactions' energies between two integration grids, (reactions, terms), or None.
    """

    term_library: Library
    problem: FitProblem
    matrix: Mapping[str, FloatArray]
    target: Mapping[str, FloatArray]
    grid: FloatArray | None = None

    @classmethod
    def make(
        cls,
        library: Library,
        dataset: Dataset,
        *,
        splits: Sequence[str] = ("train", "validation"),
        level: str = "full",
        quadrature: str = "default",
        fine_quadrature: str = "",
        correlation: str = "",
        frame: Frame | None = None,
    ) -> Columns:
        """From the quadrature of a dataset; with a second one of finer grids the sensitivities too.

        `correlation` is the prefactor of the correlation channels, where it is not that of the densities, and `frame`
        what else stays fixed.

        Raises:
            InputError: scales without a number, channels or features that the quadrature does not have.
        """
        if library.scales:
            raise InputError(f"the scale {library.scales[0]} has no number; give one or several with --scale")

        def make(name: str) -> FitProblem:
            if correlation:
                Quadrature.load(dataset, name).check_correlation(correlation, library.kinds)
            return FitProblem.from_dataset(
                dataset,
                library.kinds,
                splits=splits,
                level=level,
                quadrature=name,
                exact_exchange=library.exact_exchange,
                correlation=correlation,
                frame=frame,
            )

        problem = make(quadrature)
        energies = column_energies(problem, library)
        made = cls.of(library, problem, energies)
        if not fine_quadrature:
            return made
        change = energies - column_energies(make(fine_quadrature), library)
        return replace(made, grid=change[dict(problem.rows.blocks or ())[splits[0]]])

    @classmethod
    def of(cls, library: Library, problem: FitProblem, energies: FloatArray) -> Columns:
        """From the terms' energies in all rows of a problem, (rows, terms), see `column_energies`."""
        blocks = dict(problem.rows.blocks or ())
        matrix = {split: energies[rows] for split, rows in blocks.items()}
        return cls(library, problem, matrix, {split: problem.rows.target[rows] for split, rows in blocks.items()})

    @property
    def reactions(self) -> Mapping[str, tuple[Reaction, ...]]:
        """Split -> its reactions, in the order of the rows."""
        return self.problem.reactions

    def functional(
        self,
        name: str,
        chosen: Sequence[int],
        coefficients: npt.ArrayLike,
        citation: str = "",
        *,
        scales: Mapping[str, float] | None = None,
    ) -> Functional:
        """The functional of some terms, parameters c0, c1, ... per channel, in the frame of the densities.

        Scales that the library leaves open become parameters too, with these values.
        """
        channels: dict[str, Channel] = {}
        values = dict(zip(chosen, np.asarray(coefficients, dtype=float).tolist(), strict=True))
        count = len(self.term_library.terms)
        for kind in self.term_library.kinds:
            mine = [k for k in sorted(values) if k < count and self.term_library.terms[k].kind == kind]
            pieces = [_product(f"c{n}", self.term_library.terms[k].expression) for n, k in enumerate(mine)]
            expression = Expression.parse(" + ".join(pieces)) if pieces else Expression.constant(0.0)
            open_scales = {
                p: (scales or {})[f"{kind}.{p}"] for p in expression.parameters if f"{kind}.{p}" in (scales or {})
            }
            channels[kind] = Channel(expression, {f"c{n}": values[k] for n, k in enumerate(mine)} | open_scales)
        frame = self.problem.frame
        if self.term_library.exact_exchange:
            fractions = {"short_range": values.get(count, 0.0), "long_range": values.get(count + 1, 0.0)}
            frame = replace(frame, hybrid=replace(frame.hybrid, **fractions))
        return Functional(name=name, channels=channels, citation=citation, **frame.fields())

    def errors(self, chosen: Sequence[int], coefficients: npt.ArrayLike, split: str) -> FloatArray:
        """Calculated minus reference energies, kcal/mol, (reactions,)."""
        c = np.asarray(coefficients, dtype=float)
        return np.asarray(self.matrix[split][:, list(chosen)] @ c - self.target[split])

    def loss(self, chosen: Sequence[int], coefficients: npt.ArrayLike, split: str) -> float:
        """WRMSD of a split, kcal/mol."""
        weights = self.problem.weights(split)
        return float(np.sqrt(np.mean(weights * self.errors(chosen, coefficients, split) ** 2)))


def _product(name: str, expression: Expression) -> str:
    text = str(expression)
    return name if text == "1" else f"{name}*({text})"


def column_energies(problem: FitProblem, library: Library) -> FloatArray:
    """Energies of the terms with coefficient 1, for all rows of a problem, kcal/mol, (rows, terms)."""
    out = np.zeros((len(problem.rows.target), len(library)))
    for kind, values, matrix in problem.rows.channels:
        places = [k for k, t in enumerate(library.terms) if t.kind == kind]
        factors = _factors(library, places, values, matrix.shape[1])
        # not by BLAS, whose last digits depend on its threads
        out[:, places] = np.einsum("rn,tn->rt", matrix, factors)
    if problem.rows.extra is not None:
        out[:, len(library.terms) :] = problem.rows.extra
    return out


def check_finite(problem: FitProblem, library: Library) -> None:
    """Refuse terms that are infinite on the densities."""
    for kind, values, matrix in problem.rows.channels:
        places = [k for k, t in enumerate(library.terms) if t.kind == kind]
        _factors(library, places, values, matrix.shape[1])


def _factors(library: Library, places: Sequence[int], values: Mapping[str, FloatArray], count: int) -> FloatArray:
    """Values of some terms on the nodes, (terms, nodes)."""
    factors = np.empty((len(places), count))
    for f, k in zip(factors, places, strict=True):
        expression = library.terms[k].expression
        f[:] = expression.evaluate({n: values[n] for n in expression.features}, {})
        if not np.all(np.isfinite(f)):
            raise InputError(f'term "{library.names[k]}" is not finite everywhere on the densities\' features')
    return factors


@dataclass(frozen=True)
class Rules:
    """Conditions on the coefficients, as rows over all terms.

    Attributes:
        equality, value: equality @ c = value.
        inequality, bound: inequality @ c >= bound.
        weight: of the squared violation of an inequality, (kcal/mol)^2, infinite where it must hold.
        graded, wanted: rows that join the sum of squares, (graded @ c - wanted)^2 in (kcal/mol)^2.
        limit: |c| <= limit per term, infinite for none.
        always, never: positions of terms.
        parents: per term, the terms that have to be chosen with it.
        groups: terms that are chosen together or not at all.
    """

    equality: FloatArray
    value: FloatArray
    inequality: FloatArray
    bound: FloatArray
    weight: FloatArray
    graded: FloatArray
    wanted: FloatArray
    limit: FloatArray
    always: tuple[int, ...] = ()
    never: tuple[int, ...] = ()
    parents: tuple[tuple[int, ...], ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def make(
        cls,
        columns: Columns,
        constraints: Sequence[str] = (),
        *,
        limit: float = math.inf,
        always: Sequence[str] = (),
        never: Sequence[str] = (),
        heredity: Sequence[str] = (),
        groups: Sequence[str] = (),
    ) -> Rules:
        """From text.

        Args:
            columns: the library and its frame.
            constraints: see `fastsfes.fitting.conditions`; those with a weight are graded, the others hold exactly.
                Bounds are asked for on points that a density can have, where the library tells: 0 <= beta <= 1.
            limit: largest absolute value of a coefficient.
            always, never: names of terms.
            heredity: "TERM only with TERM".
            groups: "TERM; TERM; ...", which are chosen together or not at all.

        Raises:
            InputError: unknown terms, rules or exact conditions that contradict each other.
        """
        library, frame = columns.term_library, columns.problem.frame
        rows = _Rows(library)
        held: list[tuple[FloatArray, float, str]] = []
        for text in (t for t in constraints if t != "uniform_gas"):
            read = parse_conditions((text,), library.kinds, frame.hybrid)
            held += [(rows(e.terms), e.value, text) for e in read.equalities]
        if "uniform_gas" in constraints:
            short = 0.0 if library.exact_exchange else frame.hybrid.short_range
            for e in uniform_gas(*library.kinds, short_range=short):
                kind = e.terms[0].kind
                row = rows(e.terms, float(library.exact_exchange and kind == "x"))
                held.append((row, e.value, f"uniform_gas of f_{kind}"))
        bounded: list[tuple[FloatArray, float, float]] = []
        graded: list[tuple[FloatArray, float]] = []
        for p, text in ((p, t) for t in constraints if t != "uniform_gas" for p in _penalties(t, library, frame)):
            if p.lower == p.upper:
                root = math.sqrt(p.weight)
                graded.append((root * rows(p.terms), root * p.lower))
            elif rows.possible(p.terms):
                weight = p.weight if " weight " in text else math.inf
                for sign, limit_ in ((1.0, p.lower), (-1.0, -p.upper)):
                    if math.isfinite(limit_):
                        bounded.append((sign * rows(p.terms), limit_, weight))
        if library.exact_exchange:  # fractions are between 0 and 1
            eye = np.eye(len(library))[-2:]
            bounded += [(sign * row, least, math.inf) for sign, least in ((1.0, 0.0), (-1.0, -1.0)) for row in eye]
        count = len(library)
        parents, together = _parents(library, heredity), _groups(library, groups)
        chosen, excluded = _followed(library, library.find(always), library.find(never), parents, together)
        equalities = _independent(held, [k for k in range(count) if k not in excluded])
        return cls(
            np.array([row for row, _ in equalities]).reshape(-1, count),
            np.array([value for _, value in equalities]),
            np.array([row for row, _, _ in bounded]).reshape(-1, count),
            np.array([least for _, least, _ in bounded]),
            np.array([weight for _, _, weight in bounded]),
            np.array([row for row, _ in graded]).reshape(-1, count),
            np.array([value for _, value in graded]),
            np.full(count, limit),
            chosen,
            excluded,
            parents,
            together,
        )


def _independent(held: Sequence[tuple[FloatArray, float, str]], open_: Sequence[int]) -> list[tuple[FloatArray, float]]:
    """Equalities (row, value, text) without those that others imply, by Gram-Schmidt on the terms that may be chosen.

    Raises:
        InputError: an equality that no coefficients can meet, alone or beside the others.
    """
    kept: list[tuple[FloatArray, float]] = []
    basis: list[tuple[FloatArray, float]] = []
    for row, value, text in held:
        left, rest = row[open_], value
        if not (size := float(np.linalg.norm(left))) and value:
            raise InputError(f'condition "{text}": no term that may be chosen has a value there; add one')
        left, rest = left / (size or 1.0), rest / (size or 1.0)
        for q, v in basis * 2:
            share = float(q @ left)
            left, rest = left - share * q, rest - share * v
        if (size := float(np.linalg.norm(left))) > _IMPLIED:
            basis.append((left / size, rest / size))
            kept.append((row, value))
        elif abs(rest) > _IMPLIED:
            raise InputError(f'the conditions contradict each other: "{text}" cannot hold beside those before it')
    return kept


def _followed(
    library: Library,
    always: Sequence[int],
    never: Sequence[int],
    parents: Sequence[Sequence[int]],
    groups: Sequence[Sequence[int]],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What is always and never chosen, with what follows from that by heredity and groups."""
    chosen, excluded = _core.followed_rules(len(library), always, never, parents, groups)
    if both := sorted({*chosen} & {*excluded}):
        raise InputError(
            f'the rules contradict each other: "{library.names[both[0]]}" would always be chosen and never; change '
            f"--always, --never, --heredity or --groups"
        )
    return tuple(chosen), tuple(excluded)


def _penalties(text: str, library: Library, frame: Frame) -> Sequence[Penalty]:
    return parse_conditions((text,), library.kinds, frame.hybrid).penalties


def _groups(library: Library, texts: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    groups: list[tuple[int, ...]] = []
    for text in texts:
        group = tuple(library.find(name.strip() for name in text.split(";") if name.strip()))
        if len(group) < 2:
            raise InputError(f'groups "{text}": expected two terms or more, divided by ";", such as "x: w; css: w"')
        if taken := [library.names[k] for k in group if any(k in g for g in groups)]:
            raise InputError(f'groups "{text}": "{taken[0]}" is in another group already')
        groups.append(group)
    return tuple(groups)


def _parents(library: Library, texts: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    parents: list[list[int]] = [[] for _ in range(len(library))]
    for text in texts:
        child, words, parent = text.partition(" only with ")
        if not words:
            raise InputError(f'heredity "{text}": expected TERM only with TERM')
        for c in library.find([child.strip()]):
            parents[c] += library.find([parent.strip()])
    for k in range(len(parents)):
        if k in (above := _ancestors(parents, k)):
            other = next(j for j in above if k in parents[j])
            raise InputError(
                f'heredity: "{library.names[k]}" and "{library.names[other]}" need each other; say so with groups'
            )
    return tuple(tuple(p) for p in parents) if texts else ()


def _ancestors(parents: Sequence[Sequence[int]], term: int) -> set[int]:
    """All terms that a term needs, itself among them only where they need each other."""
    found: set[int] = set()
    left = list(parents[term])
    while left:
        k = left.pop()
        if k not in found:
            found.add(k)
            left += parents[k]
    return found


class _Rows:
    """Values of all terms at the points of conditions."""

    def __init__(self, library: Library) -> None:
        self.term_library = library
        self.known: dict[tuple[str, tuple[tuple[str, float], ...]], FloatArray] = {}

    def possible(self, points: Sequence[Point]) -> bool:
        """Whether a density can have these features, for channels whose terms are told by it."""
        for point in points:
            used = {n for t in self.term_library.terms if t.kind == point.kind for n in t.expression.features}
            beta = point.all_features().get("beta", 0.0)
            if used & {"alpha", "beta"} and not 0.0 <= beta <= 1.0:
                return False
        return True

    def __call__(self, points: Sequence[Point], short_range: float = 0.0) -> FloatArray:
        row = np.zeros(len(self.term_library))
        for point in points:
            row += point.coefficient * self._values(point)
        if self.term_library.exact_exchange:
            row[-2] += short_range
        return row

    def _values(self, point: Point) -> FloatArray:
        key = (point.kind, tuple(sorted(point.features.items())))
        if key not in self.known:
            features = {n: np.array([v]) for n, v in point.all_features().items()}
            row = np.zeros(len(self.term_library))
            for k, t in enumerate(self.term_library.terms):
                if t.kind == point.kind:
                    used = {n: features[n] for n in t.expression.features}
                    row[k] = float(np.ravel(t.expression.evaluate(used, {}))[0])
            if not np.all(np.isfinite(row)):
                bad = self.term_library.names[int(np.flatnonzero(~np.isfinite(row))[0])]
                raise InputError(f'term "{bad}" has no value at {dict(point.features)}, where a condition needs it')
            self.known[key] = row
        return self.known[key]


def core_selection(matrix: FloatArray, target: FloatArray, rules: Rules) -> _core.Selection:
    """The core's problem of weighted rows."""
    return _core.Selection(
        matrix, target, rules.equality, rules.value, rules.inequality, rules.bound, rules.weight, rules.limit,
        list(rules.always), list(rules.never), [list(p) for p in rules.parents], [list(g) for g in rules.groups],
    )  # fmt: skip
