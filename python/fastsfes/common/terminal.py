"""What a command prints: names from files cannot steer the terminal, closed and full streams are no crash."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

__all__ = ["bare", "open_streams", "visible", "visible_output"]

_HIDDEN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and line feed, those that turn the direction of writing, and halves of characters."""


def visible(text: str) -> str:
    """The text with what a terminal would obey, or could not show, written as an escape sequence of Python."""
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class _Visible:
    """A text stream that writes `visible` text to another one."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.problem = ""

    def write(self, text: str) -> int:
        encoding = self.stream.encoding or "utf-8"
        with self._noted():
            self.stream.write(visible(text).encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        with self._noted():
            self.stream.flush()

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.problem = error.strerror or str(error)
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def bare(stream: TextIO) -> TextIO:
    """The stream itself, for displays that steer the terminal; what they show has to be `visible`."""
    return stream.stream if isinstance(stream, _Visible) else stream


@contextmanager
def visible_output() -> Iterator[Callable[[], str]]:
    """Let standard output and standard error write `visible` text.

    What it gives writes out what is printed, and says why that is not possible; Python will not try again at its end.
    """
    before = sys.stdout, sys.stderr
    output = _Visible(sys.stdout)
    sys.stdout, sys.stderr = cast(TextIO, output), cast(TextIO, _Visible(sys.stderr))

    def flushed() -> str:
        with suppress(OSError):
            output.flush()
        if output.problem:
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
        return output.problem

    try:
        yield flushed
    finally:
        sys.stdout, sys.stderr = before


def open_streams() -> None:
    """Open what is closed of the three standard streams on the null device.

    A process that is started without them would give their numbers to its files, and write its messages there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - for the life of the process
