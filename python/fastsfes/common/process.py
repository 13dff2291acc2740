"""Which process this is, on which machine, and whether another one lives."""

from __future__ import annotations

import hashlib
import os
import socket
from functools import lru_cache
from pathlib import Path

__all__ = ["alive", "boot", "here", "namespace", "started"]


def boot() -> str:
    """Identifier of this start of the machine; empty where there is none."""
    return _text("/proc/sys/kernel/random/boot_id")


def namespace() -> str:
    """Within which this process has its number; containers have their own."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


@lru_cache
def here() -> str:
    """Short identifier of all within which a process is known by its number: machine, its start, container."""
    return hashlib.sha256(f"{socket.gethostname()} {boot()} {namespace()}".encode()).hexdigest()[:8]


def started(pid: int) -> str:
    """When a process started, in clock ticks since boot (field 22 of its stat); empty when there is none."""
    stat = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return stat[19] if len(stat) > 19 and stat[0] != "Z" else ""


def alive(pid: int) -> bool:
    """Whether there is a process of this number here."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""
