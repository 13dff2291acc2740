"""Enhancement factors as curves and as a surface over the reduced gradient and the kinetic energy density."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets import Dataset
from ...energies.frame import frame_of
from ...energies.quadrature import NotRepresentable, Quadrature
from ...energies.quadrature.nodes import derived_features, s_per_x
from ...functionals.functional import Channel, Functional
from ...functionals.registry import get_functional

__all__ = ["enhancement_factors"]

KNOWN = {
    "x": ("wb97m_v", "gas22", "b97_x", "pbe_x", "b88_x"),
    "css": ("wb97m_v", "gas22", "b97"),
    "cos": ("wb97m_v", "gas22", "b97"),
}
"""Functionals whose factor of a channel is drawn beside the winner's."""

W_VALUES = (-0.5, 0.0, 0.5)
"""Slices: tau three times that of the uniform gas, equal to it, and a third of it."""

S_MAX, CURVE_POINTS, CELLS_S, CELLS_W = 4.0, 161, 64, 40


def enhancement_factors(winner: Functional, dataset: Dataset | None) -> dict[str, Any]:
    """Factors of the channels whose features are functions of x2 and w alone.

    Returns:
        channel kind -> "s" (points,), "w" (slices), "curves": name -> values per slice, (slices, points);
        "surface": "s" (cells + 1,), "w" (cells + 1,) edges and the winner's "values" (w cells, s cells);
        "molecules": [s, w, share] of the nodes that carry most of the dataset's energy in this channel.
        A channel that uses other features has "problem", one sentence.
    """
    found: dict[str, Any] = {}
    for kind, channel in winner.channels.items():
        s = np.linspace(0.0, S_MAX, CURVE_POINTS)
        try:
            curves = {winner.name: _slices(kind, channel, s)}
        except KeyError as error:
            found[kind] = {
                "problem": f"The factor of channel {kind} depends on {error.args[0]}, which is no function of s and w, "
                f"so it is not drawn."
            }
            continue
        for name in KNOWN.get(kind, ()):
            curves[name] = _slices(kind, get_functional(name).channels[kind], s)
        edges_s, edges_w = np.linspace(0.0, S_MAX, CELLS_S + 1), np.linspace(-1.0, 1.0, CELLS_W + 1)
        middle_s, middle_w = (0.5 * (e[1:] + e[:-1]) for e in (edges_s, edges_w))
        surface = _factor(kind, channel, *np.meshgrid(middle_s, middle_w))
        found[kind] = {
            "s": s.tolist(),
            "w": list(W_VALUES),
            "curves": {name: _plain(values) for name, values in curves.items()},
            "surface": {"s": edges_s.tolist(), "w": edges_w.tolist(), "values": _plain(surface)},
            "molecules": [] if dataset is None else _molecules(winner, kind, dataset),
        }
    return found


def _slices(kind: str, channel: Channel, s: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([_factor(kind, channel, s, np.full_like(s, w)) for w in W_VALUES])


def _factor(kind: str, channel: Channel, s: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    known = derived_features(kind, {"x2": (s / s_per_x()) ** 2, "w": w})
    features = {name: known[name] for name in channel.expression.features}
    return np.broadcast_to(channel.evaluate(features, threads=1), s.shape)


def _plain(values: NDArray[np.float64]) -> list[list[float | None]]:
    """For drawing: seven digits, None where there is no number."""
    return [[float(f"{v:.7g}") if math.isfinite(v) else None for v in row] for row in values]


def _molecules(winner: Functional, kind: str, dataset: Dataset) -> list[list[float]]:
    """Nodes by their share of |energy| of all species (uniform-gas factor), largest first, until 99 % are there."""
    framed = winner.with_frame(frame_of(dataset, correlation=winner.correlation))
    try:
        quadrature = Quadrature.load(dataset)
        rule = quadrature.rule(quadrature.keys(framed)[kind])
    except NotRepresentable:
        return []
    nodes = rule.level("full")
    if rule.grid.features != ("x2", "w"):
        return []
    share = np.abs(nodes.matrix).sum(axis=0)
    share /= share.sum()
    order = np.argsort(-share, kind="stable")
    order = order[: int(np.searchsorted(np.cumsum(share[order]), 0.99)) + 1]
    s = s_per_x() * np.sqrt(nodes.nodes[order, 0])
    return [[float(f"{v:.5g}") for v in row] for row in zip(s, nodes.nodes[order, 1], share[order], strict=True)]
