"""Semilocal energies and errors of real species against numbers made with libxc (shared reference data)."""

import json

import numpy as np
import pytest

import fastsfes as fs
from fastsfes import Dataset
from fastsfes.datasets import HARTREE_TO_KCAL
from fastsfes.datasets.production import import_folder
from fastsfes.energies.evaluate import Evaluation, evaluate_many, grid_energies
from fastsfes.energies.quadrature import reaction_targets

FUNCTIONALS = ("wb97m_v", "gas22", "b97")

#: Atoms and molecules of both spins, light and heavy, on the pruned and on the unpruned grid.
DOZEN = (
    "11_H_AE18",
    "13_Li_AE18",
    "20_Ne_AE18",
    "28_Ar_AE18",
    "11_He_RG10",
    "29_S2-_EA13",
    "17_O2+_IP13",
    "34_br_TA13",
    "43_H2O_BH76",
    "67_n2o_BH76",
    "105_al_W4-11",
    "15_H2-H2_dim_NC15",
)


@pytest.fixture(scope="module")
def reference(mgcdb84):
    return json.loads((mgcdb84 / "reference.json").read_text())


@pytest.fixture(scope="module")
def dataset(mgcdb84, tmp_path_factory):
    path = tmp_path_factory.mktemp("shared") / "mgcdb84.h5"
    result = import_folder(mgcdb84, path)
    assert not result.refused
    return Dataset.open(path)


def energies(dataset, names):
    table = grid_energies([fs.get_functional(f) for f in FUNCTIONALS], dataset, names)
    return {f: dict(zip(names, row.tolist(), strict=True)) for f, row in zip(FUNCTIONALS, table, strict=True)}


def check_energies(found, reference):
    for functional, by_name in found.items():
        for name, energy in by_name.items():
            difference = HARTREE_TO_KCAL * (energy - reference["species"][name][functional])
            assert abs(difference) < 1e-6, f"{functional} of {name}: {difference:.1e} kcal/mol"


def check_errors(found, reference, dataset, split, types=None):
    """Weighted and unweighted errors against the stored ones, 1e-3 kcal/mol."""
    reactions = tuple(r for r in dataset.split(split) if types is None or r.data_type in types)
    for functional in ("wb97m_v", "gas22"):
        # In the reference, too, only the semilocal part differs from the functional that made the densities.
        values = np.array([r.energy(found[functional]) for r in reactions])
        evaluation = Evaluation(reactions, HARTREE_TO_KCAL * values - reaction_targets(dataset, reactions), "grid")
        expected = reference["rmsd_by_type"][functional][split]
        assert set(evaluation.by_type) == (set(expected) if types is None else set(types))
        for kind, statistics in evaluation.by_type.items():
            assert statistics.rmsd == pytest.approx(expected[kind], abs=1e-3), (functional, kind)
        if types is None:
            assert evaluation.wrmsd == pytest.approx(reference["wrmsd"][functional][split], abs=1e-3), functional


def test_a_dozen_species(dataset, reference):
    check_energies(energies(dataset, list(DOZEN)), reference)


def test_errors_of_the_atoms(dataset, reference):
    names = sorted({n for r in dataset.split("train") if r.data_type == "AE18" for n in r.coefficients})
    assert len(names) == 18
    check_errors(energies(dataset, names), reference, dataset, "train", types={"AE18"})


def test_counts_of_reactions(dataset, reference):
    for split, subsets in reference["reactions"].items():
        counts = {}
        for reaction in dataset.split(split):
            counts[reaction.subset] = counts.get(reaction.subset, 0) + 1
        assert counts == subsets
    assert len(dataset.available) == sum(sum(subsets.values()) for subsets in reference["reactions"].values())


@pytest.mark.slow
def test_all_species_and_all_errors(dataset, reference):
    by_first = energies(dataset, sorted({dataset.representative(n) for n in dataset.density_names}))
    found = {f: {n: e[dataset.representative(n)] for n in dataset.density_names} for f, e in by_first.items()}
    assert set(found["gas22"]) == set(reference["species"])
    check_energies(found, reference)
    for split in ("train", "validation"):
        check_errors(found, reference, dataset, split)


@pytest.mark.slow
def test_the_quadrature_gives_the_same_errors(dataset, reference):
    from fastsfes.energies.quadrature import build_quadrature, save_quadrature

    quadrature = build_quadrature(dataset, channels=("x@0.3", "css", "cos"))
    save_quadrature(dataset.path, quadrature)
    for level in ("full", "reduced"):
        for split in ("train", "validation"):
            for name, evaluation in zip(
                ("wb97m_v", "gas22"), evaluate_many(["wb97m_v", "gas22"], dataset, split, level=level), strict=True
            ):
                assert evaluation.method == "quadrature"
                assert evaluation.wrmsd == pytest.approx(reference["wrmsd"][name][split], abs=1e-3)
