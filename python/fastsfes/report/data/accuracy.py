"""Errors of the winner and of the known functionals: per split, data type, subset and reaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from ...datasets import SPLITS, Dataset
from ...energies.evaluate import FrameChoice, evaluate_many
from ...functionals.functional import Functional
from ...run.final import baselines

__all__ = ["reaction_errors"]


def reaction_errors(
    winner: Functional, dataset: Dataset, summary: Mapping[str, Any], *, frame: FrameChoice = "dataset"
) -> dict[str, Any]:
    """Errors in kcal/mol on all reactions that can be evaluated, of the functionals in the final table of the run.

    `frame` "own" evaluates every functional with its own exact exchange. A run without such a table is compared with
    the published functionals. This opens the seal of a test split.

    Returns:
        "functionals": names, the winner first; "methods": "quadrature" or "grid" for each; "groups": a row per split
        and data type and per split and subset, with one `Statistics` (as a dict) per functional; "reactions": name,
        subset, type, split, weight, reference and the errors of all functionals.
    """
    rows = (summary.get("report") or {}).get("rows", [])[1:]
    known = [(str(r["name"]), Functional.from_dict(r["functional"], "summary.json")) for r in rows if "functional" in r]
    named = [(winner.name, winner), *(known or baselines())]
    groups: list[dict[str, Any]] = []
    reactions: list[dict[str, Any]] = []
    methods = ["quadrature"] * len(named)
    dataset = dataset.unsealed(f"report page of {winner.name}")
    for split in SPLITS:
        if not dataset.split(split):
            continue
        found = evaluate_many([f for _, f in named], dataset, split, frame=frame)
        methods = [e.method for e in found]
        groups.append({"split": split, "kind": "split", "name": split, "statistics": [asdict(e.total) for e in found]})
        for kind, tables in (("type", [e.by_type for e in found]), ("subset", [e.by_subset for e in found])):
            for name in tables[0]:
                groups.append(
                    {"split": split, "kind": kind, "name": name, "statistics": [asdict(t[name]) for t in tables]}
                )
        errors = np.array([e.errors for e in found])
        for i, r in enumerate(found[0].reactions):
            reactions.append(
                {
                    "name": r.name,
                    "subset": r.subset,
                    "type": r.data_type,
                    "split": r.split,
                    "weight": r.weight,
                    "reference": r.reference,
                    "errors": errors[:, i].tolist(),
                }
            )
    return {"functionals": [name for name, _ in named], "methods": methods, "groups": groups, "reactions": reactions}
