"""What a selection works on: its units of work, and the columns and searches that they need."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..common.errors import InputError
from ..datasets.dataset import Dataset
from ..fitting import FitProblem, FitSettings
from ..fitting.conditions import parse_conditions
from ..formula.expression import Expression
from ..functionals.load import load
from ..selection import Columns, Library, Rules, Selector, Term, parse_terms, terms_of
from .config import SearchConfig
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
    library: Library
    units: list[Unit]
    _last: tuple[str, Columns, Rules] | None = None
    _selectors: dict[str, Selector] = field(default_factory=dict)

    @classmethod
    def make(cls, config: SelectConfig) -> SelectWork:
        """Read the library; raises InputError for what does not go together."""
        terms = list(parse_terms(config.terms))
        if config.terms_from:
            terms += _archived(Run(config.terms_from))
        library = Library(tuple(dict.fromkeys(terms)), config.exact_exchange)
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

    def describe(self) -> str:
        """One line for the log."""
        sizes = self.config.numbers
        return (
            f"{self.dataset.name}: {len(self.library)} terms, sizes {sizes[0]} to {sizes[-1]}, judged by "
            f"{', '.join(self.config.criteria)}"
        )

    def search_config(self) -> SearchConfig:
        """What reports and later searches read of a run."""
        return SearchConfig.make(
            dataset=self.config.dataset, channels=self.library.kinds, seed=self.config.seed, candidates=len(self.units)
        )

    def columns(self, scales: Mapping[str, float]) -> tuple[Columns, Rules]:
        """Columns and conditions for these numbers of the scales."""
        key = json.dumps(dict(scales))
        if self._last is None or self._last[0] != key:
            c = self.config
            columns = Columns.make(
                self.library.with_scales(scales), self.dataset, level=c.level, quadrature=c.quadrature,
                fine_quadrature=c.fine_quadrature if c.grid_coefficient > 0 else "",
            )  # fmt: skip
            rules = Rules.make(
                columns, c.constraints, limit=c.limit or math.inf, always=c.always, never=c.never, heredity=c.heredity
            )
            self._last, self._selectors = (key, columns, rules), {}
        return self._last[1:]

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
            columns.library.coefficients(load(self.config.reference, where="reference"))
            if self.config.reference
            else {}
        )

    def refined(self, unit: Unit, chosen: Sequence[int]) -> Mapping[str, float]:
        """The scales' numbers after a fit of the chosen terms with free scales (variable projection)."""
        c = self.config
        columns, _ = self.columns(unit.scales)
        form = replace(columns, library=self.library).functional(
            "form", chosen, [1.0] * len(chosen), scales=unit.scales
        )
        held = parse_conditions(c.constraints, tuple(form.channels), form.hybrid)
        problem = FitProblem.from_dataset(
            self.dataset, tuple(form.channels), level=c.level, quadrature=c.quadrature, equalities=held.equalities,
            exact_exchange=c.exact_exchange,
        )  # fmt: skip
        (fitted,) = problem.fit([form], FitSettings(max_evaluations=200), threads=c.threads)
        if not math.isfinite(fitted.losses["train"]):
            return unit.scales
        return {name: fitted.functional.parameters.get(name, value) for name, value in unit.scales.items()}


def _archived(run: Run) -> list[Term]:
    """The terms of all members of a run's archive."""
    found: list[Term] = []
    for row in run.pareto:
        for kind, text in row["expressions"].items():
            found += terms_of(kind, Expression.parse(text), row["parameters"].get(kind, {}))
    return found
