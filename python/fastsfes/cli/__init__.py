"""The command line: ``fastsfes COMMAND``.

Exit status: 0 success, 1 the work failed, 2 the arguments or the input are wrong; 75 after SIGUSR1, with which batch
systems ask for an end before the time is up: the job should be queued again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .._core import check_environment
from ..common.errors import FastsfesError, InputError
from ..common.memory import check_memory
from ..common.signals import answering_signals
from ..common.terminal import open_streams, visible_output
from .commands import build_parser, start_page

__all__ = ["build_parser", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status.

    Args:
        argv: the command and its arguments; by default those of this process, which then ends with the status.
    """
    if argv is None:
        open_streams()
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] in (["help"], ["version"]):  # as many other programs have them
        given = ["--version"] if given[0] == "version" else [*given[1:], "--help"]
    return answering_signals(lambda: _run(given), "fastsfes: {}; what is finished is kept", last=argv is None)


def _run(given: list[str]) -> int:
    """Run one command; whatever goes wrong, other than a mistake of ours, is one sentence."""
    with visible_output() as flushed:
        try:
            if given:
                check_memory()
                arguments = build_parser(given[:1]).parse_args(given)
                check_environment()
                status = int(arguments.handler(arguments))
            else:
                print(start_page())
                status = 0
            sys.stdout.flush()
        except SystemExit as stop:  # of the parser: help, or a mistake that is said already
            status = int(stop.code or 0)
        except FastsfesError as error:
            return _said(error, 2 if isinstance(error, InputError) else 1)
        except BrokenPipeError:  # who reads the output, such as head, has seen enough
            flushed()
            return 1
        except OSError as error:
            where = "standard output" if flushed() else error.filename or "a file"
            return _said(f"{where}: {error.strerror or error}", 1)  # HDF5's have a text alone
        except MemoryError as error:
            return _said(": ".join(filter(None, ("there is not enough memory", str(error)))), 1)
        if problem := flushed():
            return _said(f"standard output: {problem}", 1)
        return status


def _said(message: object, status: int) -> int:
    print(f"fastsfes: error: {message}", file=sys.stderr)
    return status
