"""A fit on own densities: where it ends, frozen energies are self-consistent ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from scf_small import SETTINGS, contents

import fastsfes as fs
from fastsfes.cli import main
from fastsfes.datasets import DatasetContents
from fastsfes.datasets.model import HARTREE_TO_KCAL
from fastsfes.datasets.production import build_dataset, rebuild_dataset

REST = 1e-3


def form(c1: float, c2: float) -> fs.Functional:
    """Two parameters in the frame of PBE0."""
    found = fs.load("x = 0.75 + c1*u(x2, 0.004); css = 1; cos = 1 + c2*w", default=1.0)
    changed = found.with_parameters({"x.c1": c1, "cos.c2": c2})
    return replace(changed, name="own", hybrid=fs.get_functional("pbe0").hybrid)


TRUTH = form(0.62, -0.3)
"""Its self-consistent energies are the references."""


@pytest.fixture(scope="module")
def densities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hydrogen with B97's densities; the references are met by one functional alone, on its own densities."""
    folder, given = tmp_path_factory.mktemp("own"), contents()
    energies = fs.Dataset.open(built(given, folder / "truth.h5", json.dumps(TRUTH.to_dict())))
    reactions = []
    for r in energies.available:
        value = sum(c * energies.energies(name).e_tot for name, c in r.coefficients.items())
        reactions.append(replace(r, split="train", reference=value * HARTREE_TO_KCAL))
    return built(replace(given, reactions=tuple(reactions)), folder / "b97.h5", "b97")


def built(what: DatasetContents, path: Path, xc: str) -> Path:
    build_dataset(what, path, settings=replace(SETTINGS, xc=xc))
    return path


@pytest.fixture(scope="module")
def found(densities: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[fs.OwnDensityFit, Path]:
    work = tmp_path_factory.mktemp("work")
    return fs.fit_own_densities(form(1.0, 0.0), str(densities), work, rest=REST), work


def test_it_ends_at_the_functional_whose_self_consistent_energies_are_the_references(
    found: tuple[fs.OwnDensityFit, Path], densities: Path
) -> None:
    fit, _ = found
    assert fit.converged
    # what is left is of second order in the last change of the densities; the integration grid of both is the same
    assert fit.functional.parameters == pytest.approx(TRUTH.parameters, abs=1e-4)
    assert fit.cycles[-1].fit.train < REST
    first = fit.cycles[0].fit.parameters  # on the densities of the start
    assert max(abs(first[name] - value) for name, value in TRUTH.parameters.items()) > 1e-3


def test_moves_are_counted_from_the_densities_that_were_given(found: tuple[fs.OwnDensityFit, Path]) -> None:
    first, *_, last = found[0].cycles
    assert first.farthest[1] > 1.0 > REST >= last.farthest[1]
    assert all(c.species == 5 and not c.unconverged for c in found[0].cycles)


def test_a_second_call_computes_nothing_and_ends_alike(
    found: tuple[fs.OwnDensityFit, Path], densities: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, work = found

    def computed(*_: object, **__: object) -> None:
        raise AssertionError("it is in the work folder")

    monkeypatch.setattr("fastsfes.densities.build.compute_density", computed)
    again = fs.fit_own_densities(form(1.0, 0.0), str(densities), work, rest=REST)
    assert again.functional.parameters == first.functional.parameters
    assert [c.moved for c in again.cycles] == [c.moved for c in first.cycles]


def test_a_rebuilt_dataset_is_a_build_with_that_functional(densities: Path, tmp_path: Path) -> None:
    data = fs.Dataset.open(densities)
    rebuild_dataset(data, tmp_path / "again.h5", "pbe0")
    again, new = (
        fs.Dataset.open(tmp_path / "again.h5"),
        fs.Dataset.open(built(data.contents, tmp_path / "new.h5", "pbe0")),
    )
    assert again.density_names == new.density_names
    for name in new.density_names:
        assert again.attributes(name)["grid"] == SETTINGS.grid
        assert again.energies(name).e_tot == pytest.approx(new.energies(name).e_tot, abs=1e-8)  # both to 1e-9
    cycles = [sum(d.attributes(name)["cycles"] for name in new.density_names) for d in (again, new)]
    assert cycles[0] < cycles[1]  # it began with B97's densities


def test_the_command(densities: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    form(1.0, 0.0).to_json(tmp_path / "start.json")
    command = ["fit", str(tmp_path / "start.json"), "--dataset", str(densities), "--own-densities", str(tmp_path / "w")]
    assert main([*command, "--cycles", "1", "--output", str(tmp_path / "out.json")]) == 1
    text = capsys.readouterr().out
    assert "reaction energies are not at rest: give more cycles (within 0.05 kcal/mol)" in text
    assert fs.Functional.from_json(tmp_path / "out.json").frame == form(1.0, 0.0).frame
    assert main([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)["own_densities"]
    assert document["converged"]
    assert set(document["cycles"][0]["moved"]) == {"dissociation", "long", "stretch", "barrier", "ionisation"}
    assert main([*command, "--frame", "b97"]) == 2
    assert "--frame does not go with --own-densities" in capsys.readouterr().err


def test_densities_without_orbitals_are_refused(tmp_path: Path) -> None:
    with pytest.raises(fs.InputError, match="holds no densities to begin with; 'fastsfes dataset build' makes them"):
        fs.fit_own_densities(form(1.0, 0.0), "gscdb", tmp_path)
