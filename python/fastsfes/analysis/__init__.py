"""Understanding a functional: what its terms, its parameters and its data contribute, and how its factors look."""

from .curves import Curve, EnhancementCurves, Surface, enhancement_curves
from .data_types import Sensitivity, TypeSensitivity, sensitivity
from .minimum import Optimum, optimum
from .resampling import Bootstrap, bootstrap
from .terms import TermContribution, TermContributions, term_contributions
from .uncertainty import ParameterUncertainties, parameter_uncertainties

__all__ = [
    "Bootstrap",
    "Curve",
    "EnhancementCurves",
    "Optimum",
    "ParameterUncertainties",
    "Sensitivity",
    "Surface",
    "TermContribution",
    "TermContributions",
    "TypeSensitivity",
    "bootstrap",
    "enhancement_curves",
    "optimum",
    "parameter_uncertainties",
    "sensitivity",
    "term_contributions",
]
