"""Total energies of atoms, the exact ones and a functional's on stored densities."""

from __future__ import annotations

__all__ = ["EXACT_ATOMS"]

EXACT_ATOMS: dict[str, tuple[int, float]] = {
    "H": (1, -0.5),
    "He": (0, -2.903724),
    "Li": (1, -7.47806),
    "Be": (0, -14.66736),
    "B": (1, -24.65391),
    "C": (2, -37.845),
    "N": (3, -54.5892),
    "O": (2, -75.0673),
    "F": (1, -99.7339),
    "Ne": (0, -128.9376),
    "Na": (1, -162.2546),
    "Mg": (0, -200.053),
    "Al": (1, -242.346),
    "Si": (2, -289.359),
    "P": (3, -341.259),
    "S": (2, -398.11),
    "Cl": (1, -460.148),
    "Ar": (0, -527.54),
}
"""Unpaired electrons of the ground state and its nonrelativistic total energy in hartree, fixed nuclei (Chakravorty et
al., 10.1103/PhysRevA.47.3649)."""
