"""One coordinator per run: a lock that a second submission meets, and that a dead owner does not hold.

The owner holds ``flock`` on the file ``run.lock`` of the run directory, which ends with its process, and keeps a record
in it: host, boot, process, start time, a counter that rises every few seconds. On file systems where ``flock`` means
nothing to other machines, the counter of an owner elsewhere tells: when it stands still for a lease, the owner is dead.
The clocks of machines are not compared.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from ..common.errors import FastsfesError, InputError
from ..common.files import open_inside
from ..common.process import boot, namespace, started
from ..common.reading import parse_json
from ..common.runfolder import LOCK

__all__ = ["RunLock", "Witness"]


BEAT = 10.0
"""Seconds between two signs of life."""

LEASE = 60.0
"""Seconds without a sign of life after which an owner on another machine is dead."""

_RECORD = {
    **dict.fromkeys(("host", "boot", "namespace", "started", "job", "restarts", "token"), str),
    **dict.fromkeys(("pid", "beats"), int),
}
"""Kinds of what a record holds; another one is no record."""

_SIZE = 1024  # of the record, always overwritten in place: that works on a full disk, too
_UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


class RunLock:
    """The lock of a run directory, as a context manager.

    Args:
        path: the run directory.
        say: told when there is something to wait for.

    Raises:
        InputError: when another process works on the run.
    """

    def __init__(self, path: Path, say: Callable[[str], None] = lambda text: None) -> None:
        self.path = path / LOCK
        self.say = say
        self.record = {**_identity(), "token": uuid.uuid4().hex}
        self._ended = threading.Event()
        self._beats = 0
        self._file = -1

    def __enter__(self) -> RunLock:
        try:
            self._file = open_inside(self.path.parent, LOCK, os.O_RDWR | os.O_CREAT)
            try:
                self._acquire()
            except BaseException:
                os.close(self._file)
                raise
        except OSError as error:
            raise FastsfesError(f"{self.path}: the run cannot be locked ({error.strerror})") from None
        self._thread = threading.Thread(target=self._live, name="fastsfes-lock", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        try:
            if self._read().get("token") == self.record["token"]:
                os.ftruncate(self._file, 0)
        finally:
            os.close(self._file)

    def check(self) -> None:
        """Raise FastsfesError when another process has taken the run over, because this one was silent for too long."""
        owner = self._read()
        if owner.get("token") != self.record["token"]:
            raise FastsfesError(
                f"{self.path.parent}: this process gave no sign of life for {LEASE:g} s, and {_name(owner)} has taken "
                f"the run over; what this process had stored is kept"
            )

    def _acquire(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            trusted = True
        except BlockingIOError:
            raise self._refused(self._read()) from None
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            trusted = False
        owner = self._read()
        if owner and self._may_live(owner, trusted):
            self._outwait(owner)
        self._write()
        if not trusted:
            time.sleep(1.0)  # of two that come at once the one who wrote last stays
            if self._read().get("token") != self.record["token"]:
                raise self._refused(self._read())

    def _may_live(self, owner: dict[str, Any], trusted: bool) -> bool:
        """Whether the owner in the record can still be at work, as far as this machine can tell."""
        mine = self.record
        if owner.get("job") and owner["job"] == mine["job"] and owner.get("restarts") != mine["restarts"]:
            return False  # Slurm has ended the job before it started it again
        if owner.get("host") != mine["host"]:
            return True
        if owner.get("boot") != mine["boot"]:
            return False
        if trusted:
            return False  # on one machine nobody else can have the lock now
        if owner.get("namespace") != mine["namespace"]:
            return True
        return _lives(owner)

    def _outwait(self, owner: dict[str, Any]) -> None:
        """Return when the owner gives no sign of life for a lease; refuse when it does."""
        if (owner.get("host"), owner.get("namespace")) == (self.record["host"], self.record["namespace"]):
            raise self._refused(owner)
        self.say(f"{self.path.parent}: waiting up to {LEASE:g} s to see whether {_name(owner)} still works on it")
        until = time.monotonic() + LEASE
        while time.monotonic() < until:
            time.sleep(min(1.0, LEASE / 10))
            now = self._read()
            if not now:
                return
            if (now.get("token"), now.get("beats")) != (owner.get("token"), owner.get("beats")):
                raise self._refused(now)

    def _refused(self, owner: dict[str, Any]) -> InputError:
        return InputError(
            f"{self.path.parent}: {_name(owner)} works on this run; wait until it is done or stop it, then continue "
            f"with: fastsfes search --resume {self.path.parent}"
        )

    def _live(self) -> None:
        while not self._ended.wait(BEAT):
            try:
                if self._read().get("token") == self.record["token"]:
                    self._write()
            except OSError:
                pass  # try again; silence costs the lock only when somebody else wants it

    def _write(self) -> None:
        self._beats += 1
        text = json.dumps({**self.record, "beats": self._beats})
        os.pwrite(self._file, text.encode().ljust(_SIZE)[:_SIZE], 0)

    def _read(self) -> dict[str, Any]:
        # A new descriptor: network file systems look at the server when a file is opened.
        try:
            with open(open_inside(self.path.parent, LOCK, os.O_RDONLY), "rb") as file:
                data = parse_json(file.read(_SIZE).decode() or "{}", LOCK)
        except (OSError, ValueError):
            return {}
        known = isinstance(data, dict) and all(isinstance(data.get(k, kind()), kind) for k, kind in _RECORD.items())
        return data if known else {}


class Witness:
    """Sees from outside whether somebody works on a run; does not touch the lock.

    An owner on this machine lives while its process does; of one elsewhere the counter must rise within a lease.
    """

    def __init__(self, path: Path) -> None:
        self._lock = RunLock(path)
        self._last: tuple[object, object] = (None, None)
        self._changed = time.monotonic()

    def working(self) -> bool:
        """Whether the run has a living owner now."""
        owner, mine = self._lock._read(), self._lock.record
        if not owner:
            return False
        if (owner.get("host"), owner.get("namespace")) == (mine["host"], mine["namespace"]):
            here = owner.get("boot") == mine["boot"]
            return here and _lives(owner)
        now = (owner.get("token"), owner.get("beats"))
        if now != self._last:
            self._last, self._changed = now, time.monotonic()
        return time.monotonic() - self._changed < LEASE


def _identity() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "boot": boot(),
        "namespace": namespace(),
        "pid": os.getpid(),
        "started": started(os.getpid()),
        "job": os.environ.get("SLURM_JOB_ID", ""),
        "restarts": os.environ.get("SLURM_RESTART_COUNT", "0"),
    }


def _lives(owner: dict[str, Any]) -> bool:
    """Whether the process of a record of this machine is there."""
    return bool(owner.get("started")) and started(owner.get("pid", 0)) == owner["started"]


def _name(owner: dict[str, Any]) -> str:
    if not owner:
        return "another process"
    job = f", Slurm job {owner['job']}" if owner.get("job") else ""
    return f"process {owner.get('pid')} on {owner.get('host')}{job}"
