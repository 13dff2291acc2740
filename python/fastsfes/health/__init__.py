"""Numerical health of functionals, with their exact conditions, in one table.

from fastsfes.health import check
print(check("libxc:scan"))
"""

from ..conditions.row import Row
from .check import BESIDE, check
from .result import HealthResult

__all__ = ["BESIDE", "HealthResult", "Row", "check"]
