"""``fastsfes search``: evolve a functional."""

from __future__ import annotations

import argparse
from typing import Any

from ..common.errors import InputError
from ..common.options import given_arguments
from ..run.config import PRESETS, SearchConfig
from ..run.search import RESUME_OPTIONS, search
from .runs import add_run_arguments, finish

_DESCRIPTION = f"""Evolve exchange-correlation enhancement factors that fit a dataset.

Without arguments it runs the preset "quickstart" on the packaged dataset. Presets: {", ".join(PRESETS)};
--targets b97x alone means the preset b97x, --points FILE the preset points. Every option is also a key of the TOML file
of --config, which the run directory's config.toml shows in full."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "search",
        description=_DESCRIPTION,
    )
    add_run_arguments(parser, SearchConfig)
    parser.add_argument(
        "--continue",
        dest="go_on",
        action="store_true",
        help="when the directory of --output holds a run with these options, go on with it: for batch jobs",
    )
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    given = given_arguments(SearchConfig, arguments)
    if arguments.resume is not None:
        allowed = (*RESUME_OPTIONS, "candidates")
        if arguments.config or arguments.output or set(given) - set(allowed):
            raise InputError(
                "--resume goes on with the run's own configuration; of the other options only "
                f"{', '.join('--' + n.replace('_', '-') for n in allowed)} and --progress go with it"
            )
        config = None
    elif arguments.go_on and arguments.output is None:
        raise InputError("--continue needs --output, the directory that a later job finds again")
    else:
        config = make_config(arguments.config, given)
    return finish(
        lambda: search(
            config,
            output=arguments.output,
            go_on=arguments.go_on,
            report=arguments.report,
            verify=arguments.verify,
            resume=arguments.resume,
            progress=arguments.progress,
            **(given if arguments.resume is not None else {}),
        )
    )


def make_config(file: str | None, given: dict[str, Any]) -> SearchConfig:
    """The configuration of a file, if any, and of the options on the command line."""
    if file is not None:
        return SearchConfig.from_toml(file, **given)
    preset = given.pop("preset", None)
    if preset is None:
        preset = "points" if given.get("points") else "b97x" if given.get("targets") == "b97x" else "quickstart"
    return SearchConfig.make(preset, **given)
