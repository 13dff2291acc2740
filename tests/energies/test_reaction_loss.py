"""Products of matrices with node values, and the loss of reactions."""

import numpy as np
import pytest

from fastsfes import InputError
from fastsfes._core import EnergyMatrix, ReactionLoss

REACTIONS, SPECIES, NODES = 11, 7, 37


def csr(dense):
    start, species, coefficient = [0], [], []
    for line in dense:
        species += np.flatnonzero(line).tolist()
        coefficient += line[line != 0].tolist()
        start.append(len(species))
    return start, species, coefficient


@pytest.fixture
def system():
    rng = np.random.default_rng(0)
    stoichiometry = rng.integers(-2, 3, size=(REACTIONS, SPECIES)).astype(float)
    return {
        "matrix": rng.normal(size=(SPECIES, NODES)),
        "stoichiometry": stoichiometry,
        "offset": rng.normal(size=REACTIONS),
        "weight": rng.uniform(1, 2, size=REACTIONS),
        "f": rng.normal(size=NODES),
    }


@pytest.fixture
def loss(system):
    return ReactionLoss(system["matrix"], *csr(system["stoichiometry"]), system["offset"], system["weight"])


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 8), (4, 9), (130, 257), (65, 1000)])
def test_product_and_transpose_agree_with_extended_precision(rows, columns):
    rng = np.random.default_rng(rows)
    a, f, g = rng.normal(size=(rows, columns)), rng.normal(size=columns), rng.normal(size=rows)
    matrix = EnergyMatrix(a)
    assert matrix.shape == (rows, columns)
    assert matrix.nbytes % 64 == 0
    exact = np.asarray(a.astype(np.longdouble) @ f.astype(np.longdouble), dtype=float)
    # Rounding of a sum of n products of order 1: far below n ulp.
    np.testing.assert_allclose(matrix.product(f), exact, rtol=0, atol=2e-16 * columns + 1e-15)
    exact = np.asarray(g.astype(np.longdouble) @ a.astype(np.longdouble), dtype=float)
    np.testing.assert_allclose(matrix.transpose_product(g), exact, rtol=0, atol=2e-16 * rows + 1e-15)


def test_a_batch_has_the_bits_of_single_products():
    rng = np.random.default_rng(1)
    matrix, f = EnergyMatrix(rng.normal(size=(301, 903))), rng.normal(size=(17, 903))
    np.testing.assert_array_equal(matrix.product(f), np.stack([matrix.product(x) for x in f]))


def test_errors_and_wrmsd(system, loss):
    expected = system["stoichiometry"] @ (system["matrix"] @ system["f"]) + system["offset"]
    np.testing.assert_allclose(loss.errors(system["f"]), expected, rtol=0, atol=1e-12)
    wrmsd = np.sqrt(np.mean(system["weight"] * expected**2))
    assert loss.wrmsd(system["f"]) == pytest.approx(wrmsd, rel=1e-14)
    batch = np.stack([system["f"], 2 * system["f"], 0 * system["f"]])
    np.testing.assert_array_equal(loss.wrmsd(batch), [loss.wrmsd(f) for f in batch])


def test_reactions_as_rows_give_the_same(system, loss):
    rows = ReactionLoss(system["stoichiometry"] @ system["matrix"], [], [], [], system["offset"], system["weight"])
    np.testing.assert_allclose(rows.errors(system["f"]), loss.errors(system["f"]), rtol=0, atol=1e-12)
    np.testing.assert_allclose(rows.gradient(system["f"])[1], loss.gradient(system["f"])[1], rtol=0, atol=1e-12)


def test_gradient_against_central_differences(system, loss):
    value, gradient = loss.gradient(system["f"])
    assert value == pytest.approx(loss.wrmsd(system["f"]), rel=1e-15)
    step = 1e-5
    for k in range(NODES):
        shift = np.zeros(NODES)
        shift[k] = step
        slope = (loss.wrmsd(system["f"] + shift) - loss.wrmsd(system["f"] - shift)) / (2 * step)
        assert gradient[k] == pytest.approx(slope, abs=1e-8)  # step^2 times a third derivative of order 10


def test_gradient_of_a_perfect_fit_is_zero(system):
    loss = ReactionLoss(system["matrix"], [], [], [], np.zeros(SPECIES), np.ones(SPECIES))
    value, gradient = loss.gradient(np.zeros(NODES))
    assert value == 0.0
    assert not gradient.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_values_survive(system, loss, bad):
    f = system["f"].copy()
    f[-1] = bad
    assert not np.isfinite(loss.wrmsd(f))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"species": 7}, "species 7 of 7"),
        ({"species": -1}, "species -1 of 7"),
        ({"start": 1}, "not a well-formed CSR"),
        ({"weight": np.ones(3)}, "as many weights"),
        ({"offset": np.zeros(0), "weight": np.zeros(0)}, "no reactions"),
    ],
)
def test_malformed_input(system, change, message):
    start, species, coefficient = csr(system["stoichiometry"])
    if "species" in change:
        species[3] = change["species"]
    if "start" in change:
        start[-1] += change["start"]
    offset, weight = change.get("offset", system["offset"]), change.get("weight", system["weight"])
    with pytest.raises(InputError, match=message):
        ReactionLoss(system["matrix"], start, species, coefficient, offset, weight)


def test_wrong_lengths(system, loss):
    with pytest.raises(InputError, match=r"shape \(37,\) or \(n, 37\)"):
        loss.errors(np.zeros(NODES - 1))
    with pytest.raises(InputError, match="one row per reaction"):
        ReactionLoss(system["matrix"], [], [], [], system["offset"], system["weight"])
