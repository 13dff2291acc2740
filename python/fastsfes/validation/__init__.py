"""Self-consistent validation: what a functional is worth when the densities are its own."""

from .config import ValidationConfig
from .result import Convergence, Validation
from .work import validate

__all__ = ["Convergence", "Validation", "ValidationConfig", "validate"]
