"""Progress of a search: a live line on a terminal, plain lines in a file, nothing when asked to be quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, TextIO

from ..common.terminal import bare, visible
from ..evolve.island import Individual

__all__ = ["LiveProgress", "PlainProgress", "Progress", "SilentProgress", "Status", "make_progress", "teller"]


@dataclass(frozen=True)
class Status:
    """How far a search is: candidates made, families fitted, the best so far."""

    candidates: int
    fitted: int
    best: Individual


class Progress(Protocol):
    """What a search tells while it runs."""

    def message(self, text: str) -> None:
        """One line that stays."""

    def update(self, status: Status) -> None:
        """After every epoch of an island."""

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass
class _Rates:
    """Candidates per second since the first update."""

    start: float = 0.0
    first: int = -1

    def rate(self, candidates: int) -> float:
        now = time.monotonic()
        if self.first < 0:
            self.start, self.first = now, candidates
        return (candidates - self.first) / max(now - self.start, 1e-9)


def _line(status: Status) -> str:
    best = status.best
    length = sum(len(c.effective()) for c in best.genome.channels.values())
    return (
        f"{status.fitted} fitted; best: train {best.train:.4g}, validation {best.validation:.4g} kcal/mol, "
        f"{length} instructions"
    )


class SilentProgress:
    """Says nothing."""

    def message(self, text: str) -> None:
        """Ignore."""

    def update(self, status: Status) -> None:
        """Ignore."""

    def __enter__(self) -> SilentProgress:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class PlainProgress(SilentProgress):
    """One line every few seconds: fit for files and batch jobs."""

    def __init__(self, total: int, stream: TextIO | None = None, interval: float = 5.0) -> None:
        self.total = total
        self.stream = stream if stream is not None else sys.stderr
        self.interval = interval
        self._last = time.monotonic()
        self._rates = _Rates()

    def message(self, text: str) -> None:
        """Print at once."""
        print(text, file=self.stream, flush=True)

    def update(self, status: Status) -> None:
        """Print when the interval has passed or the search is done."""
        rate, now = self._rates.rate(status.candidates), time.monotonic()
        if now - self._last < self.interval and status.candidates < self.total:
            return
        self._last = now
        self.message(f"{status.candidates}/{self.total} candidates, {rate:.0f}/s, {_line(status)}")


class LiveProgress(SilentProgress):
    """A bar that redraws itself."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            BarColumn(bar_width=10),  # with what follows, a line of 80 characters
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[status]}"),
            TimeElapsedColumn(),
            console=Console(file=bare(sys.stderr)),
            refresh_per_second=4,
        )
        self._task = self._bar.add_task("search", total=total, status="")
        self._rates = _Rates()

    def message(self, text: str) -> None:
        """Print above the bar."""
        self._bar.console.print(visible(text), markup=False, highlight=False)

    def update(self, status: Status) -> None:
        """Redraw."""
        rate = self._rates.rate(status.candidates)
        errors = f"train {status.best.train:.3f}, validation {status.best.validation:.3f} kcal/mol"
        self._bar.update(self._task, completed=status.candidates, status=f"{rate:.0f}/s, {errors}")

    def __enter__(self) -> LiveProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def make_progress(total: int, style: str = "auto") -> Progress:
    """ "live", "plain", "none", or "auto": live when standard error is a terminal."""
    if style == "auto":
        style = "live" if sys.stderr.isatty() else "plain"
    if style == "none":
        return SilentProgress()
    return LiveProgress(total) if style == "live" else PlainProgress(total)


def teller(progress: Progress, interval: float = 10.0) -> Callable[[str, int, int], None]:
    """A listener for passes over the densities: says how far it is every few seconds."""
    last = time.monotonic()

    def tell(name: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= interval and done < total:
            last = time.monotonic()
            progress.message(f"full grid: {done}/{total} species")

    return tell
