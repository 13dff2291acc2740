"""The data that the package carries."""

from __future__ import annotations

from pathlib import Path

__all__ = ["DATA", "PACKAGED"]

DATA = Path(__file__).resolve().parent.parent / "data"
"""Folder of the package's data."""

PACKAGED = {"gscdb": DATA / "gscdb.h5", "builtin": DATA / "builtin.h5"}
"""Datasets that come with the package: name -> file."""
