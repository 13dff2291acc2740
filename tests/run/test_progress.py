"""What a search shows while it goes on."""

from __future__ import annotations

import contextlib
import io
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest
from fake_problem import three_channels
from rich.console import Console

import fastsfes as fs
from fastsfes.run import progress as module
from fastsfes.run.config import SearchConfig
from fastsfes.run.problem import make_problem
from fastsfes.run.progress import LiveProgress, PlainProgress, Status, in_notebook, make_progress, style_here
from fastsfes.run.search import search

SMALL = SearchConfig.make(candidates=401, population=20, tournament=4, generation=20, generations=3)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def status(tmp_path_factory: pytest.TempPathFactory) -> Status:
    run = search(SMALL, output=tmp_path_factory.mktemp("runs") / "run", problem=three_channels)
    best = replace(run.states[0].best, train=1.25, validation=2.5)
    return Status(200, 150, best, [("x", "c0 + c1*u(x2, g)" + " + c2*w" * 40), ("css", "c0 + w")])


def drawn(width: int, status: Status) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=True, color_system=None)
    display = LiveProgress(400, console)
    display.beside(lambda: [("wB97M-V", 3.7314, 4.3203), ("GAS22", 3.6303, 4.5071)])
    display.update(replace(status, candidates=100))
    display.update(status)
    console.print(display._view())
    return stream.getvalue().rstrip().splitlines()


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_live_display_fits_its_terminal(width: int, status: Status) -> None:
    bar, errors, x, css = drawn(width, status)
    assert len(bar.rstrip()) == width  # the bar takes the room there is
    assert "200/400" in bar
    assert "left" in bar
    assert errors.startswith("train, validation in kcal/mol: best 1.250, 2.500; wB97M-V 3.731, 4.320")
    assert x.startswith("f_x = c0 + c1*u(x2, g)")
    assert x.rstrip().endswith("\N{HORIZONTAL ELLIPSIS}")
    assert css.rstrip() == "f_css = c0 + w"
    assert all(len(line) <= width for line in (bar, errors, x, css))


def test_the_check_on_grids_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=120, force_terminal=True, color_system=None)
    display = LiveProgress(400, console)
    display.part("water", 3, 12)
    display.part("argon", 4, 12)
    console.print(display._view())
    assert module.CHECK in stream.getvalue()
    assert "4/12" in stream.getvalue()
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    lines = io.StringIO()
    plain = PlainProgress(400, lines)
    for done in range(1, 13):
        now += 3.0
        plain.part("x", done, 12)
    assert lines.getvalue().splitlines() == [f"{module.CHECK}: {done}/12 species" for done in (4, 8)]


def test_the_time_left_is_what_the_rate_says(monkeypatch: pytest.MonkeyPatch, status: Status) -> None:
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    stream = io.StringIO()
    display = PlainProgress(4000, stream, interval=0.0)
    display.update(replace(status, candidates=0))
    now = 10.0
    display.update(replace(status, candidates=1000))
    assert "1000/4000 candidates, 100/s, 30 s left, 150 fitted; best: train 1.25, validation 2.5" in stream.getvalue()
    now = 100.0
    display.update(replace(status, candidates=1100))
    assert ", 11/s, 4 min left" in stream.getvalue()


def test_python_shows_progress_where_somebody_looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[str] = []

    def watched(total: int, style: str) -> object:
        seen.append(style)
        return make_progress(total, "none")

    monkeypatch.setattr("fastsfes.run.search.make_progress", watched)
    tiny = replace(SMALL, candidates=30)
    with contextlib.redirect_stderr(io.StringIO()):
        search(tiny, output=tmp_path / "captured", problem=three_channels)
    with contextlib.redirect_stderr(Terminal()):
        search(tiny, output=tmp_path / "terminal", problem=three_channels)
        search(tiny, output=tmp_path / "quiet", problem=three_channels, progress="none")
    assert seen == ["none", "live", "none"]


def test_notebooks_are_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = type("ZMQInteractiveShell", (), {})()
    with contextlib.redirect_stderr(io.StringIO()):
        assert not in_notebook()
        assert style_here() == "none"
        fake = types.ModuleType("IPython")
        monkeypatch.setitem(sys.modules, "IPython", fake)
        fake.get_ipython = lambda: shell  # type: ignore[attr-defined]
        assert in_notebook()
        assert style_here() == "live"
        fake.get_ipython = lambda: type("TerminalInteractiveShell", (), {})()  # type: ignore[attr-defined]
        assert style_here() == "none"  # a terminal, whose output is captured here


def test_nothing_is_printed_where_output_is_captured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search(replace(SMALL, candidates=30), output=tmp_path / "run", problem=three_channels)
    assert capsys.readouterr() == ("", "")


def test_plain_lines_name_the_references(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search(replace(SMALL, candidates=30), output=tmp_path / "run", problem=three_channels, progress="plain")
    assert "training and validation of a known one 3.250, 4.500 kcal/mol\n" in capsys.readouterr().err


def test_a_whole_search_on_a_terminal(tmp_path: Path) -> None:
    with contextlib.redirect_stderr(Terminal()) as stream:
        search(SMALL, output=tmp_path / "run", problem=three_channels)
    shown = stream.getvalue()
    for part in ("401/401", "f_x = ", "f_cos = ", "a known one 3.250, 4.500", "best "):
        assert part in shown


def test_references_are_those_of_the_objective() -> None:
    (first, second) = make_problem(SearchConfig.make(dataset="builtin")).references()
    for found, name, title in ((first, "wb97m_v", "wB97M-V"), (second, "gas22", "GAS22")):
        assert found[0] == title
        assert found[1:] == tuple(fs.wrmsd(name, "builtin", split) for split in ("train", "validation"))
