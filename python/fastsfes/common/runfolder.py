"""Names of what is in the folder of a run (docs/file-formats.md says what each holds)."""

__all__ = [
    "BEST",
    "CONFIG",
    "EVENTS",
    "FRONT",
    "HISTORY",
    "LOCK",
    "LOG",
    "REPORT",
    "ROUNDED",
    "SELECTION",
    "SUMMARY",
    "VALIDATION",
    "VALIDATION_RESULT",
]

BEST = "best.json"
CONFIG = "config.toml"
EVENTS = "events.jsonl"
FRONT = "front.json"
HISTORY = "history.sqlite"
LOCK = "run.lock"
LOG = "log.txt"
REPORT = "report.html"
ROUNDED = "rounded.json"
SELECTION = "selection.toml"
SUMMARY = "summary.json"
VALIDATION = "validation"
VALIDATION_RESULT = "validation.json"
