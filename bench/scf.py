"""``fastsfes-bench scf``: self-consistent calculations with our kernels beside PySCF's own libxc.

Both sides compute the same functional of the same molecule in turns. Energies and the numbers of iterations must agree;
the time of the whole SCF and the part of it that is spent on the functional's values are reported.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from ..errors import InputError
from ..registry import get_functional
from .report import Report, row_text
from .timing import CLOCKS, interleave

SUMMARY = "SCF time with our kernels beside libxc, and the share of the functional in it"

#: Energies must agree within this (hartree), iterations exactly.
LIMIT = 1e-8

#: Rounds before those that count: they compile or load our kernels.
_WARMUP = 1

#: Molecules by name: atoms in angstrom, unpaired electrons, basis.
MOLECULES: dict[str, tuple[str, int, str]] = {
    "water": ("O 0 0 0; H 0 0.757 0.587; H 0 -0.757 0.587", 0, "def2-tzvpd"),
    "amidogen radical": ("N 0 0 0; H 0 0.8 0.63; H 0 -0.8 0.63", 1, "def2-tzvpd"),
    "ethanol": (
        "C 1.168 -0.404 0; C 0 0.555 0; O -1.190 -0.214 0; H -1.945 0.382 0; H 2.114 0.146 0;"
        "H 1.134 -1.041 0.886; H 1.134 -1.041 -0.886; H 0.050 1.202 0.885; H 0.050 1.202 -0.885",
        0,
        "def2-svp",
    ),
    "benzene": (
        "C 1.39 0 0; C 0.695 1.203775 0; C -0.695 1.203775 0; C -1.39 0 0; C -0.695 -1.203775 0; C 0.695 -1.203775 0;"
        "H 2.48 0 0; H 1.24 2.147743 0; H -1.24 2.147743 0; H -2.48 0 0; H -1.24 -2.147743 0; H 1.24 -2.147743 0",
        0,
        "def2-svp",
    ),
}
FUNCTIONALS = ("pbe", "b97", "wb97m_v", "gas22")

_COLD = """
import sys, time
from fastsfes.bench.scf import make
mf = make(sys.argv[1], sys.argv[2], sys.argv[3] == "ours", False)
start = time.perf_counter()
mf.kernel()
print(time.perf_counter() - start)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--molecule", action="append", choices=MOLECULES, help="only this (may be repeated)")
    parser.add_argument("--functional", action="append", choices=FUNCTIONALS, help="only this (may be repeated)")
    parser.add_argument(
        "--repeats", type=int, default=3, metavar="N", help="rounds after a first one; the fastest counts (default 3)"
    )
    parser.add_argument("--density-fit", action="store_true", help="fit Coulomb and exchange integrals")
    parser.add_argument(
        "--clock", choices=tuple(CLOCKS), default="wall", help="wall time (default), or processor time of all threads"
    )
    parser.add_argument("--no-cold", action="store_true", help="leave out processes that start without any kernel")


def make(molecule: str, functional: str, ours: bool, density_fit: bool) -> Any:
    """A calculation, not yet run: with our kernels or PySCF's own libxc."""
    from pyscf import dft, gto

    from ..pyscf import attach

    atoms, spin, basis = MOLECULES[molecule]
    mol = gto.M(atom=atoms, spin=spin, basis=basis, verbose=0)
    mf = dft.UKS(mol) if spin else dft.RKS(mol)
    mf.chkfile = None
    # VV10 costs the same on both sides; its default grid would take most of the time.
    mf.nlcgrids.level = 0
    if density_fit:
        mf = mf.density_fit()
    if ours:
        return attach(mf, functional)
    mf.xc = get_functional(functional).libxc
    return mf


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure; raises WrongAnswer when energies or iterations differ."""
    if arguments.repeats < 1:
        raise InputError(f"--repeats is {arguments.repeats}; expected at least 1")
    report = Report()
    for molecule in arguments.molecule or MOLECULES:
        atoms, _, basis = MOLECULES[molecule]
        report.section(f"{molecule}, {basis}, {atoms.count(';') + 1} atoms: seconds per SCF ({arguments.clock} time)")
        for functional in arguments.functional or FUNCTIONALS:
            _compare(report, molecule, functional, arguments)
    if not arguments.no_cold:
        report.section("first SCF of water in a process without any kernel: seconds (wall time)")
        for functional in arguments.functional or ("pbe", "wb97m_v"):
            for side in ("ours", "libxc"):
                report.add(f"{functional}, {side}", _cold("water", functional, side), "s")
    return report.data()


def table(result: dict[str, Any]) -> str:
    """What people read."""
    return "\n".join(text for row in result["rows"] if (text := row_text(row)) is not None)


def _compare(report: Report, molecule: str, functional: str, arguments: argparse.Namespace) -> None:
    runs: dict[str, list[dict[str, float]]] = {"ours": [], "libxc": []}

    def case(side: str) -> Callable[[], None]:
        return lambda: runs[side].append(
            _timed(make(molecule, functional, side == "ours", arguments.density_fit), arguments.clock)
        )

    interleave({side: case(side) for side in runs}, arguments.repeats, arguments.clock, _WARMUP)
    # The smallest: what else the machine does only ever adds.
    total, inner = (
        {side: min(run[key] for run in rows[_WARMUP:]) for side, rows in runs.items()}
        for key in ("total", "functional")
    )
    ours, theirs = runs["ours"][-1], runs["libxc"][-1]
    report.check(f"{molecule}, {functional}: energy", abs(ours["energy"] - theirs["energy"]), LIMIT)
    report.check(f"{molecule}, {functional}: iterations", abs(ours["cycles"] - theirs["cycles"]), 0)
    for side, name in (("ours", "fastsfes"), ("libxc", "libxc")):
        share = 100 * inner[side] / total[side]
        report.add(f"{functional}, {name} (functional {share:.1f} % of it)", total[side], "s")
    report.add(f"{functional}, functional alone, libxc / fastsfes", inner["libxc"] / inner["ours"], "x", target=1.0)
    cycles = f"{ours['cycles']:.0f} iterations each"
    report.add(f"{functional}, libxc / fastsfes, {cycles}", total["libxc"] / total["ours"], "x", target=1.0)


def _timed(mf: Any, clock: str) -> dict[str, float]:
    """Run; seconds in all and in the functional, energy and iterations."""
    now, spent, inner = CLOCKS[clock], 0.0, mf._numint.eval_xc1

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal spent
        start = now()
        try:
            return inner(*args, **kwargs)
        finally:
            spent += now() - start

    mf._numint.eval_xc1 = counted
    start = now()
    mf.kernel()
    return {"total": now() - start, "functional": spent, "energy": float(mf.e_tot), "cycles": float(mf.cycles)}


def _cold(molecule: str, functional: str, side: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "FASTSFES_CACHE_DIR": folder}
        command = [sys.executable, "-c", _COLD, molecule, functional, side]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)
