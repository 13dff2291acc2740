"""``fastsfes show``: print a run again."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..evolve.summary import format_run
from ..search import Run


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser("show", help="print the result of a search again")
    parser.add_argument("run", metavar="RUN", help="run directory")
    parser.add_argument("--json", action="store_true", help="print summary and best functional as JSON")
    parser.add_argument("--pareto", action="store_true", help="print the front of complexity against fitness too")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    found = Run(arguments.run)
    best = found.best
    if arguments.json:
        data: dict[str, Any] = {"best": best.to_dict(), "summary": found.summary}
        if arguments.pareto:
            data["pareto"] = found.pareto
        print(json.dumps(data, indent=2))
        return 0
    print(format_run(best, found.summary, str(found.path)))
    if arguments.pareto:
        print("\ncomplexity  fitness  train  validation  expressions")
        for row in found.pareto:
            texts = "; ".join(f"f_{k} = {t}" for k, t in row["expressions"].items())
            print(
                f"{row['complexity']:10d}  {row['fitness']:.5g}  {row['train']:.5g}  {row['validation']:.5g}  {texts}"
            )
    return 0
