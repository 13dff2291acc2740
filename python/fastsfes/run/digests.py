"""What a run was made with: digests of its data, so that it never goes on with others unnoticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .._core import __version__
from ..common.errors import InputError
from ..datasets import Dataset, Reaction
from ..datasets.chosen import divided
from ..energies.quadrature import LEVELS, Quadrature, reaction_targets
from ..functionals.load import load
from .config import SearchConfig

__all__ = ["absolute", "check_digests", "data_digests", "digest", "version_of", "with_absolute_paths"]

_VERSION = "fastsfes"

#: What a digest is of, in words.
_MEANING = {
    "reactions": "the reactions, their references, weights or splits",
    "energies": "the energies of the densities",
    "quadrature": "the quadrature",
    "fine quadrature": "the second quadrature",
    "targets": "the functional of the targets",
    "bases": "the functionals that the search starts from",
    "points": "the points",
}


def data_digests(
    config: SearchConfig, dataset: Dataset, quadratures: Mapping[str, Quadrature], reactions: Sequence[Reaction]
) -> dict[str, str]:
    """Digests of everything outside the configuration that a run depends on, by name.

    Args:
        config: the options.
        dataset, reactions: what is searched on; no reactions when the targets are a functional's energies.
        quadratures: name in the digests -> quadrature.
    """
    found = {_VERSION: __version__}
    if reactions:
        rows = [
            [r.name, r.subset, r.data_type, r.split, r.weight, r.reference, dict(r.coefficients)] for r in reactions
        ]
        found["reactions"] = digest(rows)
        found["energies"] = digest(reaction_targets(dataset, reactions))
    for name, quadrature in quadratures.items():
        parts: list[Any] = [list(quadrature.species)]
        for key, rule in sorted(quadrature.channels.items()):
            for level in LEVELS:
                if level in rule.levels:
                    nodes = rule.levels[level]
                    parts += [key, level, nodes.nodes, nodes.matrix]
        found[name] = digest(*parts)
    if config.targets != "reference":
        found["targets"] = digest(load(config.targets).to_dict())
    named = [base for base in config.base if base not in ("empty", "lda")]
    if named:
        found["bases"] = digest([load(base).to_dict() for base in named])
    return found


def check_digests(path: Path, stored: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse to go on with data other than the run began with; another version of the program is no reason.

    Raises:
        InputError: says what differs.
    """
    changed = [name for name in {**stored, **now} if name != _VERSION and stored.get(name) != now.get(name)]
    if changed:
        what = ", ".join(_MEANING.get(name, name) for name in changed)
        raise InputError(
            f"{path}: the run began with other data: {what} differ; what was found would be compared with what is not "
            f"comparable. Give the data that it began with (--dataset takes a copy elsewhere), or start a new run"
        )


def version_of(digests: Mapping[str, str]) -> str:
    """The version of the program that a run began with."""
    return digests.get(_VERSION, "")


def with_absolute_paths(config: SearchConfig) -> SearchConfig:
    """The configuration with its files by their absolute paths, so that a run can be resumed from anywhere."""
    return replace(
        config,
        dataset=absolute(config.dataset),
        targets=absolute(config.targets),
        base=tuple(absolute(base) for base in config.base),
    )


def absolute(name: str) -> str:
    """A file or folder by its absolute path; other names as they are."""
    name, query = divided(name)
    if query:
        return f"{absolute(name)}?{query}"
    try:
        return str(Path(name).resolve()) if name and Path(name).exists() else name
    except (OSError, ValueError):  # formulas are no paths
        return name


def digest(*parts: Any) -> str:
    """SHA-256 of arrays (shape and bits) and plain data."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            sha.update(f"{part.dtype.str}{part.shape}".encode())
            sha.update(np.ascontiguousarray(part).tobytes())
        else:
            sha.update(json.dumps(part, sort_keys=True).encode())
    return sha.hexdigest()
