"""What the commands that make a run share: their arguments beside the options, and how they end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from ..common.options import add_arguments
from ..common.signals import exit_status
from ..run.config import SearchConfig
from ..run.interrupt import SearchInterrupted
from ..run.progress import STYLES
from ..run.search import Run
from ..run.select_config import SelectConfig
from ..run.summary import format_run
from .digits import printed_parameters

__all__ = ["add_run_arguments", "finish"]


def add_run_arguments(parser: argparse.ArgumentParser, config: type[SearchConfig] | type[SelectConfig]) -> None:
    """Add where a run comes from and goes to, and all options of its configuration."""
    parser.add_argument("--config", metavar="FILE", help="TOML file of options")
    parser.add_argument(
        "--output", metavar="DIR", help="run directory; must not exist yet (default: fastsfes-runs/...)"
    )
    parser.add_argument("--resume", metavar="DIR", help="go on with an earlier run")
    parser.add_argument(
        "--report",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="final figures (default: yes; --resume makes them later)",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="check the final figures on the integration grids of all species, not of a few; also with --resume",
    )
    parser.add_argument(
        "--progress",
        choices=STYLES,
        default="auto",
        help="how to show progress (default: auto)",
    )
    add_arguments(parser, config)


def finish(work: Callable[[], Run]) -> int:
    """Do a run and print its result; returns the exit status."""
    try:
        done = work()
    except SearchInterrupted as error:
        print(f"fastsfes: {error}", file=sys.stderr)
        return exit_status(error.signal)
    made = printed_parameters(done, done.best, None)
    print(format_run(done.best, done.summary, str(done.path), made.texts, made.note))
    return 0
