"""Datasets in the user's own folder.

The user's folder is FASTSFES_DATA, or fastsfes in XDG_DATA_HOME (~/.local/share by default). What fastsfes itself
keeps, such as counts of readings, goes there too: nothing is ever written into the installed package.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from ..common.errors import InputError
from ..common.files import WriteError, make_parent, user_path, written
from .packaged import PACKAGED

__all__ = ["find_dataset", "own_copy", "user_datasets", "user_folder"]


def user_folder() -> Path:
    """The user's folder of datasets; it need not exist.

    Raises:
        InputError: when it begins with the home of somebody who has none, as in some containers.
    """
    chosen = os.environ.get("FASTSFES_DATA", "").strip()
    if chosen:
        return user_path(chosen)
    base = os.environ.get("XDG_DATA_HOME", "").strip() or "~/.local/share"
    try:
        return user_path(base) / "fastsfes"
    except InputError as error:
        raise InputError(f"{error}, or set FASTSFES_DATA to your folder of datasets") from None


def user_datasets() -> dict[str, Path]:
    """Name -> file of the datasets in the user's folder; a packaged name is always the packaged one."""
    folder = user_folder()
    found = sorted(folder.glob("*.h5")) if folder.is_dir() else []
    return {path.stem: path for path in found if path.stem.lower() not in PACKAGED}


def own_copy(path: Path, name: str) -> Path:
    """A copy of a packaged dataset in the user's folder, made when it is not there yet."""
    copy = user_folder() / f"{name}.h5"
    if not copy.exists():
        try:
            make_parent(copy)
            with written(copy) as part:
                shutil.copyfile(path, part)
        except WriteError as error:
            raise WriteError(f"{error}; FASTSFES_DATA names another folder") from None
    return copy


def find_dataset(name: str) -> Path | None:
    """File of a packaged dataset, or of one in the user's folder, by its name; None when there is none."""
    if name.lower() in PACKAGED:
        return PACKAGED[name.lower()]
    return user_datasets().get(name) if re.fullmatch(r"[\w.+-]+", name) else None
