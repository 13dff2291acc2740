"""What happens in a worker: contexts made once per process, and tasks performed in them.

Tasks, results and the arguments of a context travel as bytes, so that every back end moves the same ones.
"""

from __future__ import annotations

import pickle
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from ..common.errors import FastsfesError

__all__ = ["RemoteTraceback", "forget", "install", "pack", "perform", "unpack"]


class RemoteTraceback(Exception):
    """Cause of an error that came from a worker: the traceback there, as text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


class _Context:
    """A setup function with its arguments, called when the first task needs it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._made: list[Any] = []
        self.lock = threading.Lock()  # a Dask worker may have several threads; a context belongs to one task at a time

    def value(self) -> Any:
        if not self._made:
            setup, arguments = pickle.loads(self._data)
            self._made.append(setup(*arguments) if setup is not None else None)
            self._data = b""
        return self._made[0]


_contexts: dict[str, _Context] = {}


def install(token: str, data: bytes) -> None:
    """Keep the data of a context until a task asks for it."""
    _contexts.setdefault(token, _Context(data))


def forget(token: str) -> None:
    """Drop a context."""
    _contexts.pop(token, None)


def pack(value: Any) -> bytes:
    """Any plain data, function or task as bytes."""
    return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)


def perform(token: str, data: bytes) -> bytes:
    """Perform one task; the reply holds its value or its error, and the seconds that it took."""
    started = time.perf_counter()
    try:
        context = _contexts[token]
        with context.lock:
            task, arguments = pickle.loads(data)
            value = task(context.value(), *arguments)
        return pack((True, value, time.perf_counter() - started))
    except Exception as error:
        return pack((False, _portable(error), time.perf_counter() - started))


def _portable(error: Exception) -> tuple[bytes, str]:
    """An error as bytes that can be read back for certain, with its traceback as text."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        data = pack(error)
        pickle.loads(data)
    except Exception:
        data = pack(FastsfesError(f"{type(error).__name__}: {error}"))
    return data, text


def unpack(reply: bytes, fail: Callable[[BaseException], None], succeed: Callable[[Any], None]) -> float:
    """Give the value or the error in a reply to one of two functions; returns the seconds that the task took."""
    good, value, seconds = pickle.loads(reply)
    if good:
        succeed(value)
    else:
        data, text = value
        error = pickle.loads(data)
        error.__cause__ = RemoteTraceback(text)
        fail(error)
    return float(seconds)
