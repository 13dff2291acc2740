"""Losses other than least squares: they are minima, and count in the fitness of a search."""

from __future__ import annotations

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.fitting import FitProblem, minimise_loss, parse_loss
from fastsfes.fitting.minimum import SETTINGS
from fastsfes.run.config import SearchConfig
from fastsfes.run.problem import make_problem

DATA = "gscdb?number=250:1"
FORM = "x = c0 + c1*u(x2, g) + c2*w; css = 1; cos = 1; x.c0 = 0.85; x.c1 = 1; x.c2 = 0.2; x.g = 0.004"


@pytest.fixture(scope="module")
def problem() -> FitProblem:
    return FitProblem.from_dataset(DATA)


@pytest.mark.parametrize("text", ["huber:2", "worst-type", "BH"])
def test_no_parameter_lowers_the_loss_that_was_fitted(problem: FitProblem, text: str) -> None:
    loss = parse_loss(text, problem.reactions["train"])
    (least,) = problem.fit([fs.load(FORM)], SETTINGS)
    found, _, value = minimise_loss(problem, least.functional, loss, SETTINGS)
    scale = np.sqrt(problem.weights("train"))

    def smooth(functional: fs.Functional) -> float:
        r = scale * problem.errors(functional)
        types = np.array([x.data_type for x in problem.reactions["train"]])
        of_types = [np.sqrt(np.mean(r[types == t] ** 2)) for t in dict.fromkeys(types.tolist())]
        return float(np.sum(np.array(of_types) ** 12)) ** (1 / 12) if text == "worst-type" else loss.value(r)

    before = scale * problem.errors(least.functional)
    assert loss.value(scale * problem.errors(found.functional)) <= loss.value(before)
    best = smooth(found.functional)
    assert best == pytest.approx(value, rel=1e-12)
    for name, x in found.functional.parameters.items():
        for step in (1e-2, -1e-2):
            moved = found.functional.with_parameters({name: x * (1 + step)})
            # reweighting ends when the loss has changed by 1e-10; a step of 1 % costs 1e-6 of it and more
            assert smooth(moved) > best * (1 - 1e-9), name


def test_values() -> None:
    reactions = fs.Dataset.open(DATA).split("train")
    r = np.random.default_rng(1).normal(0.0, 3.0, len(reactions))
    huber = np.mean([x * x if abs(x) <= 2 else 4 * abs(x) - 4 for x in r]) ** 0.5
    assert parse_loss("huber:2", reactions).value(r) == pytest.approx(huber, rel=1e-14)
    assert parse_loss("huber:1e9", reactions).value(r) == pytest.approx(np.sqrt(np.mean(r**2)), rel=1e-14)
    types = {x.data_type for x in reactions}
    each = {t: parse_loss(t, reactions).value(r) for t in types}
    assert parse_loss("worst-type", reactions).value(r) == max(each.values())
    for text in ("huber", "huber:-1", "huber:x", "nothing", "BH:3"):
        with pytest.raises(fs.InputError, match="expected"):
            parse_loss(text, reactions)


def test_fit_says_what_it_minimised() -> None:
    least, found = (fs.fit(FORM, DATA, starts=1, level="reduced", loss=loss) for loss in ("", "huber:2"))
    assert found.train > least.train
    assert any(note.startswith("huber:2: ") for note in found.notes)
    assert found.evaluated["train"].wrmsd == pytest.approx(found.train, rel=1e-9)
    with pytest.raises(fs.InputError, match="loss"):
        fs.fit(FORM, DATA, optimizer="cma", loss="huber:2")


def test_terms_of_a_search() -> None:
    config = SearchConfig.make(dataset=DATA, error_terms={"worst-type": 0.5, "BH": 0.25})
    made = make_problem(config)
    functional = fs.get_functional("gas22")
    reactions = [*made.dataset.split("train"), *made.dataset.split("validation")]
    evaluation = fs.evaluate(functional, made.dataset, reactions, level="reduced")
    found = made._terms(functional)
    of_types = {name: s.wrmsd for name, s in evaluation.by_type.items()}
    assert found["worst-type"] == pytest.approx(max(of_types.values()), rel=1e-9)
    assert found["BH"] == pytest.approx(of_types["BH"], rel=1e-9)
    with pytest.raises(fs.InputError, match="error_terms needs reactions"):
        SearchConfig.make("b97x", error_terms={"BH": 1})
