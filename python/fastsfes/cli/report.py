"""``fastsfes report``: a run as one self-contained HTML page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..common.errors import InputError
from ..common.files import check_output
from ..run.search import Run


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "report",
        description="Writes one HTML file that needs nothing else, no network either: formula, graph, errors beside "
        "known functionals, enhancement factors, convergence, Pareto front, lineage, and the data as JSON.",
    )
    parser.add_argument("run", metavar="RUN", help="run directory")
    parser.add_argument("--output", type=Path, metavar="FILE.html", help="the page (default: RUN/report.html)")
    parser.add_argument("--dataset", metavar="NAME", help="dataset name or file (default: the run's)")
    parser.add_argument(
        "--health",
        choices=("none", "quick", "full"),
        default="quick",
        help="checks of numerical health: quick takes seconds, full minutes (default quick)",
    )
    parser.add_argument(
        "--samples", type=int, default=100, metavar="N", help="bootstrap samples, 0 for none (default 100)"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but the name of the page")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from ..report import write_report

    check_output(arguments.output)
    if arguments.samples == 1 or arguments.samples < 0:
        raise InputError(f"--samples {arguments.samples}: expected 0, or at least 2")
    path = write_report(
        Run(arguments.run),
        arguments.output,
        dataset=arguments.dataset,
        level=arguments.health,
        samples=arguments.samples,
        tell=(lambda text: None) if arguments.quiet else lambda text: print(text, file=sys.stderr, flush=True),
    )
    print(path)
    return 0
