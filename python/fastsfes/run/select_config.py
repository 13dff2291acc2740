"""`SelectConfig`: everything that determines a selection."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..common.errors import InputError
from ..common.options import convert, from_table, option, options, parse_toml, to_toml, unknown_option
from ..common.reading import read_text
from ..formula.features import CORRELATION
from ..selection import CRITERIA, Settings, fitted_shares
from .config import CORRELATION_HELP, as_given

__all__ = ["SelectConfig"]

DEFAULT_TERMS = (
    "x = u(x2, 0.004)^0:4 * w^0:4",
    "css = u(x2, 0.2)^0:4 * w^0:4",
    "cos = u(x2, 0.006)^0:4 * w^0:6",
)
"""The library where none is given: the products from which wB97M-V was selected, with its scales."""

_NUMBER = re.compile(r"\s*([a-z]+\.\w+)\s*=\s*(.+)")


@dataclass(frozen=True)
class SelectConfig:
    """The options of a selection; every field is also a TOML key and a command-line option."""

    terms: tuple[str, ...] = option(
        (), "names", "library", 'terms per channel, as in "x = u(x2, 0.004)^0:4 * w^0:6", "css = P(0:4, 2*beta - 1)", '
        '"cos = 1; w; w**2"; default, unless terms come from a run: ' + ", ".join(f'"{t}"' for t in DEFAULT_TERMS),
    )  # fmt: skip
    terms_from: str = option("", "text", "library", "a run whose archive's terms join the library")
    exact_exchange: bool = option(
        False, "bool", "library", "the fractions of short- and long-range exact exchange are terms too"
    )
    frame: str = option(
        "", "text", "library", "functional whose exact exchange, range separation and nonlocal correlation are kept, "
        "on the same densities; default: the one that made the densities",
    )  # fmt: skip
    scales: tuple[str, ...] = option(
        (), "names", "library", 'numbers for scales, as in "x.g = 0.002 0.004": each combination is tried, and the '
        "best is refined with the chosen terms",
    )  # fmt: skip
    correlation: str = option("", "text", "library", CORRELATION_HELP, choices=("", *CORRELATION))
    always: tuple[str, ...] = option((), "names", "library", 'terms that are always chosen, as in "x: 1"')
    never: tuple[str, ...] = option((), "names", "library", "terms that are never chosen")
    heredity: tuple[str, ...] = option(
        (), "names", "library", 'terms that need others, as in "x: w*u(x2, 0.004) only with x: w"'
    )

    groups: tuple[str, ...] = option(
        (), "names", "library", 'terms that are chosen together or not at all, as in "x: w; css: w"'
    )

    dataset: str = option(
        "gscdb", "text", "data", 'name of a dataset ("gscdb" and "builtin" are packaged) or a dataset file'
    )
    quadrature: str = option("default", "text", "data", "name of the quadrature in the dataset")
    level: str = option("full", "text", "data", "quadrature nodes", choices=("full", "reduced", "coarse"))

    sizes: str = option("6:14", "numbers", "selection", "numbers of terms, as in 6:14 or 8,10,12")
    criteria: tuple[str, ...] = option(
        ("cross_validation",), "names", "selection", "what subsets are judged by; several are each searched by, "
        "and give a front of all of them", choices=CRITERIA,
    )  # fmt: skip
    constraints: tuple[str, ...] = option(
        (), "names", "selection", 'conditions on the factors: "uniform_gas", "f_cos(x2=0, w=0) = 1", "0 <= f_x <= '
        '1.804"; exact, or graded with a weight, as in "f_x <= 1.804 weight 25"',
    )  # fmt: skip
    limit: float = option(0.0, "float", "selection", "largest absolute value of a coefficient; 0 for none", minimum=0)
    ridge: float = option(0.0, "float", "selection", "ridge * sum((c - reference)^2) joins the squared loss", minimum=0)
    reference: str = option("", "text", "selection", "functional whose coefficients the ridge draws towards")
    grid_coefficient: float = option(
        0.0, "float", "selection", "weight of the grid sensitivity in the loss, see fastsfes search", minimum=0
    )
    fine_quadrature: str = option("fine", "text", "selection", "quadrature of finer grids for the grid sensitivity")
    folds: int = option(5, "int", "selection", "parts of the cross-validation, of whole subsets", minimum=2)
    keep_subsets: tuple[str, ...] = option(
        ("AE18",), "names", "selection", "subsets (patterns) that cross-validation never leaves out"
    )
    parameter_penalty: float = option(
        0.02, "float", "selection", "kcal/mol per term when the best of all sizes is picked", minimum=0
    )

    restarts: int = option(32, "int", "search", "restarts of the local search per size", minimum=1)
    patience: int = option(40, "int", "search", "random changes without a better subset that end a restart", minimum=0)
    screen: int = option(
        1000, "int", "search", "exchanges per step that are solved under inequalities or a criterion", minimum=1
    )
    keep: int = option(8, "int", "search", "subsets kept per size and criterion", minimum=1)
    nodes: int = option(
        20000, "int", "search", "sets that leaps and bounds may look at; 0 for no certificate", minimum=0
    )
    seed: int = option(0, "int", "search", "seed of all random numbers", minimum=0)
    threads: int = option(0, "int", "search", "threads; 0 for OMP_NUM_THREADS or all cores", minimum=0)

    def __post_init__(self) -> None:
        for row in options(type(self)):
            object.__setattr__(self, row.name, convert(row, as_given(getattr(self, row.name)), "selection"))
        if not self.terms and not self.terms_from:
            object.__setattr__(self, "terms", DEFAULT_TERMS)
        if not self.criteria or len(set(self.criteria)) != len(self.criteria):
            raise InputError(f"criteria: expected one or more of {', '.join(CRITERIA)}, each once")
        if self.reference and not self.ridge:
            raise InputError("a reference needs a ridge that draws towards it")
        list(self.numbers)
        list(self.combinations())

    @property
    def numbers(self) -> list[int]:
        """Sizes, ascending."""
        found: set[int] = set()
        for part in self.sizes.split(","):
            ends = re.fullmatch(r"\s*(\d+)(?:\s*:\s*(\d+))?\s*", part)
            first, last = (int(ends[1]), int(ends[2] or ends[1])) if ends else (0, 0)
            if not 0 < first <= last <= 10000:
                raise InputError(f'sizes = "{self.sizes}": expected numbers of terms, such as 6:14 or 8,10,12')
            found |= set(range(first, last + 1))
        return sorted(found)

    @property
    def targets(self) -> str:
        """What the coefficients are fitted to, as a search's configuration says it."""
        return "reference"

    @property
    def rounding(self) -> dict[str, Any] | None:
        """How `fastsfes.round_parameters` rounds what was found; None where reactions do not say how.

        Criteria fit coefficients to one split or to both; fractions of exact exchange are no parameters of the form.
        """
        fits = {tuple(fitted_shares(k).items()) for k in self.criteria}
        if len(fits) > 1 or self.exact_exchange or self.quadrature != "default":
            return None
        alone = not self.constraints and not (self.limit or self.ridge or self.grid_coefficient)
        return {"constraints": self.constraints, "shares": dict(fits.pop()), "refit": alone, "frame": self.frame}

    @property
    def candidates(self) -> int:
        """Subsets that are kept at most."""
        return len(list(self.combinations())) * len(self.criteria) * len(self.numbers) * self.keep

    def combinations(self) -> Iterator[dict[str, float]]:
        """Every combination of the scales' numbers."""
        grid: dict[str, list[float]] = {}
        for text in self.scales:
            found = _NUMBER.fullmatch(text)
            try:
                if found is None:
                    raise ValueError(text)
                grid[found[1]] = [float(x) for x in found[2].split()]
                if not all(map(math.isfinite, grid[found[1]])):
                    raise ValueError(text)
            except ValueError:
                raise InputError(
                    f'scales "{text}": expected CHANNEL.NAME = NUMBERS, such as x.g = 0.002 0.004'
                ) from None
        for values in itertools.product(*grid.values()):
            yield dict(zip(grid, values, strict=True))

    def settings(self) -> Settings:
        """How subsets are searched; the reference's coefficients are not known here."""
        names = {f.name for f in fields(Settings)} & {f.name for f in fields(self)} - {"reference"}
        return Settings(**{n: getattr(self, n) for n in names}, grid=self.grid_coefficient)

    @classmethod
    def make(cls, **given: Any) -> SelectConfig:
        """Options as Python values or as the texts of the command line.

        Raises:
            InputError: options that there are not, values that do not fit.
        """
        known = [row.name for row in options(cls)]
        for name in given:
            if name not in known:
                raise unknown_option(name, known, "selection")
        return cls(**given)

    @classmethod
    def from_toml(cls, path: str | Path, **changes: Any) -> SelectConfig:
        """Read a TOML file; `changes` come last."""
        table = parse_toml(read_text(path, "options in TOML", 2**20), str(path))
        read = from_table(cls, table, str(path), changes)
        return cls(**{**{f.name: getattr(read, f.name) for f in fields(cls)}, **changes})

    def to_toml(self) -> str:
        """All options as TOML with their descriptions."""
        return to_toml(self)
