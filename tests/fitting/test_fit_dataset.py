"""fs.fit and FitProblem on the packaged molecules."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import least_squares

import fastsfes as fs
from fastsfes import _core
from fastsfes.analysis import optimum
from fastsfes.datasets.model import DatasetContents, Reaction
from fastsfes.datasets.storage import write_dataset
from fastsfes.energies.quadrature import NodeGrid, build_quadrature, save_quadrature
from fastsfes.fitting import (
    CmaSettings,
    Equality,
    FitProblem,
    FitSettings,
    Penalty,
    Point,
    feature_grid,
    fit_factor,
    fit_through_levels,
    levels,
    uniform_gas,
)
from fastsfes.functionals.frame import VV10, Frame, Hybrid


@pytest.fixture(scope="module")
def builtin() -> fs.Dataset:
    return fs.Dataset.open("builtin")


@pytest.fixture(scope="module")
def problem(builtin: fs.Dataset) -> FitProblem:
    return FitProblem.from_dataset(builtin)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_loss_is_that_of_the_objective(builtin: fs.Dataset, split: str) -> None:
    """The fit's rows and fs.wrmsd come from the same nodes along different ways."""
    full = FitProblem.from_dataset(builtin, level="full")
    for name in ("wb97m_v", "gas22"):
        functional = fs.get_functional(name)
        # sums of some hundred terms of up to 1e5 kcal/mol
        assert full.loss(functional, split) == pytest.approx(fs.wrmsd(functional, builtin, split), abs=1e-8)


def test_wb97m_v_form_reaches_the_minimum_of_scipy(problem: FitProblem) -> None:
    form = fs.get_functional("wb97m_v")
    (fitted,) = problem.fit([form], FitSettings(ftol=1e-13, max_evaluations=300))
    assert fitted.status == "converged"
    assert len(problem.vector(form)) == 17
    weights = np.array([r.weight for r in problem.reactions["train"]])
    scale = np.sqrt(weights / len(weights))
    expressions = problem.expressions(form)
    reference = least_squares(
        lambda p: scale * problem.core.errors(expressions, p),
        problem.vector(form),
        jac=lambda p: scale[:, None] * problem.core.jacobian(expressions, p),
        x_scale="jac",
        ftol=1e-15,
        xtol=1e-15,
        gtol=1e-15,
        max_nfev=5000,
    )
    loss = np.sqrt(2 * reference.cost)
    assert fitted.losses["train"] <= loss + 1e-6
    # scipy may stop in the flat valley of a scale; from our minimum it must find nothing below
    again = least_squares(
        lambda p: scale * problem.core.errors(expressions, p),
        problem.vector(fitted.functional),
        jac=lambda p: scale[:, None] * problem.core.jacobian(expressions, p),
        x_scale="jac",
        ftol=1e-15,
        xtol=1e-15,
        gtol=1e-15,
        max_nfev=2000,
    )
    assert fitted.losses["train"] == pytest.approx(np.sqrt(2 * again.cost), abs=1e-6)


def test_cma_finds_nothing_better(builtin: fs.Dataset) -> None:
    start = fs.Functional(
        "form",
        {
            "x": fs.Channel(fs.Expression.parse("c0 + c1*u(x2, g)"), {"c0": 0.8, "c1": 1.0, "g": 0.01}),
            "css": fs.Channel(fs.Expression.parse("c0"), {"c0": 1.0}),
            "cos": fs.Channel(fs.Expression.parse("c0 + c1*w"), {"c0": 1.0, "c1": 0.0}),
        },
    )
    ours = fs.fit(start, builtin, starts=3, level="reduced")
    cma = fs.fit(start, builtin, optimizer="cma", level="reduced", cma=CmaSettings(sigma0=0.3, max_evaluations=8000))
    assert ours.train <= cma.train + 1e-4
    assert ours.evaluations * 20 < cma.evaluations
    # the same seed is the same run
    again = fs.fit(start, builtin, optimizer="cma", level="reduced", cma=CmaSettings(sigma0=0.3, max_evaluations=8000))
    assert again.parameters == cma.parameters


def test_the_test_split_is_read_on_request_only(builtin: fs.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    original = fs.Dataset.split
    asked: list[str] = []

    def watched(self: fs.Dataset, name: str, **options: bool) -> tuple[object, ...]:
        asked.append(name)
        return original(self, name, **options)

    monkeypatch.setattr(fs.Dataset, "split", watched)
    assert fs.fit("b97", builtin, level="reduced").test is None
    assert "test" not in asked
    assert fs.fit("b97", builtin, level="reduced", test=True).test is not None


def test_fixed_parameters_and_uniform_gas_limits(builtin: fs.Dataset) -> None:
    form = fs.get_functional("wb97m_v")
    free = fs.fit(form, builtin, level="reduced")
    held = fs.fit(
        form, builtin, level="reduced", fixed=["*.g", "css.c4"], equalities=uniform_gas("x", "css", "cos"), starts=2
    )
    for name in ("x.g", "css.g", "cos.g", "css.c4"):
        assert held.parameters[name] == form.parameters[name]
    assert held.train > free.train
    origin = {"x2": 0.0, "w": 0.0}
    for kind in ("x", "css", "cos"):
        channel = held.functional.channels[kind]
        value = channel.evaluate({f: origin[f] for f in channel.expression.features})
        assert float(value) == pytest.approx(1.0, abs=1e-10)
    assert "css.c4" not in held.linear


def test_penalty_costs_less_than_the_equality(builtin: fs.Dataset) -> None:
    point = Point("x", {"x2": 50.0, "w": 0.2})
    losses = [
        fs.fit("b97", builtin, level="reduced", fixed=["*.g"], **conditions).train  # convex: one minimum
        for conditions in (
            {},
            {"penalties": [Penalty((point,), 1.5, 1.6, 1.0)]},
            {"equalities": [Equality((point,), 1.5)]},
        )
    ]
    assert losses[0] <= losses[1] <= losses[2] + 1e-6
    assert losses[0] < losses[2]


def test_starts_on_few_nodes_lead_to_the_minimum_on_all(
    builtin: fs.Dataset, problem: FitProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = FitProblem.from_dataset(builtin, level="full")
    form = fs.get_functional("b97").with_parameters({"x.g": 1.0, "css.g": 1.0, "cos.g": 1.0})
    settings = FitSettings(starts=4, max_evaluations=200, ftol=1e-12)
    both = fit_through_levels(full, problem, form, settings)
    (alone,) = full.fit([form], settings)
    assert both.losses["train"] == pytest.approx(alone.losses["train"], abs=1e-6)
    assert fit_through_levels(full, None, form, settings).losses == alone.losses
    # Where the loss on few nodes does not hold on all, all starts are tried there as well.
    monkeypatch.setattr(levels, "_HOLDS", -np.inf)
    again = fit_through_levels(full, problem, form, settings)
    assert again.evaluations == both.evaluations + alone.evaluations
    assert again.losses["train"] == min(both.losses["train"], alone.losses["train"])


def test_exact_exchange_fractions(builtin: fs.Dataset) -> None:
    form = fs.get_functional("wb97m_v")
    problem = FitProblem.from_dataset(builtin, exact_exchange=True, level="reduced")
    plain = FitProblem.from_dataset(builtin, level="reduced")
    # with the fractions of the frame nothing changes
    np.testing.assert_allclose(problem.errors(form), plain.errors(form), rtol=0, atol=1e-8)
    changed = dataclasses.replace(form, hybrid=dataclasses.replace(form.hybrid, short_range=0.25))
    difference = problem.errors(changed) - problem.errors(form)
    reaction = problem.reactions["train"][0]
    energies = {name: builtin.energies(name) for name in reaction.coefficients}
    short = 627.509474 * reaction.energy({name: e.e_xx - e.e_xx_lr for name, e in energies.items()})
    assert difference[0] == pytest.approx(0.1 * short, rel=1e-9, abs=1e-9)
    both = fs.fit(form, builtin, exact_exchange=True, level="reduced")
    assert both.train < fs.fit(form, builtin, level="reduced").train
    assert both.functional.hybrid.short_range != form.hybrid.short_range


@pytest.mark.parametrize(
    "frame",
    [
        Frame(),  # no exact exchange, no VV10
        Frame(nlc=VV10(6.0, 0.01)),  # a semilocal functional with the VV10 of the densities
        Frame(Hybrid(0.3, 0.25, 0.75), correlation="pw92_mod"),
    ],
    ids=["semilocal", "with VV10", "another hybrid"],
)
def test_another_frame_on_the_same_densities(builtin: fs.Dataset, frame: Frame) -> None:
    """Rows of a fit in a frame of its own, and the same functional evaluated in its own frame."""
    form = dataclasses.replace(fs.get_functional("wb97m_v"), **frame.fields())
    problem = FitProblem.from_dataset(builtin, level="full", frame=form.frame)
    assert problem.frame == form.frame
    for split in ("train", "validation"):
        # sums of some hundred terms of up to 1e5 kcal/mol
        expected = fs.wrmsd(form, builtin, split, frame="own")
        assert problem.loss(form, split) == pytest.approx(expected, rel=1e-10, abs=1e-8)


def test_a_fit_in_another_frame(builtin: fs.Dataset) -> None:
    """What is fitted, its figures and its digits are of the frame that was asked for."""
    made = fs.fit("b97", builtin, frame="pbe", level="reduced", starts=1)
    assert made.functional.hybrid == Hybrid()
    assert made.functional.nlc is None
    # sums of some hundred terms of up to 1e5 kcal/mol
    own = fs.wrmsd(made.functional, builtin, "train", level="reduced", frame="own")
    assert made.train == pytest.approx(own, rel=1e-10, abs=1e-8)
    rounded = fs.round_parameters(made.functional, builtin, frame="pbe", level="reduced", digits=5)
    assert rounded.before["train"] == pytest.approx(own, rel=1e-10, abs=1e-8)


def test_a_frame_that_the_densities_do_not_hold(builtin: fs.Dataset) -> None:
    with pytest.raises(fs.InputError, match="its VV10 energy is not among the stored ones"):
        FitProblem.from_dataset(builtin, frame=Frame(nlc=VV10(5.9, 0.0093)))


def test_result_round_trips(builtin: fs.Dataset, tmp_path: object) -> None:
    result = fs.fit("b97", builtin, level="full")
    path = f"{tmp_path}/fitted.json"
    result.functional.to_json(path)
    again = fs.Functional.from_json(path)
    assert again.parameters == result.parameters
    assert fs.wrmsd(again, builtin, "train") == pytest.approx(result.train, abs=1e-8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "newton"}, 'optimizer "newton"'),
        ({"fixed": ["y.*"]}, '"y.*" matches no parameter'),
        ({"bounds": {"x.q": (0.0, 1.0)}}, '"x.q" is not a parameter'),
        ({"bounds": {"x.g": (1.0, 0.0)}}, "lower <= upper"),
        ({"level": "finest"}, 'no level "finest"'),
        ({"optimizer": "cma", "ridge": 1.0}, '"cma" knows no'),
        ({"targets": {}}, "no target for reaction"),
    ],
)
def test_bad_arguments(builtin: fs.Dataset, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(fs.InputError, match=message.replace("*", r"\*")):
        fs.fit("b97", builtin, **arguments)


def test_unreachable_equality_is_an_error(builtin: fs.Dataset) -> None:
    form = fs.Functional("zero", {"x": fs.Channel(fs.Expression.parse("c*x2"), {"c": 1.0})})
    with pytest.raises(fs.FastsfesError, match="cannot be met"):
        fs.fit(form, builtin, equalities=uniform_gas("x"))


def test_b97_exchange_factor_is_recovered_point_by_point() -> None:
    form = fs.Channel(
        fs.Expression.parse("c0 + c1*u(x2, g) + c2*u(x2, g)**2"), {"c0": 0.0, "c1": 0.0, "c2": 0.0, "g": 0.05}
    )
    features = feature_grid(x2=np.geomspace(1e-2, 1e4, 60))
    prefactor = np.linspace(1.0, 2.0, 60)
    result = fit_factor(form, "x", features, "b97", weights=np.linspace(1.0, 3.0, 60), prefactor=prefactor)
    assert result.rmsd < 1e-9
    assert result.channel.parameters == pytest.approx({"c0": 0.8094, "c1": 0.5073, "c2": 0.7481, "g": 0.004}, rel=1e-5)
    assert set(result.linear) == {"c0", "c1", "c2"}


def test_factor_fit_is_weighted_least_squares() -> None:
    features = feature_grid(x2=np.linspace(0, 5, 11), w=np.linspace(-1, 1, 7))
    rng = np.random.default_rng(4)
    target, weights = rng.normal(size=77), rng.uniform(0.5, 2, 77)
    form = fs.Channel(fs.Expression.parse("a + b*w + c*sqrt(x2)"), {"a": 0.0, "b": 0.0, "c": 0.0})
    result = fit_factor(form, "x", features, target, weights=weights)
    matrix = np.stack([np.ones(77), features["w"], np.sqrt(features["x2"])], axis=1) * np.sqrt(weights)[:, None]
    expected = np.linalg.lstsq(matrix, np.sqrt(weights) * target, rcond=None)[0]
    np.testing.assert_allclose(list(result.channel.parameters.values()), expected, rtol=1e-10)
    residual = matrix @ expected - np.sqrt(weights) * target
    assert result.rmsd == pytest.approx(np.sqrt(np.mean(residual**2)), rel=1e-12)


def test_factor_fit_on_many_points_meets_conditions() -> None:
    """As many points as a grid has: rows are not a dense matrix. The limit is exact, the rest least squares."""
    rng = np.random.default_rng(8)
    n = 50_000
    features = {"x2": 10.0 ** rng.uniform(-2, 4, n), "w": rng.uniform(-1, 1, n)}
    target = rng.normal(size=n)
    form = fs.Channel(fs.Expression.parse("a + b*w + c*w**2 + d*u(x2, 0.1)"), dict.fromkeys("abcd", 0.0))
    result = fit_factor(form, "css", features, target, constraints=["f_css(x2=0, w=0.5) = 0.3"])
    # a eliminated by hand: a = 0.3 - 0.5 b - 0.25 c
    u = 0.1 * features["x2"] / (1 + 0.1 * features["x2"])
    matrix = np.stack([features["w"] - 0.5, features["w"] ** 2 - 0.25, u], axis=1)
    b, c, d = np.linalg.lstsq(matrix, target - 0.3, rcond=None)[0]
    expected = {"a": 0.3 - 0.5 * b - 0.25 * c, "b": b, "c": c, "d": d}
    assert result.channel.parameters == pytest.approx(expected, rel=1e-9, abs=1e-11)
    free = fit_factor(form, "css", features, target)
    assert free.rmsd < result.rmsd
    limited = fit_factor(form, "css", features, target, constraints=["0.2 <= f_css(x2=0, w=0.5) <= 0.4 weight 1e6"])
    assert free.rmsd < limited.rmsd < result.rmsd
    at = {"x2": np.array([0.0]), "w": np.array([0.5])}
    assert limited.channel.evaluate(at)[0] == pytest.approx(0.2, abs=1e-4)


def test_points_as_rows_need_one_block() -> None:
    with pytest.raises(fs.InputError, match="need one block of all rows"):
        _core.FitProblem([("x", {"w": [0.0, 1.0]}, [1.0, 1.0])], [0.0, 0.0], [1.0, 1.0], blocks=[("train", [1, 0])])


def test_factor_fit_refuses_shapes_that_do_not_fit() -> None:
    form = fs.Channel(fs.Expression.parse("a + b*w"), {"a": 0.0, "b": 0.0})
    with pytest.raises(fs.InputError, match="target: expected 3 values"):
        fit_factor(form, "x", {"w": [0.0, 0.5, 1.0]}, [1.0])
    with pytest.raises(fs.InputError, match='"w" of'):
        fit_factor(form, "x", {"x2": [0.0, 0.5, 1.0]}, [1.0, 1.0, 1.0])


def test_own_constants_of_the_correlation(builtin: fs.Dataset, tmp_path: Path) -> None:
    """PW92 as printed: used where the quadrature has it, as `evaluate` does; elsewhere what is used is said."""
    form = fs.load("x = c0 + c1*w; css = c0; cos = c0; correlation = pw92", default=1.0)
    found = fs.fit(form, builtin)
    assert found.functional.correlation == "pw92_mod"
    assert "have the prefactor pw92_mod of the stored quadrature, not the functional's own (pw92)" in found.notes[0]
    assert "x@0.3 css:pw92 cos:pw92" in found.notes[0]
    assert optimum(form, builtin).notes[0] == found.notes[0]
    assert fs.fit(dataclasses.replace(form, correlation="pw92_mod"), builtin).notes == ()
    path = tmp_path / "own.h5"

    def size(reaction: Reaction) -> tuple[int, str]:
        return sum(len(builtin.species[n].symbols) for n in reaction.coefficients), reaction.name

    small = sorted(builtin.available, key=size)
    reactions = tuple(dataclasses.replace(r, split=s) for r, s in zip(small, ("train", "validation"), strict=False))
    names = sorted({n for r in reactions for n in r.coefficients})
    contents = DatasetContents("own", {n: builtin.species[n] for n in names}, reactions)
    write_dataset(path, contents, (([n], builtin.density(n)) for n in names))
    ladder = (NodeGrid.make({"x2": 96, "w": 32}, 5),)
    rules = build_quadrature(
        fs.Dataset.open(path),
        channels=("x@0.3", "css:pw92", "cos:pw92"),
        tolerance=10.0,
        integration_grid="level 0",
        ladder=ladder,
        reduce=False,
    )
    save_quadrature(path, rules)
    own = fs.Dataset.open(path)
    lda = fs.load("x = a; css = 1; cos = 1; correlation = pw92; x.a = 1")
    fitted = fs.fit(lda, own)
    assert fitted.functional.correlation == "pw92"
    assert not [n for n in fitted.notes if "constants" in n]
    assert fitted.start == pytest.approx(fs.wrmsd(lda, own, "train"), rel=1e-10)
    modified = dataclasses.replace(lda, correlation="pw92_mod")
    assert abs(fitted.start - fs.wrmsd(modified, own, "train", method="grid")) > 1e-6
