"""Conditions on enhancement factors, as text: exact ones that every candidate meets, and graded ones.

    uniform_gas                       exact: the uniform electron gas comes out right for every searched factor
    f_cos(x2=0, w=0) = 1              exact, at a point
    f_css(x2=0, w=0) = 1 weight 25    graded: a deviation of 0.1 counts like 0.1*sqrt(25) = 0.5 kcal/mol
    0 <= f_x <= 1.804                 graded, mean square over a grid of the features that are not given; weight 100
    f_x(w=0) <= 1.804 weight 5        one side, on a part of the grid
    f_x rises with x2                 graded: no decrease from one grid point to the next; also "falls"

Exact conditions are equalities of the fit; a candidate that cannot meet them has no finite loss. Graded ones are
penalties of the fit and a term of the fitness, so that a search may pass through candidates that violate them.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..common.errors import InputError
from ..functionals.frame import Hybrid
from .constraints import Equality, Penalty, Point, uniform_gas

__all__ = ["NONE", "Conditions", "parse_conditions"]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_FACTOR = r"f_(?P<kind>[a-z]+)(?:\((?P<where>[^)]*)\))?"
_GRID: dict[str, tuple[float, ...]] = {
    "x2": (0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1e3, 1e4, 1e6),
    "w": (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0),
}
_WEIGHT = 100.0
_FORMS = "uniform_gas, f_x(x2=0, w=0) = 1, 0 <= f_x <= 1.8 or f_x rises with x2, each with an optional weight"


@dataclass(frozen=True)
class Conditions:
    """What the fit and the fitness need: equalities, and penalties whose weights are in (kcal/mol)^2."""

    equalities: tuple[Equality, ...] = ()
    penalties: tuple[Penalty, ...] = ()


NONE = Conditions()
"""No condition."""


def parse_conditions(texts: Sequence[str], kinds: Sequence[str], frame: Hybrid) -> Conditions:
    """Read conditions.

    Args:
        texts: see the module.
        kinds: channels that are searched; a condition on another one is an error.
        frame: exact exchange of the densities' functional, which is a part of the uniform gas' exchange.

    Raises:
        InputError: a text that is no condition, or names a channel or feature that there is not.
    """
    equalities: list[Equality] = []
    penalties: list[Penalty] = []
    for text in texts:
        body, weight = _weight(text)
        read = _read(body.strip(), text, kinds, frame)
        for terms, lower, upper in read:
            if lower == upper and weight is None:
                equalities.append(Equality(terms, lower))
            else:
                penalties.append(Penalty(terms, lower, upper, (weight or _WEIGHT) / len(read)))
    return Conditions(tuple(equalities), tuple(penalties))


_Read = list[tuple[tuple[Point, ...], float, float]]


def _weight(text: str) -> tuple[str, float | None]:
    body, word, number = text.partition(" weight ")
    if not word:
        return text, None
    if not re.fullmatch(_NUMBER, number.strip()) or not float(number) > 0.0:
        raise InputError(f'constraint "{text}": the weight must be a positive number, in (kcal/mol)^2')
    return body, float(number)


def _read(body: str, text: str, kinds: Sequence[str], frame: Hybrid) -> _Read:
    if body == "uniform_gas":
        return [(e.terms, e.value, e.value) for e in uniform_gas(*kinds, short_range=frame.short_range)]
    if found := re.fullmatch(rf"{_FACTOR}\s*=\s*(?P<value>{_NUMBER})", body):
        fixed = _fixed(found, text, kinds)
        if set(fixed) != set(_GRID):
            raise InputError(f'constraint "{text}": give {" and ".join(_GRID)}, as in f_x(x2=0, w=0) = 1')
        value = float(found["value"])
        return [((Point(found["kind"], fixed),), value, value)]
    if found := re.fullmatch(rf"(?:(?P<lower>{_NUMBER})\s*<=\s*)?{_FACTOR}(?:\s*<=\s*(?P<upper>{_NUMBER}))?", body):
        lower = -math.inf if found["lower"] is None else float(found["lower"])
        upper = math.inf if found["upper"] is None else float(found["upper"])
        if (found["lower"] is None and found["upper"] is None) or not lower < upper:
            raise InputError(f'constraint "{text}": expected a lower bound, an upper one above it, or both')
        fixed = _fixed(found, text, kinds)
        return [((Point(found["kind"], p),), lower, upper) for p in _points(fixed)]
    if found := re.fullmatch(rf"{_FACTOR}\s+(?P<verb>rises|falls)\s+with\s+(?P<axis>\w+)", body):
        fixed = _fixed(found, text, kinds)
        axis, sign = found["axis"], 1.0 if found["verb"] == "rises" else -1.0
        if axis not in _GRID or axis in fixed:
            free = [a for a in _GRID if a not in fixed]
            raise InputError(f'constraint "{text}": a factor rises or falls with {" or ".join(free)}')
        others = _points({**fixed, axis: 0.0})
        return [
            (
                (
                    Point(found["kind"], {**p, axis: high}, sign),
                    Point(found["kind"], {**p, axis: low}, -sign),
                ),
                0.0,
                math.inf,
            )
            for p in others
            for low, high in itertools.pairwise(_GRID[axis])
        ]
    raise InputError(f'constraint "{text}" is not understood; expected {_FORMS}')


def _fixed(found: re.Match[str], text: str, kinds: Sequence[str]) -> dict[str, float]:
    if found["kind"] not in kinds:
        raise InputError(f'constraint "{text}": f_{found["kind"]} is not searched; searched are {", ".join(kinds)}')
    fixed: dict[str, float] = {}
    for item in (found["where"] or "").split(","):
        name, _, value = (part.strip() for part in item.partition("="))
        if not item.strip():
            continue
        if name not in _GRID or not re.fullmatch(_NUMBER, value):
            raise InputError(f'constraint "{text}": expected values of {" or ".join(_GRID)}, as in f_x(x2=0, w=0)')
        fixed[name] = float(value)
    return fixed


def _points(fixed: Mapping[str, float]) -> list[dict[str, float]]:
    axes = [(fixed[name],) if name in fixed else grid for name, grid in _GRID.items()]
    return [dict(zip(_GRID, values, strict=True)) for values in itertools.product(*axes)]
