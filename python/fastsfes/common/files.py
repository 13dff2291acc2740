"""Files of results: where they may be written, texts that are the old or the new one, and data for JSON."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import InputError

__all__ = ["check_output", "plain", "write_text"]


def check_output(path: Path | None, option: str = "--output") -> None:
    """Whether a file can be written there, before the work is done: folders of files are not made, typing errors are.

    Raises:
        InputError: when the folder is absent, or the path is a folder.
    """
    if path is None:
        return
    if not path.parent.is_dir():
        raise InputError(f"{option} {path}: the folder {path.parent} does not exist; make it".lstrip())
    if path.is_dir():
        raise InputError(f"{option} {path}: is a folder; give the name of a file".lstrip())


def write_text(path: Path, text: str) -> None:
    """Write a file by way of a temporary one in the same folder."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def plain(data: Any) -> Any:
    """The same data as JSON can hold it: what is not finite becomes None, mappings and sequences dicts and lists."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {str(k): plain(v) for k, v in data.items()}
    if isinstance(data, (list, tuple)):
        return [plain(v) for v in data]
    return data
