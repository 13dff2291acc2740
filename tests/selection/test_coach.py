"""COACH's own example (arXiv:2603.23466): 18 atoms, 289 terms, 1,005 inequalities, an equality, |c| <= 25.

The published solutions, RMS 0.5240, 0.2233 and 0.0956 kcal/mol for 6, 8 and 10 terms beside exchange, took a
mixed-integer solver 600 s on four threads and more than one pass; what is wanted here is below them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastsfes import _core


@pytest.mark.parametrize(("terms", "wanted", "restarts"), [(6, 0.5073, 16), (8, 0.17, 8), (10, 0.03, 8)])
def test_better_than_published(shared: Path, terms: int, wanted: float, restarts: int) -> None:
    file = shared / "coach" / "ae18_best_subset.npz"
    if not file.is_file():
        pytest.skip("COACH's example is absent from the shared reference data")
    data = np.load(file)
    x, y = data["X"], data["y"]
    matrix, bound, row = data["inequality_matrix"], data["inequality_bound"], data["equality_row"]
    exact_exchange = 288
    limit = np.full(289, 25.0)
    problem = _core.Selection(
        x, y, row[None], np.ones(1), matrix, bound, np.full(len(bound), np.inf), limit, [exact_exchange]
    )
    found = problem.search(terms + 1, restarts=restarts)
    chosen, squares = found["subsets"][0]
    assert len(chosen) == terms + 1
    assert exact_exchange in chosen
    solution = problem.solve(chosen)
    assert solution is not None
    c = np.zeros(289)
    c[chosen] = solution[1]
    rms = np.sqrt(np.mean((y - x @ c) ** 2))
    assert rms <= wanted
    # energies of some 1e4 kcal/mol: a residual of 0.1 keeps ten digits
    assert squares == pytest.approx(18 * rms**2, rel=1e-9)
    # the conditions to rounding; rows have elements up to 3 and coefficients reach 25
    assert (matrix @ c - bound).min() > -1e-10
    assert abs(row @ c - 1) < 1e-12
    assert np.abs(c).max() <= 25 * (1 + 1e-12)
