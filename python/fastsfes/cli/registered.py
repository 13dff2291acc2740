"""``fastsfes list``: the functionals that are known by name."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..functionals.citations import bibtex
from ..functionals.functional import Functional
from ..functionals.load import FUNCTIONAL, load
from ..functionals.registry import get_functional, list_functionals

__all__ = ["add_parser", "exchange_text"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser("list")
    parser.add_argument("functionals", nargs="*", metavar="FUNCTIONAL", help=f"{FUNCTIONAL} (default: all registered)")
    parser.add_argument("--bibtex", action="store_true", help="print what they cite as BibTeX")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    names = arguments.functionals
    found = [load(name) for name in names] if names else [get_functional(name) for name in list_functionals()]
    if arguments.bibtex:
        print(bibtex(found))
        return 0
    if arguments.json:
        rows = [{**f.to_dict(), "family": f.family, "libxc": f.libxc} for f in found]
        print(json.dumps(rows, indent=1))
        return 0
    head = ("name", "family", "exact exchange", "VV10", "parameters", "citation")
    body = [
        (f.name, f.family, exchange_text(f), "yes" if f.nlc else "", str(len(f.parameters)), f.citation) for f in found
    ]
    widths = [max(len(row[k]) for row in [head, *body]) for k in range(len(head))]
    for row in [head, *body]:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
    return 0


def exchange_text(functional: Functional) -> str:
    """The fractions of exact exchange in short."""
    h = functional.hybrid
    if h.omega:
        return f"{h.short_range:g} to {h.long_range:g}, omega {h.omega:g}"
    return f"{h.short_range:g}" if h.short_range else ""
