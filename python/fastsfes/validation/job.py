"""One self-consistent calculation of a validation: what a worker does and the file that it leaves."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..common.errors import FastsfesError, InputError
from ..common.files import write_text
from ..common.reading import parse_json, read_text
from ..datasets.dataset import Dataset
from ..densities.basis import check_molecule, labels_of
from ..densities.maker import maker_frame
from ..densities.mole import load_mole
from ..densities.record import DensityRecord
from ..densities.scf import build_mole, converge, follow_instabilities, has_vv10, make_mean_field, vv10_energy
from ..densities.work import Job, Outcome
from ..functionals.functional import Functional
from ..functionals.libxc import LibxcFunctional
from ..functionals.load import Comparison

__all__ = ["Context", "ValidationJob", "compute", "finished", "plain", "read_result"]

FORMAT, VERSION = "fastsfes-scf-energy", 1

_NUMBERS = ("e_tot", "rise", "seconds", "s_squared")
_LABELS = ("name", "citation")


@dataclass(frozen=True)
class ValidationJob(Job):
    """A species with a functional.

    Attributes:
        functional: plain data of the functional, see `plain`.
        functional_name: what tables call it.
        nlc: "post-scf" or "scf".
        start: species of the dataset whose stored molecule (basis set, ECPs) is computed, or "".
        start_energy: total energy of its density, which tells it from others.
        from_atoms: begin with a superposition of atoms, not with the stored density.
    """

    functional: dict[str, Any]
    functional_name: str
    nlc: str
    start: str
    start_energy: float
    from_atoms: bool

    @property
    def label(self) -> str:
        """Species and functional."""
        return f"{self.name} with {self.functional_name}"

    def payload(self) -> dict[str, Any]:
        """Everything that determines the result; names do not."""
        data = super().payload()
        del data["settings"]["xc"]
        data["settings"]["stability"] = self.settings.stability
        functional = {key: value for key, value in self.functional.items() if key not in _LABELS}
        data |= {"functional": functional, "nlc": self.nlc, "start": repr(self.start_energy)}
        return {**data, "from_atoms": True} if self.start and self.from_atoms else data


class Context:
    """What a worker keeps: the work folder, and the dataset whose densities are started from."""

    def __init__(self, folder: Path, dataset: str | None) -> None:
        self.folder = folder
        self.dataset = None if dataset is None else Dataset.open(dataset)

    def density(self, name: str) -> DensityRecord | None:
        """A stored density; None for the empty name."""
        return None if self.dataset is None or not name else self.dataset.density(name)


def plain(functional: Comparison) -> dict[str, Any]:
    """A functional as plain data: our own form, or ``{"libxc": code}``."""
    return {"libxc": functional.code} if isinstance(functional, LibxcFunctional) else functional.to_dict()


def compute(context: Context, job: ValidationJob) -> Outcome:
    """Do one calculation and write its file."""
    data = job.functional
    functional: Comparison = LibxcFunctional(data["libxc"]) if "libxc" in data else Functional.from_dict(data)
    result = self_consistent(job, functional, context.density(job.start))
    write_text(_file(context.folder, job.key), json.dumps(result, indent=1, allow_nan=False) + "\n")
    text = f"E = {result['e_tot']:.8f} hartree, rung {result['rung']}, {result['cycles']} cycles"
    return f"{text}, {result['seconds']:.0f} s", bool(result["converged"])


def self_consistent(job: ValidationJob, functional: Comparison, start: DensityRecord | None) -> dict[str, Any]:
    """Energies and the course of one calculation, plain data (see docs/file-formats.md).

    With a start, its density is evaluated with the functional before anything is iterated: the energy of frozen
    densities in exactly the same settings. Where the self-consistent energy lies above that one, the calculation has
    ended in another state; `rise` is the difference, VV10 aside where it is not iterated.
    """
    import pyscf

    started = time.perf_counter()
    if start is None:
        mol = build_mole(job.symbols, job.coordinates, job.charge, job.spin, job.settings.basis, job.settings.ecp)
    else:
        mol = load_mole(start.mole, f"density of {job.start!r}")
        check_molecule(mol)
        if labels_of(mol, job.settings.basis, job.settings.ecp)[0] != job.settings.basis.lower():
            raise InputError(
                f"the density of {job.start!r} is said to be in basis {job.settings.basis}, but its molecule has other "
                f"basis functions; import or compute it again, or give --basis"
            )
    mf = make_mean_field(mol, job.settings, functional, "" if start is None else start.reference)
    iterated = job.nlc == "scf"
    if iterated:
        mf.nlc = ""
    density = frozen = None
    if start is not None and not job.from_atoms:
        density = start.density_matrix()
        frozen = float(mf.energy_tot(density))
    mf, rung, cycles = converge(mf, job.settings, density)
    stable = "not checked"
    if mf.converged and job.settings.checks_stability(job.spin):
        mf, followed, is_stable = follow_instabilities(mf, job.settings)
        rung = f"{rung}+{followed}" if followed else rung
        stable = "stable" if is_stable else "unstable"
    rise = 0.0 if frozen is None else float(mf.e_tot) - frozen
    nlc = 0.0 if iterated else vv10_energy(mf, mf.make_rdm1())
    if start is not None and density is not None and frozen is not None and not iterated:
        frozen += _frozen_vv10(mf, start, density)
    calls = getattr(mf._numint, "calls", None)
    if calls == 0:
        raise FastsfesError(f"{job.label}: the functional was never evaluated")
    energies = {"e_tot": float(mf.e_tot) + nlc, "e_frozen": frozen, "rise": rise}
    if not all(math.isfinite(e) for e in energies.values() if e is not None):
        raise FastsfesError(f"{job.label}: the energy is not a number")
    return {
        "format": FORMAT,
        "version": VERSION,
        "species": job.name,
        "functional": job.functional,
        **energies,
        "converged": bool(mf.converged),
        "rung": rung,
        "cycles": int(cycles),
        "stability": stable,
        "s_squared": float(mf.spin_square()[0]) if job.spin or np.ndim(mf.mo_occ) == 2 else 0.0,
        "calls": calls,
        "nlc": job.nlc,
        "start": "" if job.from_atoms else job.start,
        "settings": {k: v for k, v in job.settings.as_dict().items() if k != "xc"},
        "pyscf": str(pyscf.__version__),
        "seconds": time.perf_counter() - started,
    }


def _frozen_vv10(mf: Any, start: DensityRecord, density: Any) -> float:
    """VV10 energy of the stored density: the stored one when it has the same parameters."""
    if not has_vv10(mf):
        return 0.0
    try:
        stored = maker_frame(str(start.attributes["xc"])).nlc
    except InputError:  # nobody knows it any more, or it scales VV10
        stored = None
    if stored is not None and [((stored.b, stored.C), 1)] == [*mf._numint.nlc_coeff(mf.xc)]:
        return start.energies.e_nlc
    return vv10_energy(mf, density)


def finished(folder: Path, job: ValidationJob) -> bool:
    """Whether the job's file is there and whole."""
    return read_result(folder, job) is not None


def read_result(folder: Path, job: ValidationJob) -> dict[str, Any] | None:
    """What a finished calculation left, or None; a damaged file is removed, so that it is computed again."""
    path = _file(folder, job.key)
    try:
        if not path.is_file():
            return None
        data = parse_json(read_text(path, "a finished calculation"), str(path))
        whole = data["format"] == FORMAT and data["version"] == VERSION
        whole = whole and bool(np.all(np.isfinite([float(data[key]) for key in _NUMBERS])))
        whole = whole and isinstance(data["converged"], bool) and isinstance(data["cycles"], int)
        whole = whole and isinstance(data["rung"], str)
        whole = whole and (data["e_frozen"] is None or math.isfinite(data["e_frozen"]))
    except (ValueError, KeyError, TypeError, OverflowError):
        whole = False
    if not whole:
        path.unlink(missing_ok=True)
        return None
    return dict(data)


def _file(folder: Path, key: str) -> Path:
    return folder / f"{key}.json"
