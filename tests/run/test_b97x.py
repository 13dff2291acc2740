"""The first experiment of SyFES on the packaged molecules: B97 exchange from nothing, for one seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastsfes import Channel, Dataset, Expression, Functional, SearchConfig, get_functional, search
from fastsfes.datasets import HARTREE_TO_KCAL
from fastsfes.energies.evaluate import grid_energies
from fastsfes.energies.quadrature import Quadrature
from fastsfes.run.problem import make_problem


def test_b97_exchange_is_found_from_nothing(tmp_path: Path) -> None:
    run = search(SearchConfig.make("b97x", seed=3), output=tmp_path / "run", report=False)
    reached = run.summary["reached"]
    assert reached is not None
    assert reached <= 10_000
    winner, b97 = run.best, get_functional("b97_x")
    assert max(len(c.effective()) for c in run.states[0].best.genome.channels.values()) <= 4
    dataset = Dataset.open("builtin")
    quadrature = Quadrature.load(dataset)
    error = HARTREE_TO_KCAL * (quadrature.energies(winner) - quadrature.energies(b97))
    assert np.abs(error).max() < 1e-6
    # the grid knows nothing of the nodes; a few species of different kinds suffice
    few = quadrature.species[::20]
    grid = HARTREE_TO_KCAL * grid_energies([winner, b97], dataset, few)
    assert np.abs(grid[0] - grid[1]).max() < 1e-6
    # equivalent as a function too, wherever electrons are
    x2 = np.geomspace(1e-3, 1e4, 200)
    values = [f.channels["x"].evaluate({"x2": x2}) for f in (winner, b97)]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-9)  # the winner is fitted to the last digit


def test_a_winner_is_fitted_to_the_last_digit() -> None:
    """Whatever its form: here one with two parameters that are not linear, from values with three digits."""
    problem = make_problem(SearchConfig.make("b97x"))
    form = Expression.parse("c0*(1 + c1*u(x2, 0.004)*(1 + c2*u(x2, 0.004)))")
    a, b, c = 0.8094, 0.5073, 0.7481  # B97 exchange, 10.1063/1.475007
    exact = {"c0": a, "c1": b / a, "c2": c / b}
    winner = Functional("winner", {"x": Channel(form, {p: float(f"{v:.3g}") for p, v in exact.items()})})
    found, losses = problem.refitted(winner)
    assert losses["after"] < 1e-8
    assert found.channels["x"].parameters == pytest.approx(exact, rel=1e-9)
