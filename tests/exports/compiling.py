"""Compiling exported sources and calling them."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
from export_points import Points

WARNINGS = ("-Wall", "-Wextra", "-Werror", "-pedantic")


def compile_(compiler: str, *arguments: str) -> None:
    done = subprocess.run([compiler, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]


def run(program: Path, **environment: str) -> str:
    done = subprocess.run([str(program)], capture_output=True, text=True, env=environment or None)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def interleaved(points: Points) -> list[np.ndarray]:
    """rho, sigma and tau with the components of a point beside each other, as C takes them."""
    return [np.ascontiguousarray(np.atleast_2d(a).T) for a in (points.rho, points.sigma, points.tau)]


def pointer(array: np.ndarray | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if array is None else array.ctypes.data)


#: Components of every output of a point, unpolarised and polarised, in the order of the exported struct.
SIZES = {
    "exc": (1, 1),
    "vrho": (1, 2),
    "vsigma": (1, 3),
    "vtau": (1, 2),
    "v2rho2": (1, 3),
    "v2rhosigma": (1, 6),
    "v2rhotau": (1, 4),
    "v2sigma2": (1, 6),
    "v2sigmatau": (1, 6),
    "v2tau2": (1, 3),
}


def check_derivatives(f, points: Points, got: dict[str, np.ndarray]) -> None:
    """First and second derivatives, arrays (n, components), equal ours relative to the largest of every point."""
    exact = f.energy_density(points.rho, points.sigma, points.tau, deriv=2)
    density = points.rho.sum(axis=0) if points.polarised else points.rho
    for key, (one, two) in SIZES.items():
        if key == "exc":
            continue
        values = getattr(exact, key)
        size = two if points.polarised else one
        if values is None:
            assert np.all(got[key] == 0.0), key
            continue
        values = np.atleast_2d(values).T
        assert values.shape == got[key].shape == (len(points.weights), size)
        scale = np.abs(values).max(axis=1, keepdims=True)
        error = (np.abs(got[key] - values) / np.where(scale > 0.0, scale, 1.0)).max(axis=1)
        # In density tails derivatives of a saturated factor are differences of equal numbers, 1 - u; elsewhere exchange
        # and correlation cancel in single points, second derivatives also within a channel.
        alone = points.rho.min(axis=0) < 1e-20 if points.polarised else np.zeros(len(density), bool)
        dense = error[(density > 1e-5) & ~alone]
        assert np.quantile(dense, 0.99) < 1e-11, (key, np.quantile(dense, 0.99))
        assert dense.max() < (1e-9 if key.startswith("v2") else 1e-10), (key, dense.max())
        assert error[~alone].max() < 1e-5, (key, error[~alone].max())
        assert error[alone].max(initial=0.0) < 1e-10, (key, error[alone].max())


def check_slopes(f, rho: np.ndarray, got: np.ndarray, want: np.ndarray, tolerance: float) -> None:
    """First derivatives (components, n) of a program that differentiates by itself, at polarised densities rho (2, n).

    Where a spin is all but absent, the correlation of opposite spins is a difference of equal numbers, 1e-17 in 1e-12,
    which an inverse power of its density multiplies. Where it is absent the limit has all its digits.
    """
    assert np.all(np.isfinite(got))
    scale = np.abs(want).max(axis=0)
    error = np.abs(got - want).max(axis=0) / np.where(scale > 0.0, scale, 1.0)
    present = rho.min(axis=0) > 1e-9
    assert error[present].max() < tolerance
    absent = rho.min(axis=0) < 1e-20
    assert error[absent].max(initial=0.0) < tolerance
    assert error[~present & ~absent].max(initial=0.0) < 1e-4
