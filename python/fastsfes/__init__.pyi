"""What `import fastsfes as fs` offers, and where it is made: `__init__.py` reads this file, and so do type checkers."""

from ._core import __version__, build_info
from .analysis.rounding import RoundedParameters, round_parameters
from .analysis.score import Score, score
from .common.errors import FastsfesError, InputError
from .datasets import Dataset
from .energies.evaluate import Evaluation, evaluate, wrmsd
from .energies.quadrature import Quadrature
from .exports import export
from .fitting import FitResult, fit
from .formula.expression import Expression
from .functionals import kernels, pyscf
from .functionals.frame import VV10, Hybrid
from .functionals.functional import Channel, EnergyDensity, Functional
from .functionals.libxc import LibxcFunctional
from .functionals.load import load, load_comparison
from .functionals.registry import get_functional, list_functionals
from .run.config import SearchConfig
from .run.regressor import PointwiseRegressor
from .run.search import Run, search
from .run.search_points import search_points
from .run.select import select
from .run.select_config import SelectConfig
from .selection import Library
from .validation import OwnDensityFit, Validation, ValidationConfig, fit_own_densities, validate

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
    "Library",
    "LibxcFunctional",
    "OwnDensityFit",
    "PointwiseRegressor",
    "Quadrature",
    "RoundedParameters",
    "Run",
    "Score",
    "SearchConfig",
    "SelectConfig",
    "Validation",
    "ValidationConfig",
    "__version__",
    "build_info",
    "evaluate",
    "export",
    "fit",
    "fit_own_densities",
    "get_functional",
    "kernels",
    "list_functionals",
    "load",
    "load_comparison",
    "pyscf",
    "round_parameters",
    "score",
    "search",
    "search_points",
    "select",
    "validate",
    "wrmsd",
]
