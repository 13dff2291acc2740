"""attach: what is refused, what survives, and published energies."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyscf
import pytest
from pyscf import dft, gto, scf
from scf_families import calculation, functional, molecule

import fastsfes as fs


def replace_integrator(mf: Any) -> Any:
    mf._numint = dft.numint.NumInt()
    return mf


def rename(mf: Any) -> Any:
    mf.xc = "pbe"
    return mf


def other_omega(mf: Any) -> Any:
    mf.omega = 0.5
    return mf


@pytest.mark.parametrize("name", ["pbe", "wb97m_v"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replace_integrator, "mf._numint was replaced"),
        (rename, r"mf.xc is 'pbe', but fastsfes.pyscf.attach made this object compute"),
        (other_omega, "omega = 0.5 would change the exact exchange of .* but not its semilocal part"),
        (lambda mf: mf.to_gks(), "does not use it"),
        (lambda mf: mf.newton().density_fit().run() and replace_integrator(mf), "mf._numint was replaced"),
    ],
)
def test_another_functional_is_never_computed(name: str, change: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(fs.FastsfesError, match=message):
        change(calculation(name, True)).kernel()


def test_the_same_omega_is_no_change() -> None:
    mf = calculation("wb97m_v", True)
    mf.omega = 0.3
    assert mf._numint.rsh_and_hybrid_coeff(mf.xc) == (0.3, 1.0, pytest.approx(0.15, abs=1e-15))


def test_higher_derivatives_are_refused() -> None:
    mf = calculation("pbe", True)
    with pytest.raises(fs.InputError, match="derivatives of order 4 of pbe"):
        mf._numint.eval_xc_eff(mf.xc, np.ones((4, 3)), deriv=4)


def test_a_second_order_object_uses_it_in_its_potential_too() -> None:
    """newton() computes the potential with the object that it was made from, which holds another functional here."""
    mf = dft.RKS(molecule(), xc="pbe")
    mf.grids.level, mf.conv_tol = 0, 1e-11
    newton = fs.pyscf.attach(mf.newton(), "pbe0")
    assert newton.kernel() == pytest.approx(calculation("pbe0", False).kernel(), abs=1e-8)


def test_an_earlier_result_counts_as_not_converged() -> None:
    mf = calculation("pbe", False).run()
    fs.pyscf.attach(mf, "pbe0")
    assert not mf.converged
    assert mf.kernel(mf.make_rdm1()) == pytest.approx(calculation("pbe0", False).kernel(), abs=1e-8)


def test_two_functionals_in_one_process_are_kept_apart() -> None:
    first, second = calculation("pbe", True), calculation("pbe0", True)
    assert first.xc != second.xc
    assert first.kernel() == pytest.approx(calculation("pbe", False).kernel(), abs=1e-8)
    assert second.kernel() == pytest.approx(calculation("pbe0", False).kernel(), abs=1e-8)


def test_an_extra_nonlocal_part_of_the_users_own() -> None:
    """``mf.nlc`` is PySCF's way to add VV10 to a functional that has none."""
    mine, theirs = calculation("pbe0", True), calculation("pbe0", False)
    for mf in (mine, theirs):
        mf.nlc = "vv10"
    without = calculation("pbe0", False).kernel()
    assert abs(theirs.kernel() - without) > 1e-3
    assert mine.kernel() == pytest.approx(theirs.e_tot, abs=1e-8)


@pytest.mark.parametrize("name", ["lda", "pbe", "wb97m_v", "gas22"])
@pytest.mark.parametrize("spin", [0, 1])
def test_values_on_a_grid_in_the_layout_of_eval_xc(name: str, spin: int) -> None:
    """The documented way to energies and potentials on a grid, against libxc with derivatives up to the third."""
    mine, theirs = calculation(name, True), calculation(name, False)
    random = np.random.default_rng(3)
    rows = {"LDA": 1, "GGA": 4, "MGGA": 6}[mine._numint.xctype]  # with the Laplacian of the density, which is ignored
    rho = random.uniform(0.2, 0.5, (2, rows, 7))
    rho[:, -1] += 0.5
    rho = rho[:, 0] if rows == 1 else rho
    rho = rho if spin else rho[0]
    ours = mine._numint.eval_xc(mine.xc, rho, spin, deriv=3)
    libxc = dft.libxc.eval_xc(theirs.xc, rho, spin, deriv=3)
    for mine_k, libxc_k in zip(ours, libxc, strict=True):
        pairs = [(mine_k, libxc_k)] if isinstance(libxc_k, np.ndarray) else zip(mine_k, libxc_k, strict=True)
        for a, b in pairs:
            if a is None:
                assert b is None or not np.any(b)
            else:
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.max(np.abs(b)))


@pytest.mark.parametrize("name", ["pbe", "wb97m_v"])
@pytest.mark.parametrize("method", ["dRPA", "dTDA"])
def test_direct_rpa_has_no_kernel(name: str, method: str) -> None:
    energies = [getattr(calculation(name, ours).run(), method)().run(nstates=2).e for ours in (True, False)]
    assert energies[0] == pytest.approx(energies[1], abs=1e-6)  # of Davidson's iterations


def test_electron_phonon_coupling() -> None:
    from pyscf.eph import rks

    found = []
    for ours in (True, False):
        mf = dft.RKS(gto.M(atom="H 0 0 0; H 0 0 0.75", basis="sto-3g", verbose=0), xc="pbe")
        mf.grids.level, mf.conv_tol = 0, 1e-12
        found.append(rks.EPH(fs.pyscf.attach(mf, "pbe") if ours else mf))
        found[-1].base.kernel()
    matrices = [np.abs(eph.kernel(mo_rep=True)[0]) for eph in found]
    np.testing.assert_allclose(matrices[0], matrices[1], atol=1e-6)


def test_names_say_which_functional_it_is() -> None:
    """Words that PySCF misreads do not get into them."""
    pbe = fs.get_functional("pbe")
    for name, expected in (("My PBE-D3 (cs)", "my_pbe"), ("wb97x-3c", "wb97x"), ("Grüße", "gr_")):
        mf = fs.pyscf.attach(dft.RKS(molecule()), replace(pbe, name=name))
        assert mf.xc.startswith(f"fastsfes:{expected}")
        mf.grids.level, mf.conv_tol = 0, 1e-11
        assert mf.kernel() == pytest.approx(calculation("pbe", False).kernel(), abs=1e-8)


def test_a_functional_can_be_attached_again_and_again() -> None:
    """Without PySCF's warning that the name is one of libxc's."""
    own = replace(fs.get_functional("pbe"), name="again and again")
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for _ in range(3):
            mf = fs.pyscf.attach(dft.RKS(molecule()), own)
    assert [str(warning.message) for warning in heard] == []
    assert dft.libxc.parse_xc(mf.xc)[0] == (0, 0, 0)


@pytest.mark.parametrize("name", ["pbe", "pbe0", "wb97m_v"])
def test_the_name_is_parsed_to_its_exact_exchange(name: str) -> None:
    mine, theirs = calculation(name, True), calculation(name, False)
    hybrid, parts = dft.libxc.parse_xc(mine.xc)
    omega, long_range, difference = dft.libxc.rsh_coeff(theirs.xc)
    short_range = long_range + difference if omega else dft.libxc.hybrid_coeff(theirs.xc)
    assert hybrid == pytest.approx((short_range, long_range if omega else short_range, omega), abs=1e-15)
    with pytest.raises(Exception, match=r"not found|999999999"):
        dft.libxc.eval_xc(f"{parts[0][0]}", np.ones((4, 3)))


def test_what_goes_past_the_integrator_says_so() -> None:
    from pyscf.pbc import dft as periodic
    from pyscf.pbc import gto as cells

    mf = calculation("pbe", True)
    with pytest.raises(fs.FastsfesError, match=r"libxc was called directly instead of mf\._numint"):
        dft.libxc.eval_xc(mf.xc, np.ones((4, 3)))
    with pytest.raises(fs.FastsfesError, match=r"pbe is computed on CPUs only: to_gpu\(\) would lose it"):
        mf._numint.to_gpu()
    mf = dft.RKS(molecule())
    mf.disp = "d3bj"
    with pytest.raises(fs.InputError, match='as in "d3bj:pbe"'):
        fs.pyscf.attach(mf, "pbe")
    cell = cells.M(atom="He 0 0 0", basis="sto-3g", a=np.eye(3) * 4, verbose=0)
    with pytest.raises(fs.InputError, match=r"of a molecule .*, got pyscf\.pbc\.dft\.rks\.RKS"):
        fs.pyscf.attach(periodic.RKS(cell), "pbe")


def test_pickling_registers_the_functional(tmp_path: Path) -> None:
    """In a process that has not seen the functional its name is unknown to libxc."""
    mf = calculation("b97m_v", True)
    (tmp_path / "integrator.pickle").write_bytes(pickle.dumps(mf._numint))
    code = (
        "import pickle, sys, numpy\n"
        "ni = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(repr(float(ni.eval_xc_eff(ni.xc_code, numpy.ones((5, 3)))[0][0])))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "integrator.pickle")], capture_output=True, text=True, check=True
    )
    assert float(run.stdout) == mf._numint.eval_xc_eff(mf.xc, np.ones((5, 3)))[0][0]


def test_the_log_names_the_functional() -> None:
    mf = calculation("gas22", True)
    lines: list[str] = []
    mf.stdout = type("Lines", (), {"write": lambda self, text: lines.append(text), "flush": lambda self: None})()
    mf.verbose = 4
    mf.dump_flags()
    assert "10.1126/sciadv.abq0279" in "".join(lines)


def test_a_functional_of_ones_own(tmp_path: Path) -> None:
    own = fs.Functional(
        "own",
        {"x": fs.Channel(fs.Expression.parse("1 + c1*u(x2, g)"), {"c1": 0.8, "g": 0.004})},
        hybrid=fs.Hybrid(short_range=0.1, long_range=0.1),
    )
    own.to_json(tmp_path / "own.json")
    mf = calculation("pbe", False)
    fs.pyscf.attach(mf, fs.Functional.from_json(tmp_path / "own.json"))
    mf.kernel()
    assert mf.converged
    assert mf._numint.rsh_and_hybrid_coeff(mf.xc) == (0.0, 0.1, 0.1)


@pytest.mark.parametrize("make", [lambda: molecule(), lambda: scf.RHF(molecule()), lambda: dft.GKS(molecule())])
def test_what_is_not_kohn_sham_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(fs.InputError, match="expected a PySCF Kohn-Sham object of a molecule"):
        fs.pyscf.attach(make(), "pbe")


def test_an_old_pyscf_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyscf, "__version__", "2.6.2")
    with pytest.raises(fs.FastsfesError, match=r"PySCF 2.6.2 is too old .* before 2.11"):
        fs.pyscf.attach(dft.RKS(molecule()), "pbe")


@pytest.mark.slow
def test_published_energies_of_gas22() -> None:
    """H2O and P (quartet) with def2-QZVPPD on PySCF's default grids; values of PySCF's own libxc.

    -76.430060 and -341.253901 as published, with PW92's printed constants.
    """
    geometry = "O -0.084889 0.056804 0.055205; H 0.710375 0.517729 0.413971; H -0.890958 0.498588 0.414274"
    for mol, expected in (
        (gto.M(atom=geometry, basis="def2-qzvppd", verbose=0), -76.430055),
        (gto.M(atom="P", spin=3, basis="def2-qzvppd", verbose=0), -341.253892),
    ):
        mf = dft.UKS(mol) if mol.spin else dft.RKS(mol)
        mf.nlcgrids.prune = dft.gen_grid.sg1_prune
        fs.pyscf.attach(mf, functional("gas22"))
        assert mf.kernel() == pytest.approx(expected, abs=1e-6)
