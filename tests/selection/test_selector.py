"""Selections from datasets: columns, criteria, conditions and certificates."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.cli import main
from fastsfes.common.errors import InputError
from fastsfes.fitting import Point, folds_of, parse_conditions
from fastsfes.run.problem import make_problem
from fastsfes.selection import (
    CERTIFICATES,
    CRITERIA,
    Columns,
    Library,
    Rules,
    Selected,
    Selector,
    Settings,
    certificate,
    fitted_shares,
    parse_terms,
)

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
    known = columns.term_library.coefficients(fs.get_functional("wb97m_v"))
    truth = sorted(known)
    made = Columns(
        columns.term_library, columns.problem, columns.matrix,
        {s: m[:, truth] @ np.array([known[k] for k in truth]) for s, m in columns.matrix.items()},
    )  # fmt: skip
    (found, *_) = Selector(made, Rules.make(made), "train", Settings(restarts=4, nodes=0)).search(14)
    assert list(found.chosen) == truth
    # the columns' condition number is 1e6 or so
    np.testing.assert_allclose(found.coefficients, [known[k] for k in truth], atol=1e-7)


def test_criteria_are_what_they_say(columns: Columns) -> None:
    rules = Rules.make(columns, ["uniform_gas"])
    for criterion in CRITERIA:
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
        if criterion.startswith("cross_validation"):
            # every fold fitted anew, here by QR under the equalities' null space
            assert found.value == pytest.approx(cross_validated(columns, rules, found.chosen, criterion), rel=1e-7)


def cross_validated(columns: Columns, rules: Rules, chosen: Sequence[int], criterion: str) -> float:
    reactions = [*columns.reactions["train"], *columns.reactions["validation"]]
    matrix = np.vstack([columns.matrix["train"], columns.matrix["validation"]])[:, list(chosen)]
    target = np.concatenate([columns.target["train"], columns.target["validation"]])
    root = np.sqrt([r.weight for r in reactions])
    held, value = rules.equality[:, list(chosen)], rules.value
    start = np.linalg.lstsq(held, value, rcond=None)[0]
    null = np.linalg.svd(held)[2][np.linalg.matrix_rank(held) :].T
    squares = np.full(len(reactions), np.nan)
    for fold in folds_of([r.subset for r in reactions], 4, ["AE18"]):
        kept = np.setdiff1d(np.arange(len(reactions)), fold)
        a, b = root[kept, None] * (matrix[kept] @ null), root[kept] * (target[kept] - matrix[kept] @ start)
        scale = np.linalg.norm(a, axis=0)
        c = start + null @ (np.linalg.lstsq(a / scale, b, rcond=None)[0] / scale)
        squares[fold] = (root[fold] * (matrix[fold] @ c - target[fold])) ** 2
    assert np.isfinite(squares).all()  # all are left out once
    if criterion == "cross_validation":
        return float(np.sqrt(squares.mean()))
    types = np.array([r.data_type for r in reactions])
    return float(np.sqrt(max(squares[types == t].mean() for t in set(types))))


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


def test_graded_conditions_draw_and_do_not_force(columns: Columns) -> None:
    settings = Settings(restarts=4, patience=5, nodes=0)
    chosen: tuple[int, ...] | None = None
    values, tops, errors = [], [], []
    for weight in (1e-6, 1.0, 1e6):
        graded = (f"f_x <= 1.3 weight {weight}", f"f_cos(x2=0, w=0) = 0.9 weight {weight}")
        rules = Rules.make(columns, graded, always=["cos: 1"])
        selector = Selector(columns, rules, "train", settings)
        chosen = chosen or selector.search(8)[0].chosen
        c = selector.solve(chosen)
        assert c is not None
        penalty = sum(
            p.weight * max(p.lower - f, f - p.upper, 0.0) ** 2
            for text in graded
            for p in parse_conditions([text], ("x", "css", "cos"), columns.problem.frame.hybrid).penalties
            for f in [factor(columns, chosen, c, p.terms[0])]
        )
        loss = columns.loss(chosen, c, "train")
        # the definition of a graded condition: weight * violation^2 joins the squared loss
        assert selector.value(chosen) == pytest.approx(np.sqrt(loss**2 + penalty), rel=1e-8)
        values.append(loss)
        tops.append(
            max(factor(columns, chosen, c, Point("x", {"x2": a, "w": b})) for a in (0.0, 1e6) for b in (-1.0, 1.0))
        )
        errors.append(abs(factor(columns, chosen, c, Point("cos", {"x2": 0.0, "w": 0.0})) - 0.9))
    assert values == sorted(values)
    assert tops == sorted(tops, reverse=True)
    assert tops[-1] == pytest.approx(1.3, abs=2e-3)
    assert errors[-1] < 1e-3


def factor(columns: Columns, chosen: Sequence[int], c: Sequence[float], point: Point) -> float:
    channel = columns.functional("form", chosen, c).channels[point.kind]
    features = point.all_features()
    values = {n: np.array([features[n]]) for n in channel.expression.features}
    return float(np.ravel(channel.evaluate(values))[0])


def test_the_grids_sensitivity_joins_the_loss() -> None:
    library = Library(
        parse_terms(["x = u(x2, 0.004)^0:2 * w^0:2", "css = u(x2, 0.2)^0:2 * w^0:2", "cos = u(x2, 0.006)^0:2 * w^0:4"])
    )
    dataset = fs.Dataset.open("gscdb")
    columns = Columns.make(library, dataset, fine_quadrature="fine")
    assert columns.grid is not None
    weights = columns.problem.weights("train")

    def change(chosen: Sequence[int], c: Sequence[float]) -> float:
        """By the library's own evaluation, of both quadratures."""
        functional = columns.functional("form", chosen, c)
        both = [fs.evaluate(functional, dataset, "train", quadrature=q).errors for q in ("default", "fine")]
        return float(np.sqrt(np.mean(weights * (both[0] - both[1]) ** 2)))

    found = []
    for weight in (0.0, 10.0, 1000.0):
        selector = Selector(
            columns, Rules.make(columns), "train", Settings(restarts=4, patience=5, nodes=0, grid=weight)
        )
        best = selector.search(8)[0]
        loss, sensitivity = (
            columns.loss(best.chosen, best.coefficients, "train"),
            change(best.chosen, best.coefficients),
        )
        # energies of 1e5 kcal/mol differ by 1e-3 between the grids
        assert best.value == pytest.approx(np.sqrt(loss**2 + (weight * sensitivity) ** 2), rel=1e-6)
        found.append((loss, sensitivity))
    assert [s for _, s in found] == sorted((s for _, s in found), reverse=True)
    assert [loss for loss, _ in found] == sorted(loss for loss, _ in found)


def test_bounds_on_iso_orbital_indicators_are_on_possible_points() -> None:
    library = Library(parse_terms(["x = P(0:5, 2*beta - 1) * u(x2, 0.004)^0:2", "css = 1", "cos = 1"]))
    columns = Columns.make(library, fs.Dataset.open("builtin"))
    rules = Rules.make(columns, ["0 <= f_x <= 1.804"])
    # Legendre polynomials of 2*beta - 1 do not exceed 1 where 0 <= beta <= 1
    assert 0 < len(rules.bound) < 180
    assert np.abs(rules.inequality).max() <= 1 + 1e-12
    found = Selector(columns, rules, "train", Settings(restarts=2, patience=3, nodes=0)).search(7)[0]
    assert (rules.inequality @ columns_of(found, len(library)) - rules.bound).min() > -1e-9


def columns_of(found: Selected, count: int) -> np.ndarray:
    c = np.zeros(count)
    c[list(found.chosen)] = found.coefficients
    return c


def test_ridge_draws_towards_a_reference(columns: Columns) -> None:
    known = columns.term_library.coefficients(fs.get_functional("wb97m_v"))
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
    with pytest.raises(InputError, match="need each other"):
        Rules.make(columns, heredity=["x: w only with x: 1", "x: 1 only with x: w"])
    with pytest.raises(InputError, match="two terms or more"):
        Rules.make(columns, groups=["x: w"])
    with pytest.raises(InputError, match="in another group"):
        Rules.make(columns, groups=["x: w; css: w", "css: w; cos: w"])
    with pytest.raises(InputError, match="TERM only with TERM"):
        Rules.make(columns, heredity=["x: w needs x: 1"])
    with pytest.raises(InputError, match='criterion "test" is unknown'):
        Selector(columns, Rules.make(columns), "test")
    with pytest.raises(InputError, match="has no feature"):
        Library(parse_terms(["css = rs"]))
    with pytest.raises(InputError, match='terms are of channel x, css, cos, not of "y"'):
        parse_terms(["y = 1"])


@pytest.mark.parametrize(
    "rules",
    [
        {"always": ["x: w"], "never": ["x: w"]},
        {"always": ["x: w"], "never": ["x: 1"], "heredity": ["x: w only with x: 1"]},
        {"always": ["x: w"], "never": ["cos: 1"], "groups": ["x: w; cos: 1"]},
        {
            "always": ["x: w"],
            "never": ["cos: 1"],
            "heredity": ["x: w only with x: 1"],
            "groups": ["x: 1; cos: 1"],
        },
    ],
)
def test_rules_that_contradict_each_other_are_refused(columns: Columns, rules: dict[str, list[str]]) -> None:
    with pytest.raises(
        InputError, match=r'contradict each other: "(x: w|x: 1|cos: 1)" would always be chosen and never'
    ):
        Rules.make(columns, **rules)


def test_conditions_that_others_imply_change_nothing(columns: Columns) -> None:
    settings = Settings(restarts=2, patience=2, nodes=0)
    found = [
        Selector(columns, Rules.make(columns, conditions), "train", settings).search(6)[0]
        for conditions in (["uniform_gas"], ["f_css(x2=0, w=0) = 1", "uniform_gas", "f_css(x2=0, w=0) = 1"])
    ]
    assert found[0].chosen == found[1].chosen
    # the order of the conditions is another one
    np.testing.assert_allclose(found[0].coefficients, found[1].coefficients, rtol=1e-6)


def test_conditions_that_nothing_can_meet_are_refused(columns: Columns) -> None:
    with pytest.raises(InputError, match=r'contradict each other: "uniform_gas of f_css" cannot hold'):
        Rules.make(columns, ["f_css(x2=0, w=0) = 0.9", "uniform_gas"])
    with pytest.raises(InputError, match=r'"uniform_gas of f_cos": no term that may be chosen has a value there'):
        Rules.make(columns, ["uniform_gas"], never=["cos: 1"])
    few = Columns.make(Library(parse_terms(["x = 1; w", "css = 1", "cos = 1"])), fs.Dataset.open("builtin"))
    with pytest.raises(InputError, match="no coefficients of the terms meet all conditions and limits"):
        Selector(few, Rules.make(few, ["2 <= f_x <= 3"], limit=0.5)).check([3])


def test_sizes_that_no_independent_terms_have_are_refused() -> None:
    """w, 1 - 2*w and 1 are two terms however they are chosen."""
    library = Library(parse_terms(["x = 1; w; 1 - 2*w; u(x2, 0.004)", "css = 1", "cos = 1"]))
    columns = Columns.make(library, fs.Dataset.open("builtin"))
    selector = Selector(columns, Rules.make(columns), "train", Settings(restarts=2, patience=2))
    selector.check([1, 5])
    with pytest.raises(InputError, match=r'choose 6 .* has 6 terms, 5 .* independent .*"x: 1 - 2\*w" is a sum .* 1:5'):
        selector.check([5, 6])
    assert selector.search(6) == []
    found = selector.search(4)[0]
    assert found.certificate == "optimal"
    assert len(found.chosen) == len(found.coefficients) == 4
    with pytest.raises(InputError, match=r'always: "x: 1 - 2\*w" is a sum of others always chosen'):
        Selector(columns, Rules.make(columns, always=["x: 1", "x: w", "x: 1 - 2*w"])).check([5])
    # a ridge tells them apart
    Selector(columns, Rules.make(columns), "train", Settings(ridge=1.0)).check([6])


def test_the_docs_have_every_certificate() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs" / "selection.md").read_text(encoding="utf-8").split())
    names = {"restarts": "N", "agreeing": "M", "gap": "g"}
    searched = certificate("restarts", **names)
    for key, (_, meaning) in CERTIFICATES.items():
        shown = {"near": "0.5"}.get(key, "g")
        words = certificate(key, **(names if key == "restarts" else {"gap": shown, "restarts": searched}))
        assert f"* *{words}*: {meaning}" in page


def test_what_is_always_chosen_takes_along_what_it_needs(columns: Columns) -> None:
    rules = Rules.make(columns, always=["x: w"], heredity=["x: w only with x: 1"], groups=["x: 1; cos: 1"])
    names = columns.term_library.names
    assert [names[k] for k in rules.always] == [n for n in names if n in ("x: w", "x: 1", "cos: 1")]


@pytest.mark.parametrize("criterion", ["train_validation", "cross_validation"])
def test_digits_are_those_of_the_reactions_that_were_fitted(columns: Columns, criterion: str) -> None:
    selector = Selector(columns, Rules.make(columns), criterion, Settings(restarts=2, patience=2, screen=20, nodes=0))
    found = selector.search(6)[0]
    functional = columns.functional("mine", found.chosen, found.coefficients)
    rounded = fs.round_parameters(functional, "builtin", shares=fitted_shares(criterion))
    squares = selector.core.solve(list(found.chosen))[0]
    assert rounded.before["train and validation"] == pytest.approx(np.sqrt(squares), rel=1e-9)
    assert rounded.before["train"] == pytest.approx(columns.loss(found.chosen, found.coefficients, "train"), rel=1e-9)
    assert 0.0 <= rounded.after["train and validation"] - rounded.before["train and validation"] <= 0.01
    assert max(rounded.digits.values()) < 8
    # a minimum of these rows: standard errors of a linear fit
    assert all(np.isfinite(e) and e > 0.0 for e in rounded.standard_errors.values())


def test_correlation_of_scan_needs_its_measures(small_file: Path, tmp_path: Path) -> None:
    """Terms of COACH's space on nodes that carry its prefactors; the packaged nodes do not, which is said."""
    terms = ("x = P(0:1, 2*beta - 1) * u(x2, 0.004)^0:1", "css = 2*beta", "cos = P(0:1, w)")
    library = Library(parse_terms(terms))
    with pytest.raises(InputError, match=r"not have the correlation scan_alpha1.*--channel css:scan_alpha1"):
        Columns.make(library, fs.Dataset.open("gscdb"), correlation="scan_alpha1")
    with pytest.raises(InputError, match=r"not have the correlation scan_alpha1.*--channel css:scan_alpha1"):
        make_problem(fs.SearchConfig.make(correlation="scan_alpha1"))
    file = tmp_path / "scan.h5"
    shutil.copy(small_file, file)
    keys = [f"--channel={key}" for key in ("x", "css:scan_alpha1", "cos:scan_alpha1")]
    assert main(["dataset", "quadrature", str(file), "--tolerance", "0.1", "--grid", "level 0", "--quiet", *keys]) == 0
    columns = Columns.make(library, fs.Dataset.open(file), correlation="scan_alpha1")
    chosen, c = [0, 2, 4, 5], [0.9, 0.2, 1.1, 0.8]
    functional = columns.functional("mine", chosen, c)
    assert functional.correlation == "scan_alpha1"
    # the same nodes, in another order of summation: energies of 1e3 kcal/mol
    assert columns.loss(chosen, c, "train") == pytest.approx(fs.wrmsd(functional, fs.Dataset.open(file)), rel=1e-9)
