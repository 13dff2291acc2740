"""One SCF calculation: a convergence ladder, then the energies that a search keeps frozen."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..common.errors import FastsfesError, InputError
from ..functionals.libxc import LibxcFunctional
from ..functionals.load import Comparison
from .basis import NO_ECP, OWN_ECP, auxiliary_tables, element_of, has_ecp, labels_of, orbital_tables, shells_of
from .maker import maker, maker_name, own_maker
from .mole import dump_mole, load_mole
from .record import DensityRecord, Energies, FloatArray
from .settings import NO_DENSITY_FIT, ScfSettings, parse_grid

#: Range-separation parameter of wB97M-V and GAS22 in 1/bohr, used for the stored e_xx_lr.
OMEGA = 0.3

#: The frozen energies must add up to the SCF energy within this (hartree); round-off is about 1e-11.
_CONSISTENCY = 1e-7

#: Rounds of check and descent, the rise (hartree) that a round may make, and energies that count as equal.
_STABILITY_ROUNDS = 5
_SIDEWAYS = 1e-4
_SAME_ENERGY = 1e-7

#: Grids of fewer points per atom than this are not worth a start on a coarser one.
_COARSE_START = 15_000


def build_mole(
    symbols: tuple[str, ...], coordinates: FloatArray, charge: int, spin: int, basis: str, ecp: str = OWN_ECP
) -> Any:
    """Build a PySCF molecule with a basis set and ECPs of PySCF's list.

    Args:
        symbols: of the n atoms; see `fastsfes.datasets.Species`.
        coordinates: (n, 3) in angstrom.
        charge: total charge.
        spin: number of unpaired electrons.
        basis: name of the basis set.
        ecp: name of the ECPs, "default" for those of the basis set, "none" for none.

    Raises:
        InputError: there is no such basis set or ECP for an element, or the electrons do not fit.
    """
    from pyscf import gto

    shells, potentials = orbital_tables(symbols, basis, ecp)
    atoms = [(symbol, tuple(map(float, xyz))) for symbol, xyz in zip(symbols, coordinates, strict=True)]
    try:
        return gto.M(atom=atoms, basis=shells, ecp=potentials, charge=charge, spin=spin, unit="Angstrom", verbose=0)
    except (KeyError, RuntimeError) as error:
        raise InputError(f"PySCF cannot build the molecule with basis {basis!r}: {error}") from error


def check_settings(settings: ScfSettings, elements: Iterable[str], *, xc: bool = True, orbitals: bool = True) -> None:
    """Whether PySCF has the functional, the angular grid and, for all these elements, the basis sets and ECPs.

    Args:
        settings: what is checked.
        elements: symbols of the atoms.
        xc: whether to check the functional.
        orbitals: whether to check basis set and ECPs; stored molecules bring their own.

    Raises:
        InputError: names the option.
    """
    from pyscf.dft.LebedevGrid import LEBEDEV_NGRID

    if xc:
        try:
            functional = maker(settings.xc)
        except InputError as error:
            raise InputError(f"--xc {settings.xc}: {error}") from None
        if isinstance(functional, LibxcFunctional) and functional.dispersion:
            raise InputError(
                f"--xc {settings.xc}: the dispersion correction {functional.dispersion} is no functional of the "
                f"density and is not stored with it; leave it away"
            )
    grid = parse_grid(settings.grid)
    if isinstance(grid, tuple) and grid[1] not in LEBEDEV_NGRID:
        known = ", ".join(str(n) for n in LEBEDEV_NGRID if n > 1)
        raise InputError(f"--grid {settings.grid}: there is no angular grid of {grid[1]} points; there are {known}")
    symbols = sorted(set(elements))
    for symbol in symbols if orbitals else ():
        try:
            orbital_tables([symbol], settings.basis, settings.ecp)
        except InputError as error:
            raise InputError(f"--basis {settings.basis}: {error}") from None
    if (
        orbitals
        and settings.ecp.lower() not in (OWN_ECP, NO_ECP)
        and not has_ecp(symbols, settings.basis, settings.ecp)
    ):
        raise InputError(f"--ecp {settings.ecp}: PySCF has no ECP of that name for any of {', '.join(symbols)}")
    if settings.fitted and settings.density_fit.lower() != "autoaux":
        for symbol in symbols:
            try:
                shells_of(settings.density_fit, element_of(symbol))
            except InputError as error:
                raise InputError(f"--density-fit {settings.density_fit}: {error}") from None


def set_grid(grids: Any, grid: str) -> None:
    """Configure a PySCF ``Grids`` object from "level N" or "(radial,angular)"."""
    parsed = parse_grid(grid)
    if isinstance(parsed, int):
        grids.level = parsed
    else:
        grids.atom_grid = parsed
        grids.prune = None


def make_mean_field(mol: Any, settings: ScfSettings, functional: Comparison | None = None, reference: str = "") -> Any:
    """Kohn-Sham object with the settings applied; VV10 is left out of the iterations.

    Args:
        mol: PySCF molecule.
        settings: grid, tolerances and, without a `functional`, the functional.
        functional: takes the place of the one that the settings name.
        reference: "RKS", "UKS" or "ROKS"; by default RKS for closed shells and UKS for others.
    """
    from pyscf import dft

    mf = getattr(dft, reference or ("UKS" if mol.spin else "RKS"))(mol)
    mf.xc = settings.xc
    functional = functional or own_maker(settings.xc)
    if isinstance(functional, LibxcFunctional):
        mf.xc = functional.code
    elif functional is not None:
        from ..functionals.pyscf import attach

        attach(mf, functional)
    mf.nlc = 0
    mf.verbose = 0
    mf.chkfile = mf._chkfile = None  # a temporary file, which would stay open as long as anything refers to the object
    mf.conv_tol = settings.conv_tol
    mf.max_cycle = settings.max_cycle
    set_grid(mf.grids, settings.grid)
    if settings.fitted:
        mf = mf.density_fit(auxbasis=auxiliary_tables(mol, settings.density_fit))
    return mf


def converge(mf: Any, settings: ScfSettings, start: FloatArray | None = None) -> tuple[Any, str, int]:
    """Climb the ladder DIIS, level shift, damping, Newton; return (mf, rung, cycles).

    ``start`` is a density matrix to begin with; the default is PySCF's superposition of atoms.
    """
    cycles = 0
    if start is None:
        cycles = _start_on_coarse_grid(mf, settings)
        start = mf.make_rdm1() if mf.mo_coeff is not None else None
    mf.kernel(dm0=start)
    cycles += int(getattr(mf, "cycles", 0))
    if mf.converged:
        return mf, "diis", cycles

    shifted = mf.copy()
    shifted.level_shift = 0.3
    shifted.max_cycle = 2 * settings.max_cycle
    shifted.kernel(dm0=mf.make_rdm1())
    cycles += int(getattr(shifted, "cycles", 0))
    # The shift moves only virtual levels, but a plain restart also shows that the solution
    # is not held in place by the shift.
    mf.kernel(dm0=shifted.make_rdm1())
    cycles += int(getattr(mf, "cycles", 0))
    if mf.converged:
        return mf, "level-shift", cycles

    # From the start again, patiently: where occupations alternate, what comes next would end in a higher state.
    damped = mf.copy()
    damped.damp = 0.8
    damped.diis_start_cycle = 5 * settings.max_cycle  # PySCF damps only before DIIS starts
    damped.max_cycle = 4 * settings.max_cycle
    damped.kernel(dm0=mf.get_init_guess() if start is None else start)
    cycles += int(getattr(damped, "cycles", 0))
    if damped.converged:
        _set_state(mf, _state(damped))
        return mf, "damping", cycles

    newton = mf.newton()
    newton.verbose = 0
    newton.max_cycle = settings.max_cycle
    newton.kernel(mo_coeff=shifted.mo_coeff, mo_occ=shifted.mo_occ)
    cycles += int(getattr(newton, "cycles", 0))
    if newton.converged:
        _set_state(mf, _state(newton))
        return mf, "newton", cycles
    return mf, "none", cycles


def _start_on_coarse_grid(mf: Any, settings: ScfSettings) -> int:
    """Converge roughly on a small grid: it saves half of the time, most of which goes into the grid."""
    if not _is_fine(settings):
        return 0
    fine, tolerance = mf.grids, mf.conv_tol
    mf.grids = _coarse_grid(mf)
    mf.conv_tol = max(1e-6, settings.conv_tol)
    mf.kernel()
    cycles = int(getattr(mf, "cycles", 0))
    mf.grids, mf.conv_tol = fine, tolerance
    return cycles


def _is_fine(settings: ScfSettings) -> bool:
    """Whether grid level 1 is much smaller than the grid of the settings."""
    grid = parse_grid(settings.grid)
    return grid > 1 if isinstance(grid, int) else grid[0] * grid[1] >= _COARSE_START


def _coarse_grid(mf: Any) -> Any:
    grids = mf.grids.copy()
    grids.level, grids.atom_grid = 1, {}
    return grids.reset(mf.mol)


def follow_instabilities(mf: Any, settings: ScfSettings) -> tuple[Any, str, bool]:
    """Follow internal instabilities downhill, on a coarse grid, and converge again where they end.

    Returns (mf, "stability" when it holds a new and lower solution, whether the check was passed).
    """
    if all(occupied.all() or not occupied.any() for occupied in np.atleast_2d(mf.mo_occ > 0)):
        # No spin has both an occupied and an empty orbital, so there is nothing to mix.
        return mf, "", True
    coarse = mf
    if _is_fine(settings):
        coarse = mf.copy()
        coarse.grids = _coarse_grid(mf)
        coarse.kernel(dm0=mf.make_rdm1())
    start = float(coarse.e_tot)
    before = _state(mf)
    stable = _descend(coarse, settings)
    if coarse.e_tot > start - _SAME_ENERGY:
        return mf, "", stable
    if coarse is not mf:
        mf.kernel(dm0=coarse.make_rdm1())
        # What is lower only on the coarse grid is a property of that grid.
        if not mf.converged or mf.e_tot > before["e_tot"] - _SAME_ENERGY:
            _set_state(mf, before)
            return mf, "", stable and bool(abs(coarse.e_tot - start) < _SIDEWAYS)
    return mf, "stability", stable


def _descend(mf: Any, settings: ScfSettings) -> bool:
    """Leave mf at the lowest converged solution found; returns whether it passed the check.

    A step may go sideways: near degenerate orbitals the grid's own asymmetry makes curvatures of either
    sign, and the way down leads along them.
    """
    lowest = _state(mf)
    stable = False
    for _ in range(_STABILITY_ROUNDS):
        orbitals, _, stable, _ = mf.stability(return_status=True)
        if stable:
            break
        moved = _solve_from(mf, orbitals, settings)
        if moved is None or moved["e_tot"] > float(mf.e_tot) + _SIDEWAYS:
            break
        _set_state(mf, moved)
        if moved["e_tot"] < lowest["e_tot"]:
            lowest = moved
    stable = bool(stable) and float(mf.e_tot) <= lowest["e_tot"] + _SAME_ENERGY
    _set_state(mf, lowest)
    return stable


def _solve_from(mf: Any, orbitals: Any, settings: ScfSettings) -> dict[str, Any] | None:
    """Converge from displaced orbitals by DIIS, else by Newton; None when both fail or end higher."""
    diis = mf.copy()
    diis.kernel(dm0=mf.make_rdm1(orbitals, mf.mo_occ))
    if diis.converged and diis.e_tot < mf.e_tot + _SAME_ENERGY:
        return _state(diis)
    newton = mf.newton()
    newton.verbose = 0
    newton.max_cycle = min(settings.max_cycle, 30)
    newton.kernel(mo_coeff=orbitals, mo_occ=mf.mo_occ)
    if newton.converged:
        return _state(newton)
    diis.kernel(dm0=newton.make_rdm1())
    return _state(diis) if diis.converged else None


def _state(mf: Any) -> dict[str, Any]:
    state = {name: getattr(mf, name) for name in ("mo_coeff", "mo_occ", "mo_energy", "converged")}
    return {**state, "e_tot": float(mf.e_tot)}


def _set_state(mf: Any, state: dict[str, Any]) -> None:
    for name, value in state.items():
        setattr(mf, name, value)


def _fits(guess: DensityRecord, mf: Any) -> bool:
    """Whether a density matrix is one of this molecule and basis set, restricted or unrestricted as is asked for."""
    theirs, own = load_mole(guess.mole, "guess"), mf.mol
    return (
        theirs._basis == own._basis
        and theirs.elements == own.elements
        and theirs.nelec == own.nelec
        and np.allclose(theirs.atom_coords(), own.atom_coords(), rtol=0, atol=1e-6)
        and (guess.mo_occ.ndim == 2) == (own.spin != 0)
    )


def compute_density(
    symbols: tuple[str, ...],
    coordinates: FloatArray,
    charge: int,
    spin: int,
    settings: ScfSettings,
    *,
    name: str = "molecule",
    start: DensityRecord | None = None,
    guess: DensityRecord | None = None,
    note: Callable[[str], None] | None = None,
) -> DensityRecord:
    """Run one SCF and collect what a search needs.

    Args:
        symbols, coordinates: atoms and their positions in angstrom, (n, 3).
        charge, spin: total charge and number of unpaired electrons.
        settings: how to compute.
        name: used in messages only.
        start: an earlier result of the same calculation, which is gone on with.
        guess: a density of the species by another functional; it is begun with where it has the same atoms in the same
            places, the same basis set and the same kind of orbitals.
        note: called with one line per stage.

    Returns:
        DensityRecord: its ``converged`` attribute is False when every rung failed.
    """
    import pyscf

    started = time.perf_counter()
    mol = build_mole(symbols, coordinates, charge, spin, settings.basis, settings.ecp)
    mol.stdout, mol.verbose = io.StringIO(), pyscf.lib.logger.WARN
    mf = make_mean_field(mol, settings)
    mf.verbose = mol.verbose
    first = start or (guess if guess is not None and _fits(guess, mf) else None)
    mf, rung, cycles = converge(mf, settings, None if first is None else first.density_matrix())
    if start is not None and start.converged and rung == "diis":
        rung = str(start.attributes["rung"])
        cycles += int(start.attributes.get("cycles", 0))
    stable = "not checked"
    if mf.converged and settings.checks_stability(spin):
        mf, followed, is_stable = follow_instabilities(mf, settings)
        rung = f"{rung}+{followed}" if followed else rung
        stable = "stable" if is_stable else "unstable"
    if note is not None:
        note(f"{name}: rung {rung}, {cycles} cycles, {time.perf_counter() - started:.1f} s")
    energies = frozen_energies(mf, settings)
    coeff, occ, mo_energy = occupied(mf.mo_coeff, mf.mo_occ, mf.mo_energy)
    ecp = labels_of(mol, settings.basis, settings.basis if settings.ecp.lower() == OWN_ECP else settings.ecp)[1]
    attributes: dict[str, Any] = {
        "xc": settings.xc,
        "basis": settings.basis,
        "ecp": ecp,
        "charge": int(charge),
        "spin": int(spin),
        "converged": bool(mf.converged),
        "rung": rung,
        "cycles": int(cycles),
        "stability": stable,
        "conv_tol": float(settings.conv_tol),
        "grid": settings.grid,
        "density_fit": settings.density_fit if settings.fitted else NO_DENSITY_FIT,
        "nlc": "post-SCF",
        "s_squared": float(mf.spin_square()[0]) if spin else 0.0,
        "pyscf": str(pyscf.__version__),
        "seconds": time.perf_counter() - started,
    }
    if warnings := " ".join(dict.fromkeys(mol.stdout.getvalue().split("\n"))).strip():
        attributes["warnings"] = warnings
    mol.verbose = 0
    return DensityRecord(dump_mole(mol, settings.basis, ecp), coeff, occ, mo_energy, energies, attributes)


def frozen_energies(mf: Any, settings: ScfSettings) -> Energies:
    """Energies of a density; they add up to e_tot, which is checked."""
    mol, dm, ni = mf.mol, np.asarray(mf.make_rdm1()), mf._numint
    spins = dm.reshape(-1, mol.nao, mol.nao)
    if mf.grids.coords is None:
        mf.grids.build()
    polarised = dm.ndim == 3
    nr_vxc = ni.nr_uks if polarised else ni.nr_rks
    _, e_sl, _ = nr_vxc(mol, mf.grids, mf.xc, dm)
    vj = mf.get_j(mol, spins.sum(axis=0))
    e_xx = _exchange(mf, mol, dm, polarised, None)
    e_xx_lr = _exchange(mf, mol, dm, polarised, OMEGA)
    e_nlc = vv10_energy(mf, dm)
    total = spins.sum(axis=0)
    omega, alpha, hyb = ni.rsh_and_hybrid_coeff(mf.xc, spin=mol.spin)
    if omega not in (0, 0.0, OMEGA) and abs(alpha - hyb) > 0:
        e_range = _exchange(mf, mol, dm, polarised, omega)
    else:
        e_range = e_xx_lr
    hybrid = hyb * e_xx + ((alpha - hyb) * e_range if omega else 0.0)
    h1 = float(np.einsum("ij,ji->", mf.get_hcore(), total).real)
    coulomb = 0.5 * float(np.einsum("ij,ji->", vj, total).real)
    e_nuc = float(mol.energy_nuc())
    summed = h1 + coulomb + float(e_sl) + hybrid + e_nuc
    if mf.converged and abs(summed - mf.e_tot) > _CONSISTENCY:
        raise FastsfesError(
            f"the parts of the energy sum to {summed:.10f} hartree but the SCF gave {mf.e_tot:.10f}; "
            f"functional {maker_name(settings.xc)!r} has a part that is neither semilocal, exact exchange nor VV10"
        )
    return Energies(
        e_tot=summed + e_nlc,
        e_xc_semilocal=float(e_sl),
        e_xx=e_xx,
        e_xx_lr=e_xx_lr,
        e_nlc=e_nlc,
        e_nuc=e_nuc,
    )


def _exchange(mf: Any, mol: Any, dm: Any, polarised: bool, omega: float | None) -> float:
    vk = mf.get_k(mol, dm) if omega is None else mf.get_k(mol, dm, omega=omega)
    factor = 0.5 if polarised else 0.25
    return -factor * float(np.sum(np.asarray(vk) * np.swapaxes(np.asarray(dm), -1, -2)).real)


def has_vv10(mf: Any) -> bool:
    """Whether VV10 belongs to the functional, as PySCF reads its name; "-d3bj" can stand in the place of VV10."""
    iterated, mf.nlc = mf.nlc, ""
    try:
        return bool(mf.do_nlc())
    finally:
        mf.nlc = iterated


def vv10_energy(mf: Any, dm: Any) -> float:
    """VV10 energy of a density matrix on PySCF's own nonlocal grid; zero for functionals without it."""
    ni, mol = mf._numint, mf.mol
    if not has_vv10(mf):
        return 0.0
    if mf.nlcgrids.coords is None:
        mf.nlcgrids.build()
    total = np.asarray(dm).reshape(-1, mol.nao, mol.nao).sum(axis=0)
    _, e_nlc, _ = ni.nr_nlc_vxc(mol, mf.nlcgrids, mf.xc, total)
    return float(e_nlc)


def occupied(mo_coeff: Any, mo_occ: Any, mo_energy: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Keep occupied orbitals; of two spins the shorter is padded with zeros."""
    coeff, occ, energy = (np.asarray(a, dtype=float) for a in (mo_coeff, mo_occ, mo_energy))
    if occ.ndim == 1:
        keep = occ > 0
        return np.ascontiguousarray(coeff[:, keep]), occ[keep], energy[keep]
    masks = [o > 0 for o in occ]
    n = max(int(m.sum()) for m in masks)
    out_c = np.zeros((2, coeff.shape[1], n))
    out_o, out_e = np.zeros((2, n)), np.zeros((2, n))
    for s, mask in enumerate(masks):
        k = int(mask.sum())
        out_c[s, :, :k] = coeff[s][:, mask]
        out_o[s, :k] = occ[s][mask]
        out_e[s, :k] = energy[s][mask]
    return out_c, out_o, out_e
