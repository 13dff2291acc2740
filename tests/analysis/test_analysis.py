"""Contributions, uncertainties and sensitivities against independent least squares, differences and sampling."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.optimize import least_squares

import fastsfes as fs
from fastsfes.analysis import bootstrap, optimum, parameter_uncertainties, sensitivity, term_contributions
from fastsfes.energies.frame import frame_of
from fastsfes.energies.quadrature import Quadrature, channel_key
from fastsfes.fitting import FitProblem

LINEAR = "x = c0 + c1*w + c2*u(x2, 0.004); css = c0; cos = c0 + c1*w"
NONLINEAR = "x = c0 + c1*u(x2, g); css = c0; cos = c0 + c1*w"


def form(text: str) -> fs.Functional:
    values = {"x.g": 0.01}
    made = fs.load(text, default=1.0)
    return made.with_parameters({n: v for n, v in values.items() if n in made.parameters})


@pytest.fixture(scope="module")
def builtin() -> fs.Dataset:
    return fs.Dataset.open("builtin")


class Direct:
    """The linear form's least-squares problem, columns written out from the quadrature's arrays."""

    names = ("x.c0", "x.c1", "x.c2", "css.c0", "cos.c0", "cos.c1")

    def __init__(self, dataset: fs.Dataset) -> None:
        frame = frame_of(dataset)
        keys = {k: channel_key(k, frame.hybrid.omega, frame.correlation) for k in ("x", "css", "cos")}
        self.reactions = dataset.split("train")
        arrays = Quadrature.load(dataset).problem(dataset, keys, reactions=self.reactions, level="reduced")
        x, css, cos = (arrays.channels[k] for k in ("x", "css", "cos"))
        u = 0.004 * x.values["x2"] / (1 + 0.004 * x.values["x2"])
        self.columns = np.stack(
            [
                x.matrix.sum(axis=1),
                x.matrix @ x.values["w"],
                x.matrix @ u,
                css.matrix.sum(axis=1),
                cos.matrix.sum(axis=1),
                cos.matrix @ cos.values["w"],
            ],
            axis=1,
        )
        self.target = arrays.target
        self.weights = arrays.weights

    def solve(self, columns: list[int] | None = None, counts: np.ndarray | None = None) -> tuple[np.ndarray, float]:
        """Parameters and WRMSD; the mean is over all reactions."""
        matrix = self.columns if columns is None else self.columns[:, columns]
        weights = self.weights * (1.0 if counts is None else counts)
        root = np.sqrt(weights)
        found = np.linalg.lstsq(root[:, None] * matrix, root * self.target, rcond=None)[0]
        return found, float(np.sqrt(np.mean(weights * (matrix @ found - self.target) ** 2)))


@pytest.fixture(scope="module")
def direct(builtin: fs.Dataset) -> Direct:
    return Direct(builtin)


def test_terms_against_direct_least_squares(builtin: fs.Dataset, direct: Direct) -> None:
    found = term_contributions(optimum(form(LINEAR), builtin, level="reduced"))
    best, loss = direct.solve()
    assert found.losses["train"] == pytest.approx(loss, rel=1e-9)
    assert [f"{t.channel}: {t.term}" for t in found.terms] == [
        "x: c0",
        "x: c1*w",
        "x: c2*u(x2, 0.004)",
        "css: c0",
        "cos: c0",
        "cos: c1*w",
    ]
    for k, term in enumerate(found.terms):
        others = [i for i in range(6) if i != k]
        assert term.refitted["train"] == pytest.approx(direct.solve(others)[1], rel=1e-8)
        kept = np.where(np.arange(6) == k, 0.0, best)
        errors = direct.columns @ kept - direct.target
        assert term.removed["train"] == pytest.approx(np.sqrt(np.mean(direct.weights * errors**2)), rel=1e-7)
        assert term.refitted["train"] >= found.losses["train"]
    text = str(found)
    assert "cos: c1*w" in text
    assert json.loads(json.dumps(found.to_dict()))["terms"][0]["by_type"].keys() == {"BH", "TCE"}


def test_terms_of_a_nonlinear_form_against_scipy(builtin: fs.Dataset) -> None:
    found = term_contributions(optimum("wb97m_v", builtin, level="reduced"))
    problem = FitProblem.from_dataset(builtin)
    scale = np.sqrt(problem.weights("train") / len(problem.weights("train")))
    wb97m_v = fs.get_functional("wb97m_v")
    # without c2*w in exchange; the text of the remaining form is written anew
    x = {k: v for k, v in wb97m_v.channels["x"].parameters.items() if k != "c2"}
    rest = fs.Functional(
        "rest", {**wb97m_v.channels, "x": fs.Channel(fs.Expression.parse("c0 + c1*u(x2, g)"), x)}, wb97m_v.hybrid
    )
    start = fs.fit(rest, builtin, level="reduced").parameters  # elsewhere scipy stops in higher minima
    vector = np.array([start[n] for n in problem.names(rest)])
    candidate = problem.expressions(rest)
    # two starts for scipy: it stops in the flat valleys of the scales
    losses = []
    for method in ("trf", "lm"):
        got = least_squares(
            lambda p: scale * problem.core.errors(candidate, p),
            vector,
            jac=lambda p: scale[:, None] * problem.core.jacobian(candidate, p),
            x_scale="jac",
            method=method,
            ftol=1e-15,
            xtol=1e-15,
            gtol=1e-15,
            max_nfev=4000,
        )
        losses.append(np.sqrt(2 * got.cost))
    (term,) = (t for t in found.terms if t.channel == "x" and t.term == "c2*w")
    assert term.refitted["train"] == pytest.approx(min(losses), abs=1e-4)


def test_covariance_of_a_linear_form_is_the_textbook_one(builtin: fs.Dataset, direct: Direct) -> None:
    got = parameter_uncertainties(optimum(form(LINEAR), builtin, level="reduced"))
    assert got.names == direct.names
    best, loss = direct.solve()
    n, p = direct.columns.shape
    np.testing.assert_allclose(got.values, best, rtol=1e-8)
    normal = direct.columns.T @ (direct.weights[:, None] * direct.columns)
    inverse = np.linalg.inv(normal)
    expected = n * loss**2 / (n - p) * inverse
    np.testing.assert_allclose(got.covariance, expected, rtol=1e-6)
    errors = direct.columns @ best - direct.target
    middle = n / (n - p) * (direct.columns.T * (direct.weights * errors) ** 2) @ direct.columns
    np.testing.assert_allclose(got.robust, inverse @ middle @ inverse, rtol=1e-6)
    np.testing.assert_allclose(np.diag(got.correlation), 1.0)
    assert got.minimum
    assert got.slope < 1e-6
    assert got.sigma == pytest.approx(np.sqrt(n / (n - p)) * loss)


@pytest.mark.parametrize("text", [NONLINEAR, "b97"])
def test_covariance_against_differences_of_the_loss(builtin: fs.Dataset, text: str) -> None:
    """The Hessian of sum w r^2 from its values alone, with nonlinear parameters and residuals far from zero."""
    at = optimum(fs.get_functional(text) if "=" not in text else form(text), builtin)
    got = parameter_uncertainties(at)
    candidate, weights = at.problem.expressions(at.functional), at.problem.weights("train")
    best = at.problem.vector(at.functional)

    def loss(p: np.ndarray) -> float:
        return 0.5 * float(np.sum(weights * at.problem.core.errors(candidate, p) ** 2))

    # steps along the columns of a root of the covariance: all curvatures are alike there
    root = np.linalg.cholesky(got.covariance)
    p = len(best)

    def curvature(i: int, j: int, h: float) -> float:
        a, b = h * root[:, i], h * root[:, j]
        points = (loss(best + a + b), loss(best + a - b), loss(best - a + b), loss(best - a - b))
        return (points[0] - points[1] - points[2] + points[3]) / (4 * h * h)

    # central differences, extrapolated to steps of no length
    hessian = [[(4 * curvature(i, j, 0.005) - curvature(i, j, 0.01)) / 3 for j in range(p)] for i in range(p)]
    # half the Hessian is s^2 times the unit matrix in these coordinates; differences keep some five digits
    np.testing.assert_allclose(np.array(hessian) / got.sigma**2, np.eye(p), atol=1e-3)
    assert got.minimum


def test_parameters_that_the_data_do_not_determine(builtin: fs.Dataset) -> None:
    got = parameter_uncertainties(optimum(form("x = a + b + c*w; css = d"), builtin))
    errors = dict(zip(got.names, got.standard_errors, strict=True))
    assert np.isinf(errors["x.a"])
    assert np.isinf(errors["x.b"])
    assert np.isfinite(errors["x.c"])
    assert np.isfinite(errors["css.d"])
    assert np.isinf(got.condition)
    data = json.loads(json.dumps(got.to_dict(), allow_nan=False))
    assert data["parameters"][0]["standard_error"] is None
    assert "inf" in str(got)


def test_at_the_edge_of_a_domain(builtin: fs.Dataset) -> None:
    """w begins close to -1: steps for the Hessian from a = 1.0005 leave the root's domain, a = 0.9 lies outside."""
    edge = "x = c0 + c1*sqrt(a + w); x.c0 = 0.8; x.c1 = 0.1; x.a = {}; css = c0; css.c0 = 1"
    got = parameter_uncertainties(optimum(edge.format(1.0005), builtin, refit=False))
    assert not got.minimum
    assert np.isfinite(got.standard_errors).all()
    with pytest.raises(fs.FastsfesError, match=r'"formula": its errors .* not finite .* refit it'):
        parameter_uncertainties(optimum(edge.format(0.9), builtin, refit=False))


def test_without_a_refit_the_slope_tells(builtin: fs.Dataset) -> None:
    as_published = optimum("wb97m_v", builtin, refit=False)
    assert as_published.losses["train"] == pytest.approx(fs.wrmsd("wb97m_v", builtin, "train", level="reduced"))
    got = parameter_uncertainties(as_published)
    assert got.slope > 1e-2
    assert dict(zip(got.names, got.values, strict=True)) == fs.get_functional("wb97m_v").parameters


def test_bootstrap_against_covariance_and_direct_fits(builtin: fs.Dataset, direct: Direct) -> None:
    at = optimum(form(NONLINEAR), builtin, level="reduced")
    got = bootstrap(at, samples=250, seed=1)
    assert got.failed == 0
    assert got.samples.shape == (250, 6)
    errors = parameter_uncertainties(at).robust_errors
    # 40 reactions of very different leverage: first-order errors are right within a third
    np.testing.assert_allclose(got.standard_errors, errors, rtol=0.4)
    inside = (got.interval()[0] < got.values) & (got.values < got.interval()[1])
    assert inside.all()
    # one sample of the linear form, drawn again by hand and solved by numpy
    linear = bootstrap(optimum(form(LINEAR), builtin, level="reduced"), samples=3, seed=7)
    for stream, sample in zip(np.random.SeedSequence(7).spawn(3), linear.samples, strict=True):
        drawn = np.random.default_rng(stream).integers(40, size=40)
        np.testing.assert_allclose(sample, direct.solve(counts=np.bincount(drawn, minlength=40))[0], rtol=1e-6)
    data = json.loads(json.dumps(got.to_dict()))
    assert data["samples"] == 250
    assert set(data["losses"]) == {"train", "validation"}
    assert "95 % interval" in str(got)


def test_bootstrap_depends_on_the_seed_alone(builtin: fs.Dataset) -> None:
    seen: list[int] = []
    one = bootstrap(
        optimum(form(LINEAR), builtin, level="reduced"),
        samples=6,
        seed=3,
        threads=1,
        progress=lambda done, samples: seen.append(done),
    )
    two = bootstrap(optimum(form(LINEAR), builtin, level="reduced"), samples=6, seed=3, threads=2)
    assert np.array_equal(one.samples, two.samples)
    assert seen == [1, 2, 3, 4, 5, 6]
    assert not np.array_equal(
        one.samples, bootstrap(optimum(form(LINEAR), builtin, level="reduced"), samples=6, seed=4).samples
    )
    subsets = bootstrap(optimum(form(LINEAR), builtin, level="reduced"), samples=20, seed=3, by="subset")
    # two subsets: every sample is one of them twice, or both
    assert len(np.unique(np.round(subsets.samples[:, 0], 6))) <= 3


def test_sensitivity_per_type(builtin: fs.Dataset, direct: Direct) -> None:
    at = optimum(form(LINEAR), builtin, level="reduced")
    known = parameter_uncertainties(at)
    found = sensitivity(at, uncertainties=known)
    assert [t.data_type for t in found.types] == ["BH", "TCE"]
    assert sum(t.share for t in found.types) == pytest.approx(1.0)
    for name in known.names:
        pulls = [t.pull[name] for t in found.types]
        assert sum(pulls) == pytest.approx(1.0)
        assert min(pulls) >= 0.0
    labels = np.array([r.data_type for r in direct.reactions])
    # spread: energies of parameters drawn from the covariance
    draws = np.random.default_rng(0).multivariate_normal(known.values, known.covariance, size=20000)
    scatter = (draws @ direct.columns.T).std(axis=0)
    best = direct.solve()[0]
    for t in found.types:
        mine = labels == t.data_type
        assert t.reactions["train"] == mine.sum()
        assert t.spread["train"] == pytest.approx(np.sqrt(np.mean(scatter[mine] ** 2)), rel=0.02)
        errors = direct.columns @ best - direct.target
        assert t.rmsd["train"] == pytest.approx(np.sqrt(np.mean(errors[mine] ** 2)), rel=1e-7)
        without = direct.columns @ direct.solve(counts=np.where(mine, 0.0, 1.0))[0] - direct.target
        assert t.left_out == pytest.approx(np.sqrt(np.mean(without[mine] ** 2)), rel=1e-5)
        after, before = t.others
        assert after == pytest.approx(np.sqrt(np.mean((direct.weights * without**2)[~mine])), rel=1e-6)
        assert after <= before
    assert "share of loss" in str(found)
    json.dumps(found.to_dict(), allow_nan=False)


def test_reweighted_problem(builtin: fs.Dataset, direct: Direct) -> None:
    problem = FitProblem.from_dataset(builtin)
    factors = np.maximum(np.linspace(-0.5, 2.0, 40), 0.0)
    changed = problem.reweighted(factors)
    (fitted,) = changed.fit([form(LINEAR)])
    best, loss = direct.solve(counts=factors)
    assert len(changed.reactions["train"]) == np.sum(factors > 0)
    assert fitted.losses == {"train": pytest.approx(loss, rel=1e-9)}
    assert changed.loss(fitted.functional) == pytest.approx(loss, rel=1e-9)
    np.testing.assert_allclose(problem.vector(fitted.functional), best, rtol=1e-7)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda d: optimum("lda", d), "has no parameters"),
        (lambda d: bootstrap(optimum("b97", d), samples=1), "samples 1"),
        (lambda d: bootstrap(optimum("b97", d), by="species"), 'by "species"'),
        (lambda d: optimum("nothing", d), "not registered"),
    ],
)
def test_bad_input(builtin: fs.Dataset, call: object, sentence: str) -> None:
    with pytest.raises(fs.InputError, match=sentence):
        call(builtin)


@pytest.mark.slow
def test_the_real_benchmark(mgcdb84, tmp_path) -> None:
    """wB97M-V's form on MGCDB84's training reactions: bootstrap and curvature agree where parameters are stiff."""
    from fastsfes.cli import main

    file = tmp_path / "mgcdb84.h5"
    assert main(["dataset", "import", str(mgcdb84), "--output", str(file)]) == 0
    channels = [word for key in ("x@0.3", "css", "cos") for word in ("--channel", key)]
    assert main(["dataset", "quadrature", str(file), "--quiet", *channels]) == 0
    data = fs.Dataset.open(file)
    at = optimum("wb97m_v", data)
    known = parameter_uncertainties(at)
    drawn = bootstrap(at, samples=60)
    assert known.minimum
    stiff = np.abs(known.values) > 4 * known.robust_errors
    assert stiff.sum() >= 5
    ratio = drawn.standard_errors[stiff] / known.robust_errors[stiff]
    assert np.all((ratio > 0.5) & (ratio < 2.0))
