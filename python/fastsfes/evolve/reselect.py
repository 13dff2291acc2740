"""A mutation by least squares: a factor becomes the best subset of its own terms and those of other members.

Evolution invents terms; for fixed scales they are columns of reaction energies, and which of them go together best is
a small problem (`fastsfes.selection`). The other factors keep their terms, with new coefficients. What comes out is
written as instructions, and fitted like every child.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from .. import _core
from ..common.errors import InputError
from ..fitting import FitProblem
from ..fitting.removal import additive_terms
from ..formula.expression import Expression
from ..formula.terms import without_number
from ..selection import Columns, Library, Rules, Selector, Settings, Term, column_energies, distinct
from .evaluation import Parameters
from .genome import ChannelGenome, Genome, Workspace
from .linearise import linearise
from .mutate import Limits

__all__ = ["Reselect"]

_MOST = 48
"""Terms of a library, the factor's own first."""

_KEPT = 4000
"""Columns that are remembered."""

_SETTINGS = Settings(restarts=4, patience=10, keep=1, nodes=0, threads=1)


class Reselect:
    """Makes a factor of the best terms of several members.

    Args:
        problem: rows of the training and validation reactions, on the nodes of the search.
        workspaces: channel kind to workspace.
        limits: of genomes.
        constraints: conditions on the factors, of which the exact ones hold for what is chosen.
    """

    def __init__(
        self,
        problem: FitProblem,
        workspaces: Mapping[str, Workspace],
        limits: Limits,
        constraints: Sequence[str] = (),
    ) -> None:
        self.problem, self.workspaces, self.limits = problem, workspaces, limits
        self.constraints = tuple(constraints)
        self._columns: dict[str, npt.NDArray[np.float64]] = {}

    def __call__(
        self,
        kind: str,
        parent: tuple[Genome, Parameters],
        others: Sequence[tuple[Genome, Parameters]],
        rng: np.random.Generator,
    ) -> ChannelGenome | None:
        """The new factor; None where its terms have parameters of their own, a template stands around it, or nothing
        can be chosen or written.

        Args:
            kind: channel.
            parent: genome and parameters of who is mutated.
            others: of whom terms are taken.
            rng: draws how many terms there are, one less or more than before or as many.
        """
        if self.workspaces[kind].template is not None:
            return None
        own = self._terms(kind, *parent)
        size = len(own) + int(rng.integers(-1, 2))
        if not own or not 0 < size <= len(self.workspaces[kind].parameters) or self.limits.fixed:
            return None
        pool = distinct([*own, *(t for other in others for t in self._terms(kind, *other))])[:_MOST]
        scales = parent[1].get(kind, {})
        fixed = self._others(kind, *parent)
        here = [
            Term(kind, t.expression.substitute({p: scales.get(p, 1.0) for p in t.expression.parameters})) for t in pool
        ]
        if size >= len(here) or len(distinct([*here, *fixed])) < len(here) + len(fixed):
            return None
        columns = self._made(Library((*here, *fixed)))
        if columns is None:
            return None
        always = tuple(range(len(here), len(here) + len(fixed)))
        try:
            rules = Rules.make(columns, [c for c in self.constraints if c == "uniform_gas" or " weight " not in c])
        except InputError:  # no term for a condition
            return None
        rules = Rules(**{**vars(rules), "always": always})
        selector = Selector(columns, rules, "train_validation", _SETTINGS)
        found = selector.search(size + len(always))
        if not found:
            return None
        return self._written(kind, [pool[k].expression for k in found[0].chosen if k < len(pool)])

    def _terms(self, kind: str, genome: Genome, parameters: Parameters) -> tuple[Term, ...]:
        """Summands of a factor; none where one has other parameters than the workspace's features."""
        expression = genome.channels[kind].expression(self.workspaces[kind])
        if expression is None:
            return ()
        return _summands(kind, expression, self.workspaces[kind].scales, tuple(sorted(parameters[kind].items())))

    def _others(self, kind: str, genome: Genome, parameters: Parameters) -> list[Term]:
        """What the other factors' linear parameters multiply, and what is left of each without them."""
        found: list[Term] = []
        for other, channel in genome.channels.items():
            expression = channel.expression(self.workspaces[other])
            if other == kind or expression is None:
                continue
            linear = set(_core.linear_parameters(expression._handle))
            values = parameters[other]
            rest = {p: values[p] for p in expression.parameters if p not in linear}
            parts = [expression.derivative(p).substitute(rest) for p in expression.parameters if p in linear]
            parts.append(expression.substitute({**rest, **dict.fromkeys(linear, 0.0)}))
            found += [Term(other, e.fold()) for e in parts if str(e.fold()) != "0"]
        return found

    def _made(self, library: Library) -> Columns | None:
        """Columns of the terms; None where one is not finite."""
        names = library.names
        missing = [k for k, name in enumerate(names) if name not in self._columns]
        if missing:
            if len(self._columns) > _KEPT:
                self._columns.clear()
                missing = list(range(len(names)))
            try:
                made = column_energies(self.problem, Library(tuple(library.terms[k] for k in missing)))
            except InputError:
                return None
            self._columns.update({names[k]: column for k, column in zip(missing, made.T, strict=True)})
        energies = np.array([self._columns[name] for name in names]).T
        return Columns.of(library, self.problem, energies)

    def _written(self, kind: str, terms: Sequence[Expression]) -> ChannelGenome | None:
        """A sum of terms, each with a parameter of the workspace, as instructions."""
        workspace = self.workspaces[kind]
        names = workspace.parameters[: len(terms)]
        total = Expression.constant(0.0)
        for name, term in zip(names, terms, strict=True):
            total = total + Expression.parse(name) * term
        made = linearise(total, dict.fromkeys(total.parameters, 1.0), workspace.features)
        lines = made.genome.instructions
        if set(made.shared) - {*names, *workspace.scales} or set(made.variables) - set(workspace.variables):
            return None
        if made.genome.bound or 0 <= self.limits.instructions < len(lines):
            return None
        return made.genome


@lru_cache(maxsize=4096)
def _summands(
    kind: str, expression: Expression, scales: frozenset[str], values: tuple[tuple[str, float], ...]
) -> tuple[Term, ...]:
    linear = set(_core.linear_parameters(expression._handle))
    if set(expression.parameters) - linear - scales:
        return ()
    numbers = {p: v for p, v in values if p in linear}
    summands = additive_terms(expression.substitute(numbers).expand())
    return distinct(Term(kind, without_number(s)) for s in summands if str(s) != "0")
