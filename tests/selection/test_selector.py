"""Selections from datasets: columns, criteria, conditions and certificates."""

from __future__ import annotations

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.common.errors import InputError
from fastsfes.selection import Columns, Library, Rules, Selector, Settings, parse_terms

TERMS = ("x = u(x2, 0.004)^0:2 * w^0:2", "css = u(x2, 0.2)^0:4 * w^0:4", "cos = u(x2, 0.006)^0:1 * w^0:6")


@pytest.fixture(scope="module")
def columns() -> Columns:
    return Columns.make(Library(parse_terms(TERMS)), fs.Dataset.open("builtin"))


def test_columns_are_the_energies_of_the_terms(columns: Columns) -> None:
    chosen, c = [0, 5, 12, 40], [0.8, 0.3, -1.0, 0.7]
    functional = columns.functional("mine", chosen, c)
    for split in ("train", "validation"):
        # the same nodes, in another order of summation: energies of 1e3 kcal/mol
        assert columns.loss(chosen, c, split) == pytest.approx(fs.wrmsd(functional, "builtin", split), rel=1e-9)


def test_terms_of_wb97m_v_are_found_in_data_made_from_it(columns: Columns) -> None:
    known = columns.library.coefficients(fs.get_functional("wb97m_v"))
    truth = sorted(known)
    made = Columns(
        columns.library, columns.problem, columns.matrix,
        {s: m[:, truth] @ np.array([known[k] for k in truth]) for s, m in columns.matrix.items()},
    )  # fmt: skip
    (found, *_) = Selector(made, Rules.make(made), "train", Settings(restarts=4, nodes=0)).search(14)
    assert list(found.chosen) == truth
    # the columns' condition number is 1e6 or so
    np.testing.assert_allclose(found.coefficients, [known[k] for k in truth], atol=1e-7)


def test_criteria_are_what_they_say(columns: Columns) -> None:
    rules = Rules.make(columns, ["uniform_gas"])
    for criterion in ("train", "train_validation", "cross_validation", "worst_type"):
        selector = Selector(
            columns, rules, criterion, Settings(restarts=2, patience=2, screen=20, nodes=0, keep=2, folds=4)
        )
        found = selector.search(6)[0]
        assert found.value == pytest.approx(selector.value(found.chosen), rel=1e-9)
        losses = {s: columns.loss(found.chosen, found.coefficients, s) for s in ("train", "validation")}
        if criterion == "train":
            assert found.value == pytest.approx(losses["train"], rel=1e-9)
        if criterion == "train_validation":
            both = np.sqrt(0.7 * losses["train"] ** 2 + 0.3 * losses["validation"] ** 2)
            assert found.value == pytest.approx(both, rel=1e-9)
        if criterion == "worst_type":
            reactions = columns.reactions["train"]
            errors = columns.errors(found.chosen, found.coefficients, "train")
            worst = max(
                np.sqrt(np.mean([r.weight * e**2 for r, e in zip(reactions, errors, strict=True) if r.data_type == t]))
                for t in {r.data_type for r in reactions}
            )
            assert found.value == pytest.approx(worst, rel=1e-9)
        if criterion == "cross_validation":
            assert found.value > losses["train"]


def test_conditions_hold(columns: Columns) -> None:
    constraints = ["uniform_gas", "0 <= f_x <= 1.5", "f_cos(x2=0, w=0) = 1"]
    rules = Rules.make(columns, constraints[:2], limit=5.0)
    found = Selector(columns, rules, "train", Settings(restarts=4, patience=5)).search(7)[0]
    functional = columns.functional("mine", found.chosen, found.coefficients)
    at = {"x2": np.zeros(1), "w": np.zeros(1)}
    short = functional.hybrid.short_range
    for kind, wanted in (("x", 1 - short), ("css", 1.0), ("cos", 1.0)):
        expression = functional.channels[kind].expression
        value = functional.channels[kind].evaluate({n: at[n] for n in expression.features})
        assert float(np.ravel(value)[0]) == pytest.approx(wanted, abs=1e-11)
    x2, w = (a.ravel() for a in np.meshgrid([0.0, 0.3, 1, 3, 10, 30, 100, 1e3, 1e4, 1e6], np.linspace(-1, 1, 9)))
    expression = functional.channels["x"].expression
    f = functional.channels["x"].evaluate({n: {"x2": x2, "w": w}[n] for n in expression.features})
    assert f.min() > -1e-10
    assert f.max() < 1.5 + 1e-10
    assert max(abs(v) for v in found.coefficients) <= 5 * (1 + 1e-12)
    free = Selector(columns, Rules.make(columns, ["uniform_gas"]), "train", Settings(restarts=4, patience=5)).search(7)[
        0
    ]
    assert free.value < found.value


def test_ridge_draws_towards_a_reference(columns: Columns) -> None:
    known = columns.library.coefficients(fs.get_functional("wb97m_v"))
    settings = Settings(restarts=2, patience=3, ridge=1e6, reference=known, nodes=0)
    found = Selector(columns, Rules.make(columns), "train", settings).search(14)[0]
    assert list(found.chosen) == sorted(known)
    np.testing.assert_allclose(found.coefficients, [known[k] for k in found.chosen], atol=1e-3)


def test_certificates(columns: Columns) -> None:
    small = Library(parse_terms(["x = u(x2, 0.004)^0:2 * w^0:1", "css = w^0:2", "cos = w^0:2"]))
    few = Columns.make(small, fs.Dataset.open("builtin"))
    found = Selector(few, Rules.make(few), "train", Settings(restarts=2)).search(5)[0]
    assert found.certificate == "optimal"
    assert found.lower == found.value
    many = Selector(columns, Rules.make(columns), "train", Settings(restarts=3, patience=2, nodes=50)).search(8)[0]
    assert "of which" in many.certificate
    assert many.lower <= many.value


def test_wrong_input_is_one_sentence(columns: Columns) -> None:
    with pytest.raises(InputError, match="leave the weight out"):
        Rules.make(columns, ["0 <= f_x <= 1.8 weight 3"])
    with pytest.raises(InputError, match="TERM only with TERM"):
        Rules.make(columns, heredity=["x: w needs x: 1"])
    with pytest.raises(InputError, match='criterion "test" is unknown'):
        Selector(columns, Rules.make(columns), "test")
    with pytest.raises(InputError, match="has no feature"):
        Library(parse_terms(["css = rs"]))
