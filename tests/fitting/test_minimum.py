"""A refit is at its minimum: one answer for one form on one dataset, from any start, by every way that leads to it."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.analysis import optimum, term_contributions
from fastsfes.cli import main
from fastsfes.fitting import FitProblem, FitSettings, find_minimum


@pytest.fixture(scope="module")
def builtin() -> fs.Dataset:
    return fs.Dataset.open("builtin")


@pytest.fixture(scope="module")
def problem(builtin: fs.Dataset) -> FitProblem:
    return FitProblem.from_dataset(builtin, ("x", "css", "cos"), level="reduced")


def test_gas22_has_one_minimum_from_any_start(builtin: fs.Dataset, problem: FitProblem) -> None:
    """Its form on the packaged molecules; four starts around the published parameters end at 2.01."""
    form = fs.get_functional("gas22")
    (poor,) = problem.fit([form], FitSettings(starts=4, max_evaluations=200))
    assert poor.losses["train"] > 2.0
    for start, seed in ((form, 0), (poor.functional, 0), (form.with_parameters({"x.g": 3.0, "css.g": 1e-5}), 1)):
        found = fs.fit(start, builtin, seed=seed, test=True)
        # the valley is flat: the last digits of its bottom are those of the fit's own tolerance
        losses = (found.train, found.validation, found.test)
        assert losses == pytest.approx((1.82509342, 3.42500595, 4.01428042), abs=1e-6)
        assert found.notes == ()


def test_every_way_leads_to_the_same_minimum(builtin: fs.Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    """fit, its command, optimum, and the refit of what is left when a term is removed."""
    form = fs.load("x = c0 + c1*u(x2, g) + c2*w; css = c0; cos = c0 + c1*w", default=1.0).with_parameters({"x.g": 0.01})
    fitted, best = fs.fit(form, builtin), optimum(form, builtin)
    assert fitted.parameters == best.functional.parameters
    assert main(["fit", str_of(form), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["wrmsd"]["train"] == fitted.train
    terms = {(t.channel, t.term): t for t in term_contributions(best).terms}
    without = fs.load("x = c0 + c1*u(x2, g); css = c0; cos = c0 + c1*w", default=1.0).with_parameters(
        {n: v for n, v in best.functional.parameters.items() if n != "x.c2"}
    )
    # one loss is the solve's, the other is evaluated again
    assert terms["x", "c2*w"].refitted["train"] == pytest.approx(fs.fit(without, builtin).train, rel=1e-12)


def str_of(form: fs.Functional) -> str:
    """The functional as formulas."""
    parts = [f"{k} = {c.expression}" for k, c in form.channels.items()]
    return "; ".join([*parts, *(f"{n} = {v!r}" for n, v in form.parameters.items())])


def test_removing_a_term_never_lowers_the_loss(builtin: fs.Dataset) -> None:
    best = optimum("gas22", builtin, level="reduced")
    found = term_contributions(best)
    assert found.losses["train"] <= best.losses["train"]
    for t in found.terms:
        # GAS22's u(x2, g) has no coefficient: the form without it is none of the whole's
        if t.term != "u(x2, g)":
            assert t.refitted["train"] >= found.losses["train"] * (1 - 1e-9), t.term


def test_a_whole_that_is_not_at_its_minimum_is_lowered(builtin: fs.Dataset) -> None:
    """A refitted whole in a poor minimum: what is found without a term leads it to a better one."""
    best = optimum("gas22", builtin, level="reduced")
    (poor,) = best.problem.fit([fs.get_functional("gas22")], FitSettings(starts=4, max_evaluations=200))
    worse = type(best)(poor.functional, best.problem, None, dict(poor.losses), True)
    found = term_contributions(worse)
    assert found.losses["train"] < poor.losses["train"] - 0.05


def test_scales_that_start_negative_are_tried_positive(problem: FitProblem) -> None:
    form = fs.load("x = 1 + c*u(x2, g); css = 1; cos = 1; x.c = 1; x.g = -0.004")
    positive = form.with_parameters({"x.g": 0.004})
    assert find_minimum(problem, form).loss == pytest.approx(find_minimum(problem, positive).loss, rel=1e-9)


def test_doubts_are_said_in_words(problem: FitProblem) -> None:
    def notes(text: str, on: FitProblem = problem, **more: object) -> str:
        return "; ".join(find_minimum(on, fs.load(text, default=0.0), **more).notes)

    assert "x.b = 0 is a start that cannot move" in notes("x = 1 + a*b*w**k; css = 1; cos = 1; x.k = 2; x.a = 0")
    pole = notes("x = 1 + a/(1 + b*w); css = 1; cos = 1; x.b = 2.5", bounds={"x.b": (2.0, 3.0)})
    assert "f_x has a pole: 1 + " in pole
    few = np.zeros(len(problem.weights("train")))
    few[:4] = 1.0
    assert "6 parameters are fitted to 4 reactions" in notes(
        "x = a + b*w + c*w**2; css = a + b*w + c*w**2; cos = 1", problem.reweighted(few)
    )
    assert "only 2 of 3 linear parameters are independent" in notes("x = a + b*w + c*w; css = 1; cos = 1")
    limit = notes("x = 1; css = 1; cos = 1 + c*u(x2, g); cos.g = 1", bounds={"cos.g": (1e4, 1e4)})
    assert "cos.g = 1e+04 is at the limit of scales" in limit
