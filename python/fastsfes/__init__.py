"""fastsfes: symbolic search for exchange-correlation functionals."""

import importlib
from typing import Any

from ._core import __version__, build_info
from .config import SearchConfig
from .datasets import Dataset
from .errors import FastsfesError, InputError
from .export import export
from .expression import Expression
from .fitting import FitResult, fit
from .functional import VV10, Channel, EnergyDensity, Functional, Hybrid
from .libxc import LibxcFunctional
from .load import load, load_comparison
from .objective import Evaluation, evaluate, wrmsd
from .quadrature import Quadrature
from .registry import get_functional, list_functionals
from .search import Run, search
from .validation import Validation, ValidationConfig, validate

__all__ = [
    "VV10",
    "Channel",
    "Dataset",
    "EnergyDensity",
    "Evaluation",
    "Expression",
    "FastsfesError",
    "FitResult",
    "Functional",
    "Hybrid",
    "InputError",
    "LibxcFunctional",
    "Quadrature",
    "Run",
    "SearchConfig",
    "Validation",
    "ValidationConfig",
    "__version__",
    "build_info",
    "evaluate",
    "export",
    "fit",
    "get_functional",
    "list_functionals",
    "load",
    "load_comparison",
    "search",
    "validate",
    "wrmsd",
]


def __getattr__(name: str) -> Any:
    # PySCF takes a second to import and most work does not need it: fs.pyscf is loaded when first used.
    if name == "pyscf":
        return importlib.import_module(".pyscf", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
