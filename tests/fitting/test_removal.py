"""What a term contributes: how formulas fall into terms, and one answer for the rest without one of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import fastsfes as fs
from fastsfes.cli import main
from fastsfes.fitting.removal import additive_terms, without_each_term
from fastsfes.formula.expression import Expression
from fastsfes.functionals.functional import Channel
from fastsfes.report.data.robustness import insight


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("c0 + c1*w - u(x2, g)*c2", ["c0", "c1*w", "-(u(x2, g)*c2)"]),
        ("-(c0 - w)", ["-c0", "w"]),
        ("fma(c0, w, 1) - fnma(c1, x2, c2)", ["c0*w", "1", "c1*x2", "-c2"]),
        ("c0*(1 + w)", ["c0*(1 + w)"]),
    ],
)
def test_sums_fall_into_their_terms(text: str, expected: list[str]) -> None:
    terms = additive_terms(Expression.parse(text))
    features, values = {"x2": 0.7, "w": 0.3}, {"c0": 1.3, "c1": -0.4, "c2": 2.2, "g": 0.9}

    def value(e: Expression) -> float:
        return float(e.evaluate({f: features[f] for f in e.features}, {p: values[p] for p in e.parameters}))

    assert [value(t) for t in terms] == pytest.approx([value(Expression.parse(t)) for t in expected], rel=1e-14)
    assert sum(value(t) for t in terms) == pytest.approx(value(Expression.parse(text)), rel=1e-14)


def test_copies_of_a_term_are_left_out_together() -> None:
    """Evolved sums repeat terms; leaving out one copy would say nothing."""
    channel = Channel(Expression.parse("w**2 + (x2 + w**2)"), {})
    rows = [(kind, text, str(rest)) for kind, text, rest in without_each_term({"css": channel})]
    assert rows == [("css", "2*w**2", "x2"), ("css", "x2", "2*w**2")]


def test_terms_of_one_parameter_are_one_term() -> None:
    """Neither of c0 and c0*u can go while the other stays: the parameter is one."""
    text = "c0 + c1*w - c0*u(x2, g0) + w*(c2 + c3*x2) + c2/(1 + x2) + exp(g0)*w**2"
    channel = Channel(Expression.parse(text), {"c0": 2.0, "c1": 1.0, "c2": 1.0, "c3": 3.0, "g0": 0.1})
    rows = {text: rest.parameters for _, text, rest in without_each_term({"x": channel})}
    assert rows == {
        "c0 - c0*u(x2, g0)": ("c1", "c2", "c3", "g0"),
        "c1*w": ("c0", "g0", "c2", "c3"),
        "w*(c2 + c3*x2)": ("c0", "c1", "g0", "c2"),
        "c2/(1 + x2)": ("c0", "c1", "g0", "c2", "c3"),
        "exp(g0)*w**2": ("c0", "c1", "g0", "c2", "c3"),
    }


def test_search_report_analyse_and_fit_agree_on_every_removal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The winner of a short search: its own table, its report, `fastsfes analyse` and `fastsfes fit` of each rest."""
    config = fs.SearchConfig.make(dataset="gscdb", base=("gas22",), candidates=64, generations=1, seed=1)
    run = fs.search(config, output=tmp_path / "run")
    whole, *parts = run.summary["report"]["contributions"]
    winner = run.best
    assert len(parts) >= 4
    assert whole["train"] == pytest.approx(fs.wrmsd(winner, "gscdb", "train"), rel=1e-9)
    in_report = insight(winner, fs.Dataset.open("gscdb"), 0, 0)["terms"]["terms"]
    assert main(["analyse", str(tmp_path / "run"), "--dataset", "gscdb", "--parts", "terms", "--json"]) == 0
    analysed = json.loads(capsys.readouterr().out)["terms"]
    assert analysed["losses"]["train"] == pytest.approx(whole["train"], rel=1e-6)
    rests = list(without_each_term(winner.channels))
    assert [(p["channel"], p["term"]) for p in parts] == [(k, t) for k, t, _ in rests]
    for place, (part, reported, again, (kind, term, rest)) in enumerate(
        zip(parts, in_report, analysed["terms"], rests, strict=True)
    ):
        left = Channel(rest, {n: winner.channels[kind].parameters[n] for n in rest.parameters})
        found = (part["train"], reported["refitted"]["train"], again["refitted"]["train"])
        if place % 3 == 0:  # a whole fit each
            form = tmp_path / "form.json"
            fs.Functional("form", {**winner.channels, kind: left}).to_json(form)
            assert main(["fit", str(form), "--dataset", "gscdb", "--json"]) == 0
            found = (*found, json.loads(capsys.readouterr().out)["wrmsd"]["train"])
        assert found == pytest.approx((found[0],) * len(found), rel=1e-6), (kind, term)
        if any(p in term for p in left.parameters.keys() ^ winner.channels[kind].parameters.keys()):
            assert part["train"] >= whole["train"] * (1 - 1e-9), (kind, term)
