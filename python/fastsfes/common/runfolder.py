"""Names of what is in the folder of a run (docs/file-formats.md says what each holds)."""

from __future__ import annotations

from pathlib import Path

from .errors import InputError
from .reading import read_text

__all__ = [
    "BEST",
    "CONFIG",
    "EVENTS",
    "FRONT",
    "HISTORY",
    "LOCK",
    "LOG",
    "POINTS",
    "REPORT",
    "ROUNDED",
    "SUMMARY",
    "VALIDATION",
    "VALIDATION_RESULT",
    "is_selection",
    "resume_command",
]

BEST = "best.json"
CONFIG = "config.toml"
EVENTS = "events.jsonl"
FRONT = "front.json"
HISTORY = "history.sqlite"
LOCK = "run.lock"
LOG = "log.txt"
POINTS = "points.csv"
REPORT = "report.html"
ROUNDED = "rounded.json"
SUMMARY = "summary.json"
VALIDATION = "validation"
VALIDATION_RESULT = "validation.json"


def is_selection(folder: str | Path) -> bool:
    """Whether the run was made by "fastsfes select": its options then have a library."""
    try:
        text = read_text(Path(folder) / CONFIG, "options in TOML", 2**20)
    except InputError:
        return False
    return "[library]" in text.splitlines()


def resume_command(folder: str | Path) -> str:
    """The command that goes on with a run."""
    return f"fastsfes {'select' if is_selection(folder) else 'search'} --resume {folder}"
