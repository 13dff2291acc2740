"""``fastsfes score``: energies of molecules against a benchmark, beside published functionals."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..analysis.score import Score, published_scores, score_file
from ..common.errors import InputError

_DESCRIPTION = """Score a method on GSCDB138 (arXiv:2508.13468) from its energies of molecules.

  fastsfes score energies.csv
  fastsfes score energies.csv --sets

The file is a table: a header "species,METHOD,...", then lines with a species' name in GSCDB138 and total energies in
hartree. Each set's error is divided by its standard error; means are over the sets of which all energies are there, and
published functionals stand beside over the same sets. Without a file: the published functionals alone."""

#: Short names of the types, for the columns of the table.
_SHORT = {
    "Barrier Height": "barriers",
    "Electric field": "fields",
    "Frequency": "frequencies",
    "Isomerization": "isomers",
    "Noncovalent": "noncovalent",
    "Thermochemistry": "thermo",
    "Transition Metal": "metals",
}


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "score",
        description=_DESCRIPTION,
    )
    parser.add_argument("energies", type=Path, nargs="?", metavar="FILE.csv", help="table of energies in hartree")
    parser.add_argument("--method", action="append", metavar="NAME", help="only this column; can be repeated")
    parser.add_argument("--sets", action="store_true", help="also every set: metric over standard error")
    parser.add_argument("--no-published", action="store_true", help="leave out the published functionals")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the scores; 0, or 1 when no set could be scored."""
    if arguments.energies is None and (arguments.method or arguments.no_published):
        raise InputError("--method and --no-published take a table of energies; name its file")
    own = score_file(arguments.energies) if arguments.energies is not None else {}
    for name in arguments.method or ():
        if name not in own:
            raise InputError(f"--method {name}: is no column of the table; it has {', '.join(own)}")
    if arguments.method:
        own = {name: own[name] for name in arguments.method}
    published = {} if arguments.no_published else published_scores()
    if own:
        common = set.intersection(*(set(s.sets) for s in own.values()))
        own = {name: s.over(common) for name, s in own.items()}
        published = {f"{name} (published)": s.over(common) for name, s in published.items()}
    if arguments.json:
        print(
            json.dumps(
                {"scores": [s.to_dict() for s in own.values()], "published": [s.to_dict() for s in published.values()]},
                indent=1,
            )
        )
    else:
        print(format_scores({**own, **published}, sets=arguments.sets))
        for name, s in own.items():
            for label, reason in s.incomplete.items():
                print(f"{name}: not scored: {label}: {reason}")
            if s.unknown:
                more = f" and {len(s.unknown) - 3} more" if len(s.unknown) > 3 else ""
                print(f"{name}: not in GSCDB138: {', '.join(map(repr, s.unknown[:3]))}{more}")
    return 1 if own and not any(s.sets for s in own.values()) else 0


def format_scores(scores: Mapping[str, Score], *, sets: bool = False) -> str:
    """One line per method; with `sets`, also one line per set and a column per method."""
    ranked = dict(sorted(scores.items(), key=lambda item: (item[1].mean != item[1].mean, item[1].mean)))
    types = list(dict.fromkeys(t for s in ranked.values() for t in s.by_type))
    header = ["metric / standard error", "sets", "mean", *(_SHORT.get(t, t) for t in types), "WTMAD-2", "WTMAD-4"]
    rows = [
        [name, str(sum(t.ratio == t.ratio for t in s.sets.values())), f"{s.mean:.3f}"]
        + [f"{s.by_type[t]:.3f}" if t in s.by_type else "" for t in types]
        + [f"{s.wtmad2:.3f}", f"{s.wtmad4:.3f}"]
        for name, s in ranked.items()
    ]
    text = _table([header, *rows])
    if sets:
        names = list(dict.fromkeys(n for s in ranked.values() for n, t in s.sets.items() if t.ratio == t.ratio))
        body = [[n, *(f"{s.sets[n].ratio:.3f}" if n in s.sets else "" for s in ranked.values())] for n in names]
        text += "\n\n" + _table([["set", *ranked], *body])
    return text


def _table(rows: list[list[str]]) -> str:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in rows
    )
