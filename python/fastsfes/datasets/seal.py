"""Counts of how often a sealed test split was read.

A test split tells something only as long as nothing was chosen by it. Every reading of a sealed one leaves a line in
the user's folder: when, and what read it; reports print how many there are.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

from ..common.errors import InputError
from .places import user_folder

__all__ = ["count_reading", "readings", "record_of"]


def record_of(dataset: str) -> Path:
    """The file of a dataset's readings, one line each."""
    return user_folder() / f"{dataset}.test-readings.txt"


def readings(dataset: str) -> int:
    """How often the test split of a dataset has been read by this user."""
    try:
        return record_of(dataset).read_bytes().count(b"\n")
    except (InputError, OSError):  # InputError: there is no such folder
        return 0


def count_reading(dataset: str, reader: str) -> int | None:
    """Note a reading; returns how many there are now, or None when the user's folder cannot be written."""
    when = datetime.now(timezone.utc).isoformat(timespec="seconds")
    line = f"{when}  {''.join(c if c.isprintable() else ' ' for c in reader)[:200]}\n"
    try:
        path = record_of(dataset)
        path.parent.mkdir(parents=True, exist_ok=True)
        # One write at the end of the file, so that lines of several processes do not mix.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o644)
        try:
            os.write(handle, line.encode("utf-8", "replace"))
        finally:
            os.close(handle)
    except (InputError, OSError):
        return None
    return readings(dataset)
