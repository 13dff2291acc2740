"""A small synthetic problem: three channels, random nodes and energies, reproducible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsfes import _core

WB97M_V = {
    "x": ("c0 + c1*u(x2, g) + c2*w", {"c0": 0.85, "c1": 1.007, "c2": 0.259, "g": 0.004}),
    "css": (
        "c0 + c1*w + c2*w**2 + c3*w**4*u(x2, g)**3 + c4*u(x2, g)**4",
        {"c0": 0.443, "c1": -4.535, "c2": -3.39, "c3": 4.278, "c4": -1.437, "g": 0.2},
    ),
    "cos": (
        "c0 + c1*w + c2*w**2 + c3*w**2*u(x2, g) + c4*w**6 + c5*w**6*u(x2, g)",
        {"c0": 1.0, "c1": 1.358, "c2": 2.924, "c3": -8.812, "c4": -1.39, "c5": 9.142, "g": 0.006},
    ),
}


def parse(*texts: str) -> list[_core.Expression]:
    return [_core.Expression.parse(text) for text in texts]


def values(expressions: list[_core.Expression], *parameters: dict[str, float]) -> NDArray[np.float64]:
    return np.array([p[name] for e, p in zip(expressions, parameters, strict=True) for name in e.parameters])


@dataclass(frozen=True)
class Synthetic:
    """Channels as FitProblem takes them, and weights; kinds x, css, cos over (x2, w)."""

    channels: list[tuple[str, dict[str, NDArray[np.float64]], NDArray[np.float64]]]
    weights: NDArray[np.float64]
    rows: int

    def problem(self, target: NDArray[np.float64] | None = None, **options: object) -> _core.FitProblem:
        target = np.zeros(self.rows) if target is None else target
        return _core.FitProblem(self.channels, target, self.weights, **options)

    def only(self, *kinds: str) -> Synthetic:
        return Synthetic([c for c in self.channels if c[0] in kinds], self.weights, self.rows)


def make_synthetic() -> Synthetic:
    rng = np.random.default_rng(7)
    rows, nodes = 90, 301  # neither a multiple of the panel nor of the block
    channels = [
        (
            kind,
            {"x2": 1e-3 * np.expm1(rng.uniform(0, 18, nodes)), "w": rng.uniform(-1, 1, nodes)},
            rng.normal(size=(rows, nodes)) * 10 / np.sqrt(nodes),
        )
        for kind in ("x", "css", "cos")
    ]
    return Synthetic(channels, rng.uniform(1, 2, rows), rows)
