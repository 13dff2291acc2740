"""Everything that a report shows, as plain data: the page draws this and carries it along.

Figures come from the run's own files (summary, best functional, store) and from the public functions that evaluate
functionals; what needs the dataset is left out, with the reason, when the dataset is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal

from ..._core import __version__
from ...analysis.rounding import round_parameters
from ...common.errors import FastsfesError, InputError
from ...common.runfolder import HISTORY
from ...datasets import Dataset
from ...datasets.dataset import SETTINGS
from ...functionals.functional import Functional
from ...run.config import SearchConfig
from ...run.search import Run
from ...run.select_config import SelectConfig
from ...run.store import RunStore
from .accuracy import reaction_errors
from .factors import enhancement_factors
from .history import ancestors, mutation_statistics, search_history
from .robustness import health, insight, validation, whole_factors

__all__ = ["FORMAT", "VERSION", "collect"]

FORMAT, VERSION = "fastsfes-report", 2

SAMPLES = 100
"""Bootstrap samples, unless another number is asked for."""

Tell = Callable[[str], None]


def collect(
    run: Run,
    dataset: str | None = None,
    *,
    level: Literal["none", "quick", "full"] = "quick",
    samples: int = SAMPLES,
    tell: Tell = lambda text: None,
) -> dict[str, Any]:
    """Gather the data of a report.

    Args:
        run: a run with a best functional.
        dataset: name or file of the dataset; default: the one of the run's configuration.
        level: of the checks of numerical health; "quick" takes seconds, "full" minutes.
        samples: of the bootstrap, 0 for none.
        tell: hears one line per stage.

    Returns:
        Plain data for JSON. Sections that could not be made are None, and "problems" says why: section -> sentence.

    Raises:
        InputError: when the run has no best functional, or a dataset was given and cannot be opened.
    """
    winner = run.best
    config = run.config
    problems: dict[str, str] = {}
    found: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "fastsfes": __version__,
        "run": run.path.resolve().name,
        "functional": winner.to_dict(),
        "family": winner.family,
        "complexity": winner.complexity,
        "citation": winner.citation,
        "config": asdict(config),
        "summary": run.summary,
        "problems": problems,
    }
    tell("reading the history of the search")
    best = min((s.best for s in run.states), key=lambda m: (m.fitness, m.island))
    found["front"] = _front(run)
    with RunStore.open(run.path / HISTORY, read_only=True) as store:
        found["search"] = search_history(store, run.pareto)
        found["mutations"] = mutation_statistics(store)
        found["ancestors"] = ancestors(store, best.number, best.island)
    data = None
    if getattr(config, "points", ""):
        problems["dataset"] = "The targets of this run are values on points: there are no reactions to evaluate."
    else:
        data = _dataset(dataset, config.dataset, problems)
    found["dataset"] = None if data is None else _describe(data)
    tell("evaluating the winner and the known functionals")
    found["errors"] = None if data is None else _errors(winner, data, found["summary"], config, problems)
    found["factors"] = enhancement_factors(winner, data)
    found["curves"] = whole_factors(winner)
    tell("terms and parameters")
    found["insight"] = None if data is None else _insight(winner, data, samples, config, problems)
    found["rounded"] = None
    if found["insight"] is not None and data is not None and isinstance(config, SearchConfig):
        found["rounded"] = _rounded(winner, data, config)
    found["health"] = None
    if level == "none":
        problems["health"] = "The report was made without these checks; make it again with: --health quick"
    else:
        found["health"] = health(winner, level, tell)
    try:
        found["validation"] = validation(run.path)
    except FastsfesError as error:
        found["validation"] = None
        problems["validation"] = f"{str(error)[:1].upper()}{str(error)[1:]}."
    if data is None:
        problems["errors"] = problems["insight"] = problems["dataset"]
    return found


def _front(run: Run) -> list[dict[str, Any]]:
    """The members that can be named, with their functionals; none while the run goes on."""
    try:
        return run.members
    except InputError:
        return []


def _rounded(winner: Functional, dataset: Dataset, config: SearchConfig | SelectConfig) -> dict[str, Any] | None:
    """The parameters as they are printed."""
    if (rounding := config.rounding) is None:
        return None
    try:
        found = round_parameters(winner, dataset, **rounding)
    except FastsfesError:
        return None
    return {**found.to_dict(), "texts": found.texts()}


def _insight(
    winner: Functional, dataset: Dataset, samples: int, config: SearchConfig | SelectConfig, problems: dict[str, str]
) -> dict[str, Any] | None:
    if config.targets != "reference":
        problems["insight"] = (
            f'The parameters were fitted to the energies of "{config.targets}", not to reactions: there is no analysis '
            f"of what the reactions determine."
        )
        return None
    if _own_frame(config):
        problems["insight"] = (
            "The functional was fitted with another exact exchange or nonlocal correlation than that of the densities: "
            "there is no analysis of what the reactions determine."
        )
        return None
    try:
        return insight(winner, dataset, samples, config.seed)
    except FastsfesError as error:
        problems["insight"] = f"The functional cannot be analysed: {error}."
        return None


def _own_frame(config: SearchConfig | SelectConfig) -> bool:
    """Whether the winner has a frame of its own, not that of the densities."""
    return isinstance(config, SelectConfig) and (config.exact_exchange or bool(config.frame))


def _dataset(given: str | None, configured: str, problems: dict[str, str]) -> Dataset | None:
    if given is not None:
        return Dataset.open(given)
    try:
        return Dataset.open(configured)
    except InputError as error:
        problems["dataset"] = f"{error}. Name the dataset's file: fastsfes report RUN --dataset FILE"
        return None


def _describe(dataset: Dataset) -> dict[str, Any]:
    info = dataset.info()
    makers = [dict(zip(SETTINGS, key, strict=True), count=n) for key, n in info.settings.items()]
    return {
        "name": info.name,
        "provenance": info.provenance,
        "reactions": info.reactions,
        "available": info.available,
        "species": info.species,
        "densities": makers,
    }


def _errors(
    winner: Functional,
    dataset: Dataset,
    summary: dict[str, Any],
    config: SearchConfig | SelectConfig,
    problems: dict[str, str],
) -> dict[str, Any] | None:
    if config.targets != "reference":
        problems["errors"] = (
            f'The targets of this run are the energies of "{config.targets}", not reference energies of reactions: '
            f"there are no errors per data type."
        )
        return None
    try:
        return reaction_errors(winner, dataset, summary, frame="own" if _own_frame(config) else "dataset")
    except FastsfesError as error:
        problems["errors"] = f"Errors per data type could not be evaluated: {error}"
        return None
