"""Feature-space quadrature: energies of frozen densities as small products with node values.

`Quadrature.load(dataset)` reads what is stored with a dataset; `Quadrature.problem` gives the arrays of a fit
(`QuadratureProblem`).
"""

from .build import DEFAULT_CHANNELS, DEFAULT_TOLERANCE, build_quadrature, is_binding, worst_error
from .fold import FOLDED_NODES, fold_dataset, fold_quadratures
from .measure import channel_points
from .nodes import LADDERS, Axis, NodeGrid, channel_key, parse_channel_key
from .panel import PANEL, measured_expressions
from .quadrature import ProblemChannel, Quadrature, QuadratureProblem, reaction_targets
from .rule import LEVELS, ChannelRule, NodeSet, NotRepresentable
from .storage import list_quadratures, save_quadrature

__all__ = [
    "DEFAULT_CHANNELS",
    "DEFAULT_TOLERANCE",
    "FOLDED_NODES",
    "LADDERS",
    "LEVELS",
    "PANEL",
    "Axis",
    "ChannelRule",
    "NodeGrid",
    "NodeSet",
    "NotRepresentable",
    "ProblemChannel",
    "Quadrature",
    "QuadratureProblem",
    "build_quadrature",
    "channel_key",
    "channel_points",
    "fold_dataset",
    "fold_quadratures",
    "is_binding",
    "list_quadratures",
    "measured_expressions",
    "parse_channel_key",
    "reaction_targets",
    "save_quadrature",
    "worst_error",
]
