"""Progress of a search: a live display on a terminal or in a notebook, plain lines in a file, nothing when asked."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, TextIO

from ..common.errors import InputError
from ..evolve.island import Individual

__all__ = [
    "LiveProgress",
    "PlainProgress",
    "Progress",
    "Reference",
    "SilentProgress",
    "Status",
    "in_notebook",
    "make_progress",
    "style_here",
]

CHECK = "check on integration grids"

Reference = tuple[str, float, float]
"""A known functional: its name, and its training and validation WRMSD in kcal/mol."""


@dataclass(frozen=True)
class Status:
    """How far a search is: candidates made, families fitted, the best so far, its formulas by channel, and the unit of
    its losses.
    """

    candidates: int
    fitted: int
    best: Individual
    formulas: Sequence[tuple[str, str]] = ()
    unit: str = "kcal/mol"


class Progress(Protocol):
    """What a search tells while it runs."""

    shows_formulas: bool
    """Whether anybody sees `Status.formulas`."""

    def message(self, text: str) -> None:
        """One line that stays."""

    def beside(self, references: Callable[[], Sequence[Reference]]) -> None:
        """What the errors of the best are to be compared with; asked for when it is shown."""

    def update(self, status: Status) -> None:
        """After every epoch of an island."""

    def part(self, name: str, done: int, total: int) -> None:
        """How far the check on integration grids is: a species, how many are done, and of how many."""

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

    def left(self, candidates: int, total: int) -> str:
        """The time that the rest will take, in words; empty while there is no rate."""
        rate = self.rate(candidates)
        return _duration((total - candidates) / rate) + " left" if rate > 0 else ""


def _duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _errors(name: str, train: float, validation: float) -> str:
    return f"{name} {train:.3f}, {validation:.3f}"


class SilentProgress:
    """Says nothing."""

    shows_formulas = False

    def message(self, text: str) -> None:
        """Ignore."""

    def beside(self, references: Callable[[], Sequence[Reference]]) -> None:
        """Ignore."""

    def update(self, status: Status) -> None:
        """Ignore."""

    def part(self, name: str, done: int, total: int) -> None:
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

    def beside(self, references: Callable[[], Sequence[Reference]]) -> None:
        """One line."""
        if known := references():
            self.message(f"training and validation of {'; '.join(_errors(*r) for r in known)} kcal/mol")

    def update(self, status: Status) -> None:
        """Print when the interval has passed or the search is done."""
        rate, now = self._rates.rate(status.candidates), time.monotonic()
        if now - self._last < self.interval and status.candidates < self.total:
            return
        self._last = now
        left = self._rates.left(status.candidates, self.total)
        best = status.best
        self.message(
            f"{status.candidates}/{self.total} candidates, {rate:.0f}/s{f', {left}' if left else ''}, {status.fitted} "
            f"fitted; best: train {best.train:.4g}, validation {best.validation:.4g} {status.unit}, complexity "
            f"{best.complexity:g}"
        )

    def part(self, name: str, done: int, total: int) -> None:
        """A line when twice the interval has passed."""
        now = time.monotonic()
        if now - self._last >= 2 * self.interval and done < total:
            self._last = now
            self.message(f"{CHECK}: {done}/{total} species")


class LiveProgress(SilentProgress):
    """A bar that redraws itself, the errors of the best beside those of known functionals, and its formulas."""

    shows_formulas = True

    def __init__(self, total: int, console: Any = None) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            BarColumn(bar_width=None),  # as wide as there is room
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            expand=True,
            auto_refresh=False,
        )
        self._task = self._bar.add_task("search", total=total, rate="", left="")
        self._check = self._bar.add_task(CHECK, total=None, rate="", left="", visible=False)
        self._total = total
        self._rates = _Rates()
        self._known: Sequence[Reference] = ()
        self._status: Status | None = None
        self._live = Live(
            console=console or Console(stderr=not in_notebook()), get_renderable=self._view, refresh_per_second=4
        )

    def message(self, text: str) -> None:
        """Print above the bar."""
        self._live.console.print(text, markup=False, highlight=False)

    def beside(self, references: Callable[[], Sequence[Reference]]) -> None:
        """Show them on the line of the errors."""
        self._known = references()

    def update(self, status: Status) -> None:
        """Redraw."""
        self._status = status
        rate, left = self._rates.rate(status.candidates), self._rates.left(status.candidates, self._total)
        self._bar.update(self._task, completed=status.candidates, rate=f"{rate:.0f}/s", left=left)

    def part(self, name: str, done: int, total: int) -> None:
        """A bar of its own."""
        if done == 0 or not self._bar.tasks[self._check].visible:
            self._bar.reset(self._check, visible=True, total=total)
        self._bar.update(self._check, completed=done, total=total, rate="species", left=CHECK)

    def _view(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        def line(text: str, style: str = "") -> Text:
            return Text(text, style=style, no_wrap=True, overflow="ellipsis")

        def lines() -> Iterator[Any]:
            yield self._bar
            if self._status is not None:
                best = self._status.best
                known = "".join(f"; {_errors(*r)}" for r in self._known)
                yield line(
                    f"train, validation in {self._status.unit}: {_errors('best', best.train, best.validation)}{known}"
                )
                for kind, text in self._status.formulas:
                    yield line(f"f_{kind} = {text}", "dim")

        return Group(*lines())

    def __enter__(self) -> LiveProgress:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook, which shows what is printed as it comes."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def style_here() -> str:
    """How Python shows progress by default: live where somebody looks, not at all where output is captured."""
    return "live" if sys.stderr.isatty() or in_notebook() else "none"


STYLES = ("auto", "live", "plain", "none")


def make_progress(total: int, style: str = "auto") -> Progress:
    """ "live", "plain", "none", or "auto": live on a terminal or in a notebook, else plain."""
    if style not in STYLES:
        raise InputError(f'progress is "{style}"; expected one of {", ".join(STYLES)}')
    if style == "auto":
        style = "plain" if style_here() == "none" else "live"
    if style == "none":
        return SilentProgress()
    return LiveProgress(total) if style == "live" else PlainProgress(total)
