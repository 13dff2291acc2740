"""``fastsfes select``: the best subsets of a library of terms."""

from __future__ import annotations

import argparse
from typing import Any

from ..common.errors import InputError
from ..common.options import given_arguments
from ..run.select import select_run
from ..run.select_config import SelectConfig
from .runs import add_run_arguments, finish

_DESCRIPTION = """Find the best subsets of a library of terms by least squares, for every size in a range.

  fastsfes select --terms 'x = u(x2, 0.004)^0:4 * w^0:6' --terms 'css = u(x2, 0.2)^0:4 * w^0:6' \\
      --terms 'cos = u(x2, 0.006)^0:4 * w^0:6' --constraints uniform_gas --sizes 6:14

Every option is also a key of the TOML file of --config, which the run directory's config.toml shows in full."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "select",
        description=_DESCRIPTION,
    )
    add_run_arguments(parser, SelectConfig)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    given = given_arguments(SelectConfig, arguments)
    config = None
    if arguments.resume is None:
        config = SelectConfig.from_toml(arguments.config, **given) if arguments.config else SelectConfig(**given)
    elif arguments.config or arguments.output or set(given) - {"threads"}:
        raise InputError("--resume goes on with the run's own options; only --threads and --progress go with it")
    return finish(
        lambda: select_run(
            config, output=arguments.output, resume=arguments.resume, progress=arguments.progress,
            report=arguments.report, verify=arguments.verify,
            threads=given.get("threads") if arguments.resume else None,
        )
    )  # fmt: skip
