"""Which member of the front is the result, and what is said of it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_problem import three_channels

import fastsfes as fs
from fastsfes import InputError, cli
from fastsfes.health.convergence import SIZES
from fastsfes.health.totals import EXACT_ATOMS
from fastsfes.run.choose import RULES, cross_validated, pick, within_one_error
from fastsfes.run.config import SearchConfig
from fastsfes.run.physics import atom_energy, faults, physics, verdict
from fastsfes.run.problem import make_problem
from fastsfes.run.progress import SilentProgress
from fastsfes.run.search import Run, search


def row(complexity: int, fitness: float, cv: float | None = None, **more: Any) -> dict[str, Any]:
    """A member; its cross-validated errors are the same in three subsets of four reactions unless given."""
    squares = {} if cv is None else {name: [4, 4 * cv**2] for name in "abc"}
    return {
        "complexity": complexity, "parameters": complexity // 3, "fitness": fitness, "error": fitness,
        "train": fitness, "validation": fitness, "faults": [], "reactions": 40, "left_out": squares,
        "cross_validation": cross_validated(squares),
        "functional": {"channels": {"x": {"expression": "c0 + c1*u(x2, g)"}}}, **more,
    }  # fmt: skip


def test_best_is_the_lowest_fitness() -> None:
    rows = [row(3, 2.0), row(5, 1.0), row(7, 1.5)]
    assert pick(rows, "best") == 1


def test_one_standard_error_takes_the_simplest_that_is_as_good() -> None:
    """Differences of -1, 0, +2 per subset: their mean is within their standard error; a steady 0.1 is not."""
    best = {"a": [4, 10.0], "b": [4, 10.0], "c": [4, 10.0]}
    scattered = {"a": [4, 9.0], "b": [4, 10.0], "c": [4, 12.0]}
    steady = {"a": [4, 10.1], "b": [4, 10.1], "c": [4, 10.1]}
    mean, residuals = 1 / 12, [-1 - 4 / 12, -4 / 12, 2 - 4 / 12]
    error = math.sqrt(3 / 2 * sum(r**2 for r in residuals)) / 12
    assert mean <= error
    assert within_one_error(scattered, best)
    assert not within_one_error(steady, best)
    assert within_one_error(best, best)
    rows = [
        row(k, 1.0, left_out=s, cross_validation=cross_validated(s)) for k, s in enumerate((steady, scattered, best))
    ]
    assert pick(rows, "one-se") == 1
    assert pick(rows[2:], "one-se") == 0
    assert cross_validated(best) == pytest.approx(math.sqrt(30 / 12), rel=1e-14)


def test_without_cross_validation_the_rule_is_best() -> None:
    rows = [row(3, 2.0), row(5, 1.0)]
    assert rows[0]["cross_validation"] is None
    assert pick(rows, "one-se") == 1
    assert cross_validated({"a": [3, math.inf]}) is None


def test_the_knee() -> None:
    rows = [row(c, e) for c, e in ((1, 100.0), (4, 3.0), (12, 2.0), (20, 1.0))]
    assert pick(rows, "knee") == 1
    assert pick(rows[:2], "knee") == 1  # no knee: the best


def test_bic_weighs_parameters_and_the_formula() -> None:
    """By hand: 5 kinds of nodes (+, *, u, parameter, x2)."""
    rows = [row(6, 2.0), row(9, 1.9), row(30, 0.5)]

    def criterion(r: dict[str, Any]) -> float:
        penalty = r["parameters"] * math.log(40) + 2 * r["complexity"] * math.log(5)
        return float(40 * math.log(r["train"] ** 2) + penalty)

    expected = min(range(3), key=lambda k: criterion(rows[k]))
    assert pick(rows, "bic") == expected
    assert pick([row(6, 2.0), row(9, 1.9)], "bic") == 0
    assert pick([row(6, 2.0), row(9, 0.2)], "bic") == 1


@pytest.mark.parametrize("rule", RULES)
def test_members_with_faults_are_no_candidates(rule: str) -> None:
    rows = [row(3, 9.0, 9.0), row(5, 1.0, 1.0, faults=["the nodes are wrong"]), row(7, 8.0, 8.5)]
    assert pick(rows, rule) != 1
    all_wrong = [row(3, 9.0, 9.0, faults=["a", "b"]), row(5, 1.0, 1.0, faults=["a"])]
    assert pick(all_wrong, rule) == 1  # the fewest


def test_unknown_rules_are_refused() -> None:
    with pytest.raises(InputError, match="the rules are best, one-se, knee, bic"):
        pick([row(1, 1.0)], "newest")
    with pytest.raises(InputError, match=r"select = .newest"):
        SearchConfig.make(select="newest")
    with pytest.raises(InputError, match="the front is empty"):
        pick([], "best")


def test_physics_of_known_functionals() -> None:
    found = physics(fs.get_functional("pbe"))
    assert found["conditions"]["met"] + len(found["conditions"]["failed"]) == found["conditions"]["of"]
    assert found["correlation"]["energy"] < 0.0
    assert found["radial"]["points"] in SIZES
    assert faults({**found, "method": "grid", "deviation": 1e-4}, 0.01) == []
    assert faults({**found, "method": "grid", "deviation": 0.02}, 0.01) == [
        "the nodes are wrong by 0.02 kcal/mol beside the full grid"
    ]
    assert faults({**found, "method": "grid", "deviation": 0.02}, 0.0) == []
    text = verdict({"checked": {**found, "method": "grid", "deviation": 1e-4}, "faults": []})
    for part in ("exact conditions met", "correlation negative", "radial grids", "within 1.0e-04 kcal/mol"):
        assert part in text
    assert text.endswith("not checked: the total energy of an atom")
    assert "\n" not in text


def test_unphysical_functionals_have_faults() -> None:
    lda = fs.get_functional("lda")
    positive = fs.load("x = 1; css = 0 - 1; cos = 0 - 1")
    assert [f for f in faults(physics(positive), 0.01) if "correlation" in f]
    step = fs.load("x = 1 + 0.1*tanh(1e4*(w - 0.3)); css = 1; cos = 1")
    found = physics(step)
    assert found["radial"]["points"] is None or found["radial"]["points"] >= 350
    assert [f for f in faults(found, 0.01) if "radial" in f]
    assert "FAILS: radial grids are" in verdict({"checked": found, "faults": faults(found, 0.01)})
    assert faults(physics(lda), 0.01) == []


def test_total_energies_of_atoms() -> None:
    """wB97M-V comes within 0.1 % of every exact energy; the table is that of AE18."""
    dataset = fs.Dataset.open("gscdb")
    problem = make_problem(SearchConfig.make())
    functional = fs.get_functional("wb97m_v")
    energies = dict(zip(problem.quadrature.species, problem.check.on_nodes(functional.channels).tolist(), strict=True))
    found = atom_energy(dataset, functional, energies)
    assert found is not None
    assert found["atom"] == "Ne"
    assert found["energy"] == pytest.approx(found["exact"], rel=1e-3)
    references = {r.name: r.reference for r in dataset.available if r.subset == "AE18"}
    assert len(references) == 18
    for reaction in (r for r in dataset.available if r.subset == "AE18"):
        (species,) = reaction.coefficients
        symbol = dataset.species[species].symbols[0]
        spin, exact = EXACT_ATOMS[symbol]
        assert dataset.species[species].spin == spin
        assert 627.509474 * exact == pytest.approx(reaction.reference, abs=0.01)
    assert atom_energy(dataset, functional, {}) is None
    wrong = {**found, "energy": 0.98 * found["exact"]}
    assert faults({"atom": wrong}, 0.01) == ["the total energy of Ne is wrong"]


def test_cross_validation_by_subset_is_that_of_the_report() -> None:
    problem = make_problem(SearchConfig.make(dataset="builtin"))
    functional = fs.get_functional("gas22")
    assessed = problem.assess([functional], SilentProgress(), on_grid="none")
    checked = assessed.members[0]
    assert set(checked.left_out) == {r.subset for r in problem.dataset.available if r.split != "test"}
    assert cross_validated(checked.left_out) == pytest.approx(problem._terms(functional)["cross_validation"], rel=1e-12)
    assert checked.method == "nodes"
    assert checked.deviation is not None
    assert checked.deviation < 1e-3


SMALL = SearchConfig.make(candidates=401, population=20, tournament=4, generation=20, generations=3)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return search(SMALL, output=tmp_path_factory.mktemp("runs") / "run", problem=three_channels)


def test_a_finished_run_can_be_asked_for_another_pick(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    rows = run.members
    assert run.select(run.config.select) == next(r["index"] for r in rows if r["picked"])
    for rule in RULES:
        index = run.select(rule)
        assert cli.main(["show", str(run.path), "--select", rule]) == 0
        shown = capsys.readouterr().out
        assert f"picked by {rule}: {run.path}:{index}" in shown
        assert f"{index}*" in shown.split()
        assert shown.count("verdict: ") == 1
        assert cli.main(["show", str(run.path), "--select", rule, "--json"]) == 0
        data = json.loads(capsys.readouterr().out)
        assert data["best"] == run[index].to_dict()
        assert [r["index"] for r in data["pareto"] if r["picked"]] == [index]
    assert cli.main(["show", str(run.path), "--select", "newest"]) == 2


def test_the_winner_has_a_verdict(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", str(run.path)]) == 0
    shown = capsys.readouterr().out
    index = next(r["index"] for r in run.members if r["picked"])
    assert f"picked by one-se of {len(run.members)} on the front: {run.path}:{index}\nverdict: " in shown


def test_the_front_has_what_rules_look_at(run: Run) -> None:
    pytest.importorskip("pandas")
    frame = run.pareto.to_dataframe()
    for column in ("cross_validation", "grid", "conditions", "picked", "faults"):
        assert column in frame
    assert list(np.flatnonzero(frame["picked"])) == [r["index"] for r in run.members if r["picked"]]


def test_a_run_on_data_is_picked_by_its_rule(tmp_path: Path) -> None:
    config = SearchConfig.make(dataset="builtin", candidates=600, population=20, generation=20, select="bic")
    made = search(config, output=tmp_path / "run", report=False)
    rows = made.members
    assert made.summary["pick"]["rule"] == "bic"
    assert rows[made.summary["pick"]["index"]]["picked"]
    assert all(r["conditions"] and r["cross_validation"] for r in rows if r["parameters"])
    assert all(r["grid"] is not None for r in rows)
