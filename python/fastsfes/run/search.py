"""`search`: evolve functionals, keep everything in a run directory, and report the best.

The result depends on the configuration and the seed alone. After every round the run directory holds all that is
needed to go on: `search(resume=path)` ends as an undisturbed run would have.
"""

from __future__ import annotations

import datetime
import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from .._core import __version__
from ..common.errors import InputError
from ..common.files import WriteError, make_parent, user_path, write_text
from ..common.notebook import axes, html_table
from ..common.reading import parse_json, read_text, shaped, short
from ..common.runfolder import BEST, CONFIG, FRONT, HISTORY, POINTS, SUMMARY, is_selection, resume_command
from ..datasets.dataset import Dataset
from ..datasets.points import csv_of_columns, read_columns
from ..energies.evaluate import evaluate
from ..evolve.island import IslandState
from ..executors import open_executor
from ..functionals.functional import Functional
from ..functionals.load import front_member, read_front
from .choose import pick
from .config import SearchConfig
from .coordinator import Coordinator, Epoch
from .digests import check_digests, version_of, with_absolute_paths
from .fittable import SELECTION
from .front import Front
from .interrupt import SearchInterrupted, signals
from .lock import RunLock
from .log import RunLog
from .points import make_point_problem, of_points
from .problem import make_problem
from .progress import make_progress, style_here
from .select_config import SelectConfig
from .setup import Problem, prepare
from .store import RunStore
from .summary import SHAPE
from .worker import set_up

__all__ = ["RESUME_OPTIONS", "Epoch", "Problem", "Run", "SearchInterrupted", "read_config", "search"]


RESUME_OPTIONS = ("time_limit", "executor", "workers", "worker_timeout", "threads", "dataset", "points")
"""Options that do not change what a run finds: they may differ when it is resumed. A dataset may be in another place,
not another one; so may points."""

FRONT_BASE = "front"
"""RUN:front is a base for each member of the front of a run."""


class Run:
    """A run directory: configuration, history, best functional, summary."""

    def __init__(self, path: str | Path) -> None:
        self.path = user_path(path)
        if not (self.path / CONFIG).is_file() or not (self.path / HISTORY).is_file():
            raise InputError(f"{self.path}: not the directory of a search; expected {CONFIG} and {HISTORY} in it")

    @property
    def config(self) -> SearchConfig | SelectConfig:
        """The options of the run: of a search, or of a selection."""
        return read_config(self.path)

    @property
    def best(self) -> Functional:
        """The best functional so far."""
        if not (self.path / BEST).is_file():
            raise InputError(f"{self.path}: has no {BEST} yet; continue with: {resume_command(self.path)}")
        return Functional.from_json(self.path / BEST)

    @property
    def summary(self) -> dict[str, Any]:
        """Final figures; empty while the run is not complete."""
        path = self.path / SUMMARY
        if not path.is_file():
            return {}
        remedy = f"remove it and run: {resume_command(self.path)}"
        try:
            data = parse_json(read_text(path, "the summary of a run"), str(path))
        except InputError as error:
            raise InputError(f"{error}; {remedy}") from None
        return dict(shaped(data, SHAPE, str(path), remedy))

    @property
    def pareto(self) -> Front:
        """Candidates that no simpler one beats in error: dicts with complexity, error, train, expressions and more.

        Of a complete run these are its members, in the order of their indices. A selection by several criteria has
        those that none with as few terms beats in all of them.
        """
        members = self.members if (self.path / FRONT).is_file() else []
        with RunStore.open(self.path / HISTORY, read_only=True) as store:
            found = [store.candidate(m["candidate"], m["island"]) for m in members]
            rows = [row for row in found if row is not None] or store.pareto()
        return Front.of(rows, members)

    def functional(self, index: int) -> Functional:
        """The member of the front with this index, in normal form and fitted in it; the run has to be complete."""
        return front_member(self.path, index)

    def __repr__(self) -> str:
        summary = self.summary
        state = "complete" if summary.get("complete") else "not complete"
        made = f", {summary['candidates']} candidates" if summary else ""
        return f"Run({str(self.path)!r}: {state}{made})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and self.path.absolute() == other.path.absolute()

    def __hash__(self) -> int:
        return hash(self.path.absolute())

    def _repr_html_(self) -> str:
        head = ("index", "complexity", "parameters", "train", "validation", "formulas")
        rows = []
        for row in self.members if (self.path / FRONT).is_file() else []:
            formulas = "; ".join(f"f_{k} = {c['expression']}" for k, c in row["functional"]["channels"].items())
            index = f"{row['index']}{' *' if row['picked'] else ''}"
            rows.append((index, *(row[name] for name in head[1:5]), formulas))
        return html_table(repr(self), head, rows)

    def plot(self, what: str = "front", ax: Any = None) -> Any:
        """Draw the run.

        Args:
            what: "front", errors against complexity; "convergence", the best fitness against candidates; or "parity",
                what the pick gives for the training and validation reactions or points against their references.
            ax: axes of matplotlib; None for new ones.

        Returns:
            The axes.
        """
        if what not in ("front", "convergence", "parity"):
            raise InputError(f'what is "{what}"; expected front, convergence or parity')
        if what == "parity":
            return self._parity(ax)
        target = axes(ax)
        if what == "front":
            rows = self.pareto
            for split in ("train", "validation"):
                target.plot([r["complexity"] for r in rows], [r[split] for r in rows], "o-", label=split)
            target.set(xlabel="complexity", ylabel="error", yscale="log", title=self.path.name)
            target.legend(frameon=False)
            return target
        with RunStore.open(self.path / HISTORY, read_only=True) as store:
            known = sorted((r["round"], r["number"], r["fitness"]) for r in store.fitted())
        best = np.minimum.accumulate([fitness for *_, fitness in known])
        target.plot(np.arange(1, len(best) + 1), best, drawstyle="steps-post")
        target.set(xlabel="fitted candidates", ylabel="best fitness", xscale="log", yscale="log", title=self.path.name)
        return target

    def _parity(self, ax: Any) -> Any:
        """The pick on what it was chosen by."""
        config = self.config
        if isinstance(config, SearchConfig) and config.points:
            own = str(self.path / POINTS) if config.points == POINTS else config.points
            problem, target = make_point_problem(replace(config, points=own)), axes(ax)
            values, errors = problem.table.target, problem.errors(self.best)
            for split in SELECTION:
                rows = problem.table.rows(split)
                target.plot(values[rows], (values + errors)[rows], ".", label=split)
            target.axline((float(values[0]), float(values[0])), slope=1.0, color="grey", linewidth=0.8)
            target.set(xlabel="value", ylabel="value of the formula", title=self.path.name)
            target.legend(frameon=False)
            return target
        if isinstance(config, SearchConfig) and config.targets != "reference":
            raise InputError(f"{self.path}: its targets are energies of {config.targets}; parity needs references")
        dataset = Dataset.open(config.dataset)
        reactions = [r for r in dataset.available if r.split in SELECTION]
        return evaluate(self.best, dataset, reactions, frame="own").plot(ax)

    def __getitem__(self, index: int) -> Functional:
        return self.functional(index)

    @property
    def members(self) -> list[dict[str, Any]]:
        """The front as it is printed: index, complexity, parameters, losses, terms, functional, the pick marked."""
        return read_front(self.path)

    def select(self, rule: str) -> int:
        """The index of the member that a rule picks: "one-se", "best", "knee" or "bic" (docs/searching.md)."""
        return pick(self.members, rule)

    @property
    def states(self) -> list[IslandState]:
        """The state of every island after the last complete round."""
        with RunStore.open(self.path / HISTORY, read_only=True) as store:
            states = store.states()
        if not states:
            raise InputError(f"{self.path}: holds no complete round; remove it and start the search again")
        return states


def read_config(path: Path) -> SearchConfig | SelectConfig:
    """The options that a run began with."""
    return (SelectConfig if is_selection(path) else SearchConfig).from_toml(path / CONFIG)


@contextmanager
def new_folder(output: str | Path | None, preset: str, seed: int, command: str = "fastsfes search") -> Iterator[Path]:
    """The directory of a new run: `output`, or when nobody says fastsfes-runs/<date>-<time>-<preset>-<seed>.

    A default one is made at once, with a number where another run began in the same second, and goes again when it
    stays empty.
    """
    if output is not None:
        path = user_path(output)
        check_folder(path, command)
        yield path
        return
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    path = first = Path("fastsfes-runs") / f"{now}-{preset}-{seed}"
    first_of_all = not path.parent.exists()
    make_parent(path)
    number = 1
    while True:
        try:
            path.mkdir()
            break
        except FileExistsError:
            number += 1
            path = first.with_name(f"{first.name}-{number}")
        except OSError as error:
            raise WriteError(f"{path}: the run directory cannot be made ({short(error)})") from None
    try:
        yield path
    finally:
        with suppress(OSError):
            path.rmdir()
            if first_of_all:
                path.parent.rmdir()


def search(
    config: SearchConfig | Mapping[str, Any] | str | Path | None = None,
    *,
    output: str | Path | None = None,
    resume: str | Path | Run | None = None,
    time_limit: float | None = None,
    executor: str | None = None,
    workers: int | None = None,
    worker_timeout: float | None = None,
    threads: int | None = None,
    dataset: str | None = None,
    points: str | None = None,
    go_on: bool = False,
    progress: str | None = None,
    report: bool = True,
    verify: bool = False,
    problem: Callable[[SearchConfig], Problem] | None = None,
    on_epoch: Callable[[Epoch], object] | None = None,
    **options: Any,
) -> Run:
    """Search for a functional.

    Args:
        config: the options: a configuration, a dict of options, the name of a preset, or a TOML file; default: the
            preset "quickstart".
        output: directory of the run, which must not exist yet or be empty; default: see `new_folder`.
        resume: directory of an earlier run to go on with, instead of `config` and `output`; with more `candidates` than
            it began with, a complete one too.
        time_limit, executor, workers, worker_timeout, threads: override the configuration's for this call; the result
            does not depend on the last four.
        dataset, points: the data; of a run that is resumed where they are now: others than it began with are refused.
            Points are in the run's directory too.
        go_on: when `output` holds a run with the same options already, go on with it, so that one call serves for the
            first job and for all that follow it.
        progress: "live", "plain", "none", or "auto" (live on a terminal or in a notebook, else plain); by default live
            on a terminal or in a notebook, and nothing where output is captured. Written to standard error.
        report: whether to compute the final figures.
        verify: check them on the integration grids of all species, where there are any, not of those that are least
            certain; the table is then of the grids. A finished run is verified by resuming it.
        problem: importable function that makes what is searched; default: the data that the configuration names.
        on_epoch: called with an `Epoch` whenever all islands have ended one; the search stops when it returns a true
            value, as after a time limit, and can be resumed.
        options: of `SearchConfig`, over those of `config`; to resume, `candidates` only.

    Returns:
        The finished `Run`.

    Raises:
        InputError: when the options do not go together or a directory exists (or, to resume, does not).
        SearchInterrupted: after SIGINT, SIGTERM or SIGUSR1; the run can be resumed.
    """
    if resume is not None:
        asked = _resumed(resume, config, output, options, executor)
    else:
        data = {name: value for name, value in (("dataset", dataset), ("points", points)) if value is not None}
        asked = _begun(config, output, go_on, {**options, **data})
    config = asked.config
    done = finished(asked.path, report, verify) if asked.path is not None and not asked.more else None
    if done is not None and dataset is None and points is None:
        return done
    given = (time_limit, executor, workers, worker_timeout, threads, dataset, points)
    own: dict[str, Any] = dict(zip(RESUME_OPTIONS, given, strict=True))
    texts: dict[str, str] = {}
    if config.points and asked.path is None:
        config = of_points(config)
        texts[POINTS] = csv_of_columns(read_columns(config.points))
    here = replace(config, **{k: v for k, v in own.items() if v is not None})
    if texts:
        config = replace(config, points=POINTS)
    elif here.points == POINTS and asked.path is not None:
        here = replace(here, points=str(asked.path / POINTS))
    parts = prepare(here)
    where = new_folder(output, config.preset, config.seed) if asked.path is None else nullcontext(asked.path)
    make = problem or make_problem
    with where as path, make_progress(config.candidates, progress or style_here()) as display, signals(path) as stop:
        made = make(here)
        display.message(made.describe())
        display.beside(made.references)
        # work in this process uses this process's problem
        context = (here, (lambda _: made) if here.executor == "local" else make)
        with open_executor(
            here.executor, here.workers, set_up, context, threads=here.threads, timeout=here.worker_timeout
        ) as pool:  # first, so that a cluster that is not there leaves nothing behind
            if asked.path is None:
                make_folder(path, {CONFIG: with_absolute_paths(config).to_toml(), **texts})
            with RunLock(path, display.message) as lock, open_store(path) as store:
                log = RunLog(path, display.message)
                check_data(path, store, made.digests(), log)
                if done is not None:
                    return done
                if asked.more:
                    _extend(path, config.candidates)
                coordinator = Coordinator(path, config, parts, made, store, lock, stop, log, display, on_epoch)
                _log_start(log, here, coordinator, asked.path is not None)
                try:
                    coordinator.run(pool, here.time_limit)
                    pool.close()  # the rest is done here
                    coordinator.finish(report, verify)
                except (Exception, SearchInterrupted) as error:
                    coordinator.failed(error)
                    raise
    return Run(path)


@dataclass(frozen=True)
class _Asked:
    """Which search a call means.

    Attributes:
        config: its options.
        path: the directory of a run that it goes on with.
        more: whether that gets more candidates than it began with.
    """

    config: SearchConfig
    path: Path | None = None
    more: bool = False


def _resumed(
    resume: str | Path | Run, config: Any, output: str | Path | None, options: Mapping[str, Any], executor: str | None
) -> _Asked:
    """An earlier run by its directory."""
    if config is not None or output is not None or set(options) - {"candidates"}:
        raise InputError(
            "resume goes on with the run's own configuration and directory; give neither config nor output, and of "
            "the options that change the result only candidates"
        )
    path = resume.path if isinstance(resume, Run) else user_path(resume)
    if not (path / CONFIG).is_file():
        raise InputError(f"{path}: not the directory of a search; expected {CONFIG} in it")
    if is_selection(path):
        raise InputError(f"{path}: is a selection; go on with: {resume_command(path)}")
    stored = SearchConfig.from_toml(path / CONFIG)
    asked = SearchConfig.of(stored, **options)
    more = _has_more(path, stored, asked)
    _check_named(path, asked, executor)
    return _Asked(asked, path, more)


def _begun(
    config: SearchConfig | Mapping[str, Any] | str | Path | None,
    output: str | Path | None,
    go_on: bool,
    options: Mapping[str, Any],
) -> _Asked:
    """A new run, or the one that its output holds already."""
    asked = SearchConfig.of(config, **options)
    asked = replace(asked, base=tuple(b for base in asked.base for b in _members_of(base)))
    if go_on and output is not None and (user_path(output) / CONFIG).is_file():
        path = user_path(output)
        return _Asked(asked, path, _check_same(path, of_points(asked) if asked.points else asked))
    return _Asked(asked)


def check_data(path: Path, store: RunStore, now: Mapping[str, str], log: RunLog) -> None:
    """Refuse a run's going on with other data; note what a new one is made with."""
    stored = store.digests
    if not stored:
        store.note_digests(now)
        return
    check_digests(path, stored, now)
    if version_of(stored) != version_of(now):
        log.event("version", f"begun with fastsfes {version_of(stored)}, resumed with {version_of(now)}")


def _log_start(log: RunLog, config: SearchConfig, coordinator: Coordinator, resumed: bool) -> None:
    log.event(
        "start",
        f"resumed at {coordinator.candidates} candidates" if resumed else "",
        resumed=resumed,
        candidates=coordinator.candidates,
        budget=config.candidates,
        seconds=coordinator.elapsed,
        preset=config.preset,
        seed=config.seed,
        dataset=config.dataset,
        islands=config.islands,
        executor=config.executor,
        workers=config.workers,
        threads=config.threads,
        fastsfes=__version__,
        host=socket.gethostname(),
        pid=os.getpid(),
    )


def make_folder(path: Path, texts: Mapping[str, str], command: str = "fastsfes search") -> None:
    """A run directory with some files; it appears whole, and for one of several that come at once."""
    made: Path | None = None
    try:
        make_parent(path)
        made = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        made.chmod(0o777 & ~_umask())
        for name, text in texts.items():
            write_text(made / name, text)
        made.rename(path)  # also in the place of an empty one
    except (OSError, WriteError) as error:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise _exists(path, command) from None
        raise WriteError(f"{path}: the run directory cannot be made ({short(error)})") from None


def finished(path: Path, report: bool, verify: bool) -> Run | None:
    """The run of a directory, when nothing is left to do for it."""
    if not all((path / name).is_file() for name in (SUMMARY, HISTORY, BEST)):
        return None
    summary = (run := Run(path)).summary
    figures = summary.get("report")
    compared = (figures or {}).get("compared")
    sampled = compared is not None and compared["done"] < compared["of"]
    return run if summary.get("complete") and (not report or (figures and not (verify and sampled))) else None


def _check_same(path: Path, config: SearchConfig) -> bool:
    """Refuse options that would give another result than those that the run began with; whether it gets more candidates
    than that.
    """
    stored = SearchConfig.from_toml(path / CONFIG)
    for name in (f.name for f in fields(config) if f.name not in (*RESUME_OPTIONS, "candidates")):
        if getattr(stored, name) != getattr(config, name):
            raise InputError(
                f"{path}: the run began with {name} = {getattr(stored, name)!r}, not {getattr(config, name)!r}; only "
                f"{', '.join(RESUME_OPTIONS)} may change on the way, and candidates grow; choose another directory"
            )
    return _has_more(path, stored, config)


def _has_more(path: Path, stored: SearchConfig, config: SearchConfig) -> bool:
    """Whether a run gets more candidates than it began with; fewer are refused."""
    if config.candidates < stored.candidates:
        raise InputError(
            f"{path}: the run began with {stored.candidates} candidates, not {config.candidates}; it can go on with as "
            f"many or more"
        )
    return config.candidates > stored.candidates


def _extend(path: Path, candidates: int) -> None:
    """The larger budget becomes the run's, which is no longer complete: a kill from here on changes nothing."""
    (path / SUMMARY).unlink(missing_ok=True)
    write_text(path / CONFIG, replace(SearchConfig.from_toml(path / CONFIG), candidates=candidates).to_toml())


def _members_of(base: str) -> list[str]:
    """The members of a run's front, of RUN:front; anything else by itself."""
    folder, colon, what = base.rpartition(":")
    if not colon or what.strip() != FRONT_BASE:
        return [base]
    return [f"{folder}:{k}" for k in range(len(read_front(folder)))]


def _check_named(path: Path, config: SearchConfig, executor: str | None) -> None:
    """A folder that was copied from a stranger does not choose who this process connects to, and believes."""
    if executor is None and config.executor not in ("local", "processes", "mpi"):
        raise InputError(
            f"{path}: its configuration names the executor {config.executor}, which a stranger could have written; say "
            f"again who computes: --executor {config.executor}, or --executor local"
        )


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def check_folder(path: Path, command: str = "fastsfes search") -> None:
    """Refuse a directory that exists already, unless it is empty."""
    if os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir())):
        raise _exists(path, command)


def _exists(path: Path, command: str) -> InputError:
    return InputError(f"{path}: exists already; choose another directory, or continue with: {command} --resume {path}")


@contextmanager
def open_store(path: Path) -> Iterator[RunStore]:
    """The store of a run directory, made where there is none."""
    file = path / HISTORY
    with RunStore.open(file) if file.is_file() else RunStore.create(file) as store:
        yield store
