"""Fewer nodes: those are kept on which the energy lies."""

from __future__ import annotations

import numpy as np

from fastsfes import Expression
from fastsfes.energies.quadrature.reduce import pivot_nodes


def test_nodes_count_by_the_energy_that_lies_on_them() -> None:
    """A fifth of the nodes hold all but 1e-7 of the weights; sixty of 700 nodes then give energies to 1e-3.

    Unweighted, the choice goes by the factors alone, which vary most at large x2 where nothing lies: the error is 1.
    """
    rng = np.random.default_rng(3)
    x2, w = np.exp(rng.uniform(np.log(1e-3), np.log(1e6), 700)), rng.uniform(-1, 1, 700)
    inside = (x2 < 30) & (np.abs(w) < 0.5)
    matrix = rng.normal(size=(4, 700)) * np.where(inside, 1.0, 1e-7)
    pivots = pivot_nodes(("x2", "w"), np.stack([x2, w], axis=1), matrix, 60)
    kept = pivots.order[:60]
    factor = Expression.parse("0.85 + 1.007*u(x2, 0.004) + 0.259*w + 0.1*w**2*u(x2, 0.2)**3")
    values = factor.evaluate({"x2": x2, "w": w})
    exact = matrix @ values
    assert np.abs(pivots.matrix(matrix, 60) @ values[kept] - exact).max() < 1e-3 * np.abs(exact).max()
    assert inside[kept].mean() > 0.7
