"""``fastsfes export``: write a functional for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..common.runfolder import CONFIG
from ..exports import FORMATS, export
from ..functionals.load import FUNCTIONAL
from ..run.search import Run
from .digits import printed_parameters

_DESCRIPTION = """Write a functional, or the best one of a run, for another program, with all digits.

Formats:
""" + "\n".join(f"  {name:<13} {what}" for name, (_, what, _) in FORMATS.items())


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "export",
        description=_DESCRIPTION,
    )
    parser.add_argument("functional", metavar="FUNCTIONAL", help=FUNCTIONAL)
    parser.add_argument("--format", required=True, choices=tuple(FORMATS), help="what to write")
    parser.add_argument(
        "--output", required=True, type=Path, metavar="PATH", help="the file; for libxc a folder; overwritten if there"
    )
    parser.add_argument(
        "--digits",
        type=int,
        metavar="N",
        help="latex: digits of the parameters in the table (default: of a run as few as its data tell, else all)",
    )
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="what the functional is called there (default: its own name); libxc and XCFun must not have it",
    )
    parser.add_argument(
        "--libxc",
        type=Path,
        metavar="PATH",
        help="libxc-preload: where the libxc is installed that a library (--output NAME.so) is compiled for (default: "
        "the system's); libxc-tree: the sources, which are changed; the library is built in and installed to --output",
    )
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    printed = None
    if arguments.format == "latex" and arguments.digits is None:
        folder, colon, number = arguments.functional.rpartition(":")
        member = bool(colon) and number.isdecimal()
        path = Path(folder if member else arguments.functional)
        if (path / CONFIG).is_file():  # a run knows the data, and so what the digits of its parameters are worth
            of = Run(path)
            printed = printed_parameters(of, of.functional(int(number)) if member else of.best, None).texts
    written = export(
        arguments.functional,
        arguments.format,
        arguments.output,
        digits=arguments.digits,
        printed=printed,
        name=arguments.name,
        libxc_path=arguments.libxc,
    )
    for path in written:
        print(f"written: {path}")
    return 0
