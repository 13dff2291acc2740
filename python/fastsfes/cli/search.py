"""``fastsfes search``: evolve a functional."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..common.errors import InputError
from ..common.options import add_arguments, given_arguments
from ..common.signals import exit_status
from ..run.config import PRESETS, SearchConfig
from ..run.search import RESUME_OPTIONS, SearchInterrupted, search
from ..run.summary import format_run
from .digits import printed_parameters

_DESCRIPTION = f"""Evolve exchange-correlation enhancement factors that fit a dataset.

Without arguments it runs the preset "quickstart" on the packaged dataset. Presets: {", ".join(PRESETS)};
--targets b97x alone means the preset b97x. Every option is also a key of the TOML file of --config, which the run
directory's config.toml shows in full."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "search",
        description=_DESCRIPTION,
    )
    parser.add_argument("--config", metavar="FILE", help="TOML file of options")
    parser.add_argument(
        "--output", metavar="DIR", help="run directory; must not exist yet (default: fastsfes-runs/...)"
    )
    parser.add_argument("--resume", metavar="DIR", help="go on with an earlier run")
    parser.add_argument(
        "--continue",
        dest="go_on",
        action="store_true",
        help="when the directory of --output holds a run with these options, go on with it: for batch jobs",
    )
    parser.add_argument(
        "--report",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="final figures on the full grid (default: yes; --resume or --continue makes them later)",
    )
    parser.add_argument(
        "--progress",
        choices=("auto", "live", "plain", "none"),
        default="auto",
        help="how to show progress (default: auto)",
    )
    add_arguments(parser, SearchConfig)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    given = given_arguments(SearchConfig, arguments)
    if arguments.resume is not None:
        if arguments.config or arguments.output or set(given) - set(RESUME_OPTIONS):
            raise InputError(
                "--resume goes on with the run's own configuration; of the other options only "
                f"{', '.join('--' + n.replace('_', '-') for n in RESUME_OPTIONS)} and --progress go with it"
            )
        config = None
    elif arguments.go_on and arguments.output is None:
        raise InputError("--continue needs --output, the directory that a later job finds again")
    else:
        config = make_config(arguments.config, given)
    try:
        done = search(
            config,
            output=arguments.output,
            go_on=arguments.go_on,
            report=arguments.report,
            resume=arguments.resume,
            progress=arguments.progress,
            **(given if arguments.resume is not None else {}),
        )
    except SearchInterrupted as error:
        print(f"fastsfes: {error}", file=sys.stderr)
        return exit_status(error.signal)
    made = printed_parameters(done, done.best, None)
    print(format_run(done.best, done.summary, str(done.path), made.texts, made.note))
    return 0


def make_config(file: str | None, given: dict[str, Any]) -> SearchConfig:
    """The configuration of a file, if any, and of the options on the command line."""
    if file is not None:
        return SearchConfig.from_toml(file, **given)
    preset = given.pop("preset", None)
    if preset is None:
        preset = "b97x" if given.get("targets") == "b97x" else "quickstart"
    return SearchConfig.make(preset, **given)
