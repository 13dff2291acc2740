"""Where the nodes of a channel's quadrature lie, and which features they know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ... import _core
from ...common.errors import InputError
from ...formula.features import of_nodes

FloatArray = npt.NDArray[np.float64]

#: Axes by name: the feature that they carry, and the map and the bounds that fit real densities.
_AXES: dict[str, tuple[str, str, float, float, float]] = {
    # Up to x2 = 8e8. Below x2 = 1e-5 nodes are equidistant in x2: a grid point can lie so close to a critical point of
    # the density that cube roots need this (see docs/decisions.md).
    "x2": ("x2", "log1p", 1e-5, 0.0, 32.0),
    # The same nodes' feature by u(x2; 0.004), for factors of x2 that stay finite: polynomials of u and its square and
    # cube roots, u^(1/6) being the coordinate. Up to x2 = 7e8.
    "u": ("x2", "u", 250.0, 0.0, 1.0 - 2.0**-24),
    "w": ("w", "linear", 1.0, -1.0, 1.0),
    # 1e-7 ... 2e4 electrons per cubic bohr: valence tails to the nucleus of krypton, in y = log(rho).
    "rho": ("rho", "log", 1.0, -16.2, 10.0),
}


@dataclass(frozen=True)
class Axis:
    """One axis of a node grid: equidistant nodes in y with local interpolation of degree ``order``.

    Attributes:
        feature: name of the feature.
        map: "log1p": y = log(1 + x/scale); "log": y = log(x/scale); "linear": y = x;
            "u": y = u^(1/6) with u = x/(x + scale).
        lower, upper: bounds of y, both of them nodes.
    """

    feature: str
    map: str
    scale: float
    lower: float
    upper: float
    nodes: int
    order: int

    def as_tuple(self) -> tuple[str, float, float, float, int, int]:
        """Return the arguments of the core."""
        return self.map, self.scale, self.lower, self.upper, self.nodes, self.order


@dataclass(frozen=True)
class NodeGrid:
    """A tensor grid of nodes in the space of some features."""

    axes: tuple[Axis, ...]

    @classmethod
    def make(cls, features: Mapping[str, int], order: int) -> NodeGrid:
        """Grid with the given number of nodes per axis, for example {"x2": 128, "w": 48}, and one order."""
        axes = []
        for name, nodes in features.items():
            if name not in _AXES:
                raise InputError(f'a quadrature has no axis "{name}"; it has {", ".join(_AXES)}')
            axes.append(Axis(*_AXES[name], int(nodes), int(order)))
        return cls(tuple(axes))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the axes' features."""
        return tuple(axis.feature for axis in self.axes)

    def core(self) -> _core.TensorNodes:
        """Make the executable form; raises InputError when the axes are not well formed."""
        return _core.TensorNodes([axis.as_tuple() for axis in self.axes])

    def positions(self, nodes: FloatArray) -> npt.NDArray[np.int64]:
        """Where nodes of this grid, (n, axes), stand among all; their last bits do not matter."""
        shape = tuple(axis.nodes for axis in self.axes)
        table = self.core().features().reshape(*shape, len(shape))
        index = []
        for k in range(len(shape)):
            along = np.moveaxis(table[..., k], k, 0).reshape(shape[k], -1)[:, 0]
            middle = 0.5 * (along[1:] + along[:-1])
            index.append(np.searchsorted(middle, nodes[:, k]))
        return np.asarray(np.ravel_multi_index(index, shape), dtype=np.int64)

    def to_list(self) -> list[dict[str, Any]]:
        """Plain data, for a file."""
        return [asdict(axis) for axis in self.axes]

    @classmethod
    def from_list(cls, data: Any, where: str) -> NodeGrid:
        """Read `to_list`'s data; `where` names the record in errors."""
        try:
            grid = cls(tuple(Axis(**item) for item in data))
        except TypeError as error:
            raise InputError(
                f"{where}: the axes of the nodes are damaged ({error}); build the quadrature again"
            ) from error
        grid.core()
        return grid

    def __str__(self) -> str:
        """Say the numbers of nodes, e.g. "x2:128 w:48, order 7"."""
        order = ", ".join(sorted({str(axis.order) for axis in self.axes}))
        names = ("u" if axis.map == "u" else axis.feature for axis in self.axes)
        return f"{' '.join(f'{name}:{axis.nodes}' for name, axis in zip(names, self.axes, strict=True))}, order {order}"


#: Sets of axes -> resolutions that a build goes through until the tolerance is met.
LADDERS: Mapping[str, tuple[NodeGrid, ...]] = {
    "x2,w": (
        NodeGrid.make({"x2": 96, "w": 32}, 5),
        NodeGrid.make({"x2": 128, "w": 48}, 7),
        NodeGrid.make({"x2": 172, "w": 64}, 7),
        NodeGrid.make({"x2": 256, "w": 96}, 7),
        NodeGrid.make({"x2": 384, "w": 128}, 7),
    ),
    "x2": tuple(NodeGrid.make({"x2": n}, 7) for n in (96, 128, 192, 256, 384, 512)),
    "u": tuple(NodeGrid.make({"u": n}, 7) for n in (72, 108, 160, 240, 360, 540, 810, 1215, 1820)),
    "rho,x2,w": (
        NodeGrid.make({"rho": 32, "x2": 96, "w": 32}, 7),
        NodeGrid.make({"rho": 48, "x2": 128, "w": 48}, 7),
        NodeGrid.make({"rho": 64, "x2": 172, "w": 64}, 7),
    ),
}


def channel_key(kind: str, omega: float = 0.0, correlation: str = "pw92_mod") -> str:
    """Name of a measure: a channel with its prefactor, e.g. "x@0.3" (attenuated exchange), "x", "css", "cos:pw92"."""
    if kind == "x":
        return f"x@{omega:g}" if omega > 0.0 else "x"
    return kind if correlation == "pw92_mod" else f"{kind}:{correlation}"


def parse_channel_key(key: str) -> tuple[str, float, str]:
    """Invert `channel_key`: (kind, omega, correlation)."""
    kind, _, omega = key.partition("@")
    kind, _, correlation = kind.partition(":")
    try:
        return kind, float(omega) if omega else 0.0, correlation or "pw92_mod"
    except ValueError:
        raise InputError(f'quadrature channel "{key}": expected for example "x@0.3", "x", "css" or "cos"') from None


def derived_features(kind: str, values: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """The features given and all that follow from them by the feature table: x, s, s2, t, alpha, beta of x2 and w.

    For "cos" they are those of the pair of spins, which follow its x2 and w in the same way.
    """
    return of_nodes(values) if kind in ("x", "css", "cos") else dict(values)


@lru_cache(maxsize=1)
def s_per_x() -> float:
    """s / x with s the reduced gradient of the spin-scaled density: 1 / (2 (6 pi^2)^(1/3))."""
    return float(of_nodes({"x2": np.ones(1)})["s"][0])
