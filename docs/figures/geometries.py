"""Geometries and harmonic frequencies of small molecules: ``python docs/figures/geometries.py FUNCTIONAL ...``.

In PySCF, with all that a functional has, VV10 in every iteration: def2-TZVPPD with density fitting, grid level 4 (1
for VV10).
Geometries by analytic gradients, force constants by their central differences. "Observed" are equilibrium geometries
and harmonic frequencies from spectroscopy: of diatomics Huber and Herzberg, Constants of Diatomic Molecules (1979); of
water Benedict, Gailar and Plyler, J. Chem. Phys. 24, 1139 (1956), 10.1063/1.1742731.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from pyscf import dft, gto
from pyscf.data import elements, nist

import fastsfes as fs

FloatArray = npt.NDArray[np.float64]
STEP = 0.005
"""Displacements for force constants in bohr."""

MOLECULES: dict[str, tuple[str, tuple[str, ...], tuple[float, ...]]] = {
    "HF": ("F 0 0 0; H 0 0 0.9168", ("r(HF)",), (0.91681, 4138.3)),
    "N2": ("N 0 0 0; N 0 0 1.0977", ("r(NN)",), (1.09769, 2358.6)),
    "CO": ("C 0 0 0; O 0 0 1.1283", ("r(CO)",), (1.12832, 2169.8)),
    "F2": ("F 0 0 0; F 0 0 1.4119", ("r(FF)",), (1.41193, 916.6)),
    "H2O": (
        "O 0 0 0; H 0 0.7569 0.5858; H 0 -0.7569 0.5858",
        ("r(OH)", "a(HOH)"),
        (0.9572, 104.52, 1648.5, 3832.2, 3942.5),
    ),
}
"""Atoms in angstrom, coordinates, and observed values of these and of the frequencies in 1/cm."""

Gradient = Callable[[FloatArray], FloatArray]


def gradient_of(functional: str, mol: gto.Mole) -> Gradient:
    """Gradient (atoms, 3) at coordinates in bohr, each calculation from the density of the one before."""
    mf = fs.pyscf.attach(dft.RKS(mol), fs.get_functional(functional)).density_fit()
    mf.grids.level, mf.nlcgrids.level, mf.conv_tol = 4, 1, 1e-10
    scanner = mf.nuc_grad_method().as_scanner()

    def at(coordinates: FloatArray) -> FloatArray:
        moved = mol.copy()
        moved.set_geom_(coordinates, unit="Bohr")
        _, gradient = scanner(moved)
        if not scanner.converged:
            raise SystemExit(f"{functional}: no convergence")
        return np.asarray(gradient)

    return at


def vibrations(at: FloatArray, masses: FloatArray) -> FloatArray:
    """Mass-weighted displacements that are neither translation nor rotation, orthonormal, (3 atoms, vibrations)."""
    root = np.sqrt(masses)[:, None]
    moves = [root * np.eye(3)[k] for k in range(3)]
    centre = (masses[:, None] * at).sum(axis=0) / masses.sum()
    moves += [root * np.cross(np.eye(3)[k], at - centre) for k in range(3)]
    vectors, values, _ = np.linalg.svd(np.array([m.ravel() for m in moves]).T)
    return np.asarray(vectors[:, np.count_nonzero(values > 1e-6) :])


def force_constants(gradient: Gradient, at: FloatArray, moves: FloatArray, root: FloatArray) -> FloatArray:
    """Mass-weighted second derivatives in these displacements, by central differences of gradients."""
    rows = []
    for move in moves.T:
        unit = move / root
        step = (STEP * unit / np.abs(unit).max()).reshape(at.shape)
        change = (gradient(at + step) - gradient(at - step)).ravel() / root
        rows.append(moves.T @ change * np.abs(unit).max() / (2 * STEP))
    return np.asarray(0.5 * (np.array(rows) + np.array(rows).T))


def minimum(gradient: Gradient, at: FloatArray, masses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Equilibrium coordinates in bohr, and the harmonic frequencies there in 1/cm, ascending."""
    root = np.repeat(np.sqrt(masses), 3)
    moves = vibrations(at, masses)
    forces = force_constants(gradient, at, moves, root)
    for _ in range(10):
        step = moves @ np.linalg.solve(forces, -moves.T @ (gradient(at).ravel() / root)) / root
        at = at + step.reshape(at.shape)
        if np.abs(step).max() < 1e-4:
            break
    else:
        raise SystemExit("no minimum was found")
    values = np.linalg.eigvalsh(force_constants(gradient, at, vibrations(at, masses), root))
    hertz = np.sqrt(values) * nist.HARTREE2J / (2 * np.pi * nist.HBAR)
    return at, np.asarray(hertz / nist.LIGHT_SPEED_SI / 100)


def coordinates(at: FloatArray, names: tuple[str, ...]) -> list[float]:
    """Bond length in angstrom from the first atom to the second, and the angle there in degrees."""
    first = at[1] - at[0]
    out = [float(np.linalg.norm(first)) * nist.BOHR]
    if len(names) > 1:
        second = at[2] - at[0]
        out.append(float(np.degrees(np.arccos(first @ second / np.linalg.norm(first) / np.linalg.norm(second)))))
    return out


def main() -> None:
    """Print the table, a molecule at a time."""
    functionals = sys.argv[1:] or ["fs26", "wb97m_v"]
    print(f"| molecule | | observed | {' | '.join(functionals)} |\n|{' --- |' * (3 + len(functionals))}")
    for molecule, (atoms, names, observed) in MOLECULES.items():
        mol = gto.M(atom=atoms, basis="def2-tzvppd", verbose=0)
        columns = []
        for functional in functionals:
            isotopes = [elements.COMMON_ISOTOPE_MASSES[elements.charge(symbol)] for symbol in mol.elements]
            masses = np.array(isotopes) * nist.ATOMIC_MASS / nist.E_MASS
            at, values = minimum(gradient_of(functional, mol), mol.atom_coords(), masses)
            columns.append([*coordinates(at, names), *values])
        labels = [*names, *(f"omega {k + 1}" for k in range(len(observed) - len(names)))]
        for row, (label, known) in enumerate(zip(labels, observed, strict=True)):
            form = ".4f" if label.startswith("r") else ".1f"
            cells = " | ".join(f"{c[row]:{form}}" for c in columns)
            print(f"| {molecule if row == 0 else ''} | {label} | {known:{form}} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
