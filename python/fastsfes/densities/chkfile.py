"""Import of PySCF chkfiles (HDF5) as density records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..common.errors import FastsfesError, InputError
from ..common.reading import DAMAGE, damage, parse_json, short
from ..common.reading import read_text as read_utf8
from ..common.reading.hdf5 import attributes as read_attributes
from ..common.reading.hdf5 import open_file, read, read_text
from .hdf5 import RecordError
from .mole import load_mole
from .record import ENERGY_NAMES, DensityRecord, Energies
from .scf import frozen_energies, make_mean_field, occupied
from .settings import NO_DENSITY_FIT, ScfSettings

#: Largest element of FDS - SDF of a converged density; PySCF's default convergence leaves about 1e-5.
_STATIONARY = 2e-4


def read_chkfile(path: Path | str, name: str | None = None, *, settings: ScfSettings | None = None) -> DensityRecord:
    """Read one PySCF chkfile.

    Parameters
    ----------
    path: the chkfile; virtual orbitals in it are ignored.
    name: record name for messages; the file's stem by default.
    settings: how the density was made. Needed when the file has no attributes ``xc``, ``grid`` and
        ``density_fit`` of its own; used to compute the frozen energies when the group ``energies`` is absent.

    Raises
    ------
    RecordError: the file is damaged or lacks a part; the message names file and record.
    """
    path = Path(path)
    name = name or path.stem
    where = f"{path}: density of {name!r}"
    with damage(where, "compute the density again", RecordError):
        return _read_chkfile(path, where, settings)


def _read_chkfile(path: Path, where: str, settings: ScfSettings | None) -> DensityRecord:
    try:
        with open_file(path) as file:
            text = read_text(file, "mol")
            coeff, occ, mo_energy, e_scf = (
                read(file, f"scf/{key}") for key in ("mo_coeff", "mo_occ", "mo_energy", "e_tot")
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
    if coeff.ndim != occ.ndim + 1 or coeff.shape[-2] != mol.nao or coeff.shape[-1] != occ.shape[-1]:
        raise RecordError(
            f"{where}: mo_coeff {coeff.shape} and mo_occ {occ.shape} do not fit {mol.nao} basis functions"
        )
    if round(float(occ.sum())) != mol.nelectron or abs(float(occ.sum()) - mol.nelectron) > 1e-6:
        raise RecordError(f"{where}: occupations sum to {occ.sum():g} but the molecule has {mol.nelectron} electrons")
    coeff, occ, mo_energy = occupied(coeff, occ, mo_energy)
    attributes = _complete(attributes, mol, settings, where)
    mf = None
    if stored is None or "converged" not in attributes:
        mf = _mean_field(mol, coeff, occ, mo_energy, attributes)
    # PySCF also writes the chkfile of a run that did not converge, and does not say so: measure.
    converged = attributes["converged"] if "converged" in attributes else _is_stationary(mf)
    attributes["converged"] = bool(converged)
    if stored is None:
        energies = frozen_energies(mf, _settings_of(attributes))
    else:
        if not all(np.isfinite(value) for value in stored.values()):
            raise RecordError(f"{where}: an energy is NaN or infinite; compute the density again")
        energies = Energies(**stored)
    return DensityRecord(text, coeff, occ, mo_energy, energies, attributes)


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
    folder: Path | str, *, settings: ScfSettings | None = None
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


def _complete(attributes: dict[str, Any], mol: Any, settings: ScfSettings | None, where: str) -> dict[str, Any]:
    """Fill in what a bare chkfile does not say; an unknown convergence counts as not converged."""
    attributes = dict(attributes)
    if settings is not None:
        for key, value in (("xc", settings.xc), ("basis", settings.basis), ("grid", settings.grid)):
            attributes.setdefault(key, value)
        attributes.setdefault("density_fit", settings.density_fit if settings.fitted else NO_DENSITY_FIT)
    for key in ("xc", "grid"):
        if key not in attributes:
            raise RecordError(f"{where}: the file does not say its {key}; give it (option --{key})")
    attributes.setdefault("density_fit", NO_DENSITY_FIT)
    attributes.setdefault("basis", mol.basis if isinstance(mol.basis, str) else "custom")
    for key, number in (("charge", int(mol.charge)), ("spin", int(mol.spin))):
        if int(attributes.setdefault(key, number)) != number:
            raise RecordError(f"{where}: attribute {key} is {attributes[key]} but the molecule has {number}")
    attributes.setdefault("rung", "imported")
    return attributes


def _settings_of(attributes: dict[str, Any]) -> ScfSettings:
    return ScfSettings(
        xc=str(attributes["xc"]), grid=str(attributes["grid"]), density_fit=str(attributes["density_fit"])
    )


def _mean_field(mol: Any, coeff: Any, occ: Any, mo_energy: Any, attributes: dict[str, Any]) -> Any:
    mf = make_mean_field(mol, _settings_of(attributes))
    mf.mo_coeff, mf.mo_occ, mf.mo_energy = coeff, occ, mo_energy
    # Whether e_tot of the file contains VV10 is unknown, so the parts are summed and not compared.
    mf.converged = False
    return mf


def _is_stationary(mf: Any) -> bool:
    """Whether the commutator FDS - SDF vanishes, with VV10 left out of F or taken in."""
    overlap = mf.get_ovlp()
    density = np.asarray(mf.make_rdm1())
    for nlc in (0, ""):
        mf.nlc = nlc
        fock = np.asarray(mf.get_fock(dm=density))
        product = fock @ density @ overlap
        residual = float(np.max(np.abs(product - np.swapaxes(product, -1, -2))))
        if residual < _STATIONARY:
            mf.nlc = 0
            return True
    mf.nlc = 0
    return False
