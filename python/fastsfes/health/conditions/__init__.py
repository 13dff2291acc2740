"""Exact conditions of functionals: where each holds, and where and by how much it fails."""

from .exact import Enhancement, enhancement, exact_conditions
from .points import FeaturePoints, feature_points, search_grid
from .row import Row
from .subject import Evaluable, Subject, as_subject, as_subjects

__all__ = [
    "Enhancement",
    "Evaluable",
    "FeaturePoints",
    "Row",
    "Subject",
    "as_subject",
    "as_subjects",
    "enhancement",
    "exact_conditions",
    "feature_points",
    "search_grid",
]
