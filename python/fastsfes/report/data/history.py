"""What the store of a run tells about the search: convergence, front, cloud of candidates, mutations, ancestors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...formula.normal_form import normal
from ...run.store import RunStore

__all__ = ["ancestors", "mutation_statistics", "search_history"]

CLOUD_COLUMNS = 60
"""Bins of log10(error) in the cloud of candidates, from the smallest error to that of the base."""

MILESTONE = 0.995
"""An ancestor is a milestone when it brings the fitness below this multiple of the last one's."""


def search_history(store: RunStore, front: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Improvements in order, the Pareto front, and how many candidates there are per complexity and error.

    Args:
        store: of the run.
        front: its rows, see `fastsfes.Run.pareto`.

    Returns:
        "convergence": rows made, island, number, train, validation, fitness of each new best ("made" counts the
        candidates of all islands up to it); "pareto": the front; "cloud": [complexity, error, count] of the
        candidates that are no worse than the base, with the error at the middle of its bin; "candidates", "finite":
        counts.
    """
    improvements: list[dict[str, Any]] = []
    best, made, finite = math.inf, 0, 0
    bins: dict[tuple[int, int], int] = {}
    low, high = (math.log10(v) for v in store.error_range() or (1.0, 10.0))
    width = max(high - low, 1e-9) / CLOUD_COLUMNS
    for row in store.scan():
        made += 1
        fitness, error = row["fitness"], row["error"]
        if fitness is None:
            continue
        finite += 1
        if not row["duplicate"] and error is not None and error > 0:
            column = int((math.log10(error) - low) / width)
            if column <= CLOUD_COLUMNS:
                key = row["complexity"], min(column, CLOUD_COLUMNS - 1)
                bins[key] = bins.get(key, 0) + 1
        if fitness < best:
            best = fitness
            improvements.append(
                {"made": made} | {k: row[k] for k in ("island", "number", "train", "validation", "fitness")}
            )
    columns = ("island", "number", "complexity", "train", "validation", "error", "fitness", "expressions")
    shown = [{k: row[k] for k in columns} for row in front]
    cloud = [[c, 10.0 ** (low + (b + 0.5) * width), n] for (c, b), n in sorted(bins.items())]
    return {"candidates": made, "finite": finite, "convergence": improvements, "pareto": shown, "cloud": cloud}


def mutation_statistics(store: RunStore) -> list[dict[str, Any]]:
    """Per mutation: children made with it, how many were new, finite, and better than their parent.

    A child of several mutations counts for each of them.
    """
    found: dict[str, dict[str, Any]] = {}
    for mutation, made, new, finite, better in store.mutations():
        for name in sorted(set(mutation.split("+"))):
            row = found.setdefault(name, {"mutation": name, "made": 0, "new": 0, "finite": 0, "better": 0})
            row["made"] += made
            row["new"] += new
            row["finite"] += finite
            row["better"] += better
    return sorted(found.values(), key=lambda row: (-row["made"], row["mutation"]))


def ancestors(store: RunStore, number: int, island: int) -> list[dict[str, Any]]:
    """The line from the base to a candidate, across islands where an ancestor migrated.

    Every step has number, island, mutation, complexity, train, validation, fitness; milestones (the base, each clear
    improvement, the candidate itself) also have "expressions" in normal form and "changed", the
    channels that differ from the milestone before.
    """
    line: list[dict[str, Any]] = []
    seen: set[tuple[int, int]] = set()
    row = store.candidate(number, island)
    while row is not None and (row["island"], row["number"]) not in seen:
        seen.add((row["island"], row["number"]))
        line.append(row)
        row = store.parent(row)
    line.reverse()
    steps: list[dict[str, Any]] = []
    before: dict[str, str] = {}
    best = math.inf
    for position, row in enumerate(line):
        step = {k: row[k] for k in ("island", "number", "mutation", "complexity", "train", "validation", "fitness")} | {
            "duplicate": row["duplicate"]
        }
        fitness = math.inf if row["fitness"] is None else row["fitness"]
        clear = fitness < best * MILESTONE or position in (0, len(line) - 1)
        if clear and row["expressions"]:
            step["expressions"] = {k: normal(text).text for k, text in row["expressions"].items()}
            step["changed"] = [k for k, text in step["expressions"].items() if before.get(k) != text]
            before = step["expressions"]
        best = min(best, fitness) if clear else best
        steps.append(step)
    return steps
