"""What every problem of a search does with a form: make it a functional, fit it to the end, leave out its terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..common.files import plain
from ..evolve.fitter import FitEvaluator
from ..evolve.island import Individual
from ..fitting import FitProblem, find_minimum
from ..fitting.removal import lowered, removals
from ..formula.normal_form import normal_form
from ..functionals.frame import Frame
from ..functionals.functional import Channel, Functional
from .config import SearchConfig
from .progress import Reference
from .setup import SearchParts

__all__ = ["SELECTION", "Fittable"]

SELECTION = ("train", "validation")
"""Splits that a search reads before its report."""


@dataclass(frozen=True)
class Fittable:
    """A configuration, what fits candidates, and the problems of the final fits.

    `frame` lends the winner its exact exchange and nonlocal correlation. `problems` are those of the final fits: on all
    nodes, and on few where there are any. `rows` are those of the searched channels, which candidates are fitted to.
    """

    config: SearchConfig
    evaluate: FitEvaluator
    counts: Mapping[str, int]
    frame: Frame
    fixed: Mapping[str, Channel]
    problems: Callable[[], tuple[FitProblem, FitProblem | None]]
    rows: Callable[[], FitProblem]

    def references(self) -> list[Reference]:
        """Known functionals to compare errors with; none where the targets are a functional's energies."""
        return []

    @property
    def on_grids(self) -> bool:
        """Whether members can be checked on integration grids while the search goes on."""
        return False

    def node_error(self, member: Individual, parts: SearchParts, done: int, count: int) -> float:
        """The largest error of a member's energies on nodes; without nodes there is none."""
        return 0.0

    def _candidate(self, functional: Functional) -> tuple[list[_core.Expression], NDArray[np.float64]]:
        """The searched factors and all their parameters."""
        channels = [functional.channels[k] for k in self.config.channels]
        values = np.array([v for c in channels for v in c.parameters.values()])
        return [c.expression._handle for c in channels], values

    def functional(self, name: str, best: Individual, parts: SearchParts) -> Functional:
        """The winner in normal form as a functional, in the frame of the densities."""
        expressions = best.genome.expressions(parts.mutator.workspaces)
        if expressions is None:
            raise AssertionError("the best individual has a finite loss, so its expressions are defined")
        channels = {}
        for kind, expression in expressions.items():
            channels[kind] = Channel(*normal_form(expression, best.parameters[kind]))
        return Functional(
            name=name,
            channels={**channels, **self.fixed},
            citation=f"found by fastsfes search, preset {self.config.preset}, seed {self.config.seed}",
            **self.frame.fields(),
        )

    def refitted(self, winner: Functional) -> tuple[Functional, dict[str, float]]:
        """The winner at the minimum of its form on the objective of the search (`fastsfes.fitting.find_minimum`).

        A search stops at the first parameters that will do, on few nodes, and in a form that may have had superfluous
        parameters. Returns the functional and the losses "before", "after" and "validation" in kcal/mol.
        """
        problem, reduced = self.problems()
        before = problem.loss(winner)
        found = find_minimum(problem, winner, reduced=reduced, threads=self.config.threads)
        best = found.functional if found.loss <= before else winner
        losses = {"before": before, "after": problem.loss(best), "validation": problem.loss(best, "validation")}
        return replace(winner, channels=best.channels), losses

    def without_terms(self, winner: Functional) -> tuple[Functional, list[dict[str, Any]]]:
        """The losses without each term of the searched channels, each rest at its minimum.

        Returns:
            The winner, or a better one that a rest led to; and a dict per term, in order: channel, term (text), train
            and validation (kcal/mol; None when it could not be fitted), first the whole, whose channel and term are
            empty.
        """
        problem, reduced = self.problems()
        threads = self.config.threads
        rests = removals(problem, winner, reduced=reduced, kinds=self.config.channels, threads=threads)
        best = lowered(problem, winner, rests, threads=threads)
        rows = [("", "", best), *((r.channel, r.term, r.fitted.functional) for r in rests)]
        parts = [{"channel": kind, "term": term, **plain(_losses(problem, f))} for kind, term, f in rows]
        return replace(winner, channels=best.channels), parts


def _losses(problem: FitProblem, functional: Functional) -> dict[str, float]:
    return {split: problem.loss(functional, split) for split in SELECTION}
