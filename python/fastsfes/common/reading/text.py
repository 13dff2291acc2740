"""Text and JSON of files that may come from strangers."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sqlite3
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import FastsfesError, InputError

__all__ = [
    "DAMAGE", "LARGEST", "csv_rows", "damage", "finite", "parse_json", "positive", "read_bytes", "read_text",
    "short",
]  # fmt: skip

LARGEST = 64 * 2**20
"""Bytes of a text file that are read at most; the largest honest one, MGCDB84's table, has 0.6 MB."""

_DIGITS = 400
"""Digits of an integer in JSON: more are beyond double precision and take quadratic time to read."""

DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    sqlite3.Error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What taking apart a damaged file may raise."""


def read_bytes(path: Path | str, what: str, limit: int = LARGEST) -> bytes:
    """The content of a regular file of at most `limit` bytes.

    Raises:
        InputError: names the file, what is wrong with it and what was expected. Pipes and devices are refused.
    """
    try:
        # a pipe must not block the opening
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected {what}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; expected {what}") from None
    except ValueError:
        raise InputError(f"{str(path)!r}: is not the name of a file; expected {what}") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InputError(f"{path}: cannot be read: it is not a regular file; expected {what}")
    with open(handle, "rb") as stream:
        try:
            content = stream.read(limit + 1)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}; expected {what}") from None
    if len(content) > limit:
        raise InputError(f"{path}: cannot be read: it is larger than {limit // 2**20} MB; expected {what}")
    return content


def read_text(path: Path | str, what: str, limit: int = LARGEST) -> str:
    """The text of a UTF-8 file (with or without a byte order mark); errors as `read_bytes`."""
    try:
        return read_bytes(path, what, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: cannot be read: it is not UTF-8 text ({error.reason}); expected {what}") from None


def csv_rows(text: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """Line number (of the last line, when a quoted cell holds several) and cells of each row of a CSV text.

    Raises:
        InputError: names the line that is none of a table.
    """
    reader = csv.reader(io.StringIO(text.replace("\r\n", "\n").replace("\r", "\n")))
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(f"{where}, line {reader.line_num}: is not a line of a table ({error})") from None


def parse_json(text: str, where: str) -> Any:
    """Data of a JSON text; NaN, Infinity and integers beyond double precision are numbers that are not finite.

    Raises:
        InputError: when the text is no JSON, or is nested deeper than the interpreter's limit.
    """
    try:
        return json.loads(text, parse_constant=lambda name: math.nan, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON ({short(error)}); was the file cut off?") from None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else math.copysign(math.inf, -1.0 if digits[0] == "-" else 1.0)


def finite(value: Any, where: str) -> float:
    """A finite number of a file; truth values and texts are none.

    Raises:
        InputError: names what `where` says.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError
        number = float(value)
    except (TypeError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{where} is {repr(value)[:80]}; expected a finite number")
    return number


def positive(text: str, wrong: str) -> float:
    """A finite number above 0.

    Raises:
        InputError: says what `wrong` says.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0.0 < number < math.inf:
        raise InputError(wrong)
    return number


@contextmanager
def damage(where: str, remedy: str, kind: type[FastsfesError] = InputError) -> Iterator[None]:
    """Turn whatever a damaged file makes the reader raise into one sentence."""
    try:
        yield
    except FastsfesError:
        raise
    except DAMAGE as error:
        raise kind(f"{where} is damaged ({short(error)}); {remedy}") from error


def short(error: BaseException) -> str:
    """The first line of an error's message, or its kind; of the system's errors what they mean, without the file."""
    if isinstance(error, OSError) and error.filename is not None:
        return str(error.strerror)
    lines = str(error).strip().strip("'\"").splitlines()
    return lines[0][:160] if lines else type(error).__name__
