"""The command line: ``fastsfes COMMAND``.

Exit status: 0 success, 1 the work failed, 2 the arguments or the input are wrong; 75 after SIGUSR1, with which batch
systems ask for an end before the time is up: the job should be queued again.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from .._core import __version__, check_environment
from ..common.arguments import ArgumentParser
from ..common.errors import FastsfesError, InputError
from ..common.signals import Stopped, exit_status, stopping_signals
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
    """Run one command; returns the exit status."""
    parser = build_parser()
    given = list(sys.argv[1:] if argv is None else argv)
    if not given:
        parser.print_help(sys.stderr)
        return 2
    try:
        arguments = parser.parse_args(given)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        check_environment()
        with stopping_signals():
            status = int(arguments.handler(arguments))
            sys.stdout.flush()
            return status
    except FastsfesError as error:
        print(f"fastsfes: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except Stopped as stop:
        print(f"fastsfes: stopped by {signal.Signals(stop.signal).name}; what is finished is kept", file=sys.stderr)
        return exit_status(stop.signal)
    except BrokenPipeError:
        # Who reads the output, such as head, has seen enough; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        print("fastsfes: interrupted; what is finished is kept", file=sys.stderr)
        return 130
