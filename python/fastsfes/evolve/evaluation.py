"""What evolution needs from a fit: requests in, outcomes out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..formula.expression import Expression

__all__ = ["NODES", "Evaluate", "FitOutcome", "FitRequest", "Fitness", "Known", "Parameters"]

NODES = "nodes"
"""The term that holds the estimated error of the quadrature: the largest of a reaction's energy, in kcal/mol."""

Parameters = Mapping[str, Mapping[str, float]]
"""Channel kind to parameter name to value."""


@dataclass(frozen=True)
class FitRequest:
    """One candidate: an expression per channel and where its parameters start."""

    expressions: Mapping[str, Expression]
    start: Parameters


@dataclass(frozen=True)
class Known:
    """What is remembered of a family that was fitted.

    Attributes:
        train, validation: WRMSD in kcal/mol, infinite when it could not be fitted.
        terms: further terms of the fitness in kcal/mol, by name; `NODES` is there where it could be estimated.
    """

    train: float
    validation: float
    terms: Mapping[str, float] = field(default_factory=dict)

    @property
    def finite(self) -> bool:
        """Whether it could be fitted."""
        return math.isfinite(self.train) and math.isfinite(self.validation)


@dataclass(frozen=True)
class FitOutcome:
    """A fitted candidate: what is known of its family, its parameters, and what the fit took."""

    known: Known
    parameters: Parameters = field(default_factory=dict)
    evaluations: int = 0

    @classmethod
    def failed(cls, start: Parameters, evaluations: int = 0) -> FitOutcome:
        """A candidate without a finite loss."""
        return cls(Known(math.inf, math.inf), start, evaluations)


Evaluate = Callable[[Sequence[FitRequest]], "list[FitOutcome]"]
"""A pure function: an outcome depends on its own request alone, not on the others of the batch or on threads."""


@dataclass(frozen=True)
class Fitness:
    """Smaller is better; in kcal/mol.

    error = train*L_train + validation*L_validation + sum(weights[name]*terms[name]) + the estimated error of the
    quadrature; with `root` the first two are sqrt(train*L_train^2 + validation*L_validation^2), SyFES's way.
    fitness = error + per_parameter*parameters + per_node*complexity.
    """

    train: float = 0.0
    validation: float = 1.0
    per_parameter: float = 0.0
    per_node: float = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)
    root: bool = False

    def error(self, known: Known) -> float:
        """The part that measures errors; infinite when a loss that counts is not finite."""
        power = 2.0 if self.root else 1.0
        total = 0.0
        for coefficient, loss in ((self.train, known.train), (self.validation, known.validation)):
            if coefficient:
                total += coefficient * loss**power
        total = total ** (1.0 / power) + known.terms.get(NODES, 0.0)
        for name, weight in self.weights.items():
            if weight:
                total += weight * known.terms.get(name, math.inf)
        return total if math.isfinite(total) else math.inf

    def __call__(self, known: Known, parameters: int, complexity: float) -> float:
        """Fitness of a family with this number of parameters that count, and this complexity."""
        return self.error(known) + self.per_parameter * parameters + self.per_node * complexity
