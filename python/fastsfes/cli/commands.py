"""The table of commands, and the parser made of it: a command's module is imported when the command is wanted."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .._core import __version__
from ..common.arguments import ArgumentParser

__all__ = ["COMMANDS", "Command", "build_parser", "start_page"]


@dataclass(frozen=True)
class Command:
    """A row: the module of this name in this package, or `module`, has ``add_parser(subparsers)``."""

    name: str
    group: str
    summary: str
    examples: tuple[str, ...]
    first: str = ""
    """What the start page says of it; empty: it is not there."""
    module: str = ""


COMMANDS = (
    Command(
        "search", "find a functional", "evolve a functional",
        ("fastsfes search --output mine", "fastsfes search --preset beyond --seed 1", "fastsfes search --resume mine"),
        first="evolve a functional on the packaged reactions",
    ),
    Command(
        "select", "find a functional", "find the best subsets of a library of terms",
        ("fastsfes select", "fastsfes select --constraints uniform_gas --sizes 8:12 --output chosen"),
    ),
    Command(
        "fit", "find a functional", "fit the parameters of a form to a dataset",
        ("fastsfes fit gas22 --dataset gscdb --output fitted.json",),
    ),
    Command(
        "show", "look at it", "print the result of a search again, or a functional",
        ("fastsfes show mine", "fastsfes show mine --pareto", "fastsfes show mine:7 --latex"),
        first="print a run again; its front with --pareto",
    ),
    Command(
        "list", "look at it", "list the functionals that are known by name, with their citations",
        ("fastsfes list", "fastsfes list gas22 wb97m_v --bibtex"),
        module="registered",  # a module called list would hide Python's own in this package
    ),
    Command(
        "report", "look at it", "write a run as one self-contained HTML page",
        ("fastsfes report mine", "fastsfes report mine --health full --output mine.html"),
        first="write a run as one HTML page",
    ),
    Command(
        "analyse", "look at it", "contributions of terms, uncertainties of parameters, sensitivity to data, pictures",
        ("fastsfes analyse mine", "fastsfes analyse gas22 --dataset gscdb"),
    ),
    Command(
        "health", "check it", "check a functional: exact conditions, limits, derivatives, grids",
        ("fastsfes health mine", "fastsfes health gas22"),
        first="check exact conditions, limits, derivatives and grids",
    ),
    Command(
        "validate", "check it", "self-consistent energies of functionals on a dataset",
        ("fastsfes validate mine --finalists 3 --dataset builtin",),
        first="self-consistent energies, beside known functionals",
    ),
    Command(
        "score", "check it", "score energies of molecules on GSCDB138, beside published functionals",
        ("fastsfes score", "fastsfes score energies.csv --sets"),
    ),
    Command(
        "export", "use it", "write a functional for PySCF, libxc, C, C++, XCFun, JAX, PyTorch, SymPy, LaTeX",
        ("fastsfes export mine --format pyscf --output mine.py", "fastsfes export mine:7 --format libxc --output new"),
        first="write it for PySCF, libxc, C, C++, JAX, LaTeX and others",
    ),
    Command(
        "precompile", "use it", "compile kernels ahead of time, for nodes without a compiler",
        ("fastsfes precompile mine --cache-dir kernels",),
    ),
    Command(
        "dataset", "data and machine", "list, inspect, build and import datasets",
        ("fastsfes dataset list", "fastsfes dataset info gscdb", "fastsfes dataset build mydata --output mydata.h5"),
    ),
    Command(
        "doctor", "data and machine", "say what works on this machine, and what to do about what does not",
        ("fastsfes doctor", "fastsfes doctor --json"),
    ),
    Command(
        "completion", "data and machine", "print a script that completes commands and options in your shell",
        ('eval "$(fastsfes completion bash)"', "fastsfes completion fish > ~/.config/fish/completions/fastsfes.fish"),
    ),
)  # fmt: skip
"""In the order of the help text."""


class _Parser(ArgumentParser):
    """The parser of ``fastsfes``: its help is the table above, by group."""

    def format_help(self) -> str:
        width = max(len(c.name) for c in COMMANDS)
        lines = [
            "usage: fastsfes COMMAND ...",
            "       fastsfes COMMAND --help     all options of a command, with examples",
            "       fastsfes --version",
        ]
        for group in dict.fromkeys(c.group for c in COMMANDS):
            lines += ["", f"{group}:"]
            lines += [f"  {c.name:{width}}  {c.summary}" for c in COMMANDS if c.group == group]
        lines += ["", "examples:"]
        lines += [f"  {c.examples[0]}" for c in COMMANDS if c.first]
        lines += ["", "exit status: 0 success, 1 the work failed, 2 the arguments or the input are wrong"]
        return "\n".join(lines) + "\n"


class _Rows:
    """The subparsers of ``fastsfes``, which take a command's summary and examples from its row."""

    def __init__(self, subparsers: Any, command: Command) -> None:
        self._subparsers, self._command = subparsers, command

    def add_parser(self, name: str, **more: Any) -> ArgumentParser:
        """As argparse's."""
        more = {"description": _sentence(self._command.summary), **more, "help": self._command.summary}
        examples = "\n".join(["examples:", *(f"  {e}" for e in self._command.examples)])
        more["epilog"] = "\n\n".join(filter(None, (more.get("epilog"), examples)))
        made: ArgumentParser = self._subparsers.add_parser(name, **more)
        return made


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def build_parser(wanted: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The parser; each command sets ``handler``, which takes the arguments and returns the status.

    Args:
        wanted: commands whose options are needed; by default all. The others are known by name only.
    """
    parser = _Parser(prog="fastsfes")
    parser.add_argument("--version", action="version", version=f"fastsfes {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=ArgumentParser)
    for command in COMMANDS:
        if wanted is None or command.name in wanted:
            import_module(f".{command.module or command.name}", __package__).add_parser(_Rows(subparsers, command))
        else:
            subparsers.add_parser(command.name, help=command.summary, add_help=False)
    return parser


def start_page() -> str:
    """What ``fastsfes`` alone says."""
    shown = [c for c in COMMANDS if c.first]
    examples = [c.examples[0] for c in shown]
    width = max(map(len, examples))
    return "\n".join([
        f"fastsfes {__version__}: find exchange-correlation functionals as formulas", "",
        *(f"  {e:{width}}  {c.first}" for e, c in zip(examples, shown, strict=True)), "",
        "all commands: fastsfes --help    all options of one: fastsfes COMMAND --help    this machine: fastsfes doctor",
    ])  # fmt: skip
