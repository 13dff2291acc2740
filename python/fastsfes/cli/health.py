"""``fastsfes health``: numerical health and exact conditions of a functional, beside others."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from typing import Any

from ..common.options import add_options, option, read_options
from ..functionals.load import FUNCTIONAL
from ..health import BESIDE, check
from ..health.conditions.exact import LEVELS, Level

_DESCRIPTION = """Check a functional: exact conditions, limits, derivatives, and how fine a grid it needs.

  fastsfes health gas22
  fastsfes health my.json --beside libxc:scan libxc:r2scan pbe --level full

One line per check, one column per functional: pass or FAIL with the margin (negative by as much as it fails), or a
dash where the check has no meaning. Below, where the first functional fails. docs/health.md says what is tested."""


@dataclass(frozen=True)
class HealthOptions:
    """The options of ``fastsfes health``."""

    beside: tuple[str, ...] = option(
        BESIDE, "words", "checks", "functionals beside it, none after a bare --beside; libxc:NAME for those of libxc"
    )
    level: Level = option(
        "quick",
        "text",
        "checks",
        "quick: seconds; full: minutes, with rare-gas dimers and reactions on three grids",
        choices=LEVELS,
    )
    details: bool = option(False, "bool", "checks", "also say what every check tested, and the worst point")


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "health",
        description=_DESCRIPTION,
    )
    parser.add_argument("functional", metavar="FUNCTIONAL", help=f"{FUNCTIONAL}, or libxc:NAME")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    add_options(parser, HealthOptions)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    o = read_options(HealthOptions, arguments)
    result = check(
        arguments.functional,
        o.beside,
        o.level,
        progress=None if arguments.quiet else lambda line: print(line, file=sys.stderr, flush=True),
    )
    if arguments.json:
        print(json.dumps(result.to_dict(), indent=1, allow_nan=False))
        return 0
    print(result)
    if o.details:
        print()
        for name, rows in {result.name: result.rows, **result.beside}.items():
            print(name)
            for row in rows:
                print(f"  {row.verdict:4}  {row.name}: {f'{row.where}: ' if row.where else ''}{row.detail}")
    return 0
