"""The integration grids that energies are compared on."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["GRIDS", "TRUTH"]

GRIDS: Mapping[str, str] = {"coarse": "level 1", "default": "level 3", "large": "(150,770)"}
"""Name -> PySCF's pruned grid of a level, or an unpruned "(radial,angular)"; default is PySCF's default."""

TRUTH = "large"
"""The grid that the others are compared with."""
