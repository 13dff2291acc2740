"""Densities: SCF calculations in parallel, their records, and import of PySCF chkfiles."""

from .build import BuildResult, Job, Progress, build_densities, collect
from .chkfile import chkfile_index, read_chkfile, read_chkfiles
from .hdf5 import RecordError, read_record, write_atomically, write_record
from .mole import dump_mole, load_mole
from .record import DensityRecord, Energies
from .scf import compute_density
from .settings import NO_DENSITY_FIT, ScfSettings

__all__ = [
    "NO_DENSITY_FIT",
    "BuildResult",
    "DensityRecord",
    "Energies",
    "Job",
    "Progress",
    "RecordError",
    "ScfSettings",
    "build_densities",
    "chkfile_index",
    "collect",
    "compute_density",
    "dump_mole",
    "load_mole",
    "read_chkfile",
    "read_chkfiles",
    "read_record",
    "write_atomically",
    "write_record",
]
