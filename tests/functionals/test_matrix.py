"""Every family of functionals with every feature of PySCF: the same as with PySCF's own libxc functional.

Both sides are converged to 1e-11 hartree. Energies are second order in the remaining error, other properties first
order: that, and points where libxc applies its density thresholds, is what tolerances leave room for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pyscf import gto, scf, sgx
from scf_families import CODES, WATER, calculation, molecule

ENERGY, GRADIENT = 1e-8, 1e-6  # hartree, hartree/bohr


@pytest.fixture(scope="module")
def converged() -> Callable[..., Any]:
    """Converged calculations (name, ours, kind), each made once and not to be changed."""
    made: dict[tuple[Any, ...], Any] = {}

    def get(name: str, ours: bool, kind: str = "RKS") -> Any:
        key = (name, ours, kind)
        if key not in made:
            made[key] = calculation(name, ours, kind).run()
            assert made[key].converged
        return made[key]

    return get


def both(converged: Any, name: str, kind: str = "RKS") -> tuple[Any, Any]:
    return converged(name, True, kind), converged(name, False, kind)


def outcome(run: Callable[[], Any]) -> Any:
    """The result, or the reason why PySCF does not support it."""
    try:
        return run()
    except NotImplementedError as error:
        return f"not supported: {error}"


def assert_same(mine: Any, theirs: Any, tolerance: float) -> None:
    if isinstance(theirs, str):
        assert isinstance(mine, str)
    else:
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", ["RKS", "UKS", "ROKS"])
@pytest.mark.parametrize("name", CODES)
def test_energy(converged: Any, name: str, kind: str) -> None:
    mine, theirs = both(converged, name, kind)
    assert mine._numint.calls > 3
    assert mine.e_tot == pytest.approx(theirs.e_tot, abs=ENERGY)
    assert mine._numint.rsh_and_hybrid_coeff(mine.xc) == theirs._numint.rsh_and_hybrid_coeff(theirs.xc)


@pytest.mark.parametrize("kind", ["RKS", "UKS", "ROKS"])
@pytest.mark.parametrize("name", CODES)
def test_gradient(converged: Any, name: str, kind: str) -> None:
    mine, theirs = both(converged, name, kind)
    calls = mine._numint.calls
    found = mine.nuc_grad_method().kernel()
    assert mine._numint.calls > calls
    assert_same(found, theirs.nuc_grad_method().kernel(), GRADIENT)


@pytest.mark.parametrize("kind", ["RKS", "UKS", "ROKS"])
@pytest.mark.parametrize("name", CODES)
def test_newton(converged: Any, name: str, kind: str) -> None:
    theirs, newton = converged(name, False, kind), calculation(name, True, kind).newton()
    newton.max_cycle = 3  # from the solution; the response is exercised, and it stays there
    newton.kernel(theirs.mo_coeff, theirs.mo_occ)
    assert newton._numint.calls > 1
    assert newton.converged
    assert newton.e_tot == pytest.approx(theirs.e_tot, abs=ENERGY)


@pytest.mark.parametrize("name", CODES)
def test_density_fitting_with_gradient(name: str) -> None:
    mine, theirs = (calculation(name, ours).density_fit().run() for ours in (True, False))
    assert mine._numint.calls > 3
    assert mine.e_tot == pytest.approx(theirs.e_tot, abs=ENERGY)
    assert_same(mine.nuc_grad_method().kernel(), theirs.nuc_grad_method().kernel(), GRADIENT)


@pytest.mark.parametrize("name", CODES)
def test_conversion_to_unrestricted_and_back(converged: Any, name: str) -> None:
    mine = converged(name, True).to_uks()
    calls = mine._numint.calls
    assert mine.kernel(mine.make_rdm1()) == pytest.approx(converged(name, False).e_tot, abs=ENERGY)
    assert mine._numint.calls > calls
    back = mine.to_rks()
    assert back.kernel(back.make_rdm1()) == pytest.approx(mine.e_tot, abs=ENERGY)


@pytest.mark.parametrize("method", ["TDA", "TDDFT"])
@pytest.mark.parametrize("name", CODES)
def test_excitations(converged: Any, name: str, method: str) -> None:
    kind = "RKS" if method == "TDDFT" else "UKS"
    with np.errstate(invalid="ignore"):  # PySCF's eigensolver takes roots of what rounding made negative
        mine, theirs = (
            outcome(lambda mf=mf: getattr(mf, method)().run(nstates=2).e) for mf in both(converged, name, kind)
        )
    # PySCF iterates excitations to 1e-5 in the vectors, 1e-9 or better in energy; the density's error enters linearly
    assert_same(mine, theirs, 1e-6)


@pytest.mark.parametrize("name", CODES)
def test_triplets_of_a_closed_shell(converged: Any, name: str) -> None:
    """The only spin-polarised response of restricted orbitals."""
    mine, theirs = (mf.TDA().set(singlet=False).run(nstates=2).e for mf in both(converged, name))
    assert_same(mine, theirs, 1e-6)


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "relativity": lambda mf: mf.x2c(),
    "solvent": lambda mf: mf.PCM(),
    "fitted Newton": lambda mf: mf.density_fit().newton(),
    "Newton, fitted": lambda mf: mf.newton().density_fit(),
    "seminumerical exchange": lambda mf: sgx.sgx_fit(mf),
    "fractional occupation": lambda mf: scf.addons.frac_occ(mf),
}


@pytest.mark.parametrize("wrap", WRAPPERS)
@pytest.mark.parametrize("name", ["pbe0", "wb97m_v"])
def test_objects_made_from_the_object(name: str, wrap: str) -> None:
    mine, theirs = (WRAPPERS[wrap](calculation(name, ours)) for ours in (True, False))
    assert mine.kernel() == pytest.approx(theirs.kernel(), abs=ENERGY)
    assert mine._numint.calls > 3


@pytest.mark.parametrize("name", ["b97m", "wb97m_v"])
def test_symmetry_and_stability(name: str) -> None:
    mols = [gto.M(atom=WATER, basis="6-31g", symmetry=True, verbose=0) for _ in range(2)]
    mine, theirs = (calculation(name, ours, mol=mol).run() for ours, mol in zip((True, False), mols, strict=True))
    assert mine.e_tot == pytest.approx(theirs.e_tot, abs=ENERGY)
    calls = mine._numint.calls
    assert mine.stability(return_status=True)[2:] == theirs.stability(return_status=True)[2:]
    assert mine._numint.calls > calls


@pytest.mark.parametrize("kind", ["RKS", "UKS"])
@pytest.mark.parametrize("name", CODES)
def test_gradient_of_an_excited_state(converged: Any, name: str, kind: str) -> None:
    """Needs third derivatives."""
    mine, theirs = (
        outcome(lambda mf=mf: mf.TDA().run(nstates=2, conv_tol=1e-9).nuc_grad_method().kernel(state=1))
        for mf in both(converged, name, kind)
    )
    assert_same(mine, theirs, 1e-5)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n in ("b97m_v", "wb97x_v", "wb97m_v", "gas22") else n for n in CODES],
)
def test_hessian(name: str) -> None:
    mol = gto.M(atom="H 0 0 0; F 0 0 0.92", basis="sto-3g", verbose=0)
    mine, theirs = (
        outcome(lambda ours=ours: calculation(name, ours, mol=mol).run().Hessian().kernel()) for ours in (True, False)
    )
    assert_same(mine, theirs, 1e-5 if "_v" in name or name == "gas22" else 1e-6)


@pytest.mark.parametrize("name", ["pbe0", "wb97m_v"])
def test_copy_reset_scanner_and_restart(converged: Any, name: str, tmp_path: Any) -> None:
    stretched = molecule().set_geom_(molecule().atom_coords() * 1.05, unit="Bohr", inplace=False)
    exact = calculation(name, False, mol=stretched).kernel()
    mine = converged(name, True)
    other = mine.copy().reset(stretched)
    assert other.kernel() == pytest.approx(exact, abs=ENERGY)
    assert mine.as_scanner()(stretched) == pytest.approx(exact, abs=ENERGY)
    energy, gradient = mine.nuc_grad_method().as_scanner()(stretched)
    theirs = calculation(name, False, mol=stretched).run()
    assert energy == pytest.approx(exact, abs=ENERGY)
    assert_same(gradient, theirs.nuc_grad_method().kernel(), GRADIENT)

    first = calculation(name, True)
    first.chkfile = str(tmp_path / "water.chk")
    first.kernel()
    again = calculation(name, True)
    again.__dict__.update(scf.chkfile.load(str(tmp_path / "water.chk"), "scf"))
    assert again.kernel(again.make_rdm1()) == pytest.approx(converged(name, False).e_tot, abs=ENERGY)
    assert again.cycles <= 3
    third = calculation(name, True)
    third.chkfile, third.init_guess = str(tmp_path / "water.chk"), "chkfile"
    assert third.kernel() == pytest.approx(converged(name, False).e_tot, abs=ENERGY)
