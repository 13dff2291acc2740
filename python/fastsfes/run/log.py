"""The logs of a run: lines for people in log.txt, the same events and more as JSON lines in events.jsonl.

Both are appended to, a line at a time, so that they can be followed while the run goes on. Nothing depends on them: a
log that cannot be written is reported once and the search goes on.
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..common.errors import InputError
from ..common.files import open_inside, plain
from ..common.reading import parse_json, read_bytes, short
from ..common.runfolder import EVENTS, LOG

__all__ = ["RunLog", "read_events"]

_LARGEST = 2**28
"""Bytes of a log of events that are read at most; an epoch has 500."""


class RunLog:
    """Writes both logs of a run directory.

    Args:
        path: the run directory.
        say: told once when a log cannot be written.
    """

    def __init__(self, path: Path, say: Callable[[str], None] = lambda text: None) -> None:
        self.path = path
        self._say = say
        self._failed = False

    def event(self, name: str, text: str = "", **fields: Any) -> None:
        """Log an event; `text` is its line for people, none when empty. What is not finite becomes null."""
        now = datetime.datetime.now(datetime.timezone.utc)
        record = {"time": now.isoformat(timespec="milliseconds"), "event": name, **plain(fields)}
        self._append(EVENTS, json.dumps(record, allow_nan=False))
        if text:
            local = now.astimezone()
            self._append(LOG, f"{local:%Y-%m-%d %H:%M:%S},{local.microsecond // 1000:03d} {text}")

    def _append(self, name: str, line: str) -> None:
        try:
            handle = open_inside(self.path, name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            with open(handle, "ab", buffering=0) as file:
                file.write(line.encode() + b"\n")
        except (OSError, InputError) as error:
            if not self._failed:
                self._failed = True
                self._say(f"{self.path / name}: cannot be written ({short(error)}); the search goes on without it")


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """The events of a run directory in their order; a line that was cut off by a kill is left out."""
    if not (path / EVENTS).is_file():
        return
    for line in read_bytes(path / EVENTS, "the events of a run", _LARGEST).splitlines():
        try:
            event = parse_json(line.decode(errors="replace"), EVENTS)
        except InputError:
            continue
        if isinstance(event, dict):
            yield event
