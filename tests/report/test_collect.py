"""The data of a report beside the store, the summary and the objective."""

from __future__ import annotations

import itertools
import json
import math
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from damage import mutations

import fastsfes as fs
from fastsfes import FastsfesError
from fastsfes.analysis import optimum, parameter_uncertainties, term_contributions
from fastsfes.cli import main
from fastsfes.common.runfolder import HISTORY
from fastsfes.energies.evaluate import evaluate
from fastsfes.functionals.names import display_name
from fastsfes.health import BESIDE
from fastsfes.report import collect, read_report, render
from fastsfes.report.data.history import ancestors, mutation_statistics, search_history
from fastsfes.report.data.robustness import RESULT, validation
from fastsfes.report.sections.parts import error_text
from fastsfes.report.sections.validation import validation_section
from fastsfes.run.search import Run
from fastsfes.run.store import RunStore


def rows(run: Run, query: str) -> list[tuple]:
    with RunStore.open(run.path / HISTORY, read_only=True) as store:
        return store.candidates.execute(query).fetchall()


def test_convergence_is_the_running_minimum(run: Run) -> None:
    with RunStore.open(run.path / HISTORY, read_only=True) as store:
        history = search_history(store, run.pareto)
    found = rows(run, "SELECT fitness FROM candidates ORDER BY round, island, number")
    values = np.array([math.inf if f is None else f for (f,) in found])
    assert history["candidates"] == len(values) == 400
    assert history["finite"] == int(np.isfinite(values).sum())
    low = np.minimum.accumulate(values)
    steps = [0, *(1 + np.flatnonzero(low[1:] < low[:-1])).tolist()]
    assert [r["made"] - 1 for r in history["convergence"]] == steps
    assert [r["fitness"] for r in history["convergence"]] == low[steps].tolist()
    assert history["convergence"][-1]["fitness"] == run.summary["best"]["fitness"]
    assert history["pareto"] == [{k: r[k] for k in history["pareto"][0]} for r in run.pareto]
    ((worst,),) = rows(run, "SELECT MAX(error) FROM candidates WHERE parent < 0")
    ((count,),) = rows(run, f"SELECT COUNT(*) FROM candidates WHERE duplicate = 0 AND error <= {worst!r}")
    assert sum(n for _, _, n in history["cloud"]) == count


def test_ancestors_are_a_chain_from_a_base_to_the_winner(run: Run) -> None:
    best = run.summary["best"]
    with RunStore.open(run.path / HISTORY, read_only=True) as store:
        line = ancestors(store, best["candidate"], best["island"])
    parents = {
        (i, n): (pi, p) for i, n, pi, p in rows(run, "SELECT island, number, parent_island, parent FROM candidates")
    }
    keys = [(s["island"], s["number"]) for s in line]
    assert keys[-1] == (best["island"], best["candidate"])
    assert parents[keys[0]][1] == -1
    for before, after in itertools.pairwise(keys):
        assert parents[after] == before
    marked = [s for s in line if "expressions" in s]
    assert marked[0] is line[0]
    assert marked[-1] is line[-1]
    shown: dict[str, str] = {}
    for step in marked:
        assert {k for k, t in step["expressions"].items() if shown.get(k) != t} == set(step["changed"])
        shown = step["expressions"]


def test_milestones_describe_the_candidates(run: Run) -> None:
    """The multiplied-out formula of an ancestor is the function that its row holds."""
    best = run.summary["best"]
    with RunStore.open(run.path / HISTORY, read_only=True) as store:
        line = ancestors(store, best["candidate"], best["island"])
        last = store.candidate(best["candidate"], best["island"])
    assert last is not None
    for kind, channel in run.best.channels.items():
        assert line[-1]["expressions"][kind] == str(channel.expression)


def test_mutations_are_counted(run: Run) -> None:
    with RunStore.open(run.path / HISTORY, read_only=True) as store:
        found = {m["mutation"]: m for m in mutation_statistics(store)}
    table = rows(
        run,
        "SELECT c.mutation, c.duplicate, c.fitness, p.fitness FROM candidates c, candidates p "
        "WHERE p.island = c.parent_island AND p.number = c.parent",
    )
    assert len(table) == 398  # all but the bases of two islands
    for name, m in found.items():
        own = [r for r in table if name in r[0].split("+")]
        new = [r for r in own if not r[1]]
        assert (m["made"], m["new"]) == (len(own), len(new))
        assert m["finite"] == sum(r[2] is not None for r in new)
        assert m["better"] == sum(r[2] is not None and r[2] < r[3] * (1 - 1e-9) for r in new)
    assert set().union(*(r[0].split("+") for r in table)) == set(found)


def test_errors_are_those_of_the_objective(run: Run, gathered: dict) -> None:
    errors = gathered["errors"]
    dataset = fs.Dataset.open("builtin")
    report = run.summary["report"]
    assert errors["functionals"] == [r["name"] for r in report["rows"]]
    for split in ("train", "validation", "test"):
        (whole,) = [g for g in errors["groups"] if g["split"] == split and g["kind"] == "split"]
        # what the page shows per type belongs to what the summary says in all
        assert [s["wrmsd"] for s in whole["statistics"]] == [r[split] for r in report["rows"]]
        own = [r for r in errors["reactions"] if r["split"] == split]
        for kind in ("type", "subset"):
            for g in (g for g in errors["groups"] if g["split"] == split and g["kind"] == kind):
                mine = np.array([r["errors"] for r in own if r[kind] == g["name"]])
                assert [s["reactions"] for s in g["statistics"]] == [len(mine)] * len(errors["functionals"])
                rmsd = np.sqrt(np.mean(mine**2, axis=0))
                np.testing.assert_allclose([s["rmsd"] for s in g["statistics"]], rmsd, rtol=1e-12)
    gas22 = evaluate("gas22", dataset, "test")
    k = errors["functionals"].index("GAS22")
    found = {r["name"]: r["errors"][k] for r in errors["reactions"] if r["split"] == "test"}
    assert found == {r.name: e for r, e in zip(gas22.reactions, gas22.errors.tolist(), strict=True)}


def test_factors_are_the_functionals_factors(run: Run, gathered: dict) -> None:
    for kind, item in gathered["factors"].items():
        s = np.array(item["s"])
        x2 = 4.0 * (6.0 * np.pi**2) ** (2.0 / 3.0) * s**2
        for name, values in item["curves"].items():
            channel = (run.best if name == run.best.name else fs.get_functional(name)).channels[kind]
            for w, curve in zip(item["w"], values, strict=True):
                known = {"x2": x2, "w": np.full_like(s, w)}
                expected = channel.evaluate({f: known[f] for f in channel.expression.features})
                # seven digits are kept for drawing
                np.testing.assert_allclose(curve, np.broadcast_to(expected, s.shape), rtol=1e-6, atol=1e-12)
        surface = item["surface"]
        assert np.shape(surface["values"]) == (len(surface["w"]) - 1, len(surface["s"]) - 1)
        shares = [share for _, _, share in item["molecules"]]
        assert shares == sorted(shares, reverse=True)
        assert 0.99 <= sum(shares) <= 1.0 + 1e-3


def test_pbe_exchange_has_its_known_enhancement(gathered: dict) -> None:
    """F(s) = 1 + kappa - kappa/(1 + mu s^2/kappa), 10.1103/PhysRevLett.77.3865 Eq. 14: the axis is the true s."""
    item = gathered["factors"]["x"]
    s = np.array(item["s"])
    expected = 1.804 - 0.804 / (1 + 0.2195149727645171 * s**2 / 0.804)
    for curve in item["curves"]["pbe_x"]:
        np.testing.assert_allclose(curve, expected, rtol=1e-6)


def test_the_data_are_plain_json(page: Path, gathered: dict) -> None:
    data = read_report(page)
    json.dumps(data, allow_nan=False)
    assert data["format"] == "fastsfes-report"
    assert data.keys() == gathered.keys()
    assert data["summary"] == gathered["summary"]
    assert data["factors"].keys() == gathered["factors"].keys()
    assert numbers(data["factors"]) == pytest.approx(numbers(gathered["factors"]), rel=1e-4, abs=1e-6)  # five digits


def numbers(data: object) -> list[float]:
    """All numbers, in their order."""
    if isinstance(data, (int, float)):
        return [float(data)]
    parts = data.values() if isinstance(data, dict) else data if isinstance(data, list) else []
    return [x for part in parts for x in numbers(part)]


def test_parts_are_those_of_the_public_functions(run: Run, gathered: dict) -> None:
    at = optimum(run.best, "builtin", refit=False)
    assert gathered["insight"]["terms"] == term_contributions(at).to_dict()
    assert gathered["insight"]["uncertainties"] == parameter_uncertainties(at).to_dict()
    # the winner's own parameters are analysed, not others
    values = {p["name"]: p["value"] for p in gathered["insight"]["uncertainties"]["parameters"]}
    assert values == run.best.parameters
    assert gathered["insight"]["bootstrap"]["samples"] <= 20
    assert gathered["health"]["name"] == run.best.name
    assert list(gathered["health"]["beside"]) == list(BESIDE)
    assert "validate" in gathered["problems"]["validation"]


def test_a_validation_is_taken_up(run: Run, gathered: dict, tmp_path: Path) -> None:
    """Real self-consistent calculations of an atom and a molecule, found where the command leaves them."""
    path = tmp_path / "validated"
    shutil.copytree(run.path, path)
    small = ["--basis", "sto-3g", "--density-fit", "none", "--grid", "(20,50)", "--start", "atoms"]
    assert main(["validate", str(path), "--species", "g2_Li,g2_Li2", "--baselines", "gas22", *small, "--quiet"]) == 0
    made = json.loads((path / RESULT).read_text())
    found = collect(Run(path), level="none", samples=0)["validation"]
    assert found["functionals"] == made["functionals"]
    assert [r["name"] for r in found["reactions"]] == [r["name"] for r in made["reactions"]] != []
    page = render({**gathered, "validation": found})
    table = page[page.index('<section id="validation"') :]
    for f in found["functionals"]:
        assert display_name(f["name"]) in table
        assert error_text(f["scf"]["total"]["wrmsd"]) in table
    assert "2 of 2" in table


def test_a_damaged_validation_is_named(run: Run, tmp_path: Path) -> None:
    file = tmp_path / RESULT
    file.parent.mkdir()
    for text in ("{", "[]", '{"format": "other", "version": 1}', '{"format": "fastsfes-validation", "version": 1}'):
        file.write_text(text)
        with pytest.raises(FastsfesError, match=r"validation\.json.*[Rr]un again: fastsfes validate"):
            validation(tmp_path)


def statistics(*values: float) -> dict:
    return dict(zip(("reactions", "rmsd", "mae", "wrmsd"), (2, *values), strict=True))


def test_damage_anywhere_in_a_validation(gathered: dict, tmp_path: Path) -> None:
    """It is one sentence, or a page all the same; nothing of the file is markup or reaches a terminal."""
    table = {"total": statistics(1.5, 1.25, 2.5), "by_type": {"TCE": statistics(1.5, 1.25, 2.5)}}
    course = {"species": 3, "converged": 2, "cycles_max": 9, "cycles_mean": 7.5, "seconds": 1.5, "rungs": {"diis": 2}}
    whole = {
        "format": "fastsfes-validation",
        "version": 1,
        "dataset": "small",
        "settings": {"start": "density", "nlc": "scf", "conv_tol": 1e-9, "max_cycle": 50, "stability": False},
        "functionals": [
            {"name": name, "convergence": course, "scf": table, "frozen": table} for name in ("winner", "gas22")
        ],
        "reactions": [
            {"name": r, "errors": {n: {"scf": 1.0, "frozen": -0.5} for n in ("winner", "gas22")}} for r in ("r1", "r2")
        ],
        "excluded": {"r3": "H3 did not converge with winner"},
    }
    file = tmp_path / RESULT
    file.parent.mkdir()
    file.write_text(json.dumps(whole))
    assert validation(tmp_path).items() <= whole.items()
    read, refused = 0, []
    for text in mutations(whole, random.Random(5), places=200):
        file.write_text(text)
        try:
            found = validation(tmp_path)
        except FastsfesError as error:
            refused.append(str(error))
        else:
            assert "\x1b" not in str(validation_section({**gathered, "validation": found}))
            read += 1
    assert all("validate" in sentence and "\n" not in sentence for sentence in refused)
    assert read > 30
    assert len(refused) > 100


def test_without_its_dataset_a_run_has_a_report_all_the_same(run: Run, gathered: dict, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(run.path, moved)
    (moved / "config.toml").write_text(replace(run.config, dataset="gone.h5").to_toml())
    data = collect(Run(moved), level="none")
    assert data["errors"] is None
    assert data["dataset"] is None
    assert "gone.h5" in data["problems"]["dataset"]
    assert "--dataset" in data["problems"]["dataset"]
    assert data["factors"]["x"]["molecules"] == []
    assert data["insight"] is None
    render(data)
    assert collect(Run(moved), "builtin", level="none", samples=0)["errors"] == gathered["errors"]
    with pytest.raises(fs.InputError, match="absent"):
        collect(Run(moved), "absent.h5")
