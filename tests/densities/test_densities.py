import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import h5py
import hydrogens
import numpy as np
import pytest
from hydrogens import QUICK, WITH_VV10, dihydrogen, hydrogen, job

from fastsfes import Dataset, FastsfesError, InputError
from fastsfes.datasets import DatasetContents, Reaction
from fastsfes.datasets.plain import write_plain
from fastsfes.densities import (
    RecordError,
    ScfSettings,
    build_densities,
    chkfile,
    collect,
    compute_density,
    load_mole,
    read_chkfile,
)
from fastsfes.densities.mole import MoleError
from fastsfes.densities.scf import build_mole, make_mean_field

FLUORIDE = (("H", "F"), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.92]]))


@pytest.fixture(scope="module")
def hydrogen_fluoride():
    return compute_density(*FLUORIDE, 0, 0, WITH_VV10, name="HF")


def test_energies_equal_an_independent_scf_with_vv10_added(hydrogen_fluoride):
    from pyscf import dft, gto

    mol = gto.M(atom="H 0 0 0; F 0 0 0.92", basis="sto-3g", verbose=0)
    mf = dft.RKS(mol, xc="wb97m_v")
    mf.nlc = 0
    assert mf.grids.level == 3
    mf.grids.atom_grid, mf.grids.prune = (20, 50), None
    mf.conv_tol = 1e-11
    mf.chkfile = None
    mf.kernel()
    density = mf.make_rdm1()
    nlc = mf._numint.nr_nlc_vxc(mol, mf.nlcgrids.build(), "wb97m_v", density)[1]
    energies = hydrogen_fluoride.energies
    # SCF energies are variational: 1e-9 hartree is the convergence threshold.
    assert energies.e_tot == pytest.approx(mf.e_tot + nlc, abs=2e-9)
    # Parts change linearly with the density, whose error is the square root of that of the energy.
    assert energies.e_nlc == pytest.approx(nlc, abs=1e-6)
    assert energies.e_xx == pytest.approx(-0.25 * np.einsum("ij,ji", mf.get_k(), density), abs=1e-4)
    with mol.with_range_coulomb(0.3):
        long_range = mol.intor("int2e")
    k = np.einsum("ijkl,jk->il", long_range, density)
    assert energies.e_xx_lr == pytest.approx(-0.25 * np.einsum("ij,ji", k, density), abs=1e-4)
    assert energies.e_nuc == pytest.approx(9 / (0.92 / 0.52917721092), rel=1e-12)
    assert energies.e_frozen == energies.e_tot - energies.e_xc_semilocal


def test_one_electron_energies():
    record = compute_density(("H",), np.zeros((1, 3)), 0, 1, QUICK)
    assert record.mo_coeff.shape == (2, 1, 1)
    np.testing.assert_array_equal(record.mo_occ, [[1.0], [0.0]])
    np.testing.assert_array_equal(record.mo_coeff[1], 0.0)
    # One 1s orbital of Slater exponent 1.24 (STO-3G): its self-repulsion is 0.7746 hartree in that basis,
    # and exact exchange cancels half of it.
    assert record.energies.e_xx == pytest.approx(-0.5 * 0.7746059439, abs=1e-8)
    assert record.attributes["s_squared"] == pytest.approx(0.75, abs=1e-12)


def test_the_molecule_is_rebuilt_without_evaluating_anything(hydrogen_fluoride, tmp_path):
    mol = load_mole(hydrogen_fluoride.mole)
    overlap = mol.intor("int1e_ovlp")
    electrons = np.einsum("ij,ji", hydrogen_fluoride.density_matrix(), overlap)
    assert electrons == pytest.approx(10.0, abs=1e-12)
    assert mol.nelectron == 10
    document = json.loads(hydrogen_fluoride.mole)
    target = tmp_path / "executed"
    for key in ("atom", "basis", "ecp", "pseudo"):
        document[key] = f"__import__('pathlib').Path({str(target)!r}).touch()"
    again = load_mole(json.dumps(document))
    np.testing.assert_array_equal(again.intor("int1e_ovlp"), overlap)
    assert not target.exists()


@pytest.mark.parametrize("table", ["_bas", "_atm"])
def test_pointers_out_of_range_are_refused(hydrogen_fluoride, table):
    document = json.loads(hydrogen_fluoride.mole)
    document[table][0][5 if table == "_bas" else 1] = 10**6
    with pytest.raises(MoleError, match="record X: a table of atoms or shells points outside its data"):
        load_mole(json.dumps(document), "record X")


@pytest.mark.parametrize("text", ["", "{}", "[1, 2]", '{"_atm": 3}', "null"])
def test_text_that_is_no_molecule_is_refused(text):
    with pytest.raises(MoleError, match="record X: the molecule cannot be read"):
        load_mole(text, "record X")


CYANO = (("C", "N"), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.17]]))


@pytest.mark.parametrize(
    ("molecule", "spin", "cycles", "rung"),
    [(FLUORIDE, 0, 5, "diis"), (FLUORIDE, 0, 2, "level-shift"), (CYANO, 1, 4, "newton"), (CYANO, 1, 1, "none")],
)
def test_the_ladder_climbs_and_records_its_rung(molecule, spin, cycles, rung):
    """With few iterations per rung a molecule fails on the lower ones; all rungs find the same solution."""
    record = compute_density(*molecule, 0, spin, replace(QUICK, max_cycle=cycles))
    assert record.attributes["rung"] == rung
    assert record.converged == (rung != "none")
    patient = compute_density(*molecule, 0, spin, replace(QUICK, max_cycle=200))
    assert patient.attributes["rung"] == "diis"
    if record.converged:
        # Ten times the convergence threshold of one run, since two runs are compared.
        assert record.energies.e_tot == pytest.approx(patient.energies.e_tot, abs=1e-8)


def test_damping_finds_the_state_where_occupations_alternate() -> None:
    """Lithium with fs26, whose same-spin factor is steep in one orbital: Newton's method ends 2 hartree higher."""
    atom = (("Li",), np.zeros((1, 3)), 0, 1)
    settings = replace(QUICK, xc="fs26", basis="def2-qzvp", grid="level 1", max_cycle=20)
    record = compute_density(*atom, settings)
    assert record.attributes["rung"] == "damping"
    patient = compute_density(*atom, replace(settings, max_cycle=80))
    assert patient.attributes["rung"] == "diis"
    assert record.energies.e_tot == pytest.approx(patient.energies.e_tot, abs=1e-7)


def test_a_stability_check_finds_the_lower_solution():
    """Two singlet-like electrons far apart: from the symmetric start UKS stays on a saddle point."""
    stretched = (("H", "H", "H", "H"), np.array([[0.0, 0.0, z] for z in (0.0, 1.0, 5.0, 6.0)]))
    plain = compute_density(*stretched, 0, 2, QUICK)
    followed = compute_density(*stretched, 0, 2, replace(QUICK, stability="all"))
    assert plain.attributes["stability"] == "not checked"
    assert followed.attributes["stability"] == "stable"
    assert followed.energies.e_tot <= plain.energies.e_tot + 1e-9
    assert replace(QUICK, stability="open-shell").checks_stability(1)
    assert not replace(QUICK, stability="open-shell").checks_stability(0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"grid": "fine"}, "grid 'fine' is not understood"),
        ({"grid": "level 12"}, "level N"),
        ({"grid": "(75,0)"}, "radial,angular"),
        ({"conv_tol": 0.0}, "conv_tol 0.0 must lie between"),
        ({"max_cycle": 0}, "max_cycle 0 must be at least 1"),
        ({"xc": " "}, "xc is empty"),
        ({"stability": "yes"}, "stability 'yes' is none of off, open-shell, all"),
    ],
)
def test_bad_settings(change, expected):
    with pytest.raises(InputError) as caught:
        replace(QUICK, **change)
    assert expected in str(caught.value)


def test_an_unknown_basis_is_a_clear_error():
    with pytest.raises(InputError, match="PySCF has no basis set 'nonesuch'"):
        build_mole(("H",), np.zeros((1, 3)), 0, 1, "nonesuch")


def test_equal_geometries_are_computed_once_wherever_they_stand(tmp_path):
    jobs = [job(hydrogen()), job(hydrogen("H_far", 50.0)), job(dihydrogen())]
    assert jobs[0].key == jobs[1].key
    assert job(dihydrogen(length=0.7400001)).key != jobs[2].key
    assert job(hydrogen(), replace(QUICK, grid="level 1")).key != jobs[0].key
    seen = []
    result = build_densities(jobs, tmp_path, progress=seen.append)
    assert (result.computed, result.reused) == (2, 0)
    assert [p.done for p in seen] == [1, 2]
    assert all(p.total == 2 and p.converged for p in seen)
    assert result.files["H"] == result.files["H_far"]
    assert dict(collect(result.files))["H2"].converged


def test_workers_of_one_thread_give_the_same_bits_however_many(tmp_path):
    """What docs/datasets.md and docs/determinism.md promise; PySCF adds up in the order of its threads."""
    from pyscf import lib

    fluoride = replace(job(dihydrogen("HF")), symbols=FLUORIDE[0], coordinates=FLUORIDE[1])
    jobs = [job(hydrogen()), job(dihydrogen()), fluoride]
    builds = [build_densities(jobs, tmp_path / f"{n}", processes=n, executor="processes") for n in (1, 2)]
    with lib.with_omp_threads(1):
        builds.append(build_densities(jobs, tmp_path / "here"))
    first, *others = (dict(collect(build.files)) for build in builds)
    assert list(first) == ["H", "H2", "HF"]
    for other in others:
        for name, record in first.items():
            assert other[name].energies == record.energies
            assert other[name].mole == record.mole
            for key in ("mo_coeff", "mo_occ", "mo_energy"):
                assert getattr(other[name], key).tobytes() == getattr(record, key).tobytes()


def test_threads_change_last_digits_at_most(tmp_path):
    from pyscf import lib

    energies = []
    for threads in (1, 2):
        with lib.with_omp_threads(threads):
            files = build_densities([job(dihydrogen())], tmp_path / f"{threads}").files
        energies.append(dict(collect(files))["H2"].energies.e_tot)
    assert energies[0] == pytest.approx(energies[1], abs=1e-12)


def test_a_second_build_repeats_nothing_but_damage(tmp_path):
    jobs = [job(hydrogen()), job(dihydrogen())]
    first = build_densities(jobs, tmp_path)
    stamps = {name: path.stat().st_mtime_ns for name, path in first.files.items()}
    second = build_densities(jobs, tmp_path)
    assert (second.computed, second.reused) == (0, 2)
    assert {name: path.stat().st_mtime_ns for name, path in second.files.items()} == stamps
    data = first.files["H2"].read_bytes()
    first.files["H2"].write_bytes(data[: len(data) // 2])
    third = build_densities(jobs, tmp_path)
    assert (third.computed, third.reused) == (1, 1)
    assert dict(collect(third.files))["H2"].converged


def test_a_stability_check_starts_from_the_unchecked_result(tmp_path):
    first = build_densities([job(hydrogen())], tmp_path)
    checked = build_densities([job(hydrogen(), replace(QUICK, stability="all"))], tmp_path)
    assert first.files == checked.files
    assert checked.computed == 1
    assert dict(collect(checked.files))["H"].attributes["stability"] == "stable"
    assert build_densities([job(hydrogen(), replace(QUICK, stability="all"))], tmp_path).computed == 0


def test_failed_and_unconverged_calculations_are_reported(tmp_path):
    strict = replace(QUICK, max_cycle=1)
    jobs = [
        job(hydrogen("wrong"), replace(QUICK, basis="nonesuch")),
        replace(job(dihydrogen("slow"), strict), symbols=FLUORIDE[0], coordinates=FLUORIDE[1]),
        job(hydrogen("right")),
    ]
    result = build_densities(jobs, tmp_path)
    assert list(result.failed) == ["wrong"]
    assert "nonesuch" in result.failed["wrong"]
    assert result.unconverged == ("slow",)
    assert set(result.files) == {"slow", "right"}


def test_names_must_be_unique(tmp_path):
    with pytest.raises(InputError, match="species 'H' is listed twice"):
        build_densities([job(hydrogen()), job(hydrogen())], tmp_path)
    with pytest.raises(InputError, match="processes is 0"):
        build_densities([job(hydrogen())], tmp_path, processes=0)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_build_that_is_killed_again_and_again_loses_and_repeats_nothing(tmp_path, processes):
    """The command itself, killed with SIGKILL at random moments; the next one computes only the rest."""
    species = {f"H2_{i}": dihydrogen(f"H2_{i}", 0.7 + 0.01 * i) for i in range(60)}
    reactions = tuple(Reaction(name, "s", "t", "train", 1.0, {name: 1.0}, 0.0) for name in species)
    write_plain(tmp_path / "own", DatasetContents("own", species, reactions))
    output, work = tmp_path / "own.h5", tmp_path / "own.h5.work"
    command = ["dataset", "build", str(tmp_path / "own"), "--output", str(output), "--processes", str(processes)]
    command += ["--xc", QUICK.xc, "--basis", QUICK.basis, "--grid", QUICK.grid]
    code = "import sys; from fastsfes.cli import main; sys.exit(main(sys.argv[1:]))"
    rng, finished = np.random.default_rng(processes), {}
    for _ in range(2):
        goal = len(finished) + int(rng.integers(1, 8))
        with subprocess.Popen([sys.executable, "-c", code, *command], stdout=subprocess.PIPE) as process:
            deadline = time.monotonic() + 120
            while len(list(work.glob("*.h5"))) < goal and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(float(rng.uniform(0, 0.05)))
            process.send_signal(signal.SIGKILL)
        assert not output.exists()
        stamps = {path.name: path.stat().st_mtime_ns for path in work.glob("*.h5")}
        assert goal <= len(stamps) < 60
        assert finished.items() <= stamps.items()
        finished = stamps
    last = subprocess.run(
        [sys.executable, "-c", code, *command, "--quiet"], stdout=subprocess.PIPE, text=True, check=True
    )
    # A worker may have finished one more while its parent died.
    found = int(re.search(r"(\d+) computed, (\d+) found", last.stdout)[2])
    assert len(finished) <= found <= len(finished) + processes
    assert finished.items() <= {path.name: path.stat().st_mtime_ns for path in work.glob("*.h5")}.items()
    dataset = Dataset.open(output)
    assert len(dataset.available) == 60
    assert dataset.verify() == {}
    assert dataset.info().rungs == {"diis": 60}


def test_workers_end_with_a_killed_build(tmp_path):
    script = tmp_path / "build.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import multiprocessing
            import sys
            sys.path.insert(0, {os.path.dirname(hydrogens.__file__)!r})
            from hydrogens import QUICK, dihydrogen, job
            from fastsfes.densities import build_densities

            def show(progress):
                print(*(child.pid for child in multiprocessing.active_children()), flush=True)

            if __name__ == "__main__":
                jobs = [job(dihydrogen(f"H2_{{i}}", 0.7 + 0.001 * i)) for i in range(2000)]
                build_densities(jobs, {str(tmp_path / "work")!r}, processes=2, progress=show)
            """
        )
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        workers = [int(word) for word in process.stdout.readline().split()]
        process.send_signal(signal.SIGKILL)
    assert len(workers) == 2
    deadline = time.monotonic() + 60
    while any(is_running(pid) for pid in workers):
        assert time.monotonic() < deadline, "a worker outlived its build"
        time.sleep(0.05)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    # An orphan that nobody has reaped yet is not running.
    return not (stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z")


@pytest.fixture(scope="module")
def pyscf_chkfile(tmp_path_factory):
    """A chkfile as PySCF writes it: all orbitals, no energies, no attributes."""
    path = tmp_path_factory.mktemp("chk") / "HF.chk"
    mol = build_mole(*FLUORIDE, 0, 0, "sto-3g")
    mf = make_mean_field(mol, WITH_VV10)
    mf.chkfile = str(path)
    mf.kernel()
    return path


def said(settings):
    return {"xc": settings.xc, "grid": settings.grid}


def test_a_bare_chkfile_gets_its_energies_computed(pyscf_chkfile, hydrogen_fluoride):
    with pytest.raises(RecordError, match="the file does not say its xc; give it"):
        read_chkfile(pyscf_chkfile)
    record = read_chkfile(pyscf_chkfile, settings=said(WITH_VV10))
    assert record.converged
    assert record.mo_coeff.shape == (6, 5)
    assert record.energies.e_tot == pytest.approx(hydrogen_fluoride.energies.e_tot, abs=2e-9)
    assert record.energies.e_xx_lr == pytest.approx(hydrogen_fluoride.energies.e_xx_lr, abs=1e-5)


@pytest.mark.parametrize(("iterated", "other"), [("", 0), (0, "")])
def test_a_chkfile_is_stationary_with_or_without_vv10(tmp_path, monkeypatch, iterated, other):
    """Orbitals of a Fock matrix with VV10 are converged, though without VV10 in it they are not; and the reverse."""
    # VV10 moves so small a molecule by 1.7e-4: a tighter bound tells the two.
    monkeypatch.setattr(chkfile, "_STATIONARY", 1e-5)
    path = tmp_path / "HF.chk"
    mf = make_mean_field(build_mole(*FLUORIDE, 0, 0, "sto-3g"), WITH_VV10)
    mf.nlc = iterated
    mf.conv_tol, mf.conv_tol_grad = 1e-12, 1e-8
    mf.chkfile = str(path)
    mf.kernel()
    assert mf.converged
    overlap, density = mf.get_ovlp(), mf.make_rdm1()
    mf.nlc = other
    product = mf.get_fock(dm=density) @ density @ overlap
    assert np.abs(product - product.T).max() > 10 * chkfile._STATIONARY
    assert read_chkfile(path, settings=said(WITH_VV10)).converged


def test_a_chkfile_of_a_run_that_did_not_converge_is_recognised(tmp_path):
    path = tmp_path / "HF.chk"
    mf = make_mean_field(build_mole(*FLUORIDE, 0, 0, "sto-3g"), replace(QUICK, max_cycle=1))
    mf.chkfile = str(path)
    mf.kernel()
    assert not mf.converged
    with pytest.raises(RecordError, match=r"did not converge.*not given: --density-fit.*FDS - SDF is \d\.\de-0[0-3]"):
        read_chkfile(path, settings=said(QUICK))


def damaged(source, tmp_path, change):
    path = tmp_path / "damaged.chk"
    path.write_bytes(source.read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def replace_data(file, name, value):
    del file[name]
    file[name] = value


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda f: f.__delitem__("scf/mo_occ"), "not a complete PySCF chkfile"),
        (lambda f: replace_data(f, "scf/mo_coeff", np.full((6, 6), np.nan)), "hold NaN or infinity"),
        (lambda f: replace_data(f, "scf/mo_coeff", np.ones((6, 6), np.float32)), "real double precision, got float32"),
        (lambda f: replace_data(f, "scf/mo_coeff", np.ones((5, 6))), "do not fit 6 basis functions"),
        (lambda f: replace_data(f, "scf/mo_occ", np.array([2.0, 2, 2, 0, 0, 0])), "occupations sum to 6"),
        (lambda f: replace_data(f, "mol", "{}"), "the molecule cannot be read"),
    ],
)
def test_damaged_chkfiles_name_file_and_record(pyscf_chkfile, tmp_path, change, expected):
    path = damaged(pyscf_chkfile, tmp_path, change)
    with pytest.raises(FastsfesError) as caught:
        read_chkfile(path, "molecule-7", settings=said(QUICK))
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)
    assert "molecule-7" in str(caught.value)


def test_settings_default_to_the_published_ones():
    assert ScfSettings() == ScfSettings("wb97m_v", "def2-qzvppd", "none", "level 3", 1e-9, 80, "off")
