"""Calling functionals of an installed libxc by `libxc_program.c`."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from compiling import SIZES, compile_

import fastsfes as fs

HERE = Path(__file__).parent


def prefix_flags(prefix: Path) -> tuple[str, ...]:
    """Flags that find the libxc installed there."""
    library = prefix / "lib"
    return (f"-I{prefix / 'include'}", f"-L{library}", "-Wl,--no-as-needed", "-lxc", "-lm", f"-Wl,-rpath,{library}")


@dataclass(frozen=True)
class Libxc:
    """An installation: flags that find its header and library."""

    flags: tuple[str, ...]

    def program(self, folder: Path) -> Path:
        path = folder / "program"
        if not path.exists():
            compile_("gcc", "-std=gnu99", str(HERE / "libxc_program.c"), "-o", str(path), *self.flags)
        return path


def run(program: Path, *arguments: str, inputs: str = "", preload: str = "", status: int = 0) -> dict[str, list[str]]:
    environment = {**os.environ, "LD_PRELOAD": preload} if preload else None
    done = subprocess.run(
        [str(program), *arguments], input=inputs, capture_output=True, text=True, env=environment, timeout=60
    )
    assert done.returncode == status, (done.returncode, done.stderr)
    found = {line.partition(" ")[0]: line.split()[1:] for line in done.stdout.splitlines()}
    return {**found, "errors": [done.stderr]}


def some_points(spins: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """rho, sigma, tau (n, components) of ordinary densities: reduced gradients up to 3, tau above von Weizsaecker's."""
    random = np.random.default_rng(7)
    rho = 10.0 ** random.uniform(-3, 1, (n, 2))
    gradient = random.uniform(0.1, 3.0, (n, 2)) * rho ** (4 / 3)
    cosine = random.uniform(-0.9, 0.9, n)
    sigma = np.stack([gradient[:, 0] ** 2, cosine * gradient.prod(axis=1), gradient[:, 1] ** 2], axis=1)
    tau = gradient**2 / (8 * rho) + random.uniform(0.1, 2.0, (n, 2)) * 4.557799872345597 * rho ** (5 / 3)
    if spins == 2:
        return rho, sigma, tau
    return 2 * rho[:, :1], 4 * sigma[:, :1], 2 * tau[:, :1]


def text(*arrays: np.ndarray) -> str:
    return " ".join(repr(float(v)) for a in arrays for v in a.ravel())


def values(found: dict[str, list[str]], points: int) -> dict[str, np.ndarray]:
    return {k: np.array(found["zk" if k == "exc" else k], float).reshape(points, -1) for k in SIZES}


def check(got: dict[str, np.ndarray], want: dict[str, np.ndarray], first: float = 2e-12) -> None:
    """Components of a derivative agree relative to the point's largest; second ones cancel within a channel."""
    for key, exact in want.items():
        scale = np.abs(exact).max(axis=1, keepdims=True)
        error = np.abs(got[key] - exact) / np.where(scale > 0, scale, 1.0)
        assert error.max() < (5e-11 if key.startswith("v2") else first if key != "exc" else 2e-12), (key, error.max())


def exact(f: fs.Functional, points: tuple[np.ndarray, ...], spins: int) -> dict[str, np.ndarray]:
    """What libxc returns for it, by `energy_density`: exc per particle."""
    made = f.energy_density(*((a[:, 0] if spins == 1 else a.T) for a in points), deriv=2)
    arrays = {k: getattr(made, k) for k in SIZES}
    arrays = {k: np.atleast_2d(v).T for k, v in arrays.items() if v is not None}
    return {**arrays, "exc": arrays["exc"] / points[0].sum(axis=1)[:, None]}
