"""Self-consistent validation: energies, resumption, unconverged points, the command."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyscf import dft, gto
from scf_small import build, build_with_vv10, contents

import fastsfes as fs
from fastsfes.cli import main
from fastsfes.validation import job

ALL = ("train", "validation", "test")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("validate") / "small.h5")


@pytest.fixture(scope="module")
def vv10(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_with_vv10(tmp_path_factory.mktemp("validate") / "vv10.h5")


def changed_b97() -> fs.Functional:
    """A functional whose exact exchange is that of the densities."""
    return replace(fs.get_functional("b97").with_parameters({"x.c1": 0.6, "cos.c2": -4.0}), name="changed")


@pytest.fixture(scope="module")
def validation(small: Path, tmp_path_factory: pytest.TempPathFactory) -> fs.Validation:
    """Another B97 and PBE0 beside B97 and libxc's PBE, on everything that can be evaluated."""
    work = tmp_path_factory.mktemp("work")
    baselines = ("b97", "libxc:gga_x_pbe,gga_c_pbe")
    return fs.validate([changed_b97(), "pbe0"], small, work=work, split=ALL, baselines=baselines, conv_tol=1e-10)


def independent(name: str, xc: str, nlc: Any) -> float:
    """PySCF's own libxc functional from superposed atoms on the same grid."""
    species = contents().species[name]
    atoms = list(zip(species.symbols, species.coordinates.tolist(), strict=True))
    mol = gto.M(atom=atoms, basis="6-31g", charge=species.charge, spin=species.spin, verbose=0)
    mf = (dft.UKS if mol.spin else dft.RKS)(mol, xc=xc)
    mf.chkfile, mf.nlc = None, nlc
    mf.grids.atom_grid, mf.grids.prune, mf.conv_tol = (20, 50), None, 1e-11
    return float(mf.kernel())


@pytest.mark.parametrize(
    ("functional", "xc"), [("pbe0", "pbe0"), ("b97", "hyb_gga_xc_b97"), ("libxc:gga_x_pbe,gga_c_pbe", "pbe")]
)
def test_energies_equal_independent_calculations(validation: fs.Validation, functional: str, xc: str) -> None:
    for name in ("H2", "H3", "H3+"):
        found = validation.species[functional][name]
        assert found["converged"]
        # both converged to 1e-10, and H3 holds points where libxc's thresholds act
        assert found["e_tot"] == pytest.approx(independent(name, xc, ""), abs=2e-8)


def test_the_functional_of_the_densities_stays_where_it_is(
    validation: fs.Validation, small: Path, vv10: Path, tmp_path: Path
) -> None:
    with_vv10 = fs.validate("wb97m_v", vv10, work=tmp_path, split=ALL, baselines=("none",), conv_tol=1e-10)
    for path, rows in ((small, validation.species["b97"]), (vv10, with_vv10.species["wb97m_v"])):
        data = fs.Dataset.open(path)
        assert len(rows) == len(data.density_names)
        for name, found in rows.items():
            assert found["e_tot"] == pytest.approx(data.energies(name).e_tot, abs=1e-8)
            assert found["e_frozen"] == pytest.approx(data.energies(name).e_tot, abs=1e-8)
            assert abs(found["rise"]) < 1e-8
            assert found["cycles"] <= 3
            assert found["start"] == name


def test_frozen_errors_equal_those_of_the_full_grid(
    validation: fs.Validation, small: Path, vv10: Path, tmp_path: Path
) -> None:
    """Two independent ways: PySCF's total energy of a density matrix, and frozen parts plus our grid integration."""
    gas22 = fs.validate("gas22", vv10, work=tmp_path, split=ALL, baselines=("none",))
    for found, functional, path in ((validation, changed_b97(), small), (gas22, fs.get_functional("gas22"), vv10)):
        expected = fs.evaluate(functional, fs.Dataset.open(path), found.reactions, "grid")
        # roundings of total energies, 1e-11 hartree, and densities below 1e-16 that the grid data leave out
        np.testing.assert_allclose(found.frozen[functional.name].errors, expected.errors, rtol=0, atol=1e-6)
    assert {r.name for r in validation.reactions} == {"dissociation", "long", "stretch", "barrier", "ionisation"}


def test_another_vv10_is_computed_for_the_stored_density(vv10: Path, tmp_path: Path) -> None:
    """The stored VV10 energy holds for its own parameters only."""
    own = fs.get_functional("wb97m_v")
    other = replace(own, name="other", nlc=fs.VV10(5.0, 0.01))
    found = fs.validate([own, other], vv10, work=tmp_path, species=("H",), baselines=("none",)).species
    mol = gto.M(atom="H 0 0 0", basis="6-31g", spin=1, verbose=0)
    mf = dft.UKS(mol)
    density = fs.Dataset.open(vv10).density("H").density_matrix().sum(axis=0)
    energies = []
    for b in (6.0, 5.0):
        mf._numint.nlc_coeff = lambda code, b=b: (((b, 0.01), 1.0),)
        energies.append(mf._numint.nr_nlc_vxc(mol, mf.nlcgrids.build(), "wb97m_v", density)[1])
    difference = found["other"]["H"]["e_frozen"] - found["wb97m_v"]["H"]["e_frozen"]
    assert difference == pytest.approx(energies[1] - energies[0], abs=1e-8)
    assert abs(difference) > 1e-4


def test_self_consistency_lowers_energies(validation: fs.Validation) -> None:
    for found in validation.species["changed"].values():
        assert -1e-2 < found["rise"] < 1e-9
        assert found["e_tot"] == pytest.approx(found["e_frozen"] + found["rise"], abs=1e-12)


def test_statistics_by_type(validation: fs.Validation) -> None:
    found = validation.to_dict()["functionals"][0]
    errors = {r["name"]: r["errors"]["changed"] for r in validation.to_dict()["reactions"]}
    assert found["name"] == "changed"
    assert found["scf"]["by_type"]["BH"]["rmsd"] == pytest.approx(abs(errors["barrier"]["scf"]), rel=1e-14)
    three = [errors[n]["frozen"] for n in ("dissociation", "long", "ionisation")]
    assert found["frozen"]["by_type"]["TCE"]["mae"] == pytest.approx(np.mean(np.abs(three)), rel=1e-14)
    assert found["convergence"]["converged"] == 5
    assert found["convergence"]["rungs"] == {"diis": 5}
    text = validation.table()
    assert "self-consistent, and with the stored densities frozen" in text
    assert f"{errors['barrier']['scf']:9.3f}".strip().lstrip("-") in text


def test_from_atoms_the_energies_are_the_same_and_nothing_is_frozen(
    validation: fs.Validation, small: Path, tmp_path: Path
) -> None:
    found = fs.validate("pbe0", small, work=tmp_path, split=ALL, baselines=("none",), conv_tol=1e-10, start="atoms")
    assert found.frozen == {}
    for name, record in found.species["pbe0"].items():
        assert record["start"] == ""
        assert record["e_frozen"] is None
        assert record["e_tot"] == pytest.approx(validation.species["pbe0"][name]["e_tot"], abs=1e-7)
    assert "frozen" not in found.table()


def test_another_basis_starts_from_atoms(small: Path, tmp_path: Path) -> None:
    found = fs.validate("pbe", small, work=tmp_path, species=("H2",), baselines=("none",), basis="sto-3g")
    record = found.species["pbe"]["H2"]
    assert record["start"] == ""
    assert record["settings"]["basis"] == "sto-3g"
    assert found.reactions == ()
    assert "small: energies of species only" in found.table()
    assert found.to_dict()["functionals"][0]["scf"] is None


def test_vv10_in_every_iteration(vv10: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"species": ("H",), "baselines": ("none",), "conv_tol": 1e-10}
    after = fs.validate("wb97m_v", vv10, work=tmp_path, **options).species["wb97m_v"]["H"]
    during = fs.validate("wb97m_v", vv10, work=tmp_path, nlc="scf", **options).species["wb97m_v"]["H"]
    assert during["e_tot"] == pytest.approx(independent("H", "wb97m_v", ""), abs=2e-8)
    assert during["e_tot"] < after["e_tot"]
    assert during["e_frozen"] == pytest.approx(after["e_frozen"], abs=1e-10)


def test_a_second_call_repeats_nothing_but_damage(small: Path, tmp_path: Path) -> None:
    seen: list[Any] = []

    def again(functional: Any = "pbe") -> fs.Validation:
        seen.clear()
        return fs.validate(functional, small, work=tmp_path, baselines=("none",), progress=seen.append)

    first = again()
    assert len(seen) == 5
    assert all(p.total == 5 and p.converged for p in seen)
    assert again().to_dict() == first.to_dict()
    assert seen == []
    assert again(replace(fs.get_functional("pbe"), name="other")).species["other"] == first.species["pbe"]
    assert seen == []
    files = sorted(tmp_path.glob("*.json"))
    assert len(files) == 5
    files[0].write_text(files[0].read_text()[:100])
    files[1].write_text("[]")
    again()
    assert len(seen) == 2


def test_processes_give_the_same_numbers(validation: fs.Validation, small: Path, tmp_path: Path) -> None:
    found = fs.validate(
        "pbe0", small, work=tmp_path, split=ALL, baselines=("none",), conv_tol=1e-10, workers=2, executor="processes"
    )
    for name, record in found.species["pbe0"].items():
        # the number of threads changes the order of PySCF's sums
        assert record["e_tot"] == pytest.approx(validation.species["pbe0"][name]["e_tot"], abs=1e-9)


def test_parts_make_the_whole(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["validate", "pbe", "--dataset", str(small), "--work", str(tmp_path), "--baselines", "none"]
    for part in ("1/2", "2/2"):
        assert main([*command, "--shard", part]) == 0
        assert not (tmp_path / "validation.json").exists()
    assert capsys.readouterr().out.count("] H") == 5
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "] H" not in text
    assert "on 3 reactions of small" in text
    assert main([*command, "--shard", "3/2"]) == 2
    assert main([*command, "--shard", "half"]) == 2


def test_unconverged_points_are_left_out_and_named(small: Path, tmp_path: Path) -> None:
    found = fs.validate("pbe", small, work=tmp_path, split=ALL, baselines=("b97",), max_cycle=1)
    lost = set(found.convergence["pbe"].unconverged)
    assert "H3" in lost
    assert not found.complete
    assert found.excluded["barrier"] == "H3 did not converge with PBE"
    assert not any(lost & set(r.coefficients) for r in found.reactions)
    assert found.scf["b97"].reactions == found.reactions
    assert "not converged with PBE: H3" in found.table()
    assert "left out: barrier (H3 did not converge with PBE)" in found.table()


def test_another_state_is_named(validation: fs.Validation) -> None:
    species = {k: dict(v) for k, v in validation.species.items()}
    species["pbe0"]["H3"] = {**species["pbe0"]["H3"], "rise": 1e-3}
    found = replace(validation, species=species)
    assert found.convergence["pbe0"].other_state == ("H3",)
    assert "another state, with PBE0: H3 (+0.628 kcal/mol)" in found.table()


def test_failures_are_named_and_tried_again(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ValueError("no luck today")

    with monkeypatch.context() as patch:
        patch.setattr(job, "self_consistent", fails)
        found = fs.validate("pbe", small, work=tmp_path, species=("H", "H2"), baselines=("none",))
    assert set(found.failed["pbe"]) == {"H", "H2"}
    assert "no luck today" in found.failed["pbe"]["H"]
    assert found.excluded == {"dissociation": "H2 failed with PBE"}
    assert "failed with PBE: H2: ValueError" in found.table()
    assert not list(tmp_path.glob("*.json"))
    assert fs.validate("pbe", small, work=tmp_path, species=("H", "H2"), baselines=("none",)).complete


def test_a_killed_validation_resumes_without_repeating(tmp_path: Path) -> None:
    """SIGKILL after the first finished calculations; the next run computes only the rest."""
    folder = tmp_path / "data"
    (folder / "geometries").mkdir(parents=True)
    rows = ["name,split,reference_kcal,reaction"]
    for i in range(30):
        (folder / "geometries" / f"H2_{i}.xyz").write_text(f"2\n0 1\nH 0 0 0\nH 0 0 {0.7 + 0.01 * i}\n")
        rows.append(f"r{i},test,0,1 H2_{i}; -1 H2_0" if i else "r0,test,0,1 H2_0")
    (folder / "reactions.csv").write_text("\n".join(rows) + "\n")
    code = """
        import sys
        from fastsfes.cli import main
        if __name__ == "__main__":
            sys.exit(main(sys.argv[1:]))
    """
    script = tmp_path / "run.py"
    script.write_text(textwrap.dedent(code))
    work = tmp_path / "work"
    command = ["validate", "pbe", "--dataset", str(folder), "--work", str(work), "--baselines", "none"]
    command += ["--basis", "6-31g", "--grid", "(20,50)", "--workers", "2"]
    with subprocess.Popen([sys.executable, str(script), *command], stdout=subprocess.PIPE) as process:
        deadline = time.monotonic() + 120
        while len(list(work.glob("*.json"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    time.sleep(0.5)  # workers end with their parent
    finished = {path.name: path.stat().st_mtime_ns for path in work.glob("*.json")}
    assert 3 <= len(finished) < 30
    assert main(command) == 0
    assert all((work / name).stat().st_mtime_ns == stamp for name, stamp in finished.items())
    result = json.loads((work / "validation.json").read_text())
    assert len(result["species"]["pbe"]) == 30
    assert not result["excluded"]


def test_the_finalists_of_a_run(small: Path, tmp_path: Path) -> None:
    run = fs.search(fs.SearchConfig.make("b97x", candidates=60, seed=1), output=tmp_path / "run", report=False)
    found = fs.validate(run.path, small, work=tmp_path / "work", species=("H2",), baselines=("none",), finalists=2)
    assert next(iter(found.functionals)) == run.best.name
    assert len({record["H2"]["e_tot"] for record in found.species.values()}) == 2


def test_the_command(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["validate", "pbe", "--dataset", str(small), "--work", str(tmp_path), "--subset", "TCE", "--baselines"]
    assert main([*command, "none"]) == 0
    text = capsys.readouterr().out
    assert "[5/5]" in text
    assert "errors in kcal/mol on 3 reactions of small" in text
    assert main([*command, "none", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "validation.json").read_text())
    assert printed["format"] == "fastsfes-validation"
    assert main([*command, "none", "--max-cycle", "1", "--quiet"]) == 1
    assert "did not converge with PBE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--species", "H4"], "--species H4: not in the dataset, or not usable; did you mean"),
        (["--subset", "TCX"], "--subset TCX: not in the dataset, or not usable; did you mean TCE"),
        (["--subset", "Qfoo"], "--subset Qfoo: not in the dataset, or not usable; there are "),
        (["--grid", "(10,16)"], "--grid (10,16): there is no angular grid of 16 points; there are 6, 14, 26, "),
        (["--basis", "foo"], "--basis foo: PySCF has no basis set 'foo'; expected a name on its list"),
        (["--split", "exam"], 'split contains "exam"'),
        (["--executor", "cloud"], 'executor "cloud" is unknown'),
        (["--nlc", "maybe"], "nlc = 'maybe'"),
        (["--grid", "fine"], "grid 'fine' is not understood"),
        (["--baselines", "nonesuch"], 'baselines: functional "nonesuch" is not registered'),
        (["--output", "/nonexistent/out.json"], "the folder /nonexistent does not exist"),
        (["--subset", "bonds", "--split", "train"], "no reaction of what was asked for"),
    ],
)
def test_wrong_options(small: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "pbe", "--dataset", str(small), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_options_from_a_file(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "validate.toml"
    config.write_text('species = ["H"]\n[points]\nbaselines = ["none"]\n[scf]\nbasis = "sto-3g"\n')
    command = ["validate", "pbe", "--dataset", str(small), "--work", str(tmp_path / "work"), "--config", str(config)]
    assert main([*command, "--json", "--grid", "(10,14)"]) == 0
    record = json.loads(capsys.readouterr().out)["species"]["pbe"]["H"]
    assert (record["settings"]["basis"], record["settings"]["grid"]) == ("sto-3g", "(10,14)")
    config.write_text("[scf]\nbases = 1\n")
    assert main(command) == 2
    assert 'there is no option "bases"; did you mean "basis"?' in capsys.readouterr().err


def test_wrong_options_in_python(small: Path) -> None:
    with pytest.raises(fs.InputError, match='a validation has no option "bases"'):
        fs.validate("pbe", small, bases="sto-3g")
    with pytest.raises(fs.InputError, match=r"conv_tol = -1\.0; expected a number of at least 1e-14"):
        fs.validate("pbe", small, conv_tol=-1.0)
    with pytest.raises(fs.InputError, match="no functional is given"):
        fs.validate([], small)


def test_a_run_without_a_functional(tmp_path: Path, small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(tmp_path), "--dataset", str(small)]) == 2
    assert "not the directory of a search" in capsys.readouterr().err
