"""A search is not fooled by its own quadrature: what errs on the nodes leaves, and is never picked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_problem import FakeProblem

import fastsfes as fs
from fastsfes import Expression, Functional, InputError, cli
from fastsfes.bench import main as bench
from fastsfes.datasets import HARTREE_TO_KCAL, Dataset
from fastsfes.energies.check import NodeCheck
from fastsfes.energies.evaluate import grid_energies
from fastsfes.energies.factors import factor_energies
from fastsfes.energies.quadrature import Quadrature
from fastsfes.evolve.evaluation import NODES, Fitness, FitRequest, Known
from fastsfes.evolve.island import Individual
from fastsfes.evolve.rules import Rules, scales_within
from fastsfes.run.assess import Assessed, Checked, OnGrid, assess_reactions
from fastsfes.run.checking import AT_ONCE, MOST, FrontChecks, without
from fastsfes.run.config import SearchConfig
from fastsfes.run.physics import verdict
from fastsfes.run.problem import make_problem
from fastsfes.run.progress import Progress, SilentProgress
from fastsfes.run.search import Run, search
from fastsfes.run.setup import SearchParts, prepare
from fastsfes.run.store import RunStore

FOOLS = "u(x2**4*(1 + w), 99.5)**2"
"""A step that moves with w: between the nodes at w = -1, where it is 0, and the next ones, where it is 1."""


def fooling(factor: float) -> FitRequest:
    """wB97M-V with the step in its same-spin factor."""
    texts = {k: str(c.bound()) for k, c in fs.get_functional("wb97m_v").channels.items()}
    texts["css"] += f" + {factor}*{FOOLS}"
    expressions = {k: Expression.parse(t) for k, t in texts.items()}
    return FitRequest(expressions, {k: {} for k in expressions})


def test_a_form_made_to_fool_the_nodes_leaves() -> None:
    config = SearchConfig.make(dataset="builtin", node_tolerance=0.0)
    problem = make_problem(config)
    asked = fooling(2.0)
    channels = {k: fs.Channel(e) for k, e in asked.expressions.items()}
    believed = problem.evaluate([asked])[0].known
    assert believed.finite  # without a tolerance the nodes are taken as they are
    worst = problem.check.worst(channels, problem.check.order(channels)[:AT_ONCE])
    assert worst > 0.05  # kcal/mol beside the grid
    assert believed.terms[NODES] > 0.01  # which the estimate says
    assert not make_problem(replace(config, node_tolerance=0.01)).evaluate([asked])[0].known.finite
    # a smooth form stays, with its estimate in the fitness
    smooth = make_problem(config).evaluate([fooling(0.0)])[0].known
    assert smooth.finite
    assert smooth.terms[NODES] < 0.01
    assert Fitness(0.5, 0.5).error(smooth) == pytest.approx(
        0.5 * (smooth.train + smooth.validation) + smooth.terms[NODES], rel=1e-14
    )
    assert Fitness(0.5, 0.5).error(Known(1.0, 2.0)) == 1.5  # where nothing could be estimated


def test_one_pass_gives_the_energies_of_the_grid(small_file: Path) -> None:
    """To rounding: the same points, the same sums in another order."""
    dataset = Dataset.open(small_file)
    names = list(dataset.density_names)
    wb97m_v, gas22 = (fs.get_functional(n) for n in ("wb97m_v", "gas22"))
    one = replace(wb97m_v, channels={"css": fs.Channel(Expression.constant(1.0))})
    keys = {"x": "x@0.3", "css": "css", "cos": "cos"}
    factors = [{keys[k]: c.bound() for k, c in f.channels.items()} for f in (wb97m_v, one, gas22)]
    found = factor_energies(factors, dataset, names)
    np.testing.assert_allclose(found, grid_energies([wb97m_v, one, gas22], dataset, names), rtol=0, atol=1e-12)
    # what a search keeps gives the same bits, first and later, whichever features were asked for before
    first = factor_energies(factors[1:2], dataset, names, again=True)
    for _ in range(2):
        np.testing.assert_array_equal(factor_energies(factors, dataset, names, again=True), found)
    np.testing.assert_array_equal(first, factor_energies(factors[1:2], dataset, names))


def test_the_check_measures_what_the_nodes_leave() -> None:
    dataset = Dataset.open("builtin")
    quadrature = Quadrature.load(dataset)
    wb97m_v = fs.get_functional("wb97m_v")
    channels = {**wb97m_v.channels, "css": fs.Channel(Expression.parse(FOOLS))}
    check = NodeCheck(dataset, quadrature, quadrature.keys(wb97m_v), dataset.available)
    worst = check.order(channels)[:1]
    names = list(dataset.available[worst[0]].coefficients)
    grid = grid_energies([replace(wb97m_v, channels=channels)], dataset, names)[0]
    rows = [quadrature.row[dataset.representative(n)] for n in names]
    difference = HARTREE_TO_KCAL * (quadrature.energies(replace(wb97m_v, channels=channels))[rows] - grid)
    expected = abs(
        sum(c * d for c, d in zip(dataset.available[worst[0]].coefficients.values(), difference, strict=True))
    )
    assert check.worst(channels, worst) == pytest.approx(expected, abs=2e-6)  # errors are rounded to 1e-6 kcal/mol
    assert expected > 0.01


def test_a_sample_is_of_the_reactions_that_are_least_certain() -> None:
    """Only some species are put on grids, and a member that the nodes do not carry is found out on them."""
    problem = make_problem(SearchConfig.make(dataset="builtin"))
    check = replace(problem.check, reactions=problem.dataset.available)
    wb97m_v = fs.get_functional("wb97m_v")
    steep = replace(wb97m_v, channels={**wb97m_v.channels, "css": fs.Channel(Expression.parse(FOOLS))})
    told: list[tuple[int, int]] = []

    class Listener(SilentProgress):
        def part(self, name: str, done: int, total: int) -> None:
            told.append((done, total))

    found = assess_reactions(check, [wb97m_v, steep], [("known", wb97m_v)], Listener(), tolerance=0.01)
    sound, wrong = found.members
    count = len(wrong.species)
    assert 0 < count < len(check.quadrature.species)
    assert told[-1] == (count, count)
    assert wrong.compared == {"done": wrong.compared["done"], "of": len(check.reactions)}
    assert wrong.compared["done"] >= MOST
    worst = check.worst(steep.channels, check.order(steep.channels)[:MOST])
    assert wrong.deviation is not None
    assert wrong.deviation >= worst > 0.01
    assert sound.deviation is not None
    assert sound.deviation < 1e-3
    assert sound.energies is None
    assert not found.known[0][2].method  # what is compared with stands on the nodes
    words = f"{wrong.compared['done']} of {len(check.reactions)} reactions within "
    assert words in verdict({"checked": wrong.facts()})


def test_folded_data_are_checked_as_far_as_they_go() -> None:
    """Without densities: few nodes against all, and one integration grid against the other; the rest is named."""
    check = make_problem(SearchConfig.make(dataset="gscdb")).check
    gas22 = fs.get_functional("gas22")
    (found,) = assess_reactions(check, [gas22], [], SilentProgress()).members
    fine = Quadrature.load(check.dataset, "fine")
    change = HARTREE_TO_KCAL * (check.coefficients @ (fine.energies(gas22) - check.quadrature.energies(gas22)))
    assert found.method == "nodes"
    assert found.grids["to"] == fine.integration_grid == "level 5"
    assert found.grids["change"] == pytest.approx(np.abs(change).max(), abs=2e-6)  # rounded to 1e-6 kcal/mol
    assert found.grids["where"] == check.reactions[int(np.argmax(np.abs(change)))].name
    line = verdict({"checked": found.facts()})
    assert "kcal/mol to grid level 5; not checked: " in line
    assert line.endswith("the full grid")
    check = make_problem(SearchConfig.make(dataset="builtin")).check  # which has no second grid
    assert not assess_reactions(check, [gas22], [], SilentProgress(), on_grid="none").members[0].grids


@pytest.mark.parametrize(
    ("text", "degree"),
    [
        ("u(x2, g)**6*w**4", 1),
        ("u(x2*w, g)", 2),
        ("u(x2**2, g)", 2),
        (FOOLS, 5),
        ("exp(0 - x2*x2*x2)", 3),
        ("tanh(sqrt(x2)*w)", 1.5),
        ("u(u(x2, g)**3, h)", 3),
        ("x2**4/(1 + x2**4)", 0),
    ],
)
def test_sharp_arguments_break_a_rule(text: str, degree: float) -> None:
    expressions = {"x": Expression.parse(text)}
    for limit in (0.5, 1.0, 1.5, 2.0, 3.0, 4.5, 5.0):
        assert Rules(sharpness=limit).allow(expressions) == (degree <= limit)
    assert Rules().allow(expressions)


def test_registered_functionals_keep_the_rules() -> None:
    for name in fs.list_functionals():
        functional = fs.get_functional(name)
        expressions = {k: c.expression for k, c in functional.channels.items()}
        # energies per volume (the correlation of SCAN) have powers of the densities themselves in exponentials
        factors = {k: e for k, e in expressions.items() if k != "one"}
        assert Rules(sharpness=SearchConfig().max_sharpness).allow(factors), name
        parameters = {k: c.parameters for k, c in functional.channels.items()}
        assert scales_within(expressions, parameters, SearchConfig().max_scale), name


def test_bases_that_break_the_rule_are_refused(tmp_path: Path) -> None:
    wb97m_v = fs.get_functional("wb97m_v")
    path = tmp_path / "steep.json"
    replace(wb97m_v, channels={"x": fs.Channel(Expression.parse(f"1 + c0*{FOOLS}"), {"c0": 1.0})}).to_json(path)
    with pytest.raises(InputError, match=r"breaks .*max_sharpness"):
        prepare(SearchConfig.make(base=(str(path),)))
    prepare(SearchConfig.make(base=(str(path),), max_sharpness=0))  # it can be switched off


def test_scales_have_bounds() -> None:
    e = {"x": Expression.parse("c0 + u(x2, g) + u(w, 2)")}
    for g, fits in ((0.004, True), (1000.0, True), (1001.0, False), (-1e-9, False), (0.0, True)):
        assert scales_within(e, {"x": {"c0": 1e5, "g": g}}, 1000.0) == fits
    assert not scales_within({"x": Expression.parse("u(x2, 2000)")}, {"x": {}}, 1000.0)


SMALL = SearchConfig.make(candidates=401, population=20, tournament=4, generation=20, generations=2, islands=2)


class Fooled(FakeProblem):
    """A problem whose nodes are wrong for exchange factors of x2, as its grid says."""

    on_grids = True

    def node_error(self, member: Individual, parts: SearchParts, done: int, count: int) -> float:
        return 1.0 if self._wrong(self.functional("", member, parts)) else 0.0

    def assess(self, members: Sequence[Functional], progress: Progress, *, on_grid: OnGrid = "sample") -> Assessed:
        return Assessed(tuple(Checked("grid", 1.0 if self._wrong(f) else 0.0) for f in members))

    @staticmethod
    def _wrong(functional: Functional) -> bool:
        return "x2" in functional.channels["x"].expression.features


def fooled(config: SearchConfig) -> Fooled:
    """wB97M-V-like factors; the exchange one needs x2, so that the search is led astray where it is not checked."""
    return Fooled({k: str(c.bound()) for k, c in fs.get_functional("wb97m_v").channels.items()})


def history(run: Run) -> list[tuple[object, ...]]:
    with RunStore.open(run.path / "history.sqlite") as store:
        rows = store.candidates.execute("SELECT * FROM candidates ORDER BY round, island, number").fetchall()
        return [*rows, tuple(m.number for m in store.archive())]


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return search(SMALL, output=tmp_path_factory.mktemp("runs") / "checked", problem=fooled)


def test_checks_lead_the_search(checked: Run, tmp_path: Path) -> None:
    free = search(replace(SMALL, node_tolerance=0), output=tmp_path / "free", problem=fooled)
    assert any("x2" in r["expressions"]["x"] for r in free.pareto)
    assert "x2" in free.best.channels["x"].expression.features
    assert "x2" not in checked.best.channels["x"].expression.features
    with RunStore.open(checked.path / "history.sqlite") as store:
        kept = store.usage["checks"]
    assert kept["banned"]
    fingerprints = {m.fingerprint for s in checked.states for m in s.population}
    # those found out in the last round have not left yet
    assert len(fingerprints & set(kept["banned"])) <= 1


def test_checks_belong_to_rounds_not_to_the_clock(checked: Run, tmp_path: Path) -> None:
    """The same run in two processes, where a check goes on beside the epochs, and when it is stopped on the way."""
    processes = replace(SMALL, executor="processes", workers=2, threads=1)
    assert history(search(processes, output=tmp_path / "processes", problem=fooled)) == history(checked)
    stopped = search(SMALL, output=tmp_path / "stopped", time_limit=1e-9, problem=fooled)
    assert not stopped.summary["complete"]
    assert history(search(resume=stopped.path, time_limit=0.0, problem=fooled)) == history(checked)


def three_individuals() -> list[Individual]:
    genome = prepare(SMALL).bases[0][1]
    return [
        Individual(0, k, genome, f"family {k}", {}, 1.0, 1.0, {NODES: estimate}, 3.0 + k, 1.0, 1.0 + k)
        for k, estimate in enumerate((1e-5, 5e-3, 1e-4))
    ]


def test_the_most_doubtful_is_checked_first_and_leaves_when_found_out() -> None:
    sound, doubtful, other = three_individuals()
    checks = FrontChecks(0.01)
    assert checks.next([sound, doubtful, other]) == (doubtful, 0)
    assert checks.take(doubtful, 1e-3)
    assert checks.next([sound, doubtful, other]) == (doubtful, AT_ONCE)  # it is looked at again
    assert not checks.take(doubtful, 0.011)
    assert checks.banned == {"family 1"}
    checks.forget([sound, other])
    assert checks.next([sound, other]) == (other, 0)
    assert FrontChecks.of(0.01, checks.to_dict()) == checks
    assert FrontChecks(0.0).next([sound]) is None


def test_who_was_found_out_leaves_the_island(checked: Run) -> None:
    state = checked.states[0]
    best = state.best
    left = without(state, frozenset({best.fingerprint}))
    assert best.fingerprint not in {m.fingerprint for m in left.population}
    assert left.best.fitness >= best.fitness
    assert left.best.fingerprint != best.fingerprint
    assert left.record >= left.best.fitness
    assert without(state, frozenset({"nobody"})) is state


@pytest.mark.slow
def test_winners_of_twenty_seeds_are_right(shared: Path, tmp_path: Path) -> None:
    """The preset "beyond" with 30,000 candidates on MGCDB84's densities: hours."""
    file = tmp_path / "mgcdb84.h5"
    for command in (
        ["dataset", "import", str(shared / "mgcdb84"), "--output", str(file)],
        ["dataset", "quadrature", str(file), "--channel", "x@0.3", "--channel", "css", "--channel", "cos"],
    ):
        assert cli.main(list(command)) == 0
    assert bench(["trust", "--dataset", str(file), "--seeds", "20", "--candidates", "30000"]) == 0
