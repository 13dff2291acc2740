"""Quotients of sums that go through points: found by linear fits, where evolution would have to meet them by chance.

Of a + (b f + c g)/(1 + d f + e g) no part need fit better than a constant, so that evolution has nothing to climb. But
the form is linear in other unknowns, y = a' + b' f + c' g - (d f + e g) y, for given f and g. These are taken from all
short expressions without parameters that the instructions of the pool make of the features.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from ..datasets.points import PointTable
from ..energies.quadrature.nodes import derived_features
from ..evolve.linearise import linearise
from ..formula.expression import Expression
from ..formula.instructions import InstructionKind, kind_of
from .config import SearchConfig
from .setup import rules_of

__all__ = ["quotient_base"]

FloatArray = npt.NDArray[np.float64]

_TERMS, _PARTNERS = 2000, 60
"""Expressions that are tried as g, and the shortest of them, which are tried as f."""

_DEEP = 2
"""Operators of one argument, one on the other, in the parts of a product or quotient."""

_POINTS = 200
"""Points of the linear fits; what they find is tried on all."""

_FEWEST = 30
"""Points that five unknowns do not go through by chance."""

_EXACT = 1e-6
"""Root mean square error, in units of the spread, of a form that is taken for the right one."""

_LARGEST, _DIGITS, _FLOOR = 1e60, 9, 1e-28


@dataclass(frozen=True)
class _Term:
    """An expression without parameters: its text, its values at the points, and its operators and features."""

    text: str
    values: FloatArray
    size: int


def quotient_base(config: SearchConfig, table: PointTable) -> str | None:
    """The shortest quotient that goes through all points of one factor, as a formula with values of its parameters.

    None where no short one does, or where the search cannot start from it.
    """
    kinds = table.kinds
    if len(kinds) != 1 or config.template or config.constraints:
        return None
    (kind,) = kinds
    prefactor, used = table.prefactors[kind], table.splits != 2
    rows = np.flatnonzero(used & (prefactor != 0) & (table.weights > 0))
    if len(rows) < _FEWEST:
        return None
    with np.errstate(all="ignore"):
        known = derived_features(kind, table.features)
        y = table.target[rows] / prefactor[rows]
    spread = float(np.std(y))
    if not (np.isfinite(y).all() and spread > 0.0):
        return None
    names = [n for n in getattr(config, f"features_{kind}") if n in known]
    terms = _terms(config, {n: known[n][rows] for n in names})
    some = np.linspace(0, len(rows) - 1, min(len(rows), _POINTS)).astype(np.int64)
    for _, f, g in sorted(_pairs(terms, y, some), key=lambda found: found[0]):
        text = _formula(kind, f, g, y, spread)
        if text is not None and _may_start(text, kind, config):
            return text
    return None


def _terms(config: SearchConfig, features: Mapping[str, FloatArray]) -> list[_Term]:
    """Short expressions, those of equal values once, the shortest first."""
    found: list[_Term] = []
    seen: set[bytes] = set()

    def add(text: str, size: int) -> list[_Term]:
        with np.errstate(all="ignore"):
            values = np.asarray(Expression.parse(text).evaluate(features), dtype=float)
        top = float(np.abs(values).max(initial=0.0))
        if len(found) >= _TERMS or not (np.isfinite(values).all() and 1 / _LARGEST < top < _LARGEST):
            return []
        if values.ndim == 0 or float(np.ptp(values)) < 1e-9 * top:
            return []
        first = np.sign(values[np.flatnonzero(np.abs(values) > 1e-6 * top)[0]])
        key = np.round(1e9 * first * values / top).astype(np.int64).tobytes()  # up to a factor
        if key in seen:
            return []
        seen.add(key)
        found.append(_Term(text, values, size))
        return found[-1:]

    kinds = [kind_of(name) for name in config.instructions().names]
    single = [k for k in kinds if k.inputs == 1 and not k.bound and k.formula is None and k.name != "add1"]
    double = [k.operator for k in kinds if k.operator in ("*", "/") and k.inputs == 2 and not k.accumulates]
    level = [term for name in features for term in add(name, 1)]
    parts = list(level)
    for _ in range(_DEEP):
        level = [new for part in level for k in single for new in add(_applied(k, part.text), part.size + 1)]
        parts += level
    parts.sort(key=lambda part: part.size)
    both = [(a.size + b.size + 1, i, j, o) for (i, a), (j, b) in product(enumerate(parts), repeat=2) for o in double]
    for size, i, j, operator in sorted(both):
        if i < j or (i > j and operator == "/"):
            add(f"({parts[i].text}){operator}({parts[j].text})", size)
    return sorted(found, key=lambda term: term.size)


def _applied(kind: InstructionKind, text: str) -> str:
    """An instruction of one input on an expression."""
    if kind.constant is not None:
        return f"({text}){kind.operator}{kind.constant:g}"
    return f"-({text})" if kind.operator == "neg" else f"{kind.operator}({text})"


def _pairs(terms: list[_Term], y: FloatArray, some: npt.NDArray[np.int64]) -> Iterator[tuple[int, _Term | None, _Term]]:
    """Pairs (or g alone) whose linear fit leaves next to nothing, with their size: for each g the shortest f."""
    y = y[some]
    partners = terms[:_PARTNERS]
    f = np.array([term.values[some] / np.abs(term.values[some]).max() for term in partners])
    sizes = np.array([term.size for term in partners])
    for g in terms:
        scaled = g.values[some] / (np.median(np.abs(g.values[some])) or 1.0)
        weight = 1.0 / (1.0 + np.abs(scaled))  # about that of the denominator, which is not known yet
        total = _EXACT**2 * float(np.sum((weight * (y - y.mean())) ** 2))
        basis, _ = np.linalg.qr((np.stack([np.ones_like(y), scaled, scaled * y]) * weight).T)
        rest = _without(basis, y * weight)
        alone = float(rest @ rest)
        if alone <= total:
            yield g.size, None, g
            continue
        above, below = _without(basis, f * weight), _without(basis, f * (y * weight))
        square = np.maximum(np.einsum("ij,ij->i", above, above), _FLOOR)
        below = below - (np.einsum("ij,ij->i", above, below) / square)[:, None] * above
        left = alone - (above @ rest) ** 2 / square
        both = left - (below @ rest) ** 2 / np.maximum(np.einsum("ij,ij->i", below, below), _FLOOR)
        for error, more in ((left, 1), (both, 3)):
            exact = np.flatnonzero(error <= total)
            if exact.size:
                k = int(exact[np.argmin(sizes[exact])])
                yield g.size + int(sizes[k]) + more, partners[k], g
                break


def _without(basis: FloatArray, rows: FloatArray) -> FloatArray:
    """What of rows is orthogonal to a basis (columns)."""
    return np.asarray(rows - (rows @ basis) @ basis.T)


def _formula(kind: str, f: _Term | None, g: _Term, y: FloatArray, spread: float) -> str | None:
    """The quotient fitted to all points, without what is superfluous in it; None when it misses them."""
    terms = [g] if f is None else [f, g]
    scales = [float(np.abs(t.values).max()) for t in terms]
    values = [t.values / s for t, s in zip(terms, scales, strict=True)]
    denominator = np.ones_like(y)
    for _ in range(4):  # weights by the denominator of the fit before
        columns = np.stack([np.ones_like(y), *values, *(-v * y for v in values)], axis=1) / denominator[:, None]
        norms = np.linalg.norm(columns, axis=0)
        solution = np.linalg.lstsq(columns / norms, y / denominator, rcond=None)[0] / norms
        above, below = np.split(solution[1:], 2)
        denominator = 1.0 + below @ values
        if not denominator.min() > 0.0:
            return None
    above = above - solution[0] * below
    error = y - solution[0] - (above @ values) / denominator
    if not np.sqrt(np.mean(error**2)) <= _EXACT * spread:
        return None
    limit = _EXACT * spread
    kept_above = [k for k, v in enumerate(values) if float(np.abs(above[k] * v / denominator).max()) > limit]
    kept_below = [k for k, v in enumerate(values) if float(np.abs(below[k] * v / denominator).max()) > _EXACT]
    given: dict[str, float] = {"a": float(solution[0])}

    def total(kept: list[int], coefficients: FloatArray, stem: str) -> str:
        parts = []
        for k in kept:
            given[f"{stem}{k}"] = float(coefficients[k] / scales[k])
            parts.append(f"{stem}{k}*({terms[k].text})")
        return " + ".join(parts)

    if not kept_above:
        return None
    text = f"a + ({total(kept_above, above, 'b')})"
    if kept_below:
        text += f"/(1 + {total(kept_below, below, 'd')})"
    starts = "; ".join(f"{kind}.{name} = {value:.{_DIGITS}g}" for name, value in given.items())
    return f"{kind} = {text}; {starts}"


def _may_start(text: str, kind: str, config: SearchConfig) -> bool:
    """Whether the limits of the search leave room for it."""
    formula = text.partition(" = ")[2].partition(";")[0]
    expression = Expression.parse(formula)
    written = linearise(expression, dict.fromkeys(expression.parameters, 1.0))
    fits = config.max_instructions < 0 or len(written.genome.instructions) <= config.max_instructions
    return fits and rules_of(config).allow({kind: expression})
