"""Numerical health of functionals, with their exact conditions, in one table.

from fastsfes.health import check
print(check("libxc:scan"))
"""

from .conditions.row import Row
from .convergence import AtomConvergence, atomic_convergence
from .dimers import DimerCurve, dimer_curve
from .reactions import GridSensitivity, grid_sensitivity
from .result import HealthResult
from .table import BESIDE, check

__all__ = [
    "BESIDE",
    "AtomConvergence",
    "DimerCurve",
    "GridSensitivity",
    "HealthResult",
    "Row",
    "atomic_convergence",
    "check",
    "dimer_curve",
    "grid_sensitivity",
]
