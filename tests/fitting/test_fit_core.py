"""The batched fit of the core: recovery, Jacobians, independence of threads, constraints, candidates that fail."""

from __future__ import annotations

import numpy as np
import pytest
from fit_problems import WB97M_V, Synthetic, parse, values
from scipy.optimize import least_squares, lsq_linear

from fastsfes import _core
from fastsfes.common import errors

FORMS = [form for form, _ in WB97M_V.values()]
TRUE = [parameters for _, parameters in WB97M_V.values()]


@pytest.fixture(scope="module")
def wb97m_v() -> list[_core.Expression]:
    return parse(*FORMS)


def test_errors_are_the_matrix_times_the_factor(synthetic: Synthetic, wb97m_v: list[_core.Expression]) -> None:
    target = np.linspace(-1, 1, synthetic.rows)
    truth = -target
    for (_, features, matrix), expression, parameters in zip(synthetic.channels, wb97m_v, TRUE, strict=True):
        program = _core.Program([expression])
        arrays = [features[f] for f in program.features]
        factor = program.evaluate(arrays, [parameters[p] for p in program.parameters])[0]
        truth = truth + matrix @ factor
    got = synthetic.problem(target).errors(wb97m_v, values(wb97m_v, *TRUE))
    # 301 products of size 1 are added in another order
    np.testing.assert_allclose(got, truth, rtol=0, atol=1e-12)


def test_blocks_select_rows(synthetic: Synthetic, wb97m_v: list[_core.Expression]) -> None:
    p = values(wb97m_v, *TRUE)
    everything = synthetic.problem().errors(wb97m_v, p)
    rows = np.random.default_rng(1).permutation(synthetic.rows)
    blocks = [("train", rows[:50]), ("validation", rows[50:70]), ("test", rows[70:])]
    problem = synthetic.problem(blocks=blocks)
    fit = _core.fit_batch(problem, [wb97m_v], [p])[0]
    for (name, index), loss in zip(blocks, fit.losses, strict=True):
        np.testing.assert_array_equal(problem.errors(wb97m_v, p, name), everything[index])
        errors_of_fit = problem.errors(wb97m_v, fit.parameters, name)
        expected = np.sqrt(np.mean(synthetic.weights[index] * errors_of_fit**2))
        assert loss == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_jacobian_agrees_with_finite_differences(synthetic: Synthetic, wb97m_v: list[_core.Expression]) -> None:
    problem = synthetic.problem()
    p = values(wb97m_v, *TRUE)
    jacobian = problem.jacobian(wb97m_v, p)
    for j in range(p.size):
        h = 1e-5 * max(abs(p[j]), 1e-3)
        up, down = p.copy(), p.copy()
        up[j] += h
        down[j] -= h
        numeric = (problem.errors(wb97m_v, up) - problem.errors(wb97m_v, down)) / (up[j] - down[j])
        # truncation (h^2) and cancellation (1e-16/h) both stay below 1e-7 of the largest entry
        np.testing.assert_allclose(jacobian[:, j], numeric, rtol=0, atol=1e-7 * np.abs(numeric).max())


def test_known_parameters_are_recovered(synthetic: Synthetic, wb97m_v: list[_core.Expression]) -> None:
    truth = values(wb97m_v, *TRUE)
    problem = synthetic.problem(synthetic.problem().errors(wb97m_v, truth))
    start = values(wb97m_v, *({n: (5 * v if n == "g" else 0.0) for n, v in p.items()} for p in TRUE))
    fit = _core.fit_batch(problem, [wb97m_v], [start])[0]
    assert fit.status == "converged"
    assert fit.losses[0] < 1e-9
    assert fit.rank == 14
    np.testing.assert_allclose(fit.parameters, truth, rtol=1e-6)


def test_only_the_scales_are_nonlinear(synthetic: Synthetic, wb97m_v: list[_core.Expression]) -> None:
    fit = _core.fit_batch(synthetic.problem(), [wb97m_v], [values(wb97m_v, *TRUE)])[0]
    names = [n for e in wb97m_v for n in e.parameters]
    assert [n for n, linear in zip(names, fit.linear, strict=True) if not linear] == ["g", "g", "g"]


@pytest.mark.parametrize(
    ("text", "linear"),
    [
        ("a + b*w", {"a", "b"}),
        ("(a + b*w)*(c + d*x2)", {"a", "b"}),  # bilinear: one factor
        ("a*(b + c)", {"b", "c"}),  # b and c interact with one parameter each, a with two
        ("a*b*w", {"a"}),
        ("a*w/b", {"a"}),
        ("(a + b*w)**2 + c", {"c"}),
        ("exp(a*w)*b + c*u(x2, d)", {"b", "c"}),
        ("select(w, a, b) + select(c, w, d)", {"a", "b", "d"}),
        ("sqrt(1 + a*w**2)", set()),
        ("fma(a, w, b)", {"a", "b"}),
    ],
)
def test_linear_parameters(synthetic: Synthetic, text: str, linear: set[str]) -> None:
    problem = synthetic.only("x").problem(np.ones(synthetic.rows))
    (expression,) = parse(text)
    fit = _core.fit_batch(problem, [[expression]], [np.full(len(expression.parameters), 0.5)])[0]
    assert {n for n, flag in zip(expression.parameters, fit.linear, strict=True) if flag} == linear


def noisy(synthetic: Synthetic, expressions: list[_core.Expression], truth: np.ndarray, seed: int = 3) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=synthetic.rows)
    return synthetic.problem().errors(expressions, truth) + noise


@pytest.mark.parametrize("equality", [False, True])
@pytest.mark.parametrize(
    "texts",
    [
        FORMS,
        ["c0 + c1*sqrt(u(x2, g)) + c2*u(x2, g)*w", "c0*w + tanh(a*w)*c1", "c0/(1 + b*w**2) + c1*log1p(d*x2)*w"],
    ],
)
def test_minimum_agrees_with_scipy(synthetic: Synthetic, texts: list[str], equality: bool) -> None:
    """The same minimum as least_squares on all parameters at once, constraint eliminated by hand for scipy."""
    expressions = parse(*texts)
    guess = {"g": 0.01, "a": 1.5, "b": 0.7, "d": 0.02}
    truth = values(expressions, *({n: guess.get(n, 1.0) for n in e.parameters} for e in expressions))
    target = noisy(synthetic, expressions, truth)
    point = {"x2": 2.0, "w": 0.3}
    equalities = [([("x", point, 1.0), ("cos", point, -0.5)], 0.25)] if equality else []
    problem = synthetic.problem(target, equalities=equalities)
    fit = _core.fit_batch(problem, [expressions], [truth], _core.FitOptions(ftol=1e-13, max_evaluations=200))[0]
    assert fit.status == "converged"
    scale = np.sqrt(synthetic.weights / synthetic.rows)
    if equality:
        np.testing.assert_allclose(problem.equality_errors(expressions, fit.parameters), 0, atol=1e-10)
    heavy = 1e6  # scipy has no equalities: a stiff row instead; the loss is off by about (multiplier/heavy)^2

    def residual(p: np.ndarray) -> np.ndarray:
        rows = scale * problem.errors(expressions, p)
        return np.append(rows, heavy * problem.equality_errors(expressions, p)) if equality else rows

    def jacobian(p: np.ndarray) -> np.ndarray:
        rows = scale[:, None] * problem.jacobian(expressions, p)
        if not equality:
            return rows
        h = 1e-6 * np.maximum(np.abs(p), 1e-3)
        slope = [
            (problem.equality_errors(expressions, p + d) - problem.equality_errors(expressions, p - d)) / (2 * d.sum())
            for d in np.diag(h)
        ]
        return np.vstack([rows, heavy * np.array(slope).T])

    reference = least_squares(
        residual, fit.parameters * 1.02, jac=jacobian, x_scale="jac", ftol=1e-15, xtol=1e-15, gtol=1e-15, max_nfev=3000
    )
    expected = np.sqrt(np.sum((scale * problem.errors(expressions, reference.x)) ** 2))
    assert fit.losses[0] == pytest.approx(expected, abs=1e-6)


def test_thread_count_does_not_change_a_bit(synthetic: Synthetic, wb97m_v: list[_core.Expression]) -> None:
    truth = values(wb97m_v, *TRUE)
    target = noisy(synthetic, wb97m_v, truth)
    others = parse("c0 + c1*w", "c0*u(x2, g)**2", "c0 + c1*exp(a*w)")
    candidates = [
        [a, b, c] for a in (wb97m_v[0], others[0]) for b in (wb97m_v[1], others[1]) for c in (wb97m_v[2], others[2])
    ]
    starts = [np.full(sum(len(e.parameters) for e in c), 0.1) for c in candidates]
    options = _core.FitOptions(starts=3, seed=5)

    def run(threads: int, order: list[int], **problem: int) -> list[tuple[bytes, bytes, int]]:
        fits = _core.fit_batch(
            synthetic.problem(target, **problem),
            [candidates[i] for i in order],
            [starts[i] for i in order],
            options,
            threads,
        )
        back = dict(zip(order, fits, strict=True))
        return [
            (back[i].parameters.tobytes(), back[i].losses.tobytes(), back[i].evaluations) for i in range(len(order))
        ]

    order = list(range(len(candidates)))
    reference = run(1, order)
    assert run(2, order) == reference
    # neither the order nor what the cache still holds matters
    assert run(1, order[::-1]) == reference
    assert run(2, order, cache_bytes=0) == reference


def test_collinear_columns_are_dropped(synthetic: Synthetic) -> None:
    small = synthetic.only("x")
    redundant = parse("a + b*w + c*2*w + d + e*(1 + w)")
    plain = parse("a + b*w")
    target = noisy(small, plain, np.array([1.0, 2.0]))
    problem = small.problem(target)
    got, expected = _core.fit_batch(problem, [redundant, plain], [np.zeros(5), np.zeros(2)])
    assert (got.rank, expected.rank) == (2, 2)
    assert np.count_nonzero(got.parameters) == 2
    assert got.losses[0] == pytest.approx(expected.losses[0], rel=1e-12)


def test_ridge_is_the_augmented_problem(synthetic: Synthetic) -> None:
    small = synthetic.only("x")
    form = parse("a + b*w + c*w**2")
    target = noisy(small, form, np.array([1.0, 2.0, 3.0]))
    ridge = 0.3
    fit = _core.fit_batch(small.problem(target, ridge=ridge), [form], [np.zeros(3)])[0]
    problem = small.problem(target)
    scale = np.sqrt(small.weights / small.rows)[:, None]
    matrix = np.vstack([scale * problem.jacobian(form, np.zeros(3)), np.sqrt(ridge) * np.eye(3)])
    right = np.concatenate([-scale[:, 0] * problem.errors(form, np.zeros(3)), np.zeros(3)])
    expected = np.linalg.lstsq(matrix, right, rcond=None)[0]
    np.testing.assert_allclose(fit.parameters, expected, rtol=1e-10)


@pytest.mark.parametrize(("start", "low", "high"), [(0.9, 0.1, 0.9), (0.1, 0.1, 0.9), (0.9, 0.6, 0.9), (0.1, 0.1, 0.3)])
def test_a_start_at_a_bound_leaves_it_where_the_minimum_is_inside(start: float, low: float, high: float) -> None:
    """The residuals a*x^2 - 0.5*x^2 in a nonlinear spelling: their minimum is a = 0.5, else the nearer bound."""
    x = np.linspace(0.2, 1.0, 9)
    problem = _core.FitProblem([("x", {"w": x}, np.eye(9))], np.exp(0.5 * x**2), np.ones(9))
    (form,) = parse("exp(a*w**2)")
    fit = _core.fit_batch(problem, [[form]], [np.array([start])], bounds=[(np.array([low]), np.array([high]))])[0]
    assert fit.parameters[0] == pytest.approx(np.clip(0.5, low, high), abs=1e-7)


def test_bounds_are_kept_and_optimal(synthetic: Synthetic) -> None:
    small = synthetic.only("x")
    form = parse("a + b*w + c*w**2")
    problem = small.problem(noisy(small, form, np.array([1.0, 2.0, 3.0])))
    lower, upper = np.array([-np.inf, -1.0, 3.5]), np.array([np.inf, 1.5, np.inf])
    fit = _core.fit_batch(problem, [form], [np.array([0.0, 0.0, 4.0])], bounds=[(lower, upper)])[0]
    scale = np.sqrt(small.weights / small.rows)[:, None]
    reference = lsq_linear(
        scale * problem.jacobian(form, np.zeros(3)),
        -scale[:, 0] * problem.errors(form, np.zeros(3)),
        bounds=(lower, upper),
        tol=1e-15,
    )
    np.testing.assert_allclose(fit.parameters, reference.x, atol=1e-6)


def test_fractions_are_linear_parameters(synthetic: Synthetic) -> None:
    small = synthetic.only("x")
    form = parse("a + b*u(x2, g)")
    extra = np.random.default_rng(9).normal(size=(small.rows, 2))
    truth = np.array([0.8, 0.5, 0.01, 0.15, -0.85])
    target = small.problem(extra=extra).errors(form, truth)
    np.testing.assert_allclose(target, small.problem().errors(form, truth[:3]) + extra @ truth[3:], atol=1e-12)
    fit = _core.fit_batch(small.problem(target, extra=extra), [form], [np.array([0, 0, 0.1, 0, 0])])[0]
    np.testing.assert_allclose(fit.parameters, truth, rtol=1e-6)


def test_penalty_holds_a_value_inside_its_limits(synthetic: Synthetic) -> None:
    small = synthetic.only("x")
    form = parse("a + b*w + c*u(x2, g)")
    target = noisy(small, form, np.array([1.0, 2.0, 3.0, 0.02]))
    point = {"x2": 0.0, "w": 0.0}
    start = np.array([1.0, 1, 1, 0.01])

    def value(weight: float) -> tuple[float, float, float]:
        problem = small.problem(target, penalties=[([("x", point, 1.0)], 1.2, 1.3, weight)])
        fit = _core.fit_batch(problem, [form], [start])[0]
        assert fit.objective == pytest.approx(problem.losses(form, fit.parameters)[0] ** 2, rel=1e-9)
        return fit.parameters[form[0].parameters.index("a")], fit.losses[0], fit.objective

    free, _, free_objective = value(0.0)
    soft, _, soft_objective = value(10.0)
    hard, hard_loss, hard_objective = value(1e8)
    assert not 1.2 <= free <= 1.3
    edge = 1.2 if free < 1.2 else 1.3
    assert abs(hard - edge) < 1e-5
    assert abs(hard - edge) < abs(soft - edge) < abs(free - edge)
    assert free_objective < soft_objective < hard_objective
    exact = small.problem(target, equalities=[([("x", point, 1.0)], edge)])
    assert hard_loss == pytest.approx(_core.fit_batch(exact, [form], [start])[0].losses[0], rel=1e-6)


@pytest.mark.parametrize("text", ["log(w)*c0 + c1", "c0 + c1*sqrt(a + w)", "c0/(x2 - x2)", "a**(c0*1e6*x2)"])
def test_candidates_that_are_not_finite_fail_quietly(synthetic: Synthetic, text: str) -> None:
    small = synthetic.only("x")
    (form,) = parse(text)
    start = np.full(len(form.parameters), -2.0)
    fit = _core.fit_batch(small.problem(), [[form]], [start])[0]
    assert fit.status == "not_finite"
    assert np.isinf(fit.losses).all()
    assert fit.message


def test_infeasible_equality_is_reported(synthetic: Synthetic) -> None:
    small = synthetic.only("x")
    problem = small.problem(equalities=[([("x", {"x2": 0.0, "w": 0.0}, 1.0)], 1.0)])
    fit = _core.fit_batch(problem, [parse("c*w")], [[1.0]])[0]
    assert fit.status == "infeasible"
    assert np.isinf(fit.losses[0])


def test_unknown_feature_is_one_candidates_problem(synthetic: Synthetic) -> None:
    small = synthetic.only("x")
    good, bad = parse("a + b*w"), parse("a + b*rho")
    results = _core.fit_batch(small.problem(), [bad, good], [[1.0, 1.0], [1.0, 1.0]])
    assert [r.status for r in results] == ["invalid", "converged"]
    assert 'feature "rho"' in results[0].message


def test_more_starts_never_lose(synthetic: Synthetic) -> None:
    small = synthetic.only("x")
    form = parse("c0 + c1*tanh(a*w + b) + c2*exp(-d*w**2)")
    truth = np.ones(6)
    problem = small.problem(noisy(small, form, truth))
    losses = [
        _core.fit_batch(problem, [form], [np.full(6, 3.0)], _core.FitOptions(starts=s, seed=2))[0].losses[0]
        for s in (1, 2, 4, 8)
    ]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": [1.0]}, "weights: expected 90 values"),
        ({"target": np.full(90, np.nan)}, r"target\[0\] is not finite"),
        ({"blocks": [("train", [90])]}, "row 90 does not exist"),
        ({"blocks": [("train", [])]}, "holds no row"),
        ({"ridge": -1.0}, "ridge"),
        ({"equalities": [([("y", {}, 1.0)], 1.0)]}, 'channel "y"'),
        ({"equalities": [([("x", {"w": 0.0}, 1.0)], 1.0)]}, 'feature "x2"'),
    ],
)
def test_bad_problems_are_refused(synthetic: Synthetic, arguments: dict[str, object], message: str) -> None:
    given = {"target": np.zeros(90), "weights": synthetic.weights} | arguments
    with pytest.raises(errors.InputError, match=message):
        _core.FitProblem(synthetic.channels, **given)
