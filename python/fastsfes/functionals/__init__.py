"""Functionals: sums of channels, the registry, readers, libxc and PySCF."""
