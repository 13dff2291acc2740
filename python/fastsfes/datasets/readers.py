"""Recognises the layout of a folder and reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..common.errors import InputError
from .accdb import read_accdb
from .csvtable import eval_table
from .gmtkn55 import read_gmtkn55
from .gscdb138 import is_gscdb138, read_gscdb138
from .mgcdb84 import is_mgcdb84, read_mgcdb84
from .model import DatasetContents
from .plain import read_plain

READERS: dict[str, Callable[[Path], DatasetContents]] = {
    "plain": read_plain,
    "mgcdb84": read_mgcdb84,
    "accdb": read_accdb,
    "gmtkn55": read_gmtkn55,
    "gscdb138": read_gscdb138,
}
"""Layout -> what reads a folder of it."""


def detect_layout(folder: Path) -> str:
    """Name of the layout of a folder or archive: "plain", "mgcdb84", "accdb", "gmtkn55" or "gscdb138"."""
    if is_gscdb138(folder):
        return "gscdb138"
    if (folder / "reactions.csv").exists():
        return "plain"
    if eval_table(folder).exists():
        return "mgcdb84" if is_mgcdb84(folder) else "accdb"
    if any(folder.glob("*/.res")) or (folder / ".res").exists():
        return "gmtkn55"
    raise InputError(
        f"{folder}: no known layout; expected reactions.csv (plain), DatasetEval.csv (MGCDB84, ACCDB), "
        f"*/.res (GMTKN55) or Info/DatasetEval.xlsx (GSCDB138)"
    )


def is_source(path: Path) -> bool:
    """Whether geometries and reactions can be read from there: a folder, or the archive of GSCDB138."""
    return path.is_dir() or (path.is_file() and is_gscdb138(path))


def read_folder(folder: Path | str, layout: str | None = None) -> DatasetContents:
    """Read a folder of geometries and reactions, or the archive of GSCDB138; the layout is recognised unless given."""
    folder = Path(folder)
    if not is_source(folder):
        raise InputError(f"{folder}: no such folder; expected one with geometries and a table of reactions")
    layout = layout or detect_layout(folder)
    if layout not in READERS:
        raise InputError(f"layout {layout!r} is none of {', '.join(READERS)}")
    return READERS[layout](folder)
