"""``fastsfes health``: numerical health and exact conditions of a functional, beside others."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from ..functionals.load import FUNCTIONAL
from ..health import BESIDE, check

_DESCRIPTION = """Check a functional: exact conditions, limits, derivatives, and how fine a grid it needs.

  fastsfes health gas22
  fastsfes health my.json --beside libxc:scan libxc:r2scan pbe --level full

One line per check, one column per functional: pass or FAIL with the margin (negative by as much as it fails), or a
dash where the check has no meaning. Below, where the first functional fails. docs/health.md says what is tested."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "health",
        help="check a functional: exact conditions, limits, derivatives, grids",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("functional", metavar="FUNCTIONAL", help=f"{FUNCTIONAL}, or libxc:NAME")
    parser.add_argument(
        "--beside",
        nargs="*",
        default=list(BESIDE),
        metavar="FUNCTIONAL",
        help=f"functionals beside it, none after a bare --beside (default {' '.join(BESIDE)})",
    )
    parser.add_argument(
        "--level",
        choices=("quick", "full"),
        default="quick",
        help="quick: seconds; full: minutes, with rare-gas dimers and reactions on three grids (default quick)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--details", action="store_true", help="also say what every check tested, and the worst point")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    result = check(
        arguments.functional,
        arguments.beside,
        arguments.level,
        progress=None if arguments.quiet else lambda line: print(line, file=sys.stderr, flush=True),
    )
    if arguments.json:
        print(json.dumps(result.to_dict(), indent=1, allow_nan=False))
        return 0
    print(result)
    if arguments.details:
        print()
        for name, rows in {result.name: result.rows, **result.beside}.items():
            print(name)
            for row in rows:
                print(f"  {row.verdict:4}  {row.name}: {f'{row.where}: ' if row.where else ''}{row.detail}")
    return 0
