"""What evolution needs from a fit: requests in, outcomes out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..expression import Expression

__all__ = ["Evaluate", "FitOutcome", "FitRequest", "Fitness", "Parameters"]

Parameters = Mapping[str, Mapping[str, float]]
"""Channel kind to parameter name to value."""


@dataclass(frozen=True)
class FitRequest:
    """One candidate: an expression per channel and where its parameters start."""

    expressions: Mapping[str, Expression]
    start: Parameters


@dataclass(frozen=True)
class FitOutcome:
    """Losses in kcal/mol (WRMSD) of the fitted candidate; infinite when it could not be fitted."""

    train: float
    validation: float
    parameters: Parameters = field(default_factory=dict)
    evaluations: int = 0

    @classmethod
    def failed(cls, start: Parameters, evaluations: int = 0) -> FitOutcome:
        """A candidate without a finite loss."""
        return cls(math.inf, math.inf, start, evaluations)


Evaluate = Callable[[Sequence[FitRequest]], "list[FitOutcome]"]
"""A pure function: an outcome depends on its own request alone, not on the others of the batch or on threads."""


@dataclass(frozen=True)
class Fitness:
    """Smaller is better: train*L_train + validation*L_validation + per_parameter*parameters + per_node*complexity."""

    train: float = 0.0
    validation: float = 1.0
    per_parameter: float = 0.0
    per_node: float = 0.0

    def __call__(self, train: float, validation: float, parameters: int, complexity: int) -> float:
        """Fitness in kcal/mol; infinite when a loss that counts is not finite."""
        total = self.per_parameter * parameters + self.per_node * complexity
        for coefficient, loss in ((self.train, train), (self.validation, validation)):
            if coefficient:
                total += coefficient * loss
        return total if math.isfinite(total) else math.inf
