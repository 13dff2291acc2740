"""`SearchConfig`: everything that determines a search, and the presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..common.arguments import meant, nearest
from ..common.errors import InputError
from ..common.files import user_path
from ..common.options import convert, from_table, option, options, parse_toml, shown_value, to_toml, unknown_option
from ..common.reading import read_text
from ..datasets.dataset import Dataset
from ..datasets.points import COLUMN_CHANNEL
from ..evolve.mutate import MUTATIONS, SYFES_MUTATIONS
from ..evolve.pools import Pool
from ..executors import check_executor
from ..fitting.losses import LOSSES
from ..formula.features import CORRELATION, SEARCHED
from ..formula.instructions import instruction_kind
from ..functionals.functional import Functional
from ..functionals.load import text_of
from .choose import RULES
from .presets import PRESETS

__all__ = ["PRESETS", "QUOTIENTS", "SearchConfig", "as_given"]

QUOTIENTS = "quotients"
"""The base of points that is found by linear fits, see `fastsfes.run.quotients`."""


CORRELATION_HELP = (
    "prefactor of the correlation channels, of which the quadrature needs the measures (css:scan_alpha1, ...); empty "
    "for that of the functional that made the densities"
)

_ARITHMETIC = {"add": 2, "sub": 0.5, "mul": 2, "square": 1, "fma": 4}
_MUTATIONS = {
    "insert": 1,
    "remove": 1,
    "replace": 1,
    "change_argument": 1,
    "crossover_channels": 0.25,
    "crossover_lines": 0.25,
    "simplify": 0.1,
}


@dataclass(frozen=True)
class SearchConfig:
    """The options of a search; every field is also a TOML key and a command-line option."""

    preset: str = option(
        "quickstart", "text", "search", "the preset whose values are the defaults of all other options"
    )
    seed: int = option(
        0,
        "int",
        "search",
        "seed of all random numbers, of up to 128 bits; the same seed gives the same run",
        minimum=0,
        maximum=2**128 - 1,
    )
    candidates: int = option(40000, "int", "search", "number of candidates to make before stopping", minimum=1)
    time_limit: float = option(
        0.0, "float", "search", "stop after this many seconds, at the end of an epoch; 0 for no limit", minimum=0
    )
    stop_below: float = option(
        0.0, "float", "search", "stop as soon as the best fitness is below this (kcal/mol); 0 to go on", minimum=0
    )
    select: str = option(
        "one-se",
        "text",
        "search",
        "how the result is picked from the front: one-se (the simplest member whose cross-validation is within one "
        "standard error of the best), best (lowest fitness), knee (of complexity against error) or bic (Bayes' "
        "criterion with a term for the formula); members that break physics or node_tolerance are no candidates",
        choices=tuple(RULES),
    )
    threads: int = option(
        0,
        "int",
        "search",
        "threads for fitting in each worker; 0 for OMP_NUM_THREADS or all cores, and for a worker's share of them",
        minimum=0,
    )
    executor: str = option(
        "local",
        "text",
        "search",
        'what runs the epochs of islands: "local" (this process), "processes", "dask:ADDRESS", "dask:FILE.json" or '
        '"mpi"; the result does not depend on it',
    )
    workers: int = option(0, "int", "search", "workers of the executor; 0 for as many as it has", minimum=0)
    worker_timeout: float = option(
        1800.0,
        "float",
        "search",
        "seconds without an answer after which a worker counts as lost and its epoch is run elsewhere; 0 for never",
        minimum=0,
    )

    dataset: str = option(
        "gscdb", "text", "data", 'name of a dataset ("gscdb" and "builtin" are packaged) or a dataset file'
    )
    targets: str = option(
        "reference",
        "text",
        "data",
        '"reference" for the reference energies of the reactions; "b97x", or another functional\'s name or JSON file, '
        "for its energies of the species in the searched channels",
    )

    points: str = option(
        "",
        "text",
        "data",
        "file of points (CSV or .npz) whose values are the targets, in place of a dataset: columns of features, value, "
        "weight, split (docs/points.md)",
    )

    channels: tuple[str, ...] = option(
        ("x", "css", "cos"),
        "names",
        "form",
        'enhancement factors to evolve; "y" is a formula of columns of points; empty for those that the points have',
        choices=(*SEARCHED, COLUMN_CHANNEL),
    )
    correlation: str = option("", "text", "form", CORRELATION_HELP, choices=("", *CORRELATION))
    base: tuple[str, ...] = option(
        ("lda",),
        "names",
        "form",
        'where the search starts: "empty" (all factors 0), "lda" (all 1), "random:N" (N random instructions a factor), '
        "a functional's name, a JSON file (SyFES's too), or all members of a run's front, RUN:front, or of "
        'points "quotients" (a short quotient that goes through them, if there is one); several are dealt out to the '
        "islands",
    )
    features_x: tuple[str, ...] = option(
        ("u = u(x2, g)", "w"),
        "names",
        "form",
        "features of the exchange factor: names of features, or definitions of them; free names in a definition are "
        "parameters that are fitted",
    )
    features_css: tuple[str, ...] = option(
        ("u = u(x2, g)", "w"), "names", "form", "features of the same-spin correlation factor"
    )
    features_cos: tuple[str, ...] = option(
        ("u = u(x2, g)", "w"), "names", "form", "features of the opposite-spin correlation factor"
    )
    features_y: tuple[str, ...] = option((), "names", "form", "features of a formula of columns of points")
    template: tuple[str, ...] = option(
        (),
        "names",
        "form",
        'forms of factors around what evolves, which is called F: "x = 1 + u(x2, g)*F"; bases then give F; free names '
        "are parameters that are fitted",
    )
    operator: tuple[str, ...] = option(
        (),
        "names",
        "form",
        "own operators for the instruction pool and for formulas of features, templates and bases: "
        '"sech(a) = 1/cosh(a)"; free names are parameters that are fitted',
    )
    parameters: int = option(
        6, "int", "form", "shared parameters that the instructions of a factor may name", minimum=0
    )
    variables: int = option(2, "int", "form", "temporaries that the instructions of a factor may name", minimum=0)

    instruction_pool: Mapping[str, float] = option(
        _ARITHMETIC,
        "pool",
        "mutation",
        "instructions and their weights, or a JSON file of them; SyFES's class names are understood too",
    )
    mutation_pool: Mapping[str, float] = option(
        _MUTATIONS,
        "pool",
        "mutation",
        f"mutations and their weights, or a JSON file of them: {', '.join(MUTATIONS)}; SyFES's names are understood "
        "too",
    )
    channel_pool: Mapping[str, float] = option(
        {}, "pool", "mutation", "how often each factor is mutated; empty for equally often"
    )
    repeat: float = option(
        0.2, "float", "mutation", "probability of one more mutation of a child", minimum=0, maximum=0.99
    )
    keep_parent: float = option(
        0.0,
        "float",
        "mutation",
        "probability that a child is its parent unchanged, as in SyFES; it joins the population with keep_duplicates",
        minimum=0,
        maximum=1,
    )
    max_instructions: int = option(
        12, "int", "mutation", "largest number of instructions per factor; -1 for no limit", minimum=-1
    )
    max_bound_parameters: int = option(
        2, "int", "mutation", "largest number of instructions' own parameters per factor; -1 for no limit", minimum=-1
    )
    fixed_instructions: int = option(
        0, "int", "mutation", "instructions at the beginning of every factor that are never changed", minimum=0
    )
    share_bound: bool = option(
        False, "bool", "mutation", "all instructions of one kind in a factor share their own parameters, as in SyFES"
    )

    islands: int = option(1, "int", "evolution", "number of populations that evolve side by side", minimum=1)
    migrate_every: int = option(4, "int", "evolution", "epochs between two migrations", minimum=1)
    migrants: int = option(
        4, "int", "evolution", "members that every island receives at a migration; 0 for no migration", minimum=0
    )
    migrate_archive: float = option(
        0.25,
        "float",
        "evolution",
        "part of the migrants that come from the archive (the front of complexity against error); the others win a "
        "tournament on another island",
        minimum=0,
        maximum=1,
    )
    population: int = option(100, "int", "evolution", "size of the population of an island", minimum=2)
    tournament: int = option(10, "int", "evolution", "members drawn per selection", minimum=1)
    generation: int = option(32, "int", "evolution", "children made and fitted together", minimum=1)
    generations: int = option(
        8, "int", "evolution", "generations per epoch; a checkpoint follows each epoch", minimum=1
    )
    keep_duplicates: bool = option(
        False, "bool", "evolution", "a child that describes a known family joins the population, with its losses"
    )
    rejoin: bool = option(
        False,
        "bool",
        "evolution",
        "a child of a known family joins when no member of the population is of that family: after a restart the same "
        "way can be gone again",
    )
    restart: int = option(
        0,
        "int",
        "evolution",
        "an island starts again from its bases after this many candidates without a better one; 0 for never",
        minimum=0,
    )
    max_complexity: int = option(
        0, "int", "evolution", "largest complexity of all factors together; 0 for no limit", minimum=0
    )
    complexity_weights: Mapping[str, float] = option(
        {},
        "pool",
        "evolution",
        'weight in the complexity of operators and of "feature", "parameter" and "constant"; 1 for those not named',
    )
    operator_limits: Mapping[str, float] = option(
        {}, "pool", "evolution", "largest number of occurrences of operators in a factor, as in exp=1,/=2"
    )
    forbid_nesting: tuple[str, ...] = option(
        (), "names", "evolution", 'operators that may not stand inside others, as in "exp in exp"'
    )
    max_depth: int = option(
        0, "int", "evolution", "largest number of operators from a factor to a leaf; 0 for no limit", minimum=0
    )
    dimensions: bool = option(
        False,
        "bool",
        "evolution",
        "sums are of like dimensions and factors pure numbers (rho, sigma, tau and rs have dimensions)",
    )
    max_parameters: int = option(0, "int", "evolution", "largest number of parameters; 0 for no limit", minimum=0)
    max_sharpness: float = option(
        2.0,
        "float",
        "evolution",
        "largest degree, in the features, of what stands in u, exp, tanh, erf, sin and the like: u of x2**4 is a step "
        "that no grid resolves; 0 for no limit",
        minimum=0,
    )
    max_scale: float = option(
        1000.0,
        "float",
        "evolution",
        "largest scale g in u(a, g) of a fitted candidate; scales below 0, where u has a pole, are refused too; 0 for "
        "no limit",
        minimum=0,
    )

    losses: str = option(
        "sum",
        "text",
        "fitness",
        "how the losses make one: sum (a*train + b*validation), or root (sqrt(a*train^2 + b*validation^2), SyFES's)",
        choices=("sum", "root"),
    )
    train_coefficient: float = option(0.7, "float", "fitness", "weight of the training WRMSD in the fitness", minimum=0)
    validation_coefficient: float = option(
        0.3, "float", "fitness", "weight of the validation WRMSD in the fitness", minimum=0
    )
    parameter_penalty: float = option(
        0.02,
        "float",
        "fitness",
        "kcal/mol added to the fitness per parameter; redundant ones do not count",
        minimum=0,
    )
    complexity_penalty: float = option(
        0.01,
        "float",
        "fitness",
        "kcal/mol added to the fitness per distinct node of the formulas in normal form",
        minimum=0,
    )

    node_tolerance: float = option(
        0.01,
        "float",
        "fitness",
        "largest error (kcal/mol) of a reaction energy that the quadrature may have for a candidate: estimated on more "
        "nodes, then on grids of some reactions where densities exist; 0 for no limit",
        minimum=0,
    )
    grid_coefficient: float = option(
        0.0,
        "float",
        "fitness",
        "weight of the grid sensitivity in the fitness: the weighted RMS change (kcal/mol) of the reaction energies "
        "between the integration grids of two quadratures of the dataset",
        minimum=0,
    )
    fine_quadrature: str = option(
        "fine",
        "text",
        "fitness",
        'name of the second quadrature, made with "fastsfes dataset quadrature --like default"',
    )
    cross_validation_coefficient: float = option(
        0.0,
        "float",
        "fitness",
        "weight of the cross-validated WRMSD in the fitness: every reaction with the fit that left its subset out",
        minimum=0,
    )
    error_terms: Mapping[str, float] = option(
        {}, "pool", "fitness", f"further losses that count in the fitness, with their weights: {LOSSES}"
    )
    folds: int = option(
        5,
        "int",
        "fitness",
        "parts into which the subsets are dealt for cross-validation",
        minimum=2,
    )
    keep_subsets: tuple[str, ...] = option(
        ("AE18",),
        "names",
        "fitness",
        "subsets (patterns) that cross-validation never leaves out: absolute energies of atoms cannot be guessed from "
        "differences",
    )
    constraints: tuple[str, ...] = option(
        (),
        "names",
        "fitness",
        'conditions on the factors, as in "uniform_gas", "f_cos(x2=0, w=0) = 1" (exact), "0 <= f_x <= 1.804", '
        '"f_x rises with x2" (graded, a penalty of the fit and of the fitness; "... weight 25" sets its weight)',
    )

    starts: int = option(
        1, "int", "fit", "starting points of a fit: the parent's parameters, then random ones", minimum=1
    )
    max_evaluations: int = option(60, "int", "fit", "largest number of evaluations per starting point", minimum=1)
    ridge: float = option(0.0, "float", "fit", "ridge that holds linear parameters back", minimum=0)

    @property
    def unit(self) -> str:
        """Of the losses of a search: errors of points are counted in the spread of their values."""
        return "spreads" if self.points else "kcal/mol"

    @property
    def rounding(self) -> dict[str, Any] | None:
        """How `fastsfes.round_parameters` rounds what was found; None where no reactions determine it."""
        return {"constraints": self.constraints} if self.targets == "reference" and not self.points else None

    def __post_init__(self) -> None:
        for row in options(type(self)):
            given = as_given(getattr(self, row.name), row.kind == "names")
            object.__setattr__(self, row.name, convert(row, given, "search options"))
        if self.preset not in PRESETS:
            raise InputError(f'preset "{self.preset}" is unknown; {meant(self.preset, PRESETS, "the presets are")}')
        if not (self.channels or self.points) or len(set(self.channels)) != len(self.channels):
            raise InputError(
                f"channels = {list(self.channels)}; expected one or more of {', '.join(SEARCHED)}, each once"
            )
        if self.preset == "points" and not self.points:
            raise InputError("the preset points needs a file of points: --points FILE, or fs.search_points")
        if COLUMN_CHANNEL in self.channels and not self.points:
            raise InputError(f'channel "{COLUMN_CHANNEL}" is a formula of columns of points; it needs --points FILE')
        self.instructions()
        self.mutations()
        for name in self.channel_pool:
            if name not in self.channels:
                raise InputError(f'channel_pool: "{name}" is not searched; searched are {", ".join(self.channels)}')
        check_executor(self.executor)
        if self.points:
            for name in ("grid_coefficient", "cross_validation_coefficient", "error_terms"):
                if getattr(self, name):
                    raise InputError(f"{name} needs reactions: it does not go with points")
        if self.targets != "reference":
            if self.points:
                raise InputError("points and targets are both given; the targets are the values of the points")
            for name in ("constraints", "grid_coefficient", "cross_validation_coefficient", "error_terms"):
                if getattr(self, name):
                    raise InputError(f'{name} needs reactions: it goes with targets = "reference" only')
        if QUOTIENTS in self.base and not self.points:
            raise InputError(f'base: "{QUOTIENTS}" go through values on points; give some with --points FILE')
        if not self.base:
            raise InputError('base is empty; name one or more starting points, for example "lda"')
        if self.train_coefficient + self.validation_coefficient + self.cross_validation_coefficient <= 0:
            raise InputError(
                "train_coefficient and validation_coefficient are both 0; give one a weight, for example 1"
            )

    def instructions(self) -> Pool:
        """The instructions and their weights; own operators by their definitions."""
        pool = self.instruction_pool.items()
        return Pool({instruction_kind(n, self.operator).name: w for n, w in pool}, "instruction_pool")

    def mutations(self) -> Pool:
        """The mutations and their weights; SyFES's names are understood too."""
        pool = {SYFES_MUTATIONS.get(name, name): weight for name, weight in self.mutation_pool.items()}
        for name in pool:
            if name not in MUTATIONS:
                raise InputError(
                    f'mutation_pool: there is no mutation "{name}"; {meant(name, MUTATIONS, "the mutations are")}'
                )
        return Pool(pool, "mutation_pool")

    def formula(self, text: str) -> str:
        """A formula with the definitions of the own operators before it."""
        return "; ".join((*self.operator, text))

    @classmethod
    def make(cls, preset: str = "quickstart", **changes: Any) -> SearchConfig:
        """A preset with some options changed; datasets, functionals, runs and paths may be given as such.

        Raises:
            InputError: an unknown preset or option, with the nearest known one, or a value that does not fit.
        """
        known = [row.name for row in options(cls)]
        for name in changes:
            if name not in known:
                raise unknown_option(name, known, "search options")
        if preset not in PRESETS:
            raise InputError(f'preset "{preset}" is unknown; {meant(str(preset), PRESETS, "the presets are")}')
        return cls(**{**PRESETS[preset], "preset": preset, **changes})

    @classmethod
    def of(cls, given: SearchConfig | Mapping[str, Any] | str | Path | None, **changes: Any) -> SearchConfig:
        """The configuration that is meant: itself, a dict of options, a preset's name or a TOML file; changed.

        Raises:
            InputError: says what was expected.
        """
        if isinstance(given, SearchConfig):
            return cls(**{**{f.name: getattr(given, f.name) for f in fields(cls)}, **changes}) if changes else given
        if given is None or isinstance(given, Mapping):
            return cls.make(**{**(given or {}), **changes})
        if isinstance(given, str) and given in PRESETS:
            return cls.make(given, **changes)
        if isinstance(given, (str, Path)):
            path = user_path(given)
            if path.suffix == ".toml" or path.is_file():
                return cls.from_toml(path, **changes)
        near = nearest(given, PRESETS) if isinstance(given, str) else None
        raise InputError(
            f"the options of a search are {shown_value(given)}; expected a SearchConfig, a dict of options, a TOML "
            f"file or a preset: {', '.join(PRESETS)}" + (f'; did you mean "{near}"?' if near else "")
        )

    @classmethod
    def from_toml(cls, path: str | Path, **changes: Any) -> SearchConfig:
        """Read a TOML file; options that it does not give are those of its preset, `changes` come last.

        Raises:
            InputError: names the file, the key, and the nearest known one.
        """
        return cls.from_text(read_text(path, "options in TOML", 2**20), str(path), **changes)

    @classmethod
    def from_text(cls, text: str, path: str, **changes: Any) -> SearchConfig:
        """`from_toml` of a text; `path` names its source in errors."""
        table = parse_toml(text, path)
        preset = changes.get("preset") or _preset_of(table)
        if not isinstance(preset, str) or preset not in PRESETS:
            raise InputError(f'{path}: preset "{preset}" is unknown; {meant(str(preset), PRESETS, "the presets are")}')
        read = from_table(cls, table, str(path), {**PRESETS[preset], "preset": preset})
        values = {f.name: getattr(read, f.name) for f in fields(cls)}
        return cls(**{**values, **changes})

    def to_toml(self) -> str:
        """All options as TOML with their descriptions."""
        return to_toml(self)


def _as_text(value: Any) -> Any:
    """What a functional or a dataset is called in a configuration; everything else as it is."""
    if isinstance(value, Functional):
        return text_of(value)
    return value.spec if isinstance(value, Dataset) else value


def as_given(value: Any, names: bool = False) -> Any:
    """Functionals and datasets of an option as texts; one functional stands for a list of one where names are meant."""
    if names and isinstance(value, Functional):  # formulas with commas stay one
        return (text_of(value),)
    return tuple(map(_as_text, value)) if isinstance(value, (list, tuple)) else _as_text(value)


def _preset_of(table: Mapping[str, Any]) -> Any:
    section = table.get("search")
    if isinstance(section, Mapping) and "preset" in section:
        return section["preset"]
    return table.get("preset", "quickstart")
