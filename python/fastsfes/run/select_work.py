"""What a selection works on: its units of work, and the columns and searches that they need."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..common.errors import InputError
from ..common.files import plain
from ..datasets import HARTREE_TO_KCAL
from ..datasets.dataset import Dataset
from ..energies.frame import frame_of, frame_shift
from ..energies.quadrature import Quadrature
from ..fitting import FitProblem, find_minimum, fit
from ..fitting.conditions import parse_conditions
from ..formula.expression import Expression
from ..functionals.frame import Frame
from ..functionals.functional import Channel, Functional
from ..functionals.load import load
from ..functionals.names import refitted
from ..selection import Columns, Library, Rules, Selector, Term, check_finite, distinct, parse_terms, terms_of
from .assess import Assessed
from .config import SearchConfig
from .digests import data_digests
from .final import PUBLISHED, baselines, grid_losses, node_errors, quadrature_rows
from .problem import ReactionProblem, make_problem
from .progress import Progress
from .search import Run
from .select_config import SelectConfig

__all__ = ["SelectWork", "Unit"]


@dataclass(frozen=True)
class Unit:
    """One combination of scales, one criterion, one size."""

    scales: Mapping[str, float]
    criterion: str
    size: int


@dataclass
class SelectWork:
    """What is selected from and how; columns are made when a combination of scales comes up."""

    config: SelectConfig
    dataset: Dataset
    term_library: Library
    units: list[Unit]
    _last: tuple[str, Columns, Rules] | None = None
    _selectors: dict[str, Selector] = field(default_factory=dict)

    @classmethod
    def make(cls, config: SelectConfig) -> SelectWork:
        """Read the library; raises InputError for what does not go together."""
        terms = list(parse_terms(config.terms))
        if config.terms_from:
            terms += _archived(Run(config.terms_from))
        library = Library(distinct(terms), config.exact_exchange)
        combinations = list(config.combinations())
        for name in library.scales:
            if name not in combinations[0]:
                raise InputError(f"the scale {name} has no number; give some, such as --scales '{name} = 0.002 0.004'")
        for name in combinations[0]:
            if name not in library.scales:
                known = ", ".join(library.scales) or "none"
                raise InputError(f'scales: no term has the scale "{name}"; the library has {known}')
        units = [Unit(c, k, n) for c in combinations for k in config.criteria for n in config.numbers]
        return cls(config, Dataset.open(config.dataset), library, units)

    def check(self) -> None:
        """Make what the first unit needs, so that wrong input is said before there is a run.

        Raises:
            InputError: sizes, rules, conditions or data that do not go together.
        """
        self.search_config()
        first = self.units[0].scales
        for criterion in self.config.criteria:
            self.selector(first, criterion).check(self.config.numbers)
        problem = self.columns(first)[0].problem
        for scales in list(self.config.combinations())[1:]:
            check_finite(problem, self.term_library.with_scales(scales))

    def describe(self) -> str:
        """One line for the log."""
        sizes = self.config.numbers
        return (
            f"{self.dataset.name}: {len(self.term_library)} terms, sizes {sizes[0]} to {sizes[-1]}, judged by "
            f"{', '.join(self.config.criteria)}"
        )

    def search_config(self) -> SearchConfig:
        """What reports and later searches read of a run."""
        c = self.config
        return SearchConfig.make(
            dataset=c.dataset, channels=self.term_library.kinds, seed=c.seed, folds=c.folds,
            keep_subsets=c.keep_subsets, constraints=c.constraints, correlation=c.correlation, threads=c.threads,
            grid_coefficient=c.grid_coefficient, fine_quadrature=c.fine_quadrature,
        )  # fmt: skip

    def digests(self) -> dict[str, str]:
        """Digests of the data that the result depends on."""
        c = self.config
        names = {
            "quadrature": c.quadrature,
            **({"fine quadrature": c.fine_quadrature} if c.grid_coefficient > 0 else {}),
        }
        quadratures = {what: Quadrature.load(self.dataset, name) for what, name in names.items()}
        reactions = [r for r in self.dataset.available if r.split != "test"]
        return data_digests(self.search_config(), self.dataset, quadratures, reactions)

    def problem(self) -> ReactionProblem:
        """The problem of a search on the same data, which checks and reports."""
        made = make_problem(self.search_config(), self.frame)
        assert isinstance(made, ReactionProblem)
        return made

    def report(
        self, problem: ReactionProblem, winner: Functional, assessed: Assessed, progress: Progress
    ) -> dict[str, Any]:
        """The final figures, as a search has them.

        Where the frame is not that of the densities, every functional is evaluated with its own.
        """
        if not self.config.exact_exchange and not self.config.frame:
            return problem.report(winner, progress, assessed)
        progress.message("fitting the published forms, with their fractions of exact exchange, to the same reactions")
        named = [(winner.name, winner)]
        for name, form in [item for item in baselines() if item[1].name in PUBLISHED]:
            fitted = fit(form, self.dataset, exact_exchange=True, threads=self.config.threads).functional
            named += [(name, form), (refitted(name), fitted)]
        opened = self.dataset.unsealed(f"final table of {winner.name}")
        rows = quadrature_rows(opened, named, frame="own")
        (checked,) = assessed.members
        grid = None
        if checked.energies is not None:
            stored = frame_of(self.dataset)
            energies = [self.dataset.energies(name) for name in problem.quadrature.species]
            shifts = [frame_shift(e, winner.frame, stored, winner.name) for e in energies]
            losses = grid_losses(problem.quadrature, opened, checked.energies + HARTREE_TO_KCAL * np.array(shifts))
            grid = {"name": winner.name, "parameters": len(winner.parameters), **plain(losses)}
        return {
            "kind": "reactions",
            "dataset": self.dataset.name,
            "frame": "each functional, on the same densities",
            "unit": "WRMSD in kcal/mol",
            "rows": [
                {**row.to_dict(), "terms": {}, "functional": f.to_dict()}
                for row, (_, f) in zip(rows, named, strict=True)
            ],
            "grid": grid,
            "largest_difference": checked.deviation if checked.method == "grid" else None,
            "compared": dict(checked.compared) or None,
            "grids": dict(checked.grids) or None,
            "nodes": node_errors(problem.quadrature, winner, checked),
            "test_readings": opened.test_readings,
        }

    @cached_property
    def frame(self) -> Frame:
        """Exact exchange, nonlocal correlation and correlation constants of what is selected."""
        stored = frame_of(self.dataset, correlation=self.config.correlation)
        if not self.config.frame:
            return stored
        return replace(load(self.config.frame, where="frame").frame, correlation=stored.correlation)

    def columns(self, scales: Mapping[str, float]) -> tuple[Columns, Rules]:
        """Columns and conditions for these numbers of the scales."""
        key = json.dumps(dict(scales))
        if self._last is None or self._last[0] != key:
            c = self.config
            columns = Columns.make(
                self.term_library.with_scales(scales), self.dataset, level=c.level, quadrature=c.quadrature,
                fine_quadrature=c.fine_quadrature if c.grid_coefficient > 0 else "", correlation=c.correlation,
                frame=self.frame,
            )  # fmt: skip
            rules = Rules.make(
                columns, c.constraints, limit=c.limit or math.inf, always=c.always, never=c.never, heredity=c.heredity,
                groups=c.groups,
            )  # fmt: skip
            self._last, self._selectors = (key, columns, rules), {}
        return self._last[1:]

    def functional(self, name: str, row: Mapping[str, Any]) -> Functional:
        """A kept subset as a functional, from its row in the store."""
        values = dict(row["parameters"])
        frame = self.frame
        if fractions := values.pop("hybrid", None):
            frame = replace(frame, hybrid=replace(frame.hybrid, **fractions))
        channels = {k: Channel(Expression.parse(text), values[k]) for k, text in row["expressions"].items()}
        citation = f"found by fastsfes select, seed {self.config.seed}, dataset {self.dataset.name}"
        return Functional(name=name, channels=channels, citation=citation, **frame.fields())

    def selector(self, scales: Mapping[str, float], criterion: str) -> Selector:
        """The search by one criterion."""
        columns, rules = self.columns(scales)
        if criterion not in self._selectors:
            settings = replace(self.config.settings(), reference=self._reference(columns))
            self._selectors[criterion] = Selector(columns, rules, criterion, settings)
        return self._selectors[criterion]

    def _reference(self, columns: Columns) -> dict[int, float]:
        """Coefficients of the reference's terms."""
        return (
            columns.term_library.coefficients(load(self.config.reference, where="reference"))
            if self.config.reference
            else {}
        )

    def refined(self, unit: Unit, chosen: Sequence[int]) -> Mapping[str, float]:
        """The scales' numbers after a fit of the chosen terms with free scales (variable projection)."""
        c = self.config
        columns, _ = self.columns(unit.scales)
        form = replace(columns, term_library=self.term_library).functional(
            "form", chosen, [1.0] * len(chosen), scales=unit.scales
        )
        held = parse_conditions(c.constraints, tuple(form.channels), form.hybrid)
        problem, reduced = FitProblem.pair(
            self.dataset, tuple(form.channels), level=c.level, quadrature=c.quadrature, equalities=held.equalities,
            exact_exchange=c.exact_exchange, correlation=c.correlation or None, frame=self.frame,
        )  # fmt: skip
        found = find_minimum(problem, form, reduced=reduced, threads=c.threads)
        if not math.isfinite(found.loss):
            return unit.scales
        return {name: found.functional.parameters.get(name, value) for name, value in unit.scales.items()}


def _archived(run: Run) -> list[Term]:
    """The terms of all members of a run's archive."""
    found: list[Term] = []
    for row in run.pareto:
        for kind, text in row["expressions"].items():
            found += terms_of(kind, Expression.parse(text), row["parameters"].get(kind, {}))
    return found
