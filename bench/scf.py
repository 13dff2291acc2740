"""``fastsfes-bench scf``: self-consistent calculations with our kernels beside PySCF's own libxc.

Both sides compute the same functional of the same molecule in turns, first the one, then the other. Energies and the
numbers of iterations must agree. Ratios are those of neighbouring calculations: their median, and the quartiles as the
spread, for the functional's values, for the rest (the same code on both sides: a ratio other than 1 is a disturbance,
the machine's or ours), and for the whole SCF.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from statistics import median, quantiles
from typing import Any

from fastsfes.common.errors import InputError
from fastsfes.functionals.kernels import compile_functional
from fastsfes.functionals.registry import get_functional

from .report import Report, row_text
from .timing import CLOCKS

SUMMARY = "SCF time with our kernels beside libxc, and the share of the functional in it"

#: Energies must agree within this (hartree), iterations exactly.
LIMIT = 1e-8

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

#: What is run unless told otherwise; the larger the molecule, the smaller the functional's share.
DEFAULT: dict[str, tuple[str, ...]] = {
    "water": FUNCTIONALS,
    "amidogen radical": FUNCTIONALS,
    "ethanol": ("pbe", "wb97m_v"),
    "benzene": ("pbe",),
}

#: Processes that are started without any kernel, of each kind.
_COLD_ROUNDS = 3

SIDES = ("fastsfes", "libxc")

_COLD = """
import sys, time
from fastsfes.bench.scf import make
mf = make(sys.argv[1], sys.argv[2], sys.argv[3] == "fastsfes", False)
start = time.perf_counter()
mf.kernel()
print(time.perf_counter() - start)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--molecule", action="append", choices=MOLECULES, help="only this (may be repeated)")
    parser.add_argument("--functional", action="append", choices=FUNCTIONALS, help="only this (may be repeated)")
    parser.add_argument(
        "--repeats", type=int, default=4, metavar="N", help="calculations on each side, at least (default 4)"
    )
    parser.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="repeat for so long in each row (default 10)"
    )
    parser.add_argument("--density-fit", action="store_true", help="fit Coulomb and exchange integrals")
    parser.add_argument(
        "--clock", choices=tuple(CLOCKS), default="wall", help="wall time (default), or processor time of all threads"
    )
    parser.add_argument("--no-cold", action="store_true", help="leave out processes that start without any kernel")


def make(molecule: str, functional: str, ours: bool, density_fit: bool) -> Any:
    """A calculation, not yet run: with our kernels or PySCF's own libxc."""
    from pyscf import dft, gto

    from fastsfes.functionals.pyscf import attach

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
    for molecule in arguments.molecule or DEFAULT:
        atoms, _, basis = MOLECULES[molecule]
        report.section(f"{molecule}, {basis}, {atoms.count(';') + 1} atoms: seconds per SCF ({arguments.clock} time)")
        for functional in arguments.functional or DEFAULT.get(molecule, FUNCTIONALS):
            _compare(report, molecule, functional, arguments)
    if not arguments.no_cold:
        report.section("first SCF of water in a process without any kernel: seconds (wall time)")
        for functional in arguments.functional or ("pbe", "wb97m_v"):
            pairs = [{side: cold_scf("water", functional, side) for side in SIDES} for _ in range(_COLD_ROUNDS)]
            for side in SIDES:
                _add(report, f"{functional}, {side}", [pair[side] for pair in pairs], "s")
    return report.data()


def table(result: dict[str, Any]) -> str:
    """What people read."""
    return "\n".join(text for row in result["rows"] if (text := row_text(row)) is not None)


def _compare(report: Report, molecule: str, functional: str, arguments: argparse.Namespace) -> None:
    compile_functional(get_functional(functional), polarised=MOLECULES[molecule][1] > 0)

    def calculation(side: str) -> Any:
        return make(molecule, functional, side == "fastsfes", arguments.density_fit)

    for side in SIDES:  # what a process does once
        first = calculation(side)
        first.max_cycle = 1
        first.kernel()
    pairs: list[dict[str, dict[str, float]]] = []
    start = time.perf_counter()
    while len(pairs) < arguments.repeats or time.perf_counter() - start < arguments.seconds:
        # Who is first changes in every round, so that a machine that becomes slower or faster favours nobody.
        order = SIDES if len(pairs) % 2 else SIDES[::-1]
        pairs.append({side: _timed(calculation(side), arguments.clock) for side in order})
    ours, theirs = (pairs[-1][side] for side in SIDES)
    report.check(f"{molecule}, {functional}: energy", abs(ours["energy"] - theirs["energy"]), LIMIT)
    report.check(f"{molecule}, {functional}: iterations", abs(ours["cycles"] - theirs["cycles"]), 0)
    for side in SIDES:
        share = 100 * median(pair[side]["functional"] / pair[side]["total"] for pair in pairs)
        seconds = [pair[side]["total"] for pair in pairs]
        _add(report, f"{functional}, {side} (functional {share:.1f} % of it)", seconds, "s")
    for part, name, target in (
        ("functional", "functional alone", 1.0),
        ("rest", "the rest", None),
        ("total", f"{ours['cycles']:.0f} iterations each, {len(pairs)} times", 1.0),
    ):
        ratios = [pair["libxc"][part] / pair["fastsfes"][part] for pair in pairs]
        _add(report, f"{functional}, libxc / fastsfes, {name}", ratios, "x", target)


def _add(report: Report, name: str, values: list[float], unit: str, target: float | None = None) -> None:
    """The median, with the quartiles as its spread."""
    low, _, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    report.add(name, median(values), unit, target=target, spread=(low, high))


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
    total = now() - start
    return {
        "total": total,
        "functional": spent,
        "rest": total - spent,
        "energy": float(mf.e_tot),
        "cycles": float(mf.cycles),
    }


def cold_scf(molecule: str, functional: str, side: str) -> float:
    """Seconds of the first SCF in a process without any kernel."""
    return float(python_without_kernels(_COLD, molecule, functional, side))


def python_without_kernels(code: str, *arguments: str) -> str:
    """What Python code prints in a process of its own whose kernel cache is empty."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "FASTSFES_CACHE_DIR": folder}
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
