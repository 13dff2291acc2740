"""Setups and tasks that the tests give to executors; importable in every worker."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any


def make(folder: str, offset: int) -> dict[str, Any]:
    """Leaves a file per call, so that a test can count contexts."""
    (Path(folder) / f"context-{os.getpid()}-{time.monotonic_ns()}").touch()
    return {"folder": Path(folder), "offset": offset}


def add(context: dict[str, Any], number: int) -> int:
    return context["offset"] + number


def add_slowly(context: dict[str, Any], number: int) -> int:
    time.sleep(0.05)
    return context["offset"] + number


def fail(context: dict[str, Any]) -> None:
    raise ValueError("a task that fails")


class Awkward(Exception):
    """Cannot be unpickled."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"{a} and {b}")


def fail_awkwardly(context: dict[str, Any]) -> None:
    raise Awkward(1, 2)


def first_time(context: dict[str, Any], name: str) -> bool:
    """Whether nobody has done this before."""
    try:
        os.close(os.open(context["folder"] / name, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def kill_first(context: dict[str, Any], number: int, how: int = signal.SIGKILL) -> int:
    """Kill (or stop) the worker in the middle of its task, once."""
    if first_time(context, f"killed-{number}"):
        os.kill(os.getpid(), how)
        time.sleep(60)
    return context["offset"] + number


def kill_always(context: dict[str, Any], how: int = signal.SIGKILL) -> None:
    (context["folder"] / f"attempt-{time.monotonic_ns()}").touch()
    os.kill(os.getpid(), how)
    time.sleep(60)


def process(context: dict[str, Any]) -> tuple[int, dict[str, str]]:
    time.sleep(0.05)
    return os.getpid(), {k: v for k, v in os.environ.items() if k.endswith("_NUM_THREADS")}


def sleep(context: dict[str, Any], seconds: float) -> None:
    time.sleep(seconds)


def no_setup(folder: str) -> None:
    raise OSError(f"{folder} is not here")
