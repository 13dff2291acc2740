"""Two OpenMP runtimes in one process (PySCF's and ours): energies are identical and threads do not multiply."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

CODE = """
import json, os, sys
import numpy as np
with_pyscf = sys.argv[1] == "pyscf"
first = sys.argv[2] == "first"

def use_pyscf():
    from pyscf import dft, gto, lib
    lib.num_threads(2)
    mol = gto.M(atom="He 0 0 0", basis="6-31g", verbose=0)
    mf = dft.RKS(mol, xc="pbe")
    mf.grids.level = 1
    return mf.kernel()

energies = {}
if with_pyscf and first:
    energies["scf"] = use_pyscf()
import fastsfes as fs
f = fs.get_functional("wb97m_v")
rng = np.random.default_rng(0)
n = 40_003
rho, sigma, tau = rng.uniform(1e-4, 2, n), rng.uniform(0, 1, n), rng.uniform(1e-3, 2, n)
counts = []
for _ in range(4):
    for deriv in (0, 1):
        result = f.energy_density(rho, sigma, tau, deriv, threads=2)
    if with_pyscf:
        energies["scf"] = use_pyscf()
    counts.append(len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0)
energies["sum"] = float(np.sum(result.exc)).hex()
energies["vrho"] = float(np.sum(result.vrho)).hex()
print(json.dumps({"energies": energies, "first": counts[0], "last": counts[-1]}))
"""


def run(mode: str, order: str, threads: str = "2") -> dict[str, object]:
    env = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CODE, mode, order], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def alone() -> dict[str, object]:
    return run("alone", "-")


@pytest.mark.parametrize("order", ["first", "second"])
def test_pyscf_beside_us_changes_nothing(alone: dict[str, object], order: str) -> None:
    together = run("pyscf", order)
    energies = together["energies"]
    assert isinstance(energies, dict)
    reference = alone["energies"]
    assert isinstance(reference, dict)
    assert energies["sum"] == reference["sum"]
    assert energies["vrho"] == reference["vrho"]
    # RKS/PBE helium in 6-31G converges to 1e-9; two runtimes must not disturb the SCF either
    assert abs(energies["scf"] - energies_without_us()) < 1e-9
    # and the thread that compiles in the background, should it have begun
    assert int(str(together["last"])) - int(str(together["first"])) in (0, 1)
    # the main thread, and at most one helper of each OpenMP runtime, of BLAS and of PySCF's own libraries
    assert int(str(together["last"])) <= 8


def energies_without_us() -> float:
    from pyscf import dft, gto

    mf = dft.RKS(gto.M(atom="He 0 0 0", basis="6-31g", verbose=0), xc="pbe")
    mf.grids.level = 1
    return float(mf.kernel())


def test_thread_count_does_not_change_the_bits(alone: dict[str, object]) -> None:
    assert run("alone", "-", threads="1")["energies"] == alone["energies"]


SHARED = """
import json, os
import numpy as np
from pyscf import dft, gto, lib

def tasks():
    return len(os.listdir("/proc/self/task"))

def calculation():
    return dft.RKS(gto.M(atom="Ne 0 0 0", basis="6-31g", verbose=0), xc="wb97x_v").run()

calculation()
before = tasks()
import fastsfes as fs
mf = fs.pyscf.attach(calculation(), "wb97m_v")
rng = np.random.default_rng(0)
n = 200_000  # so much work that a team is worth it
rho = np.vstack([rng.uniform(0.1, 2, n), rng.uniform(-1, 1, (3, n)), rng.uniform(1, 2, n)])
both = mf._numint.eval_xc1(mf.xc, rho)
during = tasks()
lib.num_threads(1)
one = mf._numint.eval_xc1(mf.xc, rho)
print(json.dumps({"added": during - before, "same": bool(np.array_equal(both, one)), "openmp": before > 1}))
"""


def test_attached_functionals_run_in_the_threads_of_pyscf() -> None:
    """Two sets of threads that wait actively for work would take the cores from each other."""
    if not os.path.isdir("/proc/self/task"):
        pytest.skip("no /proc/self/task to count threads in")
    env = {**os.environ, "OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", SHARED], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    # not a second team of three, but for the thread that compiles in the background and else sleeps
    assert said.pop("added") <= 1
    assert said == {"same": True, "openmp": True}
