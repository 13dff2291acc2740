"""Two files of ``fastsfes-bench --json``: which figures moved by more than their noise.

A figure has a measured spread or none. Where it has, two figures differ when their spreads do not meet; where it has
none, when their ratio is beyond `NOISE`. Times and sizes are better when smaller, rates when larger.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastsfes.common.errors import InputError
from fastsfes.common.reading import read_text

SUMMARY = "compare two files of --json and name the figures that moved beyond noise"
NOISE = 0.10
"""Of a figure without a spread, as a fraction; machines differ by more, so compare on one."""

SMALLER = ("s", "ms", "us", "ns", "us/point", "ns/point", "MB", "MiB", "bytes", "kcal/mol", "%")
"""Units of which less is better; of all others more is."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two files."""
    parser.add_argument("old", type=Path, metavar="OLD.json", help="results of an earlier version")
    parser.add_argument("new", type=Path, metavar="NEW.json", help="results of a later one")
    parser.add_argument("--noise", type=float, default=NOISE, metavar="X", help=f"of figures without a spread: {NOISE}")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """The figures of both, with a verdict each."""
    if not 0 <= arguments.noise < math.inf:
        raise InputError(f"--noise {arguments.noise:g}: expected a fraction, as in 0.1")
    old, new = (dict(figures(_read(path))) for path in (arguments.old, arguments.new))
    rows = [
        {"name": " / ".join(key), "old": old[key]["value"], "new": row["value"], "unit": row["unit"],
         "verdict": verdict(old[key], row, arguments.noise)}
        for key, row in new.items() if key in old
    ]  # fmt: skip
    return {
        "rows": rows,
        "only_old": [" / ".join(k) for k in old.keys() - new.keys()],
        "only_new": [" / ".join(k) for k in new.keys() - old.keys()],
    }


def table(result: dict[str, Any]) -> str:
    """What moved, the worse first, and how many stayed."""
    order = {"worse": 0, "better": 1}
    moved = sorted((r for r in result["rows"] if r["verdict"] != "same"), key=lambda r: order[r["verdict"]])
    lines = [f"{r['verdict']:6}  {r['old']:10.4g} -> {r['new']:10.4g} {r['unit']}  {r['name']}" for r in moved]
    lines.append(f"{len(result['rows']) - len(moved)} of {len(result['rows'])} figures are the same within noise")
    for key, text in (("only_old", "gone"), ("only_new", "new")):
        lines += [f"{text}: {name}" for name in sorted(result[key])]
    return "\n".join(lines)


def figures(results: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """(benchmark, section, name) and the row of every figure."""
    for benchmark, result in results.items():
        if isinstance(result, dict):
            for row in result.get("rows", ()):
                if isinstance(row, dict) and "value" in row and "unit" in row:
                    yield (benchmark, str(row.get("section", "")), str(row["name"])), row


def verdict(old: dict[str, Any], new: dict[str, Any], noise: float = NOISE) -> str:
    """ "same", "better" or "worse"."""
    before, after = _range(old, noise), _range(new, noise)
    if before[0] <= after[1] and after[0] <= before[1]:
        return "same"
    grew = after[0] > before[1]
    return "worse" if grew == (new["unit"] in SMALLER) else "better"


def _range(row: dict[str, Any], noise: float) -> tuple[float, float]:
    if "spread" in row:
        low, high = row["spread"]
        return low, high
    half = abs(row["value"]) * noise / 2
    return row["value"] - half, row["value"] + half


def _read(path: Path) -> dict[str, Any]:
    text = read_text(path, "results of fastsfes-bench --json", 2**26)
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(found, dict) or "build" not in found:
        raise InputError(f"{path}: not a file of fastsfes-bench --json")
    return found
