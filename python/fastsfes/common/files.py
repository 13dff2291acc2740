"""Files of results: written whole or not at all, never through a link that somebody else has laid, in sentences."""

from __future__ import annotations

import errno
import math
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from .errors import FastsfesError, InputError
from .process import alive, here

__all__ = [
    "WriteError",
    "beside",
    "check_output",
    "make_parent",
    "not_inside",
    "open_inside",
    "plain",
    "user_path",
    "write_output",
    "write_text",
    "written",
]

_PART = re.compile(r"\..*\.([0-9a-f]{8})-(\d+)-[0-9a-f]{16}\.part")


class WriteError(FastsfesError):
    """A file cannot be written; the message names it and says why."""


def user_path(path: str | Path) -> Path:
    """A path as people write it: ``~`` is their home."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"{path}: {str(error).rstrip('.').lower()}; write the whole path") from None


def check_output(path: Path | None, option: str = "--output", *, read: Iterable[Path | str] = ()) -> None:
    """Whether a file can be written there, before the work is done: folders of files are not made, typing errors are.

    Args:
        path, option: the file, and what it is called in errors.
        read: what the same command reads; a name of a dataset may be among them.

    Raises:
        InputError: when the folder is absent, or the path is a folder or a file that is read.
    """
    if path is None:
        return
    path = user_path(path)
    if not path.parent.is_dir():
        raise InputError(f"{option} {path}: the folder {path.parent} does not exist; make it".lstrip())
    if path.is_dir():
        raise InputError(f"{option} {path}: is a folder; give the name of a file".lstrip())
    if path.resolve() in (user_path(each).resolve() for each in read):
        raise InputError(f"{option} {path}: is read by the same command and would be lost; give another name".lstrip())


def make_parent(path: Path) -> None:
    """Make the folder of a file."""
    with _said(path):
        path.parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """An empty file in the folder of `path`, for the time of the block, under a name that cannot be guessed.

    What processes that were killed have left of such files in the folder is removed.

    Raises:
        WriteError: when it cannot be made or written.
    """
    with _said(path):
        _sweep(path.parent)
        part = path.with_name(f".{path.name[:100]}.{here()}-{os.getpid()}-{secrets.token_hex(8)}.part")
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        try:
            yield part
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A file to be filled, which takes the place of `path` when the block ends well.

    Raises:
        WriteError: when it cannot be made or written; what was there before is kept.
    """
    with beside(path) as part:
        yield part
        with open(part, "rb+") as stream:
            os.fsync(stream.fileno())
        part.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a file whole: after a kill it is the old or the new one. A link in its place is replaced, not followed."""
    with written(path) as part:
        part.write_text(text, encoding="utf-8")


def write_output(path: str | Path, text: str) -> None:
    """`write_text` where the user has said: links are followed, pipes and devices written to."""
    path = user_path(path)
    with _said(path):
        path = path.resolve()
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
    write_text(path, text)


def open_inside(folder: Path, name: str, flags: int) -> int:
    """Open a file of a folder that may come from a stranger; returns the descriptor.

    Raises:
        InputError: when it is a link, a pipe or a device: what is written into a folder stays there.
        OSError: as `os.open`.
    """
    path = folder / name
    try:
        handle = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise not_inside(path) from None
        raise
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or (status.st_nlink > 1 and flags & os.O_ACCMODE != os.O_RDONLY):
        os.close(handle)
        raise not_inside(path)
    return handle


def not_inside(path: Path) -> InputError:
    """The error for what leads out of a folder."""
    return InputError(f"{path}: is not a file of this folder alone, but a link, a pipe or a device; remove it")


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        reason = os.strerror(error.errno)
        kept = "; what was there before is kept" if os.path.lexists(path) else ""
        raise WriteError(f"{path}: cannot be written ({reason}){kept}") from error


@lru_cache(maxsize=1024)
def _sweep(folder: Path) -> None:
    """Remove the unfinished files of processes that are gone; once per folder and process."""
    with suppress(OSError), os.scandir(folder) as entries:
        for name in [entry.name for entry in entries if entry.name.endswith(".part")]:
            match = _PART.fullmatch(name)
            if match and match[1] == here() and not alive(int(match[2])):
                with suppress(OSError):
                    os.unlink(folder / name)


def plain(data: Any) -> Any:
    """The same data as JSON can hold it: what is not finite becomes None, mappings and sequences dicts and lists."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {str(k): plain(v) for k, v in data.items()}
    if isinstance(data, (list, tuple)):
        return [plain(v) for v in data]
    return data
