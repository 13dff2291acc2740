"""Settings of CMA-ES, each on a problem whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

import fastsfes as fs
from fastsfes import _core
from fastsfes.fitting import SYFES_CMA, CmaSettings, minimise_cma

MINIMUM = np.array([3.0, -2.0, 0.5])


class Bowl:
    """Distance to a point plus what nobody gets below."""

    def __init__(self, floor: float = 0.0) -> None:
        self.floor = floor
        self.generations: list[int] = []

    def losses(self, candidate: object, parameters: npt.ArrayLike, threads: int = 0) -> npt.NDArray[np.float64]:
        matrix = np.asarray(parameters)
        self.generations.append(len(matrix))
        return self.floor + np.linalg.norm(matrix - MINIMUM, axis=1)


def minimise(settings: CmaSettings, floor: float = 0.0) -> tuple[npt.NDArray[np.float64], float, int, list[int]]:
    bowl = Bowl(floor)
    found = minimise_cma(bowl, [_core.Expression.constant(0.0)], np.zeros(3), settings, seed=1)
    return (*found, bowl.generations[1:])


def test_defaults_find_the_minimum() -> None:
    found, loss, _, generations = minimise(CmaSettings())
    np.testing.assert_allclose(found, MINIMUM, rtol=0, atol=1e-9)
    assert loss < 1e-9
    assert set(generations) == {7}  # 4 + floor(3 ln 3)


def test_population_and_tolerance() -> None:
    *_, generations = minimise(CmaSettings(population=12))
    assert set(generations) == {12}
    tight, loose = minimise(CmaSettings()), minimise(CmaSettings(tolerance=1e-2))
    assert loose[2] < tight[2] / 2
    assert 1e-9 < loose[1] < 0.1


def test_bound() -> None:
    """The nearest point of the box: a parameter stays at the bound, the others reach their values."""
    found, loss, *_ = minimise(CmaSettings(bound=2.5))
    np.testing.assert_allclose(found, [2.5, -2.0, 0.5], rtol=0, atol=1e-4)
    assert loss == pytest.approx(0.5, abs=1e-4)


def test_l1_keeps_a_parameter_at_zero() -> None:
    """|p - m| + l1 sum |p|: with l1 above 1 nothing pays for leaving zero; the loss returned is without the term."""
    found, loss, *_ = minimise(CmaSettings(l1=1.5, random_start=True))
    np.testing.assert_allclose(found, 0.0, rtol=0, atol=1e-6)
    assert loss == pytest.approx(np.linalg.norm(MINIMUM), abs=1e-5)


def test_hopeless_trials_are_given_up() -> None:
    *_, evaluations, generations = minimise(replace(SYFES_CMA, tolerance=0.0, hopeless=(50.0, 200)), floor=60.0)
    assert 200 <= sum(generations) < 200 + 7
    assert evaluations == sum(generations) + 1
    *_, generations = minimise(replace(SYFES_CMA, hopeless=(50.0, 200)), floor=40.0)
    assert sum(generations) > 207


def test_settings_of_syfes() -> None:
    assert (SYFES_CMA.max_evaluations, SYFES_CMA.tolerance, SYFES_CMA.hopeless) == (100_000, 1e-5, (50.0, 5_000))
    with pytest.raises(fs.InputError, match="expected one of varpro, cma, cma-syfes"):
        fs.fit("b97_x", "gscdb", optimizer="newton")  # type: ignore[arg-type]
