"""The search's own view of the packaged dataset: fits, the trust in them, and what is read when."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastsfes import Dataset, Expression, Functional, InputError, SearchConfig
from fastsfes.energies.evaluate import evaluate
from fastsfes.energies.quadrature import NodeGrid, build_quadrature, save_quadrature
from fastsfes.evolve import fitter
from fastsfes.evolve.evaluation import FitRequest
from fastsfes.evolve.fitter import FitEvaluator
from fastsfes.evolve.genome import ChannelGenome, Instruction
from fastsfes.functionals.functional import Channel
from fastsfes.run import problem as problem_module
from fastsfes.run.problem import make_problem
from fastsfes.run.setup import prepare

KINDS = ("x", "css", "cos")


def request(x: str, start: dict[str, float] | None = None, css: str = "1", cos: str = "1") -> FitRequest:
    expressions = {k: Expression.parse(t) for k, t in zip(KINDS, (x, css, cos), strict=True)}
    values = start or {}
    return FitRequest(expressions, {k: {p: values.get(p, 0.5) for p in e.parameters} for k, e in expressions.items()})


@pytest.fixture(scope="module")
def evaluator() -> FitEvaluator:
    return make_problem(SearchConfig.make(dataset="builtin")).evaluate


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return Dataset.open("builtin")


def test_fitted_losses_are_those_of_the_objective(evaluator: FitEvaluator, dataset: Dataset) -> None:
    asked = request("c0 + c1*u(x2, g)", {"g": 0.004}, css="c0 + c1*w", cos="c0")
    found = evaluator([asked])[0]
    channels = {k: Channel(asked.expressions[k], found.parameters[k]) for k in KINDS}
    functional = Functional("fitted", channels)
    # the objective uses the dense nodes; the search trusts its reduced ones within 0.01 kcal/mol
    assert evaluate(functional, dataset, "train").wrmsd == pytest.approx(found.known.train, abs=0.01)
    assert evaluate(functional, dataset, "validation").wrmsd == pytest.approx(found.known.validation, abs=0.01)
    lda = evaluate(Functional("lda", {k: Channel(Expression.constant(1.0)) for k in KINDS}), dataset, "train")
    assert found.known.train < 0.5 * lda.wrmsd


def test_rough_candidates_get_their_losses_from_the_dense_nodes(evaluator: FitEvaluator, dataset: Dataset) -> None:
    steep = request("1 + 0.3*logistic(60*(w - 0.3))*u(x2, 0.01)")
    assert not evaluator([steep])[0].known.finite  # which are not good enough either
    found = replace(evaluator, tolerance=np.inf)([steep])[0]
    functional = Functional("steep", {k: Channel(e) for k, e in steep.expressions.items()})
    dense = evaluate(functional, dataset, "train").wrmsd
    reduced = evaluate(functional, dataset, "train", level="reduced").wrmsd
    assert abs(reduced - dense) > 0.05  # the reduced nodes alone would mislead
    assert found.known.train == pytest.approx(dense, rel=1e-9)


def test_an_outcome_depends_on_its_request_alone(evaluator: FitEvaluator) -> None:
    asked = [
        request("c0 + c1*u(x2, g)", {"g": 0.004}),
        request("exp(-g*x2) + c0", {"g": 0.1}),
        request("1", css="c0*w + c1*w**2", cos="u(x2, g)*c0"),
    ]
    together = evaluator(asked)
    assert [evaluator([r])[0] for r in asked] == together
    assert evaluator(asked[::-1])[::-1] == together


def test_cancelling_and_undefined_candidates_fail(evaluator: FitEvaluator) -> None:
    # two columns that differ in the tenth digit: the solution is huge or meaningless
    near = request("c0*u(x2, 0.004) + c1*u(x2, 0.004000000001)*c2", {"c2": 1.0})
    undefined = request("log(0 - x2)*c0")
    for outcome in evaluator([near, undefined]):
        values = [v for p in outcome.parameters.values() for v in p.values()]
        assert not np.isfinite(outcome.known.train) or max(map(abs, values)) <= fitter.LARGEST_PARAMETER
    assert not np.isfinite(evaluator([undefined])[0].known.train)


def test_columns_that_lose_the_target_in_rounding_are_no_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problem_module, "LEVEL", "full")  # where x2 reaches further
    config = SearchConfig.make("b97x", targets="pbe_x")
    powers = FitRequest(
        {"x": Expression.parse("x2*x2 + x2*x2*(x2*x2) + (x2*x2 + x2*x2*(x2*x2))*c1")}, {"x": {"c1": 1.0}}
    )
    assert not make_problem(config).evaluate([powers])[0].known.finite


def test_the_test_split_is_not_read_before_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    original = problem_module.Quadrature.problem

    def watched(self: Any, dataset: Any, channels: Any, *, reactions: Any = None, level: str = "reduced") -> Any:
        seen.extend(r.split for r in reactions)
        return original(self, dataset, channels, reactions=reactions, level=level)

    monkeypatch.setattr(problem_module.Quadrature, "problem", watched)
    problem = make_problem(SearchConfig.make(dataset="builtin", channels=("x",)))
    problem.evaluate([request("c0 + logistic(60*w)")])
    assert set(seen) == {"train", "validation"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features_x": ("rho", "w")}, 'features_x: "rho" has no values on the nodes of the quadrature "default"'),
        ({"features_x": ("sigma",), "channels": ("x",)}, 'features_x: "sigma" needs "rho", which has no values'),
        ({"features_cos": ("rho", "w")}, 'features_cos: "rho" has no values'),
        ({"features_x": ("q = x2*rho", "w")}, 'features_x: "q" needs "rho", which has no values'),
        ({"features_x": ("rho",), "channels": ("x",), "targets": "b88_x", "base": ("empty",)}, '"rho" has no values'),
    ],
)
def test_features_without_values_are_refused_before_the_search(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_problem(SearchConfig.make(dataset="builtin", **options))


def test_features_that_follow_from_those_of_the_nodes_have_values() -> None:
    make_problem(SearchConfig.make(dataset="builtin", features_x=("t", "beta", "alpha", "s", "x", "x2")))


@pytest.mark.parametrize("terms", [300, 600])
def test_starting_points_are_bounded(terms: int) -> None:
    """Bringing far more to their normal form takes hours, in one call."""
    text = "x = " + " + ".join(f"{k + 1}.5*exp(-{k}.25*w)" for k in range(terms))
    with pytest.raises(InputError, match=r"f_x of .* has \d+ nodes and 0 parameters; a search starts from at most"):
        prepare(SearchConfig.make(dataset="builtin", base=(text,)))
    text = "x = " + " + ".join(f"c{k}*w" for k in range(201)) + "".join(f"; x.c{k} = 1" for k in range(201))
    with pytest.raises(InputError, match="201 parameters; a search starts from at most"):
        prepare(SearchConfig.make(dataset="builtin", base=(text,)))


def test_features_of_the_density_take_nodes_of_it(small_file: Path, tmp_path: Path) -> None:
    """Refused with the remedy where nodes know x2 and w alone; on nodes of rho, x2 and w they have finite losses."""
    with pytest.raises(InputError, match=r'"fastsfes dataset quadrature builtin --nodes rho,x2,w"'):
        make_problem(SearchConfig.make(dataset="builtin", features_x=("rho", "w")))
    for name in ("sigma", "tau"):
        with pytest.raises(InputError, match=rf'"{name}" needs "rho", which has no values .*--nodes rho,x2,w'):
            make_problem(SearchConfig.make(dataset="builtin", features_x=(name,)))
    path = tmp_path / "rho.h5"
    shutil.copy(small_file, path)
    ladder = (NodeGrid.make({"rho": 8, "x2": 8, "w": 4}, 3),)
    made = build_quadrature(
        Dataset.open(path), channels=("x", "css", "cos"), ladder=ladder, tolerance=1e6, integration_grid="level 0"
    )
    save_quadrature(path, made)
    options: dict[str, Any] = {"dataset": str(path), "channels": ("x",), "dimensions": True, "node_tolerance": 0}
    config = SearchConfig.make(features_x=("rho", "sigma", "tau"), **options)
    parts = prepare(config)
    workspace = parts.mutator.workspaces["x"]
    lines = [
        ("cbrt", "v0", ("rho",)),
        ("pow4", "v0", ("v0",)),
        ("square", "v0", ("v0",)),
        ("div", "v0", ("sigma", "v0")),
    ]
    genome = ChannelGenome(tuple(Instruction(*line) for line in (*lines, ("fma", "out", ("c0", "v0")))))
    factor = genome.expression(workspace)
    assert factor is not None
    assert "rho" in factor.features
    assert parts.settings.rules.allow({"x": factor})
    (fitted,) = make_problem(config).evaluate([FitRequest({"x": factor}, {"x": {"c0": 1.0}})])
    assert fitted.known.finite
