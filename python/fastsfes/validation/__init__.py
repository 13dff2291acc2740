"""Self-consistent validation: what a functional is worth when the densities are its own."""

from .config import ValidationConfig
from .own_densities import OwnCycle, OwnDensityFit, fit_own_densities
from .result import Convergence, Validation
from .work import validate

__all__ = [
    "Convergence",
    "OwnCycle",
    "OwnDensityFit",
    "Validation",
    "ValidationConfig",
    "fit_own_densities",
    "validate",
]
