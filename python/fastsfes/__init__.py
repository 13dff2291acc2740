"""fastsfes: symbolic search for exchange-correlation functionals."""

from ._core import __version__, build_info
from .datasets import Dataset
from .errors import FastsfesError, InputError
from .expression import Expression
from .functional import VV10, Channel, EnergyDensity, Functional, Hybrid
from .registry import get_functional, list_functionals

__all__ = [
    "VV10",
    "Channel",
    "Dataset",
    "EnergyDensity",
    "Expression",
    "FastsfesError",
    "Functional",
    "Hybrid",
    "InputError",
    "__version__",
    "build_info",
    "get_functional",
    "list_functionals",
]
