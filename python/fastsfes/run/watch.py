"""Watching a run from outside, while it goes on: reads the store, never writes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..common.errors import InputError
from .lock import Witness
from .store import RunStore
from .usage import resources_line

__all__ = ["Island", "Snapshot", "look", "plain_line", "table", "watch"]

GRACE = 2.0
"""Seconds that a run just made has to take its lock."""


@dataclass(frozen=True)
class Island:
    """Where an island stands; errors of its best in kcal/mol."""

    island: int
    epoch: int
    candidates: int
    population: int
    restarts: int
    train: float
    validation: float
    fitness: float
    complexity: float


@dataclass(frozen=True)
class Snapshot:
    """Where a run stands.

    Attributes:
        candidates, budget: made, and to be made in all.
        families: different ones fitted.
        seconds: spent searching.
        front: members of the archive.
        islands: every island.
        resources: time per phase, processor time and memory (see `fastsfes.run.usage.Totals`).
    """

    candidates: int
    budget: int
    families: int
    seconds: float
    front: int
    islands: tuple[Island, ...]
    resources: dict[str, Any]

    @property
    def best(self) -> Island:
        """The island that has the best candidate."""
        return min(self.islands, key=lambda i: (i.fitness, i.island))


def look(store_path: Path, budget: int) -> Snapshot | None:
    """The state after the last complete round; None while there is none."""
    if not store_path.is_file():
        return None
    try:
        with RunStore.open(store_path, read_only=True) as store:
            states, usage, seconds, front = store.states(), store.usage, store.elapsed, len(store.archive())
    except sqlite3.OperationalError:  # the writer is busy: look again later
        return None
    if not states:
        return None
    islands = tuple(
        Island(
            s.island,
            s.epoch,
            s.candidates,
            len(s.population),
            s.restarts,
            s.best.train,
            s.best.validation,
            s.best.fitness,
            s.best.complexity,
        )
        for s in states
    )
    families = int(usage.pop("families", 0))
    usage.pop("checks", None)
    made = sum(i.candidates for i in islands)
    return Snapshot(made, budget, families, seconds, front, islands, usage)


def watch(
    path: Path, store: str, budget: int, show: Callable[[Snapshot, float], None], *, interval: float
) -> Snapshot | None:
    """Show a run whenever it has moved; return the last snapshot when nobody works on it any more.

    Args:
        path: the run directory.
        store: name of the store in it.
        budget: candidates that the run makes.
        show: called with a snapshot and the candidates per second since the last one (since the start, first).
        interval: seconds between looks.
    """
    witness, begun = Witness(path), time.monotonic()
    last: Snapshot | None = None
    while True:
        working = witness.working() or time.monotonic() - begun < GRACE
        try:
            now = look(path / store, budget)
        except InputError:
            if not working:
                raise
            now = None
        if now is not None and (last is None or now.candidates != last.candidates):
            made, spent = (now.candidates, now.seconds)
            if last is not None:
                made, spent = made - last.candidates, spent - last.seconds
            show(now, made / spent if spent > 0 else 0.0)
            last = now
        if not working:
            return last
        time.sleep(interval)


def plain_line(snapshot: Snapshot, rate: float) -> str:
    """One line for a file or a pipe."""
    best = snapshot.best
    where = f" (island {best.island} of {len(snapshot.islands)})" if len(snapshot.islands) > 1 else ""
    return (
        f"{snapshot.candidates}/{snapshot.budget} candidates, {rate:.0f}/s, {snapshot.families} families fitted; "
        f"best{where}: train {best.train:.4g}, validation {best.validation:.4g}, fitness {best.fitness:.5g} kcal/mol"
    )


def table(snapshot: Snapshot, rate: float, title: str) -> Any:
    """For a terminal: all islands, the best marked, with a line of what it takes."""
    from rich.table import Table

    left = (snapshot.budget - snapshot.candidates) / rate if rate > 0 else 0.0
    spent = resources_line(snapshot.resources)
    made = Table(
        title=f"{title}: {snapshot.candidates}/{snapshot.budget} candidates, {rate:.0f}/s, about {left:.0f} s left",
        caption=f"{snapshot.families} families fitted, {snapshot.front} on the front; {spent}",
        title_justify="left",
        caption_justify="left",
    )
    for name in ("island", "epoch", "candidates", "train", "validation", "fitness", "nodes"):
        made.add_column(name, justify="right")
    for i in snapshot.islands:
        cells = [str(i.island), str(i.epoch), str(i.candidates)]
        cells += [f"{v:.4f}" for v in (i.train, i.validation, i.fitness)]
        made.add_row(*cells, f"{i.complexity:g}", style="bold" if i is snapshot.best else "")
    return made
