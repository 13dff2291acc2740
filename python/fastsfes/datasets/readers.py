"""Recognises the layout of a folder and reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..common.errors import InputError
from .accdb import read_accdb
from .csvtable import eval_table
from .gmtkn55 import read_gmtkn55
from .mgcdb84 import is_mgcdb84, read_mgcdb84
from .model import DatasetContents
from .plain import read_plain

READERS: dict[str, Callable[[Path], DatasetContents]] = {
    "plain": read_plain,
    "mgcdb84": read_mgcdb84,
    "accdb": read_accdb,
    "gmtkn55": read_gmtkn55,
}
"""Layout -> what reads a folder of it."""


def detect_layout(folder: Path) -> str:
    """Name of the layout of a folder: "plain", "mgcdb84", "accdb" or "gmtkn55"."""
    if (folder / "reactions.csv").exists():
        return "plain"
    if eval_table(folder).exists():
        return "mgcdb84" if is_mgcdb84(folder) else "accdb"
    if any(folder.glob("*/.res")) or (folder / ".res").exists():
        return "gmtkn55"
    raise InputError(
        f"{folder}: no known layout; expected reactions.csv (plain), DatasetEval.csv (MGCDB84, ACCDB) or "
        f"*/.res (GMTKN55)"
    )


def read_folder(folder: Path | str, layout: str | None = None) -> DatasetContents:
    """Read a folder of geometries and reactions; the layout is recognised unless it is given."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected geometries and a table of reactions")
    layout = layout or detect_layout(folder)
    if layout not in READERS:
        raise InputError(f"layout {layout!r} is none of {', '.join(READERS)}")
    return READERS[layout](folder)
