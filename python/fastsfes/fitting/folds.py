"""Parts of a cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

__all__ = ["folds_of"]


def folds_of(subsets: Sequence[str], count: int, keep: Sequence[str] = ()) -> list[NDArray[np.int64]]:
    """Rows of each fold: whole subsets, the largest first, each to the fold with the fewest rows so far.

    Subsets that match a pattern of `keep` are in none, so that every fit sees them.
    """
    rows = {name: [i for i, s in enumerate(subsets) if s == name] for name in dict.fromkeys(subsets)}
    names = [n for n in rows if not any(fnmatchcase(n, pattern) for pattern in keep)]
    folds: list[list[int]] = [[] for _ in range(min(count, len(names)))]
    for name in sorted(names, key=lambda n: (-len(rows[n]), n)):
        min(folds, key=len).extend(rows[name])
    return [np.array(sorted(f), dtype=np.int64) for f in folds]
