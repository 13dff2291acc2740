"""The command line: ``fastsfes COMMAND``.

Exit status: 0 success, 1 the work failed, 2 the arguments or the input are wrong; 75 after SIGUSR1, with which batch
systems ask for an end before the time is up: the job should be queued again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .._core import __version__, check_environment
from ..common.arguments import ArgumentParser
from ..common.errors import FastsfesError, InputError
from ..common.signals import answering_signals
from ..common.terminal import open_streams, visible_output
from . import analyse, dataset, export, fit, health, precompile, report, score, search, select, show, validate

#: Modules with ``add_parser(subparsers)``, in the order of the help text.
_COMMANDS = (search, select, fit, show, report, validate, score, health, analyse, export, dataset, precompile)


def build_parser() -> argparse.ArgumentParser:
    """The parser with all commands; each sets ``handler``, which takes the arguments and returns the status."""
    parser = ArgumentParser(prog="fastsfes", description="search for exchange-correlation functionals")
    parser.add_argument("--version", action="version", version=f"fastsfes {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status.

    Args:
        argv: the command and its arguments; by default those of this process, which then ends with the status.
    """
    if argv is None:
        open_streams()
    given = list(sys.argv[1:] if argv is None else argv)
    return answering_signals(lambda: _run(given), "fastsfes: {}; what is finished is kept", last=argv is None)


def _run(given: list[str]) -> int:
    """Run one command; whatever goes wrong, other than a mistake of ours, is one sentence."""
    with visible_output() as flushed:
        try:
            parser = build_parser()
            if not given:
                parser.print_help(sys.stderr)
                return 2
            arguments = parser.parse_args(given)
            check_environment()
            status = int(arguments.handler(arguments))
            sys.stdout.flush()
        except SystemExit as stop:  # of the parser: help, or a mistake that is said already
            status = int(stop.code or 0)
        except FastsfesError as error:
            return _said(error, 2 if isinstance(error, InputError) else 1)
        except BrokenPipeError:  # who reads the output, such as head, has seen enough
            flushed()
            return 1
        except OSError as error:
            return _said(f"{'standard output' if flushed() else error.filename or 'a file'}: {error.strerror}", 1)
        except MemoryError as error:
            return _said(": ".join(filter(None, ("there is not enough memory", str(error)))), 1)
        if problem := flushed():
            return _said(f"standard output: {problem}", 1)
        return status


def _said(message: object, status: int) -> int:
    print(f"fastsfes: error: {message}", file=sys.stderr)
    return status
