"""Tensor nodes of the core: local Lagrange interpolation and its transpose."""

import os
import subprocess
import sys

import numpy as np
import pytest

from fastsfes import InputError
from fastsfes._core import TensorNodes

X2 = ("log1p", 1e-3, 0.0, 24.0)
W = ("linear", 1.0, -1.0, 1.0)
RHO = ("log", 1.0, -16.0, 10.0)
U = ("u", 250.0, 0.0, 1.0 - 2.0**-24)

GRIDS = {
    "one": [(*X2, 40, 5)],
    "u": [(*U, 30, 6)],
    "two": [(*X2, 24, 7), (*W, 13, 4)],
    "three": [(*RHO, 9, 3), (*X2, 12, 5), (*W, 8, 2)],
}


def points(axes, n, seed=0):
    rng = np.random.default_rng(seed)
    columns = []
    for name, scale, lower, upper, *_ in axes:
        y = rng.uniform(lower, upper, n)
        columns.append(
            {"linear": y, "log1p": scale * np.expm1(y), "log": scale * np.exp(y), "u": scale * y**6 / (1 - y**6)}[name]
        )
    return np.stack(columns, axis=1)


def coordinate(axis, feature):
    name, scale = axis[:2]
    return {
        "linear": lambda: feature,
        "log1p": lambda: np.log1p(feature / scale),
        "log": lambda: np.log(feature / scale),
        "u": lambda: (feature / (feature + scale)) ** (1 / 6),
    }[name]()


@pytest.mark.parametrize("axes", GRIDS.values(), ids=GRIDS)
def test_scatter_is_the_transpose_of_interpolation(axes):
    nodes, rng = TensorNodes(axes), np.random.default_rng(1)
    where, weights = points(axes, 20011), rng.normal(size=(3, 20011))
    values = rng.normal(size=(2, nodes.size))
    moved, outside = nodes.scatter(where, weights)
    assert outside == 0
    left, right = moved @ values.T, weights @ nodes.interpolate(where, values).T
    # Both are sums of the same 2e4 terms of order 1 in another order.
    np.testing.assert_allclose(left, right, rtol=0, atol=1e-10)


@pytest.mark.parametrize("axes", GRIDS.values(), ids=GRIDS)
def test_polynomials_up_to_the_order_are_exact(axes):
    nodes, rng = TensorNodes(axes), np.random.default_rng(2)
    coefficients = [rng.normal(size=axis[5] + 1) for axis in axes]

    def f(features):
        out = np.ones(len(features))
        for axis, c, column in zip(axes, coefficients, features.T, strict=True):
            middle, half = 0.5 * (axis[2] + axis[3]), 0.5 * (axis[3] - axis[2])
            out *= np.polynomial.chebyshev.chebval((coordinate(axis, column) - middle) / half, c)
        return out

    where = points(axes, 500)
    values = nodes.interpolate(where, f(nodes.features())[None])[0]
    # exp and log of the map cost a few ulp of y <= 32, the rest is rounding of O(10) terms.
    np.testing.assert_allclose(values, f(where), rtol=0, atol=1e-11)


def test_the_sum_of_the_weights_is_kept():
    nodes, rng = TensorNodes(GRIDS["two"]), np.random.default_rng(3)
    weights = rng.uniform(size=(1, 5000))
    moved, _ = nodes.scatter(points(GRIDS["two"], 5000), weights)
    assert abs(moved.sum() - weights.sum()) < 1e-11  # 5000 terms of order 1


def test_a_point_on_a_node_moves_whole():
    nodes = TensorNodes([(*W, 17, 5), ("linear", 1.0, 0.0, 4.0, 5, 3)])
    features = nodes.features()
    for k in (0, 2, 41, 84):
        moved, outside = nodes.scatter(features[k : k + 1], np.array([[2.5]]))
        assert outside == 0
        expected = np.zeros(nodes.size)
        expected[k] = 2.5
        np.testing.assert_array_equal(moved[0], expected)


def test_the_error_falls_with_the_power_order_plus_one():
    def error(nodes, order):
        grid = TensorNodes([(*W, nodes, order)])
        x = np.linspace(-1, 1, 4001)[:, None]
        f = lambda t: np.exp(2.0 * t[:, 0])  # noqa: E731
        return np.abs(grid.interpolate(x, f(grid.features())[None])[0] - f(x)).max()

    for order in (1, 3, 5, 7):
        rate = np.log2(error(33, order) / error(65, order))
        assert order + 0.6 < rate < order + 1.4


def test_points_beyond_the_bounds_count_at_the_boundary():
    nodes = TensorNodes([(*W, 9, 3)])
    moved, outside = nodes.scatter(np.array([[-1.0], [1.0], [1.5], [-7.0]]), np.array([[1.0, 2.0, 4.0, 8.0]]))
    assert outside == 2
    np.testing.assert_array_equal(moved[0, [0, -1]], [9.0, 6.0])
    logarithmic = TensorNodes([(*RHO, 9, 3)])
    moved, outside = logarithmic.scatter(np.array([[0.0]]), np.array([[1.0]]))
    assert (moved[0, 0], outside) == (1.0, 1)


def test_features_that_are_not_finite_matter_only_with_weight():
    nodes = TensorNodes([(*W, 9, 3)])
    where = np.array([[0.1], [np.nan], [np.inf], [0.2]])
    moved, _ = nodes.scatter(where, np.array([[1.0, 0.0, 0.0, 1.0]]))
    assert abs(moved.sum() - 2.0) < 1e-15
    for bad in (1, 2):
        weights = np.zeros((1, 4))
        weights[0, bad] = 1.0
        with pytest.raises(InputError, match=f"point {bad} .*not a finite number"):
            nodes.scatter(where, weights)
    assert np.isnan(nodes.interpolate(where, np.ones((1, 9)))[0, 1])


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ([], "1 to 4 axes"),
        ([("cubic", 1.0, 0.0, 1.0, 5, 3)], 'axis map "cubic" is unknown'),
        ([("linear", 1.0, 0.0, 1.0, 3, 3)], "needs at least 4 nodes, got 3"),
        ([("linear", 1.0, 0.0, 1.0, 5, 0)], "order 0 is not in"),
        ([("linear", 1.0, 0.0, 1.0, 50, 16)], "order 16 is not in"),
        ([("linear", 1.0, 1.0, 1.0, 5, 3)], "upper bound must exceed"),
        ([("linear", 1.0, 0.0, float("inf"), 5, 3)], "upper bound must exceed"),
        ([("log", 0.0, 0.0, 1.0, 5, 3)], "scale must be positive"),
        ([("u", 250.0, 0.0, 1.0, 5, 3)], "must lie below 1"),
        ([("linear", 1.0, 0.0, 1.0, 20000, 3)] * 2, "too many"),
    ],
)
def test_axes_that_are_not_well_formed(axes, message):
    with pytest.raises(InputError, match=message):
        TensorNodes(axes)


@pytest.mark.parametrize("order", range(1, 8))
def test_a_point_moves_onto_the_nodes_nearest_to_it(order):
    """The stencil lies around the point; at the ends of the axis it is the last nodes."""
    count = 21
    nodes = TensorNodes([("linear", 1.0, 0.0, count - 1.0, count, order)])
    for at in np.random.default_rng(6).uniform(0, count - 1, 200):
        moved = nodes.scatter(np.array([[at]]), np.ones((1, 1)))[0][0]
        distance = np.sort(np.abs(np.arange(count) - at))
        assert np.array_equal(np.sort(np.abs(np.flatnonzero(moved) - at)), distance[: order + 1])


def test_shapes_are_checked():
    nodes = TensorNodes(GRIDS["two"])
    with pytest.raises(InputError, match=r"points must have shape \(n, 2\)"):
        nodes.scatter(np.zeros((3, 3)), np.zeros((1, 3)))
    with pytest.raises(InputError, match=r"weights must have shape \(n, 3\)"):
        nodes.scatter(np.zeros((3, 2)), np.zeros((1, 4)))
    with pytest.raises(InputError, match=r"values must have shape"):
        nodes.interpolate(np.zeros((3, 2)), np.zeros((1, 4)))


SCRIPT = """
import hashlib
import numpy as np
from fastsfes._core import TensorNodes
rng = np.random.default_rng(0)
nodes = TensorNodes([("log1p", 1e-3, 0.0, 24.0, 40, 7), ("linear", 1.0, -1.0, 1.0, 20, 5)])
where = np.stack([10 ** rng.uniform(-4, 5, 200_003), rng.uniform(-1, 1, 200_003)], axis=1)
weights = rng.normal(size=(2, len(where)))
moved = nodes.scatter(where, weights)[0]
values = nodes.interpolate(where, moved)
print(hashlib.sha256(moved.tobytes() + values.tobytes()).hexdigest())
"""


def test_the_bits_do_not_depend_on_the_number_of_threads():
    digests = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2", "3")
    }
    assert len(digests) == 1
