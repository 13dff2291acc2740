"""The best-subset engine of the core against enumeration, QR and the optimality conditions of quadratic programmes."""

from __future__ import annotations

import ast
import itertools
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastsfes import _core
from fastsfes.common.errors import InputError

Array = NDArray[np.float64]
NONE = np.zeros((0, 0))


def selection(
    x: Array,
    y: Array,
    *,
    equality: tuple[Array, Array] | None = None,
    inequality: tuple[Array, Array] | None = None,
    weight: Array | None = None,
    limit: float = np.inf,
    always: Sequence[int] = (),
    never: Sequence[int] = (),
    parents: Sequence[Sequence[int]] = (),
    groups: Sequence[Sequence[int]] = (),
) -> _core.Selection:
    n = x.shape[1]
    e = equality or (np.zeros((0, n)), np.zeros(0))
    a = inequality or (np.zeros((0, n)), np.zeros(0))
    weights = np.full(len(a[1]), np.inf) if weight is None else weight
    return _core.Selection(
        x, y, *e, *a, weights, np.full(n, limit), list(always), list(never), [list(p) for p in parents],
        [list(g) for g in groups],
    )  # fmt: skip


def data(seed: int, rows: int = 60, terms: int = 14, correlation: float = 3.0) -> tuple[Array, Array]:
    """Correlated columns of very different sizes, as terms u^i w^j are."""
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(rows, terms)) + correlation * rng.normal(size=(rows, 1))) * 10.0 ** rng.uniform(
        -3, 3, size=terms
    )
    return x, x @ (rng.normal(size=terms) / np.linalg.norm(x, axis=0)) * 10 + rng.normal(size=rows)


def residual(x: Array, y: Array, terms: Sequence[int]) -> float:
    """Residual sum of squares by QR."""
    scale = np.linalg.norm(x[:, list(terms)], axis=0)
    q, _ = np.linalg.qr(x[:, list(terms)] / scale)
    left = y - q @ (q.T @ y)
    left -= q @ (q.T @ left)
    return float(left @ left)


def restricted(x: Array, y: Array, e: Array, value: Array, terms: Sequence[int]) -> float:
    """The same under equalities, by the null space of the equalities; infinite where they cannot hold."""
    scale = np.linalg.norm(x, axis=0)
    x, e = x / scale, e / scale  # so that no singular value is small for want of units
    part = e[:, list(terms)]
    start = np.linalg.lstsq(part, value, rcond=None)[0]
    if np.abs(part @ start - value).max() > 1e-9:
        return np.inf
    _, s, vt = np.linalg.svd(part)
    null = vt[(s > 1e-12).sum() :].T
    if null.shape[1] == 0:
        return float(np.sum((y - x[:, list(terms)] @ start) ** 2))
    return residual(x[:, list(terms)] @ null, y - x[:, list(terms)] @ start, range(null.shape[1]))


@pytest.mark.parametrize("size", [1, 3, 6])
@pytest.mark.parametrize("seed", range(4))
def test_enumeration_agrees(seed: int, size: int) -> None:
    x, y = data(seed)
    best = min(itertools.combinations(range(14), size), key=lambda s: residual(x, y, s))
    found = selection(x, y).search(size, restarts=6)
    assert tuple(found["subsets"][0][0]) == best
    # residuals are computed from the residual vector with refined coefficients: they agree with QR
    for terms, value in found["subsets"]:
        assert value == pytest.approx(residual(x, y, terms), rel=1e-9)


@pytest.mark.parametrize("size", [3, 6])
@pytest.mark.parametrize("seed", range(3))
def test_enumeration_agrees_with_20_terms(seed: int, size: int) -> None:
    x, y = data(seed, terms=20)
    exact = selection(x, y)
    terms, value, lower, complete, _ = exact.bound(size, np.inf, 10**7)
    assert complete
    assert lower == value
    scaled = x / np.linalg.norm(x, axis=0)
    gram, right = scaled.T @ scaled, scaled.T @ y

    def explained(s: tuple[int, ...]) -> float:  # fast enough for all subsets
        return float(right[list(s)] @ np.linalg.solve(gram[np.ix_(s, s)], right[list(s)]))

    everything = max(itertools.combinations(range(20), size), key=explained)
    assert tuple(terms) == everything
    assert tuple(exact.search(size, restarts=6)["subsets"][0][0]) == everything


@pytest.mark.parametrize("seed", range(3))
def test_terms_that_depend_on_each_other_are_never_chosen_together(seed: int) -> None:
    """Twelve columns of rank nine: the best of the independent subsets, with a certificate, and none of ten."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(40, 9))
    x = np.column_stack([x, x[:, 0] - 2 * x[:, 1], x[:, 2] + x[:, 3] - x[:, 4], 3 * x[:, 0]])
    x = x[:, rng.permutation(12)] * 10.0 ** rng.uniform(-3, 3, size=12)
    y = rng.normal(size=40)
    problem = selection(x, y)
    assert len(problem.independent(range(12))) == 9

    def value(s: tuple[int, ...]) -> float:
        singular = np.linalg.svd(x[:, s] / np.linalg.norm(x[:, s], axis=0), compute_uv=False)
        return residual(x, y, s) if singular[-1] > 1e-8 else np.inf

    for size in (3, 6, 9):
        best = min(map(value, itertools.combinations(range(12), size)))
        found = problem.search(size, restarts=4)["subsets"]
        # equal subsets, such as all of rank nine, differ by rounding
        assert found[0][1] == pytest.approx(best, rel=1e-9)
        assert {len(s) for s, _ in found} == {size}
        terms, least, lower, complete, _ = problem.bound(size, np.inf, 10**6)
        assert complete
        assert least == lower == pytest.approx(best, rel=1e-9)
        assert value(tuple(terms)) == pytest.approx(best, rel=1e-9)
    assert problem.search(10, restarts=4)["subsets"] == []
    assert problem.bound(10, np.inf, 10**6)[0] == []


def test_nothing_is_certified_where_rounding_decides() -> None:
    """Columns that depend on others to 1e-6 leave four digits of a residual by the Gram matrix: a bound must hold."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(40, 8))
        x = np.column_stack([x, x[:, 0] - 2 * x[:, 1] + 1e-6 * rng.normal(size=40)])
        y = rng.normal(size=40) + 2e6 * (x[:, 8] - x[:, 0] + 2 * x[:, 1])
        best = min(residual(x, y, s) for s in itertools.combinations(range(9), 4))
        _, _, lower, complete, _ = selection(x, y).bound(4, np.inf, 10**6)
        assert not complete
        assert 0 < lower <= best


@pytest.mark.parametrize(
    "rules",
    [
        {"always": [1], "never": [1]},
        {"always": [1], "never": [2], "parents": [[], [2], [], []]},
        {"always": [1], "never": [3], "parents": [[], [2], [], []], "groups": [[2, 3]]},
    ],
)
def test_contradictions_are_refused_by_the_core_too(rules: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"term \d would always be chosen and never"):
        selection(*data(0, terms=4), **rules)


def test_what_is_always_chosen_with_others_counts_in_the_size() -> None:
    problem = selection(*data(0, terms=4), always=[1], parents=[[], [2], [], []], groups=[[2, 3]])
    assert problem.open() == [1, 2, 3, 0]
    for size in (2, 5):
        with pytest.raises(InputError, match=f"cannot choose {size} of 4 terms, 3 of them always"):
            problem.search(size)
        with pytest.raises(InputError, match=f"cannot choose {size} of 4 terms, 3 of them always"):
            problem.bound(size, np.inf, 100)


@pytest.mark.parametrize("seed", range(4))
def test_equalities_hold_and_enumeration_agrees(seed: int) -> None:
    x, y = data(seed, terms=11)
    rng = np.random.default_rng(seed + 100)
    # the second equality is carried by three terms only, so that some exchanges have no feasible intermediate set
    e = rng.normal(size=(2, 11))
    e[1, 3:] = 0.0
    e *= np.linalg.norm(x, axis=0) / 50
    value = np.array([1.0, 0.5])
    problem = selection(x, y, equality=(e, value))
    for size in (2, 4, 5):
        best = min(itertools.combinations(range(11), size), key=lambda s: restricted(x, y, e, value, s))
        terms, found = problem.search(size, restarts=12)["subsets"][0]
        assert tuple(terms) == best
        assert found == pytest.approx(restricted(x, y, e, value, best), rel=1e-8)
        _, coefficients = problem.solve(terms)
        assert np.abs(e[:, terms] @ coefficients - value).max() < 1e-10
        assert problem.bound(size, np.inf, 10**6)[0] == list(best)


def optimal(x: Array, y: Array, c: Array, e: Array, value: Array, a: Array, bound: Array, limit: float) -> None:
    """The Karush-Kuhn-Tucker conditions, to rounding: which make a point the minimum of a convex problem."""
    from scipy.optimize import lsq_linear

    scale = np.linalg.norm(x, axis=0)
    rows = [a, np.eye(len(c)), -np.eye(len(c))]
    least = np.concatenate([bound, np.full(2 * len(c), -limit)])
    every = np.vstack(rows) / scale
    size = np.linalg.norm(every, axis=1)
    slack = (np.vstack(rows) @ c - least) / size
    assert slack.min() > -1e-9 * max(1.0, np.abs(c * scale).max())
    assert np.abs(e @ c - value).max() < 1e-9
    active = np.abs(slack) < 1e-7 * max(1.0, np.abs(c * scale).max())
    gradient = (x / scale).T @ (y - x @ c)
    normals = np.vstack([e / scale, every[active] / size[active, None]]).T
    if normals.shape[1] == 0:
        left = gradient
    else:
        lower = np.concatenate([np.full(len(e), -np.inf), np.zeros(int(active.sum()))])
        left = gradient + normals @ lsq_linear(normals, -gradient, (lower, np.inf), method="bvls", tol=1e-14).x
    assert np.abs(left).max() < 1e-7 * np.linalg.norm(y)


@pytest.mark.parametrize("seed", range(6))
def test_conditioned_solutions_are_optimal(seed: int) -> None:
    x, y = data(seed, terms=9, correlation=1.0)
    scale = np.linalg.norm(x, axis=0)
    rng = np.random.default_rng(seed)
    a, bound = rng.normal(size=(40, 9)) * scale, -rng.uniform(size=40)
    e, value = rng.normal(size=(1, 9)) * scale, np.array([0.2])
    problem = selection(x, y, equality=(e, value), inequality=(a, bound), limit=0.3 / scale.min())
    solved = 0
    for terms in itertools.combinations(range(9), 5):
        s = list(terms)
        if (found := problem.solve(s)) is None:
            continue
        solved += 1
        squares, c = found
        optimal(x[:, s], y, c, e[:, s], value, a[:, s], bound, 0.3 / scale.min())
        assert squares == pytest.approx(np.sum((y - x[:, s] @ c) ** 2), rel=1e-10)
    assert solved > 50
    values = {t: problem.solve(list(t)) for t in itertools.combinations(range(9), 5)}
    best = min((t for t, v in values.items() if v is not None), key=lambda t: values[t][0])  # type: ignore[index]
    assert tuple(problem.search(5, restarts=6)["subsets"][0][0]) == best
    assert tuple(problem.bound(5, np.inf, 10**6)[0]) == best


def test_terms_without_values_are_never_chosen() -> None:
    """All columns zero: the rank is 0, no subset has coefficients, and the bound says that it looked at all."""
    problem = selection(np.zeros((3, 4)), np.array([1.0, 2.0, 2.0]))
    assert problem.independent(range(4)) == []
    assert problem.solve([0]) is None
    assert problem.search(1, restarts=2, threads=1)["subsets"] == []
    terms, value, _, complete, _ = problem.bound(1, np.inf, 100)
    assert (terms, value, complete) == ([], np.inf, True)


def test_terms_that_nearly_depend_on_each_other_are_solved() -> None:
    """Powers 0 ... 13 on [0, 1]: the Gram matrix, of condition 1e18, says nothing of the least direction."""
    at = np.linspace(0.0, 1.0, 200)
    x = at[:, None] ** np.arange(14)
    y = np.sin(9.0 * at)
    found = selection(x, y).solve(list(range(14)))
    assert found is not None
    # the residual by orthogonal polynomials, 1e-4 of y
    q = np.linalg.qr(np.polynomial.chebyshev.chebvander(2.0 * at - 1.0, 13))[0]
    left = y - q @ (q.T @ y)
    # coefficients of 1e6, whose rounding leaves 1e-9 of y
    assert found[0] == pytest.approx(float(left @ left), rel=1e-6)


def test_what_no_subset_can_meet_is_not_found() -> None:
    x, y = data(0, terms=6)
    a = np.zeros((2, 6))
    a[0, 0], a[1, 0] = 1.0, -1.0
    problem = selection(x, y, inequality=(a, np.array([1.0, 1.0])))  # c0 >= 1 and c0 <= -1
    assert problem.solve([0, 1]) is None
    assert problem.search(3, restarts=2)["subsets"] == []


@pytest.mark.parametrize("seed", range(3))
def test_planted_truth_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, _ = data(seed, rows=300, terms=129)
    truth = sorted(rng.choice(129, size=14, replace=False).tolist())
    c = rng.uniform(1, 3, size=14) * rng.choice([-1, 1], size=14)
    y = (x / np.linalg.norm(x, axis=0))[:, truth] @ c + 1e-4 * rng.normal(size=300)
    found = selection(x, y).search(14, restarts=4)
    assert found["subsets"][0][0] == truth
    assert found["agreeing"] == 4


def test_terms_always_never_and_heredity() -> None:
    x, y = data(5)
    parents: list[list[int]] = [[] for _ in range(14)]
    for k in range(7, 14):
        parents[k] = [k - 7]

    def allowed(s: tuple[int, ...]) -> bool:
        return 2 in s and 4 not in s and all(p in s for k in s for p in parents[k])

    problem = selection(x, y, always=[2], never=[4], parents=parents)
    for size in (3, 5):
        best = min((s for s in itertools.combinations(range(14), size) if allowed(s)), key=lambda s: residual(x, y, s))
        found = problem.search(size, restarts=10)["subsets"]
        assert tuple(found[0][0]) == best
        assert all(allowed(tuple(s)) for s, _ in found)
        assert tuple(problem.bound(size, np.inf, 10**6)[0]) == best


@pytest.mark.parametrize("kind", ["cross", "worst", "cross worst"])
def test_criterion_decides(kind: str) -> None:
    x, y = data(7, terms=9)
    # rows of no fold are fitted always, rows of no bin are judged never
    fold = [k % 5 - 1 if "cross" in kind else -1 for k in range(60)]
    bins = [(k // 5) % 3 - 1 if "worst" in kind else 0 for k in range(60)]
    factor = [1.0, 0.5] if "worst" in kind else [2.0]
    problem = selection(x, y)
    problem.judge_by(fold, bins, factor)

    def value(s: tuple[int, ...]) -> float:
        columns = x[:, list(s)]
        scale = np.linalg.norm(columns, axis=0)
        error = np.zeros(60)
        for f in set(fold):
            held = np.array(fold) == f
            fitted = ~held if f >= 0 else np.ones(60, dtype=bool)
            c = np.linalg.lstsq(columns[fitted] / scale, y[fitted], rcond=None)[0] / scale
            error[held] = y[held] - columns[held] @ c
        return max(factor[b] * float(np.sum(error[np.array(bins) == b] ** 2)) for b in range(len(factor)))

    best = min(itertools.combinations(range(9), 4), key=value)
    terms, found = problem.search(4, restarts=6)["subsets"][0]
    assert tuple(terms) == best
    assert found == pytest.approx(value(best), rel=1e-9)
    assert problem.judge([0, 1, 2, 3]) == pytest.approx(value((0, 1, 2, 3)), rel=1e-9)


def test_groups_are_chosen_together_or_not_at_all() -> None:
    x, y = data(9)
    groups = [[0, 1], [2, 3, 4], [5, 9]]
    parents: list[list[int]] = [[] for _ in range(14)]
    parents[9] = [10]

    def allowed(s: tuple[int, ...]) -> bool:
        return all(len(set(g) & set(s)) in (0, len(g)) for g in groups) and all(p in s for k in s for p in parents[k])

    problem = selection(x, y, groups=groups, parents=parents)
    for size in (3, 5, 6):
        best = min((s for s in itertools.combinations(range(14), size) if allowed(s)), key=lambda s: residual(x, y, s))
        found = problem.search(size, restarts=12)["subsets"]
        assert tuple(found[0][0]) == best
        assert all(allowed(tuple(s)) for s, _ in found)
        assert tuple(problem.bound(size, np.inf, 10**6)[0]) == best
    held = selection(x, y, groups=groups, always=[3], never=[5]).search(5, restarts=8)["subsets"]
    assert all({2, 3, 4} <= set(s) and not {5, 9} & set(s) for s, _ in held)


@pytest.mark.parametrize("seed", range(4))
def test_graded_inequalities_add_their_squared_violation(seed: int) -> None:
    from scipy.optimize import minimize

    x, y = data(seed, terms=8, correlation=1.0)
    scale = np.linalg.norm(x, axis=0)
    rng = np.random.default_rng(seed)
    a, bound = rng.normal(size=(30, 8)) * scale, rng.uniform(size=30)
    weight = 10.0 ** rng.uniform(-2, 3, size=30)
    weight[::5] = np.inf  # some must hold
    bound[::5] -= 3.0
    problem = selection(x, y, inequality=(a, bound), weight=weight)
    soft = np.isfinite(weight)

    def objective(s: list[int], c: Array) -> float:
        below = np.maximum(bound - a[:, s] @ c, 0.0)[soft]
        return float(np.sum((y - x[:, s] @ c) ** 2) + np.sum(weight[soft] * below**2))

    best, least = None, np.inf
    for terms in itertools.combinations(range(8), 4):
        s = list(terms)
        found = problem.solve(s)
        assert found is not None
        value, c = found
        assert value == pytest.approx(objective(s, c), rel=1e-9)
        assert (a[~soft][:, s] @ c - bound[~soft]).min() > -1e-8
        if value < least:
            best, least = s, value
    assert best is not None

    # the minimum itself, by another method in scaled coefficients
    def scaled(z: Array) -> float:
        return objective(best, z / scale[best])

    hard = [{"type": "ineq", "fun": lambda z: a[~soft][:, best] @ (z / scale[best]) - bound[~soft]}]
    other = minimize(scaled, np.zeros(4), constraints=hard, method="SLSQP", options={"ftol": 1e-14, "maxiter": 1000})
    assert least <= other.fun * (1 + 1e-9)
    assert least == pytest.approx(other.fun, rel=1e-5)  # of SLSQP's finite differences
    assert problem.search(4, restarts=8)["subsets"][0][0] == best
    assert problem.bound(4, np.inf, 10**6)[0] == best


def test_a_bound_without_end_says_so() -> None:
    x, y = data(1, terms=40)
    problem = selection(x, y)
    value = problem.search(8, restarts=4)["subsets"][0][1]
    terms, best, lower, complete, nodes = problem.bound(8, value, 200)
    assert (terms, best, complete, nodes) == ([], value, False, 200)
    assert residual(x, y, range(40)) * (1 - 1e-9) <= lower < value


@pytest.mark.parametrize("nodes", [1, 4, 40])
def test_a_bound_under_conditions_is_below_the_minimum_and_not_below_all_terms(nodes: int) -> None:
    x, y = data(2, terms=10, correlation=1.0)
    scale = np.linalg.norm(x, axis=0)
    rng = np.random.default_rng(2)
    a, bound = rng.normal(size=(30, 10)) * scale, -0.2 * rng.uniform(size=30)
    problem = selection(x, y, inequality=(a, bound), limit=0.2 / scale.min())
    solved = [problem.solve(list(s)) for s in itertools.combinations(range(10), 4)]
    best = min(value for value, _ in filter(None, solved))
    together, _ = problem.solve(list(range(10)))
    assert together > residual(x, y, range(10)) * 1.01  # the conditions matter
    _, value, lower, complete, _ = problem.bound(4, best, nodes)
    assert not complete
    assert value == best
    assert together * (1 - 1e-9) <= lower <= best


def test_threads_and_instruction_sets_give_the_same_bits() -> None:
    code = (
        "import numpy as np; from fastsfes import _core; r=np.random.default_rng(3); x=r.normal(size=(50,30));"
        "x+=r.normal(size=(50,1)); y=r.normal(size=50); a=r.normal(size=(20,30));"
        "s=_core.Selection(x,y,np.zeros((0,30)),np.zeros(0),a,-np.full(20,.02),np.full(20,np.inf),np.full(30,np.inf));"
        "print([s.search(6,restarts=6,patience=4,threads=t)['subsets'] for t in (1,3)]);"
        "s=_core.Selection(x,y,np.zeros((0,30)),np.zeros(0),a[:0],np.zeros(0),np.zeros(0),np.full(30,np.inf));"
        "print([s.search(6,restarts=6,threads=t)['subsets'] for t in (1,3)])"
    )
    out = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env).stdout
        for env in ({**os.environ, "FASTSFES_ISA": isa} for isa in ("generic", "avx2", "avx512"))
    ]
    assert out[0] == out[1] == out[2]
    for line in out[0].splitlines():
        one, three = ast.literal_eval(line)
        assert one == three
        assert len(one) == 16


def test_wrong_input_is_one_sentence() -> None:
    x, y = data(0)
    with pytest.raises(InputError, match="selection: cannot choose 15 of 14 terms"):
        selection(x, y).search(15)
    with pytest.raises(InputError, match="term 14 of 14"):
        selection(x, y, always=[14])
    with pytest.raises(InputError, match="given twice"):
        selection(x, y).solve([1, 1])
    with pytest.raises(InputError, match="one factor per bin"):
        selection(x, y).judge_by([-1] * 60, [1] * 60, [1.0])
    with pytest.raises(InputError, match="in two groups"):
        selection(x, y, groups=[[0, 1], [1, 2]])
