"""Import of PySCF chkfiles (HDF5) as density records.

A chkfile holds orbitals and an energy, and says little of how they were made. What is restored is the molecule with
its basis set and ECPs, and restricted, unrestricted and restricted open-shell orbitals; what PySCF does not write
(functional, grid, density fitting) has to be said. Then the density must be stationary and have the file's energy:
relativistic Hamiltonians, dispersion corrections, or a wrong word about the grid show there, and are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..common.errors import FastsfesError, InputError
from ..common.reading import DAMAGE, damage, parse_json, short
from ..common.reading import read_text as read_utf8
from ..common.reading.hdf5 import attributes as read_attributes
from ..common.reading.hdf5 import child, open_file, read, read_text
from .basis import CUSTOM, check_molecule, labels_of
from .hdf5 import RecordError
from .maker import maker_name
from .mole import load_mole, stored_names
from .record import ENERGY_NAMES, DensityRecord, Energies, FloatArray
from .scf import check_settings, frozen_energies, has_vv10, make_mean_field, occupied
from .settings import NO_DENSITY_FIT, ScfSettings

#: Largest element of FDS - SDF of a converged density; PySCF's default convergence leaves about 1e-5.
_STATIONARY = 2e-4

#: The energy in the file and the one found here may differ by this (hartree): more than what loose convergence and
#: versions of libxc leave, less than what relativity does to a hydrogen atom (7e-6).
_SAME_ENERGY = 2e-6

#: What PySCF does not write into a chkfile, with the option that says it.
_SAID = {"xc": "--xc", "grid": "--grid", "density_fit": "--density-fit"}


def read_chkfile(
    path: Path | str, name: str | None = None, *, settings: Mapping[str, str] | None = None
) -> DensityRecord:
    """Read one PySCF chkfile.

    Args:
        path: the chkfile; virtual orbitals in it are ignored.
        name: record name for messages; the file's stem by default.
        settings: how the density was made: "xc", "grid" and "density_fit", as in `ScfSettings`, where the file has
            no attributes of these names. Without density_fit there was none.

    Raises:
        RecordError: the file is damaged or lacks a part; or it holds physics that is not carried over, or no density
            that is stationary under these settings with the energy that the file says. The message names file and
            record.
    """
    path = Path(path)
    name = name or path.stem
    where = f"{path}: density of {name!r}"
    with damage(where, "compute the density again", RecordError):
        return _read_chkfile(path, where, dict(settings or {}))


def _read_chkfile(path: Path, where: str, given: Mapping[str, str]) -> DensityRecord:
    try:
        with open_file(path) as file:
            if "scf/kpts" in file or "scf/kpt" in file:
                raise RecordError(f"{where}: orbitals of a periodic system, which are not read")
            text = read_text(file, "mol")
            coeff, occ, mo_energy, e_scf = (
                _array(file, f"scf/{key}") for key in ("mo_coeff", "mo_occ", "mo_energy", "e_tot")
            )
            attributes = read_attributes(file)
            stored = None
            if "energies" in file:
                stored = {key: float(read(file, f"energies/{key}")[()]) for key in ENERGY_NAMES}
    except DAMAGE as error:
        raise RecordError(f"{where}: not a complete PySCF chkfile ({short(error)})") from error
    if any(a.dtype != np.float64 for a in (coeff, occ, mo_energy)):
        raise RecordError(f"{where}: orbitals must be stored in real double precision, got {coeff.dtype}")
    if not all(np.all(np.isfinite(a)) for a in (coeff, occ, mo_energy, e_scf)):
        raise RecordError(f"{where}: orbitals or energies hold NaN or infinity; compute the density again")
    mol = load_mole(text, where)
    try:
        check_molecule(mol)
    except InputError as error:
        raise RecordError(f"{where}: {error}") from None
    if coeff.ndim == 2 and occ.ndim == 1 and coeff.shape[0] in (2 * mol.nao, 4 * mol.nao):
        raise RecordError(f"{where}: two-component orbitals (GKS, relativistic), which are not read")
    if coeff.ndim != occ.ndim + 1 or coeff.shape[-2] != mol.nao or coeff.shape[-1] != occ.shape[-1]:
        raise RecordError(
            f"{where}: mo_coeff {coeff.shape} and mo_occ {occ.shape} do not fit {mol.nao} basis functions"
        )
    if round(float(occ.sum())) != mol.nelectron or abs(float(occ.sum()) - mol.nelectron) > 1e-6:
        raise RecordError(f"{where}: occupations sum to {occ.sum():g} but the molecule has {mol.nelectron} electrons")
    as_stored = coeff, occ, mo_energy
    coeff, occ, mo_energy, reference = _by_spin(mol, coeff, occ, mo_energy, where)
    coeff, occ, mo_energy = occupied(coeff, occ, mo_energy)
    attributes = _complete(attributes, mol, text, given, where)
    attributes["reference"] = reference
    if stored is None or "converged" not in attributes:
        mf = make_mean_field(mol, _settings_of(attributes), reference=reference)
        mf.mo_coeff, mf.mo_occ, mf.mo_energy = as_stored
        mf.converged = False  # the parts are summed, and compared below
        energies = frozen_energies(mf, _settings_of(attributes))
        _check_energy(mf, energies, float(e_scf), attributes, given, where)
        attributes["converged"] = bool(attributes.get("converged", True))
    if stored is not None:
        if not all(np.isfinite(value) for value in stored.values()):
            raise RecordError(f"{where}: an energy is NaN or infinite; compute the density again")
        energies = Energies(**stored)
        if not _is_energy_of(energies, float(e_scf)):
            raise RecordError(
                f"{where}: scf/e_tot is {float(e_scf):.8f} hartree but energies/e_tot is {energies.e_tot:.8f}; "
                f"compute the density again"
            )
    return DensityRecord(text, coeff, occ, mo_energy, energies, attributes)


def _array(file: Any, path: str) -> FloatArray:
    """An array, which PySCF may have written as the list of its first axis (orbitals with symmetry labels)."""
    listed = f"{path}__from_list__"
    if path in file or listed not in file:
        return read(file, path)
    return np.array([read(file, f"{listed}/{key}") for key in sorted(child(file, listed))[:2]])


def _by_spin(
    mol: Any, coeff: FloatArray, occ: FloatArray, mo_energy: FloatArray, where: str
) -> tuple[FloatArray, FloatArray, FloatArray, str]:
    """Orbitals as they are kept, and the kind of Kohn-Sham object: open shells have two sets of orbitals."""
    if not np.all(np.isin(occ, (0.0, 1.0) if occ.ndim == 2 else (0.0, 1.0, 2.0))):
        raise RecordError(f"{where}: fractional occupations (smearing), which are not carried over")
    if occ.ndim == 2:
        return coeff, occ, mo_energy, "UKS"
    if not np.any(occ == 1.0):
        return coeff, occ, mo_energy, "RKS"
    if np.count_nonzero(occ == 1.0) != mol.spin:
        raise RecordError(f"{where}: fractional occupations, which are not carried over")
    spins = np.array([occ > 0.0, occ == 2.0], dtype=float)
    return np.array([coeff, coeff]), spins, np.array([mo_energy, mo_energy]), "ROKS"


def _is_energy_of(energies: Energies, e_scf: float) -> bool:
    """Whether a file's energy is this one, with or without VV10: PySCF can leave it out of the iterations."""
    return min(abs(e_scf - energies.e_tot), abs(e_scf - energies.e_tot + energies.e_nlc)) < _SAME_ENERGY


def _check_energy(
    mf: Any, energies: Energies, e_scf: float, attributes: Mapping[str, Any], given: Mapping[str, str], where: str
) -> None:
    """Whether the density is stationary and has the energy of the file; what was found instead is said."""
    residual = _residual(mf)
    if residual < _STATIONARY and _is_energy_of(energies, e_scf):
        return
    how = f"{maker_name(str(attributes['xc']))}, grid {attributes['grid']}, density fitting {attributes['density_fit']}"
    assumed = [option for key, option in _SAID.items() if key not in given and attributes[key] == NO_DENSITY_FIT]
    measured = (
        f"with {how} the energy of this density is {energies.e_tot:.8f} hartree ({energies.e_nlc:.8f} of it VV10), the "
        f"file says {e_scf:.8f}, and the largest element of FDS - SDF is {residual:.1e} (converged: below "
        f"{_STATIONARY:.0e})"
    )
    difference = float(np.einsum("ij,ji->", _x2c_core(mf) - mf.get_hcore(), _total(mf)))
    shifted = e_scf - difference
    if abs(difference) > _SAME_ENERGY and _is_energy_of(energies, shifted):
        why = "the density was made with the relativistic X2C Hamiltonian, which is not carried over"
    elif residual < _STATIONARY:
        why = (
            "the file's energy holds a part that does not depend on the density, such as a dispersion correction (D3, "
            "D4), or its grid and density fitting were others"
        )
    else:
        why = "the calculation did not converge, or was made in another way"
        if assumed:
            why += f" (not given: {', '.join(assumed)})"
    raise RecordError(f"{where}: {why}; {measured}")


def _total(mf: Any) -> FloatArray:
    """The density matrix of both spins, (nao, nao)."""
    density = np.asarray(mf.make_rdm1())
    return density.sum(axis=0) if density.ndim == 3 else density


def _x2c_core(mf: Any) -> FloatArray:
    """One-electron Hamiltonian of the spin-free exact two-component method."""
    from pyscf.x2c import sfx2c1e

    return np.asarray(sfx2c1e.SpinFreeX2C(mf.mol).get_hcore())


def _residual(mf: Any) -> float:
    """Largest element of the commutator FDS - SDF, with VV10 left out of F or taken in, whichever is smaller."""
    overlap = mf.get_ovlp()
    density = np.asarray(mf.make_rdm1())
    # Roothaan's effective Fock matrix of open shells commutes with the density of both spins.
    commuting = _total(mf) if np.ndim(mf.mo_occ) == 1 else density
    found = []
    for nlc in (0, "") if has_vv10(mf) else (0,):
        mf.nlc = nlc
        product = np.asarray(mf.get_fock(dm=density)) @ commuting @ overlap
        found.append(float(np.max(np.abs(product - np.swapaxes(product, -1, -2)))))
    mf.nlc = 0
    return min(found)


def chkfile_index(folder: Path | str) -> dict[str, Path]:
    """Species -> chkfile, from ``index.json`` in the folder or from the names of its ``*.chk`` files."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected PySCF chkfiles (*.chk)")
    index = folder / "index.json"
    if not index.exists():
        files = {path.stem: path for path in sorted(folder.glob("*.chk"))}
        if not files:
            raise InputError(f"{folder}: holds neither index.json nor *.chk files")
        return files
    with damage(f"{index}: the table of species and file names", "make it again"):
        entries = parse_json(read_utf8(index, "a JSON object of species and file names"), str(index))
        return {str(name): folder / Path(str(file)).name for name, file in entries.items()}


def read_chkfiles(
    folder: Path | str, *, settings: Mapping[str, str] | None = None
) -> Iterator[tuple[tuple[str, ...], DensityRecord | FastsfesError]]:
    """Read a folder file by file: (names that share the file, record or the error that it raised)."""
    names: dict[Path, list[str]] = {}
    for name, path in chkfile_index(folder).items():
        names.setdefault(path, []).append(name)
    for path, members in names.items():
        try:
            yield tuple(members), read_chkfile(path, members[0], settings=settings)
        except FastsfesError as error:
            yield tuple(members), error


def _complete(
    attributes: Mapping[str, Any], mol: Any, text: str, given: Mapping[str, str], where: str
) -> dict[str, Any]:
    """Fill in what the file does not say, from what was given and from the molecule."""
    found = {**given, **attributes}
    for key in ("xc", "grid"):
        if key not in found:
            raise RecordError(f"{where}: the file does not say its {key}; give it (option {_SAID[key]})")
    found.setdefault("density_fit", NO_DENSITY_FIT)
    names = stored_names(text)
    found["basis"], found["ecp"] = labels_of(mol, names[0], names[1] or names[0])
    if found["basis"] == CUSTOM and "basis" in attributes:
        found["basis"], found["ecp"] = labels_of(mol, str(attributes["basis"]), str(attributes.get("ecp", "")))
    for key, number in (("charge", int(mol.charge)), ("spin", int(mol.spin))):
        if int(found.setdefault(key, number)) != number:
            raise RecordError(f"{where}: attribute {key} is {found[key]} but the molecule has {number}")
    found.setdefault("rung", "imported")
    try:
        check_settings(_settings_of(found), (), orbitals=False)
    except InputError as error:
        raise RecordError(f"{where}: {error}") from None
    return found


def _settings_of(attributes: Mapping[str, Any]) -> ScfSettings:
    return ScfSettings(
        xc=str(attributes["xc"]), grid=str(attributes["grid"]), density_fit=str(attributes["density_fit"])
    )
