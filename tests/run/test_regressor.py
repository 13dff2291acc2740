"""The estimator: scikit-learn's own checks, and what it finds."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

import fastsfes as fs

RNG = np.random.default_rng(8)
DATA = RNG.uniform(0.5, 2.0, (80, 3))
VALUES = 3.0 * DATA[:, 0] * DATA[:, 1] + 0.25


def test_a_formula_of_columns_is_found(tmp_path: Path) -> None:
    model = fs.PointwiseRegressor(random_state=2, output=tmp_path / "run").fit(DATA, VALUES)
    assert set(model.expression_.features) == {"X0", "X1"}
    np.testing.assert_allclose(model.predict(DATA), VALUES, atol=1e-8)
    assert model.score(DATA, VALUES) == pytest.approx(1.0, abs=1e-12)
    assert [row["complexity"] for row in model.front_] == sorted(row["complexity"] for row in model.front_)
    assert fs.load(tmp_path / "run").channels["y"].expression == model.expression_
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(DATA), model.predict(DATA))
    assert fs.PointwiseRegressor(random_state=2).fit(DATA, VALUES).expression_ == model.expression_


def test_columns_of_a_data_frame_may_be_features_of_a_channel() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x2": np.geomspace(0.01, 1e3, 60)})
    values = 1 + 0.5 * frame["x2"] / (1 + 0.02 * frame["x2"])
    model = fs.PointwiseRegressor(channel="x").fit(frame, values)
    np.testing.assert_allclose(model.predict(frame), values, rtol=1e-7)
    with pytest.raises(fs.InputError, match="has to name its features"):
        fs.PointwiseRegressor(channel="x").fit(DATA, VALUES)


def test_without_scikit_learn_the_errors_are_our_own() -> None:
    with pytest.raises(ValueError, match="2D array"):
        fs.PointwiseRegressor().fit(VALUES, VALUES)
    with pytest.raises(fs.InputError, match="Invalid parameter 'depth'"):
        fs.PointwiseRegressor().set_params(depth=3)
    assert repr(fs.PointwiseRegressor(random_state=1)) == "PointwiseRegressor(random_state=1)"


def test_scikit_learn_finds_nothing_to_complain_of() -> None:
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # few candidates suffice for what is checked here, conventions and one column of ten
        checks.check_estimator(fs.PointwiseRegressor(candidates=250))
