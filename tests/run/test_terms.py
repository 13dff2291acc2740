"""Grid sensitivity and cross-validation, against plain NumPy and the objective."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_problem import KINDS, request

from fastsfes import Dataset, Functional, InputError, Quadrature, SearchConfig
from fastsfes.datasets import HARTREE_TO_KCAL
from fastsfes.datasets.storage import write_dataset
from fastsfes.energies.evaluate import grid_energies
from fastsfes.energies.frame import frame_of
from fastsfes.energies.quadrature import NodeGrid, build_quadrature, save_quadrature
from fastsfes.fitting import folds_of
from fastsfes.functionals.functional import Channel
from fastsfes.run.assess import assess_reactions
from fastsfes.run.physics import verdict
from fastsfes.run.problem import make_problem
from fastsfes.run.progress import SilentProgress


def test_folds_are_whole_subsets_of_like_size() -> None:
    subsets = ["a"] * 7 + ["b"] * 2 + ["c"] * 3 + ["d"] + ["e"] * 2 + ["AE18"] * 4
    folds = folds_of(subsets, 3, ["AE*"])
    assert sorted(i for f in folds for i in f) == list(range(15))  # all but the kept ones, once
    for name in "abcde":
        assert sum(name in {subsets[i] for i in f} for f in folds) == 1
    assert sorted(len(f) for f in folds) == [4, 4, 7]
    assert len(folds_of(subsets, 20, ["AE*"])) == 5
    assert folds_of(["AE18"], 5, ["AE18"]) == []


def test_cross_validation_is_what_plain_least_squares_gives() -> None:
    config = SearchConfig.make(
        dataset="builtin", cross_validation_coefficient=1.0, train_coefficient=0, validation_coefficient=0
    )
    evaluate = make_problem(config).evaluate
    asked = request("c0 + c1*u(x2, 0.004) + c2*w", css="c0", cos="c0 + c1*w")
    found = evaluate([asked])[0].known.terms["cross_validation"]
    assert evaluate([request("1"), asked])[1].known.terms["cross_validation"] == pytest.approx(found, rel=1e-9)

    dataset = Dataset.open("builtin")
    reactions = [r for r in dataset.available if r.split in ("train", "validation")]
    data = Quadrature.load(dataset).problem(dataset, {"x": "x@0.3", "css": "css", "cos": "cos"}, reactions=reactions)
    columns, fixed = [], data.target
    for kind in KINDS:
        e, channel = asked.expressions[kind], data.channels[kind]
        for p in e.parameters:
            unit = {q: float(q == p) for q in e.parameters}
            values = np.broadcast_to(e.evaluate(dict(channel.values), unit), channel.matrix.shape[1:])
            columns.append(channel.matrix @ values)
    matrix, root = np.array(columns).T, np.sqrt(data.weights)
    total = 0.0
    folds = folds_of([r.subset for r in reactions], config.folds, config.keep_subsets)
    assert len(folds) > 1
    for fold in folds:
        kept = np.setdiff1d(np.arange(len(reactions)), fold)
        solution = np.linalg.lstsq(root[kept, None] * matrix[kept], root[kept] * fixed[kept], rcond=None)[0]
        total += float(np.sum(data.weights[fold] * (matrix[fold] @ solution - fixed[fold]) ** 2))
    # the packaged columns are nearly dependent: the error of a left-out row loses digits
    assert found == pytest.approx(math.sqrt(total / sum(len(f) for f in folds)), rel=1e-6)


@pytest.fixture(scope="module")
def two_grids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few packaged reactions with quadratures of two integration grids."""
    path = tmp_path_factory.mktemp("terms") / "small.h5"
    builtin = Dataset.open("builtin")
    by_size = sorted(
        builtin.available, key=lambda r: (sum(len(builtin.species[n].symbols) for n in r.coefficients), r.name)
    )
    reactions = tuple(
        replace(r, split=split, subset=f"subset {k}")
        for k, (r, split) in enumerate(zip(by_size[:4], ("train", "train", "validation", "validation"), strict=True))
    )
    names = sorted({n for r in reactions for n in r.coefficients})
    contents = replace(
        builtin.contents, name="small", species={n: builtin.species[n] for n in names}, reactions=reactions, missing={},
        dropped={},
    )  # fmt: skip
    write_dataset(path, contents, (([n], builtin.density(n)) for n in names))
    dataset = Dataset.open(path)
    channels = ("x@0.3", "css", "cos")
    ladder = (NodeGrid.make({"x2": 128, "w": 48}, 7),)
    base = build_quadrature(
        dataset, channels=channels, tolerance=1.0, integration_grid="level 0", ladder=ladder, reduce=True
    )
    save_quadrature(path, base)
    return path


def test_grid_sensitivity_is_that_of_the_objective(two_grids: Path) -> None:
    config = SearchConfig.make(dataset=str(two_grids), grid_coefficient=2.0)
    with pytest.raises(InputError, match="grid_coefficient needs a second quadrature") as caught:
        make_problem(config)
    (_, remedy) = str(caught.value).split("; make it with: ")
    assert remedy == f'fastsfes dataset quadrature {two_grids} --name fine --grid "level 5" --like default'
    base = Quadrature.load(Dataset.open(two_grids))
    fine = build_quadrature(Dataset.open(two_grids), name="fine", integration_grid="level 1", like=base)
    save_quadrature(two_grids, fine)
    dataset = Dataset.open(two_grids)
    asked = request("1 + 0.3*u(x2, 0.01)", css="1 - 0.5*w", cos="1 + 0.2*w**2*u(x2, 0.02)")
    found = make_problem(config).evaluate([asked])[0].known.terms["grid"]

    probe = Functional("probe", {k: Channel(e) for k, e in asked.expressions.items()})
    probe = probe.with_frame(frame_of(dataset))
    names = list(base.species)
    low, high = (grid_energies([probe], dataset, names, grid=g)[0] for g in ("level 0", "level 1"))
    difference = dict(zip(names, HARTREE_TO_KCAL * (high - low), strict=True))
    reactions = dataset.available
    change = [sum(c * difference[dataset.representative(n)] for n, c in r.coefficients.items()) for r in reactions]
    expected = math.sqrt(np.mean([r.weight * x**2 for r, x in zip(reactions, change, strict=True)]))
    assert expected > 1e-3
    # 150 nodes a channel stand for the difference of two rules of a thousand
    assert found == pytest.approx(expected, rel=0.02)

    # the check of a winner says the same of the reaction that changes most, on all nodes
    check = make_problem(config).check
    (checked,) = assess_reactions(check, [probe], [], SilentProgress(), on_grid="none").members
    worst = int(np.argmax(np.abs(change)))
    assert checked.grids["change"] == pytest.approx(abs(change[worst]), rel=1e-3)
    assert (checked.grids["where"], checked.grids["to"]) == (reactions[worst].name, "level 1")
    assert f"reactions change by {checked.grids['change']:.1e} kcal/mol to grid level 1" in verdict(
        {"checked": checked.facts()}
    )


def test_a_second_quadrature_of_other_nodes_is_refused(two_grids: Path) -> None:
    other = build_quadrature(
        Dataset.open(two_grids), name="other", channels=("x@0.3", "css", "cos"), tolerance=1.0,
        integration_grid="level 0", ladder=(NodeGrid.make({"x2": 96, "w": 32}, 5),), reduce=False,
    )  # fmt: skip
    save_quadrature(two_grids, other)
    config = SearchConfig.make(dataset=str(two_grids), grid_coefficient=2.0, fine_quadrature="other")
    with pytest.raises(InputError, match="has other species or nodes than"):
        make_problem(config)
