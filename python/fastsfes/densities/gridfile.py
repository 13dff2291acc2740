"""Grid files: densities of any program as values on its integration grid (docs/file-formats.md).

An HDF5 file with the attributes format = "fastsfes-grids" and version = 1, and a group per species:

    attributes   xc      functional whose exact exchange and nonlocal correlation are in the energy, e.g. "wb97m_v"
                 energy  the energy that does not change, hartree: total less semilocal exchange-correlation energy
                 charge, multiplicity                                        optional: 0, 1
                 e_tot, e_xc_semilocal, e_xx, e_xx_lr, e_nlc, e_nuc       optional, hartree; energy may then be absent
                 source  the program and how it was used                     optional
    weights      (n,), bohr^3
    rho          (n,), or (2, n) for spin densities
    sigma        (n,): |grad rho|^2, or (3, n): grad rho_a . grad rho_a, a . b, b . b
    tau          (n,), or (2, n): (1/2) sum |grad phi|^2

`from_pyscf` makes records of PySCF's molecules and solids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..common.errors import InputError
from ..common.reading import DAMAGE, short
from ..common.reading.hdf5 import attributes as read_attributes
from ..common.reading.hdf5 import child, open_file, read
from .hdf5 import RecordError, check_grid_record, write_array, write_atomically
from .maker import maker, maker_name
from .record import ENERGY_NAMES, Energies, GridRecord

__all__ = ["FORMAT", "counting_error", "from_pyscf", "read_grid_file", "write_grid_file"]

FORMAT = "fastsfes-grids"
VERSION = 1

_STATE = {"charge": 0, "multiplicity": 1}
"""Attribute -> what holds when it is absent."""

_BELOW = 0.1
"""Part of the electrons where tau may be less than one orbital would have: core densities without orbitals."""

_SEMILOCAL = 1e-3
"""hartree: versions of libxc and density thresholds differ less, wrong factors more."""

_OWN_GRID = "its own"
_ARRAYS = ("weights", "rho", "sigma", "tau")


def write_grid_file(path: Path | str, records: Mapping[str, GridRecord]) -> None:
    """Write densities by species, atomically."""

    def fill(file: h5py.File) -> None:
        file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
        for name, record in records.items():
            group = file.create_group(name)
            for key, array in record.arrays.items():
                write_array(group, key, array)
            for key in ENERGY_NAMES:
                group.attrs[key] = np.float64(getattr(record.energies, key))
            group.attrs["energy"] = np.float64(record.energies.e_frozen)
            group.attrs["multiplicity"] = int(record.attributes.get("spin", 0)) + 1
            for key in ("xc", "charge", "source"):
                if key in record.attributes:
                    group.attrs[key] = record.attributes[key]

    write_atomically(Path(path), fill)


def read_grid_file(path: Path | str) -> Iterator[tuple[str, GridRecord | RecordError]]:
    """Species by species: its density, or what is wrong with it.

    Raises:
        InputError: when the file is no grid file.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a grid file (HDF5)")
    try:
        with open_file(path) as file:
            given = read_attributes(file)
            if given.get("format") != FORMAT or given.get("version") != VERSION:
                raise InputError(f"{path}: lacks the attributes format = {FORMAT!r} and version = {VERSION}")
            for name in sorted(file):
                where = f"{path}: {name!r}"
                try:
                    yield name, _read(child(file, name), where)
                except RecordError as error:
                    yield name, error
                except DAMAGE as error:
                    yield name, RecordError(f"{where} is damaged or incomplete ({short(error)})")
    except OSError as error:
        raise InputError(f"{path}: not a readable HDF5 file ({short(error)})") from None


def _read(group: h5py.Group, where: str) -> GridRecord:
    given = read_attributes(group)
    if "xc" not in given:
        raise RecordError(f"{where} lacks the attribute xc, the functional that made the density")
    known = {key: float(given.get(key, 0.0)) for key in ENERGY_NAMES}
    if "energy" in given:
        frozen = float(given["energy"])
        if "e_tot" not in given:
            known["e_tot"] = frozen + known["e_xc_semilocal"]
        elif not abs(known["e_tot"] - known["e_xc_semilocal"] - frozen) <= 1e-8:
            raise RecordError(f"{where}: energy is not e_tot - e_xc_semilocal")
    elif not {"e_tot", "e_xc_semilocal"} <= given.keys():
        raise RecordError(f"{where} lacks the attribute energy, the energy that does not change (hartree)")
    charge, multiplicity = (_whole(given.get(key, default), f"{where}: {key}") for key, default in _STATE.items())
    if multiplicity < 1:
        raise RecordError(f"{where}: multiplicity {multiplicity} must be at least 1")
    attributes = {
        "xc": str(given["xc"]),
        "charge": charge,
        "spin": multiplicity - 1,
        "converged": True,
        "grid": _OWN_GRID,
        "basis": "unknown",
        "density_fit": "unknown",
        "source": str(given.get("source", "")),
    }
    arrays = {key: np.asarray(read(group, key), dtype=np.float64) for key in _ARRAYS}
    record = GridRecord(**arrays, energies=Energies(**known), attributes=attributes)
    check_grid_record(record, where)
    _check_conventions(record, where)
    return record


def _whole(value: Any, where: str) -> int:
    if not isinstance(value, (int, float)) or value != round(value):
        raise RecordError(f"{where} is {value!r}, not a whole number")
    return int(value)


def _check_conventions(record: GridRecord, where: str) -> None:
    """Units, order of the spins and factors: what a density of another convention cannot fulfil; raises RecordError."""
    electrons, spin = record.electrons, int(record.attributes["spin"])
    if abs(electrons - round(electrons)) > counting_error(electrons) or electrons < 0.5:
        raise RecordError(f"{where}: holds {electrons:.3f} electrons, not a whole number; expected atomic units")
    if record.rho.ndim == 1 and spin:
        raise RecordError(f"{where}: multiplicity {spin + 1} needs spin densities, (2, n)")
    unpaired = 0.0 if record.rho.ndim == 1 else float(np.sum(record.weights * (record.rho[0] - record.rho[1])))
    # Metals have fractions of unpaired electrons.
    if abs(unpaired - spin) > 0.5:
        raise RecordError(
            f"{where}: rho holds {unpaired:.2f} more electrons of the first spin than of the second, multiplicity "
            f"{spin + 1} says {spin}"
        )
    # tau >= |grad rho|^2 / (8 rho) for every spin; noise where there is hardly any density is none of its business.
    rho, tau = np.atleast_2d(record.rho), np.atleast_2d(record.tau)
    sigma = np.atleast_2d(record.sigma)[:: 1 if record.rho.ndim == 1 else 2]
    below = np.sum(record.weights * rho * (8.0 * rho * tau < 0.99 * sigma))
    if below > _BELOW * electrons:
        raise RecordError(
            f"{where}: tau is below |grad rho|^2/(8 rho) for {100.0 * below / electrons:.0f} % of the electrons; "
            "expected tau = (1/2) sum |grad phi|^2 and sigma = |grad rho|^2 of the same orbitals, in atomic units"
        )
    xc, stated = str(record.attributes["xc"]), record.energies.e_xc_semilocal
    try:
        functional = maker(xc)
    except InputError as error:
        raise RecordError(f"{where}: {error}") from None
    if stated:
        values = functional.energy_density(record.rho, record.sigma, record.tau).exc
        found = float(np.sum(record.weights * np.asarray(values)))
        if abs(found - stated) > _SEMILOCAL:
            raise RecordError(
                f"{where}: {maker_name(xc)} on this density has a semilocal energy of {found:.6f} hartree, "
                f"e_xc_semilocal says {stated:.6f}; are density, sigma and tau in the order and units of the format?"
            )


def counting_error(electrons: float) -> float:
    """What coarse grids lose of so many electrons."""
    return 0.1 + 1e-3 * abs(electrons)


def from_pyscf(mf: Any) -> GridRecord:
    """The density of a converged PySCF calculation: RKS or UKS of a molecule, or of a solid with or without k-points.

    Args:
        mf: mean field with a functional, converged.

    Raises:
        InputError: when it did not converge.
    """
    if not mf.converged:
        raise InputError("the calculation did not converge; its density must not be used")
    system = getattr(mf, "cell", None) or mf.mol
    if mf.grids.coords is None:
        mf.grids.build()
    density, ni = mf.make_rdm1(), mf._numint
    kpts: dict[str, Any] = {}
    if hasattr(mf, "cell"):
        from pyscf.pbc.dft.numint import KNumInt

        kpts = {"kpts": mf.kpts} if isinstance(ni, KNumInt) else {"kpt": mf.kpt}
    spins = [np.asarray(density)] if np.ndim(density) == (3 if "kpts" in kpts else 2) else list(density)
    weights, parts = [], []
    for ao, *_, w, _coords in ni.block_loop(system, mf.grids, system.nao, deriv=1, **kpts):
        rho = [np.asarray(ni.eval_rho(system, ao, dm, xctype="MGGA", with_lapl=False)).real for dm in spins]
        weights.append(np.asarray(w))
        parts.append(np.array(rho))
    values = np.concatenate(parts, axis=-1)  # (spins, 5, n): density, gradient, tau
    nr = ni.nr_rks if len(spins) == 1 else ni.nr_uks
    semilocal = float(nr(system, mf.grids, mf.xc, density, **kpts)[1])
    pairs = [(0, 0)] if len(spins) == 1 else [(0, 0), (0, 1), (1, 1)]
    sigma = np.array([np.einsum("xp,xp->p", values[a, 1:4], values[b, 1:4]) for a, b in pairs])
    rho, tau = np.maximum(values[:, 0], 0.0), np.maximum(values[:, 4], 0.0)
    if len(spins) == 1:
        rho, sigma, tau = rho[0], sigma[0], tau[0]
    energies = Energies(float(mf.e_tot), semilocal, 0.0, 0.0, 0.0, float(mf.energy_nuc()))
    attributes = {
        "xc": str(mf.xc).lower(), "charge": int(system.charge), "spin": int(system.spin), "converged": True,
        "grid": _OWN_GRID, "source": "PySCF",
    }  # fmt: skip
    return GridRecord(np.concatenate(weights), rho, sigma, tau, energies, attributes)
