"""`select`: the best subsets of a library of terms, kept in a run directory like a search's.

The work is a list of units: one combination of scales, one criterion and one size each. A unit is a round of the
run's store, so that an interrupted selection goes on with the next one; its result depends on the options alone.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from .._core import __version__
from ..common.errors import FastsfesError, InputError
from ..common.files import plain, user_path, write_text
from ..common.runfolder import CONFIG, SUMMARY, is_selection, resume_command
from ..datasets.dataset import Dataset
from ..evolve.genome import Genome
from ..evolve.island import BETTER, Individual, IslandState, Record, pareto_front
from ..evolve.linearise import linearise
from ..formula.family import fingerprint
from ..functionals.functional import Functional
from ..selection import Library, Selected, certificate
from .digests import absolute
from .front import Member, front_rows, run_summary, write_best, write_front
from .interrupt import SearchInterrupted, Signals, signals
from .lock import RunLock
from .log import RunLog
from .progress import Progress, Status, make_progress, style_here
from .search import Run, check_data, check_folder, finished, make_folder, new_folder, open_store
from .select_config import SelectConfig
from .select_work import SelectWork, Unit
from .store import RunStore, pack_candidates
from .summary import NOTHING

__all__ = ["select", "select_run"]

RESUME = "fastsfes select"


def select(
    library: Library | Sequence[str] | str = (),
    dataset: Dataset | str | Path = "gscdb",
    *,
    sizes: Sequence[int] | int | str = range(6, 15),
    output: str | Path | None = None,
    progress: str | None = None,
    report: bool = True,
    verify: bool = False,
    **options: Any,
) -> Run:
    """Find the best subsets of a library of terms.

    Args:
        library: terms per channel as text, such as ["x = u(x2, 0.004)^0:4 * w^0:6", "css = 1; w"], or a `Library`;
            default: the products of powers from which wB97M-V was selected, unless ``terms_from`` names a run.
        dataset: an opened one, a name or a file.
        sizes: numbers of terms: one, several, or text such as "6:14".
        output: directory of the run, which must not exist yet.
        progress: "live", "plain", "auto" or "none"; by default as for `search`.
        report: whether to compute the final figures.
        verify: check them on the integration grids of all species, not of a few.
        options: further options of `SelectConfig`, such as ``constraints``, ``criteria``, ``limit``, ``seed``.

    Returns:
        The finished `Run`; its best functional has the smallest criterion with the penalty per term.

    Raises:
        InputError: options that do not go together, unknown terms.
        FastsfesError: no subset meets the conditions.
        SearchInterrupted: after a signal; `select_run` with ``resume`` goes on.
    """
    if isinstance(library, Library):
        texts: Sequence[str] = [f"{t.kind} = {t.expression}" for t in library.terms]
        options = {"exact_exchange": library.exact_exchange, **options}
    else:
        texts = [library] if isinstance(library, str) else library
    config = SelectConfig.make(terms=texts, dataset=dataset, sizes=sizes, **options)
    return select_run(config, output=output, progress=progress, report=report, verify=verify)


def select_run(
    config: SelectConfig | None = None,
    *,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    progress: str | None = None,
    report: bool = True,
    verify: bool = False,
    threads: int | None = None,
) -> Run:
    """`select` with a configuration, or going on with an earlier run."""
    if (config is None) == (resume is None) or (resume is not None and output is not None):
        raise InputError("give either a configuration with its output, or the run to resume")
    if resume is not None:
        path = user_path(resume)
        if not (path / CONFIG).is_file():
            raise InputError(f"{path}: not the directory of a selection; expected {CONFIG} in it")
        if not is_selection(path):
            raise InputError(f"{path}: is a search; go on with: {resume_command(path)}")
        config = SelectConfig.from_toml(path / CONFIG)
        if (done := finished(path, report, verify)) is not None:
            return done
    assert config is not None
    here = config if threads is None else replace(config, threads=threads)
    work = SelectWork.make(here)
    if resume is None:
        if output is not None:
            check_folder(user_path(output), RESUME)
        work.check()
    where = new_folder(output, "select", config.seed, RESUME) if resume is None else nullcontext(path)
    with (
        where as path,
        make_progress(len(work.units), progress or style_here()) as display,
        signals(path, RESUME) as stop,
    ):
        display.message(work.describe())
        if resume is None:
            kept = replace(
                config, dataset=absolute(config.dataset), terms_from=absolute(config.terms_from),
                frame=absolute(config.frame), reference=absolute(config.reference),
            )  # fmt: skip
            make_folder(path, {CONFIG: kept.to_toml()}, RESUME)
        with RunLock(path, display.message) as lock, open_store(path) as store:
            log = RunLog(path, display.message)
            log.event(
                "start", resumed=resume is not None, seed=config.seed, dataset=config.dataset, fastsfes=__version__
            )
            check_data(path, store, work.digests(), log)
            keeper = _Keeper(path, work, store, lock, log, display)
            store.waiting = stop.stop
            try:
                keeper.run(stop)
                store.settle()
                keeper.finish(report, verify)
            except (Exception, SearchInterrupted) as error:
                status = "interrupted" if isinstance(error, SearchInterrupted) else "failed"
                log.event("end", f"{status} after {keeper.done} of {len(work.units)} sizes", status=status)
                raise
    return Run(path)


class _Keeper:
    """Does the units in their order and keeps what they bring."""

    def __init__(
        self, path: Path, work: SelectWork, store: RunStore, lock: RunLock, log: RunLog, display: Progress
    ) -> None:
        self.path, self.work, self.store, self.lock, self.log, self.display = path, work, store, lock, log, display
        self.state = next(iter(store.states()), None)
        self.front = self.state.population if self.state is not None else ()
        kept = store.usage
        self.done: int = kept.get("done", 0)
        self.rows: list[dict[str, Any]] = kept.get("selection", [])
        self.without: list[str] = kept.get("without", [])
        self.best: dict[str, Any] | None = kept.get("best")
        self.elapsed, self.started = store.elapsed, time.monotonic()

    def run(self, stop: Signals) -> None:
        """All units that are not done, and the refinement of the scales."""
        units = self.work.units
        for unit in units[self.done :]:
            found = self.work.selector(unit.scales, unit.criterion).search(unit.size, self._starts(unit))
            with stop.deferred():
                self._keep(unit, found)
        if self.done == len(units) and self.work.config.scales and self.best is not None:
            unit, found = self._refined(self.best)
            with stop.deferred():
                self._keep(unit, found)

    def _starts(self, unit: Unit) -> list[tuple[int, ...]]:
        """The best subset of the last smaller size with further terms, where a search of many terms may begin."""
        smaller = [
            r for r in self.rows
            if r["size"] < unit.size and r["criterion"] == unit.criterion and r["scales"] == dict(unit.scales)
        ]  # fmt: skip
        if not smaller:
            return []
        start = self.work.selector(unit.scales, unit.criterion).extended(smaller[-1]["chosen"], unit.size)
        return [start] if len(start) == unit.size else []

    def _refined(self, best: dict[str, Any]) -> tuple[Unit, list[Selected]]:
        """The best subset so far with scales between those of the grid."""
        unit = Unit(best["scales"], best["criterion"], best["size"])
        chosen = tuple(best["chosen"])
        unit = replace(unit, scales=self.work.refined(unit, chosen))
        selector = self.work.selector(unit.scales, unit.criterion)
        coefficients = selector.solve(chosen)
        if coefficients is None:
            return unit, []
        return unit, [Selected(chosen, coefficients, selector.value(chosen), 0.0, certificate("refined"))]

    def _keep(self, unit: Unit, found: Sequence[Selected]) -> None:
        """Make a unit part of the run."""
        number = 0 if self.state is None else self.state.candidates
        made = [self._member(unit, selected, number + k) for k, selected in enumerate(found)]
        self.front = _front((*self.front, *(m for m, _ in made)))
        records = []
        for selected, (member, functional) in zip(found, made, strict=True):
            records.append(_record(unit, member, functional))
            row = _row(unit, selected, member, self.work.term_library)
            if selected is found[0]:
                self.rows.append(row)
            if self.state is None:
                self.state = IslandState(0, 0, 0, (member,), member, (member,), member.fitness, 0, 0)
                self._improve(row, member, functional)
            elif member.fitness < self.state.best.fitness:
                self._improve(row, member, functional)
        what = f"{unit.size} terms by {unit.criterion}"
        if not found:
            self.without.append(what)
        self.done += 1
        now = time.monotonic()
        self.elapsed, self.started = self.elapsed + now - self.started, now
        self.lock.check()
        self.store.add_epoch(0, self.done, pack_candidates(0, self.done, records))
        states = []
        if self.state is not None:
            self.state = replace(self.state, epoch=self.done, candidates=number + len(made), population=self.front)
            states = [self.state]
        usage = {"done": self.done, "selection": self.rows, "without": self.without, "best": self.best}
        self.store.commit_round(states, pareto_front(self.front), self.elapsed, plain(usage))
        text = f"{what}: {NOTHING}"
        if found:
            text = f"{what}: {found[0].value:.6g} kcal/mol, {found[0].certificate}"
        self.log.event("size", text, size=unit.size, criterion=unit.criterion, scales=dict(unit.scales))
        self.display.message(text)
        if self.state is not None:
            self.display.update(Status(self.done, self.state.candidates, self.state.best))

    def _improve(self, row: dict[str, Any], member: Individual, functional: Functional) -> None:
        assert self.state is not None
        self.state = replace(self.state, best=member, record=member.fitness, improved=member.number)
        self.best = {**row, "functional": functional.to_dict()}
        write_best(self.path, functional)
        self.log.event("improvement", "", candidate=member.number, train=member.train, fitness=member.fitness)

    def _member(self, unit: Unit, selected: Selected, number: int) -> tuple[Individual, Functional]:
        config = self.work.config
        columns, _ = self.work.columns(unit.scales)
        citation = f"found by fastsfes select, seed {config.seed}, dataset {self.work.dataset.name}"
        functional = columns.functional(f"select-{config.seed}", selected.chosen, selected.coefficients, citation)
        channels, parameters = {}, {}
        for kind, channel in functional.channels.items():
            written = linearise(channel.expression, channel.parameters)
            channels[kind], parameters[kind] = written.genome, dict(written.parameters)
        if self.work.term_library.exact_exchange:
            parameters["hybrid"] = _fractions(functional)
        losses = {split: columns.loss(selected.chosen, selected.coefficients, split) for split in columns.matrix}
        terms = {k: self.work.selector(unit.scales, k).value(selected.chosen) for k in config.criteria if k != "train"}
        error = {"train": losses["train"], **terms}[config.criteria[0]]
        member = Individual(
            island=0,
            number=number,
            genome=Genome(channels),
            fingerprint=fingerprint({k: c.expression for k, c in functional.channels.items()}),
            parameters=parameters,
            train=losses["train"],
            validation=losses.get("validation", losses["train"]),
            terms=terms,
            complexity=functional.complexity,
            error=error,
            fitness=error + config.parameter_penalty * len(selected.chosen),
        )
        return member, functional

    def _front_member(self, index: int, one: Individual) -> Member:
        """A member of the front as a functional, with its losses."""
        row = self.store.candidate(one.number)
        assert row is not None
        functional = self.work.functional(f"select-{self.work.config.seed}:{index}", row)
        return Member(one, functional, {"before": one.train, "after": one.train, "validation": one.validation})

    def finish(self, report: bool, verify: bool) -> None:
        """The best functional's figures on all splits, checked on integration grids, and the summary."""
        if self.state is None or self.best is None:
            raise FastsfesError(f"of no size there is a result: {NOTHING}; loosen them, or add terms")
        members = [self._front_member(k, member) for k, member in enumerate(self.front)]
        problem = self.work.problem()
        assessed = problem.assess(
            [m.functional for m in members],
            self.display,
            on_grid="none" if not report else "all" if verify else "sample",
        )
        members = [replace(m, checked=c) for m, c in zip(members, assessed.members, strict=True)]
        rows = front_rows(members, problem.config.node_tolerance, problem.counts.get("train", 0), "best")
        picked = next(m for m, row in zip(members, rows, strict=True) if row["picked"])
        winner = replace(picked.functional, name=f"select-{self.work.config.seed}")
        write_best(self.path, winner)
        write_front(self.path, rows)
        figures = None
        if report:
            figures = self.work.report(problem, winner, replace(assessed, members=(picked.checked,)), self.display)
            self.log.event("report", rows=figures["rows"][:1], grid=figures["grid"])
        made, fitted = self.store.counts()
        summary = run_summary(
            picked, winner, rows, "best", counts=(made, fitted), seconds=self.elapsed, complete=True, report=figures,
            resources={}, selection=self.rows, without=self.without,
        )  # fmt: skip
        write_text(self.path / SUMMARY, json.dumps(plain(summary), indent=2) + "\n")
        self.log.event("end", f"complete: {made} subsets kept, {self.elapsed:.1f} s", status="complete")


def _fractions(functional: Functional) -> dict[str, float]:
    return {"short_range": functional.hybrid.short_range, "long_range": functional.hybrid.long_range}


def _front(members: Iterable[Individual]) -> tuple[Individual, ...]:
    """Members that none at most as complex beats in all criteria; those of `pareto_front` where there is one."""
    front: list[Individual] = []
    values: list[tuple[float, ...]] = []
    for m in sorted(members, key=lambda m: (m.complexity, m.error, m.number)):
        own = (m.error, *(m.terms[k] for k in sorted(m.terms)))
        beaten = any(all(a <= b / BETTER for a, b in zip(other, own, strict=True)) for other in values)
        if not beaten and math.isfinite(m.error):
            front.append(m)
            values.append(own)
    return tuple(front)


def _row(unit: Unit, selected: Selected, member: Individual, library: Library) -> dict[str, Any]:
    """A line of the table of sizes."""
    return {
        "size": unit.size,
        "criterion": unit.criterion,
        "scales": dict(unit.scales),
        "value": selected.value,
        "lower": selected.lower,
        "certificate": selected.certificate,
        "train": member.train,
        "validation": member.validation,
        **member.terms,
        "chosen": list(selected.chosen),
        "terms": [library.names[k] for k in selected.chosen],
        "coefficients": list(selected.coefficients),
    }


def _record(unit: Unit, member: Individual, functional: Functional) -> Record:
    return Record(
        number=member.number,
        parent_island=0,
        parent=-1,
        mutation=f"{unit.size} terms by {unit.criterion}",
        fingerprint=member.fingerprint,
        duplicate=False,
        expressions={k: str(c.expression) for k, c in functional.channels.items()},
        parameters={
            **{k: dict(c.parameters) for k, c in functional.channels.items()},
            **({"hybrid": _fractions(functional)} if "hybrid" in member.parameters else {}),
        },
        complexity=member.complexity,
        train=member.train,
        validation=member.validation,
        terms=member.terms,
        error=member.error,
        fitness=member.fitness,
        evaluations=0,
    )
