"""Energies of a functional on frozen densities, on the grid or on shared nodes."""
